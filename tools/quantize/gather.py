"""What a run is given, and where it belongs: to train with, or to measure with.

    recordings of the word     every fifth to measure with, by the hash of its samples: a recording stays where it is
    near-misses                the same; what lies in `yes` is the word, what lies in `no` is not
    the data pack              as pack_split parts it
    other negatives            as their manifest says, else by the hash of the speaker, the source or the file
    synthetic voices           a fifth of the throats of each program only measure, whatever they say

What cannot be read, and recordings of the word that are not fit for use, are left out, and named.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from appliance.errors import UsageError
from appliance.models import sha256_of
from tools.quantize import clip_checks
from tools.quantize.clip_checks import Fault
from tools.quantize.clips import SYNTHETIC, Clip, read_clips, read_pcm, sha256_of_pcm
from tools.quantize.pack_split import Side, identity, negatives_of, side_of
from tools.quantize.streams import find
from tools.quantize.voices import Voices

SALT: Final = "recordings"
MEASURING_SHARE: Final = 0.2

YES: Final = "yes"
NO: Final = "no"
LISTED: Final = 10

UNFIT_NEGATIVE: Final = frozenset({Fault.UNREADABLE, Fault.CHANGED})
"""What makes a recording without the word useless; silence and overdriven sound are what a device hears, too."""

PERSONS: Final = ("awb", "kal", "ked", "rms", "slt")
"""Of the voices of flite and festival: both have some of the same people."""

PIPER: Final = "piper"
"""Its accents are one person's, and he is the most natural one: he only trains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the owner of a word gives besides its text."""

    recordings: tuple[Path, ...] = ()
    near_misses: tuple[Path, ...] = ()
    negatives: tuple[Path, ...] = ()
    pack: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Clips, each with its `split`: train or dev."""

    clips: tuple[Clip, ...]
    left_out: tuple[str, ...]
    """A sentence for each that is not used."""

    noise: Path | None
    """A recorded noise to measure in."""

    @property
    def hash(self) -> str:
        """Of the clips and of the files behind them."""
        paths = {*(clip.path for clip in self.clips), *([self.noise] if self.noise else [])}
        files = {path: sha256_of(path) for path in paths}
        lines = sorted(f"{files[clip.path]} {clip.part} {clip.label} {clip.split} {clip.source}" for clip in self.clips)
        lines += [files[self.noise]] if self.noise else []
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def gather(word: str, given: Given) -> Gathered:
    """Read what is given.

    Raises:
        UsageError: a path is not there or holds nothing, near-misses are not sorted, or nothing of it is fit for use.
        AudioError: a manifest is damaged.
    """
    said = [*_recordings(word, given.recordings), *_near_misses(given.near_misses, YES, word)]
    others = [*_near_misses(given.near_misses, NO, "negative:confusable"), *_negatives(word, given.negatives)]
    found: list[Clip] = []
    left_out: list[str] = []
    for clips, unfit in ((said, frozenset(Fault)), (others, UNFIT_NEGATIVE)):
        bad = {id(one.clip): one.reason for one in clip_checks.check(clips) if one.fault in unfit}
        found += [clip for clip in clips if id(clip) not in bad]
        left_out += bad.values()
        if clips and len(bad) == len(clips):
            raise UsageError(f"none of {len(clips)} recordings can be used; the first one: {left_out[-len(bad)]}")
    noise = None
    if given.pack is not None:
        found += _pack(word, given.pack)
        noise = next((clip.path for clip in read_clips(given.pack) if clip.label.startswith("noise")), None)
    return Gathered(clips=tuple(_parted(found, word)), left_out=tuple(left_out), noise=noise)


def voices_apart(found: Voices) -> tuple[Voices, Voices]:
    """The voices that train, and those that only measure; no person is on both sides.

    Raises:
        UsageError: there are too few to keep one back.
    """
    persons: dict[str, set[str]] = defaultdict(set)
    for engine, voices in found.items():
        if engine != PIPER:
            persons["people" if person_of(voices[0]) in PERSONS else engine] |= {person_of(one) for one in voices}
    held = {name for group in persons.values() for name in sorted(group, key=_digest)[: round(len(group) / 5)]}
    sides = [
        {
            engine: tuple(one for one in voices if (person_of(one) in held) is measuring)
            for engine, voices in found.items()
        }
        for measuring in (False, True)
    ]
    train, dev = ({engine: voices for engine, voices in side.items() if voices} for side in sides)
    if not train or not dev:
        raise UsageError("there are too few voices to keep some for measuring; type: sudo apt-get install -y espeak-ng")
    return train, dev


def person_of(voice: str) -> str:
    """Whose voice it is, as far as a program's name for it tells: espeak-ng's are ACCENT+THROAT."""
    return next((name for name in PERSONS if name in re.split(r"[\d_]+", voice)), voice.rpartition("+")[2])


def described(said: Sequence[Clip]) -> str:
    """What clips of the word a model was measured on, in words without a full stop at the end."""
    people = sum(is_recorded(clip) for clip in said)
    voices = len({clip.speaker for clip in said if not is_recorded(clip)})
    if not people:
        return (
            f"Measured on synthetic speech only: {len(said)} clips of {voices} voices that the training has not heard; "
            "seed, gate and threshold were chosen on them. "
            "How often people are missed was not measured: record some with `record`, and run it again"
        )
    besides = f", and {len(said) - people} clips of {voices} synthetic voices" if voices else ""
    return (
        f"Measured on {people} recordings of people that the training has not heard{besides}; seed, gate and threshold "
        "were chosen on them"
    )


def is_recorded(clip: Clip) -> bool:
    """Whether a person was recorded."""
    return not clip.source.startswith(SYNTHETIC)


def _recordings(word: str, paths: Sequence[Path]) -> Iterator[Clip]:
    for path in paths:
        for clip in read_clips(path, label=word):
            yield msgspec.structs.replace(clip, split="", source=clip.source or "recorded")


def _near_misses(folders: Sequence[Path], sort: str, label: str) -> Iterator[Clip]:
    for folder in folders:
        clips = read_clips(folder)
        loose = [clip.path.name for clip in clips if clip.path.parent.name not in (YES, NO)]
        if loose:
            names = ", ".join(loose[:LISTED]) + (f" and {len(loose) - LISTED} more" if len(loose) > LISTED else "")
            raise UsageError(f"{folder}: listen to {names}; move each to {YES}/ where it is the word, else to {NO}/")
        for clip in clips:
            if clip.path.parent.name == sort:
                yield msgspec.structs.replace(clip, label=label, split="", source="near-misses")


def _negatives(word: str, paths: Sequence[Path]) -> Iterator[Clip]:
    for stream in find(paths, label=word, split=None, positive=False):
        for clip in stream.clips:
            label = clip.label if clip.label.startswith("negative:") else "negative:speech"
            yield msgspec.structs.replace(clip, label=label)


def _pack(word: str, pack: Path) -> list[Clip]:
    negatives = negatives_of(pack, word)
    return [*(clip for clip in read_clips(pack) if clip.label == word), *negatives.train, *negatives.dev]


def _parted(clips: Iterable[Clip], word: str) -> Iterator[Clip]:
    for clip in clips:
        side = clip.split
        if side not in tuple(Side):
            named = identity(clip) if clip.speaker else clip.path.name
            side = _side_of_recording(clip) if clip.label == word or clip.source == "near-misses" else side_of(named)
        yield msgspec.structs.replace(clip, split=side)


def _side_of_recording(clip: Clip) -> Side:
    name = clip.pcm_sha256 or sha256_of_pcm(read_pcm(clip))
    return Side.DEV if int(_digest(name)[:8], 16) < MEASURING_SHARE * 2**32 else Side.TRAIN


def _digest(name: str) -> str:
    return hashlib.sha256(f"{SALT}:{name}".encode()).hexdigest()
