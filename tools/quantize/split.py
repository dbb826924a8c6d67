"""Split the data pack for a word: what to train with, and what to measure with.

Writes two manifests, `train.jsonl` and `dev.jsonl`: the word's recordings as the pack splits them, and its negatives,
with no speaker or source on both sides.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tools.quantize.clips import Clip, read_clips, write_manifest
from tools.quantize.pack_split import identity, negatives_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pack, which word, and where to."""
    parser.epilog = "Example: python -m tools.quantize split ../shared/data computer --out runs/computer/pack"
    parser.add_argument("pack", type=Path, help="folder of the data pack")
    parser.add_argument("word", help="the wake word")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the manifests; none: they are only counted")
    parser.add_argument("--names", action="store_true", help="name every speaker and source")


def run(args: argparse.Namespace) -> int:
    """Write both manifests, and print how long everything is. Raises ApplianceError."""
    word = args.word.casefold()
    negatives = negatives_of(args.pack, word)
    said = [clip for clip in read_clips(args.pack) if clip.label == word]
    for side, others in (("train", negatives.train), ("dev", negatives.dev)):
        clips = [*(clip for clip in said if clip.split == side), *others]
        if args.out:
            write_manifest(args.out / f"{side}.jsonl", clips)
        print(f"{side}: {_minutes(clips):.1f} min in {len(clips)} recordings")
        for label, group in _grouped(clips, names=False).items():
            print(
                f"  {label}: {_minutes(group):.1f} min of {len({identity(clip) for clip in group})} speakers or sources"
            )
        if args.names:
            for name, group in sorted(_grouped(clips, names=True).items()):
                print(f"    {name}: {_minutes(group):.1f} min")
    return 0


def _grouped(clips: Sequence[Clip], *, names: bool) -> dict[str, list[Clip]]:
    groups: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        groups[identity(clip) if names else clip.label].append(clip)
    return groups


def _minutes(clips: Sequence[Clip]) -> float:
    return sum(clip.duration_s for clip in clips) / 60
