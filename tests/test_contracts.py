"""What others rely on: the event classes, their JSON, the JSON Schemas and the printed tables say the same."""

import json
from typing import Any

import jsonschema
import msgspec
import pytest

from appliance.cli import VERBS
from appliance.commands import command_schema
from appliance.config_files import PROJECT
from appliance.events import (
    ActionDone,
    AlarmCancelled,
    AlarmFired,
    AlarmSet,
    AudioDropped,
    AudioProblem,
    CommandRefused,
    DevicesLearned,
    EchoCancellationLost,
    EchoCancellationRestored,
    Event,
    Failed,
    FalseWakeReported,
    IntentRecognized,
    IntentRejected,
    LoadShed,
    MicrophoneLost,
    MicrophoneRestored,
    PartialTranscript,
    ReplyGiven,
    ServiceLevelMet,
    ServiceLevelMissed,
    SettingsChanged,
    SpeakingEnded,
    SpeakingStarted,
    SpeechEnded,
    SpeechStarted,
    Started,
    State,
    StateChanged,
    StopDetected,
    TimerCancelled,
    TimerFired,
    TimerPaused,
    TimerSet,
    TranscriptReady,
    TurnFinished,
    UpdateProgressed,
    UpdateStep,
    WakeDetected,
    WakeNearMissed,
    WakeYielded,
    event_type,
    from_json,
    to_json,
    without_text,
)
from tools import contracts

DUE = "2024-05-01T09:05:00Z"

EXAMPLES: list[Event] = [
    Started(frame=0, version="9.8.7", wake_words=("alexa", "hey_jarvis")),
    WakeDetected(frame=75, session=1, word="alexa", engine="int8", score=0.98),
    WakeYielded(frame=128, session=1, word="computer", to="bath", snr_db=12.5, other_snr_db=20.0),
    WakeNearMissed(frame=9, word="alexa", engine="int8", score=0.4),
    StopDetected(frame=80, word="stop", score=0.93),
    FalseWakeReported(frame=400, session=1, word="alexa", engine="int8", score=0.98, woken=75),
    SpeechStarted(frame=80, session=1),
    SpeechEnded(frame=160, session=1, reason="silence"),
    PartialTranscript(frame=120, session=1, text="set a timer"),
    TranscriptReady(frame=161, session=1, text="set a tea timer for five minutes", confidence=0.9),
    IntentRecognized(
        frame=161,
        session=1,
        intent="timer_set",
        slots={"duration": "five minutes", "label": "tea"},
        values={"duration": 300, "label": "tea", "exact": True, "share": 0.5},
        text="set a tea timer for five minutes",
        decision="act",
    ),
    IntentRejected(frame=161, session=1, text="no idea", reason="not_understood", nearest="stop", score=0.2),
    ActionDone(frame=162, session=1, intent="timer_set", ok=True),
    ReplyGiven(frame=162, session=1, text="Tea timer, five minutes."),
    SpeakingStarted(frame=170, session=1),
    SpeakingEnded(frame=250, session=1, reason="done"),
    TimerSet(frame=162, session=1, timer="1", label="tea", due=DUE),
    TimerFired(frame=15_162, timer="1", label="tea", due=DUE),
    TimerCancelled(frame=300, session=2, timer="1", label=None, due=DUE),
    TimerPaused(frame=300, session=2, timer="1", label="tea", left_s=59),
    AlarmSet(frame=301, session=2, alarm="alarm-1", kind="alarm", label=None, due=DUE, weekdays=(0, 4)),
    AlarmFired(frame=999, alarm="reminder-2", kind="reminder", label="water the plants", due=DUE),
    AlarmCancelled(frame=302, session=2, alarm="alarm-1", kind="alarm", label=None, due=DUE),
    StateChanged(frame=75, session=1, from_=State.IDLE, to=State.LISTENING),
    TurnFinished(frame=250, session=1, wake_ms=120, endpoint_ms=500, total_ms=3500),
    AudioProblem(frame=249, kind="silent", level_dbfs=-120.0, hint="The microphone is muted or not connected."),
    AudioDropped(frame=400, frames=3),
    MicrophoneLost(frame=500, device="USB microphone"),
    MicrophoneRestored(frame=900, device="USB microphone"),
    EchoCancellationLost(frame=9, loss_db=1.5, delay_ms=None),
    EchoCancellationRestored(frame=10, loss_db=22.0, delay_ms=180),
    LoadShed(frame=1000, what="wake_near_missed", since=990),
    ServiceLevelMissed(frame=1080, session=3, share=0.07, target_ms=1000, turns=100, p95_ms=1240),
    ServiceLevelMet(frame=1085, session=4, share=0.02, target_ms=1000, turns=100, p95_ms=880),
    SettingsChanged(
        frame=1090, wake_words=("alexa",), threshold=0.0, volume=40, restart_needed=("mqtt.host", "audio.speaker")
    ),
    DevicesLearned(frame=1092, devices=12),
    UpdateProgressed(frame=1093, installed="1.0", latest="1.1", step=UpdateStep.FETCHING, percent=40, notes="Quieter."),
    CommandRefused(frame=1095, reason="command volume: not a flat JSON value; send 0..100", count=3),
    Failed(frame=1100, session=3, stage="recognizer", error="The model ran out of memory."),
]

PROMISED = {
    "started": {"version", "wake_words"},
    "wake_detected": {"word", "engine", "score"},
    "wake_near_missed": {"word", "engine", "score"},
    "stop_detected": {"word", "score"},
    "speech_started": set(),
    "speech_ended": {"reason"},
    "partial_transcript": {"text"},
    "transcript": {"text", "confidence"},
    "intent_recognized": {"intent", "slots", "values", "text", "confidence", "decision"},
    "intent_rejected": {"text", "reason", "nearest", "score"},
    "action_done": {"intent", "ok", "detail", "dry_run"},
    "reply": {"text"},
    "speaking_started": {"cached"},
    "speaking_ended": {"reason"},
    "timer_set": {"timer", "label", "due"},
    "timer_fired": {"timer", "label", "due"},
    "timer_cancelled": {"timer", "label", "due"},
    "state_changed": {"from", "to"},
    "turn_finished": {"wake_ms", "endpoint_ms", "recognition_ms", "action_ms", "first_audio_ms", "total_ms"},
    "audio_problem": {"kind", "level_dbfs"},
    "audio_dropped": {"frames"},
    "microphone_lost": {"device"},
    "microphone_restored": {"device"},
    "load_shed": {"what", "since"},
    "failed": {"stage", "error"},
}
"""What subscribers were promised. Rows and fields are added, never taken away."""

SCHEMA = jsonschema.Draft202012Validator(contracts.event_schema())


def _line(event: Event) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(to_json(event))
    return fields


def test_the_written_files_are_what_the_code_says() -> None:
    stale = [
        str(path.relative_to(PROJECT))
        for path, text in contracts.documents().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    assert not stale, f"{', '.join(stale)}: behind the code; please run: python -m tools.contracts"


def test_every_event_class_is_in_the_union_and_has_an_example() -> None:
    assert set(Event.__subclasses__()) == set(contracts.EVENTS) == {type(event) for event in EXAMPLES}


def test_promised_fields_are_still_there() -> None:
    fields = {event_type(event): _line(event).keys() for event in EXAMPLES}
    missing = {name: promised - fields[name] for name, promised in PROMISED.items()}
    assert not any(missing.values()), f"taken away: {missing}"


@pytest.mark.parametrize("event", EXAMPLES, ids=event_type)
def test_json_both_ways(event: Event) -> None:
    stamped = to_json(event, at="2024-05-01T09:00:01.500Z", event_id="a1")
    assert from_json(to_json(event)) == from_json(stamped) == event
    SCHEMA.validate(_line(event))
    SCHEMA.validate(json.loads(stamped))
    assert list(_line(event))[:4] == ["type", "frame", "audio_s", "session"]


@pytest.mark.parametrize("event", EXAMPLES, ids=event_type)
def test_without_text_nothing_that_was_said_is_left(event: Event) -> None:
    public = without_text(event, free_slots=frozenset({"label"}))
    if isinstance(event, PartialTranscript):
        assert public is None
        return
    assert public is not None
    SCHEMA.validate(_line(public))
    line = to_json(public).decode()
    assert "tea" not in line
    assert "no idea" not in line
    assert _line(public).keys() == _line(event).keys()


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (WakeDetected, {"type": "wake_guessed"}),
        (WakeDetected, {"score": 1.5}),
        (WakeDetected, {"word": None}),
        (SpeechEnded, {"reason": "boredom"}),
        (StateChanged, {"to": "asleep"}),
        (AudioDropped, {"frames": 0}),
    ],
)
def test_schema_and_reader_refuse_what_is_no_event(kind: type[Event], changes: dict[str, Any]) -> None:
    good = next(_line(event) for event in EXAMPLES if type(event) is kind)
    wrong = good | changes
    assert SCHEMA.is_valid(good)
    assert not SCHEMA.is_valid(wrong)
    with pytest.raises(msgspec.ValidationError):
        from_json(json.dumps(wrong))


def test_schema_wants_every_field_and_passes_over_new_ones() -> None:
    for event in EXAMPLES:
        line = _line(event)
        assert SCHEMA.is_valid(line | {"of_a_later_version": 1})
        assert not [name for name in line if SCHEMA.is_valid({key: line[key] for key in line if key != name})]


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="substring not found"):
        contracts.filled("no marks here", "events", "| table |")


def test_the_contracts_page_names_every_verb_and_command() -> None:
    page = (PROJECT / "docs" / "contracts.md").read_text(encoding="utf-8")
    assert not [verb for verb in VERBS if f"| `appliance {verb}` |" not in page]
    assert not [name for name in command_schema()["properties"] if f"| `command/{name}` |" not in page]
