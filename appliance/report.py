"""Events as lines for people: for a replay without --events, for the demo, for the log."""

import json

import msgspec

from appliance.events import Event, event_type

_COMMON = {"frame", "session"}


def describe(event: Event) -> str:
    """One line: seconds, name of the event, and the fields that say more than their default."""
    told = []
    for field in msgspec.structs.fields(event):
        value = getattr(event, field.name)
        is_usual = value is None or value == {} or value is field.default
        if field.name not in _COMMON and not is_usual:
            unit = " ms" if field.encode_name.endswith("_ms") else ""
            told.append(f"{field.encode_name}={_value(value)}{unit}")
    return f"{event.audio_s:8.2f} s  {event_type(event):<18} {'  '.join(told)}".rstrip()


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple):
        return ",".join(_value(item) for item in value)
    if isinstance(value, str) and (not value or " " in value or not value.isprintable()):
        # Quoted and escaped: a text that came by MQTT must not make lines or terminal commands of its own.
        return json.dumps(value, ensure_ascii=not value.isprintable())
    return str(value)
