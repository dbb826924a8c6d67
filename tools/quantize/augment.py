"""Make examples for training from clips: each one altered, as features, in shards. A shard that is there is kept."""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from appliance.config_files import MANIFEST
from appliance.errors import UsageError
from appliance.models import ModelStore
from tools.quantize.align import align
from tools.quantize.clips import Clip, read_clips, read_pcm
from tools.quantize.examples import SHARES, Kind, Material, make
from tools.quantize.material import material
from tools.quantize.parallel import map_all
from tools.quantize.speech_span import Span
from tools.quantize.teacher import Embedding

SHARD = 500
TEACHER = "oww-features"
SYNTHETIC = 300
"""Clips of synthetic voices, at most twice as many, from which it is learned how the word's end sounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One shard."""

    path: Path
    kind: Kind
    first: int
    count: int
    seed: int
    word: str
    clips: tuple[Path, ...]
    teacher: Path
    """Folder of the embedding."""

    spans: Path
    """What `align_words` wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Clips and what became of them."""

    material: Material
    clear: tuple[Clip, ...]
    """Those of the material's words, in its order."""

    unclear: tuple[Clip, ...]
    """Those of the word in which it could not be found."""

    @property
    def words(self) -> tuple[Clip, ...]:
        """All clips of the word."""
        return (*self.clear, *self.unclear)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What from, how many, where to."""
    parser.epilog = (
        "Example: python -m tools.quantize augment computer --clips clips negatives --out runs/computer/examples"
    )
    parser.add_argument("word", help="label of the clips that hold the word; all other clips must not hold it")
    parser.add_argument("--clips", nargs="+", type=Path, required=True, metavar="PATH", help="clip stores, folders")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for the shards")
    parser.add_argument("--words", type=int, default=8000, metavar="N", help="examples with the word (8000)")
    parser.add_argument("--others", type=int, default=13000, metavar="N", help="examples without it (13000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="same seed, same examples (1)")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (one a core)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster, instead of this machine")


def run(args: argparse.Namespace) -> int:
    """Make what is missing. Raises UsageError, AudioError, StageError."""
    read = read_material(args.word, tuple(args.clips))
    counts = {Kind.WORD: args.words} | {kind: round(share * args.others) for kind, share in SHARES.items()}
    args.out.mkdir(parents=True, exist_ok=True)
    _same_settings(args.out / "examples.json", {"word": args.word, "seed": args.seed, "clips": _hash(read.words)})
    teacher = ModelStore(MANIFEST, MANIFEST.parent).folder(TEACHER)
    spans = args.out / "spans.json"
    if not spans.exists():
        align_words(read, Embedding(teacher), spans)
    jobs = [
        Job(
            path=args.out / f"{kind}-{args.seed}-{first:06d}.npz",
            kind=kind,
            first=first,
            count=min(SHARD, count - first),
            seed=args.seed,
            word=args.word,
            clips=tuple(args.clips),
            teacher=teacher,
            spans=spans,
        )
        for kind, count in counts.items()
        for first in range(0, count, SHARD)
    ]
    missing = [job for job in jobs if not job.path.exists()]
    for _ in map_all(make_shard, missing, scheduler=args.scheduler, jobs=args.jobs, what="examples"):
        pass
    return 0


def align_words(read: Read, teacher: Embedding, path: Path) -> None:
    """Find the word where level does not tell where it is, by how it sounds, and write down where; 60 ms a recording.

    Names what does not sound like the word: recordings in which it was not found, and wrong labels.
    """
    words = list(zip(read.clear, read.material.words, strict=True))
    synthetic = [(clip, word) for clip, word in words if not word.recorded]
    known = [(clip, word) for clip, word in words if word.recorded] + synthetic[:: max(1, len(synthetic) // SYNTHETIC)]
    streams = [stream for group in read.material.streams.values() for stream in group]
    spans: dict[str, Span] = {}
    if read.unclear or any(word.recorded for _, word in known):
        found = align([word for _, word in known], streams, [read_pcm(clip) for clip in read.unclear], teacher)
        for (clip, _), one in zip(known, found[: len(known)], strict=True):
            if one.unlike:
                _tell(f"{clip.path}: does not sound like the others ({one.score:.2f}); listen: is it the word?")
        length = int(np.median([word.end - word.start for _, word in known]))
        for clip, one in zip(read.unclear, found[len(known) :], strict=True):
            if one.unlike:
                _tell(f"{clip.path}: the word was not found in it ({one.score:.2f}), so it is left out; listen to it")
            else:
                spans[str(clip.path)] = (max(0, one.end - length), one.end)
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(json.dumps(spans, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def make_shard(job: Job) -> str:
    """Make one shard, in a process of its own; its path."""
    found = read_material(job.word, job.clips, job.spans).material
    numbers = range(job.first, job.first + job.count)
    make(found, _embedding(job.teacher), job.kind, numbers, job.seed).save(job.path)
    return str(job.path)


@lru_cache(maxsize=1)
def read_material(word: str, paths: tuple[Path, ...], spans: Path | None = None) -> Read:
    """Read the clips of these paths that are for training; `spans`: as in Job. Raises UsageError, AudioError."""
    clips = [clip for path in paths for clip in read_clips(path) if clip.split in ("", "train")]
    words = [clip for clip in clips if clip.label == word]
    if not words:
        raise UsageError(f'none of the clips is labelled "{word}"; make some with `synthesize` or `record`')
    known = {} if spans is None else json.loads(spans.read_text(encoding="utf-8"))
    found, clear, unclear = material(words, [clip for clip in clips if clip.label != word], known)
    return Read(material=found, clear=tuple(clear), unclear=tuple(unclear))


@lru_cache(maxsize=1)
def _embedding(folder: Path) -> Embedding:
    return Embedding(folder)


def _same_settings(path: Path, settings: dict[str, object]) -> None:
    """Remember what the shards are made from. Raises UsageError where others lie there already."""
    text = json.dumps(settings, indent=1) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise UsageError(
            f"{path.parent}: holds examples of other clips or another seed; name another folder or delete it"
        )
    path.write_text(text, encoding="utf-8")


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _hash(clips: Sequence[Clip]) -> str:
    lines = "\n".join(sorted(f"{clip.path.name} {clip.pcm_sha256}" for clip in clips))
    return hashlib.sha256(lines.encode()).hexdigest()
