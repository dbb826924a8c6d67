"""From a signed manifest to a version that has shown that it works, or back.

The order: signature, fitness, space; every file, each compared with its hash; the rest made ready; a first test of the
new version, which disturbs nobody; and only then the switch, the restart, and a second look. Whatever fails before the
switch changes nothing; what fails after it is taken back.
"""

import hashlib
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from packaging.version import InvalidVersion, Version

from appliance.errors import UpdateError
from appliance.events import UpdateStep
from appliance.models import sha256_of
from appliance.update import manifest as signed
from appliance.update.manifest import FILES, File, Manifest
from appliance.update.places import Place
from appliance.update.progress import Progress
from appliance.update.versions import Versions

SPACE_MARGIN_BYTES: Final = 128 << 20
"""For compiled modules (measured: 60 MB), logs, and what the running one writes meanwhile."""

_LOGGER = logging.getLogger(__name__)


class Machine(Protocol):
    """What updating needs of the machine; tests bring their own."""

    kind: str
    """As `uname -m` says."""

    python: str
    """Major and minor version of the Python that versions run on."""

    def free_bytes(self, folder: Path) -> int:
        """Free space on the disk of a folder."""

    def prepare(self, folder: Path) -> None:
        """Make what a version needs and does not bring along. Raises UpdateError."""

    def test(self, folder: Path) -> None:
        """Does a version wake, as a process of its own beside the one that runs? Raises UpdateError, and says why."""

    def restart(self) -> None:
        """Start the version in use anew, and wait until it says that it is ready. Raises UpdateError."""

    def watch(self, version: str) -> None:
        """Do frames flow through the running version, for some seconds? Raises UpdateError, and says why not."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a place has."""

    manifest: Manifest
    digest: str
    """SHA-256 of the manifest."""


class Updater:
    """Changes versions. One at a time: see `Versions.locked`."""

    def __init__(self, versions: Versions, machine: Machine, tell: Callable[[Progress], None]) -> None:
        """`tell`: gets every step."""
        self._versions = versions
        self._machine = machine
        self._tell = tell
        self._notes = ""

    def look(self, place: Place, key: Path) -> Offer:
        """What a place has, its signature checked; told when it is newer than what is in use. Raises UpdateError."""
        data = _small(place, signed.MANIFEST, signed.LARGEST_BYTES)
        manifest = signed.read(data, _small(place, signed.SIGNATURE, signed.SIGNATURE_BYTES), key)
        self._notes = manifest.notes
        if self.is_newer(manifest):
            self._step(manifest.version, UpdateStep.FOUND, 0)
        return Offer(manifest, hashlib.sha256(data).hexdigest())

    def is_newer(self, manifest: Manifest) -> bool:
        """Newer than the version in use. Raises UpdateError for what is no version."""
        return _number(manifest.version) > _number(self._versions.current)

    def apply(self, place: Place, offer: Offer) -> None:
        """Install what a place offers, and use it. Raises UpdateError; then the version of before is in use."""
        version = offer.manifest.version
        with self._versions.locked():
            self._settle()
            try:
                self._make_ready(place, offer)
            except (UpdateError, OSError) as error:
                problem = str(error) if isinstance(error, UpdateError) else f"{error.filename}: {error.strerror}"
                self._step(version, UpdateStep.FAILED, 100, problem)
                raise UpdateError(f"version {version} was not installed: {problem}") from None
            self._step(version, UpdateStep.SWITCHING, 90)
            self._versions.switch(version)
            self._prove(version, restart=True)

    def settle(self) -> None:
        """After a start: confirm the version on trial, or go back. Raises UpdateError when it was taken back."""
        with self._versions.locked():
            self._settle()

    def roll_back(self) -> str:
        """Go back to the version before, because somebody wants it; returns it. Raises UpdateError."""
        with self._versions.locked():
            left = self._versions.current
            version = self._versions.roll_back()
            self._step(left, UpdateStep.ROLLED_BACK, 100, "somebody asked for it")
            self._machine.restart()
            return version

    def _settle(self) -> None:
        version = self._versions.on_trial
        if version is None:
            self._versions.confirm()  # a trial that was cut off before it began
        else:
            self._prove(version, restart=False)

    def _make_ready(self, place: Place, offer: Offer) -> None:
        """Everything that changes nothing for the version in use. Raises UpdateError, OSError."""
        manifest = offer.manifest
        self._check(manifest)
        if self._versions.digest(manifest.version) != offer.digest:
            self._make(place, offer)
        self._step(manifest.version, UpdateStep.TESTING, 80)
        self._machine.test(self._versions.folder(manifest.version))

    def _check(self, manifest: Manifest) -> None:
        """Raises UpdateError for what is not newer, or not for this machine. Makes room."""
        current = self._versions.current
        if not self.is_newer(manifest):
            raise UpdateError(f"version {manifest.version} is not newer than {current}, which is installed")
        for wanted, found in ((manifest.machine, self._machine.kind), (manifest.python, self._machine.python)):
            if wanted and wanted != found:
                raise UpdateError(f"version {manifest.version} is made for {wanted}, and this machine has {found}")
        folder = self._versions.folder(manifest.version)
        self._versions.remove_others(keep=manifest.version)
        ours = self._versions.folder(current)
        missing = sum(file.size for path, file in manifest.files.items() if not _is_sized(ours / path, file))
        needed = missing + SPACE_MARGIN_BYTES
        free = self._machine.free_bytes(folder.parent)
        if free < needed:
            raise UpdateError(
                f"version {manifest.version} needs {needed / 1e6:.0f} MB free in {folder.parent} and there are "
                f"{free / 1e6:.0f}: make room"
            )

    def _make(self, place: Place, offer: Offer) -> None:
        """Fill the version's folder. Cut off anywhere, the next try goes on with the files that are whole."""
        manifest = offer.manifest
        folder = self._versions.begin(manifest.version)
        _remove_strangers(folder, manifest)
        done_bytes, told = 0, -1
        for path, file in manifest.files.items():
            percent = 70 * done_bytes // (manifest.size_bytes or 1)
            if percent != told:
                told = percent
                self._step(manifest.version, UpdateStep.FETCHING, percent)
            self._bring(place, folder, path, file)
            done_bytes += file.size
        self._step(manifest.version, UpdateStep.PREPARING, 70)
        self._take_models_along(folder / "models")
        self._machine.prepare(folder)
        self._versions.complete(manifest.version, offer.digest)

    def _bring(self, place: Place, folder: Path, path: str, file: File) -> None:
        """One file: it is there, or the version in use has it, or it is fetched. Raises UpdateError, OSError."""
        target = folder / path
        if _is(target, file):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        ours = self._versions.folder(self._versions.current) / path
        if _is(ours, file):
            os.link(ours, target)  # the same file under two names: models take no room twice
            return
        part = target.with_name(target.name + ".part")
        place.fetch(f"{FILES}/{file.sha256}", part, file.size)
        part.chmod(_mode(file))
        if not _is(part, file):
            part.unlink()
            raise UpdateError(f"{path}: what was fetched is not what was signed")
        part.replace(target)

    def _take_models_along(self, models: Path) -> None:
        """Those that the owner made or fetched: all that the new version does not bring itself."""
        ours = self._versions.folder(self._versions.current) / "models"
        for model in ours.iterdir() if ours.is_dir() else ():
            target = models / model.name
            if model.is_dir() and not target.exists():
                shutil.copytree(model, target, copy_function=os.link)
            elif model.is_file() and not target.exists():
                os.link(model, target)

    def _prove(self, version: str, *, restart: bool) -> None:
        """Look at the version that was switched to, and go back where it does not work. Raises UpdateError."""
        try:
            if restart:
                self._machine.restart()
            self._machine.watch(version)
            self._machine.test(self._versions.folder(version))
        except UpdateError as error:
            previous = self._versions.roll_back()
            self._step(version, UpdateStep.ROLLED_BACK, 100, str(error))
            self._machine.restart()
            raise UpdateError(f"version {version} does not work, {previous} is used again: {error}") from None
        self._versions.confirm()
        self._step(version, UpdateStep.INSTALLED, 100)
        self._versions.remove_others()

    def _step(self, version: str, step: UpdateStep, percent: int, problem: str | None = None) -> None:
        """Tell where the update to a version stands."""
        _LOGGER.info("update to %s: %s, %d %%", version, step, percent)
        installed = self._versions.current
        self._tell(
            Progress(
                installed=installed, latest=version, step=step, percent=percent, problem=problem, notes=self._notes
            )
        )


def _small(place: Place, name: str, limit_bytes: int) -> bytes:
    """A small file of a place, in memory. Raises UpdateError."""
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder, name)
        place.fetch(name, part, limit_bytes)
        if part.stat().st_size > limit_bytes:
            raise UpdateError(f"{name} has more than {limit_bytes} bytes; nothing is installed")
        return part.read_bytes()


def _number(version: str) -> Version:
    try:
        return Version(version)
    except InvalidVersion:
        raise UpdateError(f"{version!a} is no version; see the form of PEP 440") from None


def _mode(file: File) -> int:
    return 0o755 if file.executable else 0o644


def _is(path: Path, file: File) -> bool:
    """Whether a file is there and is the one that was signed; never a link."""
    try:
        found = path.lstat()
        is_like = (found.st_size, found.st_mode) == (file.size, stat.S_IFREG | _mode(file))
        return is_like and sha256_of(path) == file.sha256
    except OSError:
        return False


def _is_sized(path: Path, file: File) -> bool:
    """Whether it may be the same file, without reading it."""
    try:
        return path.lstat().st_size == file.size
    except OSError:
        return False


def _remove_strangers(folder: Path, manifest: Manifest) -> None:
    """What an earlier try left and the manifest does not name; also links and folders where files are to be."""
    for root, folders, names in os.walk(folder, topdown=False):
        for name in (*folders, *names):
            path = Path(root, name)
            wanted = str(path.relative_to(folder)) in manifest.files
            if path.is_symlink() or (path.is_file() and not wanted):
                path.unlink()
            elif path.is_dir() and (wanted or not any(path.iterdir())):
                shutil.rmtree(path)
