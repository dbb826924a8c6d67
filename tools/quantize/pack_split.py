"""The data pack's negatives, split once and for all: some to train with, the others to measure with.

Nobody is on both sides. Whoever says the wanted word in a recording of the pack stands where the pack has put that
recording. Everybody else, and every source of noise or music, stands where the hash of the name and SALT puts him. The
word's own recordings are never among its negatives.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from appliance.audio.format import SAMPLE_RATE_HZ
from appliance.errors import AudioError
from tools.quantize.clips import Clip, read_clips
from tools.quantize.speech_span import Span

SALT: Final = "negatives 30"
"""Of the first forty numbers the one that parts the minutes of talk, orders and noise for `computer` most evenly;
chosen before any model was trained."""

DEV_SHARE: Final = 0.5

STREAMS: Final = re.compile(r"negatives/.*\.flac")
SPOKEN: Final = re.compile(r"(wakeword|commands|asr)/.*\.flac")
UNCLEAR: Final = frozenset({"multiple"})
"""Labels of recordings that hold several wake words, nobody knows where."""


class Side(StrEnum):
    """What a recording is for."""

    TRAIN = "train"
    DEV = "dev"


@dataclass(frozen=True, slots=True, kw_only=True)
class Negatives:
    """A word's negatives; a piece of a long recording is a clip with a `part`."""

    train: tuple[Clip, ...]
    dev: tuple[Clip, ...]


def negatives_of(pack: Path, word: str) -> Negatives:
    """All recordings of the pack that do not hold the word, on their sides, in the order of its manifest.

    Raises:
        UsageError: there is no such pack.
        AudioError: its manifest or a cue file is damaged.
    """
    clips = read_clips(pack)
    sides = _sides_of_speakers_of(word, clips)
    found: dict[Side, list[Clip]] = {Side.TRAIN: [], Side.DEV: []}
    for clip in clips:
        place = clip.path.relative_to(pack).as_posix()
        if SPOKEN.fullmatch(place) and clip.label not in UNCLEAR and not _holds(clip, word):
            pieces = [msgspec.structs.replace(clip, label="negative:speech")]
        elif STREAMS.fullmatch(place):
            pieces = _pieces(clip)
        else:
            continue  # scenarios and the noise of the tests
        for piece in pieces:
            side = sides.get(identity(piece)) or side_of(identity(piece))
            found[side].append(msgspec.structs.replace(piece, split=side))
    return Negatives(train=tuple(found[Side.TRAIN]), dev=tuple(found[Side.DEV]))


def identity(clip: Clip) -> str:
    """Who, or what, must not be on both sides: the speaker; where there is none, the source."""
    return clip.speaker or clip.source


def side_of(name: str) -> Side:
    """Where the hash puts somebody, or a source."""
    digest = hashlib.sha256(f"{SALT}:{name}".encode()).digest()
    return Side.DEV if int.from_bytes(digest[:4], "big") < DEV_SHARE * 2**32 else Side.TRAIN


def _sides_of_speakers_of(word: str, clips: Iterable[Clip]) -> dict[str, Side]:
    """Those who say the word in the pack; one who is in both of its splits is kept from training."""
    sides: dict[str, Side] = {}
    for clip in clips:
        if clip.speaker and clip.label == word and sides.get(clip.speaker) is not Side.DEV:
            sides[clip.speaker] = Side.TRAIN if clip.split == "train" else Side.DEV
    return sides


def _holds(clip: Clip, word: str) -> bool:
    """Whether the word is said in a recording, by its label or its text."""
    return any(f" {word} " in f" {said.casefold()} " for said in (clip.label, clip.text))


class _Cue(Struct, frozen=True, kw_only=True):
    """A line of a `.cues.jsonl`: a piece of a long recording, and where it comes from."""

    start_sample: int
    end_sample: int
    source: str
    source_file: str
    licence: str
    kind: str
    speaker: str = ""


def _pieces(clip: Clip) -> list[Clip]:
    """The pieces of a long recording; those of one identity in a row are one."""
    pieces: list[Clip] = []
    for piece in _cued(clip):
        last = pieces[-1] if pieces else None
        if last is not None and (last.label, identity(last)) == (piece.label, identity(piece)):
            pieces[-1] = _joined(last, piece)
        else:
            pieces.append(piece)
    return pieces


def _joined(first: Clip, second: Clip) -> Clip:
    """Two pieces of a file and what lies between them."""
    assert first.part is not None
    assert second.part is not None
    part = first.part[0], second.part[1]
    licences = dict.fromkeys([*first.licence.split("; "), second.licence])
    return msgspec.structs.replace(first, part=part, licence="; ".join(licences), duration_s=_seconds(part))


def _cued(clip: Clip) -> Iterator[Clip]:
    cues = clip.path.with_suffix(".cues.jsonl")
    try:
        lines = [msgspec.json.decode(line, type=_Cue) for line in cues.read_bytes().splitlines() if line.strip()]
    except (OSError, msgspec.DecodeError) as error:
        raise AudioError(f"{cues}: cannot be read ({error}); take another copy of the recordings") from None
    for cue in lines:
        yield Clip(
            path=clip.path,
            label=f"negative:{cue.kind}",
            speaker=cue.speaker,
            source=cue.source if cue.speaker else f"{cue.source}/{_recording(cue.source_file)}",
            licence=cue.licence,
            duration_s=_seconds((cue.start_sample, cue.end_sample)),
            part=(cue.start_sample, cue.end_sample),
        )


def _seconds(part: Span) -> float:
    return round((part[1] - part[0]) / SAMPLE_RATE_HZ, 4)


def _recording(source_file: str) -> str:
    """The recording behind a file: ESC-10 names its pieces FOLD-RECORDING-TAKE."""
    name = Path(source_file).stem
    numbered = re.fullmatch(r"\d-(\d+)-[A-Z]\d?", name)
    return numbered[1] if numbered else name
