"""What the intents about alarms and reminders do."""

from datetime import datetime, time, timedelta
from typing import Final

from appliance.events import AlarmKind
from appliance.home.alarms import LIMIT, Alarm, next_on, next_time
from appliance.home.phrases import DAILY, WEEKEND, WORKDAYS
from appliance.home.timers import LONGEST_S
from appliance.home.turn import CancelAlarm, Done, SetAlarm, StopRinging, Turn
from appliance.intent import Outcome

TOLD: Final = 3
"""How many are told one by one."""

SNOOZE_S: Final = 9 * 60
"""What alarm clocks do."""

SNOOZE_AFTER: Final = timedelta(minutes=30)
"""So long after it rang an alarm can be put off."""

_WEEKDAYS: Final = {"daily": DAILY, "weekdays": WORKDAYS, "weekends": WEEKEND}


def alarm_set(turn: Turn) -> Done:
    """Slots: `time` or `duration`; perhaps `half`, `day`, `weekday`, `repeat`, and `wake`: one sleeps till then."""
    return _set(turn, "alarm", None)


def reminder_set(turn: Turn) -> Done:
    """Slots as in `alarm_set`, and perhaps a `reminder`: what is said then."""
    return _set(turn, "reminder", turn.text("reminder"))


def alarm_ask(turn: Turn) -> Done:
    """Slots: perhaps a `day`, a `weekday`; without them all alarms."""
    return _ask(turn, "alarm")


def reminder_ask(turn: Turn) -> Done:
    """All reminders, the next ones first."""
    return _ask(turn, "reminder")


def alarm_cancel(turn: Turn) -> Done:
    """Slots: perhaps a `time`, or `all`. While something rings and no time was said, that is ended and nothing else."""
    if turn.situation.ringing and not turn.intent.values:
        return Done(Outcome(ok=True, ends=True), (StopRinging(),))
    return _cancel(turn, "alarm")


def reminder_cancel(turn: Turn) -> Done:
    """Slots: perhaps the `reminder`, or `all`."""
    return _cancel(turn, "reminder")


def alarm_snooze(turn: Turn) -> Done:
    """Put off what rang last. Slot: perhaps for how long, as `duration`."""
    rung, now = turn.situation.rung, _now(turn)
    if rung is None or not timedelta() <= now - rung.due <= SNOOZE_AFTER + timedelta(seconds=SNOOZE_S):
        return turn.says("snooze_none")
    seconds = turn.whole("duration") if "duration" in turn.intent.values else SNOOZE_S
    due = now + timedelta(seconds=seconds)
    again = SetAlarm(kind=rung.kind, due=due, label=rung.label, says=rung.says)
    done = turn.says("snoozed", StopRinging(), again, duration=turn.phrases.duration(seconds))
    return Done(Outcome(ok=True, reply=done.outcome.reply, ends=True), done.changes)


def _set(turn: Turn, kind: AlarmKind, label: str | None) -> Done:
    if len(turn.situation.alarms) >= LIMIT:
        return turn.regrets("alarm_too_many", f"{LIMIT} wait", count=turn.phrases.count(LIMIT))
    due, weekdays = _moment(turn)
    ahead = due - _now(turn)
    if ahead <= timedelta():
        return turn.regrets("alarm_past", f"{due.isoformat(timespec='minutes')} is over")
    if "duration" in turn.intent.values and ahead > timedelta(seconds=LONGEST_S):
        longest = turn.phrases.duration(LONGEST_S)
        return turn.regrets("timer_range", f"{ahead.total_seconds():.0f} s", longest=longest)
    says = None
    if kind == "reminder":
        says = turn.answer("reminder_due") if label is None else turn.answer("reminder_due_named", reminder=label)
    change = SetAlarm(kind=kind, due=due, weekdays=weekdays, label=label, says=says)
    when = _when(turn, due, weekdays)
    if label is None:
        return turn.says(f"{kind}_set", change, when=when)
    return turn.says(f"{kind}_set_named", change, when=when, reminder=label)


def _moment(turn: Turn) -> tuple[datetime, tuple[int, ...]]:
    """When it rings first, and on which days of each week."""
    now, values = _now(turn), turn.intent.values
    if "duration" in values:
        return now + timedelta(seconds=turn.whole("duration")), ()
    moment, half = time.fromisoformat(str(values["time"])), turn.text("half")
    weekdays = _WEEKDAYS.get(turn.text("repeat") or "", ())
    if turn.text("repeat") and not weekdays:
        weekdays = (turn.whole("weekday"),)
    day = None
    if weekdays or "weekday" in values:
        days = weekdays or (turn.whole("weekday"),)
        day = next_on(now, time.min, days).date()
    elif "day" in values:
        day = now.date() + timedelta(days=turn.whole("day"))
    due = next_time(now, moment, half, day=day, wakes=turn.text("wake") is not None)
    return (next_on(now, due.time(), weekdays) if weekdays else due), weekdays


def _ask(turn: Turn, kind: AlarmKind) -> Done:
    alarms = _meant(turn, kind)
    if not alarms:
        return turn.says(f"{kind}_none")
    told = turn.phrases.listing([_told(turn, alarm) for alarm in alarms[:TOLD]])
    if len(alarms) == 1:
        return turn.says(f"{kind}_one", told=told)
    key = f"{kind}_list" if len(alarms) <= TOLD else f"{kind}_list_first"
    return turn.says(key, count=turn.phrases.count(len(alarms)), told=told)


def _cancel(turn: Turn, kind: AlarmKind) -> Done:
    alarms = _meant(turn, kind)
    if not alarms:
        return turn.says(f"{kind}_none")
    if len(alarms) == 1:
        return turn.says(f"{kind}_cancelled", CancelAlarm(alarms[0].id), told=_told(turn, alarms[0]))
    count = turn.phrases.count(len(alarms))
    if turn.text("all") is not None:
        return turn.says(f"{kind}s_cancelled", *(CancelAlarm(alarm.id) for alarm in alarms), count=count)
    return turn.regrets(f"{kind}_which", f"{len(alarms)} are meant", count=count)


def _meant(turn: Turn, kind: AlarmKind) -> tuple[Alarm, ...]:
    """Those of the kind, and of the time, the day and the text that were said."""
    values, today = turn.intent.values, _now(turn).date()
    reminder, time_said, half = turn.text("reminder"), turn.text("time"), turn.text("half")

    def is_meant(alarm: Alarm) -> bool:
        day = values.get("day")
        return (
            alarm.kind == kind
            and (reminder is None or alarm.label == reminder)
            and (time_said is None or _same_time(alarm.due.time(), time.fromisoformat(time_said), half))
            and (not isinstance(day, int) or alarm.due.date() == today + timedelta(days=day))
            and values.get("weekday", alarm.due.weekday()) == alarm.due.weekday()
        )

    return tuple(alarm for alarm in turn.situation.alarms if is_meant(alarm))


def _same_time(one: time, said: time, half: str | None) -> bool:
    return (one.hour % 12 == said.hour % 12 if half is None else one.hour == said.hour) and one.minute == said.minute


def _told(turn: Turn, alarm: Alarm) -> str:
    """`seven AM tomorrow`, `seven AM on weekdays: take out the trash`."""
    when = _when(turn, alarm.due, alarm.weekdays)
    return when if alarm.label is None else turn.answer("reminder_told", when=when, reminder=alarm.label)


def _when(turn: Turn, due: datetime, weekdays: tuple[int, ...]) -> str:
    day = turn.phrases.repeated(weekdays) if weekdays else turn.phrases.day_from(due.date(), _now(turn).date())
    return turn.answer("time_and_day", time=turn.phrases.time_of_day(due.time()), day=day)


def _now(turn: Turn) -> datetime:
    """The wall clock, without its zone: see `alarms.py`."""
    return turn.situation.now.replace(tzinfo=None)
