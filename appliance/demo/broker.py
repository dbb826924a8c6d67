"""A broker of the demo's own: a real mosquitto on a free port of this machine, gone when the demo ends."""

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from appliance.errors import BrokerError

START_WAIT_S = 5.0
PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
"""Debian installs mosquitto into /usr/sbin, which is not on an ordinary user's path."""


class DemoBroker:
    """A context manager; `port` is where it listens, on the loopback only."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="appliance-demo-")
        self.port = _free_port()

    def __enter__(self) -> "DemoBroker":
        """Start it. Raises BrokerError."""
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path=PLACES)
        if program is None:
            raise BrokerError("demo: mosquitto, the broker, is missing; type: sudo apt-get install -y mosquitto")
        settings = Path(self._folder.name) / "mosquitto.conf"
        settings.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        self._process = subprocess.Popen(
            [program, "-c", str(settings)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._wait_until_it_listens(self._process)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            if self._process.stderr is not None:
                self._process.stderr.close()
        self._folder.cleanup()

    def _wait_until_it_listens(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_WAIT_S
        while time.monotonic() < deadline and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=0.2).close()
                return
            except OSError:
                time.sleep(0.05)
        process.kill()
        said = process.stderr.read().decode(errors="replace").strip().splitlines() if process.stderr else []
        raise BrokerError(f"demo: mosquitto did not start on port {self.port}: {said[-1] if said else 'no word of it'}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
