"""Real people in synthetic rooms: each scenario's events against its truth."""

import difflib
import json
from pathlib import Path
from typing import Any

import pytest

from appliance import config_files
from appliance.audio.files import FileSource
from appliance.bench.silence import SilentVoice
from appliance.brains import Brains, load_brains
from appliance.events import (
    ActionDone,
    AudioProblem,
    Event,
    IntentRecognized,
    IntentRejected,
    SpeakingEnded,
    TranscriptReady,
    WakeDetected,
)
from appliance.models import ModelStore
from appliance.replay import ReplaySettings, replay

pytestmark = [pytest.mark.data, pytest.mark.model]

ALEXA = ("s12_alexa_quiet", "s13_alexa_two_commands", "s14_alexa_no_pause", "s15_alexa_kitchen_10db")
COMPUTER = ("s01_quiet", "s04_two_commands", "s05_wake_no_command", "s06_no_wake_word", "s08_clipping", "s09_dead_mic")
COMPUTER_TOO = ("s02_kitchen_10db", "s07_barge_in", "s10_44k1_stereo", "s11_self_trigger")
SILENT_AFTER_S = 0.1


@pytest.fixture(scope="module")
def brains(store: ModelStore) -> dict[str, Brains]:
    loaded = config_files.load(None)
    return {word: load_brains(loaded, wake_words=[word]) for word in ("alexa", "computer")}


@pytest.mark.parametrize("name", [*ALEXA, *COMPUTER, *COMPUTER_TOO])
def test_scenario(name: str, data_pack: Path, brains: dict[str, Brains]) -> None:
    folder = data_pack / "scenarios"
    truth = json.loads((folder / f"{name}.json").read_text())
    reference = folder / truth["tracks"]["reference"] if "reference" in truth["tracks"] else None
    events: list[Event] = []
    replay(
        brains[truth.get("wake_word", "computer")],
        FileSource(folder / truth["tracks"]["mic"]),
        ReplaySettings(playback=reference),
        voice=SilentVoice(),
        publish=events.append,
    )
    _wakes_match(truth, events)
    _commands_match(truth["expect"], events)
    if truth["expect"].get("health"):
        assert [event.kind for event in events if isinstance(event, AudioProblem)] == ["silent"]
        assert next(event.audio_s for event in events if isinstance(event, AudioProblem)) <= 5.0
    if reference is not None:
        ended = [event for event in events if isinstance(event, SpeakingEnded)]
        if not truth["expect"].get("barge_in"):
            assert [event.reason for event in ended] == ["done"]
        else:
            woken = next(event for event in events if isinstance(event, WakeDetected))
            interrupted = next(event for event in ended if event.reason == "interrupted")
            assert 0 <= interrupted.audio_s - woken.audio_s <= SILENT_AFTER_S


def _wakes_match(truth: dict[str, Any], events: list[Event]) -> None:
    wakes = [event.audio_s for event in events if isinstance(event, WakeDetected)]
    rate = truth["sample_rate"]
    words = [event for event in truth["events"] if event["type"] == "wake_word"]
    spans = [(word["start_sample"] / rate - 0.3, word["end_sample"] / rate + 0.8) for word in words]
    assert len(wakes) == truth["expect"]["wake_detections"]
    assert all(first <= wake <= last for wake, (first, last) in zip(wakes, spans, strict=False))


def _commands_match(expect: dict[str, Any], events: list[Event]) -> None:
    heard = [
        event.text or "" for event in events if isinstance(event, TranscriptReady | IntentRecognized | IntentRejected)
    ]
    for command in expect["commands"]:
        likeness = [difflib.SequenceMatcher(None, command.split(), text.split()).ratio() for text in heard]
        assert max(likeness, default=0.0) >= 0.75, heard
    acted = [event for event in events if isinstance(event, ActionDone)]
    assert len(acted) <= 2 * len(expect["commands"])
    assert all(event.ok for event in acted)
