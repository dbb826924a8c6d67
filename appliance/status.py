"""What a running daemon tells about itself: the document of `appliance status`, and the collector that fills its past.

Nothing here holds what was said: turns are told by their intent, never by their words.
"""

from collections import deque
from typing import Final

import msgspec
from msgspec import Struct

from appliance import __version__
from appliance.events import (
    AudioDropped,
    Event,
    Failed,
    FalseWakeReported,
    IntentRecognized,
    IntentRejected,
    LoadShed,
    MicrophoneLost,
    Milliseconds,
    SpeakingEnded,
    State,
    TurnFinished,
    WakeDetected,
)
from appliance.service_level import ServiceFigures

KEPT_TURNS: Final = 10

TIMES_MS: Final = (50, 100, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, 10_000)
"""Bounds by which the times of turns are counted: closest where answers are felt to be quick or slow."""

PARTS: Final = ("wake", "endpoint", "recognition", "action", "first_audio", "total")

LOOP_IS_SILENT: Final = (
    "the frame loop does not answer: it still starts, or hangs, or the machine is far too slow; if that lasts, look at "
    "journalctl -u appliance, and start it again: systemctl restart appliance"
)


class Metrics(Struct, frozen=True, kw_only=True):
    """Figures counted from the start; published on the topic `metrics` once a minute."""

    version: str = __version__
    uptime_s: int = 0
    frames: int = 0
    wakes: int = 0
    false_wakes: int = 0
    """Those of them that somebody told not to have been meant."""

    rejected: int = 0
    turns: int = 0
    last_turn_ms: int | None = None
    frames_dropped: int = 0
    xruns: int = 0
    """How often sound was lost between the microphone and the frame loop, be it one frame or many; in a storm of such
    losses each second counts once."""

    microphone_lost: int = 0
    """How often."""

    failures: int = 0
    """How often a stage failed."""

    load_shed: int = 0
    """How often work was left out because the processor was short."""

    events_dropped: int = 0
    commands_accepted: int = 0
    commands_refused: int = 0
    cpu_percent: float | None = None
    """Of one core, by the daemon without the voice, since the figures before; null at first."""

    memory_mb: int = 0
    """Resident, of the daemon without the voice."""

    service_level: ServiceFigures | None = None


class Waiting(Struct, frozen=True, kw_only=True):
    """What will ring. No labels: they are what somebody said."""

    timers: int = 0
    """Those that pause among them."""

    next_timer: str | None = None
    """RFC 3339, UTC; None: none runs."""

    alarms: int = 0
    """Reminders among them."""

    next_alarm: str | None = None


class MicrophoneStatus(Struct, frozen=True, kw_only=True):
    """The microphone; what is not known while it is closed is null."""

    name: str
    """As configured; `default`: found by itself."""

    device: str | None = None
    """Its own name."""

    way: str | None = None
    """What it is captured through: PortAudio, arecord or pw-record."""

    rate_hz: int | None = None
    channels: int | None = None
    present: bool
    """Sound comes from it."""

    muted: bool
    """It is closed on purpose."""

    fault: str | None = None
    """Why it is lost, and what to do, in one sentence."""

    lost: int = 0
    """How often, since the start."""


class SpeakerStatus(Struct, frozen=True, kw_only=True):
    """The loudspeaker."""

    name: str
    """As configured; empty: found by itself; `none`."""

    works: bool | None = None
    """Whether the newest answer was played; null before the first."""

    fault: str | None = None
    """Why not, and what to do."""


class ThreadStatus(Struct, frozen=True, kw_only=True):
    """One thread of the daemon."""

    name: str
    realtime_priority: int | None
    """Of SCHED_RR or SCHED_FIFO, 1..99; null: ordinary priority."""


class Priorities(Struct, frozen=True, kw_only=True):
    """What the threads may use of the processor; the frame loop is the main thread."""

    threads: tuple[ThreadStatus, ...]
    switch_interval_ms: float
    """How long one thread may keep the interpreter while another waits for it."""

    model_threads: int | None
    """Threads that the recognizer's matrix library may use for one job; null: as many as there are cores."""


class WakeWordStatus(Struct, frozen=True, kw_only=True):
    """A word that wakes, or stops."""

    name: str
    engine: str
    threshold: float
    """Score that it needs, 0..1."""


class ModelNames(Struct, frozen=True, kw_only=True):
    """The models in use, by their names in the manifest."""

    recognizer: str
    speech_detector: str
    voice: str


class Turn(Struct, frozen=True, kw_only=True):
    """A turn that is over; for its times see `TurnFinished`."""

    session: int | None
    at: str
    """When it ended, RFC 3339 in UTC."""

    intent: str | None
    rejected: str | None
    """Why there is no intent; null also where the turn was given up before that was known."""

    wake_ms: Milliseconds | None
    endpoint_ms: Milliseconds | None
    recognition_ms: Milliseconds | None
    action_ms: Milliseconds | None
    first_audio_ms: Milliseconds | None
    total_ms: Milliseconds


class Room(Struct, frozen=True, kw_only=True):
    """What the room sounds like; null while it is not known."""

    noise_floor_dbfs: float | None = None
    too_loud: bool | None = None
    """A command could not be told from the noise."""


class PartTimes(Struct, frozen=True, kw_only=True):
    """How long one part of the turns took, counted from the start; the parts are those of `TurnFinished`."""

    part: str
    """`first_audio`: the field of `TurnFinished` without its unit."""

    within: tuple[int, ...] = (0,) * len(TIMES_MS)
    """Turns that took at most so long, for each of TIMES_MS."""

    turns: int = 0
    """All of them."""

    sum_ms: int = 0

    def plus(self, time_ms: int) -> "PartTimes":
        """With another turn."""
        within = (count + (time_ms <= most) for count, most in zip(self.within, TIMES_MS, strict=True))
        return PartTimes(part=self.part, within=tuple(within), turns=self.turns + 1, sum_ms=self.sum_ms + time_ms)


class BufferStatus(Struct, frozen=True, kw_only=True):
    """A row of the ledger of buffers."""

    where: str
    holds_ms: float | None
    """Most sound that it can hold; null for what is not sound."""

    waiting: int | None = None
    """How much is in it now; null where that is not counted."""

    capacity: int | None = None


class Now(Struct, frozen=True, kw_only=True):
    """How things stand in the frame loop, all read within one frame."""

    state: State
    frame: int
    microphone: MicrophoneStatus
    speaker: SpeakerStatus
    room: Room
    wake_words: tuple[WakeWordStatus, ...]
    stop_word: WakeWordStatus | None = None
    """Ends an answer or a ring; null: none."""

    models: ModelNames
    broker: str
    """Whether it is there, in one sentence."""

    priorities: Priorities
    metrics: Metrics
    turns: tuple[Turn, ...]
    """The newest, at most 10; the newest last."""

    times: tuple[PartTimes, ...]
    """Of all turns since the start."""

    buffers: tuple[BufferStatus, ...]


class SelfTest(Struct, frozen=True, kw_only=True):
    """What the newest `appliance update self-test` found since the machine started."""

    version: str
    """Which was tested: that in use, or one that was to be."""

    at: str
    """RFC 3339 in UTC."""

    passed: bool
    problem: str | None = None
    """Why not, in one sentence."""


class Status(Struct, frozen=True, kw_only=True):
    """The document: one JSON object."""

    version: str = __version__
    device_id: str
    pid: int
    uptime_s: int
    problems: tuple[str, ...]
    """What keeps it from hearing or answering, a sentence each; empty: it is well."""

    self_test: SelfTest | None = None
    """Null: none was made."""

    now: Now | None
    """Null when the frame loop does not answer."""


def problems_of(now: Now | None) -> tuple[str, ...]:
    """What keeps the appliance from hearing or answering. A broker that is away does not: it works on without."""
    if now is None:
        return (LOOP_IS_SILENT,)
    return tuple(fault for fault in (now.microphone.fault, now.speaker.fault) if fault is not None)


class Recent:
    """Counts events and keeps the newest turns. Belongs to the frame loop."""

    def __init__(self) -> None:
        self._turns: deque[Turn] = deque(maxlen=KEPT_TURNS)
        self._times = tuple(PartTimes(part=part) for part in PARTS)
        self._counted = Metrics()
        self._intent: str | None = None
        self._rejected: str | None = None
        self._speaker_works: bool | None = None
        self._speaker_fault: str | None = None

    @property
    def counted(self) -> Metrics:
        """What events tell; the other figures are zero."""
        return self._counted

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The newest last."""
        return tuple(self._turns)

    @property
    def times(self) -> tuple[PartTimes, ...]:
        """Of all turns, part by part."""
        return self._times

    def speaker(self, name: str) -> SpeakerStatus:
        """The loudspeaker of this name, as far as events tell."""
        return SpeakerStatus(name=name, works=self._speaker_works, fault=self._speaker_fault)

    def take(self, event: Event, at: str) -> None:
        """Note what an event says; `at`: RFC 3339 in UTC."""
        counted = self._counted
        match event:
            case WakeDetected():
                self._count(wakes=counted.wakes + 1)
            case FalseWakeReported():
                self._count(false_wakes=counted.false_wakes + 1)
            case IntentRecognized():
                self._intent = event.intent
            case IntentRejected():
                self._rejected = event.reason
                self._count(rejected=counted.rejected + 1)
            case TurnFinished():
                self._finish(event, at)
                self._count(turns=counted.turns + 1, last_turn_ms=event.total_ms)
            case AudioDropped():
                self._count(frames_dropped=counted.frames_dropped + event.frames, xruns=counted.xruns + 1)
            case LoadShed():
                self._count(load_shed=counted.load_shed + 1)
            case MicrophoneLost():
                self._count(microphone_lost=counted.microphone_lost + 1)
            case Failed():
                self._count(failures=counted.failures + 1)
                if event.stage == "speaker":
                    self._speaker_works, self._speaker_fault = False, event.error
            case SpeakingEnded(reason="done"):
                self._speaker_works, self._speaker_fault = True, None

    def _count(self, **figures: int) -> None:
        self._counted = msgspec.structs.replace(self._counted, **figures)

    def _finish(self, times: TurnFinished, at: str) -> None:
        turn = Turn(
            session=times.session,
            at=at,
            intent=self._intent,
            rejected=self._rejected,
            wake_ms=times.wake_ms,
            endpoint_ms=times.endpoint_ms,
            recognition_ms=times.recognition_ms,
            action_ms=times.action_ms,
            first_audio_ms=times.first_audio_ms,
            total_ms=times.total_ms,
        )
        self._turns.append(turn)
        self._times = tuple(
            counted if (time_ms := getattr(times, f"{counted.part}_ms")) is None else counted.plus(time_ms)
            for counted in self._times
        )
        self._intent = self._rejected = None
