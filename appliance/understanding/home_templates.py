"""The owner's home as sentence templates: names of areas and devices as lists, own sentences as intents."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from appliance.errors import ConfigError
from appliance.understanding.home_file import PLACEHOLDER, Area, Device, HomeConfig, OwnIntent, SlotList
from appliance.understanding.sampling import always_says
from appliance.understanding.templates import TYPED_ONLY, Template
from appliance.understanding.values import normalised

EXTENDED: Final = frozenset({"item", "reminder", "label"})
"""Lists of the built-in language that a list of the home file with the same name adds to: what can be on the shopping
list, what can be reminded of, and what a timer can be for."""


_KINDS: Final = {
    "light": ("light",),
    "switch": ("switch",),
    "device": ("light", "switch"),
    "scene": ("scene",),
    "cover": ("cover",),
    "climate": ("climate",),
}
"""Slot -> the kinds of devices that can be named in it."""


def new_lists(home: HomeConfig) -> list[str]:
    """Names of the owner's own lists."""
    return [own.name for own in home.lists if not _extends(own)]


def extended_lists(home: HomeConfig, built_in: dict[str, Any]) -> dict[str, Any]:
    """The built-in lists that the home file adds to, with what it adds."""
    return {
        own.name: {"values": [*built_in[own.name]["values"], *_own_list(own)["values"]]}
        for own in home.lists
        if _extends(own)
    }


def lists_of(home: HomeConfig) -> dict[str, Any]:
    """The slot lists that the home fills: its areas, devices by kind, and the owner's own lists."""
    named = {slot: _named([d for d in home.devices if d.kind in kinds]) for slot, kinds in _KINDS.items()}
    own = {own.name: _own_list(own) for own in home.lists if not _extends(own)}
    return {"area": _named(home.areas), **named, **own}


def intents_of(home: HomeConfig) -> dict[str, Any]:
    """The owner's own sentences as intents."""
    return {own.name: {"data": [{"sentences": list(own.sentences)}]} for own in home.sentences}


def spellings(home: HomeConfig) -> dict[str, str]:
    """What the recognizer hears -> the name that the owner says sounds like it."""
    named = [(area.sounds_like, area.name) for area in home.areas]
    named += [(device.sounds_like, device.name) for device in home.devices]
    named += [(entry.sounds_like, entry.say) for own in home.lists for entry in own.spoken()]
    return {normalised(heard): normalised(name) for heard, name in named if heard}


def check_slots(home: HomeConfig, templates: tuple[Template, ...]) -> None:
    """Raise ConfigError where an own action needs a slot that one of its sentences may leave out."""
    for own in home.sentences:
        for key, text in _texts_of(own):
            for slot in PLACEHOLDER.findall(text):
                for template in templates:
                    if template.intent == own.name and not always_says(template.tree, slot):
                        raise ConfigError(
                            f"home file: sentence {own.name}: {key} holds {{{slot}}}, but '{template.text}' may be "
                            f"said without it; add {{{slot}}} to the sentence or take it out of {key}"
                        )


def _extends(own: SlotList) -> bool:
    return own.name in EXTENDED and bool(own.values)


def _texts_of(own: OwnIntent) -> Iterator[tuple[str, str]]:
    if own.publish is not None:
        yield "payload", own.publish.payload
    if own.run is not None:
        yield from (("command", argument) for argument in own.run.command)
    if own.reply is not None:
        yield "reply", own.reply


def _named(items: Sequence[Area | Device]) -> dict[str, Any]:
    values = []
    for item in items:
        values += _ways_to_say(item.name, item.id, item.sounds_like)
        values += [way for alias in item.aliases for way in _ways_to_say(alias, item.id)]
    return {"values": values}


def _own_list(own: SlotList) -> dict[str, Any]:
    if own.values:
        entries = (_ways_to_say(entry.say, entry.value, entry.sounds_like) for entry in own.spoken())
        return {"values": [way for ways in entries for way in ways]}
    return {"range": {"from": own.from_, "to": own.to}}


def _ways_to_say(name: str, value: str, sounds_like: str = "") -> list[dict[str, Any]]:
    """A name as it is heard, and, where the recognizer hears other words, also as it is typed."""
    if not sounds_like:
        return [{"in": normalised(name), "out": value}]
    typed = {"in": normalised(name), "out": value, "metadata": TYPED_ONLY}
    return [typed, {"in": normalised(sounds_like), "out": value}]
