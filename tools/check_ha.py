"""Asks a real Home Assistant whether it takes the appliance in: its entities, its events, and the way back.

A broker, Home Assistant and the appliance's MQTT client run on this machine in a folder of their own. It is shown that
all announced entities are registered, that an automation of Home Assistant answers a wake event by a command, that a
command of one of its entities arrives, and that taking the announcement back removes them. Exit code 0: all of that.
"""

import argparse
import json
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from appliance.commands import Command, Say
from appliance.config import HomeAssistant, Mqtt
from appliance.events import WakeDetected
from appliance.mqtt.client import MqttClient
from appliance.mqtt.discovery import Appearance, Style, announcements
from appliance.mqtt.home_assistant import Announcer
from appliance.mqtt.topics import Topics
from tests.broker import Broker

START_S: Final = 240.0
"""Longest wait for Home Assistant's start, on a busy machine."""

ANSWER_S: Final = 30.0
TOPICS: Final = Topics("kitchen")
SHOWN: Final = Appearance(
    topics=TOPICS, version="1.0", name="Kitchen", area="", updates=True, wake_words=("computer", "jarvis")
)

UNKNOWN_TO_OLDER: Final = ("notify",)
"""Platforms of MQTT that came after 2024.3."""

CONFIGURATION: Final = """\
homeassistant:
  name: Test
  unit_system: metric
  time_zone: UTC
logger:
  default: warning
automation:
  - alias: "Answer the wake word"
    trigger:
      - platform: state
        entity_id: event.kitchen_woken
    condition: "{{ trigger.to_state.state not in ('unknown', 'unavailable') }}"
    action:
      - service: mqtt.publish
        data:
          topic: voice/kitchen/command/say
          payload: "you said {{ trigger.to_state.attributes.word }}"
"""


class House:
    """Home Assistant in a folder, connected to a broker."""

    def __init__(self, program: Path, folder: Path, port: int, log: Path) -> None:
        storage = folder / ".storage"
        storage.mkdir(parents=True)
        (folder / "configuration.yaml").write_text(CONFIGURATION)
        (storage / "onboarding").write_text(
            _stored("onboarding", 4, {"done": ["user", "core_config", "analytics", "integration"]})
        )
        entry = {
            "data": {"broker": "127.0.0.1", "port": port, "discovery": True},
            "disabled_by": None,
            "domain": "mqtt",
            "entry_id": "0123456789abcdef0123456789abcdef",
            "minor_version": 1,
            "options": {},
            "pref_disable_new_entities": False,
            "pref_disable_polling": False,
            "source": "user",
            "title": "broker",
            "unique_id": None,
            "version": 1,
        }
        (storage / "core.config_entries").write_text(_stored("core.config_entries", 1, {"entries": [entry]}))
        self._folder = folder
        self._log = log.open("wb")
        command = [str(program), "--config", str(folder), "--skip-pip"]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)

    def entities(self) -> set[str]:
        """The unique ids of what it has registered; it writes them down some seconds after they came."""
        try:
            registry = json.loads((self._folder / ".storage" / "core.entity_registry").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return set()
        return {entity["unique_id"] for entity in registry["data"]["entities"] if entity["platform"] == "mqtt"}

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    @property
    def ended(self) -> bool:
        """It has given up."""
        return self._process.poll() is not None


def _stored(key: str, version: int, data: object) -> str:
    return json.dumps({"version": version, "minor_version": 1, "key": key, "data": data})


def wait_for(happened: Callable[[], bool], what: str, longest_s: float) -> None:
    """Raise AssertionError when it does not happen in time."""
    deadline_s = time.monotonic() + longest_s
    while not happened():
        if time.monotonic() > deadline_s:
            raise AssertionError(f"{what}: not within {longest_s:.0f} s")
        time.sleep(0.2)


def client(port: int, style: Style | None, commands: "queue.Queue[Command]") -> MqttClient:
    """The appliance's side."""
    settings = HomeAssistant(discovery=style or "off")
    return MqttClient(
        Mqtt(host="127.0.0.1", port=port),
        TOPICS.device_id,
        "1.0",
        on_command=commands.put,
        publish_text=False,
        free_slots=frozenset(),
        announcer=Announcer(settings, SHOWN),
    ).start()


def check(program: Path, style: Style, folder: Path) -> None:
    """One installation of Home Assistant, from its start to the end of the announcement."""
    commands: queue.Queue[Command] = queue.Queue()
    (whole,) = announcements(SHOWN, "homeassistant", "device").values()
    components = json.loads(whole)["components"].values()
    expected = {one["unique_id"] for one in components if style == "device" or one["platform"] not in UNKNOWN_TO_OLDER}
    log = folder / "home-assistant.log"
    with Broker(folder) as broker, closing(House(program, folder / "house", broker.port, log)) as house:
        with closing(client(broker.port, style, commands)) as kitchen:
            wait_for(lambda: house.ended or house.entities() >= expected, "all entities are registered", START_S)
            print(f"check-ha: {len(expected)} entities registered, by discovery of each {style}")
            kitchen.publish_event(
                WakeDetected(frame=1, session=1, word="computer", engine="int8", score=0.9),
                "2026-01-01T12:00:00.000Z",
                "event-1",
            )
            answer = commands.get(timeout=ANSWER_S)
            assert answer == Say(text="you said computer"), answer
            print("check-ha: its automation answered the wake event by a command")
        with closing(client(broker.port, None, commands)):
            wait_for(lambda: not house.entities() & expected, "the entities are gone", 60.0)
            print("check-ha: taken back, and gone")


def main() -> int:
    """Check, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=Path, help="hass, of the installation to ask")
    parser.add_argument("--style", choices=("device", "entity"), default="entity", help="device: 2024.12 and newer")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="check-ha-"))
    try:
        check(chosen.program, chosen.style, folder)
    except (AssertionError, queue.Empty) as problem:
        print(f"check-ha: {problem or 'no command came'}; Home Assistant's log: {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
