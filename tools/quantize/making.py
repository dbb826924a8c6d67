"""The work of each step of a run; `run.py` tells what a run is."""

import argparse
import dataclasses
import importlib
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from appliance.audio.format import SAMPLE_RATE_HZ, int16_from_float
from appliance.errors import StageError
from appliance.models import sha256_of
from appliance.wake import VERIFIER_SUFFIX
from tools.quantize import card, evaluation, noises, runs, synthesize
from tools.quantize.clips import Clip, read_clips, write_clip, write_manifest
from tools.quantize.gather import Gathered, Given, described, is_recorded
from tools.quantize.hearing import Work
from tools.quantize.parallel import duration
from tools.quantize.voices import Voices

ENOUGH_PEOPLE: Final = 20
"""With so many recordings of people to measure with, synthetic clips of the word do not measure."""

SEED: Final = 1
HELD_SEED: Final = 2
"""Of all that is drawn; each training has its own."""

NOISE_S: Final = 60

MOST_MISSED: Final = 0.5
"""Of the clean words; more is no wake word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How many clips of what."""

    words: int
    confusables: int
    sentences: int

    @property
    def all(self) -> int:
        """Together."""
        return self.words + self.confusables + self.sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How much of everything."""

    said: Said
    held: Said
    """By voices that only measure. Words like it do not measure: nobody says 'commuter' all day, and a threshold above
    all of them would be deaf."""

    words: int
    others: int
    """Examples with the word, and without."""

    epochs: float
    rounds: int
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be made."""

    word: str
    out: Path
    setting: Setting
    given: Given = field(default_factory=Given)
    before: Path | None = None
    """The model to compare with; None: the one that lies in the folder."""

    work: Work = field(default_factory=Work)

    @property
    def file(self) -> str:
        """Name of the model."""
        return f"{self.word.replace(' ', '_')}.tflite"

    @property
    def quantized(self) -> Path:
        """The model before it has its card."""
        return self.out / "int8" / self.file

    @property
    def model(self) -> Path:
        """The finished one."""
        return self.out / "model" / self.file

    @property
    def report(self) -> Path:
        """For people."""
        return self.out / "report" / "report.md"

    @property
    def measuring(self) -> tuple[object, ...]:
        """What it is measured with, as other steps are told."""
        dev, noise = self.out / "data" / "dev.jsonl", self.out / "data" / "noise.flac"
        return "--positives", dev, "--negatives", dev, "--noise", noise

    @property
    def machine(self) -> tuple[object, ...]:
        """How much of the machine is used, as other steps are told."""
        jobs = () if self.work.jobs is None else ("--jobs", self.work.jobs)
        return jobs if self.work.scheduler is None else (*jobs, "--scheduler", self.work.scheduler)


def say(job: Job, folder: Path, found: Voices, said: Said, seed: int) -> None:
    """Synthesize with these voices what is missing."""
    wanted = synthesize.orders(
        job.word, found, count=said.words, confusables=said.confusables, negatives=said.sentences, seed=seed
    )
    synthesize.say(folder, wanted, jobs=job.work.jobs, scheduler=job.work.scheduler)


def sort(job: Job, gathered: Gathered) -> None:
    """A manifest to train with, one to measure with, and the noise to measure in."""
    data = job.out / "data"
    train = [*read_clips(job.out / "clips"), *(clip for clip in gathered.clips if clip.split == "train")]
    dev = [clip for clip in gathered.clips if clip.split == "dev"]
    enough = sum(clip.label == job.word and is_recorded(clip) for clip in dev) >= ENOUGH_PEOPLE
    held = [clip for clip in read_clips(job.out / "held") if not (enough and clip.label == job.word)]
    dev += [msgspec.structs.replace(clip, split="dev") for clip in held]
    write_manifest(data / "train.jsonl", train)
    write_manifest(data / "dev.jsonl", dev)
    if gathered.noise is None:
        write_clip(data, Clip(path=Path("noise.flac")), int16_from_float(_made_up_noise()))
    else:
        shutil.copyfile(gathered.noise, data / "noise.flac")
    for purpose, clips in (("to train with", train), ("to measure with", dev)):
        words = [clip for clip in clips if clip.label == job.word]
        people = sum(is_recorded(clip) for clip in words)
        others_s = sum(clip.duration_s for clip in clips if clip.label != job.word)
        tell(f"{purpose}: {len(words)} clips of the word, {people} of them of people; {duration(others_s)} without it")


def augment(job: Job, settings: Mapping[str, Any]) -> None:
    """Examples of what is to train with."""
    manifest = job.out / "data" / "train.jsonl"
    call("augment", job.word, "--clips", manifest, "--out", job.out / "examples", *_options(settings), *job.machine)


def train(job: Job, settings: Mapping[str, Any]) -> None:
    """The network."""
    learned = ("--examples", job.out / "examples", "--clips", job.out / "data" / "train.jsonl")
    call("train", job.word, *learned, *job.measuring, "--out", job.out / "train", *_options(settings), *job.machine)


def quantize(job: Job) -> None:
    """The INT8 file."""
    made = ("--trained", job.out / "train", "--examples", job.out / "examples", "--out", job.out / "int8")
    call("quantize", job.word, *made, *job.measuring, "--seed", SEED)


def evaluate(job: Job) -> None:
    """The new model, the same in float, and the one before, on the same recordings."""
    folder = job.out / "evaluation"
    models = {"int8": job.quantized, "float": _in_float(job, folder / "float.tflite")}
    before = job.before or kept_before(job)
    if before is not None:
        models["before"] = before
    recordings = described(read_clips(job.out / "data" / "dev.jsonl", label=job.word))
    for name, model in models.items():
        engine = ("--engine", "float") if name == "float" else ()
        tell(f"{name}:")
        given = ("--label", job.word, "--split", "dev", *job.measuring, "--snr-db", 10, 5, "--json", figures(job, name))
        call("evaluate", "--model", model, *engine, *given, *job.machine)
        found = evaluation.read(figures(job, name))
        evaluation.write(msgspec.structs.replace(found, recordings=recordings), figures(job, name))


def finish(job: Job) -> None:
    """The model with its card."""
    copy_model(job.quantized, job.model)
    fields = card.read_fields(job.quantized.with_suffix(".json"))
    fields["training"] |= {
        "setting": dataclasses.asdict(job.setting),
        "seed of clips and examples": SEED,
        "sha256": {name: sha256_of(job.out / "data" / name) for name in ("train.jsonl", "dev.jsonl")},
    }
    _write(job.model.with_suffix(".json"), fields)
    limits = f"{evaluation.read(figures(job, 'int8')).recordings}."
    call("card", job.model, figures(job, "int8"), "--data", job.out / "data" / "train.jsonl", "--limits", limits)


def report(job: Job) -> None:
    """INT8 beside float, after beside before."""
    before = figures(job, "before")
    compared = ("--before", before) if before.is_file() else ()
    call("report", figures(job, "int8"), "--float", figures(job, "float"), *compared, "--out", job.report.parent)


def refuse_worse(job: Job) -> None:
    """Before it is installed. Raises StageError where it is deaf, or hears less than the model before."""
    now, before = evaluation.read(figures(job, "int8")), figures(job, "before")
    missed = now.clean.at(now.trigger.threshold).miss_rate
    if missed > MOST_MISSED:
        raise StageError(
            f"{job.model}: misses {missed:.0%} of the clean words, so it is not installed; see {job.report}"
        )
    if before.is_file():
        then = evaluation.read(before)
        lost = missed - then.clean.at(then.trigger.threshold).miss_rate
        if lost > 0:
            raise StageError(
                f"{job.model}: not installed, for it misses {100 * lost:.1f} points more of the clean words than the "
                f"one before; see {job.report}; or, all the same: python -m tools.quantize install {job.model}"
            )


def kept_before(job: Job) -> Path | None:
    """The model that this run will replace, put aside; None: there is none."""
    kept, last = job.out / "before" / job.file, job.model
    if runs.is_done(last.parent) and last.is_file() and sha256_of(last) != sha256_of(job.quantized):
        kept.parent.mkdir(exist_ok=True)
        copy_model(last, kept)
    return kept if kept.is_file() else None


def copy_model(model: Path, to: Path) -> None:
    """The model with its card and its verifier, which the card names, so it keeps its name."""
    for suffix in (".tflite", ".json"):
        shutil.copyfile(model.with_suffix(suffix), to.with_suffix(suffix))
    for verifier in model.parent.glob(f"*{VERIFIER_SUFFIX}"):
        shutil.copyfile(verifier, to.with_name(verifier.name))


def figures(job: Job, name: str) -> Path:
    """The evaluation of int8, float or before."""
    return job.out / "evaluation" / f"{name}_figures.json"


def call(step: str, *given: object) -> int:
    """Another step, told as on the command line; its exit code."""
    module = importlib.import_module(f"tools.quantize.{step}")
    parser = argparse.ArgumentParser(prog=step)
    module.add_arguments(parser)
    code: int = module.run(parser.parse_args([str(word) for word in given]))
    return code


def tell(text: str) -> None:
    """A line of the run itself."""
    print(f"run: {text}", file=sys.stderr, flush=True)


def _made_up_noise() -> noises.Wave:
    """As in a kitchen: a murmur, and dishes."""
    random = np.random.default_rng(SEED)
    wave = noises.coloured(random, NOISE_S * SAMPLE_RATE_HZ)
    wave += noises.clatter(random, wave.size) * np.float32(0.5)
    level: noises.Wave = wave * np.float32(0.5 / np.abs(wave).max())
    return level


def _in_float(job: Job, path: Path) -> Path:
    """The network as it was before it was quantized, with a card of its own."""
    from tools.quantize.net import Weights
    from tools.quantize.stream import to_tflite

    copy_model(job.quantized, path)
    path.write_bytes(to_tflite(Weights.load(str(job.out / "train" / "weights.npz"))))
    fields = card.read_fields(path.with_suffix(".json"))
    _write(path.with_suffix(".json"), fields | {"model": path.name, "sha256": sha256_of(path)})
    return path


def _write(path: Path, fields: Mapping[str, Any]) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(fields), indent=1) + b"\n")


def _options(settings: Mapping[str, Any]) -> list[object]:
    """As on the command line."""
    found: list[object] = []
    for name, value in settings.items():
        found += [f"--{name}", *(value if isinstance(value, tuple) else [value])]
    return found
