"""Devices that announce themselves at a real mosquitto, as the appliance hears them."""

import json
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from appliance.commands import Volume
from appliance.home.announced import Thing
from appliance.mqtt.announced_devices import RATE_PER_S, AnnouncedDevices
from tests.broker import WAIT_S, Broker, Subscriber
from tests.test_announced import ESPHOME, TASMOTA, ZIGBEE2MQTT
from tests.test_mqtt_broker import BASE, Kitchen

pytestmark = pytest.mark.broker

HA = "voice/homeassistant"
"""Below `voice/`, where the test's subscriber listens."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path) as broker:
        yield broker


class House:
    """A kitchen's client that hears announcements."""

    def __init__(self, port: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.heard: queue.Queue[tuple[str, tuple[Thing, ...]]] = queue.Queue()
        ear = AnnouncedDevices(HA, lambda topic, things: self.heard.put((topic, things)), clock).ear
        self.kitchen = Kitchen(port, discovery="device", prefix=HA, ears=[ear])

    def close(self) -> None:
        self.kitchen.close()

    def next(self) -> tuple[str, list[str]]:
        """The end of the topic, and what there can be commanded."""
        topic, things = self.heard.get(timeout=WAIT_S)
        return topic.removeprefix(HA), [thing.device.topic for thing in things]


def test_what_is_retained_and_what_comes_later_is_heard(broker: Broker) -> None:
    with Subscriber(broker.port) as maker:
        maker.send(f"{HA}/light/0x0017880103f9a4b1/light/config", json.dumps(ZIGBEE2MQTT), retain=True)
        with closing(House(broker.port)) as house:
            kept = "/light/0x0017880103f9a4b1/light/config"
            assert house.next() == (kept, ["zigbee2mqtt/kitchen_light/set"])
            house.kitchen.connected()
            maker.send(f"{HA}/light/A1B2C3_LI_1/config", json.dumps(TASMOTA))
            assert house.next() == ("/light/A1B2C3_LI_1/config", ["tasmota/desk/cmnd/POWER"])
            maker.send(f"{HA}/light/study/ceiling/config", json.dumps(ESPHOME))
            assert house.next() == ("/light/study/ceiling/config", ["study/light/ceiling/command"])
            maker.send(f"{HA}{kept}", "", retain=True)
            assert house.next() == (kept, [])
            maker.send(f"{BASE}/command/volume", "30")
            assert house.kitchen.commands.get(timeout=WAIT_S) == Volume(percent=30)
            assert house.kitchen.client.refused_commands == 0


def test_appliances_do_not_learn_each_other(broker: Broker) -> None:
    with Subscriber(broker.port) as maker, closing(House(broker.port)) as house:
        maker.until(f"{HA}/device/kitchen/config")
        maker.send(f"{HA}/switch/end/config", json.dumps({"name": "end", "command_topic": "end"}))
        assert house.next() == ("/switch/end/config", ["end"]), "its own entry is none"


def test_hostile_announcements_are_no_devices_and_do_no_harm(broker: Broker) -> None:
    hostile = [
        b"",
        b"[" * 60_000,
        b"{" + b" " * 70_000 + b"}",
        b"\xff\xfe",
        json.dumps({"name": "x", "command_topic": "#"}).encode(),
        json.dumps({"name": "x", "command_topic": f"{BASE}/command/restart"}).encode(),
        json.dumps({"name": "x", "command_topic": "x", "command_template": "{{ 9 ** 9 ** 9 }}"}).encode(),
    ]
    with Subscriber(broker.port) as maker, closing(House(broker.port)) as house:
        house.kitchen.connected()
        for payload in hostile:
            maker.send(f"{HA}/switch/x/config", payload)
            assert house.next() == ("/switch/x/config", [])
        maker.send(f"{HA}/switch/x/config", b"x" * 300_000)
        maker.send(f"{BASE}/command/volume", "30")
        assert house.kitchen.commands.get(timeout=WAIT_S) == Volume(percent=30)
        assert house.heard.empty(), "the broker kept what is larger than all that is read"


def test_a_flood_is_passed_over_and_commands_are_heard_meanwhile(broker: Broker) -> None:
    with Subscriber(broker.port) as maker, closing(House(broker.port, clock=lambda: 0.0)) as house:
        house.kitchen.connected()
        maker.flood(f"{HA}/light/x/config", 2 * RATE_PER_S)
        maker.send(f"{BASE}/command/volume", "30")
        assert house.kitchen.commands.get(timeout=WAIT_S) == Volume(percent=30)
        assert house.heard.qsize() == RATE_PER_S, "in one moment of a clock that stands still"
