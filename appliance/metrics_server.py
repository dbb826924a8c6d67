"""Where Prometheus reads the figures: GET /metrics over HTTP, on the loopback address, and nothing else.

The answer is made in a thread of its own, which asks the frame loop as `appliance status` does; the loop never waits.
A request is bounded in size and in time, so that nobody holds the thread, or the end of the appliance, up for long.
"""

import logging
import socket
import time
from collections.abc import Callable
from typing import Final

from appliance.one_by_one import OneByOne
from appliance.prometheus import CONTENT_TYPE

ADDRESS: Final = "127.0.0.1"
PATH: Final = "/metrics"
HOSTS: Final = frozenset({ADDRESS, "localhost"})
"""What a request may call this machine: a web page that has its own name resolved to 127.0.0.1 is turned away."""

LARGEST_REQUEST_BYTES: Final = 8192
PATIENCE_S: Final = 2.0
"""Longest time for a request to come, and again for its answer to be read."""

_LOGGER = logging.getLogger(__name__)


class MetricsServer:
    """Answers one request after the other."""

    def __init__(self, port: int, ask: Callable[[], bytes], *, patience_s: float = PATIENCE_S) -> None:
        """`port`: 0 takes a free one. `ask` makes the page, in the thread `metrics`, and does not raise."""
        self._port = port
        self._ask = ask
        self._patience_s = patience_s
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._server = OneByOne(self._listener, self._serve, name="metrics")

    @property
    def port(self) -> int:
        """Where it listens, once started."""
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Begin to listen. A port that cannot be used is warned about, and the appliance does without."""
        try:
            self._listener.bind((ADDRESS, self._port))
        except OSError as error:
            _LOGGER.warning(
                "metrics.port = %s: nothing can be read there (%s); name another port", self._port, error.strerror
            )
            return
        self._server.start()

    def close(self) -> None:
        """End the thread, after the answer that is under way."""
        self._server.close()

    def _serve(self, connection: socket.socket) -> None:
        request = self._request(connection)
        connection.settimeout(self._patience_s)
        connection.sendall(self._answer(request))

    def _request(self, connection: socket.socket) -> bytes:
        """Its head, or as much of it as came in time. Raises OSError."""
        request = b""
        until_s = time.monotonic() + self._patience_s
        while b"\r\n\r\n" not in request and len(request) < LARGEST_REQUEST_BYTES:
            connection.settimeout(max(0.001, until_s - time.monotonic()))
            part = connection.recv(LARGEST_REQUEST_BYTES)
            if not part:
                break
            request += part
        return request

    def _answer(self, request: bytes) -> bytes:
        head, complete, _ = request.partition(b"\r\n\r\n")
        first, *fields = head.decode("latin-1").split("\r\n")
        match first.split(" "):
            case [method, target, version] if complete and version in ("HTTP/1.0", "HTTP/1.1"):
                path = target.partition("?")[0]
            case _:
                return _reply("400 Bad Request", b"no HTTP request\n")
        if _host(fields) not in HOSTS:
            return _reply("403 Forbidden", f"ask for http://{ADDRESS}:PORT{PATH}\n".encode())
        if path != PATH:
            return _reply("404 Not Found", f"there is {PATH}\n".encode())
        if method != "GET":
            return _reply("405 Method Not Allowed", b"only GET\n", "Allow: GET\r\n")
        return _reply("200 OK", self._ask())


def _host(fields: list[str]) -> str:
    """What the request calls this machine, without a port; empty where it does not say, or says it twice."""
    named = [value.strip() for name, _, value in (field.partition(":") for field in fields) if name.lower() == "host"]
    return named[0].rpartition(":")[0] or named[0] if len(named) == 1 else ""


def _reply(status: str, body: bytes, more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
        f"X-Content-Type-Options: nosniff\r\n{more}Connection: close\r\n\r\n"
    )
    return head.encode() + body
