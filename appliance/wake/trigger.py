"""Turns scores into decisions: one detection for one word. Pure; time is the frame index.

score    ......:#######:......          mean of the newest `window` scores
state    armed |fired  | armed again    below half the threshold it arms again
"""

from collections import deque
from dataclasses import dataclass

from appliance.audio.format import FRAMES_PER_S

REARM_RATIO = 0.5
"""Share of the threshold below which a word is over: far enough down that a wavering score does not fire twice."""
NEAR_MISS_RATIO = 0.7
"""Share of the threshold from which a peak that did not fire is a near miss; a choice, for tuning only."""
REFRACTORY_FRAMES = FRAMES_PER_S
"""No word is said twice within a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """The word ended."""

    frame: int
    score: float
    """The mean that tipped the decision, 0..1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    """A peak that stayed below the threshold is over."""

    frame: int
    score: float
    """The highest mean it reached, 0..1."""


class Trigger:
    """Decides when a word was said."""

    def __init__(
        self, threshold: float, window: int = 1, patience: int = 1, refractory_frames: int = REFRACTORY_FRAMES
    ) -> None:
        """Begin armed.

        threshold: mean score that fires, 0..1.
        window: number of newest scores the mean is taken over; scores before the first count as 0.
        patience: number of means in a row that must reach the threshold.
        refractory_frames: how long after a detection the next one may come.
        """
        self._threshold = threshold
        self._window = window
        self._patience = patience
        self._refractory_frames = refractory_frames
        self._armed = True
        self._fired_at: int | None = None
        self._scores: deque[float] = deque(maxlen=window)
        self._sum = 0.0
        self._reached = 0
        self._peak = 0.0

    @property
    def mean(self) -> float:
        """Mean of the newest `window` scores, 0..1."""
        return self._sum / self._window

    def update(self, index: int, score: float | None, ease: float = 1.0) -> Detection | NearMiss | None:
        """Take the score that came with a frame; None when the frame brought none.

        ease: share of the threshold that is enough for now, above REARM_RATIO.
        """
        if score is None:
            return None
        self._scores.append(score)
        self._sum = sum(self._scores)
        mean = self.mean
        self._reached = self._reached + 1 if mean >= self._threshold * ease else 0
        if mean < self._threshold * REARM_RATIO:
            return self._fall(index)
        if not self._armed or self._is_refractory(index):
            return None
        self._peak = max(self._peak, mean)
        if self._reached < self._patience:
            return None
        self._armed = False
        self._fired_at = index
        self._peak = 0.0
        return Detection(frame=index, score=min(mean, 1.0))

    def reset(self) -> None:
        """Forget the scores, as after a gap in the sound, but not that a word has fired."""
        self._scores.clear()
        self._sum = 0.0
        self._reached = 0
        self._peak = 0.0

    def _fall(self, index: int) -> NearMiss | None:
        """The mean is low: whatever was heard is over."""
        peak, self._peak = self._peak, 0.0
        self._armed = self._armed or len(self._scores) == self._window  # a window that fills after a reset is low, too
        return NearMiss(frame=index, score=min(peak, 1.0)) if peak >= self._threshold * NEAR_MISS_RATIO else None

    def _is_refractory(self, index: int) -> bool:
        """Also false when the index has started over, as it does with each replayed file."""
        return self._fired_at is not None and 0 <= index - self._fired_at < self._refractory_frames
