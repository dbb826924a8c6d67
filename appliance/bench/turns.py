"""How long a turn takes, stage by stage: recordings through the whole appliance, with processor time beside.

In line, the default, a stage takes no frames but those that it waits for, and the same recordings give the same
figures: what is then shown as processor time comes on top. At the pace of a microphone (`realtime`) slow work runs on
threads, as in the daemon, and the figures hold everything, also what else the machine does.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from appliance.audio.format import FRAME_MS, Frame
from appliance.audio.sources import Source
from appliance.brains import Brains
from appliance.demo.table import STAGES
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
from appliance.replay import ReplaySettings, replay
from appliance.service_level import percentile, waited_ms
from appliance.voice.voice import Voice

PERCENTS = (50, 95, 99)


class Clocked:
    """A source, each frame of which is told as it is taken."""

    def __init__(self, source: Source, told: Callable[[int], None]) -> None:
        """`told`: gets the index."""
        self._source = source
        self._told = told
        self.events = source.events
        self.close = source.close

    def frames(self) -> Iterator[Frame]:
        """Yield them."""
        for frame in self._source.frames():
            self._told(frame.index)
            yield frame


class Frames:
    """A source of frames that are there already."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        """`frames`: with indices from 0."""
        self._frames = frames

    def frames(self) -> Iterator[Frame]:
        """Yield them."""
        yield from self._frames

    def events(self) -> list[Event]:
        """Nothing happens to them."""
        return []

    def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorTimes:
    """Processor time of the daemon and of its children, ms, in the parts of a turn; 0 where there was no such part."""

    listening_ms: float = 0.0
    """From the begin of the command to the last speech."""

    silence_ms: float = 0.0
    """From there to the end of the command: what goes on, and what is made ready."""

    recognition_ms: float = 0.0
    """From there to the final text."""

    action_ms: float = 0.0
    """From there to the action done."""

    answer_ms: float = 0.0
    """From there to the first sound of the answer."""

    @property
    def after_speech_ms(self) -> float:
        """What a person waits for behind the silence."""
        return self.recognition_ms + self.action_ms + self.answer_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedTurn:
    """One turn."""

    name: str
    """Of the recording."""

    times: TurnFinished
    processor: ProcessorTimes
    completion: Completion = Completion.INCOMPLETE
    """Of what was said."""

    ready: bool | None = None
    """The answer's begin was there when it was ordered; None: there was no answer."""

    @property
    def waited_ms(self) -> int:
        """What the person waited."""
        return waited_ms(self.times) or 0


@dataclass(slots=True)
class Watch:
    """Takes the events of a replay as they happen, and looks at the processor's clock with each."""

    name: str
    completion: Callable[[str], Completion]
    """How far a command has come that says this."""

    turns: list[TimedTurn] = field(default_factory=list)
    _clock_ms: dict[int, float] = field(default_factory=dict)
    """Of each frame since the wake word."""

    _seen_ms: dict[type[Event], float] = field(default_factory=dict)
    _ended: int = 0
    _text: str = ""
    _ready: bool | None = None

    def tick(self, frame: int) -> None:
        """The next frame."""
        self._clock_ms[frame] = _spent_ms()

    def take(self, event: Event) -> None:
        """The next event."""
        if isinstance(event, WakeDetected):
            self._clock_ms, self._seen_ms, self._text, self._ready = {}, {}, "", None
        if isinstance(event, SpeechEnded):
            self._ended = event.frame
        if isinstance(event, TranscriptReady):
            self._text = event.text or ""
        if isinstance(event, SpeakingStarted) and self._ready is None:
            self._ready = event.cached
        if not isinstance(event, TurnFinished):
            self._seen_ms.setdefault(type(event), _spent_ms())
        elif waited_ms(event) is not None:
            silence_ms = self._silence_ms(event)
            processor = ProcessorTimes(
                listening_ms=max(0.0, self._between(SpeechStarted, SpeechEnded) - silence_ms),
                silence_ms=silence_ms,
                recognition_ms=self._between(SpeechEnded, TranscriptReady),
                action_ms=self._between(TranscriptReady, ActionDone),
                answer_ms=self._between(ActionDone, SpeakingStarted),
            )
            completion = self.completion(self._text)
            self.turns.append(
                TimedTurn(name=self.name, times=event, processor=processor, completion=completion, ready=self._ready)
            )
            self._seen_ms, self._text, self._ready = {}, "", None

    def _silence_ms(self, times: TurnFinished) -> float:
        """Of the processor, between the last speech and the end of the command."""
        ended_ms = self._seen_ms.get(SpeechEnded, 0.0)
        return ended_ms - self._clock_ms.get(self._ended - (times.endpoint_ms or 0) // FRAME_MS, ended_ms)

    def _between(self, first: type[Event], last: type[Event]) -> float:
        if first not in self._seen_ms or last not in self._seen_ms:
            return 0.0
        return self._seen_ms[last] - self._seen_ms[first]


def timed_turns(
    brains: Brains, voice: Voice, recordings: Sequence[tuple[str, Source]], *, realtime: bool
) -> list[TimedTurn]:
    """Replay recordings, each with its name, and time the turns in them. Raises AudioError."""
    turns: list[TimedTurn] = []
    for name, source in recordings:
        watch = Watch(name, brains.language.completion)
        replay(brains, Clocked(source, watch.tick), ReplaySettings(realtime=realtime), voice=voice, publish=watch.take)
        turns += watch.turns
    return turns


def summary(turns: Sequence[TimedTurn], target_ms: int, allowed_share: float) -> list[str]:
    """Lines: p50, p95, p99 of each stage, the processor time, and the service level. At least one turn."""
    lines = [
        f"  {len(turns)} turns; a frame is 20 ms, finer is not measured",
        f"  {'':<{WIDTH}}    p50    p95    p99   ms",
    ]
    for name, meaning in STAGES.items():
        values = [value for turn in turns if (value := getattr(turn.times, name)) is not None]
        if values:
            lines.append(_line(meaning, values))
    lines += _kinds(turns)
    lines.append("  processor time, of the voice's process, too:")
    for name, meaning in PROCESSOR_PARTS.items():
        lines.append(_line(meaning, [getattr(turn.processor, name) for turn in turns]))
    over = sum(turn.waited_ms > target_ms for turn in turns)
    share = over / len(turns)
    verdict = "met" if share <= allowed_share else "missed"
    lines.append(
        f"  service level: {over} of {len(turns)} turns ({100 * share:.1f} %) took longer than {target_ms} ms from the "
        f"last speech to the first sound; {100 * allowed_share:.0f} % may: {verdict}"
    )
    return lines


def table(turns: Sequence[TimedTurn]) -> list[str]:
    """Lines: each turn with what was said."""
    lines = ["    end   text action  sound   ms from the last speech, but text from the end of the command"]
    for turn in turns:
        times = turn.times
        each = (times.endpoint_ms, times.recognition_ms, times.action_ms, times.first_audio_ms)
        lines.append("".join("      -" if ms is None else f"{ms:7}" for ms in each) + f"  {turn.name}")
    return lines


def _kinds(turns: Sequence[TimedTurn]) -> list[str]:
    """The same of turns that are waited for, or answered, in different ways."""
    kinds = {
        "last speech to action, nothing can follow": [
            t.times.action_ms for t in turns if t.completion is Completion.CLOSED
        ],
        "last speech to action, more may follow": [t.times.action_ms for t in turns if t.completion in MORE],
        "action to first sound, answer was there": [_answered_ms(turn) for turn in turns if turn.ready],
        "action to first sound, answer was new": [_answered_ms(turn) for turn in turns if turn.ready is False],
    }
    lines = []
    for meaning, found in kinds.items():
        values = [value for value in found if value is not None]
        if values:
            lines.append(_line(f"{meaning} ({len(values)})", values))
    return lines


def _answered_ms(turn: TimedTurn) -> int | None:
    first, acted = turn.times.first_audio_ms, turn.times.action_ms
    return None if first is None or acted is None else first - acted


MORE = (Completion.OPEN, Completion.WIDE_OPEN)

WIDTH = 47

PROCESSOR_PARTS = {
    "listening_ms": "while the command is said",
    "silence_ms": "last speech to end of command",
    "recognition_ms": "end of command to text",
    "action_ms": "text to action done",
    "answer_ms": "action done to first sound",
    "after_speech_ms": "all after the command",
}


def typical(turns: Sequence[TimedTurn]) -> TimedTurn:
    """The turn whose wait is nearest to the median; the first of several."""
    median_ms = percentile([turn.waited_ms for turn in turns], 50)
    return min(turns, key=lambda turn: abs(turn.waited_ms - median_ms))


def slowest(turns: Sequence[TimedTurn]) -> TimedTurn:
    """The turn with the longest wait; the first of several."""
    return max(turns, key=lambda turn: turn.waited_ms)


def children_s() -> float:
    """Processor time of this process's children that run, s; 0 where the system does not tell."""
    ticks = 0
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text().split():
            try:
                ticks += sum(map(int, Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[11:13]))
            except OSError:  # it ended meanwhile
                continue
    return ticks * TICK_S


def _spent_ms() -> float:
    """Processor time until now, of the voice's process, too."""
    return 1000 * (time.process_time() + children_s())


TICK_S = 1 / os.sysconf("SC_CLK_TCK")
"""In these the system counts processor time: 0.01 s."""


def _line(meaning: str, values: Sequence[float]) -> str:
    return f"  {meaning:<{WIDTH}} " + " ".join(f"{percentile(values, percent):6}" for percent in PERCENTS)
