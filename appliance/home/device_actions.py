"""What the intents about lights, switches and scenes do: publish what the device's entry in the home file names."""

import colorsys
from collections.abc import Callable, Mapping
from typing import Final

from appliance.errors import ApplianceError, StageError
from appliance.home.turn import Done, Turn
from appliance.understanding.home_file import ALL_AREAS, PLACEHOLDER, Device

QOS: Final = 1
"""The broker confirms each message; where it does not, the answer says so, and nothing is sent again later."""


DIMMED_PERCENT: Final = 30
BRIGHT_PERCENT: Final = 100
"""'Dimmer' and 'brighter' go to these: the appliance does not know how bright a light is now."""

COLORS: Final = {
    "red": (255, 0, 0),
    "orange": (255, 120, 0),
    "yellow": (255, 220, 0),
    "green": (0, 255, 0),
    "turquoise": (0, 255, 220),
    "blue": (0, 0, 255),
    "purple": (150, 0, 255),
    "pink": (255, 80, 160),
    "white": (255, 255, 255),
    "warm_white": (255, 197, 143),
    "cool_white": (219, 233, 255),
}
"""Colour of the language -> red, green and blue, 0..255."""

_XYZ_OF_SRGB: Final = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
"""IEC 61966-2-1: linear red, green and blue to X, Y and Z."""


def turn_on(turn: Turn) -> Done:
    """Slots: `device`, or `area` for all its lights; neither: the lights of the area in which the appliance stands."""
    return _switch(turn, "turned_on", lambda device: (device.topic, device.payload_on))


def turn_off(turn: Turn) -> Done:
    """Slots as in `turn_on`."""
    return _switch(turn, "turned_off", lambda device: (device.topic, device.payload_off))


def scene_activate(turn: Turn) -> Done:
    """Slot: `scene`, the id of a device of that kind."""
    scene = device_named(turn, "scene")
    try:
        turn.effects.publish(scene.topic, scene.payload_on, QOS, False)
    except ApplianceError as error:
        return turn.regrets("scene_not_started", str(error), scene=scene.name)
    return turn.says("scene_activated", scene=scene.name)


def brightness_set(turn: Turn) -> Done:
    """Slots: `percent`, and `device` or `area` as in `turn_on`. What cannot be dimmed stays as it is."""
    return _dimmed(turn, turn.whole("percent"))


def brightness_up(turn: Turn) -> Done:
    """Slots as in `turn_on`."""
    return _dimmed(turn, BRIGHT_PERCENT)


def brightness_down(turn: Turn) -> Done:
    """Slots as in `turn_on`."""
    return _dimmed(turn, DIMMED_PERCENT)


def color_set(turn: Turn) -> Done:
    """Slots: `color`, and `device` or `area` as in `turn_on`. A light that has but one colour stays as it is."""
    color = turn.text("color") or ""
    devices, name = _devices_meant(turn)
    values = color_values(COLORS[color])
    messages = [
        (device.color_topic, filled(device.color_payload, values))
        for device in devices
        if device.color_topic is not None
    ]
    if devices and not messages:
        return turn.regrets("not_colored", f"{', '.join(d.id for d in devices)}: no color_topic", device=name)
    done = turn.says("color_set", device=name, color=turn.phrases.color(color))
    return published(turn, messages, name, done)


def level_of(device: Device, percent: int) -> int:
    """A percentage on the device's own scale; what is not off does not become 0."""
    return max(int(percent > 0), round(percent * device.brightness_max / 100))


def color_values(color: tuple[int, int, int]) -> dict[str, float]:
    """Red, green and blue, 0..255, in every form that a `color_payload` may ask for.

    `x` and `y`: sRGB (IEC 61966-2-1) with its white point D65 in CIE 1931, as most makers of lamps take it.
    """
    red, green, blue = (part / 255 for part in color)
    hue, saturation, _ = colorsys.rgb_to_hsv(red, green, blue)
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)]
    xyz = [sum(weight * part for weight, part in zip(row, linear, strict=True)) for row in _XYZ_OF_SRGB]
    total = sum(xyz)
    return {
        **dict(zip(("red", "green", "blue"), color, strict=True)),
        "hue": round(360 * hue),
        "saturation": round(100 * saturation),
        "x": round(xyz[0] / total, 4),
        "y": round(xyz[1] / total, 4),
    }


def filled(payload: str, values: Mapping[str, float]) -> str:
    """A payload with its {placeholders} replaced; one that has no value stays as it is."""
    return PLACEHOLDER.sub(lambda found: f"{values[found[1]]:g}" if found[1] in values else found[0], payload)


def _dimmed(turn: Turn, percent: int) -> Done:
    if not 0 <= percent <= 100:
        return turn.regrets("percent_range", f"{percent} percent")
    devices, name = _devices_meant(turn)
    messages = [
        (device.brightness_topic, filled(device.brightness_payload, {"level": level_of(device, percent)}))
        for device in devices
        if device.brightness_topic is not None
    ]
    if devices and not messages:
        return turn.regrets("not_dimmable", f"{', '.join(d.id for d in devices)}: no brightness_topic", device=name)
    return published(
        turn, messages, name, turn.says("brightness_set", device=name, percent=turn.phrases.number(percent))
    )


def _switch(turn: Turn, key: str, message: Callable[[Device], tuple[str, str]]) -> Done:
    devices, name = _devices_meant(turn)
    return published(turn, [message(device) for device in devices], name, turn.says(key, device=name))


def _devices_meant(turn: Turn) -> tuple[tuple[Device, ...], str]:
    """The devices, and what they are called together: a named one, or the lights of an area, by default of this one."""
    if turn.text("device") is not None:
        device = device_named(turn, "device")
        return (device,), device.name
    area_id = turn.text("area") or turn.situation.area or ALL_AREAS
    area = next((area.name for area in turn.home.areas if area.id == area_id), None)
    name = turn.answer("all_lights") if area is None else turn.answer("area_lights", area=area)
    return turn.home.lights_in(area_id), name


def device_named(turn: Turn, slot: str) -> Device:
    """The device whose id stands in a slot. Raises StageError when the home has it no more."""
    device = turn.home.device(turn.text(slot) or "")
    if device is None:
        raise StageError(
            f"intent {turn.intent.name}: the home file has no device {turn.text(slot)!r}; restart to read it"
        )
    return device


def published(turn: Turn, messages: list[tuple[str, str]], name: str, done: Done) -> Done:
    """Send the messages; `done` when all are out. The first that cannot be sent ends it."""
    if not messages:
        return turn.regrets("not_known", f"{name}: none in the home file", device=name)
    for topic, payload in messages:
        try:
            turn.effects.publish(topic, payload, QOS, False)
        except ApplianceError as error:
            return turn.regrets("not_reached", str(error), device=name)
    return done
