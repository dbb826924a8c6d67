"""The recordings that an evaluation hears: each a stream of its own, with a second of faint noise on either side.

A clip is a stream; a playlist is one, too: its pieces in order, each with its gap after it.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from appliance.audio.format import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm
from appliance.errors import AudioError, UsageError
from tools.mixing import mix
from tools.quantize.clips import MANIFEST, PLAYLIST, Clip, read_clips, read_pcm

PAD_SAMPLES = SAMPLE_RATE_HZ
"""A second on either side: the front end has settled when the word begins, and a late detection is still heard."""
FAINT_RMS = 8.0
"""Of the padding, in steps of int16: -72 dBFS, as in a very quiet room."""
CUE_TAIL_S = 0.3
"""A detection comes so long after the word, in the pause behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Recordings that are heard one after the other."""

    path: Path
    """The sound file, or the playlist."""

    clips: tuple[Clip, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """A stream as it is heard."""

    pcm: Pcm
    """Padding, recording, padding; whole frames."""

    samples: int
    """Of the recording."""

    starts: tuple[int, ...]
    """First sample of each clip in the recording."""


def find(paths: Sequence[Path], *, label: str, split: str | None, positive: bool) -> list[Stream]:
    """The streams that paths name, in order: folders, sound files, manifests, playlists (`read_clips`).

    label: what positives are called in a manifest; its other rows, where their text is known, are negatives.
    split: rows of this split of a manifest only; None: of all.

    Raises:
        UsageError, AudioError: a path is not there, is damaged, or names nothing.
    """
    return [stream for path in paths for stream in _named(path, label, split, positive)]


def render(stream: Stream, noise: Pcm | None = None, snr_db: float = 0.0) -> Sound:
    """Read a stream; the padding is seeded by its file's name, and so is where in the noise it begins.

    Raises:
        AudioError: a clip cannot be read or holds nothing.
    """
    parts: list[Pcm] = []
    starts, samples = [], 0
    for clip in stream.clips:
        pcm = read_pcm(clip)
        gap = np.zeros(int(clip.gap_s * SAMPLE_RATE_HZ), np.int16)
        parts += [pcm, gap]
        starts.append(samples)
        samples += pcm.size + gap.size
    rest = -samples % FRAME_SAMPLES
    random = np.random.default_rng(zlib.crc32(stream.path.name.encode()))
    faint = np.round(random.normal(0.0, FAINT_RMS, 2 * PAD_SAMPLES + rest)).astype(np.int16)
    whole: Pcm = np.concatenate([faint[:PAD_SAMPLES], *parts, faint[PAD_SAMPLES:]])
    if noise is not None:
        whole = mix(whole, noise, snr_db, stream.path.name)
    return Sound(pcm=whole, samples=samples, starts=tuple(starts))


def what_is_said(clip: Clip, at_s: float) -> str:
    """What is heard in a file at a time: what the `.cues.jsonl` beside it tells, else the clip's text or label."""
    for cue in _cues(clip.path.with_suffix(".cues.jsonl")):
        if cue.start_sample <= at_s * SAMPLE_RATE_HZ < cue.end_sample + CUE_TAIL_S * SAMPLE_RATE_HZ:
            return cue.label or cue.source_file or ""
    return clip.text or clip.label


def pieces(stream: Stream) -> Iterator[tuple[str, float]]:
    """Kind (speech, music, noise) and length in seconds of each recording in it, as its makers tell."""
    for clip in stream.clips:
        cues = _cues(clip.path.with_suffix(".cues.jsonl"))
        for cue in cues:
            if clip.part is None or clip.part[0] <= cue.start_sample < clip.part[1]:
                yield cue.kind, (cue.end_sample - cue.start_sample) / SAMPLE_RATE_HZ
        if not cues:
            kind = clip.label.rpartition(":")[2]
            yield kind if kind in ("music", "noise") else "speech", clip.duration_s


class _Cue(Struct, frozen=True):
    start_sample: int
    end_sample: int
    kind: str = "speech"
    label: str | None = None
    source_file: str | None = None


@lru_cache
def _cues(path: Path) -> tuple[_Cue, ...]:
    if not path.is_file():
        return ()
    try:
        return tuple(msgspec.json.decode(line, type=_Cue) for line in path.read_bytes().splitlines() if line.strip())
    except (OSError, msgspec.MsgspecError) as error:
        raise AudioError(f"{path}: not a list of cues ({error}); take another copy, or remove it") from None


def _named(path: Path, label: str, split: str | None, positive: bool) -> Iterator[Stream]:
    if path.name.endswith(PLAYLIST):
        yield Stream(path=path, clips=tuple(read_clips(path)))
        return
    clips = read_clips(path, label=label if positive else None, split=split)
    if not positive and (path.name.endswith(".jsonl") or (path / MANIFEST).is_file()):
        clips = [clip for clip in clips if _is_without(clip, label)]
        if not clips:
            raise UsageError(f'{path}: holds nothing that is known to be without "{label}"; name other negatives')
    yield from (Stream(path=clip.path, clips=(clip,)) for clip in clips)


def _is_without(clip: Clip, word: str) -> bool:
    """Whether a clip is known not to hold the word: labelled so, or by its text."""
    if clip.label.startswith(("negative", "noise")):
        return True
    said = " ".join(f"{clip.label} {clip.text}".lower().replace("_", " ").split())
    return bool(clip.text) and f" {word.lower()} " not in f" {said} "
