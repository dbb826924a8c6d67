"""The same words by another throat: pitch and length of the vocal tract of a recording changed apart from each other.

A phase vocoder stretches the sound in time without changing its spectrum, except that the spectrum's envelope (what the
tract makes of the voice) is moved along the frequencies; played back faster or slower, it then has its old length and
another pitch.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

WINDOW_S: Final = 0.032
HOPS_PER_WINDOW: Final = 4
LIFTER_S: Final = 0.002
"""The envelope is what of the cepstrum lies below this; the pitch lies above it, up to 500 Hz."""

Sound = npt.NDArray[np.float32]
Spectra = npt.NDArray[np.complex128]


def warp(sound: Sound, rate_hz: int, *, pitch: float, tract: float) -> Sound:
    """The sound with its pitch and the peaks of its envelope moved; about as long as before.

    Args:
        sound: shape (n,), -1..1.
        pitch: ratio of the new pitch to the old one, 0.5..2.
        tract: ratio of the new resonances to the old ones, 0.7..1.4; above 1 is a shorter tract: a smaller person.
    """
    import soxr  # type: ignore[import-untyped]

    window = 1 << round(np.log2(rate_hz * WINDOW_S))
    hop = window // HOPS_PER_WINDOW
    spectra = _spectra(sound, window, hop)
    moved = spectra * _other_envelope(np.abs(spectra), pitch / tract, round(LIFTER_S * rate_hz))
    stretched = _sound(_stretched(moved, 1.0 / pitch, hop, window), window, hop)
    warped: Sound = soxr.resample(stretched.astype(np.float32), rate_hz * pitch, rate_hz, quality="HQ")
    return warped


def _spectra(sound: Sound, window: int, hop: int) -> Spectra:
    """Short-time spectra, shape (frames, window / 2 + 1); the sound is padded by a window at either end."""
    padded = np.pad(sound, (window, window + -sound.size % hop))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    spectra: Spectra = np.fft.rfft(frames * np.hanning(window), axis=1)
    return spectra


def _sound(spectra: Spectra, window: int, hop: int) -> Sound:
    """The inverse, by adding up the overlapping frames, without the padding."""
    shape = np.hanning(window)
    frames = np.fft.irfft(spectra, window, axis=1) * shape
    total = np.zeros(hop * (len(frames) - 1) + window)
    for number, frame in enumerate(frames):
        total[number * hop : number * hop + window] += frame
    scale = (shape**2).sum() / hop
    sound: Sound = (total[window : total.size - window] / scale).astype(np.float32)
    return sound


def _other_envelope(sizes: npt.NDArray[np.float64], ratio: float, lifter: int) -> npt.NDArray[np.float64]:
    """Factors that give each spectrum the envelope that it has at `ratio` times the frequency."""
    logs = np.log(sizes + 1e-6 * sizes.max() + 1e-12)
    cepstra = np.fft.irfft(logs, axis=1)
    cepstra[:, lifter : cepstra.shape[1] - lifter + 1] = 0.0
    envelopes = np.fft.rfft(cepstra, axis=1).real
    places = np.minimum(np.arange(logs.shape[1]) * ratio, logs.shape[1] - 1.0)
    below = places.astype(np.intp)
    above = np.minimum(below + 1, logs.shape[1] - 1)
    moved = envelopes[:, below] + (places - below) * (envelopes[:, above] - envelopes[:, below])
    factors: npt.NDArray[np.float64] = np.exp(np.clip(moved - envelopes, -5.0, 5.0))
    return factors


def _stretched(spectra: Spectra, speed: float, hop: int, window: int) -> Spectra:
    """The spectra at other times: sizes between their neighbours', phases turned on as far as the sound turns them."""
    times = np.arange(0.0, len(spectra) - 1, speed)
    before = np.minimum(times.astype(np.intp), len(spectra) - 2)  # steps add up to a little more than they should
    part = (times - before)[:, None]
    sizes = (1.0 - part) * np.abs(spectra[before]) + part * np.abs(spectra[before + 1])
    expected = 2.0 * np.pi * hop / window * np.arange(spectra.shape[1])
    turned = np.angle(spectra[before + 1]) - np.angle(spectra[before]) - expected
    turns = expected + np.angle(np.exp(1j * turned))
    phases = np.angle(spectra[0]) + np.cumsum(np.vstack([np.zeros_like(expected), turns[:-1]]), axis=0)
    stretched: Spectra = sizes * np.exp(1j * phases)
    return stretched
