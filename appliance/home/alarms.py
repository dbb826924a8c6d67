"""Alarms and reminders: which ones wait, and which are due.

They go by the wall clock, as people do: an alarm for seven rings when the clock on the wall shows seven, also after it
was put right or summer began. So their moments are local and carry no zone. No clock is read here; they belong to the
frame loop, as timers do. Few, and made of plain values.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Final

from appliance.errors import StageError
from appliance.events import AlarmKind

LIMIT: Final = 64
"""Alarms and reminders that may wait at once."""

MORNING_HOURS: Final = range(4, 12)
"""Hours that mean the morning where a day was named, or where somebody wants to be woken: 'tomorrow at eight'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm or a reminder that waits."""

    id: str
    """`alarm-1`, `reminder-2`, ...: never given twice."""

    kind: AlarmKind
    due: datetime
    """When it rings next, on the wall clock of the home, without a zone."""

    weekdays: tuple[int, ...] = ()
    """On which days it rings every week, Monday is 0; empty: once."""

    label: str | None = None
    """What it reminds of."""

    says: str | None = None
    """What is said before it rings."""


class Alarms:
    """What waits. Owned by one thread."""

    def __init__(self) -> None:
        """Nothing waits yet."""
        self._waiting: dict[str, Alarm] = {}
        self._given = 0

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def given(self) -> int:
        """How many there have been."""
        return self._given

    def restore(self, alarms: Iterable[Alarm], given: int) -> None:
        """Go on with those of an earlier run."""
        self._waiting |= {alarm.id: alarm for alarm in alarms}
        self._given = max(self._given, given)

    @property
    def waiting(self) -> tuple[Alarm, ...]:
        """What waits; what is due first comes first."""
        return tuple(sorted(self._waiting.values(), key=_due))

    def set(
        self,
        kind: AlarmKind,
        due: datetime,
        *,
        weekdays: tuple[int, ...] = (),
        label: str | None = None,
        says: str | None = None,
    ) -> Alarm:
        """Let one wait. Raises StageError when LIMIT wait already."""
        if len(self._waiting) >= LIMIT:
            raise StageError(f"{kind}: {LIMIT} alarms and reminders wait already; cancel one first")
        self._given += 1
        alarm = Alarm(id=f"{kind}-{self._given}", kind=kind, due=due, weekdays=weekdays, label=label, says=says)
        self._waiting[alarm.id] = alarm
        return alarm

    def cancel(self, id: str) -> Alarm | None:
        """Take one back; None when it does not wait (any more)."""
        return self._waiting.pop(id, None)

    def fired(self, now: datetime) -> list[Alarm]:
        """Those that are due at that moment of the wall clock (without a zone), the first due first.

        One that rings every week waits for its next day; the others wait no longer.
        """
        due = [alarm for alarm in self.waiting if alarm.due <= now]
        for alarm in due:
            if alarm.weekdays:
                again = next_on(now, alarm.due.time(), alarm.weekdays)
                self._waiting[alarm.id] = replace(alarm, due=again)
            else:
                del self._waiting[alarm.id]
        return due


def next_on(now: datetime, moment: time, weekdays: tuple[int, ...]) -> datetime:
    """The next time after `now` that it is that time on one of the weekdays (at least one)."""
    days = (now.date() + timedelta(days=ahead) for ahead in range(8))
    return next(at for day in days if day.weekday() in weekdays and (at := datetime.combine(day, moment)) > now)


def next_time(now: datetime, moment: time, half: str | None, *, day: date | None, wakes: bool) -> datetime:
    """When a time is meant that somebody named.

    Args:
        now: the wall clock, without a zone.
        moment: on the twelve-hour clock where `half` is None.
        half: `am`, `pm`, or None when nothing tells.
        day: the day that was named, or None: as soon as possible.
        wakes: somebody wants to be woken, which is rarely in the evening.

    Returns:
        After `now`, but for a named day that is over: the caller looks after that.
    """
    times = [moment]
    if half is None:
        early, late = moment.replace(hour=moment.hour % 12), moment.replace(hour=moment.hour % 12 + 12)
        sure = wakes or day not in (None, now.date())
        times = [early if early.hour in MORNING_HOURS else late] if sure else [early, late]
    days = [now.date(), now.date() + timedelta(days=1)] if day is None else [day]
    found = [datetime.combine(each, at) for each in days for at in times]
    return next((at for at in found if at > now), found[-1])


def _due(alarm: Alarm) -> datetime:
    return alarm.due
