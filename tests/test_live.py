"""The real daemon, alive: a child process in a virtual room, hearing and speaking in real time."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from appliance.audio.files import read_pcm
from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from appliance.config_files import SHIPPED_CONFIG
from appliance.events import (
    IntentRecognized,
    MicrophoneLost,
    MicrophoneRestored,
    SpeakingStarted,
    State,
    StateChanged,
    WakeDetected,
)
from appliance.models import ModelStore
from tests.broker import Broker, Subscriber, wait_until
from tests.live import sound_server
from tools.alsa_files import AlsaFiles
from tools.conversation import LEAD_S, QUIET, Ear, Person
from tools.live_appliance import LiveAppliance, outlive
from tools.room import Room
from tools.sound_server import SoundServer

pytestmark = [pytest.mark.live, pytest.mark.model, pytest.mark.broker]

HOME = SHIPPED_CONFIG.parent / "home.yaml"

COMMAND, INTENT = "Alexa, set the volume to sixty percent.", "volume_set"

HEARD_SHARE = 0.6
"""So many words of an answer must be heard back: the recognizer writes at most a third of these in another way."""

KILLS = 5
"""Idle, and as many in turns; `python -m tools.bench_live --kills 100` is the long run."""

BACK_WITHIN_S = 2.0
MUTED_WITHIN_S = 1.0


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture(scope="module")
def person(store: ModelStore) -> Iterator[Person]:
    person = Person(store)
    yield person
    person.close()


@pytest.fixture(scope="module")
def ear(store: ModelStore) -> Ear:
    return Ear(store)


@pytest.fixture(scope="module")
def server() -> Iterator[SoundServer]:
    with sound_server() as server:
        yield server


@pytest.fixture(scope="module")
def appliance(server: SoundServer, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAppliance]:
    with LiveAppliance(tmp_path_factory.mktemp("appliance"), broker.port, server.environment, home=HOME) as appliance:
        yield appliance


def turn(room: Room, appliance: LiveAppliance, ear: Ear, speech: Pcm) -> str:
    """Say a command, and hear the answer; the intent."""
    with room.record() as recording:
        room.speak(speech)
        turn = appliance.turn()
        appliance.rest()
        room.speak(QUIET)
    assert turn.done == "yes"
    assert ear.heard_share(turn.answered, recording.samples) >= HEARD_SHARE, f"not heard: {turn.answered}"
    return turn.intent


@pytest.mark.parametrize(
    ("command", "intent", "message"),
    [
        (COMMAND, INTENT, None),
        ("Alexa, turn on the kitchen light.", "turn_on", ("home/kitchen/light/set", b"ON")),
        ("Alexa, set a timer for ten minutes.", "timer_set", None),
    ],
)
def test_a_spoken_command_is_done_and_answered_aloud(
    server: SoundServer,
    appliance: LiveAppliance,
    person: Person,
    ear: Ear,
    command: str,
    intent: str,
    message: tuple[str, bytes] | None,
) -> None:
    assert turn(server, appliance, ear, person.says(command)) == intent
    assert message is None or message in appliance.published


def test_a_killed_sound_server_costs_no_more_than_the_turn(
    server: SoundServer, appliance: LiveAppliance, person: Person, ear: Ear
) -> None:
    """Idle, listening and speaking, again and again; then all is as it was, down to threads and descriptors."""
    turn(server, appliance, ear, person.says(COMMAND))
    before = Counter(appliance.threads), Counter(appliance.descriptors)
    for number in range(KILLS):
        assert outlive(server, appliance) <= BACK_WITHIN_S
        server.speak(person.says("Alexa, help."))
        if number % 2:
            appliance.wait_for(SpeakingStarted)
        else:
            appliance.wait_for(StateChanged, to=State.LISTENING)
        assert outlive(server, appliance) <= BACK_WITHIN_S
        appliance.rest()
    assert turn(server, appliance, ear, person.says(COMMAND)) == INTENT
    assert appliance.alive
    wait_until(
        lambda: (Counter(appliance.threads), Counter(appliance.descriptors)) == before,
        f"threads and descriptors as before, {before}",
    )


def test_a_sound_server_that_stalls_is_noticed_and_waited_for(
    server: SoundServer, appliance: LiveAppliance, person: Person, ear: Ear
) -> None:
    server.freeze()
    appliance.wait_for(MicrophoneLost, 3.0)
    server.thaw()
    appliance.wait_for(MicrophoneRestored, BACK_WITHIN_S)
    assert turn(server, appliance, ear, person.says(COMMAND)) == INTENT


def test_mute_closes_the_microphone(
    server: SoundServer, appliance: LiveAppliance, broker: Broker, person: Person, ear: Ear
) -> None:
    with Subscriber(broker.port) as remote:
        assert server.captures() == 1
        remote.send(f"voice/{appliance.device_id}/command/mute", "on")
        asked_s = time.monotonic()
        wait_until(lambda: server.captures() == 0, "the microphone is closed")
        assert time.monotonic() - asked_s <= MUTED_WITHIN_S
        appliance.wait_for(StateChanged, to=State.MUTED)
        known = len(appliance.events)
        server.speak(person.says(COMMAND))
        remote.send(f"voice/{appliance.device_id}/command/mute", "off")
        appliance.wait_for(StateChanged, to=State.IDLE)
        assert [event for _, event in appliance.events[known:] if isinstance(event, WakeDetected)] == []
        wait_until(lambda: server.captures() == 1, "the microphone is open again")
    assert turn(server, appliance, ear, person.says(COMMAND)) == INTENT


def test_the_same_through_pipewire(broker: Broker, person: Person, ear: Ear, tmp_path: Path) -> None:
    with (
        sound_server("pipewire") as server,
        LiveAppliance(tmp_path, broker.port, server.environment) as appliance,
    ):
        assert turn(server, appliance, ear, person.says(COMMAND)) == INTENT
        assert outlive(server, appliance) <= BACK_WITHIN_S
        assert turn(server, appliance, ear, person.says(COMMAND)) == INTENT


def test_the_same_without_a_sound_server(broker: Broker, person: Person, ear: Ear, tmp_path: Path) -> None:
    with AlsaFiles() as files, LiveAppliance(tmp_path, broker.port, files.environment) as appliance:
        assert turn(files, appliance, ear, person.says(COMMAND)) == INTENT


@pytest.mark.data
def test_people_wake_it_and_order(broker: Broker, data_pack: Path, tmp_path: Path) -> None:
    """Recordings of people who say the wake word, each followed by somebody's order."""
    home = tmp_path / "home.yaml"
    home.write_text(json.dumps(_drinks(data_pack / "commands" / "sentences.yaml")), encoding="utf-8")
    with (
        sound_server() as server,
        LiveAppliance(tmp_path, broker.port, server.environment, home=home) as appliance,
    ):
        for speech, slots in _people(data_pack):
            server.speak(speech)
            recognized = appliance.wait_for(IntentRecognized)
            assert (recognized.intent, recognized.slots) == ("order", slots)
            appliance.rest()


def _drinks(sentences: Path) -> dict[str, object]:
    """The orders' sentences as those of a home; slot names in small letters."""
    domain = yaml.safe_load(sentences.read_text(encoding="utf-8"))
    (block,) = domain["intents"]["orderDrink"]["data"]
    order = {
        "name": "order",
        "sentences": [sentence.lower() for sentence in block["sentences"]],
        "publish": {"topic": "home/drinks", "payload": "{coffeedrink}"},
        "reply": "One {coffeedrink}.",
    }
    lists = [{"name": name.lower(), "values": words["values"]} for name, words in domain["lists"].items()]
    return {"sentences": [order], "lists": lists}


def _people(pack: Path) -> Iterator[tuple[Pcm, dict[str, str]]]:
    """A second of quiet, wake word and order; and the slots of the order, which is one of the shorter ones."""
    rows = [json.loads(line) for line in (pack / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    words = [row for row in rows if row["label"] == "alexa"]
    orders = sorted((row for row in rows if row["set"] == "commands"), key=lambda row: float(row["duration_s"]))
    for word, order in zip(words[::40], orders[::10], strict=False):
        quiet = np.zeros(round(LEAD_S * SAMPLE_RATE_HZ), np.int16)
        speech = np.concatenate([quiet, read_pcm(pack / word["path"]), read_pcm(pack / order["path"])])
        yield speech, {name.lower(): value.strip() for name, value in order["slots"].items()}
