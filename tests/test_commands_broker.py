"""Commands that must be refused, through a real mosquitto and a real client: each is counted, and a good one follows.

What is wrong for each command is derived from the published schema, so that a new command is tested from its first day.
"""

import gc
import json
import logging
import queue
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from appliance.commands import PAYLOAD_LIMIT_BYTES, Command, CommandRefused, Restart, Volume, command_schema, parse
from appliance.config import Mqtt
from appliance.mqtt.client import MqttClient
from appliance.mqtt.inbound import RATE_PER_S
from tests.broker import WAIT_S, Broker, Subscriber, wait_until

pytestmark = pytest.mark.broker

SCHEMA = command_schema()
FORMS: dict[str, dict[str, Any]] = {
    name: SCHEMA["$defs"][form["$ref"].rpartition("/")[2]]["properties"] for name, form in SCHEMA["properties"].items()
}
"""Command -> field -> its form."""

WRONG: dict[str, list[object]] = {
    "string": [7, None, True, ["secret"], {"secret": 1}, "", "x" * 1001],
    "boolean": [1, 0, "on", None, [True]],
    "integer": ["50", 50.5, True, None, [50], -1, 101, 2**70],
    "number": ["0.5", True, None, [0.5], -0.01, 1.01],
}
"""Type of a field -> values that none of the fields takes."""

GOOD = {"string": "alexa", "boolean": True, "integer": 50, "number": 0.5}

END = Volume(percent=77)
"""The good command that is sent behind each bad one."""


@dataclass(frozen=True)
class Bad:
    """A message that is refused, and a part of the reason."""

    name: str
    payload: bytes
    reason: str
    retain: bool = False

    def __str__(self) -> str:
        return f"{self.name}-{self.payload[:30]!a}-{len(self.payload)}{'-retained' if self.retain else ''}"


def good_fields(name: str) -> dict[str, object]:
    return {field: GOOD[form["type"]] for field, form in FORMS[name].items()}


def bad_messages(name: str) -> Iterator[Bad]:
    """Everything that is refused for one command."""
    good = good_fields(name)
    field = next(iter(good), "x")
    yield Bad(name, json.dumps(good).encode(), "retained", retain=True)
    yield Bad(name, b"secret".ljust(PAYLOAD_LIMIT_BYTES + 1), f"more than {PAYLOAD_LIMIT_BYTES}")
    yield Bad(name, b"secret".ljust(12_000, b"\xff"), f"more than {PAYLOAD_LIMIT_BYTES}")
    yield Bad(name, b"secret \xff\xfe", "UTF-8")
    yield Bad(name, b'{"%b": "secret \xc3"}' % field.encode(), "UTF-8")
    yield Bad(name, b'{"%b": ' % field.encode() + b"[" * 4000, "flat")
    yield Bad(name, b'{"a":' * 800, "flat")
    yield Bad(name, b'{"secret": 1', "flat")
    yield Bad(name, b'{"secret": 1} 2', "flat")
    for number in ("NaN", "Infinity", "-Infinity"):
        yield Bad(name, f'{{"{field}": {number}}}'.encode(), "NaN and infinity")
    yield Bad(name, f'{{"{field}": 1e400}}'.encode(), "<= 1`|Expected|unknown field")
    yield Bad(name, f'{{"{field}": 1, "{field}": 2}}'.encode(), "twice")
    yield Bad(name, json.dumps(good | {"secret": 1}).encode(), "unknown field")
    for field, form in FORMS[name].items():
        yield Bad(name, b"{}", f"missing required field `{field}`")
        yield Bad(name, b"", "missing required field|neither on nor off")
        for value in WRONG[form["type"]]:
            yield Bad(name, json.dumps(good | {field: value}).encode(), rf"at `{field}`|nothing to say|not a name")
    if not FORMS[name]:
        yield Bad(name, b"secret", "takes no value")


OTHERS = [
    *(Bad(name, b"", "unknown") for name in ("", "SAY", "say ", "secret", "x" * 300)),
    Bad("mute", b"1", "neither on nor off"),
    Bad("volume", b"fifty", "flat"),
    Bad("volume", b"9" * 4000, "<= 100"),
    Bad("volume", b"[" * 4000, "flat"),
    Bad("threshold", b"1e400", "<= 1"),
    Bad("threshold", b"NaN", "NaN"),
    Bad("say", b"\x1b[2Jsecret", "control characters"),
    Bad("say", b'{"text": "\\ud800 secret"}', "control characters"),
    Bad("say", b"\x00", "control characters"),
    Bad("wake_word", b"../../secret", "not a name"),
    Bad("wake_word", b'{"word": "\\ud800"}', "not a name"),
]


class Kitchen:
    """A real client, what it let through, and what it told of refusals; `sender` is who commands it."""

    def __init__(self, port: int, sender: Subscriber, number: int) -> None:
        self.device_id = f"kitchen-{number}"
        self.commands: queue.Queue[Command] = queue.Queue()
        self.told: queue.Queue[tuple[str, int]] = queue.Queue()
        self._sender = sender
        self.client = MqttClient(
            Mqtt(host="127.0.0.1", port=port),
            self.device_id,
            "1.0",
            on_command=self._take,
            on_refused=lambda reason, count: self.told.put((reason, count)),
            publish_text=False,
            free_slots=frozenset(),
        ).start()

    @property
    def is_connected(self) -> bool:
        return "connected (MQTT 5)" in self.client.status

    def send(self, name: str, payload: bytes = b"", *, retain: bool = False) -> None:
        self._sender.send(f"voice/{self.device_id}/command/{name}", payload, retain=retain)

    def goes_on(self) -> None:
        """Send a good command; it must be the next that is let through."""
        self.send("volume", str(END.percent).encode())
        assert self.commands.get(timeout=WAIT_S) == END

    def _take(self, command: Command) -> None:
        if isinstance(command, Restart):
            raise CommandRefused("not now")
        self.commands.put(command)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture(scope="module")
def sender(broker: Broker) -> Iterator[Subscriber]:
    with Subscriber(broker.port) as sender:
        yield sender


@pytest.fixture
def kitchens(
    broker: Broker, sender: Subscriber, caplog: pytest.LogCaptureFixture
) -> Iterator[Callable[[int], list[Kitchen]]]:
    """So many clients, each of which must go on through the test: one connection, one thread, nothing raised."""
    caplog.set_level(logging.DEBUG, logger="appliance")
    running: list[Kitchen] = []

    def start(count: int) -> list[Kitchen]:
        running.extend(Kitchen(broker.port, sender, number) for number in range(count))
        wait_until(lambda: all(kitchen.is_connected for kitchen in running), "the clients connect")
        return running

    try:
        yield start
        assert all(kitchen.is_connected for kitchen in running)
        assert [thread.name for thread in threading.enumerate()].count("mqtt") == len(running)
    finally:
        for kitchen in running:
            kitchen.client.close()
    assert not [record for record in caplog.records if record.exc_info or "lost" in record.getMessage()]


@pytest.fixture
def kitchen(kitchens: Callable[[int], list[Kitchen]]) -> Kitchen:
    return kitchens(1)[0]


@pytest.mark.parametrize("bad", [*(list(bad_messages(name)) for name in FORMS), OTHERS], ids=[*FORMS, "others"])
def test_each_is_refused_and_counted_and_a_good_one_is_heard_after_it(
    bad: list[Bad], kitchens: Callable[[int], list[Kitchen]]
) -> None:
    pairs = list(zip(bad, kitchens(len(bad)), strict=True))
    for message, kitchen in pairs:
        kitchen.send(message.name, message.payload, retain=message.retain)
    for message, kitchen in pairs:
        kitchen.goes_on()
        reason, count = kitchen.told.get(timeout=WAIT_S)
        assert re.search(message.reason, reason), f"{message}: {reason}"
        assert "secret" not in reason.replace("command 'secret'", ""), f"{message}: {reason}"
        assert (count, reason.isprintable()) == (1, True), message
        assert (kitchen.client.refused_commands, kitchen.commands.empty()) == (1, True), message
        if message.retain:
            kitchen.send(message.name, retain=True)  # the broker forgets it


@pytest.mark.parametrize("name", FORMS)
def test_a_good_one_of_each_is_let_through(name: str, kitchen: Kitchen) -> None:
    payload = json.dumps(good_fields(name)).encode()
    kitchen.send(name, payload)
    kitchen.send("volume", b"1")
    heard = kitchen.commands.get(timeout=WAIT_S)
    if name == "restart":
        assert kitchen.told.get_nowait() == ("not now", 1), "what the appliance itself refuses is counted, too"
        assert kitchen.client.refused_commands == 1
    else:
        assert heard == parse(name, payload)
        assert kitchen.client.refused_commands == 0


def test_a_megabyte_stays_with_the_broker(kitchen: Kitchen) -> None:
    for name in FORMS:
        kitchen.send(name, b"x" * 1_000_000)
    kitchen.goes_on()
    assert kitchen.client.refused_commands == 0


def test_topics_above_and_below_are_nobodys(kitchen: Kitchen, sender: Subscriber) -> None:
    for topic in ("command", "command/say/now", "command/say/", "command//say", "say"):
        sender.send(f"voice/{kitchen.device_id}/{topic}", "secret")
    sender.send("voice/bedroom/command/say", "secret")
    kitchen.goes_on()
    assert kitchen.client.refused_commands == 0


def test_a_retained_command_of_yesterday_is_refused_at_each_start(broker: Broker, sender: Subscriber) -> None:
    topic = "voice/kitchen-0/command/volume"
    sender.send(topic, "11", retain=True)
    for _ in range(2):
        kitchen = Kitchen(broker.port, sender, 0)
        with closing(kitchen.client):
            assert "retained" in kitchen.told.get(timeout=WAIT_S)[0]
            kitchen.goes_on()
            assert kitchen.client.refused_commands == 1
    sender.send(topic, "", retain=True)


def test_a_flood_is_cut_told_once_and_soon_over(kitchen: Kitchen, sender: Subscriber) -> None:
    sender.flood(f"voice/{kitchen.device_id}/command/stop", 500)
    wait_until(lambda: kitchen.client.refused_commands + kitchen.commands.qsize() == 500, "all are counted")
    assert kitchen.client.refused_commands > 300
    stops = [kitchen.commands.get() for _ in range(kitchen.commands.qsize())]
    assert len(stops) >= RATE_PER_S

    def is_heard_again() -> bool:
        kitchen.send("volume", b"1")
        return not kitchen.commands.empty()

    wait_until(is_heard_again, "a good command after a flood")
    reason, count = kitchen.told.get(timeout=WAIT_S)
    assert f"more than {RATE_PER_S} commands a second" in reason
    assert (count, kitchen.told.empty()) == (1, True)


def test_hours_of_junk_are_counted_told_once_and_kept_nowhere(kitchen: Kitchen, sender: Subscriber) -> None:
    """36 MB of it: as much as the limit lets through in three minutes of the largest that a broker hands over."""

    def memory_kb() -> int:
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4

    sizes = list[int]()
    for count in (500, 3_500):
        while kitchen.client.refused_commands < count:
            for _ in range(100):
                sender.send(f"voice/{kitchen.device_id}/command/say", b"[" * 12_000)
            while not sender.messages.empty():  # it hears itself
                sender.messages.get()
        sizes.append(memory_kb())
    assert sizes[1] - sizes[0] < 4_000
    told = [kitchen.told.get(timeout=WAIT_S)] + [kitchen.told.get() for _ in range(kitchen.told.qsize())]
    assert len(told) <= 2, "once a minute at most"
    assert kitchen.commands.empty()
