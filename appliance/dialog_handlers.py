"""What each fact does in the dialog: the handlers behind the table of `dialog.py`."""

from typing import Literal

import msgspec

from appliance.audio.format import frames_of_ms
from appliance.events import (
    ActionDone,
    AlarmFired,
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
    StopDetected,
    TimerFired,
    TranscriptReady,
    WakeDetected,
    WakeYielded,
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
    Foreseen,
    Hush,
    Listen,
    Order,
    PartlyHeard,
    PlaybackEnded,
    PlaybackStarted,
    Prepare,
    Rang,
    Recognize,
    Ring,
    RingTimedOut,
    Say,
    StageFailed,
    StopHeard,
    StopListening,
    TurnTimedOut,
    Understood,
    WakeDisowned,
    Woken,
    Yielded,
)
from appliance.intent import Intent
from appliance.marks import Marks
from appliance.wakes import Wakes

PRE_ROLL_FRAMES = frames_of_ms(1500)
"""The recognizer hears so much before the detection: the whole wake word, which engines detect at most 0.3 s after its
end and which rarely lasts longer than 1.2 s."""

MAX_WAITING_TEXTS = 8
"""Texts that others want spoken while the appliance is busy; more are refused, and the refusal is told."""

AWAITED_STAGES = frozenset({"recognition", "action"})
"""Workers whose result the state `thinking` waits for. Another's failure, as of the voice, does not end a turn."""


class Handlers:
    """What the dialog remembers, and one method for each kind of fact; `dialog.py` says which applies in which state.

    A handler returns the state that it led to; what it emits and orders is gathered in `_out`.
    """

    def __init__(self, *, apology: str, follow_up_frames: int = 0) -> None:
        """`apology` is said when an utterance was not understood, or its action failed without a word.

        `follow_up_frames`: so long it listens after an answer for a further command; 0: not at all.
        """
        self.state = State.IDLE
        self.session: int | None = None
        self._apology = apology
        self._follow_up_frames = follow_up_frames
        self._rest = State.IDLE
        self._sessions = 0
        self._turn = 0
        self._marks = Marks()
        self._wakes = Wakes()
        self._last_reply: str | None = None
        self._done: Intent | None = None
        """What was done last."""

        self._unasked: int | None = None
        """Number of the turn that nobody asked for: it listens after an answer, in case something follows."""

        self._asked: Intent | None = None
        """What the question that is being asked, or answered, is about."""

        self._ringing: tuple[str, ...] = ()
        self._waiting: tuple[str, ...] = ()
        self._out: list[Event | Order] = []

    @property
    def rests(self) -> bool:
        """Nothing goes on: idle, or muted and silent."""
        return self.state is self._rest

    @property
    def sounds(self) -> bool:
        """It speaks or rings."""
        return self.state in (State.SPEAKING, State.RINGING)

    @property
    def listens(self) -> bool:
        """It takes in a command, or the answer to its question."""
        return self.state in (State.LISTENING, State.FOLLOWING_UP)

    def renew(self, *, apology: str, follow_up_frames: int) -> None:
        """Apologize in other words, and listen so long after an answer, from now on."""
        self._apology, self._follow_up_frames = apology, follow_up_frames

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
        woken = word_end is not None
        first = max(0, frame - PRE_ROLL_FRAMES) if woken else frame
        self._order(Listen(turn=self._turn, from_frame=first, at_frame=frame, after_wake=woken))
        return self._go(State.LISTENING, frame)

    def _open_session(self) -> None:
        self._asked = None
        self._sessions += 1
        self.session = self._sessions

    def _tell_times(self, frame: int) -> None:
        """The turn is over; that of a window in which nothing was done was none."""
        if self.session is not None and self._unasked != self._turn:
            self._emit(self._marks.times(frame))

    def _follow_up(self, frame: int) -> State:
        """Listen without a wake word: for the answer to a question, or in case something follows an answer."""
        self._turn += 1
        patience_frames = None
        if self._asked is None:
            self._unasked, patience_frames = self._turn, self._follow_up_frames
        self._marks = Marks(woken=frame)
        listen = Listen(
            turn=self._turn,
            from_frame=frame,
            at_frame=frame,
            after_wake=False,
            patience_frames=patience_frames,
            called=self._asked is not None,
            goes_on=True,
            last=self._done if self._asked is None else None,
        )
        self._order(listen)
        return self._go(State.FOLLOWING_UP, frame)

    def _answer(self, text: str, frame: int) -> State:
        self._last_reply, self._asked = text, None
        self._emit(ReplyGiven(frame=frame, text=text))
        self._order(Say(text))
        return self._go(State.SPEAKING, frame)

    def _finish(self, frame: int) -> State:
        """End the session; speak or ring if something waits, else rest."""
        self._asked = None
        self._tell_times(frame)
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
        if self.listens:
            self._tell_times(fact.frame)
        self._open_session()
        woken = WakeDetected(
            frame=fact.frame, session=self.session, word=fact.word, engine=fact.engine, score=fact.score
        )
        self._emit(woken)
        self._wakes.woke(woken)
        return self._listen(fact.frame, fact.word_end)

    def _yielded(self, fact: Yielded) -> State:
        """Somebody else answers; what was said to him is nothing to us."""
        if fact.turn != self._turn:
            return self.state
        if self._marks.began is not None:
            self._emit(SpeechEnded(frame=fact.frame, reason="cancelled"))
        self._order(StopListening())
        yielded = WakeYielded(
            frame=fact.frame, word=fact.word, to=fact.to, snr_db=fact.snr_db, other_snr_db=fact.other_snr_db
        )
        self._emit(yielded)
        self._unasked = self._turn
        return self._finish(fact.frame)

    def _asked_to_listen(self, fact: AskedToListen) -> State:
        if self.muted:
            return self.state
        self._leave(fact.frame)
        if not self.listens:
            self._open_session()
        return self._listen(fact.frame, None)

    def _leave(self, frame: int) -> None:
        """Give up what is going on, so that something else can begin; a session that listens goes on to listen."""
        self._break_off(frame)
        if not self.listens:
            self._tell_times(frame)

    def _break_off(self, frame: int) -> None:
        if self.sounds:
            self._order(Hush())
        if self.state is State.SPEAKING:
            self._emit(SpeakingEnded(frame=frame, reason="interrupted"))
        if self.listens and self._marks.began is not None:
            self._emit(SpeechEnded(frame=frame, reason="cancelled"))

    def _settle(self, frame: int) -> State:
        """Give up everything, also what waits, and rest."""
        self._leave(frame)
        if self.listens:
            self._order(StopListening())
            self._tell_times(frame)
        self._ringing = self._waiting = ()
        self._asked = None
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

    def _foreseen(self, fact: Foreseen) -> State:
        if fact.turn == self._turn:
            self._order(Prepare(self._act_of(fact.intent)))
        return self.state

    def _ended(self, fact: CommandEnded) -> State:
        self._marks.ended = fact.frame
        if fact.reason == "no_speech":
            self._order(StopListening())
            if self._unasked != self._turn:
                self._emit(IntentRejected(frame=fact.frame, text=None, reason="no_speech"))
            return self._finish(fact.frame)
        self._marks.last_speech = fact.last_speech
        self._emit(SpeechEnded(frame=fact.frame, reason=fact.reason))
        self._order(Recognize(self._turn))
        return self._go(State.THINKING, fact.frame)

    def _understood(self, fact: Understood) -> State:
        if fact.turn != self._turn:
            return self.state
        self._marks.understood = fact.frame
        if not fact.text:
            self._emit(IntentRejected(frame=fact.frame, text=None, reason="no_speech"))
            return self._finish(fact.frame)
        self._emit(TranscriptReady(frame=fact.frame, text=fact.text, confidence=fact.confidence))
        asked, self._asked = self._asked, None
        if asked is not None and fact.agreed:
            return self._act(fact, asked)
        unasked = self._unasked == self._turn
        unsure = fact.question is not None if asked is not None else unasked and not fact.sure
        if fact.intent is None or unsure or (asked is not None and fact.agreed is False):
            reason: Literal["low_confidence", "not_understood"] = "low_confidence" if fact.doubted else "not_understood"
            rejected = IntentRejected(
                frame=fact.frame, text=fact.text, reason=reason, nearest=fact.nearest, score=fact.score
            )
            self._emit(rejected)
            # Who says no, or something else, to a question is not asked again; and perhaps nobody spoke to us at all.
            silent = asked is not None or unasked
            return self._finish(fact.frame) if silent else self._answer(self._apology, fact.frame)
        self._unasked = None
        if fact.question is None:
            return self._act(fact, fact.intent)
        self._recognized(fact, fact.intent, "confirm")
        self._answer(fact.question, fact.frame)
        self._asked = fact.intent
        return self.state

    def _act(self, fact: Understood, intent: Intent) -> State:
        self._recognized(fact, intent, "act")
        self._order(self._act_of(intent))
        return self.state

    def _act_of(self, intent: Intent) -> Act:
        return Act(
            turn=self._turn,
            session=self.session,
            intent=intent,
            last_reply=self._last_reply,
            last=self._done,
            ringing=bool(self._ringing),
        )

    def _recognized(self, fact: Understood, intent: Intent, decision: Literal["act", "confirm"]) -> None:
        for command in intent.commands:
            recognized = IntentRecognized(
                frame=fact.frame,
                intent=command.name,
                slots=command.slots,
                values=command.values,
                text=intent.text,
                confidence=fact.confidence,
                decision=decision,
            )
            self._emit(recognized)

    def _acted(self, fact: Acted) -> State:
        """What was done is told even when its turn was given up; the answer belongs to its turn only."""
        outcome = fact.outcome
        for command, done in zip(fact.intent.commands, (outcome, outcome.then or outcome), strict=False):
            self._out.append(
                ActionDone(
                    frame=fact.frame,
                    session=fact.session,
                    intent=command.name,
                    ok=done.ok,
                    detail=done.detail,
                    dry_run=fact.dry_run,
                )
            )
        if not outcome.disowns_wake:
            self._wakes.answered(fact.session)
        if outcome.ends:
            self._ringing = ()
            if self.state is State.RINGING:
                self._order(Hush())
                return self._finish(fact.frame)
        if self.state is not State.THINKING or fact.turn != self._turn:
            return self.state
        self._marks.acted = fact.frame
        if outcome.disowns_wake:
            return self._disown(fact.frame, aloud=True)
        self._done = fact.intent if outcome.ok else None
        reply = outcome.reply or (None if outcome.ok else self._apology)
        return self._answer(reply, fact.frame) if reply else self._finish(fact.frame)

    def _playing(self, fact: PlaybackStarted) -> State:
        if self._marks.first_audio is None:
            self._marks.first_audio = fact.frame
        self._emit(SpeakingStarted(frame=fact.frame, cached=fact.cached))
        return self._go(State.SPEAKING, fact.frame)

    def _played(self, fact: PlaybackEnded) -> State:
        self._emit(SpeakingEnded(frame=fact.frame, reason="failed" if fact.failed else "done"))
        turn_done = self.session is not None and self._marks.acted is not None
        awaits_more = turn_done and self._follow_up_frames > 0 and not (self._waiting or self._ringing)
        if fact.failed or self.muted or not (self._asked or awaits_more):
            return self._finish(fact.frame)
        if self._asked is None:
            self._tell_times(fact.frame)
        return self._follow_up(fact.frame)

    def _rang(self, fact: Rang) -> State:
        frame, label, due, late = fact.frame, fact.label, fact.due, fact.late
        if fact.kind == "timer":
            self._emit(TimerFired(frame=frame, timer=fact.timer, label=label, due=due, late=late))
        else:
            self._emit(AlarmFired(frame=frame, alarm=fact.timer, kind=fact.kind, label=label, due=due, late=late))
        if late:
            return self.state
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
        if self.listens:
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

    def _wake_disowned(self, fact: WakeDisowned) -> State:
        return self._disown(fact.frame, aloud=False)

    def _disown(self, frame: int, *, aloud: bool) -> State:
        """Tell the wake that was not meant; what it led to ends, and so does the session in which it was said."""
        reported = self._wakes.disowned(frame, aloud=aloud)
        if reported is not None:
            self._out.append(reported)
        if not aloud and (reported is None or reported.session != self.session):
            return self.state
        self._break_off(frame)
        if self.listens:
            self._order(StopListening())
        return self._finish(frame)

    def _stop_heard(self, fact: StopHeard) -> State:
        if self.muted:
            return self.state
        self._emit(StopDetected(frame=fact.frame, word=fact.word, score=fact.score))
        return self._settle(fact.frame)

    def _asked_to_mute(self, fact: AskedToMute) -> State:
        if fact.on == self.muted:
            return self.state
        if fact.on:
            self._rest = State.MUTED
            return self._settle(fact.frame)
        self._rest = State.IDLE
        return self._go(State.IDLE, fact.frame) if self.state is State.MUTED else self.state
