"""From typed or spoken words to what they mean: normal text, numbers, seconds, times of day."""

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from appliance.events import Slots, Values
from appliance.understanding.templates import Entity, Match

SECONDS_OF = {"hours": 3600, "minutes": 60, "seconds": 1}
"""Slots that are parts of the slot `duration`, and how long one of each is."""

MINUTES_OF = {"time_hour": 60, "time_minute": 1, "time_minus": -1}
"""Slots that are parts of the slot `time`, and how many minutes one of each is: 'quarter to eight'."""

MORE = "_more"
"""What the slot `x_more` holds is added to the slot `x`: 'two and a half', 'a hundred and five'."""

HALF_DAY_MINUTES = 12 * 60

_PUNCTUATION = re.compile(r"[,?!;:\"…¿¡“”„«»()\[\]{}<>|、。]|\.(?!\d)")
_DASHES = re.compile(r"[-‐‑–—_/]")  # noqa: RUF001  the dashes that people type


def normalised(text: str, signs: Mapping[str, str] = MappingProxyType({})) -> str:
    """Text as the recognizer would write it: small letters, no punctuation, single spaces; digits stay digits.

    `signs`: what is typed as a sign, and the words for it.
    """
    text = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")  # noqa: RUF001
    for sign, words in signs.items():
        text = text.replace(sign, f" {words} ")
    return " ".join(_DASHES.sub(" ", _PUNCTUATION.sub(" ", text)).split())


def slots_and_values(match: Match) -> tuple[Slots, Values]:
    """What was said in each slot, and what it means.

    The parts of a `duration` add up to its seconds and vanish, those of a `time` to `HH:MM`. Where nothing says which
    half of the day is meant, that is a time of the twelve-hour clock and there is no `half` (`am` or `pm`). A slot that
    was not said (an area from the context) has a value only. Of a slot that occurs twice, the last one counts.
    """
    slots: Slots = {}
    values: Values = {}
    names = {entity.name for entity in match.entities}
    parts: dict[str, Any] = {}
    added: dict[str, float] = {}
    for entity in match.entities:
        if (entity.name in SECONDS_OF and "duration" in names) or entity.name.startswith("time_"):
            parts[entity.name] = parts.get(entity.name, 0) + float(entity.value) if _counts(entity) else entity.value
            continue
        if entity.name.endswith(MORE):
            added[entity.name.removesuffix(MORE)] = float(entity.value)
            continue
        if entity.words:
            slots[entity.name] = entity.words
        values[entity.name] = _plain(entity.value)
    if "duration" in names and any(unit in parts for unit in SECONDS_OF):
        values["duration"] = _plain(float(sum(parts.get(unit, 0) * length for unit, length in SECONDS_OF.items())))
    for name, more in added.items():
        values[name] = _plain(float(values.get(name, 0)) + more)
    if "time" in names:
        values |= _time_of_day(parts, values.get("half"))
    return slots, values


def _counts(entity: Entity) -> bool:
    return entity.name in SECONDS_OF or entity.name in MINUTES_OF


def _time_of_day(parts: dict[str, Any], half: Any) -> Values:
    """`time` on the clock that was said, and the half of the day where it is known."""
    if "time_fixed" in parts:
        fixed = str(parts["time_fixed"])
        return {"time": fixed, "half": "am" if fixed < "12" else "pm"}
    minutes = round(sum(parts.get(name, 0) * length for name, length in MINUTES_OF.items()))
    if parts["time_hour"] > 12:
        half = "pm"
    minutes = minutes % HALF_DAY_MINUTES + (HALF_DAY_MINUTES if half == "pm" else 0)
    if half is None and minutes < 60:
        minutes += HALF_DAY_MINUTES  # the twelve-hour clock begins with twelve
    time = f"{minutes // 60:02}:{minutes % 60:02}"
    return {"time": time} if half is None else {"time": time, "half": half}


def _plain(value: Any) -> str | int | float | bool:
    """hassil gives digits as floats: whole numbers become int. What is no number is text, without blanks around it."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool | int | float):
        return value
    return str(value).strip()
