"""What the intents about lights, switches and scenes do: publish what the device's entry in the home file names."""

from collections.abc import Callable
from typing import Final

from appliance.errors import ApplianceError, StageError
from appliance.home import phrases
from appliance.home.turn import Done, Turn
from appliance.understanding.home_file import ALL_AREAS, Device

QOS: Final = 1
"""The broker confirms each message; where it does not, the answer says so, and nothing is sent again later."""


def turn_on(turn: Turn) -> Done:
    """Slots: `device`, or `area` for all its lights; neither: the lights of the area in which the appliance stands."""
    return _switch(turn, "turned_on", lambda device: (device.topic, device.payload_on))


def turn_off(turn: Turn) -> Done:
    """Slots as in `turn_on`."""
    return _switch(turn, "turned_off", lambda device: (device.topic, device.payload_off))


def scene_activate(turn: Turn) -> Done:
    """Slot: `scene`, the id of a device of that kind."""
    scene = _device(turn, "scene")
    try:
        turn.effects.publish(scene.topic, scene.payload_on, QOS, False)
    except ApplianceError as error:
        return turn.regrets("scene_not_started", str(error), scene=scene.name)
    return turn.says("scene_activated", scene=scene.name)


def brightness_set(turn: Turn) -> Done:
    """Slots: `percent`, and `device` or `area` as in `turn_on`. What cannot be dimmed stays as it is."""
    percent = turn.whole("percent")
    if not 0 <= percent <= 100:
        return turn.regrets("percent_range", f"{percent} percent")
    devices, name = _devices_meant(turn)
    messages = [(device.brightness_topic, str(percent)) for device in devices if device.brightness_topic is not None]
    if devices and not messages:
        return turn.regrets("not_dimmable", f"{', '.join(d.id for d in devices)}: no brightness_topic", device=name)
    return _publish(turn, messages, name, turn.says("brightness_set", device=name, percent=phrases.number(percent)))


def _switch(turn: Turn, key: str, message: Callable[[Device], tuple[str, str]]) -> Done:
    devices, name = _devices_meant(turn)
    return _publish(turn, [message(device) for device in devices], name, turn.says(key, device=name))


def _devices_meant(turn: Turn) -> tuple[tuple[Device, ...], str]:
    """The devices, and what they are called together: a named one, or the lights of an area, by default of this one."""
    if turn.text("device") is not None:
        device = _device(turn, "device")
        return (device,), device.name
    area_id = turn.text("area") or turn.situation.area or ALL_AREAS
    area = next((area.name for area in turn.home.areas if area.id == area_id), None)
    name = turn.answer("all_lights") if area is None else turn.answer("area_lights", area=area)
    return turn.home.lights_in(area_id), name


def _device(turn: Turn, slot: str) -> Device:
    device = turn.home.device(turn.text(slot) or "")
    if device is None:
        raise StageError(
            f"intent {turn.intent.name}: the home file has no device {turn.text(slot)!r}; restart to read it"
        )
    return device


def _publish(turn: Turn, messages: list[tuple[str, str]], name: str, done: Done) -> Done:
    """Send the messages; `done` when all are out. The first that cannot be sent ends it."""
    if not messages:
        return turn.regrets("not_known", f"{name}: none in the home file", device=name)
    for topic, payload in messages:
        try:
            turn.effects.publish(topic, payload, QOS, False)
        except ApplianceError as error:
            return turn.regrets("not_reached", str(error), device=name)
    return done
