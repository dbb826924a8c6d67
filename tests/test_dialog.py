"""The dialog: each row of its table, whole turns as the list of what follows, and what must hold whatever happens."""

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config_files import PROJECT
from appliance.dialog import IGNORED, TABLE, Dialog, DialogError
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
    StopDetected,
    TimerFired,
    TranscriptReady,
    TurnFinished,
    WakeDetected,
    WakeYielded,
    event_type,
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
from appliance.intent import Intent, Outcome
from tools.contracts import state_table

IDLE, LISTENING, THINKING, SPEAKING = State.IDLE, State.LISTENING, State.THINKING, State.SPEAKING
FOLLOWING_UP, RINGING, MUTED = State.FOLLOWING_UP, State.RINGING, State.MUTED

TIME = Intent(name="time_ask", text="what time is it")
STOP = Intent(name="stop", text="stop")
APOLOGY = "Pardon?"

WOKEN = Woken(frame=0, word="alexa", engine="int8", score=0.9, word_end=0)
YIELDED = Yielded(frame=0, turn=1, word="alexa", to="bath", snr_db=12.0, other_snr_db=20.0)
BEGAN = CommandBegan(frame=0)
PARTLY = PartlyHeard(frame=0, turn=1, text="what time", heard_to=0)
FORESEEN = Foreseen(frame=0, turn=1, intent=TIME)
ENDED = CommandEnded(frame=0, reason="silence", last_speech=0)
NO_SPEECH = CommandEnded(frame=0, reason="no_speech", last_speech=0)
UNDERSTOOD = Understood(frame=0, turn=1, text="what time is it", intent=TIME)
REFUSED = Understood(frame=0, turn=1, text="what type is it", nearest="what time is it", score=0.9)
NOTHING = Understood(frame=0, turn=1, text="")
ASKED = replace(UNDERSTOOD, question="Did you mean: what time is it?", confidence=0.5)
ACTED = Acted(frame=0, turn=1, session=1, intent=TIME, outcome=Outcome(ok=True, reply="It's noon."), dry_run=False)
ACTED_SILENTLY = replace(ACTED, outcome=Outcome(ok=True))
STOPPED = replace(ACTED, intent=STOP, outcome=Outcome(ok=True, ends=True))
STARTED = PlaybackStarted(frame=0)
PLAYED = PlaybackEnded(frame=0)
RANG = Rang(frame=0, timer="timer-1", label="pasta", due="2026-01-01T12:00:00Z")
TIMED_OUT = RingTimedOut(frame=0)
SAY = AskedToSay(frame=0, text="The door is open.")
LISTEN = AskedToListen(frame=0)
HUSH = AskedToStop(frame=0)
STOP_WORD = StopHeard(frame=0, word="stop", score=0.9)
MUTE = AskedToMute(frame=0, on=True)
UNMUTE = AskedToMute(frame=0, on=False)
FAILED = StageFailed(frame=0, stage="recognition", error="out of memory")
DISOWNED = WakeDisowned(frame=0)
NOT_YOU = replace(ACTED, intent=Intent(name="false_wake"), outcome=Outcome(ok=True, disowns_wake=True))
HUNG = TurnTimedOut(frame=0)
VOICE_FAILED = StageFailed(frame=0, stage="voice", error="hangs")

EVERY_FACT: tuple[Fact, ...] = (
    *(WOKEN, BEGAN, ENDED, PARTLY, UNDERSTOOD, ACTED, STARTED, PLAYED, RANG, TIMED_OUT, SAY, LISTEN, HUSH, MUTE),
    *(FAILED, HUNG, STOP_WORD, FORESEEN, DISOWNED, YIELDED),
)

SITUATIONS: dict[str, tuple[Fact, ...]] = {
    "idle": (),
    "listening": (WOKEN,),
    "listening, a timer is over": (WOKEN, RANG),
    "listening, a text waits": (WOKEN, SAY),
    "thinking": (WOKEN, BEGAN, ENDED),
    "thinking, a timer is over": (WOKEN, RANG, BEGAN, ENDED),
    "thinking, a text waits": (WOKEN, SAY, BEGAN, ENDED),
    "speaking": (WOKEN, BEGAN, ENDED, REFUSED),
    "speaking, a timer is over": (SAY, RANG),
    "speaking, a text waits": (SAY, SAY),
    "following_up": (WOKEN, BEGAN, ENDED, ASKED, PLAYED),
    "following_up, a timer is over": (WOKEN, BEGAN, ENDED, ASKED, RANG, PLAYED),
    "following_up, a text waits": (WOKEN, BEGAN, ENDED, ASKED, SAY, PLAYED),
    "listening because it was asked to": (LISTEN,),
    "thinking because it was asked to": (LISTEN, BEGAN, ENDED),
    "following_up because it was asked to": (LISTEN, BEGAN, ENDED, ASKED, PLAYED),
    "apologizing, a timer is over": (WOKEN, BEGAN, ENDED, REFUSED, RANG),
    "asking": (WOKEN, BEGAN, ENDED, ASKED),
    "ringing": (RANG,),
    "ringing, a text waits": (RANG, SAY),
    "muted": (MUTE,),
    "muted and speaking": (MUTE, SAY),
    "muted and ringing": (MUTE, RANG),
}

ROWS: list[tuple[str, Fact, State]] = [
    ("idle", WOKEN, LISTENING),
    ("idle", ACTED, IDLE),
    ("idle", STARTED, SPEAKING),
    ("idle", RANG, RINGING),
    ("idle", TIMED_OUT, IDLE),
    ("idle", SAY, SPEAKING),
    ("idle", LISTEN, LISTENING),
    ("idle", HUSH, IDLE),
    ("idle", MUTE, MUTED),
    ("idle", UNMUTE, IDLE),
    ("idle", FAILED, IDLE),
    ("listening", BEGAN, LISTENING),
    ("listening", ENDED, THINKING),
    ("listening", NO_SPEECH, IDLE),
    ("listening, a timer is over", NO_SPEECH, RINGING),
    ("listening, a text waits", NO_SPEECH, SPEAKING),
    ("listening", YIELDED, IDLE),
    ("listening", replace(YIELDED, turn=0), LISTENING),
    ("listening, a timer is over", YIELDED, RINGING),
    ("listening, a text waits", YIELDED, SPEAKING),
    ("listening", PARTLY, LISTENING),
    ("listening", FORESEEN, LISTENING),
    ("listening", ACTED, LISTENING),
    ("listening", RANG, LISTENING),
    ("listening", TIMED_OUT, LISTENING),
    ("listening", SAY, LISTENING),
    ("listening", LISTEN, LISTENING),
    ("listening", HUSH, IDLE),
    ("listening", MUTE, MUTED),
    ("listening", UNMUTE, LISTENING),
    ("listening", FAILED, LISTENING),
    ("listening", HUNG, SPEAKING),
    ("following_up", WOKEN, LISTENING),
    ("following_up", BEGAN, FOLLOWING_UP),
    ("following_up", PARTLY, FOLLOWING_UP),
    ("following_up", FORESEEN, FOLLOWING_UP),
    ("following_up", ENDED, THINKING),
    ("following_up", NO_SPEECH, IDLE),
    ("following_up, a timer is over", NO_SPEECH, RINGING),
    ("following_up, a text waits", NO_SPEECH, SPEAKING),
    ("following_up", ACTED, FOLLOWING_UP),
    ("following_up", RANG, FOLLOWING_UP),
    ("following_up", TIMED_OUT, FOLLOWING_UP),
    ("following_up", SAY, FOLLOWING_UP),
    ("following_up", LISTEN, LISTENING),
    ("following_up", HUSH, IDLE),
    ("following_up", MUTE, MUTED),
    ("following_up", UNMUTE, FOLLOWING_UP),
    ("following_up", FAILED, FOLLOWING_UP),
    ("following_up", HUNG, SPEAKING),
    ("thinking", WOKEN, LISTENING),
    ("thinking", UNDERSTOOD, THINKING),
    ("thinking", REFUSED, SPEAKING),
    ("thinking", NOTHING, IDLE),
    ("thinking, a timer is over", NOTHING, RINGING),
    ("thinking", ACTED, SPEAKING),
    ("thinking", ACTED_SILENTLY, IDLE),
    ("thinking", replace(ACTED, turn=9), THINKING),
    ("thinking, a timer is over", ACTED_SILENTLY, RINGING),
    ("thinking, a text waits", ACTED_SILENTLY, SPEAKING),
    ("thinking", RANG, THINKING),
    ("thinking", TIMED_OUT, THINKING),
    ("thinking", SAY, THINKING),
    ("thinking", LISTEN, LISTENING),
    ("thinking", HUSH, IDLE),
    ("thinking", MUTE, MUTED),
    ("thinking", UNMUTE, THINKING),
    ("thinking", FAILED, SPEAKING),
    ("thinking", HUNG, SPEAKING),
    ("thinking", VOICE_FAILED, THINKING),
    ("speaking", WOKEN, LISTENING),
    ("speaking", ACTED, SPEAKING),
    ("speaking", STARTED, SPEAKING),
    ("speaking", PLAYED, IDLE),
    ("asking", PLAYED, FOLLOWING_UP),
    ("speaking, a timer is over", PLAYED, RINGING),
    ("speaking, a text waits", PLAYED, SPEAKING),
    ("muted and speaking", PLAYED, MUTED),
    ("speaking", RANG, SPEAKING),
    ("speaking", TIMED_OUT, SPEAKING),
    ("speaking", SAY, SPEAKING),
    ("speaking", LISTEN, LISTENING),
    ("speaking", HUSH, IDLE),
    ("speaking", STOP_WORD, IDLE),
    ("muted and speaking", STOP_WORD, SPEAKING),
    ("speaking", MUTE, MUTED),
    ("speaking", UNMUTE, SPEAKING),
    ("speaking", FAILED, SPEAKING),
    ("muted and speaking", WOKEN, SPEAKING),
    ("muted and speaking", LISTEN, SPEAKING),
    ("muted and speaking", HUSH, MUTED),
    ("muted and speaking", MUTE, SPEAKING),
    ("muted and speaking", UNMUTE, SPEAKING),
    ("ringing", WOKEN, LISTENING),
    ("ringing", ACTED, RINGING),
    ("ringing", STOPPED, IDLE),
    ("ringing, a text waits", STOPPED, SPEAKING),
    ("muted and ringing", STOPPED, MUTED),
    ("ringing", RANG, RINGING),
    ("ringing", TIMED_OUT, IDLE),
    ("ringing, a text waits", TIMED_OUT, SPEAKING),
    ("muted and ringing", TIMED_OUT, MUTED),
    ("ringing", SAY, RINGING),
    ("ringing", LISTEN, LISTENING),
    ("ringing", HUSH, IDLE),
    ("ringing", STOP_WORD, IDLE),
    ("muted and ringing", STOP_WORD, RINGING),
    ("ringing", MUTE, MUTED),
    ("ringing", UNMUTE, RINGING),
    ("ringing", FAILED, RINGING),
    ("muted and ringing", WOKEN, RINGING),
    ("muted and ringing", LISTEN, RINGING),
    ("muted and ringing", HUSH, MUTED),
    ("muted and ringing", UNMUTE, RINGING),
    ("muted", ACTED, MUTED),
    ("muted", STARTED, SPEAKING),
    ("muted", RANG, RINGING),
    ("muted", TIMED_OUT, MUTED),
    ("muted", SAY, SPEAKING),
    ("muted", HUSH, MUTED),
    ("muted", MUTE, MUTED),
    ("muted", UNMUTE, IDLE),
    ("muted", FAILED, MUTED),
    ("idle", DISOWNED, IDLE),
    ("listening", DISOWNED, IDLE),
    ("listening, a timer is over", DISOWNED, RINGING),
    ("listening, a text waits", DISOWNED, SPEAKING),
    ("listening because it was asked to", DISOWNED, LISTENING),
    ("following_up", DISOWNED, IDLE),
    ("following_up, a timer is over", DISOWNED, RINGING),
    ("following_up, a text waits", DISOWNED, SPEAKING),
    ("following_up because it was asked to", DISOWNED, FOLLOWING_UP),
    ("thinking", DISOWNED, IDLE),
    ("thinking, a timer is over", DISOWNED, RINGING),
    ("thinking, a text waits", DISOWNED, SPEAKING),
    ("thinking because it was asked to", DISOWNED, THINKING),
    ("thinking", NOT_YOU, IDLE),
    ("thinking because it was asked to", NOT_YOU, IDLE),
    ("speaking", DISOWNED, IDLE),
    ("apologizing, a timer is over", DISOWNED, RINGING),
    ("speaking, a text waits", DISOWNED, SPEAKING),
    ("ringing", DISOWNED, RINGING),
    ("muted", DISOWNED, MUTED),
]

Followed = list[Event | Order]


class Talk:
    """A dialog; fact number n happens at frame 10 * n unless it says when."""

    def __init__(self, *facts: Fact, follow_up_frames: int = 0) -> None:
        self.dialog = Dialog(apology=APOLOGY, follow_up_frames=follow_up_frames)
        self.count = 0
        self.followed: Followed = []
        self.hear(*facts)

    def hear(self, *facts: Fact) -> Followed:
        """What follows from these facts."""
        followed: Followed = []
        for fact in facts:
            self.count += 1
            frame = fact.frame or 10 * self.count
            followed += self.dialog.step(replace(fact, frame=frame))
        self.followed += followed
        return followed

    @property
    def state(self) -> State:
        return self.dialog.state

    @property
    def events(self) -> list[Event]:
        return [one for one in self.followed if isinstance(one, Event)]


def names(followed: Followed) -> list[str]:
    """What followed, in short: events by type, orders by name."""
    return [event_type(one) if isinstance(one, Event) else type(one).__name__ for one in followed]


# The table.


@pytest.mark.parametrize(("situation", "fact", "to"), ROWS)
def test_each_fact_leads_where_the_table_says(situation: str, fact: Fact, to: State) -> None:
    talk = Talk(*SITUATIONS[situation])
    before = talk.state
    followed = talk.hear(fact)
    assert talk.state == to
    changes = [(one.from_, one.to) for one in followed if isinstance(one, StateChanged)]
    assert changes == ([] if before is to else [(before, to)])


def test_every_row_and_every_target_of_the_table_is_walked() -> None:
    walked = {(Talk(*SITUATIONS[situation]).state, type(fact), to) for situation, fact, to in ROWS}
    assert walked == {(state, kind, to) for (state, kind), (_, targets) in TABLE.items() for to in targets}


@pytest.mark.parametrize("situation", list(State))
def test_every_fact_is_in_the_table_or_ignored_or_a_defect(situation: str) -> None:
    talk = Talk(*SITUATIONS[situation])
    state = State(situation)
    assert talk.state is state
    for fact in EVERY_FACT:
        kinds = ((state, type(fact)) in TABLE) + (type(fact) in IGNORED[state])
        assert kinds <= 1, f"{type(fact).__name__} is both in the table and ignored in {state}"
        if type(fact) in IGNORED[state]:
            assert Talk(*SITUATIONS[situation]).hear(fact) == []
        if kinds == 0:
            with pytest.raises(DialogError, match=f"{type(fact).__name__} in state {state}: no rule"):
                talk.hear(fact)
            assert talk.state is state
    assert talk.events == Talk(*SITUATIONS[situation]).events


def test_every_kind_of_fact_is_known_in_every_state() -> None:
    """Nothing that happens in running may raise."""
    assert {type(fact) for fact in EVERY_FACT} == set(Fact.__args__)
    missing = [
        (state.value, type(fact).__name__)
        for state in State
        for fact in EVERY_FACT
        if (state, type(fact)) not in TABLE and type(fact) not in IGNORED[state]
    ]
    assert missing == []


def test_who_yields_is_quiet_and_tells_to_whom() -> None:
    talk = Talk(WOKEN, BEGAN)
    followed = talk.hear(YIELDED)
    assert [type(one) for one in followed] == [SpeechEnded, StopListening, WakeYielded, StateChanged]
    told = followed[2]
    assert isinstance(told, WakeYielded)
    assert (told.session, told.to, told.snr_db, told.other_snr_db) == (1, "bath", 12.0, 20.0)
    assert not [event for event in talk.events if isinstance(event, TurnFinished | ReplyGiven | IntentRejected)]
    assert talk.hear(BEGAN) == talk.hear(YIELDED) == [], "what comes late changes nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strange:
    """No fact of ours."""

    frame: int


def test_a_fact_without_a_rule_raises_and_changes_nothing() -> None:
    talk = Talk()
    with pytest.raises(DialogError, match=r"^Strange in state idle: no rule$"):
        talk.hear(Strange(frame=0))  # type: ignore[arg-type]
    assert (talk.dialog.state, talk.dialog.session) == (IDLE, None)


def test_the_readme_shows_the_table() -> None:
    assert state_table() in (PROJECT / "README.md").read_text(encoding="utf-8")


# The question back.


def test_a_doubtful_command_is_asked_about_and_nothing_is_done() -> None:
    talk = Talk(WOKEN, BEGAN, ENDED)
    followed = talk.hear(ASKED)
    recognized = next(one for one in followed if isinstance(one, IntentRecognized))
    assert (recognized.decision, recognized.confidence, recognized.intent) == ("confirm", 0.5, "time_ask")
    assert Say("Did you mean: what time is it?") in followed
    assert not [one for one in followed if isinstance(one, Act)]


def test_after_the_question_it_listens_without_the_wake_word() -> None:
    followed = Talk(*SITUATIONS["asking"]).hear(PLAYED)
    listen = next(one for one in followed if isinstance(one, Listen))
    assert (listen.turn, listen.after_wake, listen.from_frame) == (2, False, listen.at_frame)


def test_yes_does_it() -> None:
    talk = Talk(*SITUATIONS["following_up"], BEGAN, ENDED)
    followed = talk.hear(Understood(frame=0, turn=2, text="yes", agreed=True))
    assert next(one for one in followed if isinstance(one, Act)).intent == TIME
    assert next(one for one in followed if isinstance(one, IntentRecognized)).decision == "act"
    assert talk.state is THINKING


@pytest.mark.parametrize(
    "answer",
    [
        Understood(frame=0, turn=2, text="no", agreed=False),
        Understood(frame=0, turn=2, text="what is this"),
        Understood(frame=0, turn=2, text="stop", intent=STOP, question="Did you mean: stop?"),
        Understood(frame=0, turn=2, text=""),
    ],
)
def test_no_silence_and_what_is_not_clear_drop_it_without_a_word(answer: Understood) -> None:
    talk = Talk(*SITUATIONS["following_up"], BEGAN, ENDED)
    followed = talk.hear(answer)
    assert not [one for one in followed if isinstance(one, Act | Say)]
    assert talk.state is IDLE


def test_another_command_instead_of_an_answer_is_done() -> None:
    talk = Talk(*SITUATIONS["following_up"], BEGAN, ENDED)
    followed = talk.hear(Understood(frame=0, turn=2, text="stop", intent=STOP))
    assert next(one for one in followed if isinstance(one, Act)).intent == STOP


def test_yes_without_a_question_is_not_understood() -> None:
    followed = Talk(WOKEN, BEGAN, ENDED).hear(Understood(frame=0, turn=1, text="yes", agreed=True))
    assert not [one for one in followed if isinstance(one, Act)]
    assert Say(APOLOGY) in followed


@pytest.mark.parametrize("instead", [WOKEN, HUSH, STOP_WORD, LISTEN])
def test_who_interrupts_the_question_has_dropped_it(instead: Fact) -> None:
    talk = Talk(*SITUATIONS["asking"], instead)
    for fact in (WOKEN, BEGAN, ENDED):
        if talk.state is not THINKING:
            talk.hear(fact)
    followed = talk.hear(Understood(frame=0, turn=talk.dialog.turn, text="yes", agreed=True))
    assert not [one for one in followed if isinstance(one, Act)]


def test_a_doubted_sentence_is_rejected_as_such() -> None:
    followed = Talk(WOKEN, BEGAN, ENDED).hear(replace(REFUSED, doubted=True))
    assert next(one for one in followed if isinstance(one, IntentRejected)).reason == "low_confidence"


# Whole turns.


def test_a_turn_from_the_wake_word_to_idle() -> None:
    talk = Talk(
        replace(WOKEN, frame=100, word_end=95),
        replace(BEGAN, frame=120),
        replace(PARTLY, frame=130),
        replace(ENDED, frame=175, last_speech=150),
        replace(UNDERSTOOD, frame=180),
        replace(ACTED, frame=182),
        replace(STARTED, frame=190),
        replace(PLAYED, frame=240),
    )
    assert talk.followed == [
        WakeDetected(frame=100, session=1, word="alexa", engine="int8", score=0.9),
        Listen(turn=1, from_frame=25, at_frame=100, after_wake=True),
        StateChanged(frame=100, session=1, from_=IDLE, to=LISTENING),
        SpeechStarted(frame=120, session=1),
        PartialTranscript(frame=130, session=1, text="what time"),
        SpeechEnded(frame=175, session=1, reason="silence"),
        Recognize(1),
        StateChanged(frame=175, session=1, from_=LISTENING, to=THINKING),
        TranscriptReady(frame=180, session=1, text="what time is it"),
        IntentRecognized(
            frame=180, session=1, intent="time_ask", slots={}, values={}, text="what time is it", decision="act"
        ),
        Act(turn=1, session=1, intent=TIME, last_reply=None),
        ActionDone(frame=182, session=1, intent="time_ask", ok=True),
        ReplyGiven(frame=182, session=1, text="It's noon."),
        Say("It's noon."),
        StateChanged(frame=182, session=1, from_=THINKING, to=SPEAKING),
        SpeakingStarted(frame=190, session=1),
        SpeakingEnded(frame=240, session=1, reason="done"),
        TurnFinished(
            frame=240,
            session=1,
            wake_ms=100,
            endpoint_ms=500,
            recognition_ms=100,
            action_ms=640,
            first_audio_ms=800,
            total_ms=2800,
        ),
        StateChanged(frame=240, session=1, from_=SPEAKING, to=IDLE),
    ]
    assert talk.dialog.session is None


def test_slots_and_values_are_told_as_they_are() -> None:
    intent = Intent(name="timer_set", slots={"duration": "ten seconds"}, values={"duration": 10}, text="a timer")
    talk = Talk(WOKEN, BEGAN, ENDED)
    followed = talk.hear(replace(UNDERSTOOD, intent=intent, text="a timer"))
    (told,) = [one for one in followed if isinstance(one, IntentRecognized)]
    assert (told.slots, told.values, told.text) == ({"duration": "ten seconds"}, {"duration": 10}, "a timer")


def test_a_refusal_is_answered_with_the_apology() -> None:
    talk = Talk(*SITUATIONS["thinking"])
    assert talk.hear(replace(REFUSED, frame=99)) == [
        TranscriptReady(frame=99, session=1, text="what type is it"),
        IntentRejected(
            frame=99,
            session=1,
            text="what type is it",
            reason="not_understood",
            nearest="what time is it",
            score=0.9,
        ),
        ReplyGiven(frame=99, session=1, text=APOLOGY),
        Say(APOLOGY),
        StateChanged(frame=99, session=1, from_=THINKING, to=SPEAKING),
    ]


def test_silence_after_the_wake_word_ends_the_turn_without_an_answer() -> None:
    talk = Talk(WOKEN)
    assert talk.hear(replace(NO_SPEECH, frame=260)) == [
        StopListening(),
        IntentRejected(frame=260, session=1, text=None, reason="no_speech"),
        TurnFinished(frame=260, session=1, wake_ms=200, total_ms=5000),
        StateChanged(frame=260, session=1, from_=LISTENING, to=IDLE),
    ]


def test_speech_without_words_ends_the_turn_without_an_answer() -> None:
    followed = Talk(*SITUATIONS["thinking"]).hear(NOTHING)
    assert names(followed) == ["intent_rejected", "turn_finished", "state_changed"]
    assert isinstance(followed[0], IntentRejected)
    assert followed[0].reason == "no_speech"


def test_a_command_that_is_too_long_is_recognized_all_the_same() -> None:
    talk = Talk(WOKEN, BEGAN)
    followed = talk.hear(replace(ENDED, reason="too_long"))
    assert names(followed) == ["speech_ended", "Recognize", "state_changed"]
    assert followed[0].reason == "too_long"  # type: ignore[union-attr]


def test_an_action_without_an_answer_ends_the_turn() -> None:
    followed = Talk(*SITUATIONS["thinking"]).hear(ACTED_SILENTLY)
    assert names(followed) == ["action_done", "turn_finished", "state_changed"]


def test_a_failed_action_is_never_passed_over_in_silence() -> None:
    failed = replace(ACTED, outcome=Outcome(ok=False, detail="no broker"), dry_run=True)
    followed = Talk(*SITUATIONS["thinking"]).hear(replace(failed, frame=99))
    assert followed[0] == ActionDone(frame=99, session=1, intent="time_ask", ok=False, detail="no broker", dry_run=True)
    assert Say(APOLOGY) in followed


def test_the_last_answer_goes_with_the_next_action() -> None:
    talk = Talk(WOKEN, BEGAN, ENDED, UNDERSTOOD, ACTED, PLAYED, SAY, PLAYED)
    followed = talk.hear(WOKEN, BEGAN, ENDED, replace(UNDERSTOOD, turn=2))
    assert Act(turn=2, session=2, intent=TIME, last_reply="The door is open.", last=TIME) in followed


def test_the_recognizer_never_begins_before_the_stream() -> None:
    assert Talk().hear(replace(WOKEN, frame=30, word_end=20))[1] == Listen(
        turn=1, from_frame=0, at_frame=30, after_wake=True
    )


def test_times_are_null_where_a_part_did_not_happen_and_never_negative() -> None:
    talk = Talk(replace(LISTEN, frame=100), replace(BEGAN, frame=110), replace(ENDED, frame=150, last_speech=160))
    (finished,) = [one for one in talk.hear(replace(ACTED_SILENTLY, frame=155)) if isinstance(one, TurnFinished)]
    assert finished == TurnFinished(frame=155, session=1, endpoint_ms=0, action_ms=0, total_ms=1100)


# Interruptions.


def test_a_wake_word_interrupts_the_answer_and_opens_a_new_session() -> None:
    talk = Talk(WOKEN, BEGAN, ENDED, UNDERSTOOD, ACTED, STARTED)
    followed = talk.hear(replace(WOKEN, frame=99, word_end=99))
    assert names(followed) == [
        "Hush",
        "speaking_ended",
        "turn_finished",
        "wake_detected",
        "Listen",
        "state_changed",
    ]
    assert followed[1] == SpeakingEnded(frame=99, session=1, reason="interrupted")
    assert [one.session for one in followed if isinstance(one, Event)] == [1, 1, 2, 2]
    assert followed[4] == Listen(turn=2, from_frame=24, at_frame=99, after_wake=True)


def test_a_second_wake_word_while_listening_belongs_to_the_utterance() -> None:
    """The recognizer hears it, too, and takes what follows it for the command."""
    talk = Talk(WOKEN, BEGAN)
    assert talk.hear(WOKEN) == []
    assert names(talk.hear(ENDED, UNDERSTOOD))[:3] == ["speech_ended", "Recognize", "state_changed"]


@pytest.mark.parametrize("situation", ["listening", "thinking"])
def test_a_turn_that_hangs_is_ended_with_the_apology(situation: str) -> None:
    talk = Talk(*SITUATIONS[situation])
    followed = talk.hear(HUNG)
    assert ("StopListening" in names(followed)) is (situation == "listening")
    assert [event.stage for event in followed if isinstance(event, Failed)] == ["turn"]
    assert followed[-2:-1] == [Say(APOLOGY)]
    assert talk.state is SPEAKING


def test_results_of_a_turn_that_was_given_up_are_dropped() -> None:
    talk = Talk(WOKEN, BEGAN, ENDED, WOKEN)
    assert talk.hear(PARTLY, UNDERSTOOD) == []
    talk.hear(BEGAN, ENDED)
    assert talk.hear(UNDERSTOOD, REFUSED, NOTHING) == []
    assert talk.state is THINKING
    assert names(talk.hear(replace(UNDERSTOOD, turn=2))) == ["transcript", "intent_recognized", "Act"]


@pytest.mark.parametrize(
    "meanwhile", [(WOKEN,), (WOKEN, BEGAN, ENDED), (HUSH,), (MUTE,), (HUSH, SAY), (HUSH, RANG), (FAILED,)]
)
def test_what_was_done_is_told_even_if_its_turn_was_given_up_but_not_answered(meanwhile: tuple[Fact, ...]) -> None:
    talk = Talk(WOKEN, BEGAN, ENDED, UNDERSTOOD, *meanwhile)
    state = talk.state
    assert names(talk.hear(ACTED)) == ["action_done"]
    assert talk.state is state


def test_a_person_who_says_stop_is_obeyed_even_if_the_turn_was_given_up() -> None:
    talk = Talk(WOKEN, BEGAN, ENDED, UNDERSTOOD, HUSH, RANG)
    assert names(talk.hear(STOPPED)) == ["action_done", "Hush", "state_changed"]
    assert talk.state is IDLE


@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        ("idle", []),
        ("listening", ["StopListening", "turn_finished", "state_changed"]),
        ("thinking", ["turn_finished", "state_changed"]),
        ("speaking", ["Hush", "speaking_ended", "turn_finished", "state_changed"]),
        ("speaking, a timer is over", ["Hush", "speaking_ended", "state_changed"]),
        ("speaking, a text waits", ["Hush", "speaking_ended", "state_changed"]),
        ("ringing", ["Hush", "state_changed"]),
        ("muted", []),
        ("muted and speaking", ["Hush", "speaking_ended", "state_changed"]),
        ("muted and ringing", ["Hush", "state_changed"]),
    ],
)
def test_being_asked_to_stop_ends_everything(situation: str, expected: list[str]) -> None:
    talk = Talk(*SITUATIONS[situation])
    assert names(talk.hear(HUSH)) == expected
    assert names(talk.hear(WOKEN, NO_SPEECH))[-2:] in (["turn_finished", "state_changed"], []), "nothing waits any more"
    assert talk.state in (IDLE, MUTED)


@pytest.mark.parametrize("situation", ["speaking", "speaking, a timer is over", "speaking, a text waits", "ringing"])
def test_the_stop_word_is_told_and_ends_what_the_command_ends(situation: str) -> None:
    asked, heard = Talk(*SITUATIONS[situation]), Talk(*SITUATIONS[situation])
    session = heard.dialog.session
    told, *rest = heard.hear(STOP_WORD)
    assert told == StopDetected(frame=10 * heard.count, session=session, word="stop", score=0.9)
    assert rest == asked.hear(HUSH)
    assert (heard.state, heard.hear(WOKEN, NO_SPEECH)) == (IDLE, asked.hear(WOKEN, NO_SPEECH))


def test_being_asked_to_stop_within_a_command_cancels_it() -> None:
    talk = Talk(WOKEN, BEGAN)
    followed = talk.hear(HUSH)
    assert names(followed) == ["speech_ended", "StopListening", "turn_finished", "state_changed"]
    assert followed[0].reason == "cancelled"  # type: ignore[union-attr]
    assert {one.session for one in followed if isinstance(one, Event)} == {1}
    assert talk.dialog.session is None


def test_listening_on_demand_is_a_session_without_a_wake_word() -> None:
    assert Talk().hear(replace(LISTEN, frame=99)) == [
        Listen(turn=1, from_frame=99, at_frame=99, after_wake=False),
        StateChanged(frame=99, session=1, from_=IDLE, to=LISTENING),
    ]
    assert names(Talk(SAY).hear(LISTEN)) == ["Hush", "speaking_ended", "Listen", "state_changed"]


# Faults.


def test_a_failed_recognizer_or_action_is_answered_with_the_apology() -> None:
    for stage in ("recognition", "action"):
        talk = Talk(*SITUATIONS["thinking"])
        followed = talk.hear(replace(FAILED, frame=99, stage=stage))
        assert followed[0] == Failed(frame=99, session=1, stage=stage, error="out of memory")
        assert names(followed) == ["failed", "reply", "Say", "state_changed"]


def test_another_stage_that_fails_does_not_end_the_turn() -> None:
    """The voice may still be busy with an answer that was interrupted."""
    talk = Talk(*SITUATIONS["thinking"])
    assert names(talk.hear(VOICE_FAILED, replace(FAILED, stage="speaker"))) == ["failed", "failed"]
    assert names(talk.hear(UNDERSTOOD)) == ["transcript", "intent_recognized", "Act"]


def test_an_answer_that_failed_ends_as_failed() -> None:
    talk = Talk(*SITUATIONS["speaking"])
    followed = talk.hear(replace(PLAYED, frame=99, failed=True))
    assert followed[0] == SpeakingEnded(frame=99, session=1, reason="failed")
    assert names(followed) == ["speaking_ended", "turn_finished", "state_changed"]


# Timers.


def test_a_timer_rings_at_once_where_nothing_goes_on() -> None:
    assert Talk().hear(replace(RANG, frame=99)) == [
        TimerFired(frame=99, timer="timer-1", label="pasta", due="2026-01-01T12:00:00Z"),
        Ring(),
        StateChanged(frame=99, from_=IDLE, to=RINGING),
    ]
    assert names(Talk(RANG).hear(RANG)) == ["timer_fired"], "it rings already"


@pytest.mark.parametrize(
    ("situation", "rest"),
    [("listening", (NO_SPEECH,)), ("thinking", (ACTED, STARTED, PLAYED)), ("speaking", (PLAYED,))],
)
def test_a_timer_that_is_over_while_something_goes_on_rings_afterwards(situation: str, rest: tuple[Fact, ...]) -> None:
    talk = Talk(*SITUATIONS[situation])
    assert names(talk.hear(RANG)) == ["timer_fired"]
    followed = talk.hear(*rest)
    assert names(followed)[-3:] == ["turn_finished", "Ring", "state_changed"]
    assert (talk.state, talk.dialog.session) == (RINGING, None)


def test_a_ring_is_stopped_by_saying_so() -> None:
    talk = Talk(RANG)
    assert names(talk.hear(WOKEN)) == ["Hush", "wake_detected", "Listen", "state_changed"]
    followed = talk.hear(BEGAN, ENDED, replace(UNDERSTOOD, intent=STOP, text="stop"), STOPPED)
    assert names(followed)[-3:] == ["action_done", "turn_finished", "state_changed"]
    assert talk.state is IDLE


def test_a_ring_goes_on_after_anything_else_was_said() -> None:
    talk = Talk(RANG, WOKEN, BEGAN, ENDED, UNDERSTOOD, ACTED, STARTED)
    assert names(talk.hear(PLAYED)) == ["speaking_ended", "turn_finished", "Ring", "state_changed"]
    assert names(talk.hear(TIMED_OUT)) == ["Hush", "state_changed"]
    assert names(Talk(RANG, WOKEN).hear(NO_SPEECH))[-2:] == ["Ring", "state_changed"]


@pytest.mark.parametrize("situation", SITUATIONS)
def test_after_its_time_a_ring_never_comes_back(situation: str) -> None:
    talk = Talk(*SITUATIONS[situation])
    talk.hear(TIMED_OUT)
    talk.hear(NO_SPEECH, NOTHING, PLAYED, NO_SPEECH, PLAYED)
    assert talk.state in (IDLE, MUTED)
    assert names(talk.followed).count("Ring") == ("ringing" in situation)


# Texts from outside.


def test_a_text_is_said_at_once_where_nothing_goes_on() -> None:
    talk = Talk()
    assert talk.hear(replace(SAY, frame=99)) == [
        ReplyGiven(frame=99, text="The door is open."),
        Say("The door is open."),
        StateChanged(frame=99, from_=IDLE, to=SPEAKING),
    ]
    assert names(talk.hear(STARTED, PLAYED)) == ["speaking_started", "speaking_ended", "state_changed"]


@pytest.mark.parametrize("situation", ["listening", "thinking", "speaking", "ringing"])
def test_texts_wait_their_turn(situation: str) -> None:
    talk = Talk(*SITUATIONS[situation])
    assert talk.hear(replace(SAY, text="one"), replace(SAY, text="two")) == []
    end: dict[str, Fact] = {"listening": NO_SPEECH, "thinking": NOTHING, "speaking": PLAYED, "ringing": TIMED_OUT}
    first, second, rest = talk.hear(end[situation]), talk.hear(PLAYED), talk.hear(PLAYED)
    assert Say("one") in first
    assert Say("two") in second
    assert names(second) == ["speaking_ended", "reply", "Say"]
    assert names(rest) == ["speaking_ended", "state_changed"]
    assert {
        event.session for event in talk.events if isinstance(event, ReplyGiven) and event.text in ("one", "two")
    } == {None}


def test_eight_texts_wait_and_the_ninth_is_refused_aloud() -> None:
    talk = Talk(WOKEN)
    assert talk.hear(*(replace(SAY, text=str(number)) for number in range(8))) == []
    (refused,) = talk.hear(replace(SAY, frame=99, text="one too many"))
    assert refused == LoadShed(frame=99, session=1, what="say: too many texts wait to be spoken", since=99)
    talk.hear(NO_SPEECH, *[PLAYED] * 8)
    assert [one.text for one in talk.followed if isinstance(one, Say)] == list("01234567")
    assert talk.state is IDLE


def test_waiting_texts_come_before_a_ring() -> None:
    talk = Talk(WOKEN, RANG, SAY, NO_SPEECH)
    assert talk.state is SPEAKING
    assert names(talk.hear(PLAYED)) == ["speaking_ended", "Ring", "state_changed"]


# Muted.


@pytest.mark.parametrize("situation", ["idle", "listening", "thinking", "speaking", "ringing"])
def test_muting_ends_everything_and_back_is_idle(situation: str) -> None:
    talk = Talk(*SITUATIONS[situation])
    assert not talk.dialog.muted
    stopped = Talk(*SITUATIONS[situation]).hear(HUSH)
    followed = talk.hear(MUTE)
    assert names(followed) == (names(stopped) or ["state_changed"])
    assert (talk.state, talk.dialog.muted, talk.dialog.session) == (MUTED, True, None)
    assert talk.hear(WOKEN, LISTEN, UNDERSTOOD, PLAYED, MUTE) == []
    assert names(talk.hear(UNMUTE)) == ["state_changed"]
    assert (talk.state, talk.dialog.muted) == (IDLE, False)


def test_muting_silences_a_ring_for_good() -> None:
    talk = Talk(RANG, MUTE, UNMUTE, WOKEN, NO_SPEECH)
    assert talk.state is IDLE
    assert names(talk.followed).count("Ring") == 1


def test_muted_it_says_texts_and_rings_and_is_muted_again() -> None:
    talk = Talk(MUTE)
    assert names(talk.hear(SAY)) == ["reply", "Say", "state_changed"]
    assert talk.hear(SAY) == []
    assert names(talk.hear(STARTED, RANG)) == ["speaking_started", "timer_fired"]
    assert names(talk.hear(PLAYED, PLAYED)) == [
        "speaking_ended",
        "reply",
        "Say",
        "speaking_ended",
        "Ring",
        "state_changed",
    ]
    assert names(talk.hear(TIMED_OUT)) == ["Hush", "state_changed"]
    assert (talk.state, talk.dialog.muted) == (MUTED, True)


@pytest.mark.parametrize("situation", ["muted and speaking", "muted and ringing"])
def test_muted_it_cannot_be_woken_until_the_microphone_is_on(situation: str) -> None:
    talk = Talk(*SITUATIONS[situation])
    assert talk.hear(WOKEN, LISTEN, UNMUTE) == []
    assert names(talk.hear(WOKEN))[0] == "Hush"
    assert talk.state is LISTENING


def test_a_ring_that_began_while_muted_still_ends_after_the_microphone_is_on() -> None:
    talk = Talk(MUTE, RANG, UNMUTE)
    assert names(talk.hear(TIMED_OUT)) == ["Hush", "state_changed"]
    assert talk.state is IDLE


# Sessions.


def test_sessions_count_from_one() -> None:
    talk = Talk(WOKEN, NO_SPEECH, LISTEN, BEGAN, ENDED, WOKEN, NO_SPEECH)
    assert [event.session for event in talk.events if isinstance(event, TurnFinished)] == [1, 2, 3]


def test_an_event_of_a_stage_carries_the_session() -> None:
    talk = Talk()
    shed = LoadShed(frame=1, what="x", since=1)
    assert talk.dialog.in_session(shed).session is None
    talk.hear(WOKEN)
    assert talk.dialog.in_session(shed) == LoadShed(frame=1, session=1, what="x", since=1)


# Whatever happens.

TURNS = st.integers(1, 4)
OUTCOMES = st.sampled_from(
    [
        Outcome(ok=True, reply="It's noon."),
        Outcome(ok=True),
        Outcome(ok=False, detail="no"),
        Outcome(ok=False, reply="I can't."),
        Outcome(ok=True, ends=True),
    ]
)
FACTS = st.one_of(
    st.sampled_from(
        [WOKEN, BEGAN, ENDED, NO_SPEECH, STARTED, PLAYED, RANG, TIMED_OUT, SAY, LISTEN, HUSH, MUTE, UNMUTE, FAILED]
    ),
    st.just(STOP_WORD),
    st.sampled_from([replace(ENDED, reason="too_long"), VOICE_FAILED, replace(PLAYED, failed=True)]),
    st.builds(lambda turn: replace(PARTLY, turn=turn), TURNS),
    st.builds(lambda turn: replace(FORESEEN, turn=turn), TURNS),
    st.builds(lambda turn, fact: replace(fact, turn=turn), TURNS, st.sampled_from([UNDERSTOOD, REFUSED, NOTHING])),
    st.builds(lambda turn, outcome: replace(ACTED, turn=turn, outcome=outcome), TURNS, OUTCOMES),
)


@given(st.lists(FACTS, max_size=40))
def test_whatever_happens_the_events_fit_together(facts: list[Fact]) -> None:
    talk = Talk(*facts)
    changes = [(event.from_, event.to) for event in talk.events if isinstance(event, StateChanged)]
    assert [before for before, _ in changes] == [IDLE, *(to for _, to in changes)][: len(changes)]
    assert talk.state is (changes[-1][1] if changes else IDLE)
    assert all(before is not to for before, to in changes)
    frames = [event.frame for event in talk.events]
    assert frames == sorted(frames)
    late = [event for event in talk.events if isinstance(event, ActionDone)]  # it belongs to the session that asked
    sessions = [event.session for event in talk.events if event.session is not None and event not in late]
    assert sessions == sorted(sessions), "a session never comes back"
    finished = [event.session for event in talk.events if isinstance(event, TurnFinished)]
    assert finished == list(range(1, len(finished) + 1)), "each session is finished once"
    assert talk.dialog.session in (None, len(finished) + 1)
    assert (talk.dialog.session is not None) <= (talk.state in (LISTENING, THINKING, SPEAKING))
    assert (talk.state in (LISTENING, THINKING)) <= (talk.dialog.session is not None)
    assert talk.dialog.muted <= (talk.state in (MUTED, SPEAKING, RINGING))


@given(st.lists(FACTS, max_size=40))
def test_whatever_happens_what_sounds_is_what_the_state_says(facts: list[Fact]) -> None:
    """A loudspeaker that does as it is told is silent where the dialog thinks so, and every reply gets its end."""
    talk, sound = Talk(), "nothing"
    for fact in facts:
        if isinstance(fact, PlaybackEnded):
            sound = "nothing" if talk.state is SPEAKING else sound
        if isinstance(fact, PlaybackStarted) and talk.state in (IDLE, MUTED):
            continue  # only a replay's second track does that, of which the dialog knows no text
        for order in talk.hear(fact):
            if isinstance(order, Say | Ring):
                assert sound == "nothing", "nothing is cut off without being hushed"
                sound = {Say: SPEAKING, Ring: RINGING}[type(order)]
            if isinstance(order, Hush):
                sound = "nothing"
        assert sound == (talk.state if talk.state in (SPEAKING, RINGING) else "nothing")
    replies = sum(isinstance(event, ReplyGiven) for event in talk.events)
    ended = sum(isinstance(event, SpeakingEnded) for event in talk.events)
    assert replies - ended == (talk.state is SPEAKING)


@given(st.lists(FACTS, max_size=40))
def test_whatever_happens_stop_leads_to_rest_and_the_next_turn_is_as_good_as_any(facts: list[Fact]) -> None:
    talk = Talk(*facts)
    talk.hear(HUSH)
    assert talk.state is (MUTED if talk.dialog.muted else IDLE)
    assert talk.dialog.session is None
    talk.hear(UNMUTE)
    woken = talk.hear(WOKEN)
    assert names(woken) == ["wake_detected", "Listen", "state_changed"]
    assert isinstance(woken[1], Listen)
    turn = woken[1].turn
    rest = talk.hear(BEGAN, ENDED, replace(UNDERSTOOD, turn=turn), replace(ACTED, turn=turn), STARTED, PLAYED)
    assert names(rest) == [
        *("speech_started", "speech_ended", "Recognize", "state_changed"),
        *("transcript", "intent_recognized", "Act", "action_done", "reply", "Say", "state_changed"),
        *("speaking_started", "speaking_ended", "turn_finished", "state_changed"),
    ]


@given(st.lists(FACTS, max_size=40))
def test_same_facts_same_results(facts: list[Fact]) -> None:
    assert Talk(*facts).followed == Talk(*facts).followed


def test_the_chain_of_states_of_a_long_day() -> None:
    talk = Talk(WOKEN, NO_SPEECH, RANG, WOKEN, BEGAN, ENDED, replace(REFUSED, turn=2), PLAYED, HUSH, MUTE, SAY, PLAYED)
    states = [IDLE, *(event.to for event in talk.events if isinstance(event, StateChanged))]
    assert states == [
        IDLE,
        LISTENING,
        IDLE,
        RINGING,
        LISTENING,
        THINKING,
        SPEAKING,
        RINGING,
        IDLE,
        MUTED,
        SPEAKING,
        MUTED,
    ]
    assert all(one is not other for one, other in pairwise(states))


def test_what_is_foreseen_is_prepared_and_not_done() -> None:
    """Nothing is told before the silence confirms it; what an older utterance foresees is stale."""
    talk = Talk(WOKEN, BEGAN)
    act = Act(turn=1, session=1, intent=TIME, last_reply=None)
    assert talk.hear(FORESEEN) == [Prepare(act)]
    assert talk.hear(replace(FORESEEN, turn=2)) == []
    assert talk.hear(ENDED, UNDERSTOOD)[-1] == act
    assert talk.hear(FORESEEN) == []


def test_why_the_command_is_over_is_told() -> None:
    for reason in ("silence", "complete", "too_long"):
        talk = Talk(WOKEN, BEGAN)
        (ended, *_) = talk.hear(replace(ENDED, reason=reason))
        assert isinstance(ended, SpeechEnded)
        assert ended.reason == reason


# After an answer it listens for a while, in case something follows.

ANSWERED = (WOKEN, BEGAN, ENDED, UNDERSTOOD, ACTED, STARTED, PLAYED)
SURE = replace(UNDERSTOOD, turn=2, sure=True)


def window() -> Talk:
    return Talk(*ANSWERED, follow_up_frames=150)


def test_after_an_answer_it_listens_without_a_wake_word() -> None:
    talk = window()
    assert talk.state is FOLLOWING_UP
    assert names(talk.followed)[-3:] == ["turn_finished", "Listen", "state_changed"]
    listen = talk.followed[-2]
    assert listen == Listen(
        turn=2, from_frame=70, at_frame=70, after_wake=False, patience_frames=150, called=False, goes_on=True, last=TIME
    )


def test_the_window_closes_by_itself_and_says_nothing_of_it() -> None:
    assert names(window().hear(NO_SPEECH)) == ["StopListening", "state_changed"]


def test_what_is_surely_a_command_is_done_in_it_and_opens_the_next() -> None:
    talk = window()
    assert Act(turn=2, session=1, intent=TIME, last_reply="It's noon.", last=TIME) in talk.hear(BEGAN, ENDED, SURE)
    followed = talk.hear(replace(ACTED, turn=2), STARTED, PLAYED)
    assert names(followed)[-3:] == ["turn_finished", "Listen", "state_changed"]
    assert talk.state is FOLLOWING_UP


@pytest.mark.parametrize(
    "foreign",
    [
        replace(UNDERSTOOD, turn=2),
        replace(REFUSED, turn=2),
        replace(NOTHING, turn=2),
        replace(ASKED, turn=2),
        Understood(frame=0, turn=2, text="yes", agreed=True),
    ],
)
def test_foreign_speech_does_nothing_in_it(foreign: Fact) -> None:
    """A television: nothing is done, asked or said, and the window is closed."""
    talk = window()
    talk.hear(BEGAN, ENDED)
    followed = names(talk.hear(foreign))
    assert not {"Act", "Say", "Listen", "reply", "turn_finished"} & set(followed)
    assert "intent_rejected" in followed
    assert talk.state is IDLE


def test_a_wake_word_in_the_window_begins_a_new_session() -> None:
    talk = window()
    followed = talk.hear(BEGAN, WOKEN)
    assert names(followed) == ["speech_started", "speech_ended", "wake_detected", "Listen", "state_changed"]
    assert (talk.dialog.session, talk.state) == (2, LISTENING)
    assert names(talk.hear(NO_SPEECH)) == ["StopListening", "intent_rejected", "turn_finished", "state_changed"]


def test_a_wake_word_instead_of_the_answer_to_a_question_ends_that_turn() -> None:
    talk = Talk(*SITUATIONS["following_up"])
    assert names(talk.hear(WOKEN)) == ["turn_finished", "wake_detected", "Listen", "state_changed"]


@pytest.mark.parametrize(
    "facts",
    [
        (WOKEN, BEGAN, ENDED, REFUSED, STARTED, PLAYED),
        (WOKEN, BEGAN, ENDED, UNDERSTOOD, STOPPED),
        (SAY, STARTED, PLAYED),
        (*ANSWERED[:-1], SAY, PLAYED),
        (*ANSWERED[:-1], replace(PLAYED, failed=True)),
        (*ANSWERED, NO_SPEECH, SAY, STARTED, PLAYED),
    ],
)
def test_nothing_is_awaited_after_an_apology_a_stop_or_a_text_from_outside(facts: tuple[Fact, ...]) -> None:
    assert Talk(*facts, follow_up_frames=150).state is not FOLLOWING_UP


def test_a_timer_that_is_over_within_the_window_rings_after_it() -> None:
    talk = window()
    assert talk.hear(RANG)[-1:] != [Ring()]
    assert names(talk.hear(NO_SPEECH)) == ["StopListening", "Ring", "state_changed"]


def test_who_says_no_to_a_question_means_the_question() -> None:
    """Without one, 'no' is a command of its own: never mind."""
    never_mind = Understood(
        frame=0, turn=2, text="no", agreed=False, sure=True, intent=Intent(name="never_mind", text="no")
    )
    talk = Talk(*SITUATIONS["following_up"], BEGAN, ENDED)
    assert "Act" not in names(talk.hear(never_mind))
    assert talk.state is IDLE
    talk = window()
    assert "Act" in names(talk.hear(BEGAN, ENDED, never_mind))


def test_what_failed_cannot_be_taken_back() -> None:
    talk = Talk(WOKEN, BEGAN, ENDED, UNDERSTOOD, replace(ACTED, outcome=Outcome(ok=False)), STARTED, PLAYED)
    followed = talk.hear(WOKEN, BEGAN, ENDED, replace(UNDERSTOOD, turn=2))
    assert [one.last for one in followed if isinstance(one, Act)] == [None]
