"""Finds how much later the microphone hears what the device plays: by correlation, again and again while it plays.

Between the two lie the loudspeaker's and the microphone's buffers, a sound server, and the air: 10 to 500 ms, and never
quite the same from one start of a device to the next.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from appliance.audio.format import FRAME_SAMPLES, Pcm, frames_of_ms

STEP: Final = 4
"""Correlated at a quarter of the rate, 4 kHz: 0.25 ms are more than exact enough."""

BAND: Final = slice(600, 3900)
"""Bins of 0.49 Hz: 290 to 1,900 Hz, where small loudspeakers sound and speech is."""

SPAN: Final = 4096
"""Samples of 4 kHz that are compared: the newest second."""

LONGEST_MS: Final = 1000
EVERY_FRAMES: Final = frames_of_ms(200)
MEMORY: Final = 0.6
"""Of the correlations before, at each new one."""

SURE: Final = 9.0
"""A peak so many times the root mean square of the correlation is a delay. Of 500 looks at speech that had nothing to
do with what was played, one found three such peaks in a row."""

AGREEING: Final = 3
"""So many times in a row the same delay must be found."""

TOLERANCE_SAMPLES: Final = FRAME_SAMPLES // 2
_LAGS: Final = LONGEST_MS * 16 // STEP
_SIZE: Final = 2 * SPAN
_LEAST: Final = 1e-9


class DelayFinder:
    """Feed both sides frame by frame while something is played."""

    def __init__(self) -> None:
        self._heard = np.zeros(SPAN)
        self._played = np.zeros(SPAN + _LAGS)
        self._likeness = np.zeros(_SIZE // 2 + 1, np.complex128)
        self._found: list[int] = []
        self._frames = 0

    def update(self, heard: Pcm, played: Pcm) -> int | None:
        """Take a frame of each, int16 (320,). The delay in samples of 16 kHz, whenever it was found anew; else None."""
        _push(self._heard, heard)
        _push(self._played, played)
        self._frames += 1
        if self._frames % EVERY_FRAMES:
            return None
        delay = self._find()
        if delay is None or any(abs(delay - other) > TOLERANCE_SAMPLES for other in self._found):
            self._found = []
        if delay is not None:
            self._found = [*self._found, delay][-AGREEING:]
        return delay if len(self._found) == AGREEING else None

    def _find(self) -> int | None:
        if not self._played.any() or not self._heard.any():
            return None
        both = np.fft.rfft(self._played, _SIZE) * np.fft.rfft(self._heard, _SIZE).conj()
        likeness = np.zeros_like(both)
        likeness[BAND] = both[BAND] / (np.abs(both[BAND]) + _LEAST)
        self._likeness = MEMORY * self._likeness + likeness
        # What was played reaches `_LAGS` further back than what was heard; both end now.
        correlation = np.fft.irfft(self._likeness)[_LAGS::-1]
        lag = int(correlation.argmax())
        sure = correlation[lag] >= SURE * np.sqrt(np.mean(correlation**2))
        return lag * STEP if sure else None


def _push(line: NDArray[np.float64], pcm: Pcm) -> None:
    samples = pcm.reshape(-1, STEP).mean(axis=1)
    line[: -samples.size] = line[samples.size :]
    line[-samples.size :] = samples
