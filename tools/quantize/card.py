"""Write the card of a model: figures into its `.json`, and a README.md with its curves beside it.

The `.json` is in microWakeWord's form, so that its users can read it too, and tells more: `licence`, `data` (what it
was trained with), `training` (settings, seeds, versions, hashes), `limits`; and from an evaluation `det`,
`operating_points`, `measured`, and the `sha256` of the model file.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from appliance.errors import ConfigError, UsageError
from appliance.models import sha256_of
from appliance.wake.card import VerifierCard
from tools.quantize import evaluation as evaluations
from tools.quantize import pictures, report
from tools.quantize.clips import Clip, read_clips
from tools.quantize.evaluation import Condition, Evaluation

NOT_KNOWN = "not told"

_GRID = tuple(step / 20 for step in range(1, 20))
_COUNTS = 12
"""So many of the lowest numbers of false accepts are points of the curve in the card."""


class Micro(Struct, frozen=True):
    """What the device needs, under microWakeWord's names."""

    probability_cutoff: float
    sliding_window_size: int


class Data(Struct, frozen=True, kw_only=True):
    """Recordings, or a voice, that it was trained with."""

    name: str
    licence: str
    use: str = ""
    """What for: positives, negatives, noise."""

    clips: int = 0
    attribution: str = ""


class Card(Struct, frozen=True, kw_only=True):
    """What of a card the tools read; what else stands in it stays there."""

    wake_word: str
    micro: Micro
    licence: str = ""
    data: tuple[Data, ...] = ()
    training: dict[str, Any] = {}
    """Name to value, as the trainer tells it."""

    limits: str = ""
    """What to know before it is used: what it was not tested with."""

    sha256: str = ""
    verifier: VerifierCard | None = None
    det: tuple[Condition, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, its evaluation, and what the steps before cannot know."""
    parser.epilog = (
        "Example: python -m tools.quantize card runs/computer/model/computer.tflite computer.json --licence Apache-2.0"
        " --data runs/computer/clips pack/train.jsonl"
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="the .tflite file; its .json is beside it")
    parser.add_argument("evaluation", type=Path, metavar="EVALUATION", help="what `evaluate` wrote about this file")
    parser.add_argument("--licence", metavar="SPDX", help="of the model")
    parser.add_argument("--data", nargs="+", type=Path, metavar="PATH", help="clips it was trained with")
    parser.add_argument("--limits", metavar="TEXT", help="what to know before it is used")


def run(args: argparse.Namespace) -> int:
    """Write both, and the picture. Raises ConfigError, UsageError."""
    evaluation = evaluations.read(args.evaluation)
    path = args.model.with_suffix(".json")
    word = read(path).wake_word  # says now when it is not of the form
    told = {name: value for name in ("licence", "limits") if (value := getattr(args, name)) is not None}
    if args.data:
        clips = [clip for data in args.data for clip in read_clips(data)]
        told["data"] = [msgspec.to_builtins(row) for row in data_of(clips, word)]
    fields = with_figures({**read_fields(path), **told}, args.model, evaluation)
    card = msgspec.convert(fields, type=Card)
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(fields), indent=1) + b"\n")
        pictures.det(path.with_name("det.svg"), evaluation)
        path.with_name("README.md").write_text(readme(card, args.model.name, evaluation), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); check its permissions") from None
    print(path.with_name("README.md"))
    return 0


def read(path: Path) -> Card:
    """Read a card. Raises ConfigError."""
    fields = read_fields(path)
    try:
        return msgspec.convert(fields, type=Card)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}; `python -m tools.quantize train` writes such a file") from None


def read_fields(path: Path) -> dict[str, Any]:
    """All fields of a card, also those that only others read. Raises ConfigError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{path}: not the card of a model ({error}); it lies beside its .tflite file") from None


def data_of(clips: Iterable[Clip], word: str) -> list[Data]:
    """Where clips come from, under which licence, and how many: a row for each source and use."""
    counts = Counter(
        (clip.source or NOT_KNOWN, clip.licence or NOT_KNOWN, "the word" if clip.label == word.lower() else clip.label)
        for clip in clips
    )
    return [
        Data(name=source, licence=licence, use=use or NOT_KNOWN, clips=count)
        for (source, licence, use), count in sorted(counts.items())
    ]


def with_figures(fields: Mapping[str, Any], model: Path, evaluation: Evaluation) -> dict[str, Any]:
    """The card's fields with curve and operating points. Raises UsageError when these are of another model."""
    sha256 = sha256_of(model)
    own = fields.get("verifier", {}).get("threshold") or fields.get("micro", {}).get("probability_cutoff")
    if evaluation.sha256 != sha256 or evaluation.trigger.threshold != own:
        raise UsageError(f"{model}: the evaluation is of another file or threshold; evaluate this one")
    chosen = {name: evaluation.clean.at(value).threshold for name, value in report.operating_points(evaluation).items()}
    kept = sorted({*chosen.values(), *_GRID, *_steps(evaluation.clean)})
    return {
        **fields,
        "sha256": sha256,
        "det": [_thinned(condition, kept) for condition in evaluation.conditions],
        "operating_points": [{"chosen": name, "threshold": threshold} for name, threshold in chosen.items()],
        "measured": report.measured(evaluation),
    }


def readme(card: Card, file: str, evaluation: Evaluation) -> str:
    """The card for people, in Markdown."""
    word = card.wake_word.lower()
    training = [[name.replace("_", " "), _plain(value)] for name, value in card.training.items()]
    data = [[one.name, one.use, str(one.clips or ""), one.licence, one.attribution] for one in card.data]
    cost = f"{evaluation.us_per_frame:.1f} us of processor time for 20 ms of sound with {evaluation.runtime}"
    sections = [
        f"# {card.wake_word}",
        f'Wakes on "{word}". A streaming network for the engine int8: `{file}`, {evaluation.bytes / 1000:.1f} kB, '
        f"{cost}. It hears 16 kHz sound through microWakeWord's front end (40 bands, a row each 10 ms). "
        f"{_decision(card, evaluation)}",
        f"Licence: {card.licence or NOT_KNOWN}. SHA-256 of the model: `{card.sha256}`.",
        f"## Figures\n\n{report.measured(evaluation)}\n\n{report.figures(evaluation)}\n\n![curves](det.svg)",
        f"{report.CURVES} Thresholds chosen by false accepts are chosen on these very negatives: new ones will give a "
        "little more.",
        f"## How it was made\n\n{_table(['setting', 'value'], training)}",
        f"## Data\n\n{_table(['what', 'for', 'clips', 'licence', 'attribution'], data)}",
        f"## Limits\n\n{card.limits or NOT_KNOWN}\n\n"
        "Figures of false accepts come from a few hours of recordings and are for comparing versions; they do not tell "
        "how often it wakes in a home. It must not be used where a missed or a false wake can hurt somebody, to listen "
        "to people who do not know of it, or to recognize who speaks.",
    ]
    return "\n\n".join(sections) + "\n"


def _decision(card: Card, evaluation: Evaluation) -> str:
    mean = f"the mean of {card.micro.sliding_window_size} scores reaches"
    if card.verifier is None:
        return f"It wakes when {mean} {card.micro.probability_cutoff:g}."
    return (
        f"Where {mean} {card.verifier.gate:g}, a verifier hears the newest 1.7 s again ({card.verifier.features} and "
        f"`{card.verifier.model}`, {evaluation.verifier_bytes / 1000:.0f} kB together; in these negatives "
        f"{evaluation.verified_per_hour:.0f} times an hour) and it wakes when that scores {card.verifier.threshold:g}. "
        f"On its own it would wake at {card.micro.probability_cutoff:g}."
    )


def _steps(condition: Condition) -> list[float]:
    """The threshold of each of the lowest numbers of false accepts."""
    counts = sorted({point.false_accepts for point in condition.points})[:_COUNTS]
    return [condition.allowing(count / condition.negative_hours).threshold for count in counts]


def _thinned(condition: Condition, kept: Sequence[float]) -> dict[str, Any]:
    points = [point for point in condition.points if point.threshold in kept]
    fields: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(condition, points=tuple(points), clips=()))
    return fields


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return report.table([head, *rows]) if rows else NOT_KNOWN.capitalize() + "."


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_plain(inner) for inner in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
