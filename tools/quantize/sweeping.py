"""From the scores of an evaluation to counts at each threshold. Decisions are those of the device's own trigger."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from appliance.audio.format import FRAME_SAMPLES, FRAMES_PER_S, SAMPLE_RATE_HZ
from appliance.wake.sweep import Sweep
from appliance.wake.trigger import REFRACTORY_FRAMES
from tools.quantize.evaluation import ClipScore, Moment
from tools.quantize.streams import PAD_SAMPLES, Stream, what_is_said

Scores = npt.NDArray[np.float64]

REFRACTORY_S = REFRACTORY_FRAMES / FRAMES_PER_S

_PAD_FRAMES = PAD_SAMPLES // FRAME_SAMPLES
_GRID = tuple(step / 100 for step in range(1, 100))
_PEAKS = 101
"""So many of the highest peaks of the negatives get a threshold just above them."""
_MOMENTS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The scores of one stream."""

    scores: Scores = field(default_factory=lambda: np.zeros(0))
    """One a frame, padding included; NaN where a frame brought none."""

    samples: int = 0
    """Length of the recording, without padding."""

    starts: tuple[int, ...] = ()
    """First sample of each piece in the recording."""

    problem: str = ""
    """Why it was not heard."""


def peak(heard: Heard, window: int) -> float:
    """The highest mean of a positive from the clip's start on."""
    return float(np.nanmax(_means(heard.scores, window)[_PAD_FRAMES:], initial=0.0))


def peaks(heard: Heard, window: int) -> list[float]:
    """The highest mean of each second of a negative."""
    means = np.nan_to_num(_means(heard.scores, window))
    rest = -means.size % FRAMES_PER_S
    return [float(value) for value in np.pad(means, (0, rest)).reshape(-1, FRAMES_PER_S).max(axis=1)]


def thresholds(own: float, positive_peaks: Sequence[float], negative_peaks: Sequence[float]) -> tuple[float, ...]:
    """Where it is worth looking: each number of false accepts has its lowest threshold, and there is a grid of 0.01.

    They lie between the values that were reached, so that rounding decides nothing. The grid leaves out what one second
    of the negatives in ten reaches: nobody wants to be woken so often, and it would take long to count.
    """
    enough = len(negative_peaks) >= 600
    floor = float(np.quantile(negative_peaks, 0.9)) if enough else 0.0
    highest = sorted(set(negative_peaks), reverse=True)[:_PEAKS]
    reached = sorted({*positive_peaks, *highest, 1.0})
    above = [(value, reached[bisect_right(reached, value)]) for value in highest if value < 1.0]
    between = [(low + high) / 2 for low, high in above]
    grid = [threshold for threshold in _GRID if threshold > floor]
    return tuple(sorted({own, *grid, *(value for value in between if value > 0.0)}))


def firings(heard: Heard, at: Sequence[float], window: int) -> list[list[int]]:
    """For each threshold the frames at which it woke."""
    sweep = Sweep(at, window)
    fired: list[list[int]] = [[] for _ in at]
    for index in np.flatnonzero(~np.isnan(heard.scores)):
        for position in sweep.update(int(index), float(heard.scores[index])):
            fired[position].append(int(index))
    return fired


def misses(
    clips: Sequence[tuple[Stream, Heard]], at: Sequence[float], window: int
) -> tuple[list[int], tuple[ClipScore, ...]]:
    """For each threshold how many clips it misses; and how well each clip is heard."""
    missed = [0] * len(at)
    scores = []
    for stream, heard in clips:
        fired = firings(heard, at, window)
        hit = [any(frame >= _PAD_FRAMES for frame in frames) for frames in fired]
        missed = [count + (not found) for count, found in zip(missed, hit, strict=True)]
        heard_at = [threshold for threshold, found in zip(at, hit, strict=True) if found]
        scores.append(ClipScore(path=str(stream.path), score=max(heard_at, default=0.0)))
    return missed, tuple(scores)


def moments(
    others: Sequence[tuple[Stream, Heard]], fired: Sequence[list[list[int]]], at: Sequence[float]
) -> tuple[Moment, ...]:
    """The moments that woke, each once, with the highest threshold that it woke."""
    found: list[Moment] = []
    taken: list[list[int]] = [[] for _ in others]
    for position in range(len(at) - 1, -1, -1):
        for number, (stream, heard) in enumerate(others):
            for frame in fired[number][position]:
                if any(abs(frame - known) < REFRACTORY_FRAMES for known in taken[number]):
                    continue
                if len(found) == _MOMENTS:
                    return tuple(found)
                taken[number].append(frame)
                found.append(_moment(stream, heard, frame, at[position]))
    return tuple(found)


def _moment(stream: Stream, heard: Heard, frame: int, score: float) -> Moment:
    sample = max(0, (frame + 1) * FRAME_SAMPLES - PAD_SAMPLES)
    number = max(0, bisect_right(heard.starts, sample) - 1)
    clip = stream.clips[number]
    at_s = (sample - heard.starts[number] + (clip.part[0] if clip.part else 0)) / SAMPLE_RATE_HZ
    return Moment(path=str(clip.path), at_s=round(at_s, 2), score=score, label=what_is_said(clip, at_s))


def _means(scores: Scores, window: int) -> Scores:
    """The mean of the newest `window` scores, at each frame that brought one; NaN elsewhere."""
    means = np.full(scores.size, np.nan)
    given = ~np.isnan(scores)
    means[given] = np.convolve(scores[given], np.ones(window) / window)[: int(given.sum())]
    return means
