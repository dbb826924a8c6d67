"""How well a network hears the word on recordings that it was not trained with: what chooses seed and threshold.

Whole recordings at once, so hours take seconds; `evaluate` judges the finished file as the device runs it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from appliance.audio.format import FRAME_SAMPLES, FRAMES_PER_S, Pcm
from appliance.wake.features import MicroFeatures
from tools.quantize.examples import ROW_SAMPLES, RowFrontEnd, Stored, features_of
from tools.quantize.net import ROWS_PER_HOP
from tools.quantize.streams import PAD_SAMPLES, Stream, render

Scores = npt.NDArray[np.float32]
Scorer = Callable[[Stored], Scores]
"""Features of a recording to one logit for each of its last hops; hops without a whole past have none."""

WINDOW = 3
"""Scores that the decision takes the mean of: with 5 it hears as well, and answers 30 ms later."""
RATES_PER_H = (0.5, 2.0, 8.0, 30.0, 60.0)
"""False accepts at which misses are counted: few, as where it decides alone, and many, as where a verifier hears again.
At the lowest rates an hour holds one or none, which is chance; seeds are compared by the mean over all of them."""
GATE_RATE_PER_H = 180.0
"""So often a network may ask its verifier in vain: 3 s of processor time an hour."""
IMPORTANCE = {"clean": 3.0, "10 dB": 2.0, "5 dB": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Features of a recording with where the word may be heard in it."""

    features: Stored
    span: tuple[int, int] = (0, 0)
    """First and last hop at which a detection counts."""

    padding_rows: int = 0
    """Of faint noise before and after it: heard, but no hours of anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Recordings kept apart from training."""

    positives: dict[str, tuple[Recording, ...]]
    """By condition, as in IMPORTANCE."""

    negatives: tuple[Recording, ...]

    @property
    def hours(self) -> float:
        """Length of the negatives, without their padding: of a thousand short clips that is a third."""
        rows = sum(len(recording.features) - recording.padding_rows for recording in self.negatives)
        return rows / (ROWS_PER_HOP * FRAMES_PER_S * 3600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a network did on a validation."""

    hours: float
    accepted: tuple[float, ...]
    """Peaks of the negatives, the highest first."""

    heard: dict[str, npt.NDArray[np.float32]]
    """The highest mean score of each positive, by condition."""

    def threshold(self, false_accepts_per_hour: float) -> float:
        """The lowest with at most so many false accepts an hour, halfway to the next peak that it leaves out."""
        allowed = int(false_accepts_per_hour * self.hours + 1e-9)
        if allowed >= len(self.accepted):
            return 0.02
        worst = self.accepted[allowed]
        above = self.accepted[allowed - 1] if allowed else 1.0
        return (worst + above) / 2

    def missed(self, threshold: float) -> dict[str, float]:
        """Share of the positives below the threshold, by condition."""
        return {name: float((peaks < threshold).mean()) for name, peaks in self.heard.items()}

    @property
    def cost(self) -> float:
        """The mean miss rate over RATES_PER_H, weighted by IMPORTANCE: 0 is perfect, 1 hears nothing."""
        total = 0.0
        for rate in RATES_PER_H:
            missed = self.missed(self.threshold(rate))
            total += sum(IMPORTANCE.get(name, 1.0) * share for name, share in missed.items())
        return total / len(RATES_PER_H) / sum(IMPORTANCE.get(name, 1.0) for name in self.heard)


def read_validation(
    positives: Sequence[Stream],
    negatives: Sequence[Stream],
    noise: Pcm,
    snrs_db: Sequence[float],
    front_end: RowFrontEnd | None = None,
) -> Validation:
    """Features of recordings, heard as `evaluate` hears them: the positives clean and in noise, the rest clean.

    front_end: another than the device's, to compare.
    """
    front_end = front_end or MicroFeatures()

    def heard(stream: Stream, snr_db: float | None) -> Recording:
        sound = render(stream) if snr_db is None else render(stream, noise, snr_db)
        return Recording(
            features=features_of(sound.pcm, front_end),
            span=span_of(PAD_SAMPLES, sound.samples),
            padding_rows=2 * PAD_SAMPLES // ROW_SAMPLES,
        )

    conditions = {"clean": None} | {f"{snr_db:g} dB": snr_db for snr_db in snrs_db}
    return Validation(
        positives={name: tuple(heard(one, snr_db) for one in positives) for name, snr_db in conditions.items()},
        negatives=tuple(heard(one, None) for one in negatives),
    )


def judge(score: Scorer, validation: Validation) -> Verdict:
    """Score all of it."""
    accepted = [height for one in validation.negatives for height, _ in peaks(means(score, one.features))]
    heard = {
        name: np.array([_best(means(score, one.features), one.span) for one in recordings], np.float32)
        for name, recordings in validation.positives.items()
    }
    return Verdict(hours=validation.hours, accepted=tuple(sorted(accepted, reverse=True)), heard=heard)


def means(score: Scorer, features: Stored) -> Scores:
    """The mean of the newest WINDOW probabilities at each hop of a recording, 0 where the past is not whole."""
    logits = score(features)
    probabilities = np.zeros(len(features) // 2, np.float32)
    probabilities[probabilities.size - logits.size :] = 1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0)))
    smoothed: Scores = np.convolve(probabilities, np.full(WINDOW, 1.0 / WINDOW, np.float32))[: probabilities.size]
    return smoothed


def peaks(scores: Scores, floor: float = 0.02) -> list[tuple[float, int]]:
    """Heights and hops of all peaks, the highest first; none within a second of a higher one."""
    found = []
    taken = np.zeros(scores.size, np.bool_)
    for hop in np.argsort(-scores, kind="stable"):
        if scores[hop] < floor:
            break
        if not taken[hop]:
            found.append((float(scores[hop]), int(hop)))
            taken[max(0, hop - FRAMES_PER_S) : hop + FRAMES_PER_S + 1] = True
    return found


def span_of(first_sample: int, samples: int) -> tuple[int, int]:
    """Where a detection of a clip counts: from its start to a second after its end."""
    return first_sample // FRAME_SAMPLES, (first_sample + samples) // FRAME_SAMPLES + FRAMES_PER_S


def _best(scores: Scores, span: Sequence[int]) -> float:
    return float(scores[span[0] : span[1] + 1].max(initial=0.0))
