"""Measure a model on recordings: misses clean and in noise, false accepts an hour, processor time.

Every clip is heard by the code of the device: 1 s of faint noise, the clip, 1 s of faint noise. A hit is a detection
from the clip's start to its end + 1 s. Noise is put on the positives only; each threshold serves all conditions.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from appliance.audio.format import SAMPLE_RATE_HZ
from appliance.errors import AudioError, UsageError
from tools.mixing import METHOD
from tools.quantize import contestant, streams, sweeping
from tools.quantize.contestant import ENGINES, Contestant, Reference
from tools.quantize.evaluation import (
    Condition,
    Evaluation,
    LeftOut,
    Negatives,
    TriggerSettings,
    make_points,
    write,
)
from tools.quantize.hearing import Judged, Noise, Work, hear_all, read_noise
from tools.quantize.streams import Stream


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments as the contract has them."""
    parser.epilog = (
        "Example: python -m tools.quantize evaluate --model models/computer/computer.tflite"
        " --positives clips/manifest.jsonl --label computer --split dev --negatives radio.flac talk.playlist.json"
        " --noise kitchen.flac --snr-db 10 5 --json computer.json"
    )
    parser.add_argument("--model", required=True, metavar="M", help="name of a wake word, model file, or its folder")
    parser.add_argument("--engine", choices=ENGINES, metavar="E", help=f"{', '.join(ENGINES)}; default: the model's")
    for name, text in (("positives", "the word"), ("negatives", "anything but the word")):
        parser.add_argument(
            f"--{name}",
            nargs="+",
            action="extend",
            type=Path,
            required=True,
            metavar="PATH",
            help=f"{text}: folders, sound files, manifest.jsonl, .playlist.json",
        )
    parser.add_argument("--label", metavar="L", help="label of the positives in a manifest; default: the model's word")
    parser.add_argument("--split", metavar="S", help="rows of a manifest in this split only")
    parser.add_argument("--noise", type=Path, metavar="FILE", help="noise to put on the positives")
    parser.add_argument(
        "--snr-db", nargs="+", action="extend", type=float, default=[], metavar="N", help="at these ratios, dB"
    )
    parser.add_argument("--json", type=Path, required=True, metavar="OUT", help="file for the figures")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (one a core)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster, instead of this machine")


def run(args: argparse.Namespace) -> int:
    """Evaluate, write, and print the main figures. Raises ApplianceError."""
    if bool(args.noise) != bool(args.snr_db):
        raise UsageError("--noise and --snr-db belong together: name the noise and at least one ratio in dB")
    reference = Reference(model=args.model, engine=args.engine)
    found = contestant.find(reference)
    label = args.label or found.word.replace("_", " ")
    evaluation = evaluate(
        reference,
        found,
        streams.find(args.positives, label=label, split=args.split, positive=True),
        streams.find(args.negatives, label=label, split=args.split, positive=False),
        noises=[Noise(path=args.noise, snr_db=snr_db) for snr_db in dict.fromkeys(args.snr_db)],
        work=Work(scheduler=args.scheduler, jobs=args.jobs),
    )
    for left_out in evaluation.left_out:
        print(f"left out: {left_out.reason}", file=sys.stderr)
    write(evaluation, args.json)
    print(table(evaluation))
    return 0


def evaluate(
    reference: Reference,
    found: Contestant,
    positives: Sequence[Stream],
    negatives: Sequence[Stream],
    *,
    noises: Sequence[Noise] = (),
    work: Work | None = None,
) -> Evaluation:
    """Hear everything once for each condition, and sweep the threshold over the scores.

    A recording that cannot be read is left out, and named.

    Raises:
        AudioError: no positive or no negative can be read, or the noise cannot.
    """
    for noise in noises:
        read_noise(noise.path)  # says now when it cannot be read
    conditions: list[Noise | None] = [None, *noises]
    groups = [(noise, positives) for noise in conditions] + [(None, negatives)]
    heard = hear_all(reference, groups, work or Work())
    left_out = {str(stream.path): result.problem for judged in heard for stream, result in judged if result.problem}
    *said, others = [[(stream, result) for stream, result in judged if not result.problem] for judged in heard]
    if not others or not said[0]:
        raise AudioError(f"no {'positive' if others else 'negative'} can be read; {next(iter(left_out.values()))}")
    return judge(reference, found, list(zip(conditions, said, strict=True)), others, left_out)


def table(evaluation: Evaluation) -> str:
    """The main figures, for people."""
    hours = evaluation.clean.negative_hours
    lines = [
        f"{evaluation.word} ({evaluation.engine}, {evaluation.runtime}): {evaluation.us_per_frame:.1f} us a frame, "
        f"{evaluation.bytes / 1000:.1f} kB; {evaluation.clean.positives} positives, {hours:.2f} h of negatives"
    ]
    if evaluation.verifier_bytes:
        lines.append(
            f"  verifier: {evaluation.verifier_bytes / 1000:.0f} kB, asked {evaluation.verified_per_hour:.0f} times/h"
        )
    own = evaluation.clean.at(evaluation.trigger.threshold).threshold
    chosen = {
        "its own threshold": own,
        "at most 0.5 false accepts/h": evaluation.clean.allowing(0.5).threshold,
        "none at all": evaluation.clean.allowing(0.0).threshold,
    }
    for name, threshold in chosen.items():
        point = evaluation.clean.at(threshold)
        lines.append(
            f"  {name}: threshold {threshold:.4f}, {point.false_accepts} false accepts "
            f"({point.fa_ci95[0]:.2f}..{point.fa_ci95[1]:.2f}/h)"
        )
        for condition in evaluation.conditions:
            at = condition.at(threshold)
            lines.append(
                f"    {condition.name:>8}: missed {at.missed} of {condition.positives}, {100 * at.miss_rate:.1f} % "
                f"({100 * at.miss_ci95[0]:.1f}..{100 * at.miss_ci95[1]:.1f})"
            )
    return "\n".join(lines)


def _openings(others: Judged) -> int:
    """How often a word of two stages was heard again: its score is 0 until then."""
    return sum(int((np.diff((result.scores > 0.0).astype(np.int8), prepend=0) == 1).sum()) for _, result in others)


def judge(
    reference: Reference,
    found: Contestant,
    said: Sequence[tuple[Noise | None, Judged]],
    others: Judged,
    left_out: dict[str, str],
) -> Evaluation:
    """From scores to figures."""
    thresholds = sweeping.thresholds(
        found.threshold,
        [sweeping.peak(result, found.window) for _, clips in said for _, result in clips],
        [value for _, result in others for value in sweeping.peaks(result, found.window)],
    )
    fired = [sweeping.firings(result, thresholds, found.window) for _, result in others]
    false_accepts = [sum(len(frames[position]) for frames in fired) for position in range(len(thresholds))]
    hours = [result.samples / SAMPLE_RATE_HZ / 3600 for _, result in others]
    conditions = []
    for noise, clips in said:
        missed, scores = sweeping.misses(clips, thresholds, found.window)
        conditions.append(
            Condition(
                name="clean" if noise is None else f"{noise.snr_db:g} dB",
                noise=noise.path.name if noise else None,
                snr_db=noise.snr_db if noise else None,
                positives=len(clips),
                negative_hours=sum(hours),
                points=make_points(thresholds, missed, len(clips), false_accepts, sum(hours)),
                clips=scores,
            )
        )
    return Evaluation(
        model=reference.model,
        word=found.word,
        engine=found.engine,
        sha256=found.sha256,
        runtime=found.runtime,
        trigger=TriggerSettings(threshold=found.threshold, window=found.window, refractory_s=sweeping.REFRACTORY_S),
        us_per_frame=contestant.us_per_frame(found, streams.render(others[0][0]).pcm),
        bytes=found.size_bytes,
        verifier_bytes=found.verifier_bytes,
        verified_per_hour=_openings(others) / sum(hours) if found.verifier_bytes else 0.0,
        conditions=tuple(conditions),
        moments=sweeping.moments(others, fired, thresholds),
        negatives=tuple(Negatives(path=str(s.path), hours=h) for (s, _), h in zip(others, hours, strict=True)),
        left_out=tuple(LeftOut(path=path, reason=reason) for path, reason in left_out.items()),
        method=METHOD,
    )
