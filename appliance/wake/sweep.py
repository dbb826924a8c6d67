"""What a range of thresholds would have made of the same scores, each decided by the trigger of the device."""

from collections import deque
from collections.abc import Sequence

from appliance.wake.trigger import REARM_RATIO, Detection, Trigger

_QUIET = 0.999 * REARM_RATIO
"""Share of the lowest threshold below which every trigger arms again; a little less, so that rounding is no matter."""


class Sweep:
    """One trigger for each threshold. They rest while the scores are so low that nothing could happen in any."""

    def __init__(self, thresholds: Sequence[float], window: int) -> None:
        """Begin with all armed. `thresholds`: at least one, each above 0; `window`: as of the trigger."""
        self._triggers = [Trigger(threshold, window) for threshold in thresholds]
        self._window = window
        self._quiet_below = _QUIET * min(thresholds)
        self._recent: deque[float] = deque(maxlen=window)
        self._quiet = 0
        """Low scores in a row; the triggers have heard as many as a window takes, and rest from then on."""

    def update(self, index: int, score: float | None) -> list[int]:
        """Take the score that came with a frame; the positions of the thresholds at which this woke."""
        if score is None:
            return []
        if score < self._quiet_below:
            self._quiet += 1
        else:
            if self._quiet > self._window:
                self._catch_up(index)
            self._quiet = 0
        self._recent.append(score)
        if self._quiet > self._window:
            return []
        decisions = [trigger.update(index, score) for trigger in self._triggers]
        return [position for position, decision in enumerate(decisions) if isinstance(decision, Detection)]

    def _catch_up(self, index: int) -> None:
        """Give them the scores that the next mean is taken over; none of these can tip a decision."""
        for trigger in self._triggers:
            trigger.reset()
            for score in list(self._recent)[1:]:
                trigger.update(index, score)
