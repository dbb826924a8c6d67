"""The dialog: what the appliance does next. Pure: facts in; events and orders out; no clock, thread or device.

Everything that moves the state stands in `TABLE`: for each state and each kind of fact the handler that answers it and
the states it may lead to. A fact that is neither in the table nor in `IGNORED` for that state is a defect and raises.

A *session* is what a person experiences as one turn, from the wake word to idle. A *turn number* marks the utterance
that a result belongs to: a result of an utterance that was given up (a second wake word came) is recognized as stale.
Being hushed, muted or asked to listen may happen at any time, while the stop word counts only where it speaks or rings;
a timer that is over while something else goes on rings as soon as that is done. Where nothing goes on the dialog
*rests*: idle, or muted while the microphone is off; texts are said and timers ring in both.
"""

from collections.abc import Callable
from typing import Any

from appliance.dialog_handlers import Handlers
from appliance.errors import ApplianceError
from appliance.events import Event, State
from appliance.facts import (
    Acted,
    AskedToListen,
    AskedToMute,
    AskedToSay,
    AskedToStop,
    CommandBegan,
    CommandEnded,
    Fact,
    Foreseen,
    Order,
    PartlyHeard,
    PlaybackEnded,
    PlaybackStarted,
    Rang,
    RingTimedOut,
    StageFailed,
    StopHeard,
    TurnTimedOut,
    Understood,
    WakeDisowned,
    Woken,
    Yielded,
)


class DialogError(ApplianceError):
    """A fact came in a state that has no rule for it: a defect of this program."""


class Dialog(Handlers):
    """One conversation partner. Feed facts to `step` in the order in which they happen."""

    def step(self, fact: Fact) -> list[Event | Order]:
        """Take one fact; return what follows from it, in order.

        Raises:
            DialogError: there is no rule for this fact in this state, which is then untouched; or, a defect of
                `TABLE`, the fact led to a state that its rule does not name.
        """
        rule = TABLE.get((self.state, type(fact)))
        if rule is None:
            if type(fact) in IGNORED[self.state]:
                return []
            raise DialogError(f"{type(fact).__name__} in state {self.state}: no rule")
        handler, targets = rule
        self._out = []
        target = handler(self, fact)
        if target not in targets:
            raise DialogError(f"{type(fact).__name__} in state {self.state}: may not lead to {target}")
        return self._out


_AFTER = (State.IDLE, State.RINGING, State.SPEAKING)
"""Where the end of a turn leads: to rest, unless a timer or a text waits."""

Handler = Callable[[Dialog, Any], State]

TABLE: dict[tuple[State, type], tuple[Handler, tuple[State, ...]]] = {
    (State.IDLE, Woken): (Handlers._wake, (State.LISTENING,)),
    (State.IDLE, Acted): (Handlers._acted, (State.IDLE,)),
    (State.IDLE, PlaybackStarted): (Handlers._playing, (State.SPEAKING,)),
    (State.IDLE, Rang): (Handlers._rang, (State.RINGING,)),
    (State.IDLE, RingTimedOut): (Handlers._ring_over, (State.IDLE,)),
    (State.IDLE, AskedToSay): (Handlers._asked_to_say, (State.SPEAKING,)),
    (State.IDLE, AskedToListen): (Handlers._asked_to_listen, (State.LISTENING,)),
    (State.IDLE, AskedToStop): (Handlers._asked_to_stop, (State.IDLE,)),
    (State.IDLE, AskedToMute): (Handlers._asked_to_mute, (State.IDLE, State.MUTED)),
    (State.IDLE, WakeDisowned): (Handlers._wake_disowned, (State.IDLE,)),
    (State.IDLE, StageFailed): (Handlers._stage_failed, (State.IDLE,)),
    (State.LISTENING, Yielded): (Handlers._yielded, (State.LISTENING, *_AFTER)),
    (State.LISTENING, CommandBegan): (Handlers._began, (State.LISTENING,)),
    (State.LISTENING, PartlyHeard): (Handlers._partly, (State.LISTENING,)),
    (State.LISTENING, Foreseen): (Handlers._foreseen, (State.LISTENING,)),
    (State.LISTENING, CommandEnded): (Handlers._ended, (State.THINKING, *_AFTER)),
    (State.LISTENING, Acted): (Handlers._acted, (State.LISTENING,)),
    (State.LISTENING, Rang): (Handlers._rang, (State.LISTENING,)),
    (State.LISTENING, RingTimedOut): (Handlers._ring_over, (State.LISTENING,)),
    (State.LISTENING, AskedToSay): (Handlers._asked_to_say, (State.LISTENING,)),
    (State.LISTENING, AskedToListen): (Handlers._asked_to_listen, (State.LISTENING,)),
    (State.LISTENING, AskedToStop): (Handlers._asked_to_stop, (State.IDLE,)),
    (State.LISTENING, AskedToMute): (Handlers._asked_to_mute, (State.LISTENING, State.MUTED)),
    (State.LISTENING, WakeDisowned): (Handlers._wake_disowned, (State.LISTENING, *_AFTER)),
    (State.LISTENING, StageFailed): (Handlers._stage_failed, (State.LISTENING,)),
    (State.LISTENING, TurnTimedOut): (Handlers._timed_out, (State.SPEAKING,)),
    (State.FOLLOWING_UP, Woken): (Handlers._wake, (State.LISTENING,)),
    (State.FOLLOWING_UP, CommandBegan): (Handlers._began, (State.FOLLOWING_UP,)),
    (State.FOLLOWING_UP, PartlyHeard): (Handlers._partly, (State.FOLLOWING_UP,)),
    (State.FOLLOWING_UP, Foreseen): (Handlers._foreseen, (State.FOLLOWING_UP,)),
    (State.FOLLOWING_UP, CommandEnded): (Handlers._ended, (State.THINKING, *_AFTER)),
    (State.FOLLOWING_UP, Acted): (Handlers._acted, (State.FOLLOWING_UP,)),
    (State.FOLLOWING_UP, Rang): (Handlers._rang, (State.FOLLOWING_UP,)),
    (State.FOLLOWING_UP, RingTimedOut): (Handlers._ring_over, (State.FOLLOWING_UP,)),
    (State.FOLLOWING_UP, AskedToSay): (Handlers._asked_to_say, (State.FOLLOWING_UP,)),
    (State.FOLLOWING_UP, AskedToListen): (Handlers._asked_to_listen, (State.LISTENING,)),
    (State.FOLLOWING_UP, AskedToStop): (Handlers._asked_to_stop, (State.IDLE,)),
    (State.FOLLOWING_UP, AskedToMute): (Handlers._asked_to_mute, (State.FOLLOWING_UP, State.MUTED)),
    (State.FOLLOWING_UP, WakeDisowned): (Handlers._wake_disowned, (State.FOLLOWING_UP, *_AFTER)),
    (State.FOLLOWING_UP, StageFailed): (Handlers._stage_failed, (State.FOLLOWING_UP,)),
    (State.FOLLOWING_UP, TurnTimedOut): (Handlers._timed_out, (State.SPEAKING,)),
    (State.THINKING, Woken): (Handlers._wake, (State.LISTENING,)),
    (State.THINKING, Understood): (Handlers._understood, (State.THINKING, *_AFTER)),
    (State.THINKING, Acted): (Handlers._acted, (State.THINKING, *_AFTER)),
    (State.THINKING, Rang): (Handlers._rang, (State.THINKING,)),
    (State.THINKING, RingTimedOut): (Handlers._ring_over, (State.THINKING,)),
    (State.THINKING, AskedToSay): (Handlers._asked_to_say, (State.THINKING,)),
    (State.THINKING, AskedToListen): (Handlers._asked_to_listen, (State.LISTENING,)),
    (State.THINKING, AskedToStop): (Handlers._asked_to_stop, (State.IDLE,)),
    (State.THINKING, AskedToMute): (Handlers._asked_to_mute, (State.THINKING, State.MUTED)),
    (State.THINKING, WakeDisowned): (Handlers._wake_disowned, (State.THINKING, *_AFTER)),
    (State.THINKING, StageFailed): (Handlers._stage_failed, (State.THINKING, State.SPEAKING)),
    (State.THINKING, TurnTimedOut): (Handlers._timed_out, (State.SPEAKING,)),
    (State.SPEAKING, Woken): (Handlers._wake, (State.LISTENING, State.SPEAKING)),
    (State.SPEAKING, StopHeard): (Handlers._stop_heard, (State.IDLE, State.SPEAKING)),
    (State.SPEAKING, Acted): (Handlers._acted, (State.SPEAKING,)),
    (State.SPEAKING, PlaybackStarted): (Handlers._playing, (State.SPEAKING,)),
    (State.SPEAKING, PlaybackEnded): (Handlers._played, (*_AFTER, State.FOLLOWING_UP, State.MUTED)),
    (State.SPEAKING, Rang): (Handlers._rang, (State.SPEAKING,)),
    (State.SPEAKING, RingTimedOut): (Handlers._ring_over, (State.SPEAKING,)),
    (State.SPEAKING, AskedToSay): (Handlers._asked_to_say, (State.SPEAKING,)),
    (State.SPEAKING, AskedToListen): (Handlers._asked_to_listen, (State.LISTENING, State.SPEAKING)),
    (State.SPEAKING, AskedToStop): (Handlers._asked_to_stop, (State.IDLE, State.MUTED)),
    (State.SPEAKING, AskedToMute): (Handlers._asked_to_mute, (State.SPEAKING, State.MUTED)),
    (State.SPEAKING, WakeDisowned): (Handlers._wake_disowned, _AFTER),
    (State.SPEAKING, StageFailed): (Handlers._stage_failed, (State.SPEAKING,)),
    (State.RINGING, Woken): (Handlers._wake, (State.LISTENING, State.RINGING)),
    (State.RINGING, StopHeard): (Handlers._stop_heard, (State.IDLE, State.RINGING)),
    (State.RINGING, Acted): (Handlers._acted, (State.RINGING, State.IDLE, State.MUTED, State.SPEAKING)),
    (State.RINGING, Rang): (Handlers._rang, (State.RINGING,)),
    (State.RINGING, RingTimedOut): (Handlers._ring_over, (State.IDLE, State.MUTED, State.SPEAKING)),
    (State.RINGING, AskedToSay): (Handlers._asked_to_say, (State.RINGING,)),
    (State.RINGING, AskedToListen): (Handlers._asked_to_listen, (State.LISTENING, State.RINGING)),
    (State.RINGING, AskedToStop): (Handlers._asked_to_stop, (State.IDLE, State.MUTED)),
    (State.RINGING, AskedToMute): (Handlers._asked_to_mute, (State.RINGING, State.MUTED)),
    (State.RINGING, WakeDisowned): (Handlers._wake_disowned, (State.RINGING,)),
    (State.RINGING, StageFailed): (Handlers._stage_failed, (State.RINGING,)),
    (State.MUTED, Acted): (Handlers._acted, (State.MUTED,)),
    (State.MUTED, PlaybackStarted): (Handlers._playing, (State.SPEAKING,)),
    (State.MUTED, Rang): (Handlers._rang, (State.RINGING,)),
    (State.MUTED, RingTimedOut): (Handlers._ring_over, (State.MUTED,)),
    (State.MUTED, AskedToSay): (Handlers._asked_to_say, (State.SPEAKING,)),
    (State.MUTED, AskedToStop): (Handlers._asked_to_stop, (State.MUTED,)),
    (State.MUTED, AskedToMute): (Handlers._asked_to_mute, (State.MUTED, State.IDLE)),
    (State.MUTED, WakeDisowned): (Handlers._wake_disowned, (State.MUTED,)),
    (State.MUTED, StageFailed): (Handlers._stage_failed, (State.MUTED,)),
}
"""The specification: (state, kind of fact) -> (handler, the states it may lead to)."""

_LATE = frozenset(
    {
        *(PartlyHeard, Foreseen, Understood, CommandBegan, CommandEnded, PlaybackStarted, PlaybackEnded),
        *(TurnTimedOut, Yielded),
    }
)
"""Results that may come after the dialog has moved on: what they belong to is over."""

IGNORED: dict[State, frozenset[type]] = {
    State.IDLE: _LATE - {PlaybackStarted} | {StopHeard},
    # The recognizer hears the wake word, too, and takes what follows the last one for the command.
    State.LISTENING: _LATE - {PartlyHeard, Foreseen, CommandBegan, CommandEnded, TurnTimedOut, Yielded}
    | {Woken, StopHeard},
    State.THINKING: _LATE - {Understood, TurnTimedOut} | {StopHeard},
    State.SPEAKING: _LATE.difference((PlaybackStarted, PlaybackEnded)),
    State.RINGING: _LATE,
    State.FOLLOWING_UP: _LATE - {PartlyHeard, Foreseen, CommandBegan, CommandEnded, TurnTimedOut} | {StopHeard},
    State.MUTED: _LATE - {PlaybackStarted} | {Woken, StopHeard, AskedToListen},
}
"""Facts without a rule that are nevertheless in order, for each state."""
