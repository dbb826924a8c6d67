"""The events: facts that happened, as frozen classes in the past tense.

This file is the public contract. The same JSON goes to MQTT, to `replay --events`, to tests and to whoever subscribes;
`docs/contracts.md` and `docs/events.schema.json` are held against these classes by a test. A field never changes its
meaning; new ones may be added.

Texts (what was said or answered) pass `without_text` before they leave the process, unless the owner publishes texts.
"""

from enum import StrEnum
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from appliance.audio.format import seconds_of_frame


class State(StrEnum):
    """What the appliance is doing, as told in `state_changed` and on the retained topic `state`."""

    IDLE = "idle"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"
    FOLLOWING_UP = "following_up"
    RINGING = "ringing"
    MUTED = "muted"


Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Milliseconds = Annotated[int, Meta(ge=0)]
Slots = dict[str, str]
"""Slot name to the words as spoken. JSON needs a map here; it is built and read at the borders only."""
Values = dict[str, str | int | float | bool]
"""Slot name to its normalised value: a number, seconds, or the identifier of an entity."""
AlarmKind = Literal["alarm", "reminder"]


class Event(Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=False, forbid_unknown_fields=True):
    """A fact about one frame."""

    frame: int
    """Index of the 20 ms frame at which the fact was known."""

    session: int | None = None
    """Counts turns from wake to idle; null outside of one."""

    @property
    def audio_s(self) -> float:
        """Seconds of audio heard up to and with this frame."""
        return seconds_of_frame(self.frame)


class Started(Event, frozen=True, kw_only=True, tag="started"):
    """The appliance hears its first frame, after its start or at the beginning of a replay."""

    version: str
    wake_words: tuple[str, ...]


class WakeDetected(Event, frozen=True, kw_only=True, tag="wake_detected"):
    """The wake word ended."""

    word: str
    engine: str
    score: Share


class WakeYielded(Event, frozen=True, kw_only=True, tag="wake_yielded"):
    """Another appliance heard the same wake word better, and answers; this one is quiet."""

    word: str
    to: str
    """The other one's `device.id`."""

    snr_db: float
    """How well this one heard the word: its level above the noise of the room."""

    other_snr_db: float


class WakeNearMissed(Event, frozen=True, kw_only=True, tag="wake_near_missed"):
    """Something sounded almost like the wake word; off by default."""

    word: str
    engine: str
    score: Share


class StopDetected(Event, frozen=True, kw_only=True, tag="stop_detected"):
    """The stop word ended while an answer or a ring was heard; it ends them, as the command `stop` does."""

    word: str
    score: Share


class FalseWakeReported(Event, frozen=True, kw_only=True, tag="false_wake_reported"):
    """Somebody told that a wake word was not meant for the appliance; `session` is the one that it began."""

    word: str
    engine: str
    score: Share
    woken: int
    """Index of the frame at which it woke."""


class SpeechStarted(Event, frozen=True, kw_only=True, tag="speech_started"):
    """The person began to say the command."""


class SpeechEnded(Event, frozen=True, kw_only=True, tag="speech_ended"):
    """The command is over, as far as the endpointing can tell."""

    reason: Literal["silence", "complete", "too_long", "cancelled"]


class PartialTranscript(Event, frozen=True, kw_only=True, tag="partial_transcript"):
    """What was understood so far; never stored, and published only where texts are."""

    text: str | None


class TranscriptReady(Event, frozen=True, kw_only=True, tag="transcript"):
    """What was said, finally; free dictation where no sentence matches."""

    text: str | None
    confidence: Share | None = None


class IntentRecognized(Event, frozen=True, kw_only=True, tag="intent_recognized"):
    """A sentence of the language was said."""

    intent: str
    slots: Slots
    values: Values
    text: str | None
    confidence: Share | None = None
    decision: Literal["act", "confirm", "refuse"]


class IntentRejected(Event, frozen=True, kw_only=True, tag="intent_rejected"):
    """What was said is not for us, or not understood."""

    text: str | None
    reason: Literal["not_understood", "low_confidence", "no_speech", "own_voice"]
    nearest: str | None = None
    score: Share | None = None


class ActionDone(Event, frozen=True, kw_only=True, tag="action_done"):
    """The action of an intent was carried out, or failed."""

    intent: str
    ok: bool
    detail: str | None = None
    dry_run: bool = False


class ReplyGiven(Event, frozen=True, kw_only=True, tag="reply"):
    """What the appliance answers, as it begins to say it."""

    text: str | None


class SpeakingStarted(Event, frozen=True, kw_only=True, tag="speaking_started"):
    """The first sample of an answer was handed to the loudspeaker."""

    cached: bool = False
    """Its beginning was made before it was ordered."""


class SpeakingEnded(Event, frozen=True, kw_only=True, tag="speaking_ended"):
    """The loudspeaker is silent again."""

    reason: Literal["done", "interrupted", "failed"]


class TimerSet(Event, frozen=True, kw_only=True, tag="timer_set"):
    """A timer runs."""

    timer: str
    label: str | None
    due: str
    """RFC 3339 in UTC."""


class TimerFired(Event, frozen=True, kw_only=True, tag="timer_fired"):
    """A timer is over and rings."""

    timer: str
    label: str | None
    due: str
    late: bool = False
    """It was due while the appliance was off; it is told and does not ring."""


class TimerCancelled(Event, frozen=True, kw_only=True, tag="timer_cancelled"):
    """A timer was taken back."""

    timer: str
    label: str | None
    due: str


class TimerPaused(Event, frozen=True, kw_only=True, tag="timer_paused"):
    """A timer is held; `timer_set` tells when it runs again."""

    timer: str
    label: str | None
    left_s: Annotated[int, Meta(ge=0)]
    """How long it will still run, in whole seconds."""


class AlarmSet(Event, frozen=True, kw_only=True, tag="alarm_set"):
    """An alarm or a reminder waits."""

    alarm: str
    kind: AlarmKind
    label: str | None
    due: str
    """When it rings next: RFC 3339 in UTC, by the zone of now."""

    weekdays: tuple[int, ...]
    """On which days it rings every week, Monday is 0; empty: once."""


class AlarmFired(Event, frozen=True, kw_only=True, tag="alarm_fired"):
    """An alarm or a reminder is due and rings."""

    alarm: str
    kind: AlarmKind
    label: str | None
    due: str
    late: bool = False
    """It was due while the appliance was off; it is told and does not ring."""


class AlarmCancelled(Event, frozen=True, kw_only=True, tag="alarm_cancelled"):
    """An alarm or a reminder was taken back."""

    alarm: str
    kind: AlarmKind
    label: str | None
    due: str


class StateChanged(Event, frozen=True, kw_only=True, tag="state_changed", rename={"from_": "from"}):
    """The dialog moved on."""

    from_: State
    to: State


class TurnFinished(Event, frozen=True, kw_only=True, tag="turn_finished"):
    """How long each part of a turn took, in ms; null where the part did not happen."""

    wake_ms: Milliseconds | None = None
    """End of the wake word, as estimated from its level, to its detection."""

    endpoint_ms: Milliseconds | None = None
    """Last frame of speech to the decision that it was the last."""

    recognition_ms: Milliseconds | None = None
    """That decision to the final transcript."""

    action_ms: Milliseconds | None = None
    """Last frame of speech to the action done."""

    first_audio_ms: Milliseconds | None = None
    """Last frame of speech to the first sample of the answer handed to the device."""

    total_ms: Milliseconds
    """Detection of the wake word to the end of the turn."""


class AudioProblem(Event, frozen=True, kw_only=True, tag="audio_problem"):
    """What the microphone delivers cannot be speech, or can hardly be told from the noise of the room."""

    kind: Literal["silent", "clipping", "dc", "nan", "format", "noisy"]
    level_dbfs: float
    hint: str
    """Likely causes, in one sentence."""


class AudioDropped(Event, frozen=True, kw_only=True, tag="audio_dropped"):
    """Frames were lost between the microphone and the frame loop; told once a second at most, added up."""

    frames: Annotated[int, Meta(ge=1)]


class MicrophoneLost(Event, frozen=True, kw_only=True, tag="microphone_lost"):
    """The capture device went away; silence keeps time until it is back."""

    device: str


class MicrophoneRestored(Event, frozen=True, kw_only=True, tag="microphone_restored"):
    """The capture device is back."""

    device: str


class EchoCancellationLost(Event, frozen=True, kw_only=True, tag="echo_cancellation_lost"):
    """The device's own sound cannot be taken out of what the microphone hears: while it speaks or rings, only a person
    who is about as loud as the device is heard."""

    loss_db: float
    """How much of the echo is taken, in dB; 10 to 35 is usual."""

    delay_ms: Milliseconds | None = None
    """From the playback to the microphone; null: not found."""


class EchoCancellationRestored(Event, frozen=True, kw_only=True, tag="echo_cancellation_restored"):
    """It is taken out again."""

    loss_db: float
    delay_ms: Milliseconds | None = None


class LoadShed(Event, frozen=True, kw_only=True, tag="load_shed"):
    """Work was left out because the processor is short."""

    what: str
    since: int
    """Frame index from which on it is left out."""


class ServiceLevelMissed(Event, frozen=True, kw_only=True, tag="service_level_missed"):
    """Too many of the newest turns kept a person waiting for too long."""

    share: Share
    """So many took longer than the target."""

    target_ms: Milliseconds
    turns: int
    """So many were looked at, at most 100."""

    p95_ms: Milliseconds


class ServiceLevelMet(Event, frozen=True, kw_only=True, tag="service_level_met"):
    """The newest turns are quick enough again."""

    share: Share
    target_ms: Milliseconds
    turns: int
    p95_ms: Milliseconds


class SettingsChanged(Event, frozen=True, kw_only=True, tag="settings_changed"):
    """A command, a spoken order or a reload changed how it listens or answers."""

    wake_words: tuple[str, ...]
    threshold: Share
    """Score that wakes; 0: each model's own."""

    volume: Annotated[int, Meta(ge=0, le=100)]
    """Percent."""

    stop_word: str | None = None
    """Ends an answer or a ring; null: none."""

    restart_needed: tuple[str, ...] = ()
    """Keys of the configuration that were changed in the file, too, and are used after a restart only."""


class DevicesLearned(Event, frozen=True, kw_only=True, tag="devices_learned"):
    """What the devices of the house announced of themselves is taken over: they can be commanded by voice."""

    devices: Annotated[int, Meta(ge=0)]
    """How many learned ones there are now."""


class UpdateStep(StrEnum):
    """Where an update stands."""

    FOUND = "found"
    FETCHING = "fetching"
    PREPARING = "preparing"
    TESTING = "testing"
    SWITCHING = "switching"
    INSTALLED = "installed"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"


class UpdateProgressed(Event, frozen=True, kw_only=True, tag="update_progressed"):
    """An update has gone on; told once a second at most."""

    installed: str
    """The version in use."""

    latest: str
    """The newest one that is known."""

    step: UpdateStep
    percent: Annotated[int, Meta(ge=0, le=100)]
    """Of all that has to be done."""

    problem: str | None = None
    """Why it failed or was taken back."""

    notes: str = ""
    """What is new in the newest one, as its maker says."""


class CommandRefused(Event, frozen=True, kw_only=True, tag="command_refused"):
    """Somebody sent what is no command, or asked for what cannot be done; told at most once a minute."""

    reason: str
    """Of the newest one."""

    count: Annotated[int, Meta(ge=1)]
    """Refused since last told."""


class Failed(Event, frozen=True, kw_only=True, tag="failed"):
    """A stage failed; it was reset and the daemon goes on."""

    stage: str
    error: str


AnyEvent = (
    Started
    | WakeDetected
    | WakeYielded
    | WakeNearMissed
    | StopDetected
    | FalseWakeReported
    | SpeechStarted
    | SpeechEnded
    | PartialTranscript
    | TranscriptReady
    | IntentRecognized
    | IntentRejected
    | ActionDone
    | ReplyGiven
    | SpeakingStarted
    | SpeakingEnded
    | TimerSet
    | TimerFired
    | TimerCancelled
    | TimerPaused
    | AlarmSet
    | AlarmFired
    | AlarmCancelled
    | StateChanged
    | TurnFinished
    | AudioProblem
    | AudioDropped
    | MicrophoneLost
    | MicrophoneRestored
    | EchoCancellationLost
    | EchoCancellationRestored
    | LoadShed
    | ServiceLevelMissed
    | ServiceLevelMet
    | SettingsChanged
    | DevicesLearned
    | UpdateProgressed
    | CommandRefused
    | Failed
)
"""Every event there is, in the order of the contract's table."""

TEXT_FIELDS: Final = ("text", "nearest", "label")
"""Fields that hold what was said or answered. `slots` and `values` are trimmed by slot name, see `without_text`."""

UNQUEUED: Final = frozenset({"partial_transcript", "command_refused"})
"""Events published at QoS 0 and never stored: stale by the time they could be delivered again, or made by strangers."""


def event_type(event: Event) -> str:
    """The name of an event on the wire: `wake_detected`."""
    return str(event.__struct_config__.tag)


def without_text(event: Event, *, free_slots: frozenset[str]) -> Event | None:
    """The event as it may leave the process when texts are private; None when nothing of it may.

    `free_slots` are the slots whose values are free text (a list item, a reminder) rather than one of a closed set.
    """
    if isinstance(event, PartialTranscript):
        return None
    changes: dict[str, Any] = {name: None for name in TEXT_FIELDS if name in event.__struct_fields__}
    if isinstance(event, IntentRecognized):
        changes["slots"] = {k: v for k, v in event.slots.items() if k not in free_slots}
        changes["values"] = {k: v for k, v in event.values.items() if k not in free_slots}
    return msgspec.structs.replace(event, **changes) if changes else event


def to_json(event: Event, *, at: str | None = None, event_id: str | None = None) -> bytes:
    """One line of JSON: `type`, `frame`, `audio_s`, `session`, then the event's own fields; `at`, `id` where given."""
    fields: dict[str, Any] = msgspec.to_builtins(event)
    head = {"type": fields.pop("type"), "frame": fields.pop("frame"), "audio_s": event.audio_s, "session": None}
    head["session"] = fields.pop("session")
    if at is not None:
        head["at"] = at
    if event_id is not None:
        head["id"] = event_id
    return msgspec.json.encode(head | fields)


def blank_text(line: bytes, *, free_slots: frozenset[str]) -> bytes:
    """A line of `to_json`, perhaps of an older version, as it may leave when texts are private; see `without_text`."""
    fields: dict[str, Any] = msgspec.json.decode(line)
    for name in TEXT_FIELDS:
        if name in fields:
            fields[name] = None
    for name in ("slots", "values"):
        if name in fields:
            fields[name] = {slot: value for slot, value in fields[name].items() if slot not in free_slots}
    return msgspec.json.encode(fields)


def from_json(line: bytes | str) -> AnyEvent:
    """Read an event back, for subscribers and tests. Raises `msgspec.DecodeError` on anything that is not one."""
    try:
        fields = msgspec.json.decode(line, type=dict[str, Any])
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(f"no event: {error}") from None
    for stamp in ("audio_s", "at", "id"):
        fields.pop(stamp, None)
    event: AnyEvent = msgspec.convert(fields, type=AnyEvent)
    return event
