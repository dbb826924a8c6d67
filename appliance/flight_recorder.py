"""The last seconds before a fault, for a report that can be replayed: what was heard, played, scored and told.

Off by default. Bounded and in memory, until a stage fails or somebody asks for it (the command `save_record`); then a
worker writes one folder, which `appliance replay FOLDER` plays again.
"""

import math
import os
import shutil
from collections import deque
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Final

from appliance.audio.clip_folder import MODE, write_wav
from appliance.audio.format import FRAMES_PER_S, Frame, Pcm, silent_pcm
from appliance.audio.ring import Ring
from appliance.clock import Clock
from appliance.events import Event, Failed, to_json
from appliance.facts import Fact, StageFailed
from appliance.inbox import Post
from appliance.status_socket import RUNTIME_FOLDER
from appliance.worker import Worker

HEARD: Final = "heard.wav"
PLAYED: Final = "played.wav"
STAGE: Final = "flight recorder"

KEPT_RECORDS: Final = 5
PAUSE_FRAMES: Final = 60 * FRAMES_PER_S
"""A fault that lasts is recorded once a minute at most."""

EVENTS_PER_S: Final = 20
"""Room for so many; a lively turn has 20 in some seconds."""

Scores = tuple[float | None, ...]
"""Of one frame, for each wake word; None: the frame brought none."""


class FlightRecorder:
    """Owned by the frame loop's thread: `take` is called once for each frame, `hear` with each event."""

    def __init__(
        self,
        seconds: int,
        folder: Path,
        *,
        worker: Worker,
        post: Post,
        clock: Clock,
        shown: Callable[[Event], Event | None],
    ) -> None:
        """`seconds`: how far back it reaches. `shown`: an event as it may be written; None: not at all."""
        frames = seconds * FRAMES_PER_S
        self._heard, self._played = Ring(frames), Ring(frames)
        self._scores: deque[tuple[int, Scores]] = deque(maxlen=frames)
        self._events: deque[bytes] = deque(maxlen=seconds * EVENTS_PER_S)
        self._folder = folder
        self._worker = worker
        self._post = post
        self._clock = clock
        self._shown = shown
        self._wanted: str | None = None
        self._rests_until = 0

    def take(self, frame: Frame, played: Pcm | None, scores: Scores) -> None:
        """A frame as the microphone gave it, what the loudspeaker played meanwhile, and what the wake words scored."""
        self._heard.append(frame)
        self._played.append(Frame(frame.index, silent_pcm() if played is None else played))
        self._scores.append((frame.index, scores))
        if self._wanted is not None:
            why, self._wanted = self._wanted, None
            self._save(why, frame.index)

    def hear(self, event: Event) -> None:
        """An event; `failed` has what is kept written, with the frame in which it happened."""
        shown = self._shown(event)
        if shown is not None:
            self._events.append(to_json(shown))
        if isinstance(event, Failed) and event.stage != STAGE and event.frame >= self._rests_until:
            self._rests_until = event.frame + PAUSE_FRAMES
            self._wanted = event.stage

    def save(self) -> None:
        """Have it written with the next frame."""
        self._wanted = "asked"

    def _save(self, why: str, index: int) -> None:
        at = self._clock.now(index).astimezone(UTC)
        name = f"{at:%Y%m%dT%H%M%SZ}_{why.replace(' ', '-')}"
        heard, played = (ring.pcm(ring.oldest, ring.newest) for ring in (self._heard, self._played))
        scores, events = list(self._scores), list(self._events)

        def job() -> None:
            try:
                write_record(self._folder, name, heard, played, lines(scores, events))
            except OSError as error:
                problem = f"{self._folder}: no record can be written there ({error.strerror})"
                self._post(lambda frame: StageFailed(frame=frame, stage=STAGE, error=problem))

        if not self._worker.submit(job):
            self._post(_too_busy)


def records_folder(directory: str, state: Path, *, runtime: Path = RUNTIME_FOLDER) -> Path:
    """Where records go: into the configured folder, else into memory, else, without the service, below the state."""
    if directory:
        return Path(directory)
    return (runtime if os.access(runtime, os.W_OK | os.X_OK) else state) / "flight-records"


def lines(scores: list[tuple[int, Scores]], events: list[bytes]) -> bytes:
    """Scores and events as JSON lines: frames in which nothing was scored are left out."""
    told = [
        f'{{"frame":{frame},"scores":[{",".join(_number(score) for score in of_frame)}]}}\n'.encode()
        for frame, of_frame in scores
        if any(score is not None for score in of_frame)
    ]
    return b"".join(told) + b"".join(event + b"\n" for event in events)


def write_record(folder: Path, name: str, heard: Pcm, played: Pcm, told: bytes) -> None:
    """Write one record, whole or not at all, for its owner alone; the oldest beyond 5 go. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = folder / ".part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(mode=0o700)
        write_wav(part / HEARD, heard)
        if played.any():
            write_wav(part / PLAYED, played)
        (part / "told.jsonl").touch(MODE)
        (part / "told.jsonl").write_bytes(told)
        shutil.rmtree(folder / name, ignore_errors=True)
        part.rename(folder / name)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        raise
    for old in sorted(path for path in folder.iterdir() if path.is_dir())[:-KEPT_RECORDS]:
        shutil.rmtree(old, ignore_errors=True)


def _number(score: float | None) -> str:
    return "null" if score is None or not math.isfinite(score) else f"{score:.4f}"


def _too_busy(frame: int) -> Fact | None:
    return StageFailed(frame=frame, stage=STAGE, error="the disk is too slow for another record; this one is lost")
