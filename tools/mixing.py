"""The one mixer: speech and noise at a signal-to-noise ratio, by one named method.

Method `active-20db`: the power of the speech is the mean over those of its 20 ms frames that lie within 20 dB of the
loudest; the power of the noise is its mean. The noise also covers the padding; where in the noise it begins is seeded
by the clip's name.
"""

import zlib

import numpy as np
from numpy.typing import NDArray

from appliance.audio.format import FRAME_SAMPLES, Pcm

METHOD = "active-20db"
ACTIVE_RANGE_DB = 20.0
LOUDEST_SAMPLES = 2048


def active_power(pcm: Pcm) -> float:
    """Mean power of the frames within 20 dB of the loudest; int16 units squared. 0 for silence."""
    whole = pcm[: pcm.size - pcm.size % FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES).astype(np.float64)
    if whole.size == 0:
        return 0.0
    powers = (whole**2).mean(axis=1)
    return float(powers[powers >= powers.max() * 10 ** (-ACTIVE_RANGE_DB / 10)].mean())


def mix(speech: Pcm, noise: Pcm, snr_db: float, name: str) -> Pcm:
    """Speech with noise over all of it.

    Args:
        speech: int16, 16 kHz, with its padding.
        noise: int16, 16 kHz; repeated when it is too short.
        snr_db: by METHOD.
        name: the clip's name, which seeds the offset into the noise.
    """
    offset = zlib.crc32(name.encode()) % noise.size
    repeated = np.resize(np.roll(noise, -offset), speech.size).astype(np.float64)
    noise_power = float((repeated**2).mean())
    if noise_power == 0.0:
        return speech
    gain = np.sqrt(active_power(speech) / noise_power / 10 ** (snr_db / 10))
    mixed: Pcm = np.clip(np.round(speech + gain * repeated), -32768, 32767).astype(np.int16)
    return mixed


def mix_by_loudest(speech: Pcm, noise: Pcm, snr_db: float, name: str) -> Pcm:
    """As the public speech-to-intent benchmark does it, for figures that are held against its curve only.

    The power of both is that of their loudest 2,048 samples; in kitchen noise its 12 dB are about our 16 dB.
    """
    offset = zlib.crc32(name.encode()) % noise.size
    repeated = np.resize(np.roll(noise, -offset), speech.size).astype(np.float64)
    gain = np.sqrt(_loudest(speech) / _loudest(repeated) / 10 ** (snr_db / 10))
    mixed: Pcm = np.clip(np.round(speech + gain * repeated), -32768, 32767).astype(np.int16)
    return mixed


def _loudest(pcm: Pcm | NDArray[np.float64]) -> float:
    whole = pcm[: pcm.size - pcm.size % LOUDEST_SAMPLES].reshape(-1, LOUDEST_SAMPLES).astype(np.float64)
    return float((whole**2).sum(axis=1).max())
