"""Make clips of a word, of words like it, and of other sentences, with every voice that is installed.

They go into a clip store: a folder with a manifest. Started again, it makes only what is missing. Labels: the word,
`negative:confusable`, `negative:text`.
"""

import argparse
import hashlib
import itertools
import re
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct

from appliance.errors import StageError, UsageError
from tools.quantize import voices, words
from tools.quantize.clips import MANIFEST, SYNTHETIC, Clip, append, read_clips, write_clip
from tools.quantize.parallel import map_all
from tools.quantize.speakers import Recipe
from tools.quantize.voices import Voices

CONFUSABLE: Final = "negative:confusable"
TEXT: Final = "negative:text"

CLIPS_OF_A_TEXT: Final = 3
"""So many voices say each confusable text: in one voice only it would teach that voice."""

FOREIGN_SHARE: Final = 0.3
"""Of the sentences, by the rules of another language."""

BATCH: Final = 20
"""Utterances that one process says: loading Piper's voice takes as long as saying a dozen words."""


class Order(Struct, frozen=True, kw_only=True):
    """One clip to be made."""

    label: str
    text: str
    """What is said, without the mark behind it."""

    recipe: Recipe

    @property
    def name(self) -> str:
        """Path of the clip below the store; another recipe has another name."""
        digest = hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:12]
        folder = re.sub(r"[^a-z0-9]+", "_", self.label.casefold()).strip("_")
        return f"{folder}/{self.recipe.engine}_{digest}.flac"


class Batch(Struct, frozen=True, kw_only=True):
    """Clips that one process makes with one engine."""

    folder: Path
    orders: tuple[Order, ...]

    @property
    def paths(self) -> set[Path]:
        """Of its clips."""
        return {self.folder / order.name for order in self.orders}


class Made(Struct, frozen=True, kw_only=True):
    """What became of a batch."""

    clips: tuple[Clip, ...]
    failures: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How many of what, and where to."""
    parser.epilog = "Example: python -m tools.quantize synthesize computer --out runs/computer/clips --count 1000"
    parser.add_argument("word", help="the wake word, a word or a short phrase")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the clip store")
    parser.add_argument("--count", type=int, default=1000, metavar="N", help="clips of the word (1000)")
    parser.add_argument("--confusables", type=int, default=1000, metavar="N", help="clips of words like it (1000)")
    parser.add_argument("--negatives", type=int, default=500, metavar="N", help="clips of other sentences (500)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="same seed, same clips (0)")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (one a core)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster that sees DIR under the same name")


def run(args: argparse.Namespace) -> int:
    """Make what is missing. Raises ApplianceError."""
    counts = (args.count, args.confusables, args.negatives)
    if min(counts) < 0 or not any(counts):
        raise UsageError("--count, --confusables, --negatives: must be 0 or more, and not all of them 0")
    pronunciation = words.pronounce(args.word)
    found = voices.installed()
    for sentence in (*([pronunciation.warning] if pronunciation.warning else []), *voices.missing(found)):
        print(f"synthesize: {sentence}", file=sys.stderr)
    wanted = orders(
        pronunciation.text,
        found,
        count=args.count,
        confusables=args.confusables,
        negatives=args.negatives,
        seed=args.seed,
    )
    say(args.out, wanted, jobs=args.jobs, scheduler=args.scheduler)
    _tell(args.out, wanted)
    return 0


def say(folder: Path, wanted: Sequence[Order], *, jobs: int | None, scheduler: str | None) -> None:
    """Make what is missing of the orders. Raises StageError."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = {clip.path for clip in read_clips(folder)} if (folder / MANIFEST).is_file() else set()
    there = {path for path in listed if path.is_file()}
    unfinished = [batch for batch in batches(folder, wanted) if not batch.paths <= there]
    for made in map_all(make, unfinished, jobs=jobs, scheduler=scheduler, what=f"clips in {folder.name}"):
        append(folder, [clip for clip in made.clips if clip.path not in listed])
        for failure in made.failures:
            print(f"synthesize: {failure}", file=sys.stderr)


def orders(word: str, found: Voices, *, count: int, confusables: int, negatives: int, seed: int) -> list[Order]:
    """What is to be said, and how; more of a label begins with the same as fewer, but for the confusables.

    Raises ModelError when the recognizer, whose vocabulary is used, is not installed.
    """
    texts = {word: [word] * count}
    if confusables:
        near = [found.text for found in words.confusables(word, -(-confusables // CLIPS_OF_A_TEXT))]
        texts[CONFUSABLE] = list(itertools.islice(itertools.cycle(near), confusables))
    if negatives:
        texts[TEXT] = words.sentences(negatives, seed, without=word)
    wanted = []
    for label, said in texts.items():
        random = np.random.default_rng([seed, zlib.crc32(label.encode())])
        for text in said:
            recipe = voices.draw(text, found, random, alone=label != TEXT)
            if label == TEXT and random.random() < FOREIGN_SHARE:
                recipe = voices.foreign(recipe, random)
            wanted.append(Order(label=label, text=text, recipe=recipe))
    return wanted


def batches(folder: Path, wanted: Sequence[Order]) -> Iterator[Batch]:
    """The orders in batches of one label and one engine."""
    kinds: dict[tuple[str, str], list[Order]] = {}
    for order in wanted:
        kinds.setdefault((order.label, order.recipe.engine), []).append(order)
    for kind in kinds.values():
        for start in range(0, len(kind), BATCH):
            yield Batch(folder=folder, orders=tuple(kind[start : start + BATCH]))


def make(batch: Batch) -> Made:
    """Say a batch and write its clips. Same batch, same samples. Raises StageError when the engine does not work."""
    engine = voices.ENGINES[batch.orders[0].recipe.engine]
    seed = zlib.crc32(batch.orders[0].name.encode()) >> 1
    clips, failures = [], []
    sounds = engine.say([order.recipe for order in batch.orders], seed)
    for order, sound in zip(batch.orders, sounds, strict=True):
        try:
            if isinstance(sound, StageError):
                raise sound
            said = voices.finish(sound, order.recipe)
        except StageError as error:
            failures.append(f"one clip is left out: {error}")
            continue
        clip = Clip(
            path=Path(order.name),
            label=order.label,
            split="train",
            speaker=f"{order.recipe.engine}:{order.recipe.voice}",
            source=f"{SYNTHETIC}{order.recipe.engine}",
            licence=engine.licence,
            text=order.text,
            speech=said.speech,
        )
        clips.append(write_clip(batch.folder, clip, said.pcm))
    return Made(clips=tuple(clips), failures=tuple(failures))


def _tell(folder: Path, wanted: Sequence[Order]) -> None:
    """What the store holds now."""
    mine = {folder / order.name for order in wanted}
    clips = read_clips(folder)
    for label in dict.fromkeys(order.label for order in wanted):
        made = [clip for clip in clips if clip.label == label and clip.path in mine]
        minutes = sum(clip.duration_s for clip in made) / 60
        print(f"{label}: {len(made)} clips, {minutes:.1f} min, {len({clip.speaker for clip in made})} voices")
    others = sum(clip.path not in mine for clip in clips)
    if others:
        print(f"{folder} also holds {others} clips that were made otherwise; they stay", file=sys.stderr)
