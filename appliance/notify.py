"""What the service manager is told: ready, alive, stopping.

The protocol is one datagram of `NAME=value` lines to the socket that systemd names (sd_notify(3)). Where nothing is
named, as in a terminal, nothing happens.
"""

import contextlib
import os
import socket
from collections.abc import Mapping


class Notifier:
    """Speaks to systemd, or to nobody. Never raises, never waits."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """`environment`: where systemd puts NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID."""
        name = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + name[1:] if name.startswith("@") else name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if name[:1] in ("/", "@") else None
        if self._socket is not None:
            self._socket.setblocking(False)
        self._watchdog_s = _watchdog_s(environment) if self._socket is not None else None

    @property
    def watchdog_interval_s(self) -> float | None:
        """How often to call `watchdog`: half the time after which systemd restarts us; None: it does not watch."""
        return None if self._watchdog_s is None else self._watchdog_s / 2

    def ready(self, status: str) -> None:
        """The start is over; `status` is one line for `systemctl status`."""
        self._send(f"READY=1\n{_status_line(status)}")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(_status_line(text))

    def watchdog(self) -> None:
        """Frames flow. To be called for no other reason."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()

    def _send(self, lines: str) -> None:
        """A lost message is no reason to stop hearing: systemd notices by itself what matters to it."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto(lines.encode("utf-8", "replace"), self._address)


def _status_line(text: str) -> str:
    return f"STATUS={' '.join(text.split())}"


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """The time-out in seconds, when it is set and meant for this process (sd_watchdog_enabled(3))."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    process = environment.get("WATCHDOG_PID", str(os.getpid()))
    if not microseconds.isdecimal() or int(microseconds) == 0 or process != str(os.getpid()):
        return None
    return int(microseconds) / 1_000_000
