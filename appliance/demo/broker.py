"""A broker of the demo's own: a real mosquitto on a free port of this machine, gone when the demo ends."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.errors import BrokerError

START_WAIT_S = 5.0
PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
"""Debian installs mosquitto into /usr/sbin, which is not on an ordinary user's path."""


@contextmanager
def demo_broker(port: int | None = None) -> Iterator[int]:
    """Run mosquitto on the loopback; gives its port.

    Args:
        port: None for a free one.

    Raises:
        BrokerError: mosquitto is missing, does not start, or the port is in use.
    """
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path=PLACES)
    if program is None:
        raise BrokerError("demo: mosquitto, the broker, is missing; type: sudo apt-get install -y mosquitto")
    port = port or _free_port()
    if not _is_free(port):  # else whoever has it would be taken for our broker
        raise BrokerError(f"demo: mosquitto did not start on port {port}: it is in use; end what uses it")
    with tempfile.TemporaryDirectory(prefix="appliance-demo-") as folder:
        settings, log = Path(folder, "mosquitto.conf"), Path(folder, "log")
        settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        with log.open("wb") as output:
            process = subprocess.Popen([program, "-c", str(settings)], stdin=subprocess.DEVNULL, stderr=output)
        try:
            _wait_until_it_listens(process, port, log)
            yield port
        finally:
            process.terminate()
            process.wait()


def _wait_until_it_listens(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + START_WAIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=0.2).close()
            return
        except OSError:
            time.sleep(0.05)
    said = log.read_text(errors="replace").strip().splitlines()
    raise BrokerError(f"demo: mosquitto did not start on port {port}: {said[-1] if said else 'no word of it'}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
