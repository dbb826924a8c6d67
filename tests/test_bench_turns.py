"""Turns, timed: what is counted, which turns are shown, the picture, and the projection."""

from dataclasses import replace
from xml.etree import ElementTree

import msgspec
import pytest

from appliance.audio.format import Frame, silent_pcm
from appliance.bench.projection import projected, rate_here
from appliance.bench.turns import Clocked, Frames, ProcessorTimes, TimedTurn, Watch, slowest, summary, table, typical
from appliance.bench.waterfall import picture, stages
from appliance.events import (
    ActionDone,
    Event,
    SpeakingStarted,
    SpeechEnded,
    SpeechStarted,
    TranscriptReady,
    TurnFinished,
    WakeDetected,
)
from appliance.intent import Completion

TIMES = TurnFinished(
    frame=300,
    session=1,
    wake_ms=100,
    endpoint_ms=160,
    recognition_ms=40,
    action_ms=220,
    first_audio_ms=260,
    total_ms=2000,
)


def completion(text: str) -> Completion:
    return Completion.CLOSED if text == "stop" else Completion.INCOMPLETE


def turn(first_audio_ms: int | None, name: str = "a.wav", **cpu: float) -> TimedTurn:
    times = TurnFinished(
        frame=1, endpoint_ms=160, recognition_ms=20, action_ms=200, first_audio_ms=first_audio_ms, total_ms=900
    )
    return TimedTurn(name=name, times=times, processor=ProcessorTimes(**cpu))


TURNS = [turn(260, "short.wav"), turn(300, "middle.wav"), turn(900, "long <&>.wav", recognition_ms=80.0)]


def events(*, finished: TurnFinished = TIMES, text: str = "stop", cached: bool = False) -> list[Event]:
    return [
        WakeDetected(frame=1, word="computer", engine="int8", score=0.9),
        SpeechStarted(frame=2),
        SpeechEnded(frame=3, reason="complete"),
        TranscriptReady(frame=4, text=text),
        ActionDone(frame=5, intent="stop", ok=True),
        SpeakingStarted(frame=6, cached=cached),
        finished,
    ]


def test_every_turn_is_timed_and_one_that_nobody_waited_for_is_not() -> None:
    watch = Watch("a.wav", completion)
    for event in events():
        watch.take(event)
    for event in events(finished=TurnFinished(frame=9, total_ms=100)):
        watch.take(event)
    (timed,) = watch.turns
    assert (timed.name, timed.times, timed.waited_ms) == ("a.wav", TIMES, 260)


def test_what_was_said_tells_what_could_follow_and_the_first_sound_whether_it_was_there() -> None:
    watch = Watch("a.wav", completion)
    for event in [*events(), *events(text="what", cached=True)]:
        watch.take(event)
    assert [(timed.completion, timed.ready) for timed in watch.turns] == [
        (Completion.CLOSED, False),
        (Completion.INCOMPLETE, True),
    ]


def test_processor_time_belongs_to_the_part_in_which_it_was_spent() -> None:
    watch = Watch("a.wav", completion)
    for event in events():
        watch.take(event)
        if isinstance(event, SpeechEnded):
            sum(number * number for number in range(300_000))
    (timed,) = watch.turns
    times = timed.processor
    assert times.recognition_ms > 1.0
    assert times.recognition_ms > 3 * max(times.listening_ms, times.action_ms, times.answer_ms)
    assert times.after_speech_ms == pytest.approx(times.recognition_ms + times.action_ms + times.answer_ms)


def test_processor_time_in_the_silence_is_told_apart() -> None:
    """100 ms before the end of the command is frame 15."""
    watch = Watch("a.wav", completion)
    woken, *following = events(finished=msgspec.structs.replace(TIMES, endpoint_ms=100))
    watch.take(woken)
    for event in following:
        if isinstance(event, SpeechEnded):
            for frame in range(10, 21):
                watch.tick(frame)
                sum(number * number for number in range(10_000 if frame < 15 else 100_000))
            event = SpeechEnded(frame=20, reason="complete")
        watch.take(event)
    (timed,) = watch.turns
    assert timed.processor.silence_ms > 4 * timed.processor.listening_ms > 0.0
    assert timed.processor.after_speech_ms < timed.processor.listening_ms


def test_frames_are_told_as_they_are_taken() -> None:
    told: list[int] = []
    source = Clocked(Frames([Frame(index, silent_pcm()) for index in range(3)]), told.append)
    frames = source.frames()
    assert told == []
    assert (next(frames).index, told) == (0, [0])
    assert [frame.index for frame in frames] == [1, 2]
    assert (told, source.events()) == ([0, 1, 2], [])
    source.close()


def test_the_summary_has_percentiles_and_the_service_level() -> None:
    lines = summary(TURNS, target_ms=500, allowed_share=0.05)
    assert "3 turns" in lines[0]
    (sound,) = [line for line in lines if "last speech to first sound" in line and "service" not in line]
    assert sound.split()[-3:] == ["300", "840", "888"]
    assert "1 of 3 turns (33.3 %) took longer than 500 ms" in lines[-1]
    assert lines[-1].endswith("5 % may: missed")
    assert summary(TURNS, 500, 0.4)[-1].endswith("40 % may: met")
    assert summary(TURNS, 900, 0.0)[-1].endswith("0 % may: met")


def test_turns_of_different_kinds_are_told_apart() -> None:
    closed, opened = (replace(turn(260), completion=one, ready=True) for one in (Completion.CLOSED, Completion.OPEN))
    wide = replace(turn(500), completion=Completion.WIDE_OPEN, ready=False)
    lines = {line[:49].strip(): line.split()[-3:] for line in summary([closed, opened, wide, turn(None)], 500, 0.05)}
    assert lines["last speech to action, nothing can follow (1)"] == ["200", "200", "200"]
    assert lines["last speech to action, more may follow (2)"] == ["200", "200", "200"]
    assert lines["action to first sound, answer was there (2)"] == ["60", "60", "60"]
    assert lines["action to first sound, answer was new (1)"] == ["300", "300", "300"]
    assert not any("new" in line for line in summary([closed], 500, 0.05))


def test_each_turn_has_a_line() -> None:
    assert [line.split() for line in table([turn(260, "one.wav"), turn(None, "none.wav")])[1:]] == [
        ["160", "20", "200", "260", "one.wav"],
        ["160", "20", "200", "-", "none.wav"],
    ]


def test_the_typical_turn_is_the_one_at_the_median_and_the_slowest_is_the_slowest() -> None:
    assert typical(TURNS).name == "middle.wav"
    assert slowest(TURNS).name == "long <&>.wav"


def test_the_stages_follow_each_other_without_a_gap() -> None:
    drawn = stages(TimedTurn(name="", times=TIMES, processor=ProcessorTimes()))
    assert [(begin, end) for _, begin, end, _ in drawn] == [(0, 160), (160, 200), (200, 220), (220, 260)]
    silent = stages(turn(None))
    assert [(begin, end) for _, begin, end, _ in silent] == [(0, 160), (160, 180), (180, 200), (200, 200)]


def test_the_picture_is_svg_with_a_bar_for_each_stage() -> None:
    drawn = picture([("typical", TURNS[0]), ("slowest", TURNS[2])], target_ms=500)
    root = ElementTree.fromstring(drawn)
    space = "{http://www.w3.org/2000/svg}"
    panels = root.findall(f"{space}g")
    assert len(panels) == 2
    assert all(len(panel.findall(f"{space}rect")) == 4 for panel in panels)
    texts = [text.text or "" for text in root.iter(f"{space}text")]
    assert {"typical: 260 ms", "slowest: 900 ms", "long <&>.wav", "target 500 ms"} <= set(texts)
    width = float(root.get("width", "0"))
    for bar in root.iter(f"{space}rect"):
        if bar.get("x"):
            assert float(bar.get("x", "")) + float(bar.get("width", "")) <= width


def test_the_projection_scales_the_work_and_not_the_silence() -> None:
    lines = projected([turn(260, recognition_ms=40.0, answer_ms=10.0)], rate=72e9)
    (four,) = [line for line in lines if "Pi 4" in line]
    (five,) = [line for line in lines if "Pi 5" in line]
    assert "10.0 times" in four
    assert "p50 660 ms" in four, "160 ms of silence, 50 ms of work"
    assert "3.8 times" in five
    busy = projected([turn(260, silence_ms=80.0, recognition_ms=40.0)], rate=72e9)[1]
    assert "p50 600 ms" in busy, "800 ms of work on four cores in 160 ms of silence, and 400 behind it"
    assert rate_here() > 1e8
