"""The meter: what is measured of each frame, and how it is shown."""

import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from appliance import config_files
from appliance.audio.files import FileSource
from appliance.audio.format import Frame
from appliance.cli.meter import Ear, Meter, show
from appliance.cli.meter_output import (
    ASCII,
    BLOCKS,
    HIDE_CURSOR,
    SHOW_CURSOR,
    Hold,
    JsonLines,
    Picture,
    Reading,
    Summary,
    View,
    draw,
    signs_for,
)
from appliance.config import Config, Wake
from appliance.config_files import LoadedConfig
from appliance.errors import ModelError
from appliance.events import AudioDropped, AudioProblem, Event, MicrophoneLost, MicrophoneRestored, WakeDetected
from appliance.models import ModelStore
from appliance.wake.trigger import Trigger
from tests.fakes import ScriptedDetector, loud, quiet


def reading(
    frame: int = 99,
    level: float = -45.0,
    *,
    floor: float | None = -60.0,
    speech: float = 0.25,
    wake: dict[str, float] | None = None,
) -> Reading:
    return Reading(
        frame=frame,
        audio_s=(frame + 1) / 50,
        level_dbfs=level,
        floor_dbfs=floor,
        speech=speech,
        wake={"alexa": 0.5} if wake is None else wake,
    )


# What is measured.


class ScriptedEngine:
    """Scores 1 in the given frames."""

    def __init__(self, *frames: int) -> None:
        self.frames = frames
        self.closed = False

    def process(self, frame: Frame) -> float | None:
        return None if frame.index == 0 else float(frame.index in self.frames)

    def reset(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def ear(engine: ScriptedEngine, word: str = "alexa") -> Ear:
    return Ear(word=word, kind="int8", threshold=0.9, engine=engine, trigger=Trigger(0.9, 2))


def measured(meter: Meter, until: int, sound: Callable[[int], Frame] = quiet) -> list[tuple[Reading, list[Event]]]:
    return [meter.read(sound(index)) for index in range(until)]


def test_a_reading_is_level_floor_speech_and_the_mean_that_is_held_against_the_threshold() -> None:
    meter = Meter(ScriptedDetector(range(99, 100)), [ear(ScriptedEngine(99)), ear(ScriptedEngine(), "computer")])
    last, events = measured(meter, 100)[-1]
    assert last == Reading(
        frame=99,
        audio_s=2.0,
        level_dbfs=-80.8,
        floor_dbfs=-80.5,
        speech=0.9,
        wake={"alexa": 0.5, "computer": 0.0},
    )
    assert events == []
    assert meter.thresholds == {"alexa": 0.9, "computer": 0.9}


def test_the_floor_is_not_known_at_first() -> None:
    assert measured(Meter(ScriptedDetector(), []), 1)[0][0].floor_dbfs is None


def test_a_wake_word_is_told_once_when_the_daemon_would_wake() -> None:
    meter = Meter(ScriptedDetector(), [ear(ScriptedEngine(*range(60, 90)))])
    told = [event for _, events in measured(meter, 100) for event in events]
    assert told == [WakeDetected(frame=61, word="alexa", engine="int8", score=1.0)]


def test_a_loud_room_and_a_clipping_microphone_are_told() -> None:
    told = [event for _, events in measured(Meter(ScriptedDetector(), []), 600, loud) for event in events]
    assert [event.kind for event in told if isinstance(event, AudioProblem)] == ["noisy"]
    told = [
        event
        for _, events in measured(Meter(ScriptedDetector(), []), 100, lambda index: loud(index, 32_767))
        for event in events
    ]
    assert [event.kind for event in told if isinstance(event, AudioProblem)] == ["clipping"]


def test_a_room_is_not_too_loud_for_somebody_who_speaks_louder() -> None:
    def sound(index: int) -> Frame:
        return loud(index, 30_000 if 80 <= index < 100 else 1600)

    meter = Meter(ScriptedDetector(), [ear(ScriptedEngine(98, 99))])
    told = [event for _, events in measured(meter, 600, sound) for event in events]
    assert [type(event) for event in told] == [WakeDetected]


def test_the_silence_of_a_lost_microphone_says_nothing_about_the_room() -> None:
    meter = Meter(ScriptedDetector(), [])
    measured(meter, 100)
    lost, restored = MicrophoneLost(frame=100, device="usb"), MicrophoneRestored(frame=700, device="usb")
    _, events = meter.read(Frame(100, np.zeros(320, np.int16)), [lost])
    assert events == [lost]
    for index in range(101, 700):
        silent, events = meter.read(Frame(index, np.zeros(320, np.int16)))
        assert (silent.floor_dbfs, events) == (-80.5, [])
    for index in range(700, 1100):
        back, events = meter.read(loud(index, 100), [restored] if index == 700 else [])
        assert events == ([restored] if index == 700 else [])
    assert back.floor_dbfs == -80.5
    assert meter.read(Frame(1100, np.zeros(320, np.int16)))[0].level_dbfs == -120


def test_the_models_are_freed() -> None:
    engine = ScriptedEngine()
    Meter(ScriptedDetector(), [ear(engine)]).close()
    assert engine.closed


# The picture.


def picture(view: View | None = None, columns: int = 80, *, blocks: bool = False) -> list[str]:
    view = view or View(now=reading(), peaks=reading(level=-9.0, speech=0.75), thresholds={"alexa": 0.9}, events=())
    return draw(view, columns, BLOCKS if blocks else ASCII)


def test_the_picture() -> None:
    events = ("    1.00 s  wake_detected", "    2.00 s  audio_dropped")
    view = View(now=reading(), peaks=reading(level=-9.0, speech=0.75), thresholds={"alexa": 0.9}, events=events)
    assert picture(view, 40) == [
        "2.0 s   floor -60 dBFS   peak -9.0 dBFS",
        "level  [######|###......>..] -45.0 dBFS",
        "        -90 -60   -30     0",
        "speech [#####.........>....]  0.25",
        "alexa  [##########......|..]  0.50",
        "| floor, threshold   > peak of 2 s",
        "    1.00 s  wake_detected",
        "    2.00 s  audio_dropped",
        "",
    ]


@pytest.mark.parametrize("columns", [40, 79, 80, 200])
@pytest.mark.parametrize("blocks", [True, False])
def test_no_line_is_longer_than_the_terminal_and_bars_use_what_there_is(columns: int, blocks: bool) -> None:
    lengths = [len(line) for line in picture(columns=columns, blocks=blocks)]
    assert max(lengths) <= columns
    assert max(lengths) >= columns - 2


@pytest.mark.parametrize("columns", [1, 20, 39])
def test_a_terminal_that_is_too_narrow_is_drawn_on_as_one_of_40_columns(columns: int) -> None:
    assert picture(columns=columns) == picture(columns=40)


@pytest.mark.parametrize("level", [-120.0, -90.0, -0.1, 0.0])
def test_what_is_beyond_the_scale_is_at_its_end(level: float) -> None:
    now = reading(level=level, floor=level, speech=1.0, wake={"alexa": 1.0})
    bar = picture(View(now=now, peaks=now, thresholds={"alexa": 1.0}, events=()))[1]
    inside = bar[bar.index("[") + 1 : bar.index("]")]
    assert inside == ("|" + "." * (len(inside) - 1) if level <= -90 else "#" * (len(inside) - 1) + "|")


def test_an_unknown_floor_has_no_mark() -> None:
    now = reading(floor=None)
    lines = picture(View(now=now, peaks=now, thresholds={"alexa": 0.9}, events=()))
    assert "not known" in lines[0]
    assert "|" not in lines[1]


def test_ascii_is_ascii_and_blocks_are_blocks() -> None:
    assert "".join(picture()).isascii()
    assert {"█", "·", "┃", "▌"} <= set("".join(picture(blocks=True)))


@pytest.mark.parametrize(
    ("encoding", "locale", "blocks"),
    [
        ("utf-8", "de_DE.UTF-8", True),
        ("utf-8", "C.UTF-8", True),
        ("utf-8", "C", False),
        ("iso8859-1", "de_DE", False),
        ("ascii", "C", False),
    ],
)
def test_blocks_are_for_terminals_that_know_them(encoding: str, locale: str, blocks: bool) -> None:
    assert signs_for(encoding, locale) == (BLOCKS if blocks else ASCII)


def test_names_cannot_move_the_cursor_or_the_bars() -> None:
    now = reading(wake={"a\x1b[2Jb": 0.5, "x" * 50: 0.5})
    thresholds = dict.fromkeys(now.wake, 0.9)
    lines = picture(View(now=now, peaks=now, thresholds=thresholds, events=("device \x1b]0;title\x07", "", "")))
    assert all(line.isprintable() for line in lines)
    assert len({line.index("[") for line in lines if line.endswith("0.50")}) <= 2
    assert max(map(len, lines)) <= 80


def test_the_number_of_lines_does_not_depend_on_the_events() -> None:
    now = reading()
    counts = {len(picture(View(now=now, peaks=now, thresholds={"alexa": 1.0}, events=["x"] * n))) for n in range(4)}
    assert len(counts) == 1


def test_a_peak_stays_for_two_seconds() -> None:
    hold = Hold()
    hold.update(reading(0, -10.0, speech=0.9, wake={"alexa": 0.8}))
    for frame in range(1, 100):
        held = hold.update(reading(frame, -50.0, speech=0.1, wake={"alexa": 0.0}))
        assert (held.level_dbfs, held.speech, held.wake) == (-10.0, 0.9, {"alexa": 0.8})
    held = hold.update(reading(100, -50.0, speech=0.1, wake={"alexa": 0.0}))
    assert (held.level_dbfs, held.speech, held.wake) == (-50.0, 0.1, {"alexa": 0.0})


# On a terminal.


class Terminal(io.TextIOWrapper):
    """Remembers what was written, as `encoding` has it."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="")

    @property
    def text(self) -> str:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode(self.encoding)


def shown(frames: int, *, terminal: Terminal, steps_s: float = 0.02, events: tuple[Event, ...] = ()) -> str:
    """So many frames on a terminal of 80 columns, so far apart."""
    times: Iterator[float] = (steps_s * index for index in range(frames))
    output = Picture(terminal, {"alexa": 0.9}, clock=times.__next__, columns=lambda: 80, signs=ASCII)
    for index in range(frames):
        output.take(reading(index), events if index == 0 else ())
    output.close()
    return terminal.text


def test_a_picture_is_drawn_over_the_one_before() -> None:
    text = shown(1, terminal=Terminal())
    first, second = re.split(r"\x1b\[\d+A", text)
    assert first.startswith(HIDE_CURSOR)
    lines = first.count("\n")
    assert f"\x1b[{lines}A" in text
    assert second.count("\n") == lines
    assert first.count("\x1b[K\n") == lines


def test_it_is_drawn_fifteen_times_a_second_at_most() -> None:
    """100 frames a second come, of which every seventh is drawn, and the last."""
    assert shown(300, terminal=Terminal(), steps_s=0.01).count("level") == 43 + 1
    assert shown(30, terminal=Terminal(), steps_s=1.0).count("level") == 30 + 1


def test_the_cursor_is_there_again_and_below_the_picture() -> None:
    text = shown(5, terminal=Terminal())
    assert text.count(HIDE_CURSOR) == text.count(SHOW_CURSOR) == 1
    assert text.endswith("\n" + SHOW_CURSOR)


def test_nothing_is_drawn_of_nothing() -> None:
    assert shown(0, terminal=Terminal()) == ""


def test_the_width_is_looked_up_each_time() -> None:
    terminal, widths = Terminal(), iter([60, 100])
    output = Picture(terminal, {"alexa": 0.9}, clock=lambda: 0.0, columns=widths.__next__, signs=ASCII)
    output.take(reading(), ())
    output.close()
    bars = [line for line in terminal.text.splitlines() if line.startswith("speech")]
    assert len(bars[1]) - len(bars[0]) == 40


def test_the_newest_three_events_are_shown() -> None:
    drops = tuple(AudioDropped(frame=index, frames=index) for index in range(1, 6))
    text = shown(1, terminal=Terminal(), events=drops)
    assert re.findall(r"frames=(\d)", text) == ["3", "4", "5"] * 2


def test_a_name_that_the_terminal_cannot_show_breaks_nothing() -> None:
    lost = (MicrophoneLost(frame=0, device="Mikrofön 麦"),)
    assert "Mikrof?n" in shown(1, terminal=Terminal("ascii"), events=lost)
    assert "Mikrofön 麦" in shown(1, terminal=Terminal(), events=lost)


# Elsewhere.


def test_a_line_a_second_has_the_highest_values() -> None:
    stream = io.StringIO()
    output = Summary(stream)
    for index in range(120):
        event = [AudioDropped(frame=index, frames=7)] if index == 60 else []
        output.take(reading(index, -20.0 if index == 7 else -50.0, wake={"alexa": 0.8 if index == 30 else 0.0}), event)
    assert len(stream.getvalue().splitlines()) == 3
    output.close()
    assert stream.getvalue().splitlines() == [
        "    1.00 s  level  -20.0 dBFS  floor -60 dBFS  speech 0.25  alexa 0.80",
        "    1.22 s  audio_dropped      frames=7",
        "    2.00 s  level  -50.0 dBFS  floor -60 dBFS  speech 0.25  alexa 0.00",
        "    2.40 s  level  -50.0 dBFS  floor -60 dBFS  speech 0.25  alexa 0.00",
    ]


def test_json_is_an_object_for_each_frame() -> None:
    stream = io.StringIO()
    output = JsonLines(stream)
    output.take(reading(floor=None), [AudioDropped(frame=1, frames=1)])
    output.close()
    assert json.loads(stream.getvalue()) == {
        "frame": 99,
        "audio_s": 2.0,
        "level_dbfs": -45.0,
        "floor_dbfs": None,
        "speech": 0.25,
        "wake": {"alexa": 0.5},
    }


# All of it.


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """3 s of a quiet room."""
    import soundfile  # type: ignore[import-untyped]

    path = tmp_path / "room.wav"
    soundfile.write(path, np.random.default_rng(5).normal(0, 30, 3 * 16_000).astype(np.int16), 16_000)
    return path


def config_of(*words: str) -> LoadedConfig:
    shipped = config_files.load(config_files.SHIPPED_CONFIG)
    return LoadedConfig(config=Config(wake=Wake(words=list(words))), folder=shipped.folder)


def shown_file(path: Path, config: LoadedConfig, *, seconds: float | None = None, as_json: bool = False) -> int:
    source = FileSource(path)
    try:
        return show(source, config, seconds=seconds, as_json=as_json)
    finally:
        source.close()


@pytest.mark.model
def test_a_file_is_measured_frame_by_frame(room: Path, store: ModelStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown_file(room, config_of("alexa", "hey_jarvis"), as_json=True) == 0
    found = [msgspec.json.decode(line, type=Reading) for line in capsys.readouterr().out.splitlines()]
    assert [one.frame for one in found] == list(range(150))
    assert found[-1].floor_dbfs == pytest.approx(-61, abs=1)
    assert set(found[-1].wake) == {"alexa", "hey_jarvis"}
    assert max(one.speech for one in found) < 0.5


@pytest.mark.model
@pytest.mark.parametrize(("seconds", "lines"), [(None, 3), (2.0, 2), (1.5, 2), (0.0, 0)])
def test_it_ends_after_so_many_seconds(
    room: Path, store: ModelStore, capsys: pytest.CaptureFixture[str], seconds: float | None, lines: int
) -> None:
    assert shown_file(room, config_of("alexa"), seconds=seconds) == 0
    assert len(capsys.readouterr().out.splitlines()) == lines


@pytest.mark.model
def test_a_phrase_is_spotted_too(room: Path, store: ModelStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown_file(room, config_of("alexa", "good morning"), seconds=1.0) == 0
    assert "good_morning 0.00" in capsys.readouterr().out


@pytest.mark.model
def test_a_word_that_nobody_knows_is_named(room: Path, store: ModelStore) -> None:
    with pytest.raises(ModelError, match="xyzzyq"):
        shown_file(room, config_of("xyzzyq"))
