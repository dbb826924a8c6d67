"""What an update says of itself: its version, what it needs, and the hash of every file. Signed as a whole.

Beside `update.json` lies `update.json.sig`, its Ed25519 signature (RFC 8032) of 64 bytes; every file lies in `files/`,
named by its SHA-256. So a file that the installed version has already is not fetched again.
"""

import base64
import binascii
import os
import re
import subprocess
import tempfile
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from appliance.errors import UpdateError

MANIFEST: Final = "update.json"
SIGNATURE: Final = "update.json.sig"
FILES: Final = "files"

LARGEST_BYTES: Final = 4 << 20
"""Of a manifest: 30,000 files."""

SIGNATURE_BYTES: Final = 64

MARK: Final = ".complete"
"""Made on the device, in the version's folder: its files are all there."""

_KEY_HEAD: Final = bytes.fromhex("302a300506032b6570032100")
"""What a public Ed25519 key begins with in its usual form (RFC 8410, section 4); 32 bytes of the key follow."""

_PATIENCE_S: Final = 30


class File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of an update."""

    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    size: Annotated[int, Meta(ge=0, le=1 << 31)]
    """Bytes."""

    executable: bool = False


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of an update."""

    format: Literal[1] = 1
    version: Annotated[str, Meta(pattern=r"^[0-9][0-9A-Za-z.+]{0,31}\Z")]
    notes: Annotated[str, Meta(max_length=2000)] = ""
    """What is new, for people."""

    machine: Literal["", "aarch64", "x86_64"] = ""
    """As `uname -m` says; empty: any."""

    python: Annotated[str, Meta(pattern=r"^(3\.[0-9]{1,2})?\Z")] = ""
    """Major and minor version that its packages are made for; empty: any."""

    files: Annotated[dict[str, File], Meta(min_length=1)]
    """Path below the version's folder, with slashes: the file."""

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.size for file in self.files.values())


def read(data: bytes, signature: bytes, key: Path) -> Manifest:
    """A manifest whose signature is good: nothing of it is looked at before. Raises UpdateError."""
    verify(data, signature, key)
    return parse(data)


def parse(data: bytes) -> Manifest:
    """A manifest, whoever made it. Raises UpdateError."""
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UpdateError(f"{MANIFEST} is signed, but not of a form that this version knows ({error})") from None
    for path in manifest.files:
        if not _is_safe(path):
            raise UpdateError(f"{MANIFEST} names {path[:80]!a}, which is no path inside a version's folder")
    if inside := {str(parent) for path in manifest.files for parent in PurePosixPath(path).parents} & set(
        manifest.files
    ):
        raise UpdateError(f"{MANIFEST} names {min(inside)[:80]!a} as a file and as a folder")
    return manifest


def verify(data: bytes, signature: bytes, key: Path) -> None:
    """Is this what the holder of the key signed?

    By the system's OpenSSL: it is there on every Debian that can do TLS, and is kept well without us.

    Raises:
        UpdateError: no usable key, no OpenSSL, or not what was signed.
    """
    _check_key(key)
    if len(signature) != SIGNATURE_BYTES:
        raise UpdateError(f"{SIGNATURE} has {len(signature)} bytes instead of {SIGNATURE_BYTES}; nothing is installed")
    with tempfile.TemporaryDirectory() as folder:
        content, mark = Path(folder, "content"), Path(folder, "signature")
        content.write_bytes(data)
        mark.write_bytes(signature)
        command = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", str(key)]
        try:
            done = subprocess.run(
                [*command, "-in", str(content), "-sigfile", str(mark)],
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_PATIENCE_S,
                check=False,
            )
        except FileNotFoundError:
            raise UpdateError("no signature can be checked without openssl; sudo apt-get install openssl") from None
        except subprocess.TimeoutExpired:
            raise UpdateError(f"openssl does not end within {_PATIENCE_S} s; try again") from None
    if done.returncode != 0:
        raise UpdateError(f"{MANIFEST} is not signed with the key {key}; nothing is installed")


def _check_key(key: Path) -> None:
    """Raises UpdateError for what is no public Ed25519 key: another kind would be checked in another way."""
    try:
        text = key.read_text(encoding="ascii")
    except FileNotFoundError:
        raise UpdateError(f"{key}: no such key; put the public key of whoever makes your updates there") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UpdateError(f"{key}: cannot be read as a key ({error})") from None
    found = re.fullmatch(r"\s*-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*", text)
    try:
        content = base64.b64decode("".join(found.group(1).split()), validate=True) if found else b""
    except binascii.Error:
        content = b""
    if len(content) != len(_KEY_HEAD) + 32 or not content.startswith(_KEY_HEAD):
        raise UpdateError(f"{key}: holds no public Ed25519 key; make one with python -m tools.make_update key")


def _is_safe(path: str) -> bool:
    """Relative, without detours, printable, and not the mark of a complete version."""
    parts = path.split("/")
    if not path.isprintable() or "\\" in path or len(path.encode("utf-8", "replace")) > 1000:
        return False
    if any(part in ("", ".", "..") or len(part.encode("utf-8", "replace")) > 200 for part in parts):
        return False
    return path != MARK
