"""The owner's home as sentence templates: names of areas and devices as lists, own sentences as intents."""

from collections.abc import Iterator, Sequence
from typing import Any

from appliance.errors import ConfigError
from appliance.understanding.home_file import PLACEHOLDER, Area, Device, HomeConfig, OwnIntent, SlotList
from appliance.understanding.sampling import always_says
from appliance.understanding.templates import Template
from appliance.understanding.values import normalised


def lists_of(home: HomeConfig) -> dict[str, Any]:
    """The slot lists that the home fills: its areas, devices by kind, and the owner's own lists."""
    kinds = {"light": ("light",), "switch": ("switch",), "device": ("light", "switch"), "scene": ("scene",)}
    named = {slot: _named([d for d in home.devices if d.kind in kind]) for slot, kind in kinds.items()}
    return {"area": _named(home.areas), **named, **{own.name: _own_list(own) for own in home.lists}}


def intents_of(home: HomeConfig) -> dict[str, Any]:
    """The owner's own sentences as intents."""
    return {own.name: {"data": [{"sentences": list(own.sentences)}]} for own in home.sentences}


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


def _texts_of(own: OwnIntent) -> Iterator[tuple[str, str]]:
    if own.publish is not None:
        yield "payload", own.publish.payload
    if own.run is not None:
        yield from (("command", argument) for argument in own.run.command)
    if own.reply is not None:
        yield "reply", own.reply


def _named(items: Sequence[Area | Device]) -> dict[str, Any]:
    names = [(name, item.id) for item in items for name in (item.name, *item.aliases)]
    return {"values": [{"in": normalised(name), "out": identifier} for name, identifier in names]}


def _own_list(own: SlotList) -> dict[str, Any]:
    if own.values:
        return {"values": [{"in": normalised(say), "out": value} for say, value in own.spoken()]}
    return {"range": {"from": own.from_, "to": own.to}}
