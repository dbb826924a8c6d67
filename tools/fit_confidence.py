"""Fit how sure a reading is: `python -m tools.fit_confidence OBSERVATIONS`.

OBSERVATIONS is what `python -m tools.bench_commands PACK --observe OBSERVATIONS` wrote: readings of commands, right and
wrong, and of speech that was no command at all, in lines of JSON. Prints the two models of
appliance/understanding/confidence.py, and how good they are on speakers that they were not fitted to: every fifth of
the speakers is left out in turn.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from appliance.understanding.confidence import FEATURES, SHORT_PHONES, features_of
from tools.quantize.intervals import share_interval

Floats = NDArray[np.float64]

FOLDS = 5
RIDGE = 1.0
"""Pull towards zero, on features of unit spread: few wrong readings must not make a weight huge."""


def main() -> int:
    """Print both models and the table of thresholds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("observations", type=Path)
    args = parser.parse_args()
    rows = [json.loads(line) for line in args.observations.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["share"] is not None]
    for name, used, columns in (
        ("AT_ONCE", [row for row in rows if row["phones"] >= SHORT_PHONES], FEATURES[:-1]),
        ("SECOND_LOOK", [row for row in rows if row["apart"] is not None], FEATURES),
    ):
        x = np.array([features_of(row["share"], row["cost"], row["phones"], row["apart"] or 0.0) for row in used])
        x = x[:, : len(columns)]
        right = np.array([float(row["right"]) for row in used])
        weights = fitted(x, right)
        values = ", ".join(f"{key}={value:.3g}" for key, value in zip(("bias", *columns), weights, strict=True))
        print(f"{name} = Model({values})    # {len(used)} readings, {int(right.sum())} right")
        _thresholds(used, cross_fitted(x, right, [row["speaker"] for row in used]))
    return 0


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


def _thresholds(rows: Sequence[dict[str, object]], probability: Floats) -> None:
    """Of each set, how many readings are right and wrong from a threshold on."""
    sets = sorted({str(row["set"]) for row in rows})
    right = np.array([bool(row["right"]) for row in rows])
    of = np.array([str(row["set"]) for row in rows])
    for threshold in (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98):
        taken = probability >= threshold
        counts = []
        for name in sets:
            good, wrong = int((taken & right & (of == name)).sum()), int((taken & ~right & (of == name)).sum())
            total = int((of == name).sum())
            most = share_interval(wrong, total)[1]
            counts.append(f"{name}: {good} right, {wrong} of {total} wrong (at most {100 * most:.1f} %)")
        print(f"  from {threshold}: " + "; ".join(counts))


if __name__ == "__main__":
    sys.exit(main())
