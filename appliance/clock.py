"""What time it is for timers and answers: the wall clock, or the frames of a replay."""

from datetime import datetime, timedelta
from typing import Protocol

from appliance.audio.format import FRAME_MS


class Clock(Protocol):
    """Gives the local time, with its zone, at a frame."""

    def now(self, frame: int) -> datetime:
        """The time at this frame."""


class SystemClock:
    """The machine's clock and zone."""

    def now(self, frame: int) -> datetime:
        return datetime.now().astimezone()


class FrameClock:
    """A clock that starts at a given time and advances with the frames: the same input gives the same times."""

    def __init__(self, start: datetime) -> None:
        """`start` must carry a zone."""
        self._start = start

    def now(self, frame: int) -> datetime:
        return self._start + timedelta(milliseconds=FRAME_MS * frame)
