"""Does the cancelling work? Judged by what is left of the echo while the device plays and nobody else is louder.

Noise that goes on all the time stays behind however well it works: of the echo is left what is louder than that.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from appliance.audio.format import FRAMES_PER_S, frames_of_ms

WINDOW_FRAMES: Final = 3 * FRAMES_PER_S
LONGEST_FRAMES: Final = frames_of_ms(1000)

SOUNDS_DBFS: Final = -50.0
"""What is played counts where it is louder: speech at full volume lies at -25, between the words below -60."""

SOUNDING_SHARE: Final = 0.4
"""So much of a window must sound; speech does for 60 to 80 %."""

ALIKE: Final = 0.6
"""Correlation of the levels that are heard with those that were played, from which on it is our own sound that is heard
above all: 0.8 to 0.97 for an echo alone, below 0.5 for a person or a television beside it."""

WORKS_DB: Final = 6.0
"""The better half of the frames must lose so much; a filter that has learnt takes 10 to 35 dB from them."""

STEADY_PERCENT: Final = 25
"""The quietest so many of the frames that are left are steady noise."""

LEAST_SHARE: Final = 0.1
"""What is less than this share of the steady noise cannot be told from it."""

BAD_WINDOWS: Final = 2
"""So many in a row: an echo that stays for 6 s is no room that is being learnt."""


class EchoWatch:
    """Takes the levels of each frame while something is played."""

    def __init__(self) -> None:
        self._played: deque[float] = deque(maxlen=WINDOW_FRAMES + LONGEST_FRAMES)
        self._heard: deque[float] = deque(maxlen=WINDOW_FRAMES)
        self._left: deque[float] = deque(maxlen=WINDOW_FRAMES)
        self._frames = 0
        self._bad = 0
        self.works = True
        self.loss_db = 0.0
        """How much of the echo was taken at the last judgement, in dB."""

    def update(self, played_dbfs: float, heard_dbfs: float, left_dbfs: float) -> bool:
        """Levels of what is played, heard, and left of that. True: `works` has changed with this frame."""
        self._played.append(played_dbfs)
        self._heard.append(heard_dbfs)
        self._left.append(left_dbfs)
        self._frames += 1
        if self._frames % WINDOW_FRAMES or not self._echo_is_heard():
            return False
        heard, left = _power(self._heard), _power(self._left)
        better = heard >= np.median(heard)
        steady = float(np.percentile(left, STEADY_PERCENT))
        before_db, after_db = (
            10 * np.log10(np.maximum(power - steady, LEAST_SHARE * steady)) for power in (heard, left)
        )
        self.loss_db = round(float(np.median((before_db - after_db)[better])), 1)
        before = self.works
        self._bad = self._bad + 1 if self.loss_db < WORKS_DB else 0
        self.works = self._bad < BAD_WINDOWS
        return self.works is not before

    def _echo_is_heard(self) -> bool:
        played = np.array(self._played)
        if np.mean(played[-WINDOW_FRAMES:] > SOUNDS_DBFS) < SOUNDING_SHARE or played.size < WINDOW_FRAMES:
            return False
        heard = np.array(self._heard)
        heard = heard - heard.mean()
        shifted = sliding_window_view(played, WINDOW_FRAMES)
        shifted = shifted - shifted.mean(axis=1, keepdims=True)
        sizes = np.linalg.norm(shifted, axis=1) * np.linalg.norm(heard) + 1e-9
        return bool(np.max(shifted @ heard / sizes) >= ALIKE)


def _power(levels_dbfs: Iterable[float]) -> NDArray[np.float64]:
    return 10.0 ** (np.array(levels_dbfs) / 10)
