"""Several appliances at a real mosquitto hear one wake word: loops with their real clients, and whole daemons."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance import config_files
from appliance.arbitration import DEADLINE_FRAMES
from appliance.audio.format import FRAME_MS, Frame, freeze
from appliance.audio.speakers import SilentSpeaker
from appliance.brains import load_brains, reload_brains
from appliance.config import Config, Device
from appliance.config_files import LoadedConfig
from appliance.daemon import Daemon
from appliance.events import Event, TurnFinished, WakeYielded, event_type
from appliance.household import Household
from appliance.models import ModelStore
from appliance.notify import Notifier
from tests.broker import Broker, Subscriber, wait_until
from tests.fakes import Bench, ScriptedSpotter, loud, quiet
from tests.test_daemon import Paced, question  # noqa: F401  a fixture
from tests.test_mqtt_broker import Kitchen

pytestmark = pytest.mark.broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path) as broker:
        yield broker


class Appliance:
    """A loop of fakes, at the broker by its real household and client; it detects the word in `woken`."""

    def __init__(self, port: int, name: str, woken: int, level: int) -> None:
        self.name = name
        self._level = level
        loaded = LoadedConfig(config=Config(device=Device(id=name)), folder=Path())
        household = Household(
            loaded,
            lambda result: self.bench.inbox.post(result),
            lambda *message: self.client.publish(*message),
            lambda things, frame: None,
        )
        self.bench = Bench(spotter=ScriptedSpotter(woken), arbiter=household.arbiter)
        self.client = Kitchen(port, device_id=name, ears=household.ears).client

    def step(self, index: int) -> None:
        self.bench.run(index + 1, lambda at: loud(at, self._level) if 130 <= at < 160 else quiet(at))

    @property
    def yielded(self) -> list[tuple[str, int]]:
        return [(event.to, event.frame) for event in self.bench.of(WakeYielded) if isinstance(event, WakeYielded)]

    def close(self) -> None:
        self.client.close()


def told(*house: Appliance, meanwhile: Any = lambda index: None) -> None:
    """Let them live through 4 s of frames at their pace, from when they know of each other."""
    wait_until(lambda: all("connected" in one.client.status for one in house), "all connect")
    for one in house:
        one.step(0)
    arbiters = [one.bench.loop._s.arbiter for one in house]

    def know_each_other() -> bool:
        for one in house:
            while (result := one.bench.inbox.take()) is not None:
                result(0)
        return all(arbiter is not None and len(arbiter._peers) == len(house) - 1 for arbiter in arbiters)

    wait_until(know_each_other, "they know of each other")
    started_s = time.monotonic()
    for index in range(1, 200):
        time.sleep(max(0.0, started_s + index * FRAME_MS / 1000 - time.monotonic()))
        meanwhile(index)
        for one in house:
            one.step(index)


def test_of_three_one_answers_and_the_house_hears_who(broker: Broker) -> None:
    with Subscriber(broker.port) as subscriber, ExitStack() as stack:
        attic, bath, cellar = (
            stack.enter_context(closing(Appliance(broker.port, name, woken, level)))
            for name, woken, level in (("attic", 160, 2000), ("bath", 161, 20_000), ("cellar", 162, 6000))
        )
        told(attic, bath, cellar)
        bid = json.loads(subscriber.next("voice/bath/wake").payload)
    assert (attic.yielded, cellar.yielded) == ([("bath", 160 + DEADLINE_FRAMES)], [("bath", 162 + DEADLINE_FRAMES)])
    assert bath.yielded == []
    assert bid == {"number": 1, "word": "alexa", "engaged": False, "snr_db": bid["snr_db"]}
    assert [one.bench.loop.state for one in (attic, cellar)] == ["idle", "idle"]


def test_when_the_broker_dies_before_the_decision_each_answers(broker: Broker) -> None:
    with (
        closing(Appliance(broker.port, "attic", 160, 2000)) as attic,
        closing(Appliance(broker.port, "bath", 160, 20_000)) as bath,
    ):
        told(attic, bath, meanwhile=lambda index: broker.stop() if index == 155 else None)
        assert (attic.yielded, bath.yielded) == ([], [])


def test_what_is_no_bid_changes_nothing(broker: Broker) -> None:
    junk = [b"", b"7", b"[" * 400, b"\xff", b"x" * 10_000, b'{"number":1,"word":"alexa","engaged":true,"snr_db":1e9}']
    junk += [b'{"number":1,"word":"alexa","engaged":true,"snr_db":9,"more":1}', b'{"number":1,"word":7}']
    with (
        Subscriber(broker.port) as stranger,
        closing(Appliance(broker.port, "attic", 160, 2000)) as attic,
        closing(Appliance(broker.port, "bath", 160, 2000)) as bath,
    ):

        def forge(index: int) -> None:
            if 160 <= index < 160 + len(junk):
                stranger.send("voice/bath/wake", junk[index - 160])
                stranger.send("voice/attic/wake", junk[index - 160], retain=True)

        told(attic, bath, meanwhile=forge)
        assert (attic.yielded, bath.yielded) == ([("bath", 160 + DEADLINE_FRAMES)], [])


class Together(Paced):
    """Begins when the others do, as two devices in one room hear a word at one time."""

    def __init__(self, frames: list[Frame], begin: threading.Barrier) -> None:
        super().__init__(frames)
        self._begin = begin

    def frames(self) -> Iterator[Frame]:
        self._begin.wait(timeout=60)
        yield from super().frames()


@pytest.mark.model
@pytest.mark.live
def test_of_two_daemons_the_nearer_one_answers(
    broker: Broker,
    store: ModelStore,
    question: list[Frame],  # noqa: F811
    tmp_path: Path,
) -> None:
    noise = np.random.default_rng(1)
    heard: dict[str, list[Event]] = {"near": [], "far": []}
    daemons, begin = [], threading.Barrier(2)
    for name, gain in (("near", 1.0), ("far", 0.1)):
        file = tmp_path / f"{name}.toml"
        file.write_text(
            f"[device]\nid = '{name}'\n[home]\nfile = ''\n[wake]\nwords = ['alexa']\n"
            f"[mqtt]\nhost = '127.0.0.1'\nport = {broker.port}\n"
        )
        room = [
            Frame(i, freeze((f.pcm * gain + noise.normal(0, 20, len(f.pcm))).astype(np.int16)))
            for i, f in enumerate([*(Frame(0, np.zeros(320, np.int16)) for _ in range(200)), *question])
        ]
        loaded = config_files.load(file)
        brains = reload_brains(loaded, load_brains(loaded))
        source = Together(room, begin)
        daemons.append(Daemon(brains, source, SilentSpeaker(), notifier=Notifier({}), listeners=[heard[name].append]))
    threads = [threading.Thread(target=daemon.run) for daemon in daemons]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kinds = {name: [event_type(event) for event in events] for name, events in heard.items()}
    assert "wake_detected" in kinds["near"]
    assert "wake_detected" in kinds["far"]
    assert [event.to for event in heard["far"] if isinstance(event, WakeYielded)] == ["near"]
    assert not [event for event in heard["far"] if isinstance(event, TurnFinished)]
    assert "reply" not in kinds["far"]
    assert "speech_started" in kinds["near"]
    assert "wake_yielded" not in kinds["near"]
