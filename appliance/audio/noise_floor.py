"""How loud the room itself is, and whether a command can still be heard in it.

All look at the levels of frames alone. Frames that do not tell about the room are to be left out: what the appliance
plays itself, and the silence that stands in for a muted or lost microphone.
"""

from collections import deque
from collections.abc import Sequence
from math import log10
from statistics import median_high
from typing import Final

from appliance.audio.format import FRAMES_PER_S, SILENT_DBFS, frames_of_ms
from appliance.audio.health import SILENT_BELOW_DBFS, problem
from appliance.audio.survey import FLOOR_PERCENT
from appliance.events import AudioProblem

WINDOW_FRAMES: Final = 10 * FRAMES_PER_S
"""Long enough for the pauses of speech to make up the share that the floor is taken from."""

FIRST_FRAMES: Final = FRAMES_PER_S
"""Before so many the floor is not known."""

NOISE_RANGE_DB: Final = 9
"""Frames so far above the floor are still the room's; louder ones are mostly speech. The noise of a kitchen, whose
floor lies 5.5 dB below its mean power, comes out 1.6 dB below it."""

USUAL_SPEECH_DBFS: Final = -26.0
"""How loud a command is taken to be at first, as if one had been heard: the nominal speech level of the ITU-T's tests
(26 dB below overload); the people of our recordings speak at -20 to -28 dBFS."""

SPEECH_RANGE_DB: Final = 20.0
"""Speech is the frames within 20 dB of the loudest, as in all our signal-to-noise ratios."""

WORD_FRAMES: Final = frames_of_ms(1500)
"""A wake word, with some room to spare."""

STANDS_OUT_DB: Final = 3.1
"""In a frame so far above the noise, speech is at least as loud as the noise alone."""

WORDS_KEPT: Final = 20
"""Their median counts, and of two the louder: one false alarm in a silent room does not make it too loud."""

LEAST_SNR_DB: Final = 6.0
"""Of 167 real orders in kitchen noise the recognizer understands 97 % at 18 dB, 91 % at 12 and 77 % at 6."""

LOUD_S: Final = 10
"""So long the room must be too loud: a person who speaks without pauses passes for noise for a shorter time."""

QUIET_S: Final = 60
"""It is told again only when it was not too loud for so long."""


class NoiseFloor:
    """The level that a tenth of the newest 10 s stays below. Noise raises it after 9 s; 1 s of quiet lowers it."""

    def __init__(self) -> None:
        self._levels: deque[int] = deque(maxlen=WINDOW_FRAMES)
        """Whole dB below full scale, 0..120."""
        self._counts = [0] * (1 - int(SILENT_DBFS))
        """How many frames there are of each level."""

    def update(self, level_dbfs: float) -> None:
        """Take the level of the next frame, -120..0."""
        level = int(-level_dbfs)
        if len(self._levels) == WINDOW_FRAMES:
            self._counts[self._levels[0]] -= 1
        self._levels.append(level)
        self._counts[level] += 1

    @property
    def floor_dbfs(self) -> float | None:
        """To the dB; None until 1 s was heard, and where a tenth is digital silence, which no room is."""
        level = self._floor()
        return None if level is None else _dbfs(level)

    @property
    def noise_dbfs(self) -> float | None:
        """Level of the mean power of the room's own noise; None while the floor is not known."""
        floor = self._floor()
        if floor is None:
            return None
        near = range(max(0, floor - NOISE_RANGE_DB), floor + 1)
        frames = sum(self._counts[level] for level in near)
        return 10 * log10(sum(self._counts[level] * _power(_dbfs(level)) for level in near) / frames)

    def newest(self, count: int) -> list[float]:
        """The newest levels, to the dB, oldest first."""
        return [_dbfs(level) for level in list(self._levels)[-count:]]

    def _floor(self) -> int | None:
        if len(self._levels) < FIRST_FRAMES:
            return None
        left = len(self._levels) * FLOOR_PERCENT // 100
        level = len(self._counts)
        while left >= 0:
            level -= 1
            left -= self._counts[level]
        return level if _dbfs(level) > SILENT_BELOW_DBFS else None


class RoomNoise:
    """Says when the room is too loud to hear a command. One instance for one microphone."""

    def __init__(self) -> None:
        self._floor = NoiseFloor()
        self._words: deque[float] = deque([USUAL_SPEECH_DBFS], maxlen=WORDS_KEPT)
        """How loud people said the wake word, dBFS."""
        self._frames = 0
        self._loud_s = 0
        self._quiet_s = QUIET_S

    @property
    def floor_dbfs(self) -> float | None:
        """The noise floor; None while it is not known."""
        return self._floor.floor_dbfs

    @property
    def snr_db(self) -> float | None:
        """Signal-to-noise ratio to be expected of a command; None while the floor is not known."""
        noise = self._floor.noise_dbfs
        return None if noise is None else median_high(self._words) - noise

    @property
    def too_loud(self) -> bool:
        """A command can hardly be told from the noise, and that for some time."""
        return self._loud_s >= LOUD_S

    def update(self, index: int, level_dbfs: float) -> list[AudioProblem]:
        """Take the level of the next frame; returns the problem that begins with it. Decides once a second."""
        self._floor.update(level_dbfs)
        self._frames += 1
        if self._frames % FRAMES_PER_S:
            return []
        snr = self.snr_db
        self._loud_s = self._loud_s + 1 if snr is not None and snr < LEAST_SNR_DB else 0
        if not self.too_loud:
            self._quiet_s += 1
            return []
        is_new, self._quiet_s = self._quiet_s >= QUIET_S, 0
        floor = self.floor_dbfs
        assert floor is not None, "it is too loud only where the floor is known"
        return [problem("noisy", index, floor)] if is_new else []

    def heard(self) -> None:
        """Learn how loud people speak to the appliance: a wake word ends with the newest frame."""
        noise = self._floor.noise_dbfs
        if noise is None:
            return
        levels = [level for level in self._floor.newest(WORD_FRAMES) if level >= noise + STANDS_OUT_DB]
        if levels:
            self._words.append(10 * log10(_power(speech_level_dbfs(levels)) - _power(noise)))


def speech_level_dbfs(levels_dbfs: Sequence[float]) -> float:
    """Level of the mean power of those frames that are speech, if any is; at least one frame."""
    least = max(levels_dbfs) - SPEECH_RANGE_DB
    powers = [_power(level) for level in levels_dbfs if level >= least]
    return 10 * log10(sum(powers) / len(powers))


def _power(level_dbfs: float) -> float:
    return 10 ** (level_dbfs / 10)


def _dbfs(level: int) -> float:
    """The middle of a whole dB."""
    return -level - 0.5
