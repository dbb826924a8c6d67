"""What Home Assistant is told about the appliance. Its own schema is asked by `make check-ha`."""

import dataclasses
import json
from typing import Any

import pytest

from appliance.commands import (
    Command,
    Listen,
    Mute,
    Reload,
    Restart,
    Say,
    Stop,
    Threshold,
    Update,
    Volume,
    WakeWord,
    parse,
)
from appliance.config import HomeAssistant
from appliance.events import AnyEvent, State, event_type
from appliance.mqtt.discovery import Appearance, Style, announcements, filters
from appliance.mqtt.home_assistant import Announcer
from appliance.mqtt.topics import Topics
from appliance.status import Metrics, Waiting

KITCHEN = Appearance(
    topics=Topics("kitchen"),
    version="1.0",
    name="Kitchen",
    area="Kitchen",
    updates=True,
    wake_words=("computer", "jarvis"),
)


def components() -> dict[str, dict[str, Any]]:
    (payload,) = announcements(KITCHEN, "homeassistant", "device").values()
    found: dict[str, dict[str, Any]] = json.loads(payload)["components"]
    return found


def test_one_message_announces_the_whole_device() -> None:
    messages = announcements(KITCHEN, "homeassistant", "device")
    assert list(messages) == ["homeassistant/device/kitchen/config"]
    said = json.loads(messages["homeassistant/device/kitchen/config"])
    assert said["device"]["identifiers"] == ["voice_kitchen"]
    assert said["device"]["suggested_area"] == "Kitchen"
    assert said["origin"] == {"name": "voice appliance", "sw_version": "1.0"}
    assert said["availability_topic"] == "voice/kitchen/availability"
    assert all(component["platform"] for component in said["components"].values())


def test_older_installations_get_a_message_for_each_entity() -> None:
    messages = announcements(KITCHEN, "ha", "entity")
    assert {f"voice_{key}" for key in components()} == {topic.split("/")[-2] for topic in messages}
    volume = json.loads(messages["ha/number/kitchen/voice_volume/config"])
    assert volume["device"]["name"] == "Kitchen"
    assert (volume["command_topic"], volume["unique_id"]) == ("voice/kitchen/command/volume", "voice_kitchen_volume")
    assert "platform" not in volume


def test_every_entity_is_itself() -> None:
    ids = [component["unique_id"] for component in components().values()]
    assert len(set(ids)) == len(ids) >= 20


def test_events_and_states_are_those_that_exist() -> None:
    kinds = {event_type(kind) for kind in AnyEvent.__args__}
    for component in components().values():
        for kind in component.get("event_types", ()):
            assert kind in kinds
            assert component["state_topic"] == f"voice/kitchen/event/{kind}"
    assert components()["state"]["options"] == [state.value for state in State]


def test_figures_are_among_the_metrics() -> None:
    figures = [one for one in components().values() if one.get("state_topic") == "voice/kitchen/metrics"]
    for figure in figures:
        assert figure["value_template"].split("value_json.")[1].split()[0].split(".")[0] in Metrics.__struct_fields__
    assert len(figures) >= 8


def test_timers_and_alarms_are_among_what_is_told_of_them() -> None:
    told = [one for one in components().values() if one.get("state_topic") == "voice/kitchen/timers"]
    fields = [one["value_template"].split("value_json.")[1].split()[0] for one in told]
    assert sorted(fields) == sorted(Waiting.__struct_fields__)


@pytest.mark.parametrize(
    ("key", "payload", "command"),
    [
        ("mute", b"on", Mute(on=True)),
        ("mute", b"off", Mute(on=False)),
        ("volume", b"40", Volume(percent=40)),
        ("threshold", b"0.75", Threshold(score=0.75)),
        ("wake_word", b"jarvis", WakeWord(word="jarvis")),
        ("say", b"dinner is ready", Say(text="dinner is ready")),
        ("listen", b"", Listen()),
        ("stop", b"", Stop()),
        ("reload", b"", Reload()),
        ("restart", b"", Restart()),
        ("update", b"", Update()),
    ],
)
def test_what_it_commands_is_understood(key: str, payload: bytes, command: Command) -> None:
    topic = components()[key]["command_topic"]
    assert parse(topic.removeprefix("voice/kitchen/command/"), payload) == command


def test_who_knows_no_place_for_updates_shows_none() -> None:
    shown = dataclasses.replace(KITCHEN, updates=False)
    (payload,) = announcements(shown, "homeassistant", "device").values()
    assert "update" not in json.loads(payload)["components"]


def test_an_older_home_assistant_is_told_of_an_update_what_it_knows() -> None:
    update = json.loads(announcements(KITCHEN, "ha", "entity")["ha/update/kitchen/voice_update/config"])
    assert "in_progress" not in update["value_template"]
    assert "value_template" not in components()["update"]


@pytest.mark.parametrize("style", ["device", "entity"])
def test_the_filters_match_what_is_announced(style: Style) -> None:
    for topic in announcements(KITCHEN, "ha", style):
        assert any(
            len(levels := one.split("/")) == len(parts := topic.split("/"))
            and all(level in ("+", part) for level, part in zip(levels, parts, strict=True))
            for one in filters(KITCHEN.topics, "ha")
        )


def test_what_another_setting_announced_is_outdated() -> None:
    announced = {style: announcements(KITCHEN, "ha", style) for style in ("device", "entity")}
    (whole, of_whole), *_ = announced["device"].items()
    (one, of_one), *_ = announced["entity"].items()
    by_device = Announcer(HomeAssistant(prefix="ha"), KITCHEN)
    assert not by_device.is_outdated(whole, of_whole)
    assert by_device.is_outdated(one, of_one)
    assert not by_device.is_outdated(one, b"")
    assert not by_device.is_outdated(one, b'{"origin": {"name": "another maker"}}')
    silent = Announcer(HomeAssistant(prefix="ha", discovery="off"), KITCHEN)
    assert silent.messages == {}
    assert silent.is_outdated(whole, of_whole)
    assert not silent.is_outdated("ha/status", b"online")
    assert silent.is_birth("ha/status", b"online")
    assert not silent.is_birth("ha/status", b"offline")
    assert silent.concerns("ha/status")
    assert not silent.concerns("voice/kitchen/command/say")
