"""Digits and signs in a text, as the words that a person would say for them.

The appliance's own answers are made of words already (`phrases.py`); what others want spoken and what a home's
sentences reply is often written: `It is 21.5 °C at 7:30`. Left alone, a voice reads `3:05 PM` as "three zero five". How
a language writes stands in `written` of its `spoken.yaml`; without it, texts stay as they are.
"""

import re
from collections.abc import Callable
from datetime import date, time
from typing import Any, Final

from appliance.home.phrases import Phrases

LONGEST_NUMBER_DIGITS: Final = 12
"""Longer ones are read digit by digit, as are those that begin with 0: they name something, and count nothing."""

YEARS: Final = range(1900, 2100)
"""Whole numbers of four digits that are read as years."""

MINUS: Final = "\u2212"
"""The sign of that name, which a hyphen stands in for as a rule."""

Said = Callable[[re.Match[str]], str]


class Written:
    """Reads out what is written in one language."""

    def __init__(self, phrases: Phrases) -> None:
        self._phrases = phrases
        self._rules = phrases.written
        self._forms: list[tuple[re.Pattern[str], Said]] = _patterns(self, self._rules) if self._rules else []

    def spoken(self, text: str) -> str:
        """The text with all in words that is understood; the rest is as it was."""
        for pattern, said in self._forms:
            text = pattern.sub(said, text)
        return text

    def date(self, found: re.Match[str]) -> str:
        """`2026-11-21`."""
        try:
            day = date(*map(int, found.groups()))
        except ValueError:
            return found[0]
        month, number, year = self._phrases.month(day), self._phrases.day_of_month(day), self._phrases.year(day)
        return str(self._rules["date"]).format(month=month, day=number, year=year)

    def time(self, found: re.Match[str]) -> str:
        """`7:30`, `19:30`, `7:30 pm`, `7 pm`."""
        hour, minute = int(found["hour"]), int(found["minute"] or 0)
        half = self._rules["halves"].get((found["half"] or "").lower())  # 0 or 1, as text
        if hour > 23 or minute > 59 or (half is not None and not 1 <= hour <= 12):
            return found[0]
        if half is not None:
            hour = hour % 12 + 12 * int(half)
        elif 1 <= hour <= 12:
            return self._phrases.on_the_clock(time(hour, minute))
        return self._phrases.time_of_day(time(hour, minute))

    def amount(self, found: re.Match[str]) -> str:
        """`21.5 °C`, `60%`."""
        return self._phrases.amount(self._value(found["number"]), self._rules["units"][found["unit"]])

    def ordinal(self, found: re.Match[str]) -> str:
        """`21st`."""
        return self._phrases.ordinal(int(found[1]))

    def number(self, found: re.Match[str]) -> str:
        """`1,250`, `-3.5`, `2026`, `0170`."""
        digits = found[0]
        if digits.isdecimal() and len(digits) > 1 and (digits[0] == "0" or len(digits) > LONGEST_NUMBER_DIGITS):
            return " ".join(self._phrases.number(int(digit)) for digit in digits)
        if digits.isdecimal() and len(digits) == 4 and int(digits) in YEARS:
            return self._phrases.year(date(int(digits), 1, 1))
        return self._phrases.number(self._value(digits))

    def _value(self, digits: str) -> float:
        plain = digits.replace(self._rules["thousands"], "").replace(self._rules["decimal"], ".").replace(MINUS, "-")
        return float(plain)


def _patterns(written: Written, rules: dict[str, Any]) -> list[tuple[re.Pattern[str], Said]]:
    """What is looked for, and what is said for it, in this order."""
    thousands, decimal = re.escape(rules["thousands"]), re.escape(rules["decimal"])
    number = (
        rf"[-{MINUS}]?(?:\d{{1,3}}(?:{thousands}\d{{3}})+|\d{{1,{3 * LONGEST_NUMBER_DIGITS}}})(?:{decimal}\d{{1,9}})?"
    )
    begin, end = rf"(?<![\w.,:/{MINUS}-])", rf"(?![\w/])(?![.,:{MINUS}-]\d)"
    halves, units, endings = (
        "|".join(map(re.escape, sorted(rules[key], key=len, reverse=True))) for key in ("halves", "units", "ordinals")
    )
    clock = rf"{begin}(?P<hour>\d{{1,2}})(?::(?P<minute>\d\d))(?:\s*(?P<half>{halves}))?{end}"
    bare = rf"{begin}(?P<hour>\d{{1,2}})(?P<minute>)\s*(?P<half>{halves}){end}"
    return [
        (re.compile(rf"{begin}(\d{{4}})-(\d\d)-(\d\d){end}"), written.date),
        (re.compile(clock, re.IGNORECASE), written.time),
        (re.compile(bare, re.IGNORECASE), written.time),
        (re.compile(rf"{begin}(?P<number>{number})\s?(?P<unit>{units}){end}"), written.amount),
        (re.compile(rf"{begin}(\d{{1,6}})(?:{endings}){end}"), written.ordinal),
        (re.compile(rf"{begin}{number}{end}"), written.number),
    ]
