"""Make examples for training from clips: each one altered, as features, in shards. A shard that is there is kept."""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from appliance.config_files import MANIFEST
from appliance.errors import UsageError
from appliance.models import ModelStore
from tools.quantize.clips import Clip, read_clips
from tools.quantize.examples import SHARES, Kind, Material, make
from tools.quantize.material import material
from tools.quantize.parallel import map_all
from tools.quantize.teacher import Embedding

SHARD = 500
TEACHER = "oww-features"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Clips and what became of them."""

    words: tuple[Clip, ...]
    material: Material
    unclear: tuple[Clip, ...]
    """Those of the word in which it could not be found."""


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
    for clip in read.unclear:
        print(
            f"{clip.path}: no single short sound in it, so nobody knows where the word ends; left out", file=sys.stderr
        )
    counts = {Kind.WORD: args.words} | {kind: round(share * args.others) for kind, share in SHARES.items()}
    args.out.mkdir(parents=True, exist_ok=True)
    teacher = ModelStore(MANIFEST, MANIFEST.parent).folder(TEACHER)
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
        )
        for kind, count in counts.items()
        for first in range(0, count, SHARD)
    ]
    _same_settings(args.out / "examples.json", {"word": args.word, "seed": args.seed, "clips": _hash(read.words)})
    missing = [job for job in jobs if not job.path.exists()]
    for _ in map_all(make_shard, missing, scheduler=args.scheduler, jobs=args.jobs, what="examples"):
        pass
    return 0


def make_shard(job: Job) -> str:
    """Make one shard, in a process of its own; its path."""
    found = read_material(job.word, job.clips).material
    numbers = range(job.first, job.first + job.count)
    make(found, _embedding(job.teacher), job.kind, numbers, job.seed).save(job.path)
    return str(job.path)


@lru_cache(maxsize=1)
def read_material(word: str, paths: tuple[Path, ...]) -> Read:
    """Read the clips of these paths that are for training. Raises UsageError, AudioError."""
    clips = [clip for path in paths for clip in read_clips(path) if clip.split in ("", "train")]
    words = [clip for clip in clips if clip.label == word]
    if not words:
        raise UsageError(f'none of the clips is labelled "{word}"; make some with `synthesize` or `record`')
    found, unclear = material(words, [clip for clip in clips if clip.label != word])
    return Read(words=tuple(words), material=found, unclear=tuple(unclear))


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


def _hash(clips: Sequence[Clip]) -> str:
    lines = "\n".join(sorted(f"{clip.path.name} {clip.pcm_sha256}" for clip in clips))
    return hashlib.sha256(lines.encode()).hexdigest()
