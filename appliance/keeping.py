"""Keeps the sound of near misses and false wakes, for the owner who improves a wake word with it. Off by default.

The frame loop notes the moments and takes their sound from its ring; a worker writes it.
"""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import Final

from appliance.audio.clip_folder import ClipFolder
from appliance.audio.format import FRAME_MS, Pcm, frames_of_ms
from appliance.audio.ring import Ring
from appliance.clock import Clock
from appliance.errors import AudioError
from appliance.events import Event, FalseWakeReported, IntentRejected, WakeDetected, WakeNearMissed
from appliance.facts import Fact, StageFailed
from appliance.inbox import Post
from appliance.worker import Worker

BEFORE_FRAMES: Final = frames_of_ms(2500)
AFTER_FRAMES: Final = frames_of_ms(500)
"""Around the moment at which the score had fallen, or had reached the threshold: 3 s, as wake words are trained on."""

MOMENTS: Final = 8
CLIPS_INBOX: Final = 8
"""Moments whose sound is not complete, and sounds that wait to be written: a word is said in a second, and written in
some milliseconds."""

NOTE: Final = """\
Sounds at which the appliance almost woke, or woke and then heard nobody speak: 3 s each, named by the time (UTC), the
word and the score. They are kept because wake.keep_near_misses is set, stay on this machine, and may be deleted.

To improve a wake word of your own with them: listen, move those in which somebody says the word into a folder "yes"
beside this file and the others into a folder "no", copy this folder to a workstation with the tools, and run there

    python -m tools.quantize run WORD --near-misses FOLDER
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    frame: int
    due: int
    """From this frame on its sound is complete."""

    word: str
    score: float


class Keeping:
    """Owned by the frame loop: `take` is given the events, `step` is called once for each frame."""

    def __init__(self, *, ring: Ring, folder: ClipFolder, worker: Worker, post: Post, clock: Clock) -> None:
        self._ring = ring
        self._folder = folder
        self._worker = worker
        self._post = post
        self._clock = clock
        self._moments: deque[_Moment] = deque(maxlen=MOMENTS)
        self._woken: WakeDetected | None = None
        self._failing = False

    def take(self, event: Event) -> None:
        """Note a near miss, or a detection that nobody's speech followed or that was not meant."""
        match event:
            case WakeNearMissed():
                self._note(event, due=event.frame + AFTER_FRAMES)
            case WakeDetected():
                self._woken = event
            case FalseWakeReported():
                self._moments.append(_Moment(frame=event.woken, due=event.frame, word=event.word, score=event.score))
            case IntentRejected(reason="no_speech") if self._woken and self._woken.session == event.session:
                self._note(self._woken, due=event.frame)

    def step(self, index: int) -> None:
        """Have the sounds written that are complete. Those that began before the ring's oldest frame are left out."""
        for moment in [moment for moment in self._moments if moment.due <= index]:
            self._moments.remove(moment)
            first = moment.frame - BEFORE_FRAMES + 1
            if first >= self._ring.oldest:
                self._write(self._name(moment, index), self._ring.pcm(first, moment.frame + AFTER_FRAMES))

    def _note(self, event: WakeNearMissed | WakeDetected, due: int) -> None:
        self._moments.append(_Moment(frame=event.frame, due=due, word=event.word, score=event.score))

    def _name(self, moment: _Moment, index: int) -> str:
        """`20260101T120000.020Z_alexa_0.71`, so that they sort by time. A word may hold what no file name may."""
        at = self._clock.now(index).astimezone(UTC) - timedelta(milliseconds=FRAME_MS * (index - moment.frame))
        word = re.sub(r"[^\w-]+", "_", moment.word)[:64]
        return f"{at:%Y%m%dT%H%M%S}.{at.microsecond // 1000:03}Z_{word}_{moment.score:.2f}"

    def _write(self, name: str, pcm: Pcm) -> None:
        def job() -> None:
            problem = None
            try:
                self._folder.add(name, pcm)
            except AudioError as error:
                problem = str(error)
            self._post(self._written(problem))

        if not self._worker.submit(job):
            self._post(self._written("too many sounds wait to be written; the disk is too slow to keep near misses"))

    def _written(self, problem: str | None) -> Callable[[int], Fact | None]:
        """Back in the loop: a fault is told once, and again after it was over."""

        def tell(frame: int) -> Fact | None:
            is_new = problem is not None and not self._failing
            self._failing = problem is not None
            return StageFailed(frame=frame, stage="near misses", error=problem or "") if is_new else None

        return tell


def near_misses_folder(state: Path, limit: int) -> ClipFolder:
    """Where they are kept, below the appliance's folder for what it remembers."""
    return ClipFolder(state / "near-misses", limit=limit, note=NOTE)
