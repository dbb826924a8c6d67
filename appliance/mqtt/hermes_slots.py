"""The slots of an intent, as Hermes writes them: each with what was said, what it means, and where it stands."""

from appliance.events import IntentRecognized
from appliance.mqtt.hermes_messages import Range, Slot


def slots_of(event: IntentRecognized, text: str, confidence: float) -> tuple[Slot, ...]:
    """All values; one that has no words of its own (the area meant, the seconds of a duration) has no place."""
    return tuple(
        Slot(
            entity=name,
            slot_name=name,
            value={"kind": "Custom", "value": value},
            raw_value=event.slots.get(name, ""),
            confidence=confidence,
            range=_range(text, event.slots.get(name, "")),
        )
        for name, value in event.values.items()
    )


def _range(text: str, said: str) -> Range | None:
    start = text.find(said) if said else -1
    return None if start < 0 else Range(start=start, end=start + len(said), raw_start=start, raw_end=start + len(said))
