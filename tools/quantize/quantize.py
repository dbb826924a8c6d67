"""Make the INT8 file of a trained network: the ways to it are compared on recordings; a lossy one is refused.

Beside it go its verifier and its card, which the device reads the thresholds from. They are chosen on the validation:
first the gate of the network, then, heard by the code of the device, the threshold of both stages together.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from appliance import __version__
from appliance.models import sha256_of
from appliance.wake import VERIFIER_SUFFIX
from tools.quantize import contestant
from tools.quantize.augment import TEACHER
from tools.quantize.clips import Clip, read_pcm
from tools.quantize.contestant import Reference
from tools.quantize.convert import OPERATING_RATE_PER_H, best_first, candidate, refuse_lossy, ways
from tools.quantize.evaluate import evaluate
from tools.quantize.examples import Examples, read_examples
from tools.quantize.net import Weights
from tools.quantize.rounding import train_rounded
from tools.quantize.streams import Stream, find
from tools.quantize.teacher import Head
from tools.quantize.train import SNRS_DB, figures, head_files, seed_costs
from tools.quantize.validate import GATE_RATE_PER_H, WINDOW, Verdict, read_validation
from tools.quantize.verifier import to_tflite

CALIBRATION = (24, 36)
"""Examples with and without the word that the ranges are taken from; 60 in all were enough for a loss below 1 point."""


LOWEST_GATE, HIGHEST_GATE = 0.05, 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What from, judged by what, where to."""
    parser.epilog = (
        "Example: python -m tools.quantize quantize computer --trained runs/computer/train"
        " --examples runs/computer/examples --positives pack/manifest.jsonl --negatives talk.playlist.json"
        " --noise kitchen.flac --out runs/computer/model"
    )
    parser.add_argument("word", help="what it wakes on; the file is named after it")
    parser.add_argument("--trained", type=Path, required=True, metavar="FOLDER", help="what `train` made")
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
    weights = Weights.load(str(args.trained / "weights.npz"))
    examples = read_examples(args.examples)
    positives = find(args.positives, label=args.word, split="dev", positive=True)
    negatives = find(args.negatives, label=args.word, split="dev", positive=False)
    validation = read_validation(positives, negatives, read_pcm(Clip(path=args.noise)), SNRS_DB)
    trained = train_rounded(weights, examples, seed=args.seed)
    made = ways(weights, trained, examples.features[calibration(examples)])
    candidates = best_first(candidate(name, way(), validation) for name, way in made.items())
    for one in candidates:
        print(f"{one.name}: cost {one.verdict.cost:.4f}", file=sys.stderr)
    refuse_lossy(weights, candidates[0], validation)
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"{args.word.replace(' ', '_')}.tflite"
    path.write_bytes(candidates[0].contents)
    path.with_suffix(VERIFIER_SUFFIX).write_bytes(to_tflite([Head.load(file) for file in head_files(args.trained)]))
    fields = card(args.word, path, candidates[0].verdict)
    said = np.flatnonzero(examples.word_end_row >= 0)
    fields["training"] = {
        "examples": {"with the word": len(said), "without": len(examples.word_end_row) - len(said)},
        "cost of each seed": seed_costs(args.trained),
        "cost of each way to INT8": {one.name: one.verdict.cost for one in candidates},
        "versions": {"appliance": __version__} | {name: metadata.version(name) for name in ("tensorflow-cpu", "keras")},
    }
    _write(path, fields)
    fields["verifier"]["threshold"] = threshold(path, positives, negatives)
    _write(path, fields)
    print(path)
    return 0


def threshold(path: Path, positives: Sequence[Stream], negatives: Sequence[Stream]) -> float:
    """The lowest of both stages together with at most OPERATING_RATE_PER_H, as the device hears the validation."""
    reference = Reference(model=str(path))
    evaluation = evaluate(reference, contestant.find(reference), positives, negatives)
    return round(min(0.98, max(0.05, evaluation.clean.allowing(OPERATING_RATE_PER_H).threshold)), 4)


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
        "verifier": {
            "model": path.with_suffix(VERIFIER_SUFFIX).name,
            "sha256": sha256_of(path.with_suffix(VERIFIER_SUFFIX)),
            "features": TEACHER,
            "gate": round(min(HIGHEST_GATE, max(LOWEST_GATE, verdict.threshold(GATE_RATE_PER_H))), 3),
            "threshold": 0.5,
        },
        "validation": figures(verdict),
        "sha256": sha256_of(path),
    }


def _write(path: Path, fields: dict[str, Any]) -> None:
    path.with_suffix(".json").write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")
