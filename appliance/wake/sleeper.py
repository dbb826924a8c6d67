"""A model that rests while its scores are of no use, and when they are has heard what it would have heard.

Streaming networks remember a second or two. One that is started in the middle of things scores silence that never was,
so the features of the newest seconds are kept, and heard at once when it is woken: 1 to 3 ms of one desktop core.
"""

from collections import deque
from typing import Final

from appliance.audio.format import FRAMES_PER_S
from appliance.wake.engine import Features, WakeModel

PAST_FRAMES: Final = 2 * FRAMES_PER_S
"""More than a network remembers: ours and microWakeWord's less than 1.5 s, openWakeWord's 1.3 s."""


class Sleeper:
    """A `WakeModel`; asleep at first."""

    def __init__(self, model: WakeModel) -> None:
        """Take over a model without past."""
        self._model = model
        self._past: deque[Features] = deque(maxlen=PAST_FRAMES)
        self._awake = False

    def wake(self, on: bool) -> None:
        """Score from the next frame on, or rest."""
        if on and not self._awake:
            self._model.reset()
            for features in self._past:
                self._model.process(features)
        self._awake = on

    def process(self, features: Features) -> float | None:
        """Eat the rows of one frame; None also while it rests."""
        self._past.append(features)
        return self._model.process(features) if self._awake else None

    def reset(self) -> None:
        """Forget the past."""
        self._past.clear()
        self._model.reset()

    def close(self) -> None:
        """Free what it holds."""
        self._model.close()
