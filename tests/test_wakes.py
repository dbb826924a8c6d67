"""'That was not for you': which wake is meant, what it ends, and that its sound is kept."""

from dataclasses import replace
from pathlib import Path

from appliance.audio.clip_folder import ClipFolder
from appliance.events import FalseWakeReported, WakeDetected, event_type
from appliance.facts import Hush, StopListening, WakeDisowned
from appliance.wakes import SOON_FRAMES, Wakes
from tests.fakes import Bench, Heard, ScriptedSpotter, numbered
from tests.test_dialog import ACTED, BEGAN, DISOWNED, ENDED, NO_SPEECH, NOT_YOU, UNDERSTOOD, WOKEN, Talk, names
from tests.test_keeping import clips, sound


def woke(session: int, frame: int) -> WakeDetected:
    return WakeDetected(frame=frame, session=session, word="alexa", engine="int8", score=0.9)


def meant(wakes: Wakes, frame: int, *, aloud: bool) -> int | None:
    reported = wakes.disowned(frame, aloud=aloud)
    return None if reported is None else reported.session


class TestWhichWake:
    def test_a_command_means_the_newest_one_and_each_is_told_once(self) -> None:
        wakes = Wakes()
        assert meant(wakes, 10, aloud=False) is None
        for session in (1, 2):
            wakes.woke(woke(session, 100 * session))
        assert wakes.disowned(900, aloud=False) == FalseWakeReported(
            frame=900, session=2, word="alexa", engine="int8", score=0.9, woken=200
        )
        assert meant(wakes, 901, aloud=False) is None

    def test_who_says_it_at_once_means_the_wake_of_that_session(self) -> None:
        wakes = Wakes()
        wakes.woke(woke(1, 100))
        assert meant(wakes, 200, aloud=True) == 1

    def test_who_wakes_it_to_say_so_means_the_one_before_where_nothing_came_of_that(self) -> None:
        wakes = Wakes()
        wakes.woke(woke(1, 100))
        wakes.woke(woke(2, 500))
        assert meant(wakes, 600, aloud=True) == 1
        assert meant(wakes, 700, aloud=True) == 2

    def test_a_wake_that_was_answered_or_is_long_past_is_not_meant(self) -> None:
        wakes = Wakes()
        wakes.woke(woke(1, 100))
        wakes.answered(1)
        wakes.woke(woke(2, 500))
        assert meant(wakes, 600, aloud=True) == 2
        wakes.woke(woke(3, 700))
        wakes.woke(woke(4, 800 + SOON_FRAMES))
        assert meant(wakes, 900 + SOON_FRAMES, aloud=True) == 4


class TestInTheDialog:
    def test_said_at_once_it_ends_the_turn_without_a_word(self) -> None:
        talk = Talk(WOKEN, BEGAN, ENDED, UNDERSTOOD)
        assert names(talk.hear(NOT_YOU)) == ["action_done", "false_wake_reported", "turn_finished", "state_changed"]

    def test_a_command_ends_what_the_wake_led_to(self) -> None:
        listening = Talk(WOKEN, BEGAN).hear(DISOWNED)
        assert names(listening)[:3] == ["false_wake_reported", "speech_ended", "StopListening"]
        speaking = Talk(WOKEN, BEGAN, ENDED, UNDERSTOOD, ACTED).hear(DISOWNED)
        assert names(speaking)[:3] == ["false_wake_reported", "Hush", "speaking_ended"]

    def test_afterwards_it_is_told_with_the_session_of_the_wake_and_nothing_else_happens(self) -> None:
        talk = Talk(WOKEN, NO_SPEECH)
        [reported] = talk.hear(DISOWNED)
        assert isinstance(reported, FalseWakeReported)
        assert (reported.session, reported.woken) == (1, 10)
        assert talk.hear(DISOWNED) == []

    def test_another_turn_goes_on(self) -> None:
        talk = Talk(WOKEN, NO_SPEECH, WOKEN, BEGAN, ENDED)
        followed = talk.hear(replace(NOT_YOU, turn=2, session=2))
        assert [one.session for one in followed if isinstance(one, FalseWakeReported)] == [1]
        assert not [one for one in talk.hear(replace(DISOWNED, frame=9999)) if isinstance(one, Hush | StopListening)]

    def test_a_result_that_comes_too_late_tells_nothing(self) -> None:
        talk = Talk(WOKEN, BEGAN, ENDED, UNDERSTOOD, WOKEN)
        assert names(talk.hear(NOT_YOU)) == ["action_done"]


def test_it_is_understood_and_its_sound_is_kept(tmp_path: Path) -> None:
    bench = Bench(
        spotter=ScriptedSpotter(200),
        speech=[range(220, 260)],
        heard=[Heard(texts=("i wasn't talking to you",))],
        keep=ClipFolder(tmp_path, limit=9, note="ours"),
    )
    bench.run(500, numbered)
    assert [event_type(event) for event in bench.of(FalseWakeReported)] == ["false_wake_reported"]
    [name] = clips(tmp_path)
    assert name.endswith("_alexa_0.95.wav")
    assert sound(tmp_path / name).size == 150 * 320


def test_a_command_reaches_the_dialog() -> None:
    bench = Bench(spotter=ScriptedSpotter(20)).run(60)
    bench.ask(lambda frame: WakeDisowned(frame=frame))
    bench.run(62)
    assert bench.told("started", "state_changed", "turn_finished") == [
        (20, "wake_detected"),
        (60, "false_wake_reported"),
    ]
