"""Who may talk to us, and how many at once: a listener, and a thread for each connection."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from appliance.errors import ApplianceError
from appliance.refusals import Refusals
from appliance.wyoming.wire import Wire, WireError

CONNECTIONS: Final = 8
"""At once: the satellites of a house, each with its wake word, and Home Assistant's questions. More are turned away."""

RETRY_S: Final = 1.0
"""Pause where no connection can be taken."""

LOOK_UP_S: Final = 0.5
"""So often the wait for a connection is ended. A signal that comes just before it, or to another thread, does not end
it, and its handler is run after the wait."""

Converse = Callable[[Wire, Callable[[], bool]], None]
"""Talks with one client to the end of its connection. The second argument says whether the server is ending."""

_LOGGER = logging.getLogger(__name__)


class ListenError(ApplianceError):
    """The address cannot be listened at."""


class Server:
    """Listens from the beginning, answers from `serve` on; whoever comes before that waits."""

    def __init__(
        self, host: str, port: int, converse: Converse, *, open_wire: Callable[[socket.socket], Wire] = Wire
    ) -> None:
        """`port` 0: any free one. Raises ListenError."""
        self._converse = converse
        self._open_wire = open_wire
        self._refusals = Refusals(time.monotonic, _tell)
        self._closing = threading.Event()
        self._open: dict[threading.Thread, socket.socket] = {}
        if not 0 <= port <= 65_535:
            raise ListenError(f"--port {port}: must be 0..65535")
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._listener = socket.create_server((host, port), family=family, backlog=CONNECTIONS)
        except OSError as error:
            raise ListenError(f"{host}:{port}: cannot listen there ({error}); name another --host or --port") from None
        self._listener.settimeout(LOOK_UP_S)
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        """The address is free again, also where nobody was answered."""
        self._listener.close()

    @property
    def refused(self) -> int:
        """Connections that were turned away or ended for what they sent."""
        return self._refusals.count

    def serve(self) -> None:
        """Answer until `close`; then end all connections and wait for their threads."""
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:  # closing, or the process has no descriptor left
                self._closing.wait(RETRY_S)
                continue
            self._open = {thread: end for thread, end in self._open.items() if thread.is_alive()}
            if len(self._open) >= CONNECTIONS:
                self._turn_away(connection)
                continue
            thread = threading.Thread(target=self._talk, args=(connection,), name="wyoming client")
            self._open[thread] = connection
            thread.start()
        self._listener.close()
        for connection in self._open.values():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._open:
            thread.join()

    def close(self) -> None:
        """Let `serve` end. May be called from a signal handler."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)

    def _talk(self, connection: socket.socket) -> None:
        """The thread of one connection."""
        wire = self._open_wire(connection)
        with connection, contextlib.suppress(OSError):  # whoever asked has gone, or takes nothing
            try:
                self._converse(wire, self._closing.is_set)
            except WireError as error:
                self._refuse(wire, str(error))
            except ApplianceError as error:
                _LOGGER.warning("%s", error)
                _send_error(wire, str(error))

    def _turn_away(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self._refuse(self._open_wire(connection), f"more than {CONNECTIONS} connections at once")

    def _refuse(self, wire: Wire, reason: str) -> None:
        self._refusals.add(reason)
        _send_error(wire, reason)


def _send_error(wire: Wire, reason: str) -> None:
    from wyoming.error import Error

    wire.send(Error(text=reason))


def _tell(reason: str, count: int) -> None:
    _LOGGER.warning("Wyoming client refused (%d since last told): %s", count, reason)
