"""A live appliance under a wiretap: `unshare --net python -m tools.overhear FOLDER [--text]`.

In a network namespace of its own: a broker, `appliance run` with all on that tells something or may be asked, and a
person who gives two commands, one of which is not understood. What left is written to FOLDER/overheard.json, for the
test that judges it. `--text` publishes what was said.
"""

import argparse
import socket
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Final

import msgspec

from appliance.config_files import MANIFEST
from appliance.demo.broker import demo_broker
from appliance.errors import ApplianceError
from appliance.events import IntentRejected, ReplyGiven, TranscriptReady
from appliance.models import ModelStore
from appliance.status_socket import ask_daemon, candidates
from tools.alsa_files import AlsaFiles
from tools.conversation import Person
from tools.live_appliance import LiveAppliance
from tools.wiretap import Flow, Wiretap, listeners, open_ways

SAID: Final = (
    "Alexa, set the volume to sixty percent.",
    "Alexa, my neighbour paints purple elephants on Sundays.",
)

KNOCKED: Final = ("198.51.100.7", "2001:db8:1::7")
"""Strangers to whom a word is sent at first, by which is seen that the tap hears what goes to them (RFC 5737, 3849)."""

PORT: Final = 1883
METRICS_PORT: Final = 9100
"""Nobody else is there to have them."""

_ON: Final = f"""\
[metrics]
port = {METRICS_PORT}
[flight_recorder]
seconds = 20
"""
_HERMES: Final = """\
[hermes]
enabled = true
"""
"""Only where texts are published."""


class Overheard(msgspec.Struct, frozen=True, kw_only=True):
    """What left the appliance, and who it was that listened."""

    flows: list[tuple[Flow, bytes]]
    missed: int
    listening: list[tuple[str, str, int]]
    status: str
    """What the status socket tells."""

    notified: list[str]
    """What systemd was told."""

    log: str
    texts: list[str]
    """What events held of what was said and answered."""

    intents: list[str]


def main() -> int:
    """Listen, and write down. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path, help="for its files")
    parser.add_argument("--text", action="store_true", help="publish what was said")
    args = parser.parse_args()
    try:
        open_ways()
        overheard = _overhear(args.folder, publish_text=args.text)
    except (ApplianceError, OSError) as error:
        print(f"overhear: {error}", file=sys.stderr)
        return 1
    (args.folder / "overheard.json").write_bytes(msgspec.json.encode(overheard))
    return 0


def _overhear(folder: Path, *, publish_text: bool) -> Overheard:
    person = Person(ModelStore(MANIFEST, MANIFEST.parent))
    try:
        sayings = [person.says(text) for text in SAID]
    finally:
        person.close()
    told, further = Notified(folder / "notify"), _ON + (_HERMES if publish_text else "")
    with Wiretap() as tap, demo_broker(PORT) as port, AlsaFiles() as room, told:
        environment = room.environment | told.environment | {"XDG_STATE_HOME": str(folder / "state")}
        with LiveAppliance(folder, port, environment, publish_text=publish_text, further=further) as appliance:
            _knock()
            for saying in sayings:
                room.speak(saying)
                appliance.turn()
                appliance.rest()
            with urllib.request.urlopen(f"http://127.0.0.1:{METRICS_PORT}/metrics", timeout=5) as page:
                page.read()
            status = ask_daemon(candidates(appliance.device_id, environment=room.environment)).decode()
            listening = sorted(listeners())
    events = [event for _, event in appliance.events]
    texts = [event.text for event in events if isinstance(event, TranscriptReady | ReplyGiven | IntentRejected)]
    return Overheard(
        flows=sorted(tap.flows.items()),
        missed=tap.missed,
        listening=listening,
        status=status,
        notified=told.texts,
        log=appliance.log,
        texts=[text for text in texts if text],
        intents=[turn.intent for turn in appliance.turns.by_session.values()],
    )


def _knock() -> None:
    for family, address in zip((socket.AF_INET, socket.AF_INET6), KNOCKED, strict=True):
        with socket.socket(family, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"knock", (address, 9))


class Notified:
    """Stands in for systemd: what it is told, from `with` to its end."""

    def __init__(self, path: Path) -> None:
        """`path`: of its socket."""
        self.texts: list[str] = []
        self.environment = {"NOTIFY_SOCKET": str(path)}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._listen, name="notified")

    def __enter__(self) -> "Notified":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"END", self.environment["NOTIFY_SOCKET"])
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while (message := self._socket.recv(65_536)) != b"END":
            self.texts.append(message.decode(errors="replace"))


if __name__ == "__main__":
    sys.exit(main())
