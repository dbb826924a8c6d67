"""Frames from a sound file, or from raw PCM on standard input."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from appliance.audio.convert import Converter
from appliance.audio.format import SILENT_DBFS, Frame, Pcm
from appliance.audio.health import problem
from appliance.errors import AudioError, UsageError
from appliance.events import Event

BLOCK_SAMPLES = 65_536
"""Samples of each channel read from a file at once: 4 s at 16 kHz, 256 kB as float32 mono."""

SAMPLE_TYPES = {"s16": "i2", "s24": "s24", "s32": "i4", "u8": "u1", "f32": "f4", "f64": "f8"}
"""Names of raw sample types, and the numpy code of each; 24 bit has none and is unpacked by hand."""


class FileSource:
    """Any file that libsndfile reads: WAV, FLAC, Ogg, MP3, AIFF and more, at any rate and channel count."""

    def __init__(self, path: Path) -> None:
        """Raises AudioError when the file is missing, empty or not audio."""
        self._path = path
        self._file = _open(path)
        try:
            if self._file.frames == 0:
                raise AudioError("holds no audio; record it again")
            self._converter = Converter(self._file.samplerate, self._file.channels)
        except AudioError as error:
            self._file.close()
            raise AudioError(f"{path}: {error}") from None
        self._index = 0
        self._nan_told = False

    def frames(self) -> Iterator[Frame]:
        """Yield the file's frames. Raises AudioError where the file turns out to be damaged."""
        import soundfile  # type: ignore[import-untyped]

        sample_type = "int16" if self._file.subtype in ("PCM_16", "PCM_S8") else "float32"
        done, last = 0, False
        while not last:
            try:
                block = self._file.read(BLOCK_SAMPLES, dtype=sample_type, always_2d=True)
            except soundfile.SoundFileError as error:
                where = f"at or after {done / self._file.samplerate:.1f} s"
                raise AudioError(f"{self._path}: damaged {where} ({_reason(error)}); take another copy") from None
            done += len(block)
            last = len(block) == 0
            for frame in self._converter.feed(block, last=last):
                self._index = frame.index
                yield frame

    def events(self) -> list[Event]:
        """One `audio_problem` for values that were no numbers."""
        if self._nan_told or not self._converter.repairs.not_a_number:
            return []
        self._nan_told = True
        return [problem("nan", self._index, SILENT_DBFS)]

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFormat:
    """How raw PCM is laid out."""

    rate_hz: int
    channels: int
    sample_type: str
    """One of SAMPLE_TYPES."""

    big_endian: bool = False
    planar: bool = False
    """All samples of the first channel, then all of the second; the length must be known, so it is read whole."""

    @property
    def sample_bytes(self) -> int:
        return 3 if self.sample_type == "s24" else np.dtype(SAMPLE_TYPES[self.sample_type]).itemsize


class RawSource:
    """Raw PCM from a stream of bytes, of any layout. A torn last sample is left out and told."""

    def __init__(self, stream: IO[bytes], layout: RawFormat) -> None:
        if layout.sample_type not in SAMPLE_TYPES:
            raise UsageError(f"sample type {layout.sample_type!r}: must be one of {', '.join(SAMPLE_TYPES)}")
        self._stream = stream
        self._layout = layout
        self._converter = Converter(layout.rate_hz, layout.channels)
        self._events: list[Event] = []
        self._index = 0
        self._nan_told = False

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the stream ends. Raises AudioError when it held no whole sample."""
        for frame in self._converted():
            self._index = frame.index
            yield frame

    def _converted(self) -> Iterator[Frame]:
        step = self._layout.sample_bytes * self._layout.channels
        rest, any_audio = b"", False
        while chunk := self._stream.read(-1 if self._layout.planar else BLOCK_SAMPLES * step):
            data = rest + chunk
            whole = len(data) - len(data) % step
            rest = data[whole:]
            any_audio = any_audio or whole > 0
            if whole:
                yield from self._converter.feed(_decode(data[:whole], self._layout))
        if not any_audio:
            raise AudioError("standard input: holds no audio; give raw PCM samples")
        if rest:
            self._events.append(problem("format", self._index, SILENT_DBFS))
        yield from self._converter.feed(np.zeros((0, self._layout.channels), np.float32), last=True)

    def events(self) -> list[Event]:
        """`audio_problem` for a torn sample and for values that were no numbers."""
        if self._converter.repairs.not_a_number and not self._nan_told:
            self._nan_told = True
            self._events.append(problem("nan", self._index, SILENT_DBFS))
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Standard input is not ours to close."""


def read_pcm(path: Path) -> Pcm:
    """A whole file as 16 kHz mono int16, shape (n,). Raises AudioError."""
    source = FileSource(path)
    try:
        return np.concatenate([np.zeros(0, np.int16), *(frame.pcm for frame in source.frames())])
    finally:
        source.close()


def _decode(data: bytes, layout: RawFormat) -> npt.NDArray[Any]:
    """Bytes of whole samples to an array of shape (n, channels); bytes of 24-bit samples become int32."""
    order = ">" if layout.big_endian else "<"
    if layout.sample_type == "s24":
        triples = np.frombuffer(data, np.uint8).reshape(-1, 3)
        padded = np.zeros((len(triples), 4), np.uint8)
        padded[:, :3] = triples if layout.big_endian else triples[:, ::-1]
        samples: npt.NDArray[Any] = padded.view(">i4").reshape(-1).astype(np.int32)
    else:
        samples = np.frombuffer(data, order + SAMPLE_TYPES[layout.sample_type])
        samples = samples.astype(samples.dtype.newbyteorder("="))
    if layout.planar:
        return samples.reshape(layout.channels, -1).T
    return samples.reshape(-1, layout.channels)


def _open(path: Path) -> Any:
    import soundfile

    if not os.path.isfile(path):  # Path.is_file would raise for a name that is too long
        raise AudioError(f"{path}: {'is a folder' if os.path.isdir(path) else 'no such file'}; name a sound file")
    try:
        return soundfile.SoundFile(str(path))
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: NAME.raw, which does not tell its rate
        raise AudioError(f"{path}: not a sound file that can be read ({_reason(error)}); convert it to WAV") from None


def _reason(error: Exception) -> str:
    return str(error).rstrip(".").split(": ")[-1]
