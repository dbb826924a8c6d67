"""What time it is: the machine's clocks, or the frames of a replay.

The wall clock answers what time it is, and steps whenever somebody corrects it: a machine without a clock chip wakes up
in the past until it reaches a time server. The steady clock only counts on, so lengths of time are measured by it.
"""

import time
from datetime import datetime, timedelta
from typing import Protocol

from appliance.audio.format import FRAME_MS


class Clock(Protocol):
    """Gives the time at a frame, in both senses."""

    def now(self, frame: int) -> datetime:
        """The local time at this frame, with its zone. It may step, forwards and backwards."""

    def steady_s(self, frame: int) -> float:
        """Seconds at this frame since a moment that means nothing. They never step and never go back."""


class SystemClock:
    """The machine's clocks and zone."""

    def now(self, frame: int) -> datetime:
        return datetime.now().astimezone()

    def steady_s(self, frame: int) -> float:
        return time.monotonic()


class FrameClock:
    """A clock that starts at a given time and advances with the frames: the same input gives the same times."""

    def __init__(self, start: datetime) -> None:
        """`start` must carry a zone."""
        self._start = start

    def now(self, frame: int) -> datetime:
        return self._start + timedelta(milliseconds=FRAME_MS * frame)

    def steady_s(self, frame: int) -> float:
        return FRAME_MS * frame / 1000
