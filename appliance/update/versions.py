"""Versions side by side, one link that says which is used, and what a power cut leaves.

    versions/1.0/              a whole version: program, packages, models, and `.complete` as the last file written
    versions/1.1/
    current  -> versions/1.1   the version in use; changed by a rename, so it is the old or the new one at any moment
    previous -> versions/1.0   what a roll-back goes to
    trial                      holds "1.1" until 1.1 has shown that it works

A folder without `.complete` is rubbish or half fetched. While `trial` names the version in use, nobody has confirmed
it: the next start does, or goes back.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from appliance import safe_file
from appliance.errors import UpdateError
from appliance.update.manifest import MARK

ROOT: Final = Path("/opt/appliance")
"""Where the versions of a device are."""


class Versions:
    """The versions below one folder. Every method that writes leaves, cut off anywhere, a state named above."""

    def __init__(self, root: Path = ROOT) -> None:
        """`root`: holds `versions/`, `current` and the rest."""
        self._root = root
        self._folder = root / "versions"

    @property
    def current(self) -> str:
        """The version in use. Raises UpdateError where the link is missing: then nothing can be updated."""
        version = self._linked("current")
        if version is None:
            raise UpdateError(f"{self._root / 'current'}: no link to a version; install the appliance first")
        return version

    @property
    def previous(self) -> str | None:
        """What a roll-back goes to; None: nothing."""
        version = self._linked("previous")
        return version if version is not None and version != self._linked("current") else None

    @property
    def on_trial(self) -> str | None:
        """The version in use, while nobody has confirmed that it works."""
        try:
            version = (self._root / "trial").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return version if version == self._linked("current") else None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """No two change versions at a time. Raises UpdateError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise UpdateError("another update is under way; wait for its end") from None
        finally:
            os.close(descriptor)

    def folder(self, version: str) -> Path:
        """Where a version is, or is to be."""
        return self._folder / version

    def digest(self, version: str) -> str | None:
        """SHA-256 of the manifest that a complete version was made from; None where it is not complete."""
        try:
            return (self.folder(version) / MARK).read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None

    def begin(self, version: str) -> Path:
        """A folder to fill; what is left there of an earlier try is still there, and not complete."""
        folder = self.folder(version)
        folder.mkdir(parents=True, exist_ok=True)
        safe_file.remove(folder / MARK)
        return folder

    def complete(self, version: str, digest: str) -> None:
        """Everything is there: on disk first, and only then called complete."""
        safe_file.flush_tree(self.folder(version))
        safe_file.replace(self.folder(version) / MARK, digest.encode(), mode=0o644)
        safe_file.flush_folder(self._folder)

    def switch(self, version: str) -> None:
        """Use a version from the next start on, on trial. Raises UpdateError where it is not complete."""
        if self.digest(version) is None:
            raise UpdateError(f"{self.folder(version)}: not complete; run the update again")
        safe_file.link(self._root / "previous", f"versions/{self.current}")
        safe_file.replace(self._root / "trial", version.encode(), mode=0o644)
        safe_file.link(self._root / "current", f"versions/{version}")

    def confirm(self) -> None:
        """The version in use works."""
        safe_file.remove(self._root / "trial")

    def roll_back(self) -> str:
        """Use the version before from the next start on; returns it. Raises UpdateError where there is none."""
        previous = self.previous
        if previous is None or self.digest(previous) is None:
            raise UpdateError("there is no version to go back to")
        safe_file.link(self._root / "current", f"versions/{previous}")
        self.confirm()
        return previous

    def remove_others(self, keep: str | None = None) -> None:
        """Make room: all but the version in use, the one before, and `keep`."""
        kept = {self._linked("current"), self._linked("previous"), keep}
        for folder in self._folder.iterdir() if self._folder.exists() else ():
            if folder.name not in kept:
                safe_file.remove(folder / MARK)
                shutil.rmtree(folder)

    def _linked(self, name: str) -> str | None:
        """The version that a link names; None where there is no such link."""
        try:
            return Path(os.readlink(self._root / name)).name
        except FileNotFoundError:
            return None
