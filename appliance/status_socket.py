"""The socket that a running daemon can be asked through, and how to ask: connect, read one JSON document to its end.

It is a Unix socket, for this machine only: who may write to its file may ask. Nothing is ever read from who asks.
"""

import logging
import os
import socket
import stat
import struct
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from appliance.errors import ApplianceError
from appliance.one_by_one import OneByOne

RUNTIME_FOLDER: Final = Path("/run/appliance")
"""systemd makes it for the service (RuntimeDirectory=)."""

LONGEST_PATH_BYTES: Final = 107
"""Of a Unix socket on Linux: `sun_path` has 108 bytes, the last one is zero (unix(7))."""

SEND_S: Final = 1.0
"""Longest time to hand over a document of some kilobytes; who does not read it in time gets no more."""

ANSWER_S: Final = 5.0
"""Longest wait for an answer: the frame loop has 2 s, and somebody else may be asking at the same time."""

LARGEST_BYTES: Final = 1_000_000

_LOGGER = logging.getLogger(__name__)


class StatusError(ApplianceError):
    """The daemon cannot be asked, or another one answers in its place."""


def candidates(
    device_id: str,
    *,
    environment: Mapping[str, str] = os.environ,
    runtime: Path = RUNTIME_FOLDER,
    temporary: Path | None = None,
) -> list[Path]:
    """Where the socket of a device may lie: a daemon takes the first it may write, who asks tries them in order.

    `runtime` and `temporary` (the system's, unless given) stand in for the folders of the machine in tests.
    """
    found = [runtime / f"{device_id}.sock"]
    if session := environment.get("XDG_RUNTIME_DIR"):
        found.append(Path(session) / f"appliance-{device_id}.sock")
    return [*found, (temporary or Path(tempfile.gettempdir())) / _fallback_folder() / f"{device_id}.sock"]


class StatusServer:
    """Answers everybody who connects, one after the other."""

    def __init__(self, paths: Sequence[Path], ask: Callable[[], bytes], *, send_s: float = SEND_S) -> None:
        """`paths`: see `candidates`. `ask` makes the document; it is called in the thread `status`, may take some
        seconds and does not raise. `send_s`: longest time to hand it over.
        """
        self._paths = paths
        self._ask = ask
        self._send_s = send_s
        self._path: Path | None = None
        self._listener = socket.socket(socket.AF_UNIX)
        self._server = OneByOne(self._listener, self._serve, name="status")

    @property
    def path(self) -> Path | None:
        """Where it listens; None while it does not."""
        return self._path

    def start(self) -> None:
        """Begin to listen. Where no path can be used it warns, and the appliance does without.

        Raises:
            StatusError: another daemon of this device listens there.
        """
        problems = []
        for path in self._paths:
            try:
                _bind(self._listener, path)
            except OSError as error:
                problems.append(f"{path}: {error.strerror or error}")
                continue
            self._path = path
            self._server.start()
            return
        _LOGGER.warning("`appliance status` will not find this daemon: no socket can be made (%s)", "; ".join(problems))

    def close(self) -> None:
        """End the thread, after the answer that is under way, and remove the socket."""
        self._server.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(self._send_s)
        connection.sendall(self._ask())


def ask_daemon(paths: Sequence[Path], timeout_s: float = ANSWER_S) -> bytes:
    """The document of the first daemon that answers at one of these places.

    Raises:
        StatusError: none runs, it may not be asked, or it does not answer.
    """
    forbidden = None
    for path in paths:
        try:
            return _ask(path, timeout_s)
        except PermissionError:
            forbidden = path
        except (TimeoutError, BlockingIOError):  # the latter: already too many wait
            remedy = "look at journalctl -u appliance, and start it again: systemctl restart appliance"
            raise StatusError(f"{path}: the daemon does not answer within {timeout_s:g} s; {remedy}") from None
        except OSError:  # no such file, or nobody listens there
            continue
    if forbidden is not None:
        raise StatusError(f"{forbidden}: you may not ask this daemon; ask as its user, or with sudo")
    remedy = "look at systemctl status appliance, or start one: appliance run"
    raise StatusError(f"no daemon runs whose device.id is {paths[0].stem!r}; {remedy}")


def _ask(path: Path, timeout_s: float) -> bytes:
    """Raises OSError, and StatusError for what is no answer."""
    _check(path)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout_s)
        connection.connect(str(path))
        with connection.makefile("rb") as answer:
            document = answer.read(LARGEST_BYTES)
    if not document:
        raise StatusError(f"{path}: the daemon ended while it was asked; ask again")
    return document


def _bind(listener: socket.socket, path: Path) -> None:
    """Make the socket's file; a left-over one is replaced. Raises OSError, and StatusError when somebody listens."""
    if _is_fallback(path):
        path.parent.mkdir(mode=0o700, exist_ok=True)
    _check(path)
    if path.exists():
        _remove_stale(path)
    listener.bind(str(path))
    path.chmod(0o660)


def _remove_stale(path: Path) -> None:
    """Remove the socket of a process that is gone. Raises OSError, and StatusError when it is not gone."""
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise OSError(None, "is no socket; remove it")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(SEND_S)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        process, _, _ = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    remedy = "end it, or give this one a device.id of its own"
    raise StatusError(f"{path}: an appliance with this device.id runs already, process {process}; {remedy}")


def _check(path: Path) -> None:
    """Raises OSError where a socket cannot lie, or where somebody else could have put one."""
    length = len(os.fsencode(path))
    if length > LONGEST_PATH_BYTES:
        raise OSError(None, f"{length} bytes are more than the {LONGEST_PATH_BYTES} of a socket's path")
    if _is_fallback(path):
        folder = path.parent.lstat()
        if not stat.S_ISDIR(folder.st_mode) or folder.st_uid != os.getuid() or folder.st_mode & 0o077:
            raise OSError(None, "its folder does not belong to this user alone; remove it")


def _is_fallback(path: Path) -> bool:
    """In the folder for temporary files everybody may make folders: the one of the socket must be ours alone."""
    return path.parent.name == _fallback_folder()


def _fallback_folder() -> str:
    return f"appliance-{os.getuid()}"
