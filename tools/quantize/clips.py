"""The clip store: a folder of short recordings and a `manifest.jsonl` that says what each holds.

Everything reads clips from here, whether the tools made them, the owner recorded them, or somebody else did: a store, a
plain folder of sound files, one file, and a `.playlist.json` of the data pack. Ours are FLAC, 16 kHz, mono, 16 bit.
"""

import contextlib
import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from msgspec import Meta, Struct

from appliance.audio.convert import Converter
from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from appliance.errors import AudioError, UsageError
from tools.quantize.speech_span import Span

MANIFEST: Final = "manifest.jsonl"
PLAYLIST: Final = ".playlist.json"
SUFFIXES: Final = frozenset({".aif", ".aiff", ".au", ".caf", ".flac", ".mp3", ".ogg", ".opus", ".w64", ".wav"})

SYNTHETIC: Final = "synthetic:"
"""Sources that begin so are programs that speak."""

LOWEST_RATE_HZ: Final = 8_000
"""A recording of a lower rate holds too little of a word: nothing above 4 kHz is in one of 8 kHz already."""

Count = Annotated[int, Meta(ge=0)]


class Clip(Struct, frozen=True, kw_only=True):
    """One recording: a file, or a part of one."""

    path: Path
    """The sound file."""

    label: str = ""
    """The word; or `negative:speech`, `noise`, `music`, `confusable`, `text`; empty where nobody said."""

    split: str = ""
    """`train`, `dev` or `test`; empty where nobody said."""

    speaker: str = ""
    """Who speaks, or which synthetic voice; empty where nobody knows."""

    source: str = ""
    """Where it comes from: a collection or a program."""

    licence: str = ""
    text: str = ""
    """What is said, where it is known."""

    duration_s: float = 0.0
    """As the manifest tells; 0: it does not."""

    pcm_sha256: str = ""
    """Of its little-endian int16 samples; empty: nobody knows."""

    speech: Span | None = None
    """Samples of the clip in which somebody speaks, where they are known; `speech_span.find_speech` estimates them."""

    part: Span | None = None
    """Samples of the file at its own rate; None: all of it."""

    gap_s: float = 0.0
    """Silence after it, where it is a piece of a stream."""


def read_clips(path: Path, *, label: str | None = None, split: str | None = None) -> list[Clip]:
    """The clips that a path names, in the order of the manifest or playlist, else by name.

    Args:
        path: a folder (its manifest, where it has one), a `manifest.jsonl`, a sound file, or a `.playlist.json`.
        label: only clips of this label. What has no manifest has no labels: all of it is taken for this one.
        split: only clips of this split; without a manifest all of them.

    Raises:
        UsageError: the path is not there or nothing fits.
        AudioError: the manifest or the playlist is damaged.
    """
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder; name a clip store, a folder, a sound file or a playlist")
    if path.name.endswith(PLAYLIST):
        clips = _of_playlist(path)
    elif path.name.endswith(".jsonl") or (path / MANIFEST).is_file():
        manifest = path / MANIFEST if path.is_dir() else path
        rows = list(_rows(manifest))
        clips = [row.clip(manifest.parent) for row in rows if row.fits(label, split)]
        if not clips:
            known = ", ".join(sorted({f"{row.label} ({row.split})" for row in rows})) or "nothing"
            wanted = ", ".join(word for word in (label, split) if word)
            raise UsageError(f"{manifest}: holds no clips of {wanted or 'any label'}; it holds: {known}")
    else:
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if _is_sound(file))
        clips = [Clip(path=file, label=label or "", split=split or "") for file in files]
    if not clips:
        raise UsageError(f"{path}: holds no sound files; name another folder")
    return clips


def read_pcm(clip: Clip) -> Pcm:
    """Its samples: int16, 16 kHz, mono, shape (n,), n > 0; other rates are resampled, channels averaged.

    Raises:
        AudioError: the file is missing, damaged, empty, or of a rate below 8 kHz.
    """
    import soundfile  # type: ignore[import-untyped]

    path = clip.path
    start, stop = clip.part or (0, None)
    try:
        with soundfile.SoundFile(str(path)) as file:
            rate_hz = int(file.samplerate)
            sample_type = "int16" if file.subtype == "PCM_16" else "float32"
            file.seek(start)
            block = file.read(-1 if stop is None else stop - start, dtype=sample_type, always_2d=True)
    except (soundfile.SoundFileError, OSError, TypeError) as error:  # TypeError: NAME.raw, which has no rate
        reason = str(error).rstrip(".").split(": ")[-1]
        raise AudioError(f"{path}: cannot be read ({reason}); take another copy, or convert it to WAV") from None
    if rate_hz < LOWEST_RATE_HZ:
        raise AudioError(f"{path}: its rate is {rate_hz} Hz, below {LOWEST_RATE_HZ}; record it again at 16,000 Hz")
    if len(block) == 0:
        raise AudioError(f"{path}: holds no samples; record it again")
    if stop is not None and len(block) < stop - start:
        raise AudioError(f"{path}: ends before sample {stop}, where a piece of it ends; take another copy")
    frames = [frame.pcm for frame in Converter(rate_hz, block.shape[1]).feed(block, last=True)]
    pcm: Pcm = np.concatenate(frames)[: max(1, round(len(block) * SAMPLE_RATE_HZ / rate_hz))]
    return pcm


def sha256_of_pcm(pcm: Pcm) -> str:
    """As in a manifest: of the little-endian int16 samples."""
    return hashlib.sha256(pcm.astype("<i2").tobytes()).hexdigest()


def write_clip(folder: Path, clip: Clip, pcm: Pcm) -> Clip:
    """Write the samples to `clip.path`, a name below the folder; the clip with all that follows from its samples.

    The file has its name only when it is whole. It belongs to the store as soon as `append` lists it.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    import soundfile

    encoded = io.BytesIO()
    soundfile.write(encoded, pcm, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    path = folder / clip.path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(encoded.getvalue())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return msgspec.structs.replace(
        clip, path=path, duration_s=round(pcm.size / SAMPLE_RATE_HZ, 4), pcm_sha256=sha256_of_pcm(pcm)
    )


def append(folder: Path, clips: Sequence[Clip]) -> None:
    """List clips of this folder in its manifest, all or none; what an interrupted writer left unfinished is cut off.

    One process at a time appends to a manifest.

    Raises:
        OSError: the disk is full or the manifest cannot be written; the manifest is then as it was.
    """
    lines = _lines(folder, clips)
    with (folder / MANIFEST).open("ab+") as stream:
        stream.seek(0)
        written = stream.read()
        whole = written.rfind(b"\n") + 1
        if _is_row(written[whole:]):
            whole, lines = len(written), b"\n" + lines
        stream.truncate(whole)
        try:
            stream.write(lines)
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError):
                stream.truncate(whole)
            raise


def write_manifest(path: Path, clips: Sequence[Clip]) -> None:
    """List clips that lie anywhere in a manifest of its own, which `read_clips` reads; whole or not at all.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(_lines(path.parent, clips))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


class _Row(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of a manifest; what other fields it has is not our concern."""

    path: Annotated[str, Meta(min_length=1)]
    label: str
    split: str = ""
    speaker: str | None = None
    source: str | None = None
    licence: str | None = None
    text: str | None = None
    transcript: str | None = None
    """The data pack's name for `text`."""

    duration_s: float = 0.0
    pcm_sha256: str = ""
    speech_start_sample: Count | None = None
    speech_end_sample: Count | None = None
    part_start_sample: Count | None = None
    part_end_sample: Count | None = None

    def fits(self, label: str | None, split: str | None) -> bool:
        return label in (None, self.label) and split in (None, self.split)

    def clip(self, folder: Path) -> Clip:
        return Clip(
            path=folder / self.path,
            label=self.label,
            split=self.split,
            speaker=self.speaker or "",
            source=self.source or "",
            licence=self.licence or "",
            text=self.text or self.transcript or "",
            duration_s=self.duration_s,
            pcm_sha256=self.pcm_sha256,
            speech=_span(self.speech_start_sample, self.speech_end_sample),
            part=_span(self.part_start_sample, self.part_end_sample),
        )

    @staticmethod
    def of(clip: Clip, folder: Path) -> "_Row":
        speech, part = clip.speech or (None, None), clip.part or (None, None)
        return _Row(
            path=os.path.relpath(clip.path, folder),
            label=clip.label,
            split=clip.split,
            speaker=clip.speaker,
            source=clip.source,
            licence=clip.licence,
            text=clip.text,
            duration_s=clip.duration_s,
            pcm_sha256=clip.pcm_sha256,
            speech_start_sample=speech[0],
            speech_end_sample=speech[1],
            part_start_sample=part[0],
            part_end_sample=part[1],
        )


def _span(start: int | None, end: int | None) -> Span | None:
    return None if start is None or end is None else (start, end)


def _lines(folder: Path, clips: Sequence[Clip]) -> bytes:
    return b"".join(msgspec.json.encode(_Row.of(clip, folder)) + b"\n" for clip in clips)


class _Piece(Struct, frozen=True):
    path: str
    start_sample: Count
    end_sample: Count
    label: str = ""


class _Playlist(Struct, frozen=True):
    """Clips of a data pack, one after the other with silence between; paths are relative to the pack."""

    gap_s: float
    pieces: tuple[_Piece, ...]


def _of_playlist(path: Path) -> list[Clip]:
    """The pieces, with all that the pack's manifest knows of them."""
    playlist: _Playlist = _decoded(path.read_bytes(), _Playlist, str(path))
    pack = next((folder for folder in path.resolve().parents if (folder / MANIFEST).is_file()), path.resolve().parent)
    known: dict[str, Clip] = {}
    if (pack / MANIFEST).is_file():
        known = {row.path: row.clip(pack) for row in _rows(pack / MANIFEST)}
    clips = [known.get(piece.path) or Clip(path=pack / piece.path, label=piece.label) for piece in playlist.pieces]
    return [msgspec.structs.replace(clip, gap_s=playlist.gap_s) for clip in clips]


def _rows(manifest: Path) -> Iterator[_Row]:
    """The lines of a manifest. A torn last line was being written when the writer died: it is left out."""
    *lines, last = manifest.read_bytes().split(b"\n")
    for number, line in enumerate([*lines, last if _is_row(last) else b""], start=1):
        if line.strip():
            yield _decoded(line, _Row, f"{manifest}:{number}")


def _is_row(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=_Row)
    except msgspec.DecodeError:
        return False
    return True


def _decoded(data: bytes, kind: type[Any], where: str) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise AudioError(f"{where}: not as a clip store writes it ({error}); take another copy or mend it") from None


def _is_sound(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()
