"""Numbers, durations, times and dates as a person says them in English.

Whole sentences stand in `appliance/languages/en/answers.yaml`; this file makes the parts that are put into them. Words
instead of digits, because voices read `3:05 PM` as "three zero five" and `9:00` as "nine zero zero" (heard from Piper).
"""

from collections.abc import Sequence
from datetime import date, time
from math import ceil
from typing import Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_BELOW_TWENTY: Final = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS: Final = _words("twenty thirty forty fifty sixty seventy eighty ninety")
_DAYS_OF_MONTH: Final = _words(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth twenty-first twenty-second twenty-third twenty-fourth "
    "twenty-fifth twenty-sixth twenty-seventh twenty-eighth twenty-ninth thirtieth thirty-first"
)
_WEEKDAYS: Final = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
_MONTHS: Final = _words("January February March April May June July August September October November December")
_UNITS: Final = (("day", 24 * 60 * 60), ("hour", 60 * 60), ("minute", 60), ("second", 1))


def number(value: int) -> str:
    """A whole number, 0..100: `forty-two`."""
    assert 0 <= value <= 100, value
    if value < 20:
        return _BELOW_TWENTY[value]
    if value == 100:
        return "one hundred"
    tens, ones = divmod(value, 10)
    return _TENS[tens - 2] + (f"-{_BELOW_TWENTY[ones]}" if ones else "")


def listing(parts: Sequence[str]) -> str:
    """At least one part: `one`, `one and two`, `one, two and three`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def duration(duration_s: int) -> str:
    """A length of time, at least 1 s, exactly: `one hour, two minutes and ten seconds`."""
    return listing([f"{number(count)} {unit}{'' if count == 1 else 's'}" for count, unit in _counted(duration_s)])


def duration_before_noun(duration_s: int) -> str:
    """The same in front of what lasts that long: `one hour thirty minute` (timer)."""
    return " ".join(f"{number(count)} {unit}" for count, unit in _counted(duration_s))


def remaining(seconds: float) -> str:
    """Time left, as exactly as anybody wants to know: whole minutes above an hour, whole hours above a day.

    Rounded up, so that a five minute timer that was just set has five minutes left, and the last answer is one second.
    """
    step_s = next((step for bound, step in ((24 * 3600, 3600), (3600, 60)) if seconds > bound), 1)
    return duration(max(1, ceil(seconds / step_s) * step_s))


def time_of_day(moment: time) -> str:
    """The minute, on the twelve-hour clock: `three fifteen PM`, `eight oh five AM`, `nine AM`, `noon`, `midnight`."""
    if moment.minute == 0 and moment.hour % 12 == 0:
        return "noon" if moment.hour else "midnight"
    hour = number((moment.hour - 1) % 12 + 1)
    half = "AM" if moment.hour < 12 else "PM"
    if moment.minute == 0:
        return f"{hour} {half}"
    return f"{hour} {'oh ' if moment.minute < 10 else ''}{number(moment.minute)} {half}"


def calendar_day(day: date) -> str:
    """Weekday, month and day: `Friday, November twenty-first`."""
    return f"{_WEEKDAYS[day.weekday()]}, {_MONTHS[day.month - 1]} {_DAYS_OF_MONTH[day.day - 1]}"


def _counted(duration_s: int) -> list[tuple[int, str]]:
    """How many of each unit a duration has, largest first, without those it has none of."""
    counted, rest = [], duration_s
    for unit, unit_s in _UNITS:
        count, rest = divmod(rest, unit_s)
        if count:
            counted.append((count, unit))
    return counted
