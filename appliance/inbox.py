"""The frame loop's one inbox."""

import queue
from collections.abc import Callable

from appliance.errors import ApplianceError
from appliance.facts import Fact, StageFailed

Result = Callable[[int], Fact | None]
"""Called by the loop with the index of the frame; what it returns is a fact for the dialog, None: it is done."""

Post = Callable[[Result], None]
"""Puts something into the loop's inbox, from any thread."""


class Inbox:
    """Workers and remote commands put in, the loop takes out once a frame.

    Unbounded by itself; it is filled only by the bounded workers and by the rate-limited command topic.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Result] = queue.SimpleQueue()

    def post(self, result: Result) -> None:
        """From any thread."""
        self._queue.put(result)

    def take(self) -> Result | None:
        """The oldest result, or None."""
        try:
            return self._queue.get_nowait()
        except queue.Empty:
            return None

    def failed(self, stage: str, error: Exception) -> None:
        """From a worker's thread: one of its jobs raised."""
        self.post(lambda frame: StageFailed(frame=frame, stage=stage, error=one_line(error)))


def one_line(error: BaseException) -> str:
    """An error as one line for an event: its sentence, or its kind and text where it is not one of ours."""
    text = " ".join(str(error).split())[:300]
    return text if isinstance(error, ApplianceError) else f"{type(error).__name__}: {text}"
