"""List what can be commanded here: the devices of your home file, and those learned from what they announce.

Learned are lights, switches, scenes, covers and climate that announce themselves to Home Assistant through the broker.
What is left out is listed with the reason. Refuse single ones with home.refuse, all with home.learn = false.
"""

import argparse
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from appliance.config_files import LoadedConfig
from appliance.home.learned import LearnedHome
from appliance.learned_devices import load_home
from appliance.understanding.home_file import Device

TITLE: Final = ("NAME", "KIND", "AREA", "ID", "FROM")


class Row(Struct, frozen=True):
    """A device, or something announced that is none."""

    name: str
    kind: str
    area: str
    id: str
    source: str
    """The home file, or the topic on which it was announced."""

    left_out: str | None = None
    """Why it cannot be commanded."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--json."""
    parser.epilog = "Example: appliance home"
    parser.add_argument("--json", action="store_true", help="one JSON object a line, on standard output")


def run(args: argparse.Namespace, config: LoadedConfig) -> int:
    """Print the list. Raises ConfigError (home file)."""
    rows = list(rows_of(load_home(config), str(config.home_file or "")))
    if args.json:
        for row in rows:
            print(msgspec.json.encode(row).decode())
        return 0
    usable = [row for row in rows if row.left_out is None]
    _print([TITLE, *((row.name, row.kind, row.area, row.id, row.source) for row in usable)])
    for row in rows:
        if row.left_out is not None:
            print(f"left out: {row.source}: {row.left_out}")
    if not config.config.home.learn:
        print("nothing is learned: home.learn = false")
    elif not config.config.mqtt.host:
        print("nothing new is learned: no broker is configured; set mqtt.host")
    return 0


def rows_of(found: LearnedHome, file: str) -> Iterator[Row]:
    """The owner's, the learned ones, and what is left out."""
    learned = {device.id: thing.key for thing, device in found.taken}
    for device in found.home.devices:
        names = ", ".join((device.name, *device.aliases))
        yield Row(names, device.kind, _area(found, device), device.id, learned.get(device.id, file))
    for thing, reason in found.left_out:
        name = _plain(thing.entity or thing.owner)
        yield Row(name, thing.device.kind, _plain(thing.area), "", _plain(thing.key), _plain(reason))


def _area(found: LearnedHome, device: Device) -> str:
    return next((area.name for area in found.home.areas if area.id == device.area), "")


def _plain(text: str) -> str:
    """What came from the broker, without what would move the cursor."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _print(lines: Sequence[Sequence[str]]) -> None:
    widths = [max(len(line[column]) for line in lines) for column in range(len(TITLE))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
