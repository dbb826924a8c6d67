"""Asks a real Node-RED, headless, whether the shipped flow works: a wake event goes in, a command comes back."""

import argparse
import json
import queue
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Final

from appliance.commands import Command, Say
from appliance.config import Mqtt
from appliance.events import WakeDetected
from appliance.mqtt.client import MqttClient
from tests.broker import Broker

FLOW: Final = Path(__file__).parents[1] / "firmware_config" / "examples" / "node_red.json"
START_S: Final = 120.0
"""Longest wait for Node-RED's start, on a busy machine."""

SETTINGS: Final = "module.exports = { httpAdminRoot: false, httpNodeRoot: false }"


def check(program: Path, folder: Path) -> None:
    """Import the flow, with this broker's port, and hold it against what it promises. Raises queue.Empty."""
    commands: queue.Queue[Command] = queue.Queue()
    with Broker(folder) as broker:
        flow = json.loads(FLOW.read_text())
        next(node for node in flow if node["type"] == "mqtt-broker")["port"] = str(broker.port)
        (folder / "flows.json").write_text(json.dumps(flow))
        (folder / "settings.js").write_text(SETTINGS)
        command = [str(program), "-u", str(folder), "-s", str(folder / "settings.js"), str(folder / "flows.json")]
        kitchen = MqttClient(
            Mqtt(host="127.0.0.1", port=broker.port),
            "kitchen",
            "1.0",
            on_command=commands.put,
            publish_text=False,
            free_slots=frozenset(),
        )
        with (
            (folder / "node-red.log").open("wb") as log,
            closing(kitchen.start()),
            subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as running,
        ):
            try:
                answer = _answer(kitchen, commands)
            finally:
                running.terminate()
    assert answer == Say(text="you said computer"), answer
    print("check-nodered: the flow answered the wake event by a command")


def _answer(kitchen: MqttClient, commands: "queue.Queue[Command]") -> Command:
    """Wake until somebody answers: the flow subscribes in its own time."""
    for number in range(int(START_S)):
        event = WakeDetected(frame=number, session=1, word="computer", engine="int8", score=0.9)
        kitchen.publish_event(event, "2026-01-01T12:00:00.000Z", f"event-{number}")
        try:
            return commands.get(timeout=1.0)
        except queue.Empty:
            continue
    raise AssertionError(f"no command came within {START_S:.0f} s")


def main() -> int:
    """Check, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=Path, help="node-red, of the installation to ask")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="check-nodered-") as folder:
        try:
            check(chosen.program, Path(folder))
        except AssertionError as problem:
            said = (Path(folder) / "node-red.log").read_text(errors="replace")[-2000:]
            print(f"{said}\ncheck-nodered: {problem}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
