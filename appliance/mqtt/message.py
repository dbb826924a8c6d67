"""One publication, and which ones are kept longest when there is no room."""

from concurrent.futures import Future
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from appliance.errors import BrokerError


class Rank(IntEnum):
    """What goes first when events must go: the lowest rank, and of that the oldest."""

    CHATTER = 0
    """How a turn went, moment by moment."""

    ORDINARY = 1

    LASTING = 2
    """What was wanted and done, what rang, what failed."""


CHATTER: Final = frozenset(
    {
        "wake_near_missed",
        "speech_started",
        "speech_ended",
        "speaking_started",
        "speaking_ended",
        "state_changed",
        "audio_problem",
        "audio_dropped",
        "load_shed",
    }
)

LASTING: Final = frozenset(
    {
        "intent_recognized",
        "action_done",
        "turn_finished",
        "timer_set",
        "timer_fired",
        "timer_cancelled",
        "alarm_set",
        "alarm_fired",
        "alarm_cancelled",
        "microphone_lost",
        "microphone_restored",
        "failed",
    }
)


def rank_of(kind: str) -> Rank:
    """The rank of events of one type."""
    if kind in CHATTER:
        return Rank.CHATTER
    return Rank.LASTING if kind in LASTING else Rank.ORDINARY


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One publication."""

    topic: str
    payload: bytes
    qos: int
    retain: bool = False
    rank: Rank = Rank.ORDINARY
    """Of events: see `Rank`."""

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
