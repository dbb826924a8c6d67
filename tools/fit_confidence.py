"""Fit how sure a reading is: `python -m tools.fit_confidence OBSERVATIONS`.

OBSERVATIONS is what `python -m tools.bench_commands PACK --observe OBSERVATIONS` wrote: readings of commands, right and
wrong, and of speech that was no command at all, in lines of JSON. Prints the two models of
appliance/understanding/confidence.py, and for several thresholds what the appliance would do, of speakers that the
models were not fitted to: every fifth of the speakers is left out in turn.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.intent import Intent
from appliance.understanding.confidence import (
    ACT_FROM,
    AT_ONCE,
    CLEAR,
    CONFIRM_FROM,
    SECOND_LOOK,
    SHORT_PHONES,
    Decision,
    Spoken,
    features_of,
)
from appliance.understanding.reading import Reading
from tools import reliability
from tools.quantize.intervals import share_interval

Floats = NDArray[np.float64]

FOLDS = 5
RIDGE = 1.0
"""Pull towards zero, on features of unit spread: few wrong readings must not make a weight huge."""

THRESHOLDS = ((0.8, 0.2), (ACT_FROM, CONFIRM_FROM), (0.85, 0.3), (0.9, 0.2))
"""From which confidence on to act, and to ask back."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One reading, and whether it was what was said."""

    kind: str
    speaker: str
    right: bool
    features: tuple[tuple[str, float], ...]
    """By name."""

    long: bool
    """May be clear at once."""


def main() -> int:
    """Print both models and the table of thresholds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("observations", type=Path)
    parser.add_argument("--clear", type=float, default=CLEAR, help=f"act at once from here on (default: {CLEAR})")
    parser.add_argument("--diagram", type=Path, metavar="SVG", help="draw how often a confidence was right")
    args = parser.parse_args()
    rows = [observed(json.loads(line)) for line in args.observations.read_text(encoding="utf-8").splitlines()]
    at_once = fitted_to([row for row in rows if row.long], "AT_ONCE", list(AT_ONCE.weights))
    left = [row for row in rows if at_once.get(row, 0.0) < args.clear]
    second = fitted_to(left, "SECOND_LOOK", list(SECOND_LOOK.weights))
    for act_from, confirm_from in THRESHOLDS:
        print(f"clear from {args.clear}, act from {act_from}, ask from {confirm_from}:")
        for line in table([(row, decided(second.get(row), act_from, confirm_from)) for row in rows]):
            print(f"  {line}")
    told = [(second.get(row, at_once.get(row, 0.0)), row.right) for row in rows]
    print("\nreliability, of speakers that were left out: confidence told, and how often the reading was right")
    for line in reliability.table(told):
        print(f"  {line}")
    if args.diagram:
        args.diagram.write_text(reliability.diagram(told), encoding="utf-8")
    return 0


def observed(row: dict[str, Any]) -> Observed:
    """Of a line of the observations."""
    intent = Intent(name="read", then=Intent(name="and") if row["two"] else None)
    reading = Reading(intent=intent, share=row["share"], cost=row["cost"], phones=row["phones"], rival=None)
    spoken = Spoken(missed_s=row["missed_s"], beyond_filler=row["beyond_filler"])
    features = features_of(reading, spoken, row["apart"])
    long = row["phones"] >= SHORT_PHONES and not row["two"]
    return Observed(row["set"], row["speaker"] or "unknown", row["right"], tuple(features.items()), long)


def fitted_to(rows: Sequence[Observed], name: str, features: Sequence[str]) -> dict[Observed, float]:
    """Print a model of these readings; returns each one's probability by a model without its speaker."""
    x = np.array([[dict(row.features)[name] for name in features] for row in rows])
    right = np.array([float(row.right) for row in rows])
    bias, *weights = fitted(x, right)
    values = (f'"{key}": {weight:.3g}' for key, weight in zip(features, weights, strict=True))
    print(
        f"{name} = Model(bias={bias:.3g}, weights={{{', '.join(values)}}})    # {len(rows)}, {int(right.sum())} right"
    )
    found = cross_fitted(x, right, [row.speaker for row in rows])
    return dict(zip(rows, found.tolist(), strict=True))


def fitted(x: Floats, right: Floats) -> Floats:
    """Bias and weights of a logistic regression, by Newton's method."""
    middle, spread = x.mean(0), x.std(0) + 1e-9
    z = np.column_stack([np.ones(len(x)), (x - middle) / spread])
    weights = np.zeros(z.shape[1])
    penalty = np.diag([0.0] + [RIDGE] * x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(z @ weights, -30, 30)))
        slope = z.T @ (right - p) - penalty @ weights
        step = np.linalg.solve((z * (p * (1 - p))[:, None]).T @ z + penalty, slope)
        weights = weights + step
        if np.abs(step).max() < 1e-8:
            break
    own = weights[1:] / spread
    return np.array([weights[0] - own @ middle, *own])


def cross_fitted(x: Floats, right: Floats, speakers: Sequence[str]) -> Floats:
    """Of each row the probability by a model that was fitted without its speaker."""
    order = {speaker: number % FOLDS for number, speaker in enumerate(sorted(set(speakers)))}
    fold = np.array([order[speaker] for speaker in speakers])
    found = np.zeros(len(x))
    for number in range(FOLDS):
        out = fold == number
        weights = fitted(x[~out], right[~out])
        found[out] = 1 / (1 + np.exp(-(weights[0] + x[out] @ weights[1:])))
    return found


def decided(confidence: float | None, act_from: float, confirm_from: float) -> Decision:
    """What the appliance does with the confidence of a second look; None: it was clear without one."""
    if confidence is None or confidence >= act_from:
        return Decision.ACT
    return Decision.CONFIRM if confidence >= confirm_from else Decision.REFUSE


def table(decisions: Sequence[tuple[Observed, Decision]]) -> Iterator[str]:
    """One line for each set of readings."""
    for kind in sorted({row.kind for row, _ in decisions}):
        count = Counter((decision, row.right) for row, decision in decisions if row.kind == kind)
        total, wrong = count.total(), count[Decision.ACT, False]
        yield (
            f"{kind}: of {total} readings acted on {count[Decision.ACT, True]} right and {wrong} wrong "
            f"(at most {100 * share_interval(wrong, total)[1]:.1f} %), "
            f"asked back {count[Decision.CONFIRM, True]} right and {count[Decision.CONFIRM, False]} wrong"
        )


if __name__ == "__main__":
    sys.exit(main())
