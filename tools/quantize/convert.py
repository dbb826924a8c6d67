"""From weights to the file that the device runs: the ways to INT8 are compared on recordings, the best is checked.

Ranges come from a running stream of examples. A file whose INT8 hears less than the floating-point network does, at the
same false accepts, is refused.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from appliance.errors import StageError
from appliance.runtimes.tflite import TfliteFile, TfliteModel
from tools.quantize.examples import STEPS, Stored
from tools.quantize.net import FEATURE_MAX, ROWS_PER_HOP, Weights
from tools.quantize.net import scores as float_scores
from tools.quantize.stream import to_tflite
from tools.quantize.validate import GATE_RATE_PER_H, Scorer, Scores, Validation, Verdict, judge

MOST_LOST = {"clean": 0.01, "10 dB": 0.015}
"""Share of the words that INT8 may lose at the gate, by condition."""
OPERATING_RATE_PER_H = 0.5
_NOWHERE = Path("(made just now)")
MEAN_DIFFERENCE = 0.003
MOST_DIFFERENCE = 0.25
"""Bounds between the probabilities of INT8 and float on real speech; measured 0.0006 and 0.08 at most."""
FLOAT_DIFFERENCE = 1e-5
"""Between the float stream and the same network over the whole recording; measured 8e-7."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way to INT8 and what came of it."""

    name: str
    contents: bytes
    verdict: Verdict


def candidate(name: str, contents: bytes, validation: Validation) -> Candidate:
    """A file, judged as a stream."""
    return Candidate(name=name, contents=contents, verdict=judge(stream_scorer(contents), validation))


def best_first(candidates: Iterable[Candidate]) -> list[Candidate]:
    """By cost; equal ones stay in the order given, the simplest first."""
    return sorted(candidates, key=lambda one: one.verdict.cost)


def ways(weights: Weights, trained: Weights | None, examples: Stored) -> dict[str, Callable[[], bytes]]:
    """The ways to INT8 that are compared.

    trained: weights after training with rounding; None: that was not done.
    examples: (n, rows, 40), what the ranges are taken from.
    """
    recordings = [rows * np.float32(FEATURE_MAX / STEPS) for rows in examples]
    made: dict[str, Callable[[], bytes]] = {
        "after training, a scale a channel": lambda: to_tflite(weights, recordings),
        "after training, a scale a tensor": lambda: to_tflite(weights, recordings, per_channel=False),
    }
    if trained is not None:
        made["trained with rounding, a scale a channel"] = lambda: to_tflite(trained, recordings)
    return made


def refuse_lossy(weights: Weights, int8: Candidate, validation: Validation) -> None:
    """Raises StageError where INT8 loses more than MOST_LOST where the network works: at its gate."""
    whole = judge(lambda rows: float_scores(weights, rows / np.float32(STEPS)), validation)
    before = whole.missed(whole.threshold(GATE_RATE_PER_H))
    after = int8.verdict.missed(int8.verdict.threshold(GATE_RATE_PER_H))
    for name, most in MOST_LOST.items():
        one_clip = 1.0 / max(1, len(whole.heard.get(name, ())))
        lost = after.get(name, 0.0) - before.get(name, 0.0)
        if lost > max(most, one_clip) + 1e-9:  # of few words one is more than that, and chance
            raise StageError(
                f"INT8 misses {100 * lost:.1f} points more of the {name} words than float does; "
                f"{100 * most:g} are allowed: train longer, or with another seed"
            )


def stream_scorer(contents: bytes) -> Scorer:
    """A file as it scores whole recordings, hop by hop from its beginning; INT8 or float."""

    def score(rows: Stored) -> Scores:
        model = TfliteModel(TfliteFile(_NOWHERE, contents))
        is_int8 = model.input.dtype == np.int8
        hops = rows[: len(rows) // ROWS_PER_HOP * ROWS_PER_HOP].reshape(-1, 1, ROWS_PER_HOP, rows.shape[1])
        given = (hops.astype(np.int16) - 128).astype(np.int8) if is_int8 else hops * np.float32(FEATURE_MAX / STEPS)
        raw = np.array([model.invoke(hop)[0, 0] for hop in given], np.float32)
        probability = (raw - model.output.zero_point) * model.output.scale if is_int8 else raw
        limited = np.clip(probability, 1e-7, 1.0 - 1e-7)
        logits: Scores = np.log(limited / (1.0 - limited)).astype(np.float32)
        return logits

    return score


def differences(one: Scores, other: Scores) -> npt.NDArray[np.float32]:
    """Between the probabilities of two scorers, over the hops that both have (the last ones)."""
    hops = min(one.size, other.size)
    first, second = (1.0 / (1.0 + np.exp(-np.clip(s[s.size - hops :], -30, 30))) for s in (one, other))
    between: npt.NDArray[np.float32] = np.abs(first - second).astype(np.float32)
    return between
