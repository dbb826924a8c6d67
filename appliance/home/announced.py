"""What Home Assistant's discovery messages announce, as devices that can be commanded.

Most makers of MQTT devices retain such messages at the broker: one for each entity, or one for a whole device. Read are
lights, switches, fans, scenes, covers and climate: their names, and what is published to command them. Nothing in a
message is carried out: a template that only puts a value into its place becomes a payload with a `{placeholder}`, and
what a template would have to calculate is left out. Pure; a message is untrusted.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from appliance.errors import ApplianceError
from appliance.home.announced_keys import expanded
from appliance.understanding.home_file import TOPICS_OF_KIND, Device

PLATFORMS: Final = ("light", "switch", "fan", "scene", "cover", "climate")
"""What is learned; sensors, locks, alarms and the like are not."""

WHOLE_DEVICE: Final = "device"
"""Stands in the topic instead of a platform where one message announces a whole device."""

COMPONENTS_MAX: Final = 64
"""Of one whole device."""

TOPIC_BYTES_MAX: Final = 256

UNNAMED: Final = "learned"
"""Id of a device that has no name yet."""

_RISKY: Final = frozenset({"garage", "gate", "door"})
"""Device classes of covers that are asked about before they are moved."""

_ADJUSTING: Final = frozenset({"config", "diagnostic"})
"""Categories of entities that adjust a device rather than use it."""

Scalar = str | int | float | bool
Text = Annotated[str, Meta(max_length=128)]
Topic = Annotated[str, Meta(max_length=TOPIC_BYTES_MAX)]
Template = Annotated[str, Meta(max_length=1024)]


class AnnouncementError(ApplianceError):
    """A message announces nothing that can be commanded; the reason is one part of a sentence."""


class Thing(Struct, frozen=True):
    """Something announced, with the names that its maker gave it."""

    key: str
    """Its topic, and within a whole device the key of the component."""

    entity: str
    """Its own name; empty: that of the device that it belongs to."""

    owner: str
    """Name of the device that it belongs to; empty: none."""

    area: str
    """Where it suggests to be; empty: nowhere."""

    device: Device
    """How it is commanded; id and name are found later, among all the others."""


class _Owner(Struct, frozen=True):
    name: Text | None = None
    suggested_area: Text | None = None


class _Entity(Struct, frozen=True):
    """The keys of an entity that matter here, with Home Assistant's defaults."""

    name: Text | None = None
    device: _Owner = _Owner()
    device_class: Text | None = None
    entity_category: Text | None = None
    enabled_by_default: bool = True
    schema: Text = "basic"
    command_topic: Topic | None = None
    command_template: Template | None = None
    payload_on: Scalar | None = None
    payload_off: Scalar | None = None
    on_command_type: Text = "last"
    command_on_template: Template | None = None
    command_off_template: Template | None = None
    brightness: bool = False
    brightness_scale: Annotated[int, Meta(ge=1, le=65_535)] = 255
    brightness_command_topic: Topic | None = None
    brightness_command_template: Template | None = None
    supported_color_modes: Annotated[tuple[Text, ...], Meta(max_length=16)] = ()
    rgb: bool = False
    hs: bool = False
    xy: bool = False
    rgb_command_topic: Topic | None = None
    rgb_command_template: Template | None = None
    payload_open: Scalar | None = None
    payload_close: Scalar | None = None
    payload_stop: Scalar | None = None
    set_position_topic: Topic | None = None
    set_position_template: Template | None = None
    position_open: int = 100
    position_closed: int = 0
    power_command_topic: Topic | None = None
    mode_command_topic: Topic | None = None
    mode_command_template: Template | None = None
    modes: Annotated[tuple[Text, ...], Meta(max_length=32)] = ("auto", "off", "cool", "heat", "dry", "fan_only")
    temperature_command_topic: Topic | None = None
    temperature_command_template: Template | None = None


def read(topic: str, payload: bytes, prefix: str) -> tuple[Thing, ...]:
    """The things that a message announces; `prefix`: what Home Assistant's topics begin with.

    Raises:
        AnnouncementError: it announces none that can be commanded.
    """
    platform = platform_of(topic, prefix)
    try:
        raw = msgspec.json.decode(payload, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise AnnouncementError("it is no JSON object") from None
    try:
        if platform == WHOLE_DEVICE:
            things = tuple(_components(topic, expanded(raw)))
        else:
            things = (_thing(topic, platform, expanded(raw)),)
    except msgspec.ValidationError as error:
        raise AnnouncementError(f"not of the form that is known: {_place(error)}") from None
    if not things:
        raise AnnouncementError("nothing of it can be commanded by voice")
    if any(used.startswith(f"{prefix}/") for thing in things for used in _topics(thing.device)):
        raise AnnouncementError("it wants to be commanded by announcements")
    return things


def platform_of(topic: str, prefix: str) -> str:
    """The level of a discovery topic that says what is announced; empty where it is none."""
    levels = topic.removeprefix(f"{prefix}/").split("/")
    known = topic.startswith(f"{prefix}/") and len(levels) in (3, 4) and levels[-1] == "config"
    return levels[0] if known and levels[0] in (*PLATFORMS, WHOLE_DEVICE) else ""


def _topics(device: Device) -> list[str]:
    further: list[str | None] = [getattr(device, key) for key in TOPICS_OF_KIND]
    return [device.topic, *filter(None, further)]


def _components(topic: str, whole: dict[str, Any]) -> Iterator[Thing]:
    """Those of a whole device; one that cannot be commanded does not keep the others from it."""
    components = whole.get("components")
    if not isinstance(components, dict) or len(components) > COMPONENTS_MAX:
        raise AnnouncementError(f"it has no components, or more than {COMPONENTS_MAX}")
    shared = {key: whole[key] for key in ("device", "command_topic") if key in whole}
    for key, component in components.items():
        if not isinstance(component, dict):
            continue
        fields = expanded({"~": whole["~"], **component} if "~" in whole else component)
        platform = fields.get("platform")
        if platform in PLATFORMS:
            try:
                yield _thing(f"{topic}#{key}"[:TOPIC_BYTES_MAX], str(platform), shared | fields)
            except (AnnouncementError, msgspec.ValidationError):
                continue


def _thing(key: str, platform: str, fields: Mapping[str, Any]) -> Thing:
    known = {name: value for name, value in fields.items() if value is not None}
    entity = msgspec.convert(known, type=_Entity)
    if entity.entity_category in _ADJUSTING or not entity.enabled_by_default:
        raise AnnouncementError("it adjusts a device, and is not switched by voice")
    return Thing(
        key=key,
        entity=entity.name or "",
        owner=entity.device.name or "",
        area=entity.device.suggested_area or "",
        device=_COMMANDED[platform](entity),
    )


def _light(entity: _Entity) -> Device:
    if entity.schema == "json":
        return _json_light(entity)
    if entity.schema == "template":
        on, off = (_literal(text) for text in (entity.command_on_template, entity.command_off_template))
        return _device("light", entity.command_topic, payload_on=on, payload_off=off)
    if entity.on_command_type == "brightness":
        raise AnnouncementError("it is switched on by its brightness alone")
    brightness = _put_in(entity.brightness_command_template, {"value": "{level}"}, "{level}")
    color = _put_in(
        entity.rgb_command_template, {name: f"{{{name}}}" for name in ("red", "green", "blue")}, "{red},{green},{blue}"
    )
    return _device(
        "light",
        entity.command_topic,
        payload_on=_payload(entity.payload_on, "ON"),
        payload_off=_payload(entity.payload_off, "OFF"),
        brightness_topic=_safe(entity.brightness_command_topic) if brightness else None,
        brightness_payload=brightness or "",
        brightness_max=entity.brightness_scale,
        color_topic=_safe(entity.rgb_command_topic) if color else None,
        color_payload=color or "",
    )


def _json_light(entity: _Entity) -> Device:
    """Home Assistant's JSON schema: one topic, and objects such as `{"state": "ON", "brightness": 80}`."""
    topic = _safe(entity.command_topic)
    modes = {*entity.supported_color_modes, *(mode for mode in ("rgb", "hs", "xy") if getattr(entity, mode))}
    color = next((payload for mode, payload in _JSON_COLORS.items() if mode in modes), None)
    dimmable = entity.brightness or bool(modes - {"onoff"})
    return _device(
        "light",
        topic,
        payload_on='{"state":"ON"}',
        payload_off='{"state":"OFF"}',
        brightness_topic=topic if dimmable else None,
        brightness_payload='{"state":"ON","brightness":{level}}',
        brightness_max=entity.brightness_scale,
        color_topic=topic if color else None,
        color_payload=f'{{"state":"ON","color":{color}}}',
    )


_RGB: Final = '{"r":{red},"g":{green},"b":{blue}}'
_JSON_COLORS: Final = {
    "rgb": _RGB,
    "rgbw": _RGB,
    "rgbww": _RGB,
    "hs": '{"h":{hue},"s":{saturation}}',
    "xy": '{"x":{x},"y":{y}}',
}
"""Colour mode -> the object in which it takes a colour; the first that a light supports is used."""


def _switch(entity: _Entity) -> Device:
    on, off = _payload(entity.payload_on, "ON"), _payload(entity.payload_off, "OFF")
    return _device(
        "switch",
        entity.command_topic,
        payload_on=_put_in(entity.command_template, {"value": on}, on),
        payload_off=_put_in(entity.command_template, {"value": off}, off),
    )


def _scene(entity: _Entity) -> Device:
    return _device("scene", entity.command_topic, payload_on=_payload(entity.payload_on, "ON"))


def _cover(entity: _Entity) -> Device:
    plain = (entity.position_closed, entity.position_open) == (0, 100)
    position = _put_in(entity.set_position_template, {"position": "{position}", "value": "{position}"}, "{position}")
    position_topic = _safe(entity.set_position_topic) if position and plain else None
    return _device(
        "cover",
        entity.command_topic,
        payload_open=_payload(entity.payload_open, "OPEN"),
        payload_close=_payload(entity.payload_close, "CLOSE"),
        payload_stop=_payload(entity.payload_stop, "STOP"),
        position_topic=position_topic,
        position_payload=position or "",
        risky=entity.device_class in _RISKY,
    )


def _climate(entity: _Entity) -> Device:
    on, off, topic = _payload(entity.payload_on, "ON"), _payload(entity.payload_off, "OFF"), entity.power_command_topic
    if topic is None:
        topic = entity.mode_command_topic
        on = next((mode for mode in ("heat", "auto", *entity.modes) if mode in entity.modes and mode != "off"), "")
        on, off = (_put_in(entity.mode_command_template, {"value": mode}, mode) or "" for mode in (on, "off"))
    degrees = _put_in(entity.temperature_command_template, {"value": "{temperature}"}, "{temperature}")
    return _device(
        "climate",
        topic,
        payload_on=on or None,
        payload_off=off or None,
        temperature_topic=_safe(entity.temperature_command_topic) if degrees else None,
        temperature_payload=degrees or "",
    )


_COMMANDED: Final = {
    "light": _light,
    "switch": _switch,
    "fan": _switch,
    "scene": _scene,
    "cover": _cover,
    "climate": _climate,
}
"""Platform -> how it is commanded; a fan is switched."""


def _device(kind: str, topic: str | None, **commands: Any) -> Device:
    if (safe := _safe(topic)) is None:
        raise AnnouncementError("it has no topic that may be published on")
    if any(value is None for key, value in commands.items() if key.startswith("payload_")):
        raise AnnouncementError("its commands are templates that calculate")
    return Device(id=UNNAMED, name="", kind=kind, topic=safe, **commands)  # type: ignore[arg-type]


def _safe(topic: str | None) -> str | None:
    """A topic that a device may have; None for one with wildcards, of the broker itself, or of an appliance.

    Whoever announces a device must not make us command another appliance in his place.
    """
    if not topic or len(topic.encode("utf-8", "replace")) > TOPIC_BYTES_MAX or not topic.isprintable():
        return None
    return None if re.search(r"[+#]", topic) or topic.startswith(("$", "voice/", "hermes/")) else topic


def _payload(value: Scalar | None, default: str) -> str:
    """As Home Assistant publishes it: numbers and the like as text."""
    return default if value is None else str(value)[:1024]


_PLACE: Final = re.compile(r"\{\{-?\s*(\w+)\s*(?:\|\s*(?:int|float|string)(?:\(\s*\d*\s*\))?\s*)?-?\}\}")
"""`{{ value }}`, also `{{ value | int }}`: where a template only puts a value in."""


def _put_in(template: str | None, values: Mapping[str, str], default: str) -> str | None:
    """A template as a payload, or `default` where there is none; None where it would have to be carried out."""
    if template is None:
        return default
    text = _PLACE.sub(lambda found: values.get(found[1], found[0]), template)
    return None if re.search(r"\{[{%#]", text) else text


def _literal(template: str | None) -> str | None:
    return _put_in(template, {}, "") or None


def _place(error: msgspec.ValidationError) -> str:
    """The key that is wrong; not what stands there, which a log must not repeat."""
    _, _, place = str(error).partition(" - at `$.")
    return place.rstrip("`") or "a key"
