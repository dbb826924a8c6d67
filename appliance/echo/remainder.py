"""Is there anybody in what is left of the echo? Judged by its power, beside what the filter takes out.

A filter leaves a faint and distorted copy of what was played, and a wake word is recognized however faint it is: in the
copy of one word now and then another is heard. But a copy is as faint as the filter always leaves it, and a person is
not. In simulated rooms the words that the device took for a person's were at most 6 dB above that; "computer", said by
people 15 dB below the echo, was at least 11, and "stop", in synthetic voices, at least 7 in 39 of 41 cases.

In the first second with a new echo nothing is known of the filter, and little of the echo is taken. Then nobody is
supposed to be there, unless little is heard of the echo at all.
"""

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from appliance.audio.format import Pcm, frames_of_ms

STANDS_OUT_RATIO: Final = 4.0
"""A frame with so many times the power that is expected of the echo holds something else, too: 6 dB."""

WORD_FRAMES: Final = frames_of_ms(600)
"""A word is judged where it was just heard."""

STANDS_OUT_FRAMES: Final = 6
"""So many of its frames must: the vowel of "stop". With 5, one of 357 words that were left of an echo counted as a
person's, in 13 hours; with 6 none, and as many people over an echo that is known."""

USUAL_FRAMES: Final = frames_of_ms(3000)
"""So many frames with an echo tell how much of it the filter usually leaves."""

USUAL_PERCENT: Final = 65
"""Of them keep less: a loudspeaker that distorts does so where it is loud. With 75 a person counts as usual."""

LEARNING_PERCENT: Final = 50
"""The same before there are USUAL_FRAMES: the first were kept by a filter that knew nothing yet. With 40, one word of
the device's own in 415 rooms, 1.6 s after the begin of the first answer, counted as a person's. Of 60 people who said a
wake word after 0.3 to 3 s, 42 are heard who are as loud as the echo, 31 at 6 dB below; 44 and 33 with 40, 42 and 28
with 55."""

LEAST_SHARE: Final = 10**-2.5
"""A filter that usually leaves less than 25 dB below the echo leaves so much of a sound that it has not met for a
while. Nobody is understood so far below it."""

LEAST_FRAMES: Final = frames_of_ms(1000)
"""With fewer nothing is known yet, for the filter still learns. In 400 rooms there were as many after 2 s at the
latest."""

LATEST_FRAMES: Final = frames_of_ms(2000)
"""Where less was heard of the echo in so many frames that something was played, there is none to be feared."""

EVERY_FRAMES: Final = frames_of_ms(200)
"""So often what is usual is reckoned, which costs more than all the rest."""

ECHO_POWER: Final = 32768.0**2 * 1e-6
"""A frame of which so much was taken held an echo: -60 dBFS."""

FADE: Final = 0.8
"""Of an echo's power 20 ms later, at the most: what a filter leaves fades with the room, not with the word."""

QUIET_PERCENT: Final = 10
"""Of the frames are quieter than the room between the words."""


class Remainder:
    """Takes what is heard and what is left of it, frame by frame, while something is played."""

    def __init__(self) -> None:
        self._shares: deque[float] = deque(maxlen=USUAL_FRAMES)
        """Power left over power taken, of the newest frames with an echo."""
        self._left: deque[float] = deque(maxlen=USUAL_FRAMES)
        self._outstanding: deque[bool] = deque(maxlen=WORD_FRAMES)
        self._echo = 0.0
        self._frames = 0
        self._usual = self._quiet = 0.0

    def update(self, heard: Pcm, left: Pcm) -> None:
        """The next frame, int16 (320,) each."""
        power = _power(left.astype(np.float64))
        self._echo = max(_power(heard.astype(np.float64) - left), FADE * self._echo)
        self._left.append(power)
        if self._echo > ECHO_POWER:
            self._shares.append(power / self._echo)
        self._frames += 1
        if self._frames % EVERY_FRAMES == 0 and len(self._shares) >= LEAST_FRAMES:
            percent = USUAL_PERCENT if len(self._shares) == USUAL_FRAMES else LEARNING_PERCENT
            self._usual = max(float(np.percentile(self._shares, percent)), LEAST_SHARE)
            self._quiet = float(np.percentile(self._left, QUIET_PERCENT))
        if self._is_known:
            self._outstanding.append(power > STANDS_OUT_RATIO * (self._usual * self._echo + self._quiet))

    @property
    def is_empty(self) -> bool:
        """In the time of a word there was nobody but the device, as far as that can be told."""
        if not self._is_known:
            return self._frames < LATEST_FRAMES
        return sum(self._outstanding) < STANDS_OUT_FRAMES

    def rest(self) -> None:
        """Nothing of what was played is heard any more."""
        self._outstanding.clear()
        self._echo = 0.0

    @property
    def _is_known(self) -> bool:
        return self._usual > 0.0


def _power(samples: NDArray[np.float64]) -> float:
    return float(samples @ samples) / samples.size + 1.0
