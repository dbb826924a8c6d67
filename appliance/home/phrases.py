"""Numbers, durations, times and dates as a person says them, by the rules of a language folder.

Whole sentences stand in the language's `answers.yaml`; this file makes the parts that are put into them, from its
`spoken.yaml`. Words instead of digits, because voices read `3:05 PM` as "three zero five" and `9:00` as "nine zero
zero" (heard from Piper). The words of numbers come from Unicode's rules (RBNF), which cover some sixty languages; which
of their sets counts what, the folder says.
"""

from collections.abc import Sequence
from datetime import date, time, timedelta
from functools import cached_property
from math import ceil
from typing import Any, Final

from appliance.understanding.language_folder import LanguageFolder

WORKDAYS: Final = (0, 1, 2, 3, 4)
WEEKEND: Final = (5, 6)
DAILY: Final = (*WORKDAYS, *WEEKEND)

DECIMALS: Final = 2
"""Of a number that is no whole one; nobody wants to hear more."""

OTHER: Final = "other"
"""Key of `numbers` for what has no own one."""

_UNITS: Final = (("day", 24 * 60 * 60), ("hour", 60 * 60), ("minute", 60), ("second", 1))


class Phrases:
    """Says the parts of answers in one language."""

    def __init__(self, language: str, rules: dict[str, Any]) -> None:
        """`language`: a code such as `en`; `rules`: the content of its `spoken.yaml`."""
        self._language = language
        self._rules = rules

    @staticmethod
    def of(language: str) -> "Phrases":
        """Those of a language, named as `LanguageFolder.of` wants it. Raises ConfigError."""
        folder = LanguageFolder.of(language)
        return Phrases(folder.settings.code, folder.spoken())

    def number(self, value: float, counts: str = OTHER) -> str:
        """A number: `forty-two`, `minus three`, `two point five`; rounded to DECIMALS.

        `counts`: what it is the number of, a unit or another key of the folder's `numbers`.
        """
        if value < 0:
            return f"{self._rules['minus']} {self.number(-value, counts)}"
        whole, _, digits = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".").partition(".")
        if not digits:
            return self._words(int(whole), counts)
        return " ".join([self._words(int(whole)), self._rules["point"], *(self._words(int(d)) for d in digits)])

    def count(self, things: int) -> str:
        """How many things there are: `three`."""
        return self._words(things, "things")

    def listing(self, parts: Sequence[str], joined: str = "listing") -> str:
        """At least one part: `one`, `one and two`, `one, two and three`; `joined` as that key of the folder says."""
        if len(parts) == 1:
            return parts[0]
        signs = self._rules[joined]
        return f"{str(signs['between']).join(parts[:-1])}{signs['last']}{parts[-1]}"

    def duration(self, duration_s: int) -> str:
        """A length of time, at least 1 s, exactly: `one hour, two minutes and ten seconds`."""
        return self.listing([self.amount(count, unit) for count, unit in _counted(duration_s)], "durations")

    def duration_before_noun(self, duration_s: int) -> str:
        """The same in front of what lasts that long: `one hour thirty minute` (timer)."""
        return " ".join(f"{self.number(count, unit)} {self.unit(unit, 1)}" for count, unit in _counted(duration_s))

    def remaining(self, seconds: float) -> str:
        """Time left, as exactly as anybody wants to know: whole minutes above an hour, whole hours above a day.

        Rounded up, so that a five minute timer that was just set has five minutes left, and the last answer is one
        second.
        """
        step_s = next((step for bound, step in ((24 * 3600, 3600), (3600, 60)) if seconds > bound), 1)
        return self.duration(max(1, ceil(seconds / step_s) * step_s))

    def amount(self, count: float, unit: str) -> str:
        """So many of a unit: `two hours`."""
        return f"{self.number(count, unit)} {self.unit(unit, count)}"

    def same(self, label: str, other: str) -> bool:
        """Whether two words mean one thing, one or several of it: `egg`, `eggs`; `potato`, `potatoes`."""
        short, long = sorted((label, other), key=len)
        return long.startswith(short) and len(long) - len(short) <= int(self._rules["ending_letters"])

    def unit(self, unit: str, count: float) -> str:
        """The name of a unit, for so many of it."""
        one, several = self._rules["units"][unit]
        return str(one if count == 1 else several)

    def color(self, color: str) -> str:
        """The name of a colour."""
        return str(self._rules["colors"][color])

    def time_of_day(self, moment: time) -> str:
        """The minute: `three fifteen PM`, `eight oh five AM`, `nine AM`, `noon`, `midnight`."""
        rules = self._rules["time"]
        named = rules["named"].get(f"{moment.hour:02}:{moment.minute:02}")
        if named is not None:
            return str(named)
        hours = int(rules["hours"])
        hour = (moment.hour - 1) % 12 + 1 if hours == 12 else moment.hour
        form = "full_hour" if moment.minute == 0 else "below_ten" if moment.minute < 10 else "other"
        return str(rules[form]).format(
            hour=self.number(hour, "hour"),
            minute=self.number(moment.minute, "minute"),
            half=rules["halves"][moment.hour // 12],
        )

    def on_the_clock(self, moment: time) -> str:
        """A moment of the first half of the day, where nobody said which half: `seven thirty`, `nine o'clock`."""
        forms = self._rules["time"]["clock"]
        form = "full_hour" if moment.minute == 0 else "below_ten" if moment.minute < 10 else "other"
        hour, minute = self.number(moment.hour, "hour"), self.number(moment.minute, "minute")
        return str(forms[form]).format(hour=hour, minute=minute)

    def calendar_day(self, day: date) -> str:
        """Weekday, month and day: `Friday, November twenty-first`."""
        return self._dated("date", day)

    def month(self, day: date) -> str:
        """The name of its month."""
        return str(self._rules["months"][day.month - 1])

    def year(self, day: date) -> str:
        """Its year, as years are said: `twenty twenty-six`."""
        return self._words(day.year, "year")

    def ordinal(self, number: int) -> str:
        """Which one in a row: `twenty-first`."""
        return self._words(number, "ordinal")

    def day_of_month(self, day: date) -> str:
        """The number of a day in its month, as dates are said: `twenty-first`."""
        return self._words(day.day, "date")

    @property
    def written(self) -> dict[str, Any]:
        """How digits and signs are written, for `written.py`; empty: not known."""
        return dict(self._rules.get("written", {}))

    def day_from(self, day: date, today: date) -> str:
        """When a day is, as seen from another: `today`, `tomorrow`, `on Monday`, `on March third`."""
        distance = (day - today) // timedelta(days=1)
        if distance in (0, 1):
            return str(self._rules["tomorrow" if distance else "today"])
        return self._dated("on_weekday" if 0 < distance < 7 else "on_date", day)

    def repeated(self, weekdays: tuple[int, ...]) -> str:
        """On which days of each week, Monday is 0: `every day`, `on weekdays`, `every Monday`."""
        named = {DAILY: "daily", WORKDAYS: "weekdays_only", WEEKEND: "weekends"}.get(weekdays)
        if named is not None:
            return str(self._rules[named])
        days = self.listing([str(self._rules["weekdays"][number]) for number in weekdays])
        return str(self._rules["every_weekday"]).format(weekday=days)

    def _dated(self, form: str, day: date) -> str:
        weekday = self._rules["weekdays"][day.weekday()]
        return str(self._rules[form]).format(weekday=weekday, month=self.month(day), day=self.day_of_month(day))

    def _words(self, value: int, counts: str = OTHER) -> str:
        rules = self._rules["numbers"]
        return str(self._engine.format_number(value, ruleset_names=[rules.get(counts, rules[OTHER])]).text)

    @cached_property
    def _engine(self) -> Any:
        from unicode_rbnf import RbnfEngine

        return RbnfEngine.for_language(self._language)


def _counted(duration_s: int) -> list[tuple[int, str]]:
    """How many of each unit a duration has, largest first, without those it has none of."""
    counted, rest = [], duration_s
    for unit, unit_s in _UNITS:
        count, rest = divmod(rest, unit_s)
        if count:
            counted.append((count, unit))
    return counted
