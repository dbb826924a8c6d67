"""What the running appliance has to do with updates: it tells how one goes, and asks for one.

It has no right to change its own program. Who has, the service manager's `appliance-update@apply`, is started by a file
that lies where only the appliance may write, and tells how it goes in another.
"""

import os
from pathlib import Path
from typing import Final

import msgspec

from appliance import __version__
from appliance.audio.format import FRAMES_PER_S
from appliance.config_files import LoadedConfig
from appliance.events import UpdateProgressed, UpdateStep
from appliance.facts import Fact, StageFailed
from appliance.status_socket import RUNTIME_FOLDER
from appliance.update.progress import PROGRESS, Progress, load

WISH: Final = RUNTIME_FOLDER / "update-wanted"
"""appliance-update.path waits for it."""

LOOK_EVERY_FRAMES: Final = FRAMES_PER_S


class Updating:
    """Belongs to the frame loop, but for `refusal`. Both files are in memory: no disk is waited for."""

    def __init__(self, loaded: LoadedConfig, *, progress: Path = PROGRESS, wish: Path = WISH) -> None:
        self._source = loaded.config.update.source
        self._progress = progress
        self._wish = wish
        self._seen = self._stamp()
        self._next_look = 0
        self.newest = load(progress) or Progress(
            installed=__version__, latest=__version__, step=UpdateStep.INSTALLED, percent=100
        )
        """How it stood when it was last looked at."""

    def refusal(self) -> str | None:
        """Why no update can be asked for."""
        if not self._source:
            return "nobody has said where updates come from; set update.source"
        if not os.access(self._wish.parent, os.W_OK):
            return "it does not run as a service here; run: sudo appliance update apply"
        return None

    def ask(self, frame: int) -> Fact | None:
        """Ask for the newest version."""
        try:
            self._wish.touch()
        except OSError as error:
            return StageFailed(frame=frame, stage="update", error=f"{self._wish}: {error.strerror}")
        return None

    def step(self, frame: int) -> UpdateProgressed | None:
        """Called once for each frame; an event when an update has gone on."""
        if frame < self._next_look:
            return None
        self._next_look = frame + LOOK_EVERY_FRAMES
        if (stamp := self._stamp()) == self._seen:
            return None
        self._seen = stamp
        found = load(self._progress)
        if found is None or found == self.newest:
            return None
        self.newest = found
        return self.told(frame)

    def told(self, frame: int) -> UpdateProgressed:
        """The newest as an event; the version in use is the one that says so."""
        fields = msgspec.structs.asdict(self.newest) | {"installed": __version__}
        return UpdateProgressed(frame=frame, **fields)

    def _stamp(self) -> int | None:
        """Changes whenever the file does."""
        try:
            return os.stat(self._progress).st_mtime_ns
        except OSError:
            return None
