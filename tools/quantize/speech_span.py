"""Where in a short recording somebody speaks, by its level alone."""

from typing import Final

import numpy as np
import numpy.typing as npt

from appliance.audio.format import INT16_FULL_SCALE, SAMPLE_RATE_HZ, SILENT_DBFS, Pcm

STEP_SAMPLES: Final = SAMPLE_RATE_HZ // 100
RANGE_DB: Final = 35.0
"""The quiet ends of a word are so much below its loudest 10 ms; a final vowel of a synthetic voice fades to that."""

ABOVE_FLOOR_DB: Final = 12.0
LOUDEST_DB: Final = 6.0
"""However noisy the recording: what is so little below the loudest 10 ms belongs to the word."""

LONGEST_GAP_STEPS: Final = 30
"""300 ms of silence end an utterance; the closure of a plosive takes 100, a pause between two words 200."""

FLOOR_PERCENT: Final = 10


Span = tuple[int, int]
"""First sample, and the one after the last."""

Levels = npt.NDArray[np.float64]


def levels_dbfs(pcm: Pcm) -> Levels:
    """Level of each whole 10 ms, in dBFS where a square wave of full scale is 0; -120 for digital silence."""
    steps = pcm[: pcm.size - pcm.size % STEP_SAMPLES].reshape(-1, STEP_SAMPLES).astype(np.float64) / INT16_FULL_SCALE
    levels: Levels = 10.0 * np.log10(np.maximum((steps**2).mean(axis=1), 10.0 ** (SILENT_DBFS / 10.0)))
    return levels


def find_speech(pcm: Pcm) -> Span | None:
    """First sample of the loudest utterance and the one after its last, give or take 10 ms; None for silence."""
    levels = levels_dbfs(pcm)
    loud = _loud(levels)
    if loud.size == 0:
        return None
    utterances = np.split(loud, np.flatnonzero(np.diff(loud) > LONGEST_GAP_STEPS) + 1)
    return _samples(max(utterances, key=lambda steps: float((10.0 ** (levels[steps] / 10.0)).sum())))


def find_all_speech(pcm: Pcm) -> Span | None:
    """First and last sample of all utterances, where nothing else can be heard; None for silence."""
    loud = _loud(levels_dbfs(pcm))
    return _samples(loud) if loud.size else None


def _loud(levels: Levels) -> npt.NDArray[np.intp]:
    if levels.size == 0 or levels.max() <= SILENT_DBFS:
        return np.zeros(0, np.intp)
    loudest = levels.max()
    floor = np.percentile(levels, FLOOR_PERCENT)
    return np.flatnonzero(levels >= max(loudest - RANGE_DB, min(floor + ABOVE_FLOOR_DB, loudest - LOUDEST_DB)))


def _samples(steps: npt.NDArray[np.intp]) -> Span:
    return int(steps[0]) * STEP_SAMPLES, int(steps[-1] + 1) * STEP_SAMPLES
