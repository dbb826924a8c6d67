"""Installing models: fetch, check every byte, and only then put in place of what was there.

A source gives a *place*: a folder, a wheel or a zip that holds the files. Whatever the place, only files whose SHA-256
stands in the manifest are taken, into a fresh folder beside the installed one; the last step is a rename. So a wrong,
cut-off or hostile source leaves the last good model as it was. Nothing of a fetched package is imported or run.
"""

import fcntl
import hashlib
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from appliance import model_fetch
from appliance.errors import ModelError
from appliance.model_fetch import CHUNK_BYTES, FetchPackage, OpenUrl, Report
from appliance.models import ModelEntry, ModelStore, Source, Status

SPACE_MARGIN_BYTES = 32 << 20
"""Kept free beyond twice the model: the largest fetched package is smaller than the model it holds."""


def free_bytes(folder: Path) -> int:
    """Free space on the disk of an existing folder."""
    return shutil.disk_usage(folder).free


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What installing needs of the world; tests bring their own."""

    fetch_package: FetchPackage = model_fetch.fetch_package
    open_url: OpenUrl = model_fetch.open_url
    free_bytes: Callable[[Path], int] = free_bytes


class Installer:
    """Installs models one after the other; a package that holds several is fetched once.

    Made by `installer()`, which sees to it that no two work on the same folder.
    """

    def __init__(self, store: ModelStore, report: Report, outside: Outside) -> None:
        self._store = store
        self._report = report
        self._outside = outside
        self._work = _work_folder(store)
        self._fetched: dict[str, Path | ModelError] = {}

    def install(self, name: str, origin: Path | None = None) -> bool:
        """Make a model installed and good; False when it was already.

        Args:
            name: of the manifest.
            origin: a folder, wheel, zip or (for a model of one file) the file to take it from; no network then.

        Raises:
            ModelError: unknown, no source gave the right files, or the disk is full; the old model is still there.
        """
        entry = self._store.entry(name)
        if self._store.status(name) is Status.INSTALLED:
            self._report.say(f"{name}: already installed, all files good")
            return False
        self._check_space(entry)
        if entry.non_commercial:
            self._report.say(f"{name}: FOR NON-COMMERCIAL USE ONLY ({entry.licence}); see {entry.card}")
        try:
            self._install(entry, origin)
        except OSError as error:
            where = error.filename or self._store.directory
            raise ModelError(f'model "{name}" was not installed: {where}: {error.strerror or error}') from None
        self._report.say(f"{name}: installed, {entry.size}, licence {entry.licence}")
        return True

    def _install(self, entry: ModelEntry, origin: Path | None) -> None:
        """Try one source after the other."""
        problems = []
        sources: tuple[Source | Path, ...] = entry.sources if origin is None else (origin,)
        for source in sources:
            try:
                if isinstance(source, Path):
                    fresh = self._take(entry, source, None)
                elif source.path:
                    fresh = self._take(entry, self._store.beside(entry.name) / source.path, "")
                else:
                    fresh = self._take(entry, self._fetch(entry, source), source.folder)
            except ModelError as error:
                problems.append(str(error))
                continue
            self._replace(entry.name, fresh)
            for address in (other.url for other in entry.sources if other.url):
                shutil.rmtree(self._folder_of(address), ignore_errors=True)
            return
        remedy = "; without network, name a folder, wheel or zip with --from" if origin is None else ""
        raise ModelError(f'model "{entry.name}" was not installed: {"; ".join(problems)}{remedy}')

    def _check_space(self, entry: ModelEntry) -> None:
        needed = 2 * entry.size_bytes + SPACE_MARGIN_BYTES
        free = self._outside.free_bytes(self._store.directory)
        if free < needed:
            raise ModelError(
                f'model "{entry.name}" needs {needed / 1e6:.0f} MB free in {self._store.directory} and there are '
                f"{free / 1e6:.0f}: make room, or name another folder in models.directory"
            )

    def _fetch(self, entry: ModelEntry, source: Source) -> Path:
        """Get what a source names; returns the place that holds the files."""
        if source.package:
            return self._package(source.package)
        self._report.say(f"{entry.name}: fetching {source.url}")
        folder = self._folder_of(source.url)
        if source.url.endswith(".zip"):
            wanted = {"model.zip": source.url}
        elif source.url.endswith("/"):
            wanted = {path: source.url + path for path in entry.files}
        else:
            wanted = {path: source.url for path in entry.files}
        for path, url in wanted.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            model_fetch.fetch_url(url, folder / path, self._report, self._outside.open_url, entry.size_bytes)
        return folder / "model.zip" if source.url.endswith(".zip") else folder

    def _folder_of(self, url: str) -> Path:
        """Where the files of an address come to lie; the half-file of another address is never gone on with."""
        return self._work / hashlib.sha256(url.encode()).hexdigest()[:16]

    def _package(self, package: str) -> Path:
        """The wheel of a package; fetched once in a run, and failed once in a run."""
        if package not in self._fetched:
            self._report.say(f"fetching {package}")
            folder = self._work / package
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            try:
                self._fetched[package] = self._outside.fetch_package(package, folder, self._report)
            except ModelError as error:
                self._fetched[package] = error
        found = self._fetched[package]
        if isinstance(found, ModelError):
            raise found
        return found

    def _take(self, entry: ModelEntry, place: Path, folder: str | None) -> Path:
        """Copy the model's files out of a place into a fresh folder, checked and on disk; returns it."""
        fresh = self._work / f"{entry.name}.new"
        problem = f"{place}: holds no file of this model"
        for found, inside in _spots(entry, place, folder):
            shutil.rmtree(fresh, ignore_errors=True)
            try:
                _copy_checked(entry, found, inside, fresh)
                return fresh
            except ModelError as error:
                problem = str(error)
        raise ModelError(problem)

    def _replace(self, name: str, fresh: Path) -> None:
        """Put a fresh folder where the old one is. Cut off between the two renames, the next run puts the old back."""
        target, old = self._store.directory / name, self._work / f"{name}.old"
        if target.exists():
            target.rename(old)
        try:
            fresh.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
        _sync(self._store.directory)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def installer(store: ModelStore, report: Report, outside: Outside | None = None) -> Iterator[Installer]:
    """An installer that works alone on the store's folder, and tidies up behind itself.

    Raises:
        ModelError: the folder cannot be written, or another installation is going on.
    """
    try:
        _work_folder(store).mkdir(parents=True, exist_ok=True)
        lock = os.open(store.directory, os.O_RDONLY)
    except OSError as error:
        raise ModelError(f"{store.directory}: models cannot be installed there ({error.strerror})") from None
    try:
        _begin_alone(store, lock)
        try:
            yield Installer(store, report, outside or Outside())
        finally:
            with suppress(OSError):  # what cannot be tidied now is tidied when the next one begins
                _tidy(store)
    finally:
        os.close(lock)


def _begin_alone(store: ModelStore, lock: int) -> None:
    """Lock the folder, and tidy up after an installation that was killed."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _tidy(store)
    except BlockingIOError:
        raise ModelError(f"{store.directory}: another installation is going on there; wait for it to end") from None
    except OSError as error:
        where = error.filename or store.directory
        raise ModelError(f"{where}: cannot be locked or tidied up ({error.strerror}); check its permissions") from None


def _work_folder(store: ModelStore) -> Path:
    """Where downloads and half-made models lie: on the disk of the models, so that a rename puts them in place."""
    return store.directory / ".install"


def _tidy(store: ModelStore) -> None:
    """Put back models whose replacement was cut off; remove everything but downloads to be gone on with."""
    work = _work_folder(store)
    for old in work.glob("*.old"):
        target = store.directory / old.stem
        if not target.exists():
            old.rename(target)
    for path in [*sorted(work.rglob("*"), reverse=True), work]:
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.suffix != ".part":
            path.unlink(missing_ok=True)


def _spots(entry: ModelEntry, place: Path, folder: str | None) -> Iterator[tuple[Path, str]]:
    """Where in a place the files may be: (folder, archive or file; folder inside). `folder` None: look for them."""
    if place.is_dir():
        for inside in ("",) if folder is not None else (entry.name, ""):
            if any((place / inside / path).is_file() for path in entry.files):
                yield place, inside
        for archive in sorted([*place.glob("*.whl"), *place.glob("*.zip")]) if folder is None else ():
            yield from _spots(entry, archive, None)
    elif folder is not None or not _is_archive(place):
        yield place, folder or ""
    else:
        first = min(entry.files)
        with _opened(place) as members:
            found = [f"/{name}" for name in members.namelist()]
        yield from ((place, name[1 : -len(first)]) for name in sorted(found) if name.endswith(f"/{first}"))


def _is_archive(place: Path) -> bool:
    return place.suffix in (".whl", ".zip")


def _copy_checked(entry: ModelEntry, place: Path, inside: str, fresh: Path) -> None:
    """Copy each file of the model to a fresh folder. Raises ModelError when one is missing, cut off or different."""
    for path, expected in entry.files.items():
        target = fresh / path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _opened_file(entry, place, str(PurePosixPath(inside, path))) as stream:
                found = _copy(stream, target)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
            raise ModelError(f"{place.name}: {path} in it cannot be unpacked ({error})") from None
        if found != expected:
            raise ModelError(
                f"{place.name}: {path} is not the file of the manifest "
                f"(SHA-256 {found[:12]}..., must be {expected[:12]}...)"
            )
    for folder in {(fresh / path).parent for path in entry.files} | {fresh}:
        _sync(folder)


@contextmanager
def _opened_file(entry: ModelEntry, place: Path, path: str) -> Iterator[IO[bytes]]:
    """A file in a folder, a member of an archive, or the place itself when the model is one file."""
    if _is_archive(place):
        with _opened(place) as members:
            if path not in members.namelist():
                raise ModelError(f"{place.name}: {path} is missing in it")
            if members.getinfo(path).file_size > entry.size_bytes:
                raise ModelError(f"{place.name}: {path} in it is larger than the whole model should be")
            with members.open(path) as stream:
                yield stream
        return
    file = place / path if place.is_dir() else place
    if not file.is_file():
        raise ModelError(f"{file}: no such file")
    if file is place and len(entry.files) > 1:
        raise ModelError(
            f"{place.name}: one file, but {entry.name} has {len(entry.files)}; name a folder, wheel or zip"
        )
    with file.open("rb") as stream:
        yield stream


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    """A wheel or zip. Raises ModelError: cut off, no archive, or with a member that would lie outside."""
    try:
        members = zipfile.ZipFile(archive)
    except zipfile.BadZipFile:
        raise ModelError(f"{archive.name}: cut off, or not a wheel or zip; get it again") from None
    with members:
        for name in members.namelist():
            if name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts:
                raise ModelError(f'{archive.name}: refused, because a member leads outside ("{name[:80]}")')
        yield members


def _copy(stream: IO[bytes], target: Path) -> str:
    """Write a stream to a file and to the disk; returns its SHA-256."""
    digest = hashlib.sha256()
    with target.open("wb") as copy:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            copy.write(chunk)
        copy.flush()
        os.fsync(copy.fileno())
    return digest.hexdigest()


def _sync(folder: Path) -> None:
    """Make renames and new names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
