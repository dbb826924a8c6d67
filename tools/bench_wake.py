"""Wake words side by side on the same recordings: `python -m tools.bench_wake PACK [--ours WORD=MODEL] [--json OUT]`.

Ours, microWakeWord, openWakeWord and Porcupine 1.9.5, each where it has the word: misses clean and in kitchen noise at
no more than 0.5 false accepts an hour and at none at all, processor time, size and memory, with 95 % intervals. PACK is
the folder of recordings. Thresholds are chosen on these very recordings, for everyone alike. A word that nobody says in
them is said by synthetic voices, which is told with its figures.
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from appliance import config_files
from appliance.audio.format import FRAME_SAMPLES, SAMPLE_RATE_HZ
from appliance.config_files import MANIFEST
from appliance.errors import ApplianceError, UsageError
from appliance.models import ModelStore, Status
from tools import porcupine
from tools.mixing import METHOD
from tools.quantize import contestant, streams, synthesize, voices
from tools.quantize.clips import read_clips
from tools.quantize.contestant import Reference
from tools.quantize.evaluate import evaluate
from tools.quantize.evaluation import Condition, make_points
from tools.quantize.hearing import Noise, read_noise
from tools.quantize.pack_split import negatives_of
from tools.quantize.parallel import map_all
from tools.quantize.streams import PAD_SAMPLES, Stream
from tools.wake_cost import cost_of
from tools.wake_figures import Cost, Hours, Results, Row, chosen_points, page

PORCUPINE_WORDS = ("alexa", "computer", "jarvis")
NAMES = {
    "microWakeWord": {"alexa": "alexa"},
    "openWakeWord": {"alexa": "oww_alexa"},
    "ours": {"computer": "computer", "jarvis": "jarvis", "stop": "stop"},
}
"""Maker: word, and its name in the manifest. The peers' other words are phrases that nobody says in the recordings."""
SNRS_DB = (10.0, 5.0)
SAID = 120
"""Clips of a word that nobody says in the recordings."""
SAID_SEED = 1000
"""Other clips than a training has."""
SHORT_S = 4.0
"""Speech up to this length is a single word or a prompt."""

_PAD_FRAMES = PAD_SAMPLES // FRAME_SAMPLES


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordings:
    """What of the data pack is used for a word."""

    word: str
    positives: list[Stream]
    negatives: list[Stream]
    noises: list[Noise]
    synthetic: bool = False
    """The positives are of synthetic voices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Porcupine:
    """What a process needs to measure one of its words."""

    python: Path
    recordings: Recordings


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path, metavar="PACK")
    parser.add_argument("--ours", action="append", default=[], metavar="WORD=MODEL", help="this model of ours, too")
    parser.add_argument("--without-porcupine", action="store_true", help="do not install and measure it")
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        type=Path,
        metavar="PYTHON",
        help="tell the cost in this one's runtime, too",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything there, too")
    args = parser.parse_args(arguments)
    if not (args.pack / "manifest.jsonl").is_file():
        print(f"bench-wake: skipped, no recordings in {args.pack}", file=sys.stderr)
        return 0
    try:
        with tempfile.TemporaryDirectory() as folder:
            results = measure(
                args.pack,
                args.ours,
                pythons=[Path(sys.executable), *args.also],
                with_porcupine=not args.without_porcupine,
                said=Path(folder),
            )
    except ApplianceError as error:
        print(f"bench-wake: {error}", file=sys.stderr)
        return error.exit_code
    print(page(results))
    if args.json:
        args.json.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    return 0


def measure(pack: Path, ours: Sequence[str], *, pythons: Sequence[Path], with_porcupine: bool, said: Path) -> Results:
    """Everyone, on the same recordings. Raises ApplianceError.

    pythons: whose runtimes the cost is told of.
    said: empty folder, for clips of synthetic voices.
    """
    contestants, left_out = _installed()
    for text in ours:
        word, equals, model = text.partition("=")
        if not equals:
            raise UsageError(f"--ours {text}: must be WORD=MODEL, as computer=runs/computer/computer.tflite")
        contestants.append((word, f"ours ({Path(model).stem})", model))
    words = {word for word, _, _ in contestants} | set(PORCUPINE_WORDS if with_porcupine else ())
    recordings = {word: find_recordings(pack, word, said) for word in sorted(words)}
    rows = [_row(recordings[word], maker, model, pythons) for word, maker, model in contestants]
    if with_porcupine:
        try:
            python = porcupine.environment()
        except ApplianceError as error:
            left_out.append(str(error))
        else:
            jobs = [_Porcupine(python=python, recordings=recordings[word]) for word in PORCUPINE_WORDS]
            rows += map_all(_porcupine_row, jobs, what="Porcupine")
    return Results(
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        mixing=METHOD,
        recordings=tuple(hours_of(found) for found in recordings.values()),
        rows=tuple(sorted(rows, key=lambda row: row.word)),
        left_out=tuple(left_out),
    )


def find_recordings(pack: Path, word: str, said: Path) -> Recordings:
    """The dev split's positives, and the negatives that nobody trains with. Raises UsageError, AudioError, StageError.

    said: folder for clips of synthetic voices, where the pack has none of people.
    """
    noise = min((pack / "noise").glob("kitchen*.flac"))
    of_people = any(clip.label == word and clip.split == "dev" for clip in read_clips(pack))
    if not of_people:
        orders = synthesize.orders(word, voices.installed(), count=SAID, confusables=0, negatives=0, seed=SAID_SEED)
        synthesize.say(said / word, orders, jobs=None, scheduler=None)
    source = pack / "manifest.jsonl" if of_people else said / word
    return Recordings(
        word=word,
        positives=streams.find([source], label=word, split="dev" if of_people else None, positive=True),
        negatives=[Stream(path=clip.path, clips=(clip,)) for clip in negatives_of(pack, word).dev],
        noises=[Noise(path=noise, snr_db=snr_db) for snr_db in SNRS_DB],
        synthetic=not of_people,
    )


def _installed() -> tuple[list[tuple[str, str, str]], list[str]]:
    """Word, maker and model of each that is here; and which are not."""
    store = ModelStore(MANIFEST, config_files.load(None).models_directory)
    here, missing = [], []
    for maker, names in NAMES.items():
        for word, name in names.items():
            if name in store.names() and store.status(name) is Status.INSTALLED:
                here.append((word, maker, name))
            else:
                missing.append(f'{maker}, "{word}": not installed (appliance models install {name})')
    return here, missing


def _row(recordings: Recordings, maker: str, model: str, pythons: Sequence[Path]) -> Row:
    reference = Reference(model=model)
    found = contestant.find(reference)
    print(f"{maker}, {recordings.word}:", file=sys.stderr)
    result = evaluate(reference, found, recordings.positives, recordings.negatives, noises=recordings.noises)
    other = streams.render(recordings.negatives[0]).pcm
    return Row(
        word=recordings.word,
        maker=maker,
        model=model,
        costs=tuple(cost_of(model, other, python) for python in pythons),
        bytes=found.size_bytes,
        verifier_bytes=found.verifier_bytes,
        points=chosen_points(result.conditions, found.threshold),
    )


def _porcupine_row(job: _Porcupine) -> Row:
    """Its operating points are sensitivities; the threshold stands for 1 - sensitivity, so that lower hears more."""
    recordings = job.recordings
    thresholds = [round(1 - sensitivity, 3) for sensitivity in reversed(porcupine.SENSITIVITIES)]
    with porcupine.porcupine(job.python, recordings.word) as ear:
        false_accepts, hours = [0] * len(thresholds), 0.0
        for stream in recordings.negatives:
            sound = streams.render(stream)
            hours += sound.samples / SAMPLE_RATE_HZ / 3600
            found = ear.hear(sound.pcm)[::-1]
            false_accepts = [count + len(frames) for count, frames in zip(false_accepts, found, strict=True)]
        conditions = []
        for noise in (None, *recordings.noises):
            missed = [0] * len(thresholds)
            for stream in recordings.positives:
                sound = streams.render(stream, *((read_noise(noise.path), noise.snr_db) if noise else ()))
                found = ear.hear(sound.pcm)[::-1]
                missed = [n + all(frame < _PAD_FRAMES for frame in f) for n, f in zip(missed, found, strict=True)]
            count = len(recordings.positives)
            conditions.append(
                Condition(
                    name="clean" if noise is None else f"{noise.snr_db:g} dB",
                    noise=noise.path.name if noise else None,
                    snr_db=noise.snr_db if noise else None,
                    positives=count,
                    negative_hours=hours,
                    points=make_points(thresholds, missed, count, false_accepts, hours),
                )
            )
        us_per_frame, size_bytes, memory_mb = ear.cost(streams.render(recordings.negatives[0]).pcm)
    return Row(
        word=recordings.word,
        maker="Porcupine 1.9.5",
        model="its own",
        costs=(Cost(runtime="libpv_porcupine", us_per_frame=us_per_frame, memory_mb=memory_mb),),
        bytes=size_bytes,
        points=chosen_points(conditions, 0.5),
    )


def hours_of(recordings: Recordings) -> Hours:
    """What the negatives of a word are made of."""
    short = longer = other = 0.0
    for stream in recordings.negatives:
        for kind, seconds in streams.pieces(stream):
            if kind in ("music", "noise"):
                other += seconds
            elif seconds <= SHORT_S:
                short += seconds
            else:
                longer += seconds
    total = [value / 3600 for value in (short, longer, other)]
    return Hours(
        word=recordings.word,
        positives=len(recordings.positives),
        synthetic=recordings.synthetic,
        hours=sum(clip.duration_s for stream in recordings.negatives for clip in stream.clips) / 3600,
        short=total[0],
        longer=total[1],
        other=total[2],
    )


if __name__ == "__main__":
    sys.exit(main())
