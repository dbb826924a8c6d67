"""What the daemon tells about itself: the collector of events, the document, and the page that is made of it."""

import json
from typing import Any

import msgspec
import pytest

from appliance.cli import status as cli
from appliance.events import (
    AudioDropped,
    Event,
    Failed,
    FalseWakeReported,
    IntentRecognized,
    IntentRejected,
    LoadShed,
    MicrophoneLost,
    SpeakingEnded,
    State,
    TranscriptReady,
    TurnFinished,
    WakeDetected,
)
from appliance.service_level import ServiceFigures
from appliance.status import (
    KEPT_TURNS,
    LOOP_IS_SILENT,
    TIMES_MS,
    BufferStatus,
    Metrics,
    MicrophoneStatus,
    ModelNames,
    Now,
    PartTimes,
    Priorities,
    Recent,
    Room,
    SelfTest,
    SpeakerStatus,
    Status,
    ThreadStatus,
    Turn,
    WakeWordStatus,
    problems_of,
)
from appliance.status_socket import StatusError

AT = "2026-01-01T10:31:02.500Z"
UNPLUGGED = "microphone 'USB': it sends nothing; plug it in again"


def recognized(session: int, intent: str = "turn_on") -> IntentRecognized:
    words = {"item": "secret gin"}
    return IntentRecognized(
        frame=1, session=session, intent=intent, slots=words, values=words, text="secret gin", decision="act"
    )


def rejected(session: int) -> IntentRejected:
    return IntentRejected(frame=1, session=session, text="secret gin", reason="not_understood", nearest="secret gin")


def finished(session: int) -> TurnFinished:
    return TurnFinished(frame=9, session=session, wake_ms=120, endpoint_ms=500, first_audio_ms=660, total_ms=3500)


def after(*events: Event) -> Recent:
    recent = Recent()
    for event in events:
        recent.take(event, AT)
    return recent


class TestRecent:
    def test_events_are_counted(self) -> None:
        wake = WakeDetected(frame=1, session=1, word="alexa", engine="int8", score=0.9)
        events = (
            wake,
            wake,
            rejected(1),
            finished(1),
            AudioDropped(frame=1, frames=3),
            AudioDropped(frame=2, frames=4),
            LoadShed(frame=2, what="recognition", since=1),
            Failed(frame=3, stage="voice", error="no voice"),
            FalseWakeReported(frame=4, session=1, word="alexa", engine="int8", score=0.9, woken=1),
        )
        assert after(*events, MicrophoneLost(frame=3, device="USB")).counted == Metrics(
            wakes=2,
            false_wakes=1,
            rejected=1,
            turns=1,
            last_turn_ms=3500,
            frames_dropped=7,
            xruns=2,
            microphone_lost=1,
            load_shed=1,
            failures=1,
        )

    def test_a_turn_has_its_intent_or_why_it_has_none(self) -> None:
        turns = after(recognized(1), finished(1), rejected(2), finished(2), finished(3)).turns
        assert [(turn.session, turn.intent, turn.rejected) for turn in turns] == [
            (1, "turn_on", None),
            (2, None, "not_understood"),
            (3, None, None),
        ]

    def test_a_turn_has_its_times_and_when_it_ended(self) -> None:
        assert after(recognized(7), finished(7)).turns == (turn_of(7, intent="turn_on"),)

    def test_the_times_of_all_turns_are_counted_part_by_part(self) -> None:
        slow = TurnFinished(frame=9, session=2, first_audio_ms=20_000, total_ms=60_000)
        times = {counted.part: counted for counted in after(finished(1), finished(2), slow).times}
        assert (times["first_audio"].turns, times["first_audio"].sum_ms) == (3, 21_320)
        assert dict(zip(TIMES_MS, times["first_audio"].within, strict=True)) == {
            most_ms: 0 if most_ms < 660 else 2 for most_ms in TIMES_MS
        }
        assert (times["recognition"].turns, times["recognition"].sum_ms) == (0, 0), "it did not happen"

    def test_the_newest_turns_are_kept(self) -> None:
        turns = after(*(finished(session) for session in range(25))).turns
        assert [turn.session for turn in turns] == list(range(25 - KEPT_TURNS, 25))

    def test_nothing_that_was_said_is_kept(self) -> None:
        recent = after(
            TranscriptReady(frame=1, text="secret gin"), recognized(1), finished(1), rejected(2), finished(2)
        )
        assert b"secret" not in msgspec.json.encode((recent.counted, recent.turns))

    def test_the_speaker_is_judged_by_the_newest_answer(self) -> None:
        done, failed = SpeakingEnded(frame=1, reason="done"), SpeakingEnded(frame=1, reason="failed")
        fault = Failed(frame=1, stage="speaker", error="speaker 'USB': stopped; plug it in")
        other = Failed(frame=1, stage="voice", error="no voice")
        assert after().speaker("USB") == SpeakerStatus(name="USB")
        assert after(other, done).speaker("USB") == SpeakerStatus(name="USB", works=True)
        assert after(done, fault, failed).speaker("") == SpeakerStatus(name="", works=False, fault=fault.error)
        assert after(fault, failed, done).speaker("").works


def turn_of(session: int, *, intent: str | None = None, reason: str | None = None) -> Turn:
    return Turn(
        session=session,
        at=AT,
        intent=intent,
        rejected=reason,
        wake_ms=120,
        endpoint_ms=500,
        recognition_ms=None,
        action_ms=None,
        first_audio_ms=660,
        total_ms=3500,
    )


NOW = Now(
    state=State.IDLE,
    frame=576_012,
    microphone=MicrophoneStatus(
        name="USB", device="USB Audio (hw:1,0)", way="arecord", rate_hz=48_000, channels=1, present=True, muted=False
    ),
    speaker=SpeakerStatus(name=""),
    room=Room(),
    wake_words=(WakeWordStatus(name="alexa", engine="int8", threshold=0.85),),
    stop_word=WakeWordStatus(name="stop", engine="int8", threshold=0.9),
    models=ModelNames(recognizer="vosk-small-en-us", speech_detector="silero-vad", voice="piper-en-us-joe"),
    broker="broker 127.0.0.1:1883: connected (MQTT 5)",
    priorities=Priorities(
        threads=(
            ThreadStatus(name="capture", realtime_priority=10),
            ThreadStatus(name="voice", realtime_priority=None),
        ),
        switch_interval_ms=0.5,
        model_threads=1,
    ),
    metrics=Metrics(
        wakes=14,
        commands_accepted=12,
        commands_refused=3,
        service_level=ServiceFigures(
            target_ms=1000, allowed_share=0.05, turns=100, share=0.06, p50_ms=660, p95_ms=1200, met=False
        ),
    ),
    turns=(turn_of(1, intent="turn_on"), turn_of(2, reason="no_speech"), turn_of(3)),
    times=(PartTimes(part="first_audio").plus(300).plus(40_000),),
    buffers=(
        BufferStatus(where="audio.microphone: _queue", holds_ms=2000, waiting=3, capacity=100),
        BufferStatus(where="audio.ring: _samples", holds_ms=30_000),
    ),
)


def with_now(now: Now | None, *, uptime_s: int = 11_520) -> Status:
    return Status(version="1.2", device_id="kitchen", pid=4711, uptime_s=uptime_s, problems=problems_of(now), now=now)


def lost() -> Now:
    microphone = MicrophoneStatus(name="USB", present=False, muted=False, fault=UNPLUGGED, lost=2)
    return msgspec.structs.replace(NOW, microphone=microphone)


class TestDocument:
    def test_it_is_read_back(self) -> None:
        for status in (with_now(NOW), with_now(lost()), with_now(None)):
            assert cli.read(msgspec.json.encode(status)) == status

    def test_what_a_newer_daemon_adds_is_passed_over(self) -> None:
        fields: dict[str, Any] = json.loads(msgspec.json.encode(with_now(NOW)))
        fields["of_a_later_version"] = fields["now"]["of_a_later_version"] = 1
        assert cli.read(json.dumps(fields).encode()) == with_now(NOW)

    @pytest.mark.parametrize(
        "document", [b"{}", b"", b"no JSON", b'{"device_id": "kitchen"}', b'{"device_id": "\xff"}']
    )
    def test_what_another_version_says_is_told_in_a_sentence(self, document: bytes) -> None:
        with pytest.raises(StatusError, match=r"not of this version .* start it again"):
            cli.read(document)

    def test_a_lost_microphone_a_broken_speaker_and_a_silent_loop_are_problems(self) -> None:
        speaker = SpeakerStatus(name="", works=False, fault="speaker: stopped; plug it in")
        assert problems_of(NOW) == ()
        assert problems_of(lost()) == (UNPLUGGED,)
        assert problems_of(msgspec.structs.replace(NOW, speaker=speaker)) == (speaker.fault,)
        assert problems_of(None) == (LOOP_IS_SILENT,)


class TestPage:
    def test_one_screen_tells_everything(self) -> None:
        shown = cli.page(with_now(NOW))
        lines = shown.splitlines()
        assert lines[0] == "appliance 1.2, device.id kitchen, process 4711, up 3 h 12 min"
        assert "state        idle, frame 576012" in lines
        assert "microphone   USB Audio (hw:1,0) through arecord, 48000 Hz, channels 1" in lines
        assert "speaker      the default one, not used yet" in lines
        assert "wake words   alexa (int8, 0.85)" in lines
        assert "stop word    stop (int8, 0.90)" in lines
        assert "broker       broker 127.0.0.1:1883: connected (MQTT 5)" in lines
        assert "priorities   real-time capture 10; ordinary voice; switch interval 0.5 ms; model threads 1" in lines
        assert "commands     accepted 12, refused 3" in lines
        assert "service      MISSED: 6 % of 100 turns took longer than 1000 ms (5 % may), p50 660 ms" in shown
        assert "problem" not in shown
        assert "None" not in shown
        assert len(lines) <= 40

    def test_the_newest_self_test_is_told(self) -> None:
        good = SelfTest(version="1.2", at="2026-01-01T12:00:00Z", passed=True)
        bad = msgspec.structs.replace(good, passed=False, problem="self-test: no wake by computer")
        shown = [cli.page(msgspec.structs.replace(with_now(NOW), self_test=found)) for found in (good, bad)]
        assert "self-test    passed, version 1.2, 2026-01-01T12:00:00Z" in shown[0].splitlines()
        assert "self-test    self-test: no wake by computer, version 1.2, 2026-01-01T12:00:00Z" in shown[1].splitlines()

    def test_turns_and_buffers_are_columns(self) -> None:
        lines = [line.split() for line in cli.page(with_now(NOW)).splitlines()]
        first = next(number for number, line in enumerate(lines) if line[:1] == ["turn"])
        assert lines[first + 1] == ["3", "10:31:02", "given", "up", "120", "500", "-", "-", "660", "3500"]
        assert lines[first + 2] == ["2", "10:31:02", "refused:", "no_speech", "120", "500", "-", "-", "660", "3500"]
        assert lines[first + 3] == ["1", "10:31:02", "turn_on", "120", "500", "-", "-", "660", "3500"]
        assert lines[-1] == ["audio.microphone:", "_queue", "3", "100"]

    def test_ten_turns_fit_on_the_screen(self) -> None:
        full = msgspec.structs.replace(NOW, turns=NOW.turns[:1] * KEPT_TURNS, buffers=NOW.buffers[:1] * 8)
        assert len(cli.page(with_now(full)).splitlines()) <= 40

    def test_a_problem_comes_first(self) -> None:
        lines = cli.page(with_now(lost())).splitlines()
        assert lines[1] == f"problem      {UNPLUGGED}"
        assert "microphone   'USB', not there; lost so far: 2" in lines

    def test_a_loop_that_does_not_answer_is_all_there_is_to_say(self) -> None:
        lines = cli.page(with_now(None)).splitlines()
        assert lines[1:] == [f"problem      {LOOP_IS_SILENT}"]

    def test_a_muted_microphone_is_told_as_closed(self) -> None:
        muted = MicrophoneStatus(name="USB", present=False, muted=True)
        assert "'USB', closed: muted" in cli.page(with_now(msgspec.structs.replace(NOW, microphone=muted)))

    def test_a_loud_room_is_told(self) -> None:
        loud = msgspec.structs.replace(NOW, room=Room(noise_floor_dbfs=-31.6, too_loud=True))
        assert "noise floor -32 dBFS; too loud to hear a command" in cli.page(with_now(loud))

    def test_a_name_cannot_write_to_the_terminal(self) -> None:
        microphone = msgspec.structs.replace(NOW.microphone, device="\x1b[2Jred\nfalse line")
        shown = cli.page(with_now(msgspec.structs.replace(NOW, microphone=microphone)))
        assert "?[2Jred?false line through" in shown

    @pytest.mark.parametrize(
        ("uptime_s", "told"), [(0, "0 s"), (59, "59 s"), (125, "2 min 5 s"), (7200, "2 h 0 min"), (273_600, "3 d 4 h")]
    )
    def test_the_uptime_has_two_units(self, uptime_s: int, told: str) -> None:
        assert cli.page(with_now(None, uptime_s=uptime_s)).splitlines()[0].endswith(f"up {told}")


def test_watching_goes_on_until_it_is_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    answers = [with_now(NOW), StatusError("no daemon runs"), with_now(None)]

    def ask() -> Status:
        answer = answers.pop(0)
        if isinstance(answer, StatusError):
            raise answer
        return answer

    def pause() -> None:
        if not answers:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cli.watch(ask, pause)
    shown = capsys.readouterr().out
    parts = [shown.index(text) for text in ("state        idle", "appliance: no daemon runs", "problem      the frame")]
    assert parts == sorted(parts)
    assert "\x1b" not in shown, "nothing is cleared where no terminal is"
