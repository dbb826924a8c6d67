"""What stands beside the frame loop in its thread, and may fail without ending it; and workers that hang.

A broken lamp, a disk that is full or a slip in what follows the house ends nobody's turn: it is told once a second at
most, and tried again with the next frame or event.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from appliance.audio.format import FRAMES_PER_S

TOLD_EVERY_FRAMES: Final = FRAMES_PER_S

LOOK_EVERY_FRAMES: Final = FRAMES_PER_S

HUNG_FRAMES: Final = dict.fromkeys(("recognition", "action", "voice"), 300 * FRAMES_PER_S)
"""A turn is given up after half a minute. But to load all models takes one on the slowest machine, several where others
use it, too; a program of the owner's may take long; and a long text is said in many parts."""

DISK_HUNG_FRAMES: Final = 60 * FRAMES_PER_S
"""The other workers write files."""


class Beside:
    """Belongs to the frame loop."""

    def __init__(self, failed: Callable[[str, Exception], None]) -> None:
        """`failed` gets what was raised, and tells it with the next frame."""
        self._failed = failed
        self._quiet_to: dict[str, int] = {}

    def run(self, stage: str, frame: int, work: Callable[[], object]) -> bool:
        """Do something; whether it was done."""
        try:
            work()
        except Exception as error:  # part of the loop, which catches everything
            if frame >= self._quiet_to.get(stage, 0):
                self._quiet_to[stage] = frame + TOLD_EVERY_FRAMES
                self._failed(stage, error)
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Hung:
    """A worker does not come back from its job."""

    stage: str
    after_s: int
    fatal: bool
    """Only a new process helps: a thread cannot be ended from outside, and without this one nothing works."""

    def __str__(self) -> str:
        follows = "the appliance starts again" if self.fatal else "what is kept is not written; look at the disk"
        return f"it has not come back for {self.after_s} s; {follows}"


class Hangs:
    """Looks whether workers come back. Belongs to the frame loop."""

    def __init__(self, running: Callable[[], Mapping[str, int]]) -> None:
        """`running`: for each worker that is busy, the number of its job."""
        self._running = running
        self._since: dict[tuple[str, int], int] = {}
        """Worker and job -> the frame in which it was first seen."""
        self._told: set[tuple[str, int]] = set()
        self._look_at = 0

    def step(self, frame: int) -> list[Hung]:
        """Called once for each frame; a job that hangs is told once."""
        if frame < self._look_at:
            return []
        self._look_at = frame + LOOK_EVERY_FRAMES
        running = self._running().items()
        self._since = {job: self._since.get(job, frame) for job in running}
        self._told &= self._since.keys()
        hung = []
        for (stage, number), since in self._since.items():
            patience = HUNG_FRAMES.get(stage, DISK_HUNG_FRAMES)
            if frame - since >= patience and (stage, number) not in self._told:
                self._told.add((stage, number))
                hung.append(Hung(stage=stage, after_s=patience // FRAMES_PER_S, fatal=stage in HUNG_FRAMES))
        return hung
