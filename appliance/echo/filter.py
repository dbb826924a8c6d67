"""An adaptive filter that learns the way from loudspeaker to microphone while something is played.

A Kalman filter in the frequency domain (Enzner and Vary, Signal Processing 86(6), 2006), in blocks of one frame
(partitions, as in Kuech, Mabande and Enzner, ICASSP 2014). For each frequency it keeps how unsure it still is of the
room; what it cannot explain counts as the person. So it learns while the device is heard alone and holds still while
somebody speaks, without a detector of double talk that could be wrong. What the loudspeaker bends (`saturation.py`) is
a second sound with a way of its own.

There is no suppressor behind it: what remains of the echo is faint, and the person is left whole, which is what wake
words and commands are recognized from.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from appliance.audio.format import FRAME_SAMPLES
from appliance.echo.saturation import Saturation

Samples = NDArray[np.float64]

PARTITIONS: Final = 16
"""Frames of 20 ms: 320 ms of room. A room of 0.5 s has faded by 38 dB then; 12 partitions cancel 2.5 dB less."""

BENT_PARTITIONS: Final = 8
"""The same for what the loudspeaker bends, which is faint; 12 cancel 0.1 dB more, and 5 half a dB less."""

FORGETTING: Final = 0.9997
"""How much of what it knows is still true 20 ms later. With 0.9995 it follows another room sooner, and beside
a person 2 dB more of the echo is left."""

NOISE_MEMORY: Final = 0.7
"""Of the power that it cannot explain; 0.9 lets more of the first syllable of a person into the filter."""

SMOOTHED_BINS: Final = 5
"""That power is smoothed over neighbouring frequencies: 2 dB more after the first second."""

FIRST_GAIN: Final = 0.5
FIRST_REACH: Final = 4
FADE_PER_PARTITION: Final = 0.5
"""What it expects of a room unheard: power of each frequency's way, the same for the first partitions and then less by
half each (T60 about 0.4 s)."""

FIRST_BENT_GAIN: Final = 0.001
"""Of what is bent, beside the sound. With 12 % of distortion at the peaks 4.5 dB less is left beside a person than
without it, with 2 % 0.1 less, with none 0.2 more; with 0.01 these are 5, 0.2 more and 0.4 more, and it learns later."""

WORSE_RATIO: Final = 1.1
"""Power after over power before, from which it makes matters worse: the room is another one, so it starts anew."""

WORSE_MEMORY: Final = 0.9
_BLOCK: Final = 2 * FRAME_SAMPLES
_BINS: Final = FRAME_SAMPLES + 1
_LEAST_POWER: Final = float(_BLOCK)
"""Of one bit of noise; keeps silence from being divided by."""


class EchoFilter:
    """Feed it frame by frame while something is played, also through its pauses."""

    def __init__(self, partitions: int = PARTITIONS) -> None:
        """`partitions`: length of the room that it can learn, in frames of 20 ms."""
        self._ways = (slice(0, partitions), slice(partitions, partitions + BENT_PARTITIONS))
        expected = np.concatenate([_expected(partitions), FIRST_BENT_GAIN * _expected(BENT_PARTITIONS)])
        self._expected = np.repeat(expected[:, np.newaxis], _BINS, axis=1)
        self._spectra = np.zeros(self._expected.shape, np.complex128)
        self._last = np.zeros((len(self._ways), _BLOCK))
        self._saturation = Saturation()
        self.reset()

    def reset(self) -> None:
        """Forget the room."""
        self._room = np.zeros_like(self._spectra)
        self._doubt = self._expected.copy()
        self._unexplained = np.full(_BINS, _LEAST_POWER)
        self._before = self._after = 0.0

    def pause(self) -> None:
        """Nothing is played any more; the room is kept."""
        self._spectra[:] = 0.0
        self._last[:] = 0.0

    def shift(self, frames: int) -> None:
        """What is played comes so many frames later than until now (earlier: negative); the room stays the same, but is
        doubted: what shifted it may be a guess.
        """
        self._room, self._spectra = self._shifted(self._room, frames), self._shifted(self._spectra, frames)
        self._doubt = self._expected.copy()

    def process(self, heard: Samples, played: Samples) -> Samples:
        """What is heard without what is played: float (320,) each, on the scale of int16.

        Where it would make matters worse, as in the first moments, what is heard comes back as it is.
        """
        self._take(played)
        echo = np.fft.irfft((self._spectra * self._room).sum(axis=0))[FRAME_SAMPLES:]
        rest: Samples = heard - echo
        self._learn(rest)
        before, after = float(heard @ heard), float(rest @ rest)
        self._check(before, after)
        return rest if after <= before else heard

    def _take(self, played: Samples) -> None:
        """The next frame of the sound and of what is bent of it, each before its older ones."""
        self._last[:, :FRAME_SAMPLES] = self._last[:, FRAME_SAMPLES:]
        self._last[:, FRAME_SAMPLES:] = played, self._saturation.of(played)
        self._spectra = np.roll(self._spectra, 1, axis=0)
        self._spectra[[way.start for way in self._ways]] = np.fft.rfft(self._last, axis=1)

    def _shifted(self, spectra: NDArray[np.complex128], frames: int) -> NDArray[np.complex128]:
        """Each way's partitions so many earlier; what comes in is zero."""
        shifted = np.zeros_like(spectra)
        for way in self._ways:
            kept = max(0, way.stop - way.start - abs(frames))
            to, source = way.start + max(0, -frames), way.start + max(0, frames)
            shifted[to : to + kept] = spectra[source : source + kept]
        return shifted

    def _learn(self, rest: Samples) -> None:
        error = np.fft.rfft(np.concatenate([np.zeros(FRAME_SAMPLES), rest]))
        kernel = np.full(SMOOTHED_BINS, 1.0 / SMOOTHED_BINS)
        power = np.convolve(_power(error), kernel, "same")
        self._unexplained = NOISE_MEMORY * self._unexplained + (1 - NOISE_MEMORY) * power
        played = _power(self._spectra)
        step = self._doubt / (0.5 * (played * self._doubt).sum(axis=0) + self._unexplained + _LEAST_POWER)
        change = np.fft.irfft(step * self._spectra.conj() * error, axis=1)
        change[:, FRAME_SAMPLES:] = 0.0
        self._room = FORGETTING * (self._room + np.fft.rfft(change, axis=1))
        still = FORGETTING**2
        self._doubt = still * (1 - 0.5 * step * played) * self._doubt + (1 - still) * _power(self._room)

    def _check(self, before: float, after: float) -> None:
        self._before = WORSE_MEMORY * self._before + before
        self._after = WORSE_MEMORY * self._after + after
        if self._after > WORSE_RATIO * self._before:
            self.reset()


def _expected(partitions: int) -> Samples:
    fading = np.maximum(0, np.arange(partitions) - FIRST_REACH + 1)
    return FIRST_GAIN * FADE_PER_PARTITION ** fading.astype(np.float64)


def _power(spectra: NDArray[np.complex128]) -> Samples:
    return spectra.real**2 + spectra.imag**2
