"""A home as its owner wrote it, with the devices added that were announced by themselves.

What the owner wrote always wins: his devices, his names, his areas. A learned device gets the shortest name by which it
can be told from all others, and is left out, with the reason, where there is none that can be said.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from appliance.home.announced import PLATFORMS, Thing
from appliance.understanding.home_file import ALL_AREAS, Area, Device, HomeConfig
from appliance.understanding.values import normalised

LEARNED_MAX: Final = 200
"""Devices; what can be said grows with them, and with it the time to make it ready."""

NAME_WORDS_MAX: Final = 6

SHORT: Final = frozenset({*PLATFORMS, "lamp", "relay", "output", "plug", "socket", "outlet", "power", "state"})
"""Names that say what a thing is and not which: they do not stand alone."""

Spoken = Callable[[str], str]
"""A text with its numbers as words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedHome:
    """The whole home, and what became of each announced thing."""

    home: HomeConfig
    taken: tuple[tuple[Thing, Device], ...] = ()
    left_out: tuple[tuple[Thing, str], ...] = ()
    """With the reason, one part of a sentence."""


def with_learned(home: HomeConfig, things: Sequence[Thing], refused: Sequence[str], spoken: Spoken) -> LearnedHome:
    """A home with announced things added.

    Args:
        home: of the owner's file.
        things: in any order; the outcome is the same.
        refused: names or ids of devices that the owner does not want to have learned.
        spoken: see `Spoken`.
    """
    naming = _Naming(home, things, {_plain(name, spoken) for name in refused}, spoken)
    taken: list[tuple[Thing, Device]] = []
    left_out: list[tuple[Thing, str]] = []
    for thing in sorted(things, key=lambda thing: thing.key):
        found = naming.named(thing) if len(taken) < LEARNED_MAX else f"more than {LEARNED_MAX} were announced"
        if isinstance(found, str):
            left_out.append((thing, found))
        else:
            taken.append((thing, found))
    whole = msgspec.structs.replace(
        home, areas=(*home.areas, *naming.areas), devices=(*home.devices, *(device for _, device in taken))
    )
    return LearnedHome(home=whole, taken=tuple(taken), left_out=tuple(left_out))


class _Naming:
    """Gives names, ids and areas that nothing else has."""

    def __init__(self, home: HomeConfig, things: Sequence[Thing], refused: set[str], spoken: Spoken) -> None:
        self.areas: list[Area] = []
        """New ones."""

        self._spoken = spoken
        self._refused = refused
        self._ways = {thing.key: list(self._ways_to_say(thing)) for thing in things}
        self._claims = Counter(way for ways in self._ways.values() for way in ways)
        self._written = {(device.topic, device.payload_on): device for device in home.devices}
        self._names = {normalised(name): device.id for device in home.devices for name in _names(device)}
        self._ids = {device.id for device in home.devices}
        self._area_of = {normalised(name): area.id for area in home.areas for name in _names(area)}
        self._area_ids = {area.id for area in home.areas} | {ALL_AREAS}

    def named(self, thing: Thing) -> Device | str:
        """The device with its names, or why it has none."""
        ways = self._ways[thing.key]
        if not ways:
            return f"{thing.entity or thing.owner!r} cannot be spoken"
        if (written := self._written.get((thing.device.topic, thing.device.payload_on))) is not None:
            return f"the home file has it: {written.id}"
        free = [way for way in ways if way not in self._names and self._claims[way] == 1]
        if not free:
            other = self._names.get(ways[0])
            return f"{ways[0]!r} is {f'the name of {other}' if other else 'announced more than once'}"
        device_id = _free_id(free[0], self._ids)
        if self._refused & {*ways, _plain(device_id, self._spoken)}:
            return "refused by home.refuse"
        self._ids.add(device_id)
        self._names |= dict.fromkeys(free, device_id)
        area = self._area(thing.area)
        return msgspec.structs.replace(thing.device, id=device_id, name=free[0], aliases=tuple(free[1:]), area=area)

    def _ways_to_say(self, thing: Thing) -> Iterator[str]:
        """From the shortest to the most exact; none of them twice."""
        entity, owner, area = (_plain(name, self._spoken) for name in (thing.entity, thing.owner, thing.area))
        whole = entity if owner in entity else f"{owner} {entity}".strip()
        ways = [] if entity in SHORT else [entity]
        ways += [whole] if whole not in SHORT else []
        ways += [f"{area} {way}" for way in (entity or owner, whole) if area and area not in way]
        yield from dict.fromkeys(way for way in ways if _can_be_said(way))

    def _area(self, suggested: str) -> str:
        """Id of the area of that name, a new one if need be; empty where it has none that can be said."""
        name = _plain(suggested, self._spoken)
        if not _can_be_said(name):
            return ""
        if name not in self._area_of:
            area = Area(id=_free_id(name, self._area_ids), name=name)
            self._area_ids.add(area.id)
            self._area_of[name] = area.id
            self.areas.append(area)
        return self._area_of[name]


def _names(item: Area | Device) -> list[str]:
    return [item.name, *item.aliases, *([item.sounds_like] if item.sounds_like else [])]


def _plain(name: str, spoken: Spoken) -> str:
    """`Kitchen_Light-2` as it is said: `kitchen light two`."""
    apart = re.sub(r"(?<=[^\W\d])(?=\d)|(?<=\d)(?=[^\W\d])", " ", normalised(name[:128]).replace(".", " "))
    return normalised(spoken(apart))


def _can_be_said(name: str) -> bool:
    words = name.split()
    letters = set(name) - {" ", "'"}
    return 0 < len(words) <= NAME_WORDS_MAX and bool(letters) and all(letter.isalpha() for letter in letters)


def _free_id(name: str, taken: set[str]) -> str:
    """`kitchen_light`, or with a number behind it; `learned` where the name has no letters of an id."""
    start = re.sub(r"[^a-z0-9]+", "_", name).strip("_")[:56] or "learned"
    number = 2
    found = start
    while found in taken:
        found, number = f"{start}_{number}", number + 1
    return found
