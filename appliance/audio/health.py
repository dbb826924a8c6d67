"""Is the microphone delivering something that can be speech?

Looks at levels only and says what is wrong once, when it begins; again only after it was good for a second.
"""

from dataclasses import dataclass

import numpy as np

from appliance.audio.format import FRAMES_PER_S, INT16_FULL_SCALE, SILENT_DBFS, Frame, level_dbfs
from appliance.events import AudioProblem

SILENT_AFTER_FRAMES = 4 * FRAMES_PER_S
"""A live microphone is never digitally silent for 4 s; the contract wants a dead one named within 5 s."""

SILENT_BELOW_DBFS = -85.0
"""Below the last two bits of int16: no analogue input is that quiet (16-bit converters: -75 dBFS and more)."""

WINDOW_FRAMES = FRAMES_PER_S
CLIPPED_SHARE = 0.005
"""Share of samples at full scale within a second that is audibly distorted speech; a single loud click stays below."""

DC_SHARE = 0.05
"""Mean offset above 5 % of full scale takes headroom and means a broken or wrongly biased input."""

HINTS = {
    "silent": "the microphone sends digital silence: check its mute switch, cable, device and capture level",
    "clipping": "the microphone is overdriven: lower its capture level or move it away from the sound",
    "dc": "the microphone sends a constant offset: wrong input, missing bias voltage or a broken microphone",
    "nan": "the audio held values that are no numbers; they were replaced by silence",
    "format": "the audio ended in the middle of a sample; the rest was left out",
    "noisy": "the room is too loud to hear a command: turn down what is loud, or move the microphone away from it",
}


@dataclass(slots=True)
class _Window:
    frames: int = 0
    clipped: int = 0
    total: int = 0
    loudest_dbfs: float = SILENT_DBFS


class AudioHealth:
    """Names a silent, clipping or shifted input. One instance for one stream; owned by the frame loop."""

    def __init__(self) -> None:
        self._silent_frames = 0
        self._sounding_frames = 0
        self._window = _Window()
        self._reported: set[str] = set()

    def update(self, frame: Frame) -> list[AudioProblem]:
        """Look at one frame; returns problems that begin with it."""
        level = level_dbfs(frame.pcm)
        problems = self._silence(frame.index, level)
        window = self._window
        window.frames += 1
        window.loudest_dbfs = max(window.loudest_dbfs, level)
        window.clipped += int(np.count_nonzero(np.abs(frame.pcm.astype(np.int32)) >= INT16_FULL_SCALE - 1))
        window.total += int(frame.pcm.sum(dtype=np.int64))
        if window.frames == WINDOW_FRAMES:
            samples = window.frames * frame.pcm.size
            problems += self._judge(
                "clipping", window.clipped > CLIPPED_SHARE * samples, frame.index, window.loudest_dbfs
            )
            offset = abs(window.total / samples)
            problems += self._judge("dc", offset > DC_SHARE * INT16_FULL_SCALE, frame.index, window.loudest_dbfs)
            self._window = _Window()
        return problems

    def _silence(self, index: int, level: float) -> list[AudioProblem]:
        is_silent = level < SILENT_BELOW_DBFS
        self._silent_frames = self._silent_frames + 1 if is_silent else 0
        self._sounding_frames = 0 if is_silent else self._sounding_frames + 1
        if self._sounding_frames >= WINDOW_FRAMES:
            self._reported.discard("silent")
        return self._judge("silent", True, index, SILENT_DBFS) if self._silent_frames >= SILENT_AFTER_FRAMES else []

    def _judge(self, kind: str, bad: bool, index: int, level: float) -> list[AudioProblem]:
        if not bad:
            self._reported.discard(kind)
            return []
        if kind in self._reported:
            return []
        self._reported.add(kind)
        return [problem(kind, index, level)]


def problem(kind: str, index: int, level: float) -> AudioProblem:
    """The event for a kind of problem, with its likely causes."""
    return AudioProblem(frame=index, kind=kind, level_dbfs=round(level, 1), hint=HINTS[kind])  # type: ignore[arg-type]
