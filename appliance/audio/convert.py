"""Any audio becomes frames: any rate, channel count and sample type in, 16 kHz mono int16 frames of 320 samples out.

Nothing here raises for bad samples: they are repaired and counted, and `Converter.problems` names them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.audio.format import (
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    Frame,
    Pcm,
    float_from_int16,
    freeze,
    int16_from_float,
)
from appliance.errors import AudioError

MIN_RATE_HZ = 4_000
MAX_RATE_HZ = 768_000
MAX_CHANNELS = 64


@dataclass(slots=True)
class Repairs:
    """What had to be mended so far, in samples (all channels)."""

    not_a_number: int = 0
    out_of_range: int = 0


class Converter:
    """Turns blocks of samples into frames, keeping the resampler's state between blocks."""

    def __init__(self, rate_hz: int, channels: int, *, channel: int | None = None) -> None:
        """`channel`: the one to be heard, from 0; None: the mean of all.

        Raises AudioError for a rate or channel count that no device has, and for a channel that is not among them.
        """
        if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
            raise AudioError(f"sample rate {rate_hz} Hz: must be {MIN_RATE_HZ}..{MAX_RATE_HZ} Hz")
        if not 1 <= channels <= MAX_CHANNELS:
            raise AudioError(f"{channels} channels: must be 1..{MAX_CHANNELS}")
        if channel is not None and not 0 <= channel < channels:
            raise AudioError(f"channel {channel + 1}: the device has {channels}; set audio.microphone_channel")
        self._channel = channel
        self._resampler = _resampler(rate_hz, SAMPLE_RATE_HZ) if rate_hz != SAMPLE_RATE_HZ else None
        self._rest = np.zeros(0, np.int16)
        self._index = 0
        self.repairs = Repairs()

    def feed(self, block: npt.NDArray[Any], *, last: bool = False) -> Iterator[Frame]:
        """Yield the frames that are complete after this block.

        Args:
            block: shape (n,) or (n, channels); integers (unsigned: half their range is silence) or floats of full
                scale 1.0. Not kept: the caller may use it again.
            last: no more blocks come; the last frame is filled with silence.
        """
        pcm = self._mono_16k(block, last)
        samples = np.concatenate([self._rest, pcm]) if self._rest.size else pcm
        if last and samples.size % FRAME_SAMPLES:
            samples = np.pad(samples, (0, FRAME_SAMPLES - samples.size % FRAME_SAMPLES))
        whole = samples.size // FRAME_SAMPLES
        self._rest = samples[whole * FRAME_SAMPLES :].copy()
        for number in range(whole):
            yield Frame(self._index, freeze(samples[number * FRAME_SAMPLES : (number + 1) * FRAME_SAMPLES].copy()))
            self._index += 1

    def _mono_16k(self, block: npt.NDArray[Any], last: bool) -> Pcm:
        if self._channel is not None and block.ndim == 2:
            block = block[:, self._channel]
        if block.dtype == np.int16 and self._resampler is None and (block.ndim == 1 or block.shape[1] == 1):
            return block.reshape(-1)
        samples = self._repaired(_float_from_any(block))
        mono = samples.mean(axis=1, dtype=np.float32) if samples.ndim == 2 else samples
        if self._resampler is not None:
            mono = self._resampler.resample_chunk(mono, last=last)
        return int16_from_float(mono)

    def _repaired(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        finite = np.isfinite(samples)
        if not finite.all():
            self.repairs.not_a_number += int(samples.size - np.count_nonzero(finite))
            samples = np.where(finite, samples, np.float32(0.0))
        beyond = int(np.count_nonzero(np.abs(samples) > 1.0))
        if beyond:
            self.repairs.out_of_range += beyond
            samples = np.clip(samples, -1.0, 1.0)
        return samples


def _float_from_any(block: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Samples of any type and byte order as float32 of full scale 1.0."""
    if block.dtype.kind in "iu":
        full_scale = 2.0 ** (8 * block.dtype.itemsize - 1)
        middle = full_scale if block.dtype.kind == "u" else 0.0
        return ((block - middle) / full_scale).astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        return block.astype(np.float32)


def _resampler(from_hz: int, to_hz: int) -> Any:
    import soxr  # type: ignore[import-untyped]

    return soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality="HQ")


class RateChange:
    """A stream of int16 samples at another rate; keeps the resampler's state between chunks."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        """Equal rates change nothing."""
        self._resampler = _resampler(from_hz, to_hz) if from_hz != to_hz else None

    def feed(self, pcm: Pcm, *, last: bool = False) -> Pcm:
        """What is ready after this chunk, shape (n,): none or up to two chunks (blocks of its filter).

        `last`: the stream ends; then all the rest is.
        """
        if self._resampler is None:
            return pcm
        return int16_from_float(self._resampler.resample_chunk(float_from_int16(pcm), last=last))


def resample(pcm: Pcm, from_hz: int, to_hz: int) -> Pcm:
    """A whole recording at another rate; int16 shape (n,) in and out."""
    if from_hz == to_hz or pcm.size == 0:
        return pcm
    import soxr

    resampled: Pcm = soxr.resample(pcm, from_hz, to_hz, quality="HQ")
    return resampled
