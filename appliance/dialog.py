"""The dialog: what the appliance does next. Pure: facts in; events and orders out; no clock, thread or device.

Everything that moves the state stands in `TABLE`: for each state and each kind of fact the handler that answers it and
the states it may lead to. A fact that is neither in the table nor in `IGNORED` for that state is a defect and raises.

A *session* is what a person experiences as one turn, from the wake word to idle. A *turn number* marks the utterance
that a result belongs to: a result of an utterance that was given up (a second wake word came) is recognized as stale.
Being hushed, muted or asked to listen may happen at any time; a timer that is over while something else goes on rings
as soon as that is done. Where nothing goes on the dialog *rests*: idle, or muted while the microphone is off; texts are
said and timers ring in both.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from appliance.audio.format import frames_of_ms
from appliance.errors import ApplianceError
from appliance.events import (
    ActionDone,
    Event,
    Failed,
    IntentRecognized,
    IntentRejected,
    LoadShed,
    PartialTranscript,
    ReplyGiven,
    SpeakingEnded,
    SpeakingStarted,
    SpeechEnded,
    SpeechStarted,
    State,
    StateChanged,
    TimerFired,
    TranscriptReady,
    WakeDetected,
)
from appliance.facts import (
    Act,
    Acted,
    AskedToListen,
    AskedToMute,
    AskedToSay,
    AskedToStop,
    CommandBegan,
    CommandEnded,
    Fact,
    Hush,
    Listen,
    Order,
    PartlyHeard,
    PlaybackEnded,
    PlaybackStarted,
    Rang,
    Recognize,
    Ring,
    RingTimedOut,
    Say,
    StageFailed,
    StopListening,
    TurnTimedOut,
    Understood,
    Woken,
)
from appliance.marks import Marks

PRE_ROLL_FRAMES = frames_of_ms(1500)
"""The recognizer hears so much before the detection: the whole wake word, which engines detect at most 0.3 s after its
end and which rarely lasts longer than 1.2 s."""

MAX_WAITING_TEXTS = 8
"""Texts that others want spoken while the appliance is busy; more are refused, and the refusal is told."""

AWAITED_STAGES = frozenset({"recognition", "action"})
"""Workers whose result the state `thinking` waits for. Another's failure, as of the voice, does not end a turn."""


class DialogError(ApplianceError):
    """A fact came in a state that has no rule for it: a defect of this program."""


class Dialog:
    """One conversation partner. Feed facts to `step` in the order in which they happen."""

    def __init__(self, *, apology: str) -> None:
        """`apology` is said when an utterance was not understood, or its action failed without a word."""
        self.state = State.IDLE
        self.session: int | None = None
        self._apology = apology
        self._rest = State.IDLE
        self._sessions = 0
        self._turn = 0
        self._marks = Marks()
        self._last_reply: str | None = None
        self._ringing: tuple[str, ...] = ()
        self._waiting: tuple[str, ...] = ()
        self._out: list[Event | Order] = []

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

    @property
    def turn(self) -> int:
        """Number of the current utterance."""
        return self._turn

    @property
    def muted(self) -> bool:
        """The microphone is off: no wake word counts, whatever is said or rings meanwhile."""
        return self._rest is State.MUTED

    def in_session(self, event: Event) -> Event:
        """An event of a stage, stamped with the current session."""
        return msgspec.structs.replace(event, session=self.session)

    # What the handlers have in common.

    def _emit(self, event: Event) -> None:
        self._out.append(self.in_session(event))

    def _order(self, order: Order) -> None:
        self._out.append(order)

    def _go(self, to: State, frame: int) -> State:
        if to is not self.state:
            self._emit(StateChanged(frame=frame, from_=self.state, to=to))
            self.state = to
        return to

    def _listen(self, frame: int, word_end: int | None) -> State:
        """Open the microphone for a command, as a new turn of the session."""
        self._turn += 1
        self._marks = Marks(woken=frame, word_end=word_end)
        pre_roll = PRE_ROLL_FRAMES if word_end is not None else 0
        self._order(Listen(turn=self._turn, from_frame=max(0, frame - pre_roll), at_frame=frame))
        return self._go(State.LISTENING, frame)

    def _open_session(self) -> None:
        self._sessions += 1
        self.session = self._sessions

    def _answer(self, text: str, frame: int) -> State:
        self._last_reply = text
        self._emit(ReplyGiven(frame=frame, text=text))
        self._order(Say(text))
        return self._go(State.SPEAKING, frame)

    def _finish(self, frame: int) -> State:
        """End the session; speak or ring if something waits, else rest."""
        if self.session is not None:
            self._emit(self._marks.times(frame))
        if self._waiting:
            text, self._waiting = self._waiting[0], self._waiting[1:]
            self.session = None
            return self._answer(text, frame)
        if self._ringing:
            self._order(Ring())
        self._go(State.RINGING if self._ringing else self._rest, frame)
        self.session = None
        return self.state

    # Handlers: one for each kind of fact, shared by the states where it means the same.

    def _wake(self, fact: Woken) -> State:
        if self.muted:
            return self.state
        self._leave(fact.frame)
        self._open_session()
        self._emit(WakeDetected(frame=fact.frame, word=fact.word, engine=fact.engine, score=fact.score))
        return self._listen(fact.frame, fact.word_end)

    def _asked_to_listen(self, fact: AskedToListen) -> State:
        if self.muted:
            return self.state
        self._leave(fact.frame)
        if self.state is not State.LISTENING:
            self._open_session()
        return self._listen(fact.frame, None)

    def _leave(self, frame: int) -> None:
        """Give up what is going on, so that something else can begin; a session that listens goes on to listen."""
        if self.state in (State.SPEAKING, State.RINGING):
            self._order(Hush())
        if self.state is State.SPEAKING:
            self._emit(SpeakingEnded(frame=frame, reason="interrupted"))
        if self.state is State.LISTENING and self._marks.began is not None:
            self._emit(SpeechEnded(frame=frame, reason="cancelled"))
        if self.state is not State.LISTENING and self.session is not None:
            self._emit(self._marks.times(frame))

    def _settle(self, frame: int) -> State:
        """Give up everything, also what waits, and rest."""
        self._leave(frame)
        if self.state is State.LISTENING:
            self._order(StopListening())
            self._emit(self._marks.times(frame))
        self._ringing = self._waiting = ()
        self._go(self._rest, frame)
        self.session = None
        return self.state

    def _began(self, fact: CommandBegan) -> State:
        self._marks.began = fact.frame
        self._emit(SpeechStarted(frame=fact.frame))
        return self.state

    def _partly(self, fact: PartlyHeard) -> State:
        if fact.turn == self._turn:
            self._emit(PartialTranscript(frame=fact.frame, text=fact.text))
        return self.state

    def _ended(self, fact: CommandEnded) -> State:
        self._marks.ended = fact.frame
        if fact.reason == "no_speech":
            self._order(StopListening())
            self._emit(IntentRejected(frame=fact.frame, text=None, reason="no_speech"))
            return self._finish(fact.frame)
        self._marks.last_speech = fact.last_speech
        self._emit(SpeechEnded(frame=fact.frame, reason="too_long" if fact.reason == "too_long" else "silence"))
        self._order(Recognize(self._turn))
        return self._go(State.THINKING, fact.frame)

    def _understood(self, fact: Understood) -> State:
        if fact.turn != self._turn:
            return self.state
        self._marks.understood = fact.frame
        if not fact.text:
            self._emit(IntentRejected(frame=fact.frame, text=None, reason="no_speech"))
            return self._finish(fact.frame)
        self._emit(TranscriptReady(frame=fact.frame, text=fact.text))
        if fact.intent is None:
            rejected = IntentRejected(
                frame=fact.frame, text=fact.text, reason="not_understood", nearest=fact.nearest, score=fact.score
            )
            self._emit(rejected)
            return self._answer(self._apology, fact.frame)
        intent = fact.intent
        recognized = IntentRecognized(
            frame=fact.frame,
            intent=intent.name,
            slots=intent.slots,
            values=intent.values,
            text=fact.text,
            decision="act",
        )
        self._emit(recognized)
        self._order(Act(turn=self._turn, session=self.session, intent=intent, last_reply=self._last_reply))
        return self.state

    def _acted(self, fact: Acted) -> State:
        """What was done is told even when its turn was given up; the answer belongs to its turn only."""
        outcome = fact.outcome
        self._out.append(
            ActionDone(
                frame=fact.frame,
                session=fact.session,
                intent=fact.intent.name,
                ok=outcome.ok,
                detail=outcome.detail,
                dry_run=fact.dry_run,
            )
        )
        if outcome.ends:
            self._ringing = ()
            if self.state is State.RINGING:
                self._order(Hush())
                return self._finish(fact.frame)
        if self.state is not State.THINKING or fact.turn != self._turn:
            return self.state
        self._marks.acted = fact.frame
        reply = outcome.reply or (None if outcome.ok else self._apology)
        return self._answer(reply, fact.frame) if reply else self._finish(fact.frame)

    def _playing(self, fact: PlaybackStarted) -> State:
        if self._marks.first_audio is None:
            self._marks.first_audio = fact.frame
        self._emit(SpeakingStarted(frame=fact.frame))
        return self._go(State.SPEAKING, fact.frame)

    def _played(self, fact: PlaybackEnded) -> State:
        self._emit(SpeakingEnded(frame=fact.frame, reason="failed" if fact.failed else "done"))
        return self._finish(fact.frame)

    def _rang(self, fact: Rang) -> State:
        self._emit(TimerFired(frame=fact.frame, timer=fact.timer, label=fact.label, due=fact.due))
        self._ringing = (*self._ringing, fact.timer)
        if self.state is self._rest:
            self._order(Ring())
            return self._go(State.RINGING, fact.frame)
        return self.state

    def _ring_over(self, fact: RingTimedOut) -> State:
        self._ringing = ()
        if self.state is not State.RINGING:
            return self.state
        self._order(Hush())
        return self._finish(fact.frame)

    def _stage_failed(self, fact: StageFailed) -> State:
        """Nobody waits for a result that will not come."""
        self._emit(Failed(frame=fact.frame, stage=fact.stage, error=fact.error))
        awaited = self.state is State.THINKING and fact.stage in AWAITED_STAGES
        return self._answer(self._apology, fact.frame) if awaited else self.state

    def _timed_out(self, fact: TurnTimedOut) -> State:
        """Whatever hangs: the turn ends, and the person is told."""
        self._emit(Failed(frame=fact.frame, stage="turn", error=f"no result while {self.state}"))
        if self.state is State.LISTENING:
            self._order(StopListening())
        return self._answer(self._apology, fact.frame)

    def _asked_to_say(self, fact: AskedToSay) -> State:
        if self.state is self._rest:
            return self._answer(fact.text, fact.frame)
        if len(self._waiting) < MAX_WAITING_TEXTS:
            self._waiting = (*self._waiting, fact.text)
        else:
            self._emit(LoadShed(frame=fact.frame, what="say: too many texts wait to be spoken", since=fact.frame))
        return self.state

    def _asked_to_stop(self, fact: AskedToStop) -> State:
        return self._settle(fact.frame)

    def _asked_to_mute(self, fact: AskedToMute) -> State:
        if fact.on == self.muted:
            return self.state
        if fact.on:
            self._rest = State.MUTED
            return self._settle(fact.frame)
        self._rest = State.IDLE
        return self._go(State.IDLE, fact.frame) if self.state is State.MUTED else self.state


_AFTER = (State.IDLE, State.RINGING, State.SPEAKING)
"""Where the end of a turn leads: to rest, unless a timer or a text waits."""

Handler = Callable[[Dialog, Any], State]

TABLE: dict[tuple[State, type], tuple[Handler, tuple[State, ...]]] = {
    (State.IDLE, Woken): (Dialog._wake, (State.LISTENING,)),
    (State.IDLE, Acted): (Dialog._acted, (State.IDLE,)),
    (State.IDLE, PlaybackStarted): (Dialog._playing, (State.SPEAKING,)),
    (State.IDLE, Rang): (Dialog._rang, (State.RINGING,)),
    (State.IDLE, RingTimedOut): (Dialog._ring_over, (State.IDLE,)),
    (State.IDLE, AskedToSay): (Dialog._asked_to_say, (State.SPEAKING,)),
    (State.IDLE, AskedToListen): (Dialog._asked_to_listen, (State.LISTENING,)),
    (State.IDLE, AskedToStop): (Dialog._asked_to_stop, (State.IDLE,)),
    (State.IDLE, AskedToMute): (Dialog._asked_to_mute, (State.IDLE, State.MUTED)),
    (State.IDLE, StageFailed): (Dialog._stage_failed, (State.IDLE,)),
    (State.LISTENING, CommandBegan): (Dialog._began, (State.LISTENING,)),
    (State.LISTENING, PartlyHeard): (Dialog._partly, (State.LISTENING,)),
    (State.LISTENING, CommandEnded): (Dialog._ended, (State.THINKING, *_AFTER)),
    (State.LISTENING, Acted): (Dialog._acted, (State.LISTENING,)),
    (State.LISTENING, Rang): (Dialog._rang, (State.LISTENING,)),
    (State.LISTENING, RingTimedOut): (Dialog._ring_over, (State.LISTENING,)),
    (State.LISTENING, AskedToSay): (Dialog._asked_to_say, (State.LISTENING,)),
    (State.LISTENING, AskedToListen): (Dialog._asked_to_listen, (State.LISTENING,)),
    (State.LISTENING, AskedToStop): (Dialog._asked_to_stop, (State.IDLE,)),
    (State.LISTENING, AskedToMute): (Dialog._asked_to_mute, (State.LISTENING, State.MUTED)),
    (State.LISTENING, StageFailed): (Dialog._stage_failed, (State.LISTENING,)),
    (State.LISTENING, TurnTimedOut): (Dialog._timed_out, (State.SPEAKING,)),
    (State.THINKING, Woken): (Dialog._wake, (State.LISTENING,)),
    (State.THINKING, Understood): (Dialog._understood, (State.THINKING, *_AFTER)),
    (State.THINKING, Acted): (Dialog._acted, (State.THINKING, *_AFTER)),
    (State.THINKING, Rang): (Dialog._rang, (State.THINKING,)),
    (State.THINKING, RingTimedOut): (Dialog._ring_over, (State.THINKING,)),
    (State.THINKING, AskedToSay): (Dialog._asked_to_say, (State.THINKING,)),
    (State.THINKING, AskedToListen): (Dialog._asked_to_listen, (State.LISTENING,)),
    (State.THINKING, AskedToStop): (Dialog._asked_to_stop, (State.IDLE,)),
    (State.THINKING, AskedToMute): (Dialog._asked_to_mute, (State.THINKING, State.MUTED)),
    (State.THINKING, StageFailed): (Dialog._stage_failed, (State.THINKING, State.SPEAKING)),
    (State.THINKING, TurnTimedOut): (Dialog._timed_out, (State.SPEAKING,)),
    (State.SPEAKING, Woken): (Dialog._wake, (State.LISTENING, State.SPEAKING)),
    (State.SPEAKING, Acted): (Dialog._acted, (State.SPEAKING,)),
    (State.SPEAKING, PlaybackStarted): (Dialog._playing, (State.SPEAKING,)),
    (State.SPEAKING, PlaybackEnded): (Dialog._played, (*_AFTER, State.MUTED)),
    (State.SPEAKING, Rang): (Dialog._rang, (State.SPEAKING,)),
    (State.SPEAKING, RingTimedOut): (Dialog._ring_over, (State.SPEAKING,)),
    (State.SPEAKING, AskedToSay): (Dialog._asked_to_say, (State.SPEAKING,)),
    (State.SPEAKING, AskedToListen): (Dialog._asked_to_listen, (State.LISTENING, State.SPEAKING)),
    (State.SPEAKING, AskedToStop): (Dialog._asked_to_stop, (State.IDLE, State.MUTED)),
    (State.SPEAKING, AskedToMute): (Dialog._asked_to_mute, (State.SPEAKING, State.MUTED)),
    (State.SPEAKING, StageFailed): (Dialog._stage_failed, (State.SPEAKING,)),
    (State.RINGING, Woken): (Dialog._wake, (State.LISTENING, State.RINGING)),
    (State.RINGING, Acted): (Dialog._acted, (State.RINGING, State.IDLE, State.MUTED, State.SPEAKING)),
    (State.RINGING, Rang): (Dialog._rang, (State.RINGING,)),
    (State.RINGING, RingTimedOut): (Dialog._ring_over, (State.IDLE, State.MUTED, State.SPEAKING)),
    (State.RINGING, AskedToSay): (Dialog._asked_to_say, (State.RINGING,)),
    (State.RINGING, AskedToListen): (Dialog._asked_to_listen, (State.LISTENING, State.RINGING)),
    (State.RINGING, AskedToStop): (Dialog._asked_to_stop, (State.IDLE, State.MUTED)),
    (State.RINGING, AskedToMute): (Dialog._asked_to_mute, (State.RINGING, State.MUTED)),
    (State.RINGING, StageFailed): (Dialog._stage_failed, (State.RINGING,)),
    (State.MUTED, Acted): (Dialog._acted, (State.MUTED,)),
    (State.MUTED, PlaybackStarted): (Dialog._playing, (State.SPEAKING,)),
    (State.MUTED, Rang): (Dialog._rang, (State.RINGING,)),
    (State.MUTED, RingTimedOut): (Dialog._ring_over, (State.MUTED,)),
    (State.MUTED, AskedToSay): (Dialog._asked_to_say, (State.SPEAKING,)),
    (State.MUTED, AskedToStop): (Dialog._asked_to_stop, (State.MUTED,)),
    (State.MUTED, AskedToMute): (Dialog._asked_to_mute, (State.MUTED, State.IDLE)),
    (State.MUTED, StageFailed): (Dialog._stage_failed, (State.MUTED,)),
}
"""The specification: (state, kind of fact) -> (handler, the states it may lead to)."""

_LATE = frozenset({PartlyHeard, Understood, CommandBegan, CommandEnded, PlaybackStarted, PlaybackEnded, TurnTimedOut})
"""Results that may come after the dialog has moved on: what they belong to is over."""

IGNORED: dict[State, frozenset[type]] = {
    State.IDLE: _LATE - {PlaybackStarted},
    # The recognizer hears the wake word, too, and takes what follows the last one for the command.
    State.LISTENING: _LATE - {PartlyHeard, CommandBegan, CommandEnded, TurnTimedOut} | {Woken},
    State.THINKING: _LATE - {Understood, TurnTimedOut},
    State.SPEAKING: _LATE - {PlaybackStarted, PlaybackEnded},
    State.RINGING: _LATE,
    State.FOLLOWING_UP: frozenset(),
    State.MUTED: _LATE - {PlaybackStarted} | {Woken, AskedToListen},
}
"""Facts without a rule that are nevertheless in order, for each state."""
