"""What a fleet costs a broker: real connections of the appliance's own client, all from one process of this machine.

Each device announces itself to Home Assistant, as it does in a house. A mosquitto_sub in a process of its own stamps
what arrives; the times contain the work of all devices' threads in one Python, which no house has.
"""

import argparse
import gc
import json
import logging
import math
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from appliance.config import HomeAssistant, Mqtt
from appliance.events import WakeDetected
from appliance.mqtt.client import MqttClient
from appliance.mqtt.discovery import Appearance
from appliance.mqtt.home_assistant import Announcer
from appliance.mqtt.topics import Topics
from tests.broker import Broker

OUTAGE_S: Final = 10.0
LONGEST_S: Final = 300.0
"""Longest wait for anything."""

TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass
class Watcher:
    """What a subscriber of everything heard."""

    online: dict[str, float] = field(default_factory=dict)
    """Device that is there -> when it said so, by the clock."""

    delays_ms: list[float] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    twice: int = 0

    def read(self, lines: Iterator[str]) -> None:
        """The thread."""
        for line in lines:
            at, topic, payload = line.rstrip("\n").split(" ", 2)
            device = topic.split("/")[1]
            if topic.endswith("/availability"):
                self.online.pop(device, None)
                if payload == "online":
                    self.online[device] = float(at)
            elif "/event/" in topic:
                event_id = json.loads(payload)["id"]
                self.twice += event_id in self.ids
                self.ids.add(event_id)
                self.delays_ms.append((float(at) - int(event_id.split("-")[1]) / 1e9) * 1000)


@contextmanager
def watching(port: int) -> Iterator[Watcher]:
    """A subscriber whose session outlives the broker's restart."""
    form = ["-F", "%U %t %p", "-t", "voice/+/availability", "-t", "voice/+/event/#"]
    command = ["mosquitto_sub", "-p", str(port), "-q", "1", "-c", "-i", "watcher", *form]
    watcher = Watcher()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdout is not None
        thread = threading.Thread(target=watcher.read, args=(iter(process.stdout.readline, ""),))
        thread.start()
        try:
            yield watcher
        finally:
            process.terminate()
            thread.join()


class Fleet:
    """The devices."""

    def __init__(self, count: int, port: int) -> None:
        self.told = set[str]()
        self.devices = [self._device(f"house-{number}", port) for number in range(count)]

    def start(self) -> None:
        """All at once, as after a power cut."""
        for device in self.devices:
            device.start()

    def tell(self, number: int) -> None:
        """One event of one device; its id says when."""
        now = time.time_ns()
        event_id = f"{number}-{now}"
        self.told.add(event_id)
        event = WakeDetected(frame=1, session=1, word="computer", engine="int8", score=0.9)
        self.devices[number].publish_event(event, datetime.fromtimestamp(now / 1e9, UTC).isoformat(), event_id)

    @property
    def waiting(self) -> int:
        """Events that the broker has not confirmed."""
        return sum(device.waiting_events for device in self.devices)

    def close(self) -> None:
        """All at the same time: each may take a moment to say farewell."""
        threads = [threading.Thread(target=device.close) for device in self.devices]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _device(self, name: str, port: int) -> MqttClient:
        shown = Appearance(
            topics=Topics(name), version="1.0", name=name, area="", wake_words=("computer",), updates=False
        )
        return MqttClient(
            Mqtt(host="127.0.0.1", port=port, keepalive_s=60),
            name,
            "1.0",
            on_command=lambda command: None,
            publish_text=False,
            free_slots=frozenset(),
            announcer=Announcer(HomeAssistant(), shown),
        )


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=1000, help="(default: 1000)")
    parser.add_argument("--rate", type=int, default=50, help="events a second of all together (default: 50)")
    parser.add_argument("--seconds", type=int, default=60, help="of steady events (default: 60)")
    chosen = parser.parse_args()
    if not shutil.which("mosquitto_sub"):
        print("make bench-fleet: skipped: mosquitto_sub is not installed (apt-get install mosquitto-clients)")
        return 0
    logging.disable()  # each device tells that its broker is gone
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # three for each device, and one at the broker
    with tempfile.TemporaryDirectory(prefix="bench-fleet-") as folder, ExitStack() as stack:
        lines = ("allow_anonymous true", "persistence true", f"persistence_location {folder}/")
        broker = stack.enter_context(Broker(Path(folder), *lines))
        watcher = stack.enter_context(watching(broker.port))
        measure(broker, watcher, chosen.devices, chosen.rate, chosen.seconds)
    return 0


def measure(broker: Broker, watcher: Watcher, count: int, rate: int, seconds: int) -> None:
    """All phases."""
    before = (memory_kb(broker.pid), memory_kb(os.getpid()))
    fleet = Fleet(count, broker.port)
    with closing(fleet):
        began_s, cpu_s = time.time(), cpu(broker.pid)
        fleet.start()
        wait(lambda: len(watcher.online) == count)
        print(f"{count} devices connect at once: all there after {latest(watcher) - began_s:.1f} s, ", end="")
        print(f"{1000 * (cpu(broker.pid) - cpu_s) / count:.1f} ms of the broker's processor time each")
        steady(fleet, watcher, broker, rate, seconds)
        gc.collect()
        grown = [(memory_kb(pid) - start) / count for pid, start in zip((broker.pid, os.getpid()), before, strict=True)]
        print(f"memory a device: {grown[0]:.0f} kB at the broker, {grown[1]:.0f} kB of the client")
        restart(fleet, watcher, broker)


def steady(fleet: Fleet, watcher: Watcher, broker: Broker, rate: int, seconds: int) -> None:
    """Events of devices drawn by lot, at this rate."""
    lot, cpu_s, began_s = random.Random(1), cpu(broker.pid), time.monotonic()
    watcher.delays_ms.clear()
    for number in range(rate * seconds):
        time.sleep(max(0.0, began_s + number / rate - time.monotonic()))
        fleet.tell(lot.randrange(len(fleet.devices)))
    wait(lambda: watcher.ids >= fleet.told)
    took = f"median {share(watcher.delays_ms, 0.5):.1f}, p99 {share(watcher.delays_ms, 0.99):.1f} ms"
    print(f"{rate} events a second for {seconds} s, from event to subscriber: {took}, ", end="")
    used_s = cpu(broker.pid) - cpu_s
    print(f"{1e6 * used_s / (rate * seconds):.0f} us of the broker's processor time each (with keep-alives)")


def restart(fleet: Fleet, watcher: Watcher, broker: Broker) -> None:
    """The broker goes, every device tells something, the broker is back."""
    broker.stop(gently=True)
    for number in range(len(fleet.devices)):
        fleet.tell(number)
    time.sleep(OUTAGE_S)
    watcher.online.clear()
    broker.start()
    back_s = time.time()
    wait(lambda: len(watcher.online) == len(fleet.devices) and watcher.ids >= fleet.told and not fleet.waiting)
    returns = [at - back_s for at in watcher.online.values()]
    busiest = max(sum(second <= at < second + 1 for at in returns) for second in range(math.ceil(max(returns)) + 1))
    took = f"median {share(returns, 0.5):.1f}, all after {max(returns):.1f} s, at most {busiest} in a second"
    print(f"broker gone for {OUTAGE_S:.0f} s: back {took}; {cpu(broker.pid):.2f} s of its processor time")
    print(f"events told: {len(fleet.told)}, lost: {len(fleet.told - watcher.ids)}, twice: {watcher.twice}")


def latest(watcher: Watcher) -> float:
    """When the last device came."""
    return max(watcher.online.values())


def share(values: Sequence[float], part: float) -> float:
    """The value that this part does not exceed."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def wait(happened: Callable[[], bool]) -> None:
    """Raises TimeoutError after LONGEST_S."""
    deadline_s = time.monotonic() + LONGEST_S
    while not happened():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"bench-fleet: not within {LONGEST_S:.0f} s; is the machine busy?")
        time.sleep(0.1)


def memory_kb(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() // 1024


def cpu(pid: int) -> float:
    """Processor time of a process so far, s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    sys.exit(main())
