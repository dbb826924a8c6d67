"""Frames from a sound file, or from raw PCM on standard input."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from appliance.audio.convert import Converter
from appliance.audio.format import Frame, Pcm
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
        import soundfile

        self._path = path
        if not path.is_file():
            raise AudioError(f"{path}: no such file")
        try:
            self._file = soundfile.SoundFile(str(path))
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise AudioError(
                f"{path}: not a sound file that can be read ({_reason(error)}); convert it to WAV"
            ) from None
        if self._file.frames == 0:
            self._file.close()
            raise AudioError(f"{path}: holds no audio")
        self._converter = Converter(self._file.samplerate, self._file.channels)
        self._told = 0

    def frames(self) -> Iterator[Frame]:
        """Yield the file's frames. Raises AudioError where the file turns out to be damaged."""
        import soundfile

        sample_type = "int16" if self._file.subtype in ("PCM_16", "PCM_S8") else "float32"
        while True:
            try:
                block = self._file.read(BLOCK_SAMPLES, dtype=sample_type, always_2d=True)
            except (soundfile.LibsndfileError, RuntimeError) as error:
                raise AudioError(f"{self._path}: damaged at sample {self._file.tell()} ({_reason(error)})") from None
            yield from self._converter.feed(block, last=len(block) == 0)
            if len(block) == 0:
                return

    def events(self) -> list[Event]:
        """One `audio_problem` for values that were no numbers."""
        found = self._converter.repairs.not_a_number
        new, self._told = found > 0 and self._told == 0, found
        return [problem("nan", 0, 0.0)] if new else []

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
        self._nan_told = False

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the stream ends. Raises AudioError when it held no whole sample."""
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
            self._events.append(problem("format", 0, 0.0))
        yield from self._converter.feed(np.zeros((0, self._layout.channels), np.float32), last=True)

    def events(self) -> list[Event]:
        """`audio_problem` for a torn sample and for values that were no numbers."""
        if self._converter.repairs.not_a_number and not self._nan_told:
            self._nan_told = True
            self._events.append(problem("nan", 0, 0.0))
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Standard input is not ours to close."""


def read_pcm(path: Path) -> Pcm:
    """A whole file as 16 kHz mono int16, shape (n,). Raises AudioError."""
    source = FileSource(path)
    try:
        return np.concatenate([frame.pcm for frame in source.frames()])
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


def _reason(error: Exception) -> str:
    return str(error).rstrip(".").split(": ")[-1]
