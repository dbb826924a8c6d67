"""Events as lines for people: for a replay without --events, for the demo, for the log."""

import msgspec

from appliance.events import Event, TurnFinished, event_type

_COMMON = {"type", "frame", "session"}


def describe(event: Event) -> str:
    """One line: seconds, name of the event, and the fields that hold something."""
    fields = {
        name: value
        for name, value in msgspec.to_builtins(event).items()
        if name not in _COMMON and value not in (None, {}, False)
    }
    if isinstance(event, TurnFinished):
        fields = {name: f"{value} ms" for name, value in fields.items()}
    text = "  ".join(f"{name}={_value(value)}" for name, value in fields.items())
    return f"{event.audio_s:8.2f} s  {event_type(event):<18} {text}".rstrip()


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {item}" for key, item in value.items()) + "}"
    return f'"{value}"' if isinstance(value, str) and " " in value and not value.endswith(" ms") else str(value)
