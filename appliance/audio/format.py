"""The one audio format inside the daemon, and its conversions.

A frame is 20 ms: 320 samples of 16 kHz mono int16. Time inside the daemon is the index of a frame; nothing in the
logic reads a clock.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ = 16_000
FRAME_MS = 20
FRAME_SAMPLES = SAMPLE_RATE_HZ * FRAME_MS // 1000
FRAMES_PER_S = 1000 // FRAME_MS

INT16_FULL_SCALE = 32_768
SILENT_DBFS = -120.0
"""Level given to digital silence, where the logarithm has no value. Below one bit of int16 (-90.3 dBFS)."""

Pcm = npt.NDArray[np.int16]
"""Mono samples at 16 kHz unless a name says otherwise; shape (n,)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """20 ms of audio and where it stands in the stream."""

    index: int
    """Running number from 0; the frame covers index*20 ms to (index+1)*20 ms."""

    pcm: Pcm
    """int16, shape (320,), read-only."""


def frames_of_ms(duration_ms: float) -> int:
    """How many frames cover a duration, rounded up; at least 1 for any positive duration."""
    return int(-(-duration_ms // FRAME_MS))


def ms_of_frames(count: int) -> int:
    """Duration of a number of frames, in ms."""
    return count * FRAME_MS


def seconds_of_frame(index: int) -> float:
    """Seconds from the first sample of the stream to the END of this frame: when a fact about it could be known."""
    return round((index + 1) * FRAME_MS / 1000, 3)


def silent_pcm() -> Pcm:
    """One frame of digital silence; read-only."""
    return freeze(np.zeros(FRAME_SAMPLES, np.int16))


def freeze(pcm: Pcm) -> Pcm:
    """Mark samples read-only, so that a frame can be shared between threads."""
    pcm.flags.writeable = False
    return pcm


def level_dbfs(pcm: Pcm) -> float:
    """RMS level in dBFS, where a square wave of full scale is 0 and a sine of full scale is -3.0; silence is -120."""
    if pcm.size == 0:
        return SILENT_DBFS
    samples = pcm.astype(np.float32)
    mean_square = float(np.dot(samples, samples)) / samples.size
    if mean_square <= 0.0:
        return SILENT_DBFS
    return max(SILENT_DBFS, 10.0 * float(np.log10(mean_square / INT16_FULL_SCALE**2)))


def float_from_int16(pcm: Pcm) -> npt.NDArray[np.float32]:
    """int16 to float32 in [-1, 1)."""
    return pcm.astype(np.float32) / INT16_FULL_SCALE


def int16_from_float(samples: npt.NDArray[np.floating[Any]]) -> Pcm:
    """Float in [-1, 1] to int16: rounded, out-of-range values clipped. NaN must be repaired before."""
    pcm: Pcm = np.clip(np.round(samples * INT16_FULL_SCALE), -INT16_FULL_SCALE, INT16_FULL_SCALE - 1).astype(np.int16)
    return pcm
