"""From the text of a word to its model, ready to install, with its card and a report, in one command.

    synthesize   says the word, words like it and other sentences with every voice there is
    hold back    says the word and sentences with voices that only measure
    sort         parts what you give: four fifths to train with, one to measure with
    augment      makes examples: other rooms, noises, microphones, levels
    train        the network, with a teacher and several seeds; the best is kept
    quantize     makes the INT8 file
    evaluate     measures it, the same network in float, and the model before
    card         the finished model: FOLDER/model
    report       how good it is, with pictures: FOLDER/report/report.md

Start it again after an interruption: what is done is skipped. Start it again with your recordings, or with the
near-misses that the appliance has kept: it trains anew, and the report shows before and after.

It needs `make venv-tools` (then .venv-tools/bin/python is the python below), `make models`, and espeak-ng; with flite
and festival there are more voices. Nothing leaves this machine.
"""

import argparse
import dataclasses
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from appliance import __version__
from appliance.errors import UsageError
from appliance.models import sha256_of
from tools.quantize import contestant, making, needs, runs, voices, words
from tools.quantize.contestant import Reference
from tools.quantize.gather import Gathered, Given, gather, voices_apart
from tools.quantize.hearing import Work
from tools.quantize.making import HELD_SEED, SEED, Job, Said, Setting, tell
from tools.quantize.needs import Machine
from tools.quantize.parallel import cores, duration
from tools.quantize.runs import Step
from tools.quantize.voices import Voices

SETTINGS: Final = {
    "quick": Setting(
        said=Said(words=800, confusables=600, sentences=600),
        held=Said(words=150, confusables=0, sentences=900),
        words=6000,
        others=9000,
        epochs=5.0,
        rounds=1,
        seeds=(1, 2),
    ),
    "good": Setting(
        said=Said(words=1500, confusables=1500, sentences=1500),
        held=Said(words=200, confusables=0, sentences=1800),
        words=12_000,
        others=20_000,
        epochs=6.0,
        rounds=1,
        seeds=(1, 2, 3, 4),
    ),
}
"""By the costs below 15 and 35 minutes on 2 cores. Quick took 27 minutes of processor time, 12 of them for training."""

CLIPS_PER_S: Final = 9.0
FOUND_PER_S: Final = 16.0
EXAMPLES_PER_S: Final = 43.0
BATCHES_PER_S: Final = 4.5
BATCH: Final = 128
ROUND_COST: Final = 0.45
"""Of one core, as the processor time of that run has it: clips said, words found in clips, examples made, batches
learned; and what a round of mining costs as a share of the first training."""

START_S: Final = 20.0
"""A step's start, and what does not depend on how much there is."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The word, and what helps it."""
    parser.epilog = (
        "Examples:\n"
        "  python -m tools.quantize run computer\n"
        "  python -m tools.quantize record computer --out mine     # say it 20 times, then:\n"
        "  python -m tools.quantize run computer --recordings mine --install --listen"
    )
    parser.add_argument("word", help="the wake word: a word or a short phrase, five sounds or more")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for all of it (runs/WORD)")
    parser.add_argument(
        "--setting", choices=SETTINGS, default="quick", help="quick: 20 minutes on 2 cores (default); good: an hour"
    )
    for name, text in (
        ("recordings", "of you saying the word: what `record` made, or folders of sound files"),
        ("near-misses", "folders of what the appliance kept, sorted into yes/ (it was the word) and no/ (it was not)"),
        ("negatives", "sound without the word, several hours of talk and television: folders, files, manifests"),
    ):
        parser.add_argument(f"--{name}", nargs="+", action="extend", type=Path, default=[], metavar="PATH", help=text)
    parser.add_argument(
        "--pack", type=Path, metavar="FOLDER", help="a data pack: its negatives, and the word where it has it"
    )
    parser.add_argument("--before", type=Path, metavar="MODEL", help="the .tflite to compare with (FOLDER's last one)")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="N", help="a training each; the best one is kept")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (one a core)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster that sees FOLDER under the same name")
    parser.add_argument("--install", action="store_true", help="put it beside the appliance's other models")
    parser.add_argument(
        "--listen", action="store_true", help="install it, and tell the running appliance to listen for it"
    )


def run(args: argparse.Namespace) -> int:
    """Make it, and install it where that is wanted. Raises ApplianceError."""
    if args.jobs is not None and args.jobs < 1:
        raise UsageError(f"--jobs {args.jobs}: must be 1 or more; leave it out for one a core")
    if args.before is not None:
        contestant.find(Reference(model=str(args.before)))  # says now, not in an hour, when it cannot be compared with
    pronunciation = words.pronounce(args.word)
    if pronunciation.warning:
        tell(pronunciation.warning)
    setting = SETTINGS[args.setting]
    if args.seeds:
        setting = dataclasses.replace(setting, seeds=tuple(dict.fromkeys(args.seeds)))
    given = Given(
        recordings=tuple(args.recordings),
        near_misses=tuple(args.near_misses),
        negatives=tuple(args.negatives),
        pack=args.pack,
    )
    job = Job(
        word=pronunciation.text,
        out=args.out or Path("runs", re.sub(r"\W+", "_", pronunciation.text).strip("_")),
        setting=setting,
        given=given,
        before=args.before,
        work=Work(scheduler=args.scheduler, jobs=args.jobs),
    )
    make(job, voices.installed())
    if args.install or args.listen:
        making.refuse_worse(job)
        return making.call("install", job.model, *(["--listen"] if args.listen else []))
    print(f"to install it: python -m tools.quantize install {job.model}", file=sys.stderr)
    return 0


def make(job: Job, found: Voices, machine: Machine | None = None) -> None:
    """Do what of it is not done.

    found: the voices to say it with.
    machine: what there is of disk and memory; None: this one's.

    Raises:
        ApplianceError: something is missing or not fit for use; where that can be told, before the work begins.
    """
    for sentence in voices.missing(found):
        tell(sentence)
    gathered = gather(job.word, job.given)
    for sentence in gathered.left_out:
        tell(f"left out: {sentence}")
    steps = plan(job, gathered, found)
    waiting = runs.pending(steps)
    if waiting:
        (machine or Machine.of(job.out)).check(job.out, needs.Size.of(job.setting, _cores(job)))
        needs.check_programs()
        tell(
            f"{job.word}: about {duration(sum(step.about_s for step in waiting))} on {_cores(job)} cores, in {job.out}"
        )
    runs.go(steps, tell)
    print(f"{job.model}\n{job.report}")


def plan(job: Job, gathered: Gathered, found: Voices) -> list[Step]:
    """All steps, in order. Raises UsageError where there are too few voices."""
    setting = job.setting
    training, held = voices_apart(found)
    count = setting.words + setting.others
    batches = count * setting.epochs / BATCH * (1 + ROUND_COST * setting.rounds)
    turns = -(-len(setting.seeds) // _cores(job))
    examples = {"words": setting.words, "others": setting.others, "seed": SEED}
    course = {"seeds": setting.seeds, "epochs": setting.epochs, "rounds": setting.rounds}

    def step(name: str, folder: str, about_s: float, work: Callable[[], object], **settings: Any) -> Step:
        settings |= {"version": __version__}
        return Step(name=name, folder=job.out / folder, about_s=about_s + START_S, work=work, settings=settings)

    def saying(name: str, folder: str, which: Voices, said: Said, seed: int) -> Step:
        about_s = said.all / CLIPS_PER_S / _cores(job)
        told = {"word": job.word, "voices": which, "said": dataclasses.asdict(said), "seed": seed}
        return step(name, folder, about_s, lambda: making.say(job, job.out / folder, which, said, seed), **told)

    return [
        saying("synthesize", "clips", training, setting.said, SEED),
        saying("hold back", "held", held, setting.held, HELD_SEED),
        step("sort", "data", 0.0, lambda: making.sort(job, gathered), given=gathered.hash),
        step(
            "augment",
            "examples",
            setting.said.words / FOUND_PER_S + count / EXAMPLES_PER_S / _cores(job),
            lambda: making.augment(job, examples),
            **examples,
        ),
        step(
            "train", "train", turns * (START_S + batches / BATCHES_PER_S), lambda: making.train(job, course), **course
        ),
        step("quantize", "int8", 60.0, lambda: making.quantize(job), seed=SEED),
        step("evaluate", "evaluation", 60.0, lambda: making.evaluate(job), before=_hash(job.before)),
        step("card", "model", 0.0, lambda: making.finish(job)),
        step("report", "report", 0.0, lambda: making.report(job)),
    ]


def _cores(job: Job) -> int:
    return job.work.jobs or cores()


def _hash(path: Path | None) -> str | None:
    return None if path is None else sha256_of(path)
