"""The owner's home: areas, devices, scenes and own sentences, read from one YAML file into frozen classes.

`firmware_config/home.yaml` is the annotated example. Everything that can be wrong in it is found here, with file, line,
key and remedy, except what needs the built-in language beside it (see `home_templates.py`).
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from appliance.intent import Intent
from appliance.understanding import strict_yaml
from appliance.understanding.strict_yaml import Document, Keys

ALL_AREAS = "all"
"""Area that stands for the whole home: 'turn off all the lights', or 'the lights' where no own area is set."""

TOPICS_OF_KIND = {
    "brightness_topic": "light",
    "color_topic": "light",
    "position_topic": "cover",
    "temperature_topic": "climate",
    "step_topic": "climate",
}
"""A key of a device that names a further topic -> the kind of device that has it."""

KIND_OF_INTENT = {"cover": "cover", "climate": "climate", "temperature": "climate", "media": "media"}
"""First word of an intent -> the kind of device that it moves in an area; all others switch lights."""

DEVICE_SLOTS = frozenset({"device", "light", "switch", "scene", "cover", "climate", "media"})
"""Slots whose value is the id of a device."""

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
"""`{level}` in a payload, an argument or a reply; JSON such as `{"a": 1}` is none."""

TOPIC_BYTES_MAX = 65_535
"""MQTT 5.0, section 1.5.4: a string is at most this long in UTF-8."""

Id = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Payload = Annotated[str, Meta(max_length=100_000)]


class Area(Struct, frozen=True, forbid_unknown_fields=True):
    """A room, as it is called."""

    id: Id
    name: str
    aliases: tuple[str, ...] = ()
    sounds_like: str = ""
    """Words that the recognizer knows and that together sound like `name`, where it does not know that; empty: none."""


class Device(Struct, frozen=True, forbid_unknown_fields=True):
    """Something to switch, move, heat or start, through MQTT."""

    id: Id
    name: str
    kind: Literal["light", "switch", "scene", "cover", "climate", "media"]
    topic: str
    """Where the payloads are published."""

    aliases: tuple[str, ...] = ()
    sounds_like: str = ""
    """As of an area."""

    area: str = ""
    """Id of its area; empty: none."""

    payload_on: Payload = "ON"
    payload_off: Payload = "OFF"
    brightness_topic: str | None = None
    """Where the brightness is published; lights only; None: it cannot be dimmed."""

    brightness_payload: Payload = "{level}"
    """`{level}`: a whole number, 0..`brightness_max`."""

    brightness_max: Annotated[int, Meta(ge=1, le=65_535)] = 100
    """The level of 100 percent."""

    color_topic: str | None = None
    """Where a colour is published; lights only; None: it has but one."""

    color_payload: Payload = "{red},{green},{blue}"
    """`{red}`, `{green}`, `{blue}` 0..255; `{hue}` 0..360, `{saturation}` 0..100; `{x}`, `{y}` of CIE 1931."""

    payload_open: Payload = "OPEN"
    payload_close: Payload = "CLOSE"
    payload_stop: Payload = "STOP"
    risky: bool = False
    """It is asked about before anything is done with it: a door, an oven."""

    position_topic: str | None = None
    """Where a position is published; covers only; None: it opens and closes."""

    position_payload: Payload = "{position}"
    """`{position}`: 0 (closed)..100 (open)."""

    temperature_topic: str | None = None
    """Where a temperature is published; climate only."""

    temperature_payload: Payload = "{temperature}"
    """`{temperature}`: in the degrees of the home, such as `21.5`."""

    step_topic: str | None = None
    """Where a change of temperature in degrees, such as `1` or `-1`, is published; climate only."""

    payload_play: Payload = "PLAY"
    payload_pause: Payload = "PAUSE"
    payload_next: Payload = "NEXT"
    payload_previous: Payload = "PREVIOUS"


class Publish(Struct, frozen=True, forbid_unknown_fields=True):
    """An MQTT message as the action of an own sentence."""

    topic: str
    payload: Payload
    """May hold {slot}, replaced by the slot's value."""

    qos: Annotated[int, Meta(ge=0, le=2)] = 0
    retain: bool = False


class Run(Struct, frozen=True, forbid_unknown_fields=True):
    """A program as the action of an own sentence: an argument list, never a shell."""

    command: Annotated[tuple[str, ...], Meta(min_length=1, max_length=64)]
    """Program and arguments; an argument may hold {slot}, replaced by the slot's value."""

    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 10.0


class OwnIntent(Struct, frozen=True, forbid_unknown_fields=True):
    """Sentences of the owner's own, and the one thing they do."""

    name: Id
    sentences: Annotated[tuple[str, ...], Meta(min_length=1)]
    """hassil templates: `(play|start) [the] {channel}`."""

    publish: Publish | None = None
    run: Run | None = None
    risky: bool = False
    """It is asked about before it is done."""

    reply: str | None = None
    """What to say; may hold {slot}, replaced by the words as spoken; None: a short confirmation."""


class ListValue(Struct, frozen=True, forbid_unknown_fields=True):
    """A word of a list, and what it stands for."""

    say: str
    value: str = ""
    """Empty: the word itself."""

    sounds_like: str = ""
    """As of an area, for `say`."""


class SlotList(Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """What can be said in a slot: either `values` or the whole numbers `from`..`to`."""

    name: Id
    values: tuple[str | ListValue, ...] = ()
    from_: Annotated[int, Meta(ge=0, le=1000)] | None = None
    to: Annotated[int, Meta(ge=0, le=1000)] | None = None

    def spoken(self) -> Iterator[ListValue]:
        """Each word with its value."""
        for value in self.values:
            if isinstance(value, str):
                yield ListValue(say=value, value=value)
            else:
                yield value if value.value else msgspec.structs.replace(value, value=value.say)


class HomeConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole home file; an empty one is a home without devices."""

    areas: tuple[Area, ...] = ()
    devices: tuple[Device, ...] = ()
    sentences: tuple[OwnIntent, ...] = ()
    lists: tuple[SlotList, ...] = field(default=())

    def device(self, device_id: str) -> Device | None:
        """The device or scene of that id."""
        return next((device for device in self.devices if device.id == device_id), None)

    def lights_in(self, area_id: str) -> tuple[Device, ...]:
        """All lights of an area; of the whole home for ALL_AREAS."""
        return self.devices_in(area_id, "light")

    def is_risky(self, intent: Intent) -> bool:
        """Whether a person is to be asked first: a command of it is about something that the home file calls risky."""
        return any(self._concerns_risky(command) for command in intent.commands)

    def _concerns_risky(self, command: Intent) -> bool:
        named = {value for slot, value in command.values.items() if slot in DEVICE_SLOTS}
        area = command.values.get("area")
        if area is not None:
            kind = KIND_OF_INTENT.get(command.name.partition("_")[0], "light")
            named |= {device.id for device in self.devices_in(str(area), kind)}
        own = any(own.risky and own.name == command.name for own in self.sentences)
        return own or any(device.risky and device.id in named for device in self.devices)

    def devices_in(self, area_id: str, kind: str) -> tuple[Device, ...]:
        """All devices of a kind in an area; in the whole home for ALL_AREAS."""
        return tuple(d for d in self.devices if d.kind == kind and area_id in (d.area, ALL_AREAS))


def load(path: Path) -> HomeConfig:
    """Read and check a home file. Raises ConfigError: one sentence with file, line, key and what to do."""
    return checked(strict_yaml.read(path))


def parse(text: str, origin: str) -> HomeConfig:
    """Read a home from its text; `origin` names it in errors. Raises ConfigError."""
    return checked(strict_yaml.parse(text, origin))


def checked(document: Document) -> HomeConfig:
    """A document as a home. Raises ConfigError."""
    try:
        # Scalars arrive as text (see strict_yaml), so numbers and booleans are converted: strict=False.
        home = msgspec.convert(document.content, type=HomeConfig, strict=False)
    except msgspec.ValidationError as error:
        keys, reason = _explained(str(error))
        raise document.error(keys, f"{reason}; see firmware_config/home.yaml for the form") from None
    for keys, problem in _problems(home):
        raise document.error(keys, problem)
    return home


def _explained(message: str) -> tuple[Keys, str]:
    """msgspec's message, which names a place such as `$.devices[2].kind`, as keys and reason."""
    reason, _, place = message.partition(" - at `$")
    keys: list[str | int] = [
        int(index) if index else name for name, index in re.findall(r"\.?([a-z_]+)|\[(\d+)\]", place.rstrip("`"))
    ]
    unknown = re.search(r"unknown field `([^`]*)`", reason)
    if unknown:
        return (*keys, unknown.group(1)), "unknown key; delete it or correct its spelling"
    return tuple(keys), reason


Problem = tuple[Keys, str]


def _problems(home: HomeConfig) -> Iterator[Problem]:
    """What is wrong although every value has the right type."""
    yield from _repeated("areas", "id", [area.id for area in home.areas])
    yield from _repeated("devices", "id", [device.id for device in home.devices])
    yield from _repeated("sentences", "name", [intent.name for intent in home.sentences])
    yield from _repeated("lists", "name", [slot_list.name for slot_list in home.lists])
    yield from _name_problems("areas", home.areas)
    yield from _name_problems("devices", home.devices)
    for index, area in enumerate(home.areas):
        if area.id == ALL_AREAS:
            yield ("areas", index, "id"), f"'{ALL_AREAS}' stands for the whole home; choose another id"
    for index, device in enumerate(home.devices):
        yield from _device_problems(index, device, home)
    for index, slot_list in enumerate(home.lists):
        yield from _list_problems(index, slot_list)
    for index, intent in enumerate(home.sentences):
        yield from _intent_problems(index, intent)


def _repeated(kind: str, key: str, names: list[str]) -> Iterator[Problem]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield (kind, index, key), f"'{name}' is taken by {kind}[{names.index(name)}]; choose another one"


def _name_problems(kind: str, items: Sequence[Area | Device]) -> Iterator[Problem]:
    taken: dict[str, str] = {}
    for index, item in enumerate(items):
        names: list[tuple[Keys, str]] = [((kind, index, "name"), item.name)]
        names += [((kind, index, "aliases", number), alias) for number, alias in enumerate(item.aliases)]
        names += [((kind, index, "sounds_like"), item.sounds_like)] if item.sounds_like else []
        for keys, name in names:
            yield from _speakable(keys, name)
            spoken = " ".join(name.casefold().split())
            if spoken in taken:
                yield keys, f"'{name}' is the name of '{taken[spoken]}' too; every name must be heard as one thing"
            taken[spoken] = item.id


def _speakable(keys: Keys, name: str) -> Iterator[Problem]:
    if not any(letter.isalpha() for letter in name) or not all(c.isalpha() or c in " '-" for c in name):
        yield keys, f"'{name}' cannot be spoken: use letters, spaces and ' only, and write numbers as words"


def _device_problems(index: int, device: Device, home: HomeConfig) -> Iterator[Problem]:
    at: Keys = ("devices", index)
    if device.area and device.area not in {area.id for area in home.areas}:
        known = ", ".join(area.id for area in home.areas) or "none"
        yield (*at, "area"), f"'{device.area}' is not the id of an area; known: {known}"
    yield from _topic_problems((*at, "topic"), device.topic)
    for key, kind in TOPICS_OF_KIND.items():
        topic: str | None = getattr(device, key)
        if topic is None:
            continue
        yield from _topic_problems((*at, key), topic)
        if device.kind != kind:
            what = "can be dimmed" if key == "brightness_topic" else f"has a {key}"
            yield (*at, key), f"only a {kind} {what}, this is a {device.kind}; delete the key"


def _topic_problems(keys: Keys, topic: str) -> Iterator[Problem]:
    """MQTT 5.0, section 4.7: what a topic to publish to may be."""
    if not topic:
        yield keys, "empty; name the MQTT topic that the device listens to"
    if any(sign in topic for sign in "+#\0"):
        yield keys, "a topic to publish to holds no +, # or NUL; name one topic"
    if len(topic.encode("utf-8")) > TOPIC_BYTES_MAX:
        yield keys, f"longer than {TOPIC_BYTES_MAX} bytes; shorten it"
    if PLACEHOLDER.search(topic):
        yield keys, "a topic cannot hold a {slot}; put it into the payload, or write one sentence per topic"


def _list_problems(index: int, slot_list: SlotList) -> Iterator[Problem]:
    at: Keys = ("lists", index)
    is_range = slot_list.from_ is not None or slot_list.to is not None
    if is_range == bool(slot_list.values):
        yield at, "give either `values` or `from` and `to`"
    if is_range and (slot_list.from_ is None or slot_list.to is None or slot_list.from_ > slot_list.to):
        yield at, "`from` and `to` are both needed, the smaller one first"
    taken: set[str] = set()
    for number, entry in enumerate(slot_list.spoken()):
        keys: Keys = (*at, "values", number)
        for said in (entry.say, *([entry.sounds_like] if entry.sounds_like else [])):
            yield from _speakable(keys, said)
            if said in taken:
                yield keys, f"'{said}' is in the list already; delete one"
            taken.add(said)


def _intent_problems(index: int, intent: OwnIntent) -> Iterator[Problem]:
    at: Keys = ("sentences", index)
    for number, sentence in enumerate(intent.sentences):
        unspoken = re.search(r"[0-9.,?!;]", re.sub(r"\{.*?\}", "", sentence))
        if unspoken:
            yield (*at, "sentences", number), f"'{unspoken.group()}' cannot be spoken; write numbers as words, no signs"
    if (intent.publish is None) == (intent.run is None):
        yield at, "give exactly one action: `publish` or `run`"
    if intent.publish is not None:
        yield from _topic_problems((*at, "publish", "topic"), intent.publish.topic)
    if intent.run is not None:
        program = intent.run.command[0]
        if not program or PLACEHOLDER.search(program):
            yield (*at, "run", "command", 0), "the program itself must be fixed; only its arguments may hold a {slot}"
        if any("\0" in argument for argument in intent.run.command):
            yield (*at, "run", "command"), "an argument cannot hold NUL; delete it"
