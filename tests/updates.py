"""A small update, signed with a key made for it, and a machine that is told what happens. Shared by tests and kills."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from appliance.errors import UpdateError
from appliance.update.manifest import Manifest
from appliance.update.places import place_of
from appliance.update.progress import Progress
from appliance.update.updater import Updater
from appliance.update.versions import Versions
from tools import make_update

OLD = {
    "appliance/loop.py": b"old loop",
    "appliance/gone.py": b"only in the old one",
    "models/ear": b"weights " * 2000,
    "bin/start": b"#!/bin/sh\n",
}
NEW = {
    "appliance/loop.py": b"new loop",
    "appliance/deep/er.py": b"",
    "models/ear": OLD["models/ear"],
    "bin/start": OLD["bin/start"],
    "wheels/a.whl": b"packed " * 300,
}


MEMORY = Path("/dev/shm")
"""Here fsync takes no time; what is on disk after a power cut no test of a running machine can show anyway."""


def folder_in_memory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None)


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
        (folder / path).chmod(0o755 if path.startswith("bin/") else 0o644)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Maker:
    """Makes updates, all signed with one key; one that was made is copied when it is asked for again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, Path] = {}
        make_update.make_key(folder)
        self.key = folder / "update-key.pem"
        self._secret = folder / "update-key.secret.pem"

    def make(self, files: Mapping[str, bytes] = NEW, *, version: str = "1.1", **about: str) -> Path:
        """An update in a folder of its own."""
        name = repr((sorted(files.items()), version, about))
        made = self._made.setdefault(name, self._folder / str(len(self._made)))
        if not made.exists():
            tree = write(made.with_suffix(".tree"), files)
            manifest = Manifest(version=version, files=make_update.files_of(tree), **about)  # type: ignore[arg-type]
            make_update.make(tree, made, manifest, self._secret)
        copy = Path(tempfile.mkdtemp(dir=self._folder)) / "update"
        shutil.copytree(made, copy)
        return copy

    def sign_again(self, update: Path, data: bytes) -> None:
        """Other content, rightly signed."""
        (update / "update.json").write_bytes(data)
        make_update.sign(update, self._secret)


def device(root: Path, files: Mapping[str, bytes] = OLD, *, version: str = "1.0") -> Versions:
    """A device with one version, whole and in use."""
    folder = write(root / "versions" / version, files)
    (folder / ".complete").write_text(hashlib.sha256(json.dumps(sorted(files)).encode()).hexdigest())
    (root / "current").symlink_to(f"versions/{version}")
    return Versions(root)


class Machine:
    """Does what it is told, keeps what was asked, and fails where it is to."""

    kind, python = "aarch64", "3.11"

    def __init__(self) -> None:
        self.breaks = ""
        """What fails, as `watch 1.1`."""

        self.free = 1 << 40
        self.asked: list[str] = []

    def free_bytes(self, folder: Path) -> int:
        return self.free

    def prepare(self, folder: Path) -> None:
        write(folder, {".venv/bin/python": b"of " + folder.name.encode()})
        self._do(f"prepare {folder.name}")

    def test(self, folder: Path) -> None:
        self._do(f"test {folder.name}")

    def restart(self) -> None:
        self._do("restart")

    def watch(self, version: str) -> None:
        self._do(f"watch {version}")

    def _do(self, what: str) -> None:
        self.asked.append(what)
        if what == self.breaks:
            raise UpdateError(f"{what} failed")


class Device:
    """A device with version 1.0, and who updates it."""

    def __init__(self, folder: Path, key: Path) -> None:
        self.root = folder / "device"
        self.versions = device(self.root)
        self.machine = Machine()
        self.told: list[Progress] = []
        self.updater = Updater(self.versions, self.machine, self.told.append)
        self.key = key

    @property
    def files(self) -> dict[str, bytes]:
        """Of the version in use, without what is made on the device."""
        found = contents(self.root / "current")
        return {path: content for path, content in found.items() if not path.startswith(".")}

    def install(self, address: Path | str) -> None:
        """As `appliance update apply --from`."""
        place = place_of(str(address))
        self.updater.apply(place, self.updater.look(place, self.key))
