"""A way to the broker that is slow, torn, half open or reset all the time: nothing lost, in order, nothing grows."""

import gc
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from appliance.config import Mqtt
from appliance.events import WakeDetected, from_json
from appliance.mqtt.broker_access import reconnect_pause_s
from appliance.mqtt.client import MqttClient
from tests.broker import WAIT_S, Broker, Fault, Relay, Subscriber, wait_until

pytestmark = pytest.mark.broker

AT = "2026-01-01T12:00:00.000Z"
BASE = "voice/kitchen"
KEEPALIVE_S = 5


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path) as broker:
        yield broker


def client_at(
    port: int, state: Path | None = None, *, pause_s: Callable[[int, float], float] = reconnect_pause_s
) -> MqttClient:
    return MqttClient(
        Mqtt(host="127.0.0.1", port=port, keepalive_s=KEEPALIVE_S),
        "kitchen",
        "1.0",
        on_command=lambda command: None,
        publish_text=False,
        free_slots=frozenset(),
        state=state,
        pause_s=pause_s,
    ).start()


def tell(client: MqttClient, begin: int, end: int) -> None:
    for frame in range(begin, end):
        event = WakeDetected(frame=frame, session=1, word="alexa", engine="int8", score=0.9)
        client.publish_event(event, AT, f"id-{frame}")


class Heard:
    """The events that arrived at a subscriber, up to and with a frame."""

    def __init__(self, subscriber: Subscriber, last: int) -> None:
        messages: list[Any] = []
        while not messages or from_json(messages[-1].payload).frame != last:
            message = subscriber.messages.get(timeout=4 * WAIT_S)
            messages += [message] if "/event/" in message.topic else []
        self.frames = [from_json(message.payload).frame for message in messages]
        self.ids = [json.loads(message.payload)["id"] for message in messages]

    @property
    def first_times(self) -> list[int]:
        return list(dict.fromkeys(self.frames))

    @property
    def twice(self) -> int:
        assert self.ids == [f"id-{frame}" for frame in self.frames]
        return len(self.frames) - len(self.first_times)


def size() -> tuple[int, int]:
    """Threads but for the relay's own, and memory in kB."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return sum(thread.name != "relay" for thread in threading.enumerate()), pages * 4


@pytest.mark.parametrize(
    "fault",
    [
        Fault(latency_s=0.05),
        Fault(slice_bytes=7),
        Fault(bytes_per_s=50_000),
        Fault(latency_s=0.01, slice_bytes=100, bytes_per_s=100_000),
    ],
    ids=["late", "in pieces", "narrow", "all of it"],
)
@pytest.mark.live
def test_a_slow_way_delays_and_does_no_more(broker: Broker, tmp_path: Path, fault: Fault) -> None:
    with Subscriber(broker.port) as subscriber, closing(Relay(broker, fault)) as relay:
        with closing(client_at(relay.port, tmp_path)) as client:
            subscriber.next(f"{BASE}/state")
            began_s = time.monotonic()
            tell(client, 0, 150)
            assert time.monotonic() - began_s < 1.0, "whoever tells does not wait for the broker"
            heard = Heard(subscriber, 149)
            wait_until(lambda: not client.waiting_events, "everything is confirmed")
        assert (heard.frames, heard.twice, relay.connections) == (list(range(150)), 0, 1)


def test_connections_that_are_reset_again_and_again_lose_nothing_and_leave_nothing(
    broker: Broker, tmp_path: Path
) -> None:
    """Each is reset in the midst of whatever is under way: the hand-shake, an event, the confirmation of one."""
    moments = random.Random(1)
    with Subscriber(broker.port) as subscriber:
        relay = Relay(broker, Fault(reset_after=lambda: moments.randrange(1, 6_000)))
        with closing(relay), closing(client_at(relay.port, tmp_path, pause_s=lambda failures, share: 0.0)) as client:
            before = (0, 0)
            for begin in range(0, 3_000, 100):
                tell(client, begin, begin + 100)
                wait_until(lambda: client.unsaved_events < 200, "the disk follows")
                before = size() if begin == 500 else before
            heard = Heard(subscriber, 2_999)
            wait_until(lambda: client.waiting_events < 20, "nearly everything is confirmed")
            after, resets = size(), relay.connections
        assert heard.first_times == list(range(3_000))
        assert heard.twice <= 20 * resets
        assert resets > 100
        assert client.dropped_events == 0
        assert after[0] <= before[0]
        assert after[1] - before[1] < 30_000, f"memory grew from {before[1]} to {after[1]} kB over {resets} connections"


def test_a_broker_that_flaps_is_asked_less_and_less(broker: Broker, tmp_path: Path) -> None:
    pauses = list[float]()

    def pause_s(failures: int, share: float) -> float:
        pauses.append(reconnect_pause_s(failures, share))
        return 0.0 if len(pauses) < 12 else 3_600.0

    relay = Relay(broker, Fault(reset_after=lambda: 200))  # behind the hand-shake: it was there, and is gone again
    with closing(relay), closing(client_at(relay.port, tmp_path, pause_s=pause_s)) as client:
        tell(client, 0, 10)
        wait_until(lambda: len(pauses) == 12, "twelve attempts")
        assert relay.connections == 12
    assert all(2**n <= pause <= 2 ** (n + 1) for n, pause in enumerate(pauses[:5]))
    assert all(30 <= pause <= 60 for pause in pauses[5:])


@pytest.mark.live
def test_a_half_open_connection_is_noticed_and_what_it_held_comes_once_more(broker: Broker, tmp_path: Path) -> None:
    with Subscriber(broker.port) as subscriber, closing(Relay(broker)) as relay:
        with closing(client_at(relay.port, tmp_path)) as client:
            subscriber.next(f"{BASE}/state")
            tell(client, 0, 50)
            relay.freeze()
            began_s = time.monotonic()
            tell(client, 50, 100)
            assert time.monotonic() - began_s < 1.0, "whoever tells does not wait for the broker"
            wait_until(lambda: "connected" not in client.status, "the silence is noticed")
            assert time.monotonic() - began_s <= 1.5 * KEEPALIVE_S + 2.0
            relay.thaw()  # what the old connection still held reaches the broker now
            heard = Heard(subscriber, 99)
        assert heard.first_times == list(range(100))
        assert heard.twice <= 20


@pytest.mark.live
def test_a_broker_whose_end_is_not_noticed_is_missed_in_time(broker: Broker, tmp_path: Path) -> None:
    """It hangs up, and what is between passes that on to nobody."""
    with closing(Relay(broker, Fault(hides_the_end=True))) as relay, closing(client_at(relay.port, tmp_path)) as client:
        wait_until(lambda: "connected" in client.status, "the client connects")
        broker.stop()
        began_s = time.monotonic()
        tell(client, 0, 100)
        wait_until(lambda: "connected" not in client.status, "the end is noticed")
        assert time.monotonic() - began_s <= 1.5 * KEEPALIVE_S + 2.0
        broker.start()
        with Subscriber(broker.port) as subscriber:
            assert Heard(subscriber, 99).frames == list(range(100))


def test_a_connection_that_swallows_everything_holds_up_neither_events_nor_the_end(
    broker: Broker, tmp_path: Path
) -> None:
    with closing(Relay(broker)) as relay:
        relay.freeze()  # it is accepted, and nothing ever comes back
        client = client_at(relay.port, tmp_path)
        wait_until(lambda: relay.connections == 1, "the connection is accepted")
        before, began_s = size(), time.monotonic()
        for begin in range(0, 10_000, 500):
            tell(client, begin, begin + 500)
            wait_until(lambda: client.unsaved_events < 1_000, "the disk follows")
        told_s, after = time.monotonic() - began_s, size()
        began_s = time.monotonic()
        client.close()
        assert time.monotonic() - began_s < 5.0
        assert after[0] == before[0]
        assert after[1] - before[1] < 30_000
        assert client.dropped_events == 0
        assert told_s < WAIT_S
    with closing(client_at(broker.port, tmp_path)) as client, Subscriber(broker.port) as subscriber:
        assert Heard(subscriber, 9_999).first_times[-1] == 9_999
        wait_until(lambda: not client.waiting_events, "everything is confirmed")
