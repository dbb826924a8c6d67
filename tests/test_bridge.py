"""The bridge that we ship, between two real mosquittos: what a house tells its fleet, and what it keeps to itself."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from appliance.config_files import PROJECT
from appliance.events import Failed
from appliance.mqtt.topics import Topics
from tests.broker import Broker, Subscriber, wait_until
from tests.test_faults import AT, client_at, tell

pytestmark = pytest.mark.broker

SHIPPED = PROJECT / "firmware_config" / "mosquitto" / "bridge.conf"


def bridge_to(port: int) -> list[str]:
    """The shipped lines, to a broker on this machine without certificates, that is tried again every second."""
    lines = [line for line in SHIPPED.read_text().splitlines() if line and not line.startswith(("#", "bridge_"))]
    changes = {"address fleet.example:8883": f"address 127.0.0.1:{port}", "restart_timeout 30 600": "restart_timeout 1"}
    assert changes.keys() <= set(lines)
    return ["allow_anonymous true", *(changes.get(line, line) for line in lines)]


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[tuple[Broker, Broker]]:
    """The fleet's and the house's."""
    for name in ("fleet", "house"):
        (tmp_path / name).mkdir()
    with ExitStack() as stack:
        fleet = stack.enter_context(Broker(tmp_path / "fleet"))
        yield fleet, stack.enter_context(Broker(tmp_path / "house", *bridge_to(fleet.port)))


def test_the_fleet_hears_what_failed_and_nothing_else_also_what_failed_while_it_was_away(
    brokers: tuple[Broker, Broker],
) -> None:
    fleet, house = brokers
    base = "fleet/house-0001/kitchen"

    with closing(client_at(house.port)) as kitchen:

        def fail(number: int) -> None:
            kitchen.publish_event(Failed(frame=number, stage="voice", error="it stopped"), AT, f"failure-{number}")
            wait_until(lambda: not kitchen.waiting_events, "the house has it")

        with Subscriber(fleet.port, "fleet/#") as listener:
            assert listener.next(f"{base}/availability").payload == b"online"
            tell(kitchen, 0, 5)
            fail(0)
            heard = listener.until(f"{base}/event/failed")
            assert [json.loads(message.payload)["id"] for message in heard] == ["failure-0"]
        fleet.stop()
        for number in range(1, 4):
            fail(number)
        fleet.start()
        with Subscriber(fleet.port, "fleet/#") as listener:
            ids = [json.loads(listener.next(f"{base}/event/failed").payload)["id"] for _ in range(3)]
            assert ids == ["failure-1", "failure-2", "failure-3"]


def test_the_bridge_names_topics_that_there_are() -> None:
    told = [line.split()[1] for line in SHIPPED.read_text().splitlines() if line.startswith("topic ")]
    assert f"voice/{told[0]}" == Topics("+").availability
    known = (PROJECT / "docs" / "events.schema.json").read_text()
    assert [topic for topic in told[1:] if f'"{topic.removeprefix("+/event/")}"' not in known] == []
