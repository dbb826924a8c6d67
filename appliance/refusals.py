"""What strangers sent and was not taken: counted, and told at most once a minute. Pure: the clock is a parameter."""

from collections.abc import Callable
from typing import Final

TELL_EVERY_S: Final = 60.0


class Refusals:
    """Counts refusals, and tells the newest reason seldom enough for any log."""

    def __init__(self, clock: Callable[[], float], tell: Callable[[str, int], None]) -> None:
        """`clock`: seconds that only grow. `tell` gets the newest reason, and how many were refused since last told."""
        self._clock = clock
        self._tell = tell
        self._count = 0
        self._told_count = 0
        self._told_s = -TELL_EVERY_S + clock()

    @property
    def count(self) -> int:
        """How many since the start."""
        return self._count

    def add(self, reason: str) -> None:
        """One more."""
        self._count += 1
        now_s = self._clock()
        if now_s - self._told_s >= TELL_EVERY_S:
            self._tell(reason, self._count - self._told_count)
            self._told_s, self._told_count = now_s, self._count
