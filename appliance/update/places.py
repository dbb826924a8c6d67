"""Where an update comes from: a folder, a zip file of one, or an https address of one.

Nothing here decides whether what comes is right: whoever asks compares it with the signed manifest. Names are ours:
those of the manifest and its signature, and hashes.
"""

import zipfile
import zlib
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import unquote, urlsplit

from appliance import model_fetch
from appliance.errors import ModelError, UpdateError
from appliance.model_fetch import CHUNK_BYTES, OpenUrl


class Place(Protocol):
    """Gives the files of one update by their names."""

    def fetch(self, name: str, target: Path, limit_bytes: int) -> None:
        """Put a file at `target`; little more than `limit_bytes` of it. Raises UpdateError, and OSError (disk)."""


def place_of(address: str, open_url: OpenUrl = model_fetch.open_url) -> Place:
    """The place that an owner named: a path, or an address that begins with file:// or https://. Raises UpdateError."""
    parts = urlsplit(address) if "://" in address else None
    if parts is not None and parts.scheme == "https" and parts.hostname:
        return WebPlace(address.rstrip("/") + "/", open_url)
    if parts is not None and (parts.scheme != "file" or parts.netloc not in ("", "localhost")):
        raise UpdateError(f"{address!a}: not an address of an update; name a path, file:///path or https://host/path")
    path = Path(unquote(parts.path) if parts else address)
    if path.is_dir():
        return FolderPlace(path)
    if not path.exists():
        raise UpdateError(f"{path}: there is no such folder or file; name where the update is")
    return ZipPlace(path)


class FolderPlace:
    """A folder, as on a stick."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fetch(self, name: str, target: Path, limit_bytes: int) -> None:
        """Copy it."""
        source = self._folder / name
        try:
            stream = source.open("rb")
        except OSError as error:
            raise UpdateError(f"{source}: cannot be read ({error.strerror}); the update is not whole") from None
        with stream:
            _copy(stream, target, limit_bytes)


class ZipPlace:
    """A zip file that holds such a folder's files, at its top."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def fetch(self, name: str, target: Path, limit_bytes: int) -> None:
        """Unpack it."""
        try:
            with zipfile.ZipFile(self._file) as archive, archive.open(name) as stream:
                _copy(stream, target, limit_bytes)
        except KeyError:
            raise UpdateError(f"{self._file}: holds no {name}; the update is not whole") from None
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
            raise UpdateError(f"{self._file}: cannot be unpacked ({error}); fetch it again") from None


class WebPlace:
    """A folder of a web server. What broke off goes on where it ended, three times by itself."""

    def __init__(self, address: str, open_url: OpenUrl) -> None:
        """`address` ends with a slash."""
        self._address = address
        self._open_url = open_url

    def fetch(self, name: str, target: Path, limit_bytes: int) -> None:
        """Download it."""
        try:
            model_fetch.fetch_url(self._address + name, target, _Silent(), self._open_url, limit_bytes)
        except ModelError as error:
            raise UpdateError(str(error)) from None


class _Silent:
    """An update tells how far it is by whole files."""

    def say(self, text: str) -> None:
        """Nobody reads it."""

    def progress(self, what: str, done_bytes: int, total_bytes: int | None) -> None:
        """Nobody reads it."""


def _copy(stream: IO[bytes], target: Path, limit_bytes: int) -> None:
    """One byte more than the limit at most: a small zip may unpack to more than the disk holds."""
    left = limit_bytes + 1
    with target.open("wb") as copy:
        while left and (data := stream.read(min(CHUNK_BYTES, left))):
            copy.write(data)
            left -= len(data)
