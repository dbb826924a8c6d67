"""A thread that serves whoever connects to a socket, one after the other."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Final

RETRY_S: Final = 1.0
"""Pause where no connection can be taken."""

WAITING_LIMIT: Final = 32
"""Connections that may wait while one is served, also of those who have gone since; more are turned away."""


class OneByOne:
    """Takes connections from a bound socket, which then belongs to it."""

    def __init__(self, listener: socket.socket, serve: Callable[[socket.socket], None], *, name: str) -> None:
        """`serve` gets each connection, in the thread called `name`; it is bounded in time, and an OSError of it means
        that whoever asked has gone, or does not read.
        """
        self._listener = listener
        self._serve = serve
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        """Begin to listen."""
        self._listener.listen(WAITING_LIMIT)
        self._thread.start()

    def close(self) -> None:
        """End the thread, after the answer that is under way, and free the socket."""
        if self._thread.is_alive():
            self._closing.set()
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`
            self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed, or the process has no descriptor left
                if self._closing.wait(RETRY_S):
                    return
                continue
            if self._closing.is_set():
                connection.close()
                return
            with connection, contextlib.suppress(OSError):
                self._serve(connection)
