"""The frame loop with fakes for models and devices and workers that do their work at once: whole turns, frame by frame.

The wake word is detected at frame 100. A frame is 20 ms.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from appliance.acting import ActingRules
from appliance.assembly import inline_workers
from appliance.audio.format import FRAME_SAMPLES, Frame, Pcm, freeze, silent_pcm
from appliance.audio.ring import Ring as FrameRing
from appliance.echo.canceller import Cancelled
from appliance.errors import ModelError, StageError
from appliance.events import (
    ActionDone,
    AudioProblem,
    EchoCancellationLost,
    Event,
    Failed,
    IntentRecognized,
    IntentRejected,
    LoadShed,
    ReplyGiven,
    SpeakingEnded,
    StateChanged,
    StopDetected,
    TimerFired,
    TimerSet,
    TurnFinished,
    WakeDetected,
    WakeNearMissed,
    event_type,
)
from appliance.facts import AskedToListen, AskedToMute, AskedToSay, AskedToStop, Fact
from appliance.home.actions import Actions, Done, Situation
from appliance.home.phrases import Phrases
from appliance.intent import Intent
from appliance.listening import Listening
from appliance.loop import Renewal
from appliance.speaking import Reference
from appliance.speech.endpoint import Endpointer
from appliance.understander import Understander
from appliance.understanding.home_file import HomeConfig
from tests.fakes import (
    LIMITS,
    TURN_FRAMES,
    Bench,
    Effects,
    Heard,
    HeldWorker,
    ScriptedSpotter,
    ToneVoice,
    language,
    loud,
    quiet,
)

NOON = Heard(texts=("what time is it",), partials={16: "what time is it"})
TIMER = Heard(texts=("set a timer for ten seconds",), partials={16: "set a timer"})
STOP = Heard(texts=("stop",), partials={16: "stop"})
COMMAND = range(150, 180)


def turn(*heard: Heard, **settings: object) -> Bench:
    """A bench that is woken at frame 100 and spoken to from 150 to 179."""
    return Bench(spotter=ScriptedSpotter(100), speech=(COMMAND,), heard=heard, **settings)  # type: ignore[arg-type]


class OwnSound:
    """A canceller that leaves a frame of nines, and tells of a fault at frame 70."""

    own_word_frames = 33
    hears_nobody = True

    def process(self, frame: Frame, played: Pcm | None) -> Cancelled:
        if played is None:
            return Cancelled(frame)
        told: list[Event] = [EchoCancellationLost(frame=frame.index, loss_db=1.0)] if frame.index == 70 else []
        return Cancelled(Frame(frame.index, freeze(np.full(FRAME_SAMPLES, 9, np.int16))), told)


# Whole turns.


def test_a_second_after_the_start_and_after_a_turn_the_next_turn_is_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = turn(NOON)
    ready: list[int] = []
    monkeypatch.setattr(bench.loop._s.listening, "get_ready", lambda: ready.append(bench.loop._newest or 0))
    bench.run(100)
    assert ready == [49]
    bench.run(600)
    assert ready == [49, 209 + 49], "it is idle in frame 208"


def test_a_turn_from_the_wake_word_to_idle_frame_by_frame() -> None:
    bench = turn(NOON).run(400)
    assert bench.told() == [
        (0, "started"),
        (100, "wake_detected"),
        (100, "state_changed"),
        (153, "speech_started"),
        (176, "partial_transcript"),
        (204, "speech_ended"),
        (204, "state_changed"),
        (204, "transcript"),
        (204, "intent_recognized"),
        (204, "action_done"),
        (204, "reply"),
        (204, "state_changed"),
        (205, "speaking_started"),
        (208, "speaking_ended"),
        (208, "turn_finished"),
        (208, "state_changed"),
    ]
    assert {event.session for event in bench.events if event.frame >= 100} == {1}
    assert bench.of(ReplyGiven) == [ReplyGiven(frame=204, session=1, text="It's noon.")]
    assert bench.of(TurnFinished) == [
        TurnFinished(
            frame=208,
            session=1,
            wake_ms=0,
            endpoint_ms=500,
            recognition_ms=0,
            action_ms=500,
            first_audio_ms=520,
            total_ms=2160,
        )
    ]
    assert bench.speaker.log == ["open 16000", 1, 1, 1]
    assert bench.voice.said == ["It's noon."]


def test_the_same_frames_give_the_same_events() -> None:
    assert turn(NOON, STOP).run(500).events == turn(NOON, STOP).run(500).events


def test_the_end_of_the_wake_word_is_estimated_from_the_levels() -> None:
    """It is loud up to frame 92 and detected at 100."""
    bench = turn(NOON).run(400, lambda index: loud(index) if 60 <= index <= 92 else quiet(index))
    (finished,) = bench.of(TurnFinished)
    assert isinstance(finished, TurnFinished)
    assert finished.wake_ms == 160


def test_a_refused_command_is_answered_with_the_apology() -> None:
    bench = turn(Heard(texts=("what type is it",), partials={16: "what"}, dictated="what type is it")).run(400)
    (rejected,) = bench.of(IntentRejected)
    assert isinstance(rejected, IntentRejected)
    assert (rejected.frame, rejected.reason, rejected.nearest) == (204, "not_understood", "what time is it")
    assert bench.voice.said == ["Sorry, I didn't understand that."]
    assert bench.loop.state == "idle"


def test_silence_ends_the_turn_after_5_s() -> None:
    bench = Bench(spotter=ScriptedSpotter(100)).run(400)
    assert bench.told()[1:] == [
        (100, "wake_detected"),
        (100, "state_changed"),
        (350, "intent_rejected"),
        (350, "turn_finished"),
        (350, "state_changed"),
    ]


def test_words_alone_begin_a_command() -> None:
    bench = Bench(spotter=ScriptedSpotter(100), heard=[Heard(texts=("stop",), partials={3: "stop"})]).run(200)
    assert bench.told("state_changed")[2:5] == [
        (111, "speech_started"),
        (111, "partial_transcript"),
        (136, "speech_ended"),
    ]


def test_two_turns_do_not_know_each_other() -> None:
    bench = Bench(spotter=ScriptedSpotter(100, 1100), speech=(COMMAND, range(1150, 1180)), heard=[NOON, NOON])
    bench.run(1000)
    first = [(frame, kind) for frame, kind in bench.told() if frame >= 100]
    bench.run(2000)
    assert [(frame - 1000, kind) for frame, kind in bench.told() if frame >= 1000] == first
    assert bench.recognizer.log.count("begin after wake") >= 2


def test_an_answer_is_interrupted_by_the_wake_word() -> None:
    spotter = ScriptedSpotter(100, 215)
    bench = Bench(spotter=spotter, speech=(COMMAND,), heard=[NOON], voice=ToneVoice(frames=50)).run(217)
    assert bench.told()[-5:] == [
        (205, "speaking_started"),
        (215, "speaking_ended"),
        (215, "turn_finished"),
        (215, "wake_detected"),
        (215, "state_changed"),
    ]
    assert bench.of(SpeakingEnded) == [SpeakingEnded(frame=215, session=1, reason="interrupted")]
    assert bench.speaker.log[-1] == "abort"
    assert len(bench.speaker.heard) == 11
    assert bench.loop.state == "listening"


def test_listening_on_demand() -> None:
    bench = turn(STOP)
    bench.spotter.frames.clear()
    bench.run(100)
    bench.ask(lambda frame: AskedToListen(frame=frame))
    bench.run(300)
    assert bench.told("partial_transcript")[1:3] == [(100, "state_changed"), (153, "speech_started")]
    assert bench.recognizer.log[0] == "begin alone"
    assert bench.loop.state == "idle"


# What the stages are given.


def test_the_own_voice_reaches_the_spotter() -> None:
    bench = turn(NOON).run(400)
    played = {index: int(pcm[0]) for index, pcm in bench.spotter.played.items() if pcm is not None}
    assert played == {205: 1, 206: 1, 207: 1}


def test_the_second_track_of_a_replay_reaches_the_spotter_and_counts_as_speaking() -> None:
    reference = Reference([loud(index) if 20 <= index < 30 else Frame(index, ZEROS) for index in range(50)])
    bench = Bench(reference=reference).run(100)
    assert [index for index, pcm in bench.spotter.played.items() if pcm is not None] == list(range(20, 30))
    assert bench.told("started") == [
        (20, "speaking_started"),
        (20, "state_changed"),
        (30, "speaking_ended"),
        (30, "state_changed"),
    ]


ZEROS = freeze(np.zeros(320, np.int16))


def test_the_recognizer_is_given_the_sound_from_before_the_wake_word() -> None:
    bench = turn(NOON).run(400)
    assert bench.recognizer.log[1] == f"finish {(199 - 25 + 1) * 320}", "100 ms before the silence is long enough"


def test_a_wake_word_that_the_recognizer_does_not_know_is_not_played_to_it() -> None:
    bench = turn(NOON, heard_words=frozenset())
    bench.run(400, lambda index: loud(index) if 60 <= index <= 90 else quiet(index))
    assert bench.recognizer.log[:2] == ["begin alone", f"finish {(199 - 91 + 1) * 320}"]


@pytest.mark.parametrize("loud_until", [92, 100])
def test_what_is_dictated_begins_where_the_wake_word_ended(loud_until: int) -> None:
    bench = turn(Heard(texts=("hm",), partials={16: "hm"}, dictated="hm"))
    bench.run(400, lambda index: loud(index) if 60 <= index <= loud_until else quiet(index))
    assert f"dictate {(191 - loud_until) * 320}" in bench.recognizer.log


def test_what_is_dictated_on_demand_is_everything_that_followed() -> None:
    bench = turn(Heard(texts=("hm",), partials={16: "hm"}, dictated="hm"))
    bench.spotter.frames.clear()
    bench.run(100)
    bench.ask(lambda frame: AskedToListen(frame=frame))
    bench.run(300)
    assert f"dictate {(191 - 100 + 1) * 320}" in bench.recognizer.log


# Faults.


def failures(bench: Bench) -> list[tuple[int, str, str]]:
    return [(event.frame, event.stage, event.error) for event in bench.of(Failed) if isinstance(event, Failed)]


def test_a_spotter_that_fails_is_told_once_a_second_and_the_loop_goes_on() -> None:
    bench = Bench(spotter=ScriptedSpotter(160))
    bench.run(10)
    bench.spotter.error = ValueError("wrong\nshape")
    bench.run(70)
    assert failures(bench) == [(10, "wake", "ValueError: wrong shape"), (60, "wake", "ValueError: wrong shape")]
    assert (bench.spotter.resets, 30 in bench.spotter.played) == (2, False)
    bench.spotter.error = None
    bench.run(170)
    assert [event.frame for event in bench.of(WakeDetected)] == [160]


def test_errors_of_our_own_are_told_as_their_sentence() -> None:
    bench = Bench()
    bench.spotter.error = ModelError("alexa.tflite: damaged; install it again")
    bench.run(1)
    assert failures(bench) == [(0, "wake", "alexa.tflite: damaged; install it again")]


def test_a_recognizer_that_fails_is_answered_with_the_apology() -> None:
    broken = replace(NOON, error=RuntimeError("out of memory"))
    bench = turn(broken, broken, NOON)
    bench.spotter.frames.add(400)
    bench.detector.speech = (COMMAND, range(450, 480))
    bench.run(300)
    assert failures(bench) == [(204, "recognition", "RuntimeError: out of memory")]
    assert bench.voice.said == ["It's noon.", "Sorry, I didn't understand that."], "the first was made ahead, in vain"
    assert bench.told()[-3:] == [(208, "speaking_ended"), (208, "turn_finished"), (208, "state_changed")]
    bench.run(600)
    assert bench.speaker.heard[-1] == 3, "the next turn is as good as any"


@pytest.mark.parametrize("error", [StageError("no breath"), OSError("no process")])
def test_a_voice_that_fails_ends_the_answer(error: Exception) -> None:
    bench = turn(NOON)
    bench.voice.errors["It's noon."] = error
    bench.run(300)
    assert bench.told()[-5:] == [
        (204, "state_changed"),
        (204, "failed"),
        (205, "speaking_ended"),
        (205, "turn_finished"),
        (205, "state_changed"),
    ]
    assert [stage for _, stage, _ in failures(bench)] == ["voice"]
    assert bench.of(SpeakingEnded) == [SpeakingEnded(frame=205, session=1, reason="failed")]
    assert bench.loop.state == "idle"


class FailingActions(Actions):
    """Has no action for anything."""

    def __init__(self, error: Exception) -> None:
        super().__init__(HomeConfig(), Effects(), language().answer, Phrases.of("en"))
        self._error = error

    def perform(self, intent: Intent, situation: Situation) -> Done:
        raise self._error


def test_an_action_that_fails_is_told_and_answered_with_the_apology() -> None:
    bench = turn(NOON, actions=FailingActions(StageError("no such device"))).run(300)
    (done,) = bench.of(ActionDone)
    assert done == ActionDone(frame=204, session=1, intent="time_ask", ok=False, detail="no such device")
    assert bench.voice.said == ["Sorry, I didn't understand that."]
    assert bench.loop.state == "idle"


def test_an_action_that_breaks_is_told_and_answered_with_the_apology() -> None:
    bench = turn(NOON, actions=FailingActions(KeyError("percent"))).run(300)
    assert failures(bench) == [(204, "action", "KeyError: 'percent'")]
    assert bench.voice.said == ["Sorry, I didn't understand that."]
    assert bench.loop.state == "idle"


def test_a_detector_that_fails_for_a_moment_is_told_and_the_turn_goes_on() -> None:
    bench = turn(NOON).run(120)
    bench.detector.error = RuntimeError("session lost")
    bench.run(121)
    bench.detector.error = None
    bench.run(400)
    assert failures(bench) == [(120, "listening", "RuntimeError: session lost")]
    assert bench.loop.state == "idle"


def test_a_turn_that_hangs_is_given_up() -> None:
    held = HeldWorker()
    bench = turn(NOON, workers=lambda inbox: replace(inline_workers(inbox), recognition=held))
    held.room = 1000
    bench.run(100 + TURN_FRAMES + 10)
    assert [(stage, error) for _, stage, error in failures(bench)] == [("turn", "no result while thinking")]
    assert bench.loop.state in ("speaking", "idle")


def test_a_publisher_that_fails_stops_the_loop_after_the_frame() -> None:
    bench = Bench(spotter=ScriptedSpotter(20), events=Full())
    with pytest.raises(OSError, match="no space"):
        bench.run(30)
    assert bench.loop.state == "listening", "the orders that followed the lost event were carried out"


class Full(list[Event]):
    """A disk without space for wake words."""

    def append(self, event: Event) -> None:
        if isinstance(event, WakeDetected):
            raise OSError("no space left")
        super().append(event)


def test_a_command_from_outside_that_breaks_does_not_stop_the_loop() -> None:
    def broken(frame: int) -> Fact:
        raise ZeroDivisionError("oh")

    bench = Bench(spotter=ScriptedSpotter(20))
    bench.ask(broken)
    bench.run(30)
    assert [(frame, error) for frame, _, error in failures(bench)] == [(0, "ZeroDivisionError: oh")]
    assert len(bench.of(WakeDetected)) == 1


def test_an_utterance_that_the_recognizer_cannot_take_whole_is_told_once_and_refused() -> None:
    held = HeldWorker()
    bench = turn(NOON, workers=lambda inbox: replace(inline_workers(inbox), recognition=held)).run(60)
    held.work()
    bench.run(101)
    held.room = 3
    bench.run(500)
    assert bench.of(LoadShed) == [LoadShed(frame=111, session=1, what="recognition", since=111)]
    assert [stage for _, stage, _ in failures(bench)] == ["recognition"]
    assert bench.of(IntentRecognized) == []


def test_an_utterance_that_the_recognizer_has_no_room_for_is_answered_with_the_apology() -> None:
    held = HeldWorker()
    bench = turn(NOON, workers=lambda inbox: replace(inline_workers(inbox), recognition=held))
    for until in range(5, 198):
        bench.run(until)
        held.work()
    held.room = 0
    bench.run(210)
    assert [stage for _, stage, _ in failures(bench)] == ["recognition"]
    assert bench.voice.said[-1] == "Sorry, I didn't understand that."


def test_a_recognizer_that_does_not_keep_up_is_told_once_for_each_time() -> None:
    held = HeldWorker()
    bench = turn(NOON, workers=lambda inbox: replace(inline_workers(inbox), recognition=held)).run(60)
    held.work()
    bench.run(125)
    shed = LoadShed(frame=112, session=1, what="partial results, answers made ahead", since=112)
    assert bench.of(LoadShed) == [shed]
    held.work()
    bench.run(127)
    bench.run(150)
    assert [event.frame for event in bench.events if isinstance(event, LoadShed)][:1] == [112]
    assert len(bench.of(LoadShed)) == 2, "it kept up in between"


def test_what_can_be_missed_is_left_out_before_the_utterance_and_the_frames_go_on() -> None:
    held = HeldWorker()
    bench = turn(NOON, workers=lambda inbox: replace(inline_workers(inbox), recognition=held)).run(101)
    held.room = 8
    bench.run(600)
    assert [event.what for event in bench.events if isinstance(event, LoadShed)] == [
        "partial results, answers made ahead",
        "recognition",
    ]
    assert bench.voice.said == ["Sorry, I didn't understand that."]
    assert bench.loop.rests


def test_actions_that_do_not_fit_fail() -> None:
    full = HeldWorker()
    full.room = 0
    bench = turn(NOON, workers=lambda inbox: replace(inline_workers(inbox), action=full)).run(300)
    (done,) = bench.of(ActionDone)
    assert done == ActionDone(frame=204, session=1, intent="time_ask", ok=False, detail="too many actions are waiting")
    assert bench.voice.said == ["Sorry, I didn't understand that."]


# The microphone.


def test_a_dead_microphone_is_named_within_5_s() -> None:
    bench = Bench().run(400, lambda index: Frame(index, ZEROS))
    (problem,) = bench.of(AudioProblem)
    assert isinstance(problem, AudioProblem)
    assert (problem.kind, problem.frame) == ("silent", 199)


def test_silence_that_only_keeps_the_time_is_no_dead_microphone() -> None:
    bench = Bench().run(400, lambda index: Frame(index, ZEROS), from_device=False)
    assert bench.told() == [(0, "started")]


def test_near_misses_are_told_and_wake_nothing() -> None:
    bench = Bench(spotter=ScriptedSpotter(near_misses=[20])).run(30)
    assert bench.of(WakeNearMissed) == [WakeNearMissed(frame=20, word="alexa", engine="int8", score=0.5)]
    assert bench.loop.state == "idle"


# Timers.


def test_a_timer_rings_when_it_is_due_and_for_as_long_as_the_rules_say() -> None:
    """Ten seconds after frame 204; a ring lasts 100 frames."""
    bench = turn(TIMER).run(900)
    assert bench.of(TimerSet) == [
        TimerSet(frame=204, session=1, timer="timer-1", label=None, due="2026-01-01T12:00:14Z")
    ]
    told = [(frame, kind) for frame, kind in bench.told() if frame > 300]
    assert told == [
        (704, "timer_fired"),
        (704, "state_changed"),
        (804, "state_changed"),
    ]
    assert [event.to for event in bench.of(StateChanged)[-2:] if isinstance(event, StateChanged)] == ["ringing", "idle"]
    assert bench.speaker.log[-1] == "abort"


def test_a_ring_is_stopped_by_saying_so() -> None:
    stop = Heard(texts=("stop",), partials={5: "stop"})
    bench = Bench(spotter=ScriptedSpotter(100, 720), speech=(COMMAND, range(730, 760)), heard=[TIMER, stop]).run(1000)
    told = [(frame, kind) for frame, kind in bench.told("partial_transcript") if frame > 720]
    assert told == [
        (733, "speech_started"),
        (784, "speech_ended"),
        (784, "state_changed"),
        (784, "transcript"),
        (784, "intent_recognized"),
        (784, "action_done"),
        (784, "turn_finished"),
        (784, "state_changed"),
    ]
    assert bench.loop.state == "idle"
    assert not any(index > 720 and pcm is not None for index, pcm in bench.spotter.played.items())


def test_a_timer_that_is_over_within_a_turn_rings_after_it() -> None:
    bench = Bench(spotter=ScriptedSpotter(100, 660), speech=(COMMAND, range(690, 720)), heard=[TIMER, NOON]).run(1000)
    after = [(frame, kind) for frame, kind in bench.told("partial_transcript") if frame >= 704]
    assert after[0] == (704, "timer_fired")
    assert after[-3:] == [(748, "turn_finished"), (748, "state_changed"), (804, "state_changed")]


def test_a_ring_is_heard_by_the_spotter_as_its_own() -> None:
    bench = turn(TIMER).run(720)
    assert bench.spotter.played[710] is not None
    assert bench.loop.state == "ringing"


def test_a_ring_is_ended_by_the_stop_word() -> None:
    bench = Bench(spotter=ScriptedSpotter(100, stops=[50, 110, 190, 300, 750, 800]), speech=(COMMAND,), heard=[TIMER])
    bench.run(1000)
    assert bench.of(StopDetected) == [StopDetected(frame=750, word="stop", score=0.95)]
    assert [told for told in bench.told() if told[0] >= 700] == [
        (704, "timer_fired"),
        (704, "state_changed"),
        (750, "stop_detected"),
        (750, "state_changed"),
    ]
    assert bench.speaker.log[-1] == "abort"
    assert bench.loop.rests


def test_an_answer_is_ended_by_the_stop_word() -> None:
    bench = turn(NOON, voice=ToneVoice(frames=50))
    bench.spotter.stops = {210}
    bench.run(400)
    assert [told for told in bench.told() if told[0] > 205] == [
        (210, "stop_detected"),
        (210, "speaking_ended"),
        (210, "turn_finished"),
        (210, "state_changed"),
    ]
    assert {event.session for event in bench.events if event.frame == 210} == {1}
    assert bench.speaker.log[-1] == "abort"


def test_a_ring_can_be_stopped_from_outside() -> None:
    bench = turn(TIMER).run(720)
    bench.ask(lambda frame: AskedToStop(frame=frame))
    bench.run(900)
    assert [(frame, kind) for frame, kind in bench.told() if frame > 704] == [(720, "state_changed")]
    assert bench.of(TimerFired)[0].frame == 704


# Commands from outside, and settings.


def test_a_text_from_outside_is_said() -> None:
    bench = Bench()
    bench.ask(lambda frame: AskedToSay(frame=frame, text="The door is open."))
    bench.run(20)
    assert bench.told("started") == [
        (0, "reply"),
        (0, "state_changed"),
        (1, "speaking_started"),
        (4, "speaking_ended"),
        (4, "state_changed"),
    ]


def test_muted_the_microphone_is_not_listened_to() -> None:
    bench = Bench(spotter=ScriptedSpotter(50, 150))
    bench.run(20)
    bench.ask(lambda frame: AskedToMute(frame=frame, on=True))
    bench.run(100)
    assert [index for index, silent in bench.spotter.silent.items() if silent] == list(range(21, 100))
    bench.ask(lambda frame: AskedToMute(frame=frame, on=False))
    bench.run(160)
    assert bench.told("started")[:3] == [(20, "state_changed"), (100, "state_changed"), (150, "wake_detected")]


def test_muted_a_timer_still_rings_and_the_wake_word_does_not_count() -> None:
    bench = turn(TIMER).run(300)
    bench.spotter.frames.add(720)
    bench.ask(lambda frame: AskedToMute(frame=frame, on=True))
    bench.run(900)
    states = [(event.frame, event.to) for event in bench.of(StateChanged) if isinstance(event, StateChanged)]
    assert states[-3:] == [(300, "muted"), (704, "ringing"), (804, "muted")]
    assert [event.frame for event in bench.of(WakeDetected)] == [100]


def test_a_dry_run_is_told_as_one() -> None:
    (done,) = turn(NOON, dry_run=True).run(300).of(ActionDone)
    assert done == ActionDone(frame=204, session=1, intent="time_ask", ok=True, dry_run=True)


@pytest.mark.parametrize(
    ("said", "answer", "volume"),
    [("volume down", "Volume ninety percent.", 90), ("set the volume to fifty percent", "Volume fifty percent.", 50)],
)
def test_the_volume_changes_by_voice(said: str, answer: str, volume: int) -> None:
    bench = turn(Heard(texts=(said,), partials={16: said})).run(300)
    assert bench.voice.said == [answer]
    assert bench.loop.volume == volume


def test_the_volume_changes_from_outside_and_is_what_is_heard() -> None:
    bench = Bench()
    bench.loop.set_volume(0)
    assert bench.loop.volume == 0
    bench.ask(lambda frame: AskedToSay(frame=frame, text="Hello."))
    bench.run(10)
    assert bench.speaker.heard == [0, 0, 0]


def test_a_renewed_loop_hears_other_words_and_keeps_its_past() -> None:
    bench = Bench(spotter=ScriptedSpotter(50)).run(20)
    other, ring = ScriptedSpotter(30), FrameRing()
    loop, stages = bench.loop, bench.loop._s
    listening = Listening(
        ring=ring,
        detector=bench.detector,
        endpointer=Endpointer(LIMITS),
        understander=cache(lambda: Understander(bench.recognizer, language(), bench.inbox.post)),
        post=bench.inbox.post,
        worker=bench.workers.recognition,
        tracer=None,
    )
    assert loop.rests
    loop.renew(
        Renewal(
            ring=ring,
            spotter=other,  # type: ignore[arg-type]
            listening=listening,
            actions=Actions(HomeConfig(), Effects(), language().answer, Phrases.of("en")),
            acting_rules=ActingRules(ring_frames=100, area="", dry_run=False),
            apology="Pardon?",
            follow_up_frames=0,
            rules=replace(loop._rules, wake_words=("other",)),
        )
    )
    bench.run(40)
    assert not loop.rests
    assert [event.frame for event in bench.of(WakeDetected)] == [30]
    assert bench.spotter.closed
    assert min(other.played) == 20
    assert (ring.oldest, ring.newest) == (0, 39)
    assert np.array_equal(ring.pcm(0, 39), np.concatenate([quiet(index).pcm for index in range(40)]))
    assert loop._s.dialog is stages.dialog
    bench.run(400)
    assert bench.voice.said == []
    assert loop.rests


def test_the_last_answer_is_repeated_on_demand() -> None:
    again = Heard(texts=("say that again",), partials={16: "say that again"})
    bench = Bench(spotter=ScriptedSpotter(100, 400), speech=(COMMAND, range(450, 480)), heard=[NOON, again]).run(600)
    assert bench.voice.said == ["It's noon.", "It's noon."]
    assert [event.intent for event in bench.of(IntentRecognized) if isinstance(event, IntentRecognized)] == [
        "time_ask",
        "repeat",
    ]


def test_background_is_what_was_heard_since_the_last_turn() -> None:
    bench = turn(NOON)
    bench.run(100)
    assert bench.loop._rests_from == 0
    bench.run(500)
    [*_, last] = bench.of(StateChanged)
    assert isinstance(last, StateChanged)
    assert (last.to, bench.loop._rests_from) == ("idle", last.frame + 1)


def _hissing(level: int) -> Callable[[int], Frame]:
    """A room whose noise has this amplitude."""

    def frame(index: int) -> Frame:
        noise = np.random.default_rng(index).integers(-level, level + 1, FRAME_SAMPLES)
        return Frame(index, freeze(noise.astype(np.int16)))

    return frame


def test_a_room_that_is_too_loud_is_told_once_and_is_not_judged_by_our_own_voice() -> None:
    bench = Bench().run(49, _hissing(30))
    assert bench.loop.noise_floor_dbfs is None
    bench.run(1000, _hissing(30))
    assert bench.loop.noise_floor_dbfs == pytest.approx(-65.5, abs=1)
    assert not bench.loop.too_loud
    bench.run(3000, _hissing(8000))
    [noisy] = bench.of(AudioProblem)
    assert isinstance(noisy, AudioProblem)
    assert (noisy.kind, bench.loop.too_loud) == ("noisy", True)
    speaks = Bench(reference=Reference([loud(index) for index in range(2000)])).run(2000, _hissing(8000))
    assert speaks.loop.noise_floor_dbfs is None
    muted = Bench()
    muted.ask(lambda frame: AskedToMute(frame=frame, on=True))
    assert muted.run(2000, _hissing(8000)).loop.noise_floor_dbfs is None


def test_every_event_of_a_stage_carries_the_session() -> None:
    bench = turn(NOON).run(120)
    bench.loop.emit(LoadShed(frame=119, what="x", since=119))
    assert bench.events[-1].session == 1
    assert event_type(bench.events[-1]) == "load_shed"


# The own sound in the microphone.


def _playback(sounding: range) -> Reference:
    return Reference([loud(index) if index in sounding else Frame(index, silent_pcm()) for index in range(400)])


def test_all_stages_hear_the_microphone_without_our_own_sound() -> None:
    played = _playback(range(50, 90))
    bench = Bench(spotter=(spotter := ScriptedSpotter(80)), reference=played, canceller=OwnSound()).run(120)
    assert {index for index, frame in spotter.heard.items() if frame.pcm[0] == 9} == set(range(50, 90))
    assert (spotter.own_for_frames, spotter.nobody) == (33, True)
    (told,) = bench.of(EchoCancellationLost)
    assert told.frame == 70
    assert [event.frame for event in bench.of(SpeakingEnded)] == [80], "the wake word ends what is said at once"


def test_what_a_closed_microphone_does_not_hear_teaches_the_canceller_nothing() -> None:
    played = _playback(range(50, 90))
    bench = Bench(reference=played, canceller=OwnSound())
    bench.ask(lambda frame: AskedToMute(frame=frame, on=True))
    bench.run(120)
    assert bench.of(EchoCancellationLost) == []
