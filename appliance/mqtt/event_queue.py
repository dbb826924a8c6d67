"""Events on their way to the broker, in order, until it has confirmed them.

This is the wall behind which a durable outbox may stand one day: whoever keeps events on disk keeps these five methods.
"""

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from appliance.errors import BrokerError

CAPACITY: Final = 2000
"""Events kept while the broker is away: about 150 turns of 13 events, under 1 MB."""

WINDOW: Final = 8
"""Events under way at once. Brokers may close the connection of a sender that exceeds what they announced; mosquitto
announces 20, others as few as 10, and availability, state and device messages need room beside the events."""

CHATTER: Final = frozenset(
    {
        "wake_near_missed",
        "speech_started",
        "speech_ended",
        "speaking_started",
        "speaking_ended",
        "state_changed",
        "turn_finished",
        "audio_problem",
        "audio_dropped",
        "load_shed",
    }
)
"""Types that go first when the queue is full: they tell how a turn went, not what was wanted, done or rung."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One publication."""

    topic: str
    payload: bytes
    qos: int
    retain: bool = False
    chatter: bool = False
    """Dropped before others when there is no room."""

    receipt: Future[None] | None = None
    """Of QoS 1 where somebody waits for the broker's confirmation; fails with BrokerError."""

    def answer(self, problem: str | None = None) -> None:
        """Tell who waits that the broker has it, or why that will never be known. At most once for each message."""
        if self.receipt is None:
            return
        if problem is None:
            self.receipt.set_result(None)
        else:
            self.receipt.set_exception(BrokerError(problem))


class EventQueue:
    """A bounded queue whose head stays until it is acknowledged.

    Two threads use it, one that puts and one that publishes; its lock is held for microseconds and never over I/O.
    """

    def __init__(self, *, capacity: int = CAPACITY, window: int = WINDOW) -> None:
        """`capacity`: events kept, under way or waiting. `window`: at most so many of them under way."""
        self._capacity = capacity
        self._window = window
        self._waiting: deque[Message] = deque()
        self._under_way: dict[int, Message] = {}
        self._taken = 0
        self._lock = threading.Lock()
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many events were lost for want of room."""
        return self._dropped

    def __len__(self) -> int:
        """Events not yet confirmed, under way or waiting."""
        with self._lock:
            return len(self._waiting) + len(self._under_way)

    def put(self, message: Message) -> None:
        """Append. When full, the oldest waiting chatter goes, or else the oldest waiting message."""
        with self._lock:
            self._waiting.append(message)
            if len(self._waiting) + len(self._under_way) > self._capacity:
                chatter = (index for index, waiting in enumerate(self._waiting) if waiting.chatter)
                del self._waiting[next(chatter, 0)]
                self._dropped += 1

    def take(self) -> tuple[int, Message] | None:
        """The next message to send and its ticket; None when nothing waits or enough is under way."""
        with self._lock:
            if not self._waiting or len(self._under_way) >= self._window:
                return None
            self._taken += 1
            self._under_way[self._taken] = self._waiting.popleft()
            return self._taken, self._under_way[self._taken]

    def acknowledge(self, ticket: int) -> None:
        """The broker has it: forget it. An unknown ticket is one that `rewind` took back."""
        with self._lock:
            self._under_way.pop(ticket, None)

    def rewind(self) -> None:
        """The connection is gone: what was not acknowledged is sent again, in its old order, before the rest."""
        with self._lock:
            self._waiting.extendleft(reversed(self._under_way.values()))
            self._under_way.clear()
