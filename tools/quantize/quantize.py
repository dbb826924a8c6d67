"""Make the INT8 file of a trained network: the ways to it are compared on recordings; a lossy one is refused.

Beside it goes its card, which the device reads the threshold from.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from appliance.models import sha256_of
from tools.quantize.clips import Clip, read_pcm
from tools.quantize.convert import OPERATING_RATE_PER_H, best_first, candidate, refuse_lossy, ways
from tools.quantize.examples import Examples, read_examples
from tools.quantize.net import Weights
from tools.quantize.rounding import train_rounded
from tools.quantize.streams import find
from tools.quantize.train import SNRS_DB, figures
from tools.quantize.validate import WINDOW, Verdict, read_validation

CALIBRATION = (24, 36)
"""Examples with and without the word that the ranges are taken from; 60 in all were enough for a loss below 1 point."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What from, judged by what, where to."""
    parser.epilog = (
        "Example: python -m tools.quantize quantize computer --weights runs/computer/train/weights.npz"
        " --examples runs/computer/examples --positives pack/manifest.jsonl --negatives talk.playlist.json"
        " --noise kitchen.flac --out runs/computer/model"
    )
    parser.add_argument("word", help="what it wakes on; the file is named after it")
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE", help="what `train` made")
    parser.add_argument("--examples", type=Path, required=True, metavar="FOLDER", help="what `augment` made")
    for name, text in (("positives", "the word"), ("negatives", "anything but the word")):
        parser.add_argument(
            f"--{name}", nargs="+", type=Path, required=True, metavar="PATH", help=f"validation: {text}; its dev split"
        )
    parser.add_argument("--noise", type=Path, required=True, metavar="FILE", help="validation: put on the positives")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for NAME.tflite and NAME.json")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the training with rounding (1)")


def run(args: argparse.Namespace) -> int:
    """Convert, compare, check, write. Raises StageError, UsageError, AudioError."""
    weights = Weights.load(str(args.weights))
    examples = read_examples(args.examples)
    validation = read_validation(
        find(args.positives, label=args.word, split="dev", positive=True),
        find(args.negatives, label=args.word, split="dev", positive=False),
        read_pcm(Clip(path=args.noise)),
        SNRS_DB,
    )
    trained = train_rounded(weights, examples, seed=args.seed)
    made = ways(weights, trained, examples.features[calibration(examples)])
    candidates = best_first(candidate(name, way(), validation) for name, way in made.items())
    for one in candidates:
        print(f"{one.name}: cost {one.verdict.cost:.4f}", file=sys.stderr)
    refuse_lossy(weights, candidates[0], validation)
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"{args.word.replace(' ', '_')}.tflite"
    path.write_bytes(candidates[0].contents)
    fields = card(args.word, path, candidates[0].verdict)
    fields["training"] = {one.name: one.verdict.cost for one in candidates}
    path.with_suffix(".json").write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")
    print(path)
    return 0


def calibration(examples: Examples) -> list[int]:
    """Places of examples, spread over all of them, that the ranges are taken from."""
    places: list[int] = []
    for kind, count in zip((examples.word_end_row >= 0, examples.word_end_row < 0), CALIBRATION, strict=True):
        found = np.flatnonzero(kind)
        places += [int(place) for place in found[np.linspace(0, found.size - 1, min(count, found.size)).astype(int)]]
    return places


def card(word: str, path: Path, verdict: Verdict) -> dict[str, Any]:
    """What the device needs to know, in microWakeWord's form."""
    return {
        "type": "micro",
        "wake_word": word,
        "model": path.name,
        "version": 2,
        "micro": {
            "probability_cutoff": round(verdict.threshold(OPERATING_RATE_PER_H), 3),
            "sliding_window_size": WINDOW,
            "feature_step_size": 10,
        },
        "validation": figures(verdict),
        "sha256": sha256_of(path),
    }
