"""Train the network on examples, with a teacher; again on what it got wrong; with several seeds. The best one is kept.

Judged on a validation that is kept apart from training: the positives clean and in noise, the negatives as they are.
"""

import argparse
import dataclasses
import json
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from appliance.config_files import MANIFEST
from appliance.models import ModelStore
from tools.quantize.augment import TEACHER, read_material
from tools.quantize.clips import Clip, read_pcm
from tools.quantize.examples import Examples, Kind, Material, joined, make, read_examples
from tools.quantize.fit import Fitted, Settings, fit, scorer
from tools.quantize.mine import hardest
from tools.quantize.parallel import cores, map_all
from tools.quantize.streams import find
from tools.quantize.teacher import Embedding, Head, Lessons, train_head
from tools.quantize.validate import RATES_PER_H, Validation, Verdict, read_validation

SNRS_DB = (10.0, 5.0)
TEACHERS = (1, 2)
"""Seeds of the heads whose mean teaches, and verifies on the device; each is trained in a minute."""
MINED = 300
VERSIONS = 6
"""So many of the hardest moments, each altered in so many ways."""
ROUND_SHARE = 0.4
"""Of the epochs of the first training, after each round of mining."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What with, how long, where to."""
    parser.epilog = (
        "Example: python -m tools.quantize train computer --examples runs/computer/examples --clips clips negatives"
        " --positives pack/manifest.jsonl --negatives talk.playlist.json --noise kitchen.flac --out runs/computer/train"
    )
    parser.add_argument("word", help="label of the clips that hold the word")
    parser.add_argument("--examples", type=Path, required=True, metavar="FOLDER", help="what `augment` made")
    parser.add_argument(
        "--clips", nargs="+", type=Path, required=True, metavar="PATH", help="the clips it was made from: for mining"
    )
    for name, text in (("positives", "the word"), ("negatives", "anything but the word")):
        parser.add_argument(
            f"--{name}", nargs="+", type=Path, required=True, metavar="PATH", help=f"validation: {text}; its dev split"
        )
    parser.add_argument("--noise", type=Path, required=True, metavar="FILE", help="validation: put on the positives")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for weights and figures")
    parser.add_argument(
        "--seeds", nargs="+", type=int, default=[1, 2, 3], metavar="N", help="one training each (1 2 3)"
    )
    parser.add_argument("--epochs", type=float, default=10.0, metavar="N", help="of the first round (10)")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="of mining and training on (1)")
    parser.add_argument("--jobs", type=int, metavar="N", help="seeds at a time (one a core)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster, instead of this machine")


def run(args: argparse.Namespace) -> int:
    """Train each seed that is not done, and keep the best. Raises UsageError, AudioError, StageError."""
    args.out.mkdir(parents=True, exist_ok=True)
    missing = [seed for seed in args.seeds if not (args.out / f"seed-{seed}.json").exists()]
    jobs = min(args.jobs or cores(), max(1, len(missing)))
    task = Task(
        word=args.word,
        examples=args.examples,
        clips=tuple(args.clips),
        positives=tuple(args.positives),
        negatives=tuple(args.negatives),
        noise=args.noise,
        heads=head_files(args.out),
        threads=max(1, cores() // jobs),
    )
    untaught = [file for file in task.heads if not file.exists()]
    for _ in map_all(train_teacher, [(task, file) for file in untaught], jobs=args.jobs, what="teachers"):
        pass
    courses = [Course(task=task, seed=seed, epochs=args.epochs, rounds=args.rounds) for seed in missing]
    for course, fitted in map_all(train_seed, courses, jobs=jobs, scheduler=args.scheduler, what="seeds"):
        fitted.weights.save(str(args.out / f"seed-{course.seed}.npz"))
        text = json.dumps(figures(fitted.verdict), indent=1)
        (args.out / f"seed-{course.seed}.json").write_text(text + "\n", encoding="utf-8")
    costs = {seed: cost for seed, cost in seed_costs(args.out).items() if int(seed) in args.seeds}
    for seed, cost in costs.items():
        print(f"seed {seed}: cost {cost:.4f}", file=sys.stderr)
    best = min(costs, key=lambda seed: costs[seed])
    (args.out / "weights.npz").write_bytes((args.out / f"seed-{best}.npz").read_bytes())
    print(args.out / "weights.npz")
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to learn from; the same for every seed."""

    word: str
    examples: Path
    clips: tuple[Path, ...]
    positives: tuple[Path, ...]
    negatives: tuple[Path, ...]
    noise: Path
    heads: tuple[Path, ...]
    """Of the teacher."""

    threads: int
    """Of TensorFlow in each process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The training of one seed."""

    task: Task
    seed: int
    epochs: float
    rounds: int


def head_files(folder: Path) -> tuple[Path, ...]:
    """Where the heads of the teacher lie, of what `train` wrote to a folder."""
    return tuple(folder / f"head-{seed}.npz" for seed in TEACHERS)


def train_teacher(job: tuple[Task, Path]) -> None:
    """Train one head of the teacher, in a process of its own."""
    task, file = job
    examples = read_examples(task.examples)
    seed = TEACHERS[task.heads.index(file)]
    partial = file.with_name(f".{file.name}.part.npz")
    train_head(examples.embedding, examples.word_end_row, seed=seed).save(partial)
    partial.replace(file)


def train_seed(course: Course) -> tuple[Course, Fitted]:
    """Train one seed, in a process of its own. The result has no Keras model: that cannot travel."""
    fitted = _school(course.task).train(Settings(seed=course.seed, epochs=course.epochs), rounds=course.rounds)
    return course, dataclasses.replace(fitted, model=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class School:
    """All that a training needs."""

    examples: Examples
    validation: Validation
    material: Material
    embedding: Embedding
    heads: list[Head]

    def train(self, settings: Settings, *, rounds: int) -> Fitted:
        """One seed: a training, then rounds of mining and training on. The best of them."""
        examples = self.examples
        best: Fitted | None = None
        for number in range(rounds + 1):
            share = ROUND_SHARE if number else 1.0
            now = dataclasses.replace(settings, seed=settings.seed + 1000 * number, epochs=settings.epochs * share)
            lessons = Lessons.of(self.heads, examples.embedding)
            start = None if best is None else best.model
            fitted = fit(examples, lessons, self.validation, now, start=start, told=_tell)
            if best is None or fitted.verdict.cost < best.verdict.cost:
                best = fitted
            if number < rounds:
                examples = joined([examples, self.mined(fitted, settings.seed)])
        assert best is not None, "there is one training at least"
        return best

    def mined(self, fitted: Fitted, seed: int) -> Examples:
        """Examples of what it got most wrong, each altered in VERSIONS ways."""
        streams = [stream for group in self.material.streams.values() for stream in group]
        moments = hardest(scorer(fitted.model), [*streams, *self.material.sounds.noises], MINED)
        _tell(f"mined {len(moments)} moments, the worst at {moments[0].score if moments else 0.0:.2f}")
        material = dataclasses.replace(self.material, streams={Kind.MINED: tuple(one.pcm for one in moments)})
        return make(material, self.embedding, Kind.MINED, range(VERSIONS * len(moments)), seed)


def figures(verdict: Verdict) -> dict[str, Any]:
    """What became of a seed, for the card: cost, and what it misses at each rate of false accepts."""
    rates = {rate: verdict.threshold(rate) for rate in RATES_PER_H}
    return {
        "cost": verdict.cost,
        "negative_hours": verdict.hours,
        "operating_points": [
            {"false_accepts_per_hour": rate, "threshold": threshold, "missed": verdict.missed(threshold)}
            for rate, threshold in rates.items()
        ],
    }


@lru_cache(maxsize=1)
def _school(task: Task) -> School:
    if task.threads < cores():
        import tensorflow as tf  # type: ignore[import-untyped,import-not-found,unused-ignore]

        tf.config.threading.set_intra_op_parallelism_threads(task.threads)
        tf.config.threading.set_inter_op_parallelism_threads(task.threads)
    validation = read_validation(
        find(task.positives, label=task.word, split="dev", positive=True),
        find(task.negatives, label=task.word, split="dev", positive=False),
        read_pcm(Clip(path=task.noise)),
        SNRS_DB,
    )
    return School(
        examples=read_examples(task.examples),
        validation=validation,
        material=read_material(task.word, task.clips).material,
        embedding=Embedding(ModelStore(MANIFEST, MANIFEST.parent).folder(TEACHER)),
        heads=[Head.load(file) for file in task.heads],
    )


def seed_costs(folder: Path) -> dict[str, float]:
    """The cost of each seed that was trained in a folder."""
    files = sorted(folder.glob("seed-*.json"))
    return {
        file.stem.removeprefix("seed-"): float(json.loads(file.read_text(encoding="utf-8"))["cost"]) for file in files
    }


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
