"""What the intents about lights, switches and scenes do: publish what the device's entry in the home file names."""

from collections.abc import Callable
from typing import Final

from appliance.errors import ApplianceError, StageError
from appliance.home.turn import Done, Turn
from appliance.understanding.home_file import ALL_AREAS, Device

QOS: Final = 1
"""The broker confirms each message; where it does not, the answer says so, and nothing is sent again later."""


DIMMED_PERCENT: Final = 30
BRIGHT_PERCENT: Final = 100
"""'Dimmer' and 'brighter' go to these: the appliance does not know how bright a light is now."""

COLORS: Final = {
    "red": "255,0,0",
    "orange": "255,120,0",
    "yellow": "255,220,0",
    "green": "0,255,0",
    "turquoise": "0,255,220",
    "blue": "0,0,255",
    "purple": "150,0,255",
    "pink": "255,80,160",
    "white": "255,255,255",
    "warm_white": "255,197,143",
    "cool_white": "219,233,255",
}
"""Colour of the language -> red, green and blue as Home Assistant's MQTT lights take them (`rgb_command_topic`)."""


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
    messages = [(device.color_topic, COLORS[color]) for device in devices if device.color_topic is not None]
    if devices and not messages:
        return turn.regrets("not_colored", f"{', '.join(d.id for d in devices)}: no color_topic", device=name)
    done = turn.says("color_set", device=name, color=turn.phrases.color(color))
    return published(turn, messages, name, done)


def _dimmed(turn: Turn, percent: int) -> Done:
    if not 0 <= percent <= 100:
        return turn.regrets("percent_range", f"{percent} percent")
    devices, name = _devices_meant(turn)
    messages = [(device.brightness_topic, str(percent)) for device in devices if device.brightness_topic is not None]
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
