"""From typed or spoken words to what they mean: normal text, whole numbers, seconds."""

import re
import unicodedata
from typing import Any

from appliance.events import Slots, Values
from appliance.understanding.templates import Match

SECONDS_OF = {"hours": 3600, "minutes": 60, "seconds": 1}
"""Slots that are parts of the slot `duration`, and how long one of each is."""

_PUNCTUATION = re.compile(r"[,?!;:\"…¿¡“”„«»()\[\]{}<>|]|\.(?!\d)")
_DASHES = re.compile(r"[-‐‑–—_/]")  # noqa: RUF001  the dashes that people type


def normalised(text: str) -> str:
    """Text as the recognizer would write it: small letters, no punctuation, single spaces; digits stay digits."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("%", " percent ")  # noqa: RUF001
    return " ".join(_DASHES.sub(" ", _PUNCTUATION.sub(" ", text)).split())


def slots_and_values(match: Match) -> tuple[Slots, Values]:
    """What was said in each slot, and what it means.

    The parts of a `duration` add up to its seconds and vanish. A slot that was not said (an area from the context) has
    a value only. Of a slot that occurs twice, the last one counts.
    """
    slots: Slots = {}
    values: Values = {}
    has_duration = any(entity.name == "duration" for entity in match.entities)
    duration_s = 0.0
    for entity in match.entities:
        if has_duration and entity.name in SECONDS_OF:
            duration_s += SECONDS_OF[entity.name] * float(entity.value)
            continue
        if entity.words:
            slots[entity.name] = entity.words
        values[entity.name] = _plain(entity.value)
    if has_duration:
        values["duration"] = _plain(duration_s)
    return slots, values


def _plain(value: Any) -> str | int | float | bool:
    """hassil gives digits as floats: whole numbers become int. What is no number is text, without blanks around it."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool | int | float):
        return value
    return str(value).strip()
