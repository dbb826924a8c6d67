"""What the meter shows: a live picture for a terminal, a line a second, or JSON."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final, Protocol, TextIO

import msgspec

from appliance.audio.format import FRAMES_PER_S, frames_of_ms
from appliance.events import Event
from appliance.report import describe

LEAST_DBFS: Final = -90.0
"""Left end of the level's bar: the last bit of int16."""

SCALE_DBFS: Final = (-90, -60, -30, 0)
PICTURES_PER_S: Final = 15
HOLD_FRAMES: Final = frames_of_ms(2000)
"""How long a peak stays, so that the eye catches it; a wake word scores for a fifth of a second."""

EVENTS_SHOWN: Final = 3
LEAST_COLUMNS: Final = 40
NAME_COLUMNS: Final = 16
VALUE_COLUMNS: Final = 12
"""` -38.2 dBFS`."""

HIDE_CURSOR: Final = "\x1b[?25l"
SHOW_CURSOR: Final = "\x1b[?25h"
END_OF_LINE: Final = "\x1b[K\n"
"""Erases what an earlier, longer line left."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured of one frame; a line of --json."""

    frame: int
    audio_s: float
    level_dbfs: float
    floor_dbfs: float | None
    """Of the noise; null while it is not known."""

    speech: float
    """Probability, 0..1."""

    wake: dict[str, float]
    """What of each wake word is held against its threshold: the mean of its newest scores, 0..1."""


class Output(Protocol):
    """Shows readings one after the other."""

    def take(self, reading: Reading, events: Sequence[Event]) -> None:
        """Show a frame, and what happened at it."""

    def close(self) -> None:
        """The last frame was shown."""


class JsonLines:
    """One object for each frame."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def take(self, reading: Reading, events: Sequence[Event]) -> None:
        print(msgspec.json.encode(reading).decode(), file=self._stream, flush=True)

    def close(self) -> None:
        """Nothing is left."""


class Summary:
    """One line for each second, with the highest values, and one for each event."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._readings: list[Reading] = []

    def take(self, reading: Reading, events: Sequence[Event]) -> None:
        for event in events:
            print(describe(event), file=self._stream)
        self._readings.append(reading)
        if len(self._readings) == FRAMES_PER_S:
            self.close()

    def close(self) -> None:
        """Print what is left."""
        if self._readings:
            print(summary(self._readings), file=self._stream, flush=True)
            self._readings = []


def summary(readings: Sequence[Reading]) -> str:
    """Some frames, at least one, as a line."""
    last = readings[-1]
    wake = {word: max(reading.wake[word] for reading in readings) for word in last.wake}
    parts = [
        f"{last.audio_s:8.2f} s",
        f"level {max(reading.level_dbfs for reading in readings):6.1f} dBFS",
        f"floor {_floor(last)}",
        f"speech {max(reading.speech for reading in readings):.2f}",
        *(f"{word} {score:.2f}" for word, score in wake.items()),
    ]
    return "  ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is in a picture."""

    now: Reading
    peaks: Reading
    """The highest values of the last moments."""

    thresholds: Mapping[str, float]
    """Of each wake word, 0..1."""

    events: Sequence[str]
    """The newest, as lines; the newest last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What a bar is made of."""

    filled: str
    empty: str
    peak: str
    mark: str


BLOCKS: Final = Signs(filled="█", empty="·", peak="▌", mark="┃")
ASCII: Final = Signs(filled="#", empty=".", peak=">", mark="|")


def signs_for(encoding: str, locale: str) -> Signs:
    """Blocks where the terminal can show them; in the locale C, Python only guesses an encoding."""
    try:
        "".join((BLOCKS.filled, BLOCKS.empty, BLOCKS.peak, BLOCKS.mark)).encode(encoding)
    except UnicodeEncodeError:
        return ASCII
    return ASCII if locale in ("C", "POSIX") else BLOCKS


def draw(view: View, columns: int, signs: Signs) -> list[str]:
    """The picture: so many lines for the same words, none longer than `columns` (at least 40)."""
    now, peaks = view.now, view.peaks
    name_columns = min(NAME_COLUMNS, max(map(len, ("speech", *now.wake))))
    bar_columns = max(columns, LEAST_COLUMNS) - name_columns - VALUE_COLUMNS - 3

    def row(name: str, bar: str, value: str) -> str:
        return f"{_cut(name, name_columns):<{name_columns}} [{bar}]{value}"

    def share(level_dbfs: float) -> float:
        return 1 - level_dbfs / LEAST_DBFS

    floor = None if now.floor_dbfs is None else share(now.floor_dbfs)
    level = _bar(share(now.level_dbfs), share(peaks.level_dbfs), floor, bar_columns, signs)
    lines = [
        f"{now.audio_s:.1f} s   floor {_floor(now)}   peak {peaks.level_dbfs:.1f} dBFS",
        row("level", level, f"{now.level_dbfs:6.1f} dBFS"),
        " " * (name_columns + 2) + _scale(bar_columns),
        row("speech", _bar(now.speech, peaks.speech, None, bar_columns, signs), f"{now.speech:6.2f}"),
    ]
    for word, score in now.wake.items():
        bar = _bar(score, peaks.wake[word], view.thresholds[word], bar_columns, signs)
        lines.append(row(word, bar, f"{score:6.2f}"))
    lines.append(f"{signs.mark} floor, threshold   {signs.peak} peak of {HOLD_FRAMES // FRAMES_PER_S} s")
    lines += [*view.events, *[""] * EVENTS_SHOWN][:EVENTS_SHOWN]
    return [_cut(line, max(columns, LEAST_COLUMNS)) for line in lines]


class Picture:
    """Draws on a terminal, over the picture before, at most 15 times a second."""

    def __init__(
        self,
        stream: TextIO,
        thresholds: Mapping[str, float],
        *,
        clock: Callable[[], float],
        columns: Callable[[], int],
        signs: Signs,
    ) -> None:
        """`clock`: seconds; `columns`: width of the terminal."""
        self._stream = stream
        self._thresholds = thresholds
        self._clock = clock
        self._columns = columns
        self._encoding = stream.encoding or "ascii"
        self._signs = signs
        self._hold = Hold()
        self._events: list[str] = []
        self._view: View | None = None
        self._drawn_s: float | None = None
        self._lines = 0

    def take(self, reading: Reading, events: Sequence[Event]) -> None:
        self._events = [*self._events, *map(describe, events)][-EVENTS_SHOWN:]
        peaks = self._hold.update(reading)
        self._view = View(now=reading, peaks=peaks, thresholds=self._thresholds, events=self._events)
        now_s = self._clock()
        if self._drawn_s is None or now_s - self._drawn_s >= 1 / PICTURES_PER_S:
            self._drawn_s = now_s
            self._draw(self._view)

    def close(self) -> None:
        """Draw the last frame, and leave the cursor below it."""
        if self._view is not None:
            self._draw(self._view)
            self._stream.write(SHOW_CURSOR)
            self._stream.flush()

    def _draw(self, view: View) -> None:
        lines = draw(view, self._columns() - 1, self._signs)  # a line as long as the terminal is wide may wrap
        up = f"\x1b[{self._lines}A" if self._lines else HIDE_CURSOR
        text = up + "".join(line + END_OF_LINE for line in lines)
        self._stream.write(text.encode(self._encoding, "replace").decode(self._encoding))
        self._stream.flush()
        self._lines = len(lines)


class Hold:
    """Keeps peaks."""

    def __init__(self) -> None:
        self._level = _Peak()
        self._speech = _Peak()
        self._wake: defaultdict[str, _Peak] = defaultdict(_Peak)

    def update(self, reading: Reading) -> Reading:
        """Take the next frame; returns it with the highest values of the last two seconds instead of its own."""
        frame = reading.frame
        return msgspec.structs.replace(
            reading,
            level_dbfs=self._level.update(frame, reading.level_dbfs),
            speech=self._speech.update(frame, reading.speech),
            wake={word: self._wake[word].update(frame, score) for word, score in reading.wake.items()},
        )


class _Peak:
    def __init__(self) -> None:
        self._value = -inf
        self._since = 0

    def update(self, frame: int, value: float) -> float:
        if value >= self._value or frame - self._since >= HOLD_FRAMES:
            self._value, self._since = value, frame
        return self._value


def _bar(value: float, peak: float, mark: float | None, columns: int, signs: Signs) -> str:
    """So many signs; the values are shares of the bar, what is outside of 0..1 is at its end."""
    filled = round(min(max(value, 0.0), 1.0) * columns)
    bar = [signs.filled] * filled + [signs.empty] * (columns - filled)
    if peak > value:
        bar[_place(peak, columns)] = signs.peak
    if mark is not None:
        bar[_place(mark, columns)] = signs.mark
    return "".join(bar)


def _scale(columns: int) -> str:
    """Levels below the places where they are in the bar."""
    line = [" "] * (columns + 3)
    for level in SCALE_DBFS:
        text = str(level)
        start = max(0, _place(1 - level / LEAST_DBFS, columns) - len(text) + 1)
        line[start : start + len(text)] = text
    return "".join(line).rstrip()


def _place(share: float, columns: int) -> int:
    return round(min(max(share, 0.0), 1.0) * (columns - 1))


def _floor(reading: Reading) -> str:
    return "not known" if reading.floor_dbfs is None else f"{reading.floor_dbfs:.0f} dBFS"


def _cut(text: str, columns: int) -> str:
    """No more than fits, and nothing that moves the cursor: names come from files and devices."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:columns])
