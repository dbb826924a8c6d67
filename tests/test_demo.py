"""The demo's parts: its broker, its person, its table. The demo as a whole runs in CI."""

import itertools
import socket
from collections.abc import Iterator

import numpy as np
import pytest

from appliance.audio.format import Frame, silent_pcm
from appliance.bench.silence import SilentVoice
from appliance.demo.broker import demo_broker
from appliance.demo.person import LONGEST_WAIT_FRAMES, PAUSE_FRAMES, Line, Person
from appliance.demo.prompter import NOBODY_HEARS_FRAMES, PATIENCE_FRAMES, Prompter
from appliance.demo.table import Turns
from appliance.errors import AudioError, BrokerError
from appliance.events import (
    ActionDone,
    AudioDropped,
    Event,
    IntentRecognized,
    IntentRejected,
    ReplyGiven,
    State,
    StateChanged,
    TranscriptReady,
    TurnFinished,
)
from appliance.service_level import percentile
from appliance.status import MicrophoneStatus


@pytest.mark.broker
def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BrokerError, match=f"did not start on port {port}"), demo_broker(port):
            pass


@pytest.mark.broker
def test_the_broker_listens_and_is_gone_afterwards() -> None:
    with demo_broker() as port:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=1)


class Tone(SilentVoice):
    """A voice of half a second."""

    def synthesize(self, sentence: str) -> np.ndarray:
        return np.full(8000, 9000, np.int16)


def test_the_person_waits_for_the_answer_before_the_next_line() -> None:
    said: list[str] = []
    person = Person([Line("one"), Line("two")], Tone(), said.append, sleep=lambda seconds: None)
    frames = person.frames()
    taken = [next(frames) for _ in range(PAUSE_FRAMES + 1)]
    assert said == ["one"]
    assert abs(int(np.median(taken[-1].pcm)) - 9000) < 50
    person.hear(StateChanged(frame=taken[-1].index, from_=State.IDLE, to=State.LISTENING))
    for _ in range(200):
        last = next(frames)
    assert said == ["one"]
    person.hear(StateChanged(frame=last.index, from_=State.SPEAKING, to=State.IDLE))
    for _ in range(PAUSE_FRAMES + 1):
        next(frames)
    assert said == ["one", "two"]


def test_the_person_leaves_in_the_end_whatever_happens() -> None:
    person = Person([Line("one", when=State.RINGING)], Tone(), lambda text: None, sleep=lambda seconds: None)
    assert len(list(person.frames())) <= 2 * LONGEST_WAIT_FRAMES + 10


class FakeMicrophone:
    """Frames of silence, without a pause; or a fault."""

    def __init__(self, fault: str | None = None) -> None:
        self.fault = fault
        self.calls: list[str] = []
        self.waiting = (0, 100)

    def start(self) -> None:
        self.calls.append("start")

    def frames(self) -> Iterator[Frame]:
        return (Frame(index, silent_pcm()) for index in itertools.count())

    def events(self) -> list[Event]:
        return [AudioDropped(frame=1, frames=2)]

    def pause(self, on: bool) -> None:
        self.calls.append(f"pause {on}")

    def status(self) -> MicrophoneStatus:
        return MicrophoneStatus(name="fake", present=self.fault is None, muted=False, fault=self.fault)

    def close(self) -> None:
        self.calls.append("close")


def test_a_person_is_told_the_next_line_after_the_answer_or_when_nothing_was_heard() -> None:
    asked: list[tuple[int, str]] = []
    taken = 0
    prompter = Prompter([Line("one"), Line("two"), Line("three")], FakeMicrophone(), lambda t: asked.append((taken, t)))
    for frame in prompter.frames():
        taken = frame.index + 1
        if taken == 300:
            prompter.hear(StateChanged(frame=300, from_=State.IDLE, to=State.LISTENING))
        if taken == 400:
            prompter.hear(StateChanged(frame=400, from_=State.SPEAKING, to=State.IDLE))
    second = 400 + PAUSE_FRAMES
    assert asked == [(PAUSE_FRAMES, "one"), (second, "two"), (second + PATIENCE_FRAMES, "three")]
    assert taken == second + 2 * PATIENCE_FRAMES


def test_the_prompter_is_the_microphone_else() -> None:
    microphone = FakeMicrophone()
    prompter = Prompter([], microphone, print)
    prompter.start()
    prompter.pause(True)
    prompter.close()
    assert microphone.calls == ["start", "pause True", "close"]
    assert (prompter.waiting, prompter.events(), prompter.status().name) == (
        (0, 100),
        [AudioDropped(frame=1, frames=2)],
        "fake",
    )
    lost = Prompter([Line("one")], FakeMicrophone("microphone: there is none; plug one in"), print)
    frames = lost.frames()
    assert len([next(frames) for _ in range(NOBODY_HEARS_FRAMES)]) == NOBODY_HEARS_FRAMES
    with pytest.raises(AudioError, match="there is none"):
        next(frames)


def test_the_table_tells_each_turn_and_the_times_of_all() -> None:
    turns = Turns()
    heard: list[Event] = [
        StateChanged(frame=0, from_=State.IDLE, to=State.LISTENING),
        TranscriptReady(frame=1, session=1, text="stop"),
        IntentRecognized(frame=1, session=1, intent="stop", slots={}, values={}, text="stop", decision="act"),
        ActionDone(frame=1, session=1, intent="stop", ok=False, detail="no way"),
        ReplyGiven(frame=1, session=1, text="Sorry."),
        TurnFinished(frame=2, session=1, action_ms=100, total_ms=1000),
        IntentRejected(frame=3, session=2, text=None, reason="no_speech"),
        TurnFinished(frame=4, session=2, total_ms=3000),
    ]
    for event in heard:
        turns.take(event)
    lines = [line.split("  ") for line in turns.lines()]
    assert [word.strip() for word in lines[2] if word.strip()] == ["stop", "stop", "no: no way", "Sorry."]
    assert "refused: no_speech" in turns.lines()[3]
    assert turns.lines()[-2].split("  ")[0] == "last speech to action done"
    assert turns.lines()[-1].split()[-4:] == ["2000", "ms", "2900", "ms"]


@pytest.mark.parametrize(("values", "percent", "expected"), [([7], 95, 7), ([0, 100], 50, 50), ([0, 100], 95, 95)])
def test_percentiles(values: list[int], percent: int, expected: int) -> None:
    assert percentile(values, percent) == expected
