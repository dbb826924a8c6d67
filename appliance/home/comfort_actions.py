"""What the intents about blinds, heating and music do: publish what the device's entry in the home file names.

Where the home has no such device the answer says so; the intent is published as an event all the same, so that whoever
subscribes can act on it.
"""

from collections.abc import Callable
from typing import Final

from appliance.home.device_actions import device_named, filled, published
from appliance.home.turn import Done, Turn
from appliance.understanding.home_file import ALL_AREAS, Device

STEP_DEGREES: Final = 1


def cover_open(turn: Turn) -> Done:
    """Slots: `cover`, or `area` for all its covers; neither: those where the appliance stands, else all."""
    return _sent(turn, "cover", "opening", lambda device: (device.topic, device.payload_open))


def cover_close(turn: Turn) -> Done:
    """Slots as in `cover_open`."""
    return _sent(turn, "cover", "closing", lambda device: (device.topic, device.payload_close))


def cover_stop(turn: Turn) -> Done:
    """Slots as in `cover_open`."""
    return _sent(turn, "cover", "cover_stopped", lambda device: (device.topic, device.payload_stop))


def cover_set(turn: Turn) -> Done:
    """Slots: `percent`, 0 is closed, and as in `cover_open`."""
    percent = turn.whole("percent")
    if not 0 <= percent <= 100:
        return turn.regrets("percent_range", f"{percent} percent")

    def message(device: Device) -> tuple[str | None, str]:
        return device.position_topic, filled(device.position_payload, {"position": percent})

    return _sent(turn, "cover", "cover_set", message, percent=turn.phrases.number(percent))


def temperature_set(turn: Turn) -> Done:
    """Slots: `degrees`, and `climate` or `area` as in `cover_open`."""
    degrees = turn.number("degrees")

    def message(device: Device) -> tuple[str | None, str]:
        return device.temperature_topic, filled(device.temperature_payload, {"temperature": degrees})

    return _sent(turn, "climate", "temperature_set", message, degrees=turn.phrases.number(degrees))


def temperature_up(turn: Turn) -> Done:
    """Slots: perhaps `degrees` (else STEP_DEGREES), and as in `temperature_set`."""
    return _step(turn, "warmer", 1)


def temperature_down(turn: Turn) -> Done:
    """Slots as in `temperature_up`."""
    return _step(turn, "cooler", -1)


def climate_on(turn: Turn) -> Done:
    """Slots as in `temperature_set`, without degrees."""
    return _sent(turn, "climate", "turned_on", lambda device: (device.topic, device.payload_on))


def climate_off(turn: Turn) -> Done:
    """Slots as in `climate_on`."""
    return _sent(turn, "climate", "turned_off", lambda device: (device.topic, device.payload_off))


def media_play(turn: Turn) -> Done:
    """To the players where the appliance stands, else to all."""
    return _sent(turn, "media", "playing", lambda device: (device.topic, device.payload_play))


def media_pause(turn: Turn) -> Done:
    """As `media_play`."""
    return _sent(turn, "media", "paused", lambda device: (device.topic, device.payload_pause))


def media_next(turn: Turn) -> Done:
    """As `media_play`."""
    return _sent(turn, "media", "next_track", lambda device: (device.topic, device.payload_next))


def media_previous(turn: Turn) -> Done:
    """As `media_play`."""
    return _sent(turn, "media", "previous_track", lambda device: (device.topic, device.payload_previous))


def _step(turn: Turn, key: str, sign: int) -> Done:
    degrees = sign * (turn.number("degrees") if "degrees" in turn.intent.values else STEP_DEGREES)

    def message(device: Device) -> tuple[str | None, str]:
        return device.step_topic, f"{degrees:g}"

    return _sent(turn, "climate", key, message)


def _sent(turn: Turn, kind: str, key: str, message: Callable[[Device], tuple[str | None, str]], **values: str) -> Done:
    """The message of each device that is meant; a topic of None: the device cannot do that."""
    devices, name = _meant(turn, kind)
    messages = [(topic, payload) for topic, payload in map(message, devices) if topic is not None]
    if devices and not messages:
        return turn.regrets("not_able", f"{', '.join(d.id for d in devices)}: no topic for it", device=name)
    return published(turn, messages, name, turn.says(key, device=name, **values))


def _meant(turn: Turn, kind: str) -> tuple[tuple[Device, ...], str]:
    """The devices of a kind, and what they are called together."""
    if turn.text(kind) is not None:
        device = device_named(turn, kind)
        return (device,), device.name
    area_id = turn.text("area") or ""
    near = area_id or turn.situation.area
    devices = turn.home.devices_in(near, kind) if near else ()
    if not devices and not area_id:
        devices = turn.home.devices_in(ALL_AREAS, kind)
    area = next((area.name for area in turn.home.areas if area.id == area_id), None)
    if len(devices) == 1:
        return devices, devices[0].name
    what = turn.answer(f"any_{kind}")
    return devices, what if area is None else turn.answer("in_area", area=area, what=what)
