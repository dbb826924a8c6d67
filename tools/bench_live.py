"""The live appliance, measured: `python -m tools.bench_live [--minutes 10] [--kills 100] [--server KIND] [--json]`.

First a conversation in real time, through a virtual microphone and loudspeaker, while other processes keep all cores
but one busy: what was understood and answered, what was dropped or late, and how long it took, beside a bare loop and
beside `replay` of the same recordings. Then the sound server is killed and started again, over and over. Figures are
printed, never judged. Quote them with the machine they come from.
"""

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path

import msgspec

from appliance.config_files import MANIFEST
from appliance.demo.broker import demo_broker
from appliance.errors import ApplianceError
from appliance.models import ModelStore
from tools.conversation import Ear, Person
from tools.live_appliance import Scene
from tools.live_figures import TurnFigures
from tools.live_kills import KillFigures, kill_often
from tools.live_turns import converse
from tools.sound_kinds import KINDS
from tools.sound_server import SoundServer


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Both parts, and where they come from."""

    machine: str
    turns: TurnFigures | None
    kills: KillFigures | None


def main() -> int:
    """Measure, and print tables or one JSON object."""
    args = _arguments()
    try:
        figures = _measure(args)
    except ApplianceError as error:
        print(f"bench_live: {error}", file=sys.stderr)
        return error.exit_code
    if args.json:
        print(msgspec.json.encode(figures).decode())
    else:
        parts = [part.lines() for part in (figures.turns, figures.kills) if part is not None]
        print("\n\n".join("\n".join(lines) for lines in ([f"machine: {figures.machine}"], *parts)))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Example: python -m tools.bench_live --minutes 2 --kills 20"
    )
    parser.add_argument("--minutes", type=float, default=10.0, metavar="M", help="length of the conversation (10)")
    parser.add_argument("--kills", type=int, default=100, metavar="N", help="how often the sound server dies (100)")
    parser.add_argument("--server", choices=tuple(KINDS), default="pulseaudio", help="the sound server (pulseaudio)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    return parser.parse_args()


def _measure(args: argparse.Namespace) -> Figures:
    store = ModelStore(MANIFEST, MANIFEST.parent)
    turns: TurnFigures | None = None
    kills: KillFigures | None = None
    with SoundServer(args.server) as server, demo_broker() as port, tempfile.TemporaryDirectory() as folder:
        person, scene = Person(store), Scene(server=server, port=port, folder=Path(folder))
        try:
            if args.minutes > 0:
                turns = converse(scene, person, Ear(store), round(args.minutes * 60), _tell)
            if args.kills > 0:
                kills = kill_often(scene, person, args.kills, _tell)
        finally:
            person.close()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {args.server}"
    return Figures(machine=machine, turns=turns, kills=kills)


def _tell(text: str) -> None:
    print(f"bench_live: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
