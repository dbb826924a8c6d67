"""Timers, and how lengths of time, times and dates are said."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from appliance.errors import StageError
from appliance.home import phrases
from appliance.home.timers import LIMIT, LONGEST_S, Timer, Timers

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_a_timer_fires_once_when_it_is_due() -> None:
    timers = Timers()
    timer = timers.set(NOON, 300, "pasta")
    assert timer == Timer(id="timer-1", label="pasta", duration_s=300, due=later(300))
    assert timers.active == (timer,)
    assert timers.fired(later(299.98)) == []
    assert timers.fired(later(300)) == [timer]
    assert timers.fired(later(301)) == []
    assert timers.active == ()


def test_timers_are_told_and_fire_in_the_order_of_due() -> None:
    timers = Timers()
    long, short, other = timers.set(NOON, 60), timers.set(NOON, 10), timers.set(later(-50), 60)
    assert timers.active == (short, other, long)
    assert timers.fired(later(3600)) == [short, other, long]


def test_numbers_are_never_given_twice() -> None:
    timers = Timers()
    first = timers.set(NOON, 10)
    assert timers.cancel(first.id) == first
    assert timers.cancel(first.id) is None
    assert timers.set(NOON, 10).id == "timer-2"
    assert timers.fired(later(9)) == []


def test_a_timer_set_before_the_clocks_change_runs_as_long_as_it_was_set() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    before = datetime(2026, 3, 29, 1, 59, tzinfo=berlin)
    timer = Timers().set(before, 120)
    assert timer.due == datetime(2026, 3, 29, 1, 1, tzinfo=UTC)
    assert timer.due.tzinfo is UTC
    assert timer.due.astimezone(berlin).time() == time(3, 1)


@pytest.mark.parametrize("duration_s", [-1, 0, LONGEST_S + 1])
def test_a_length_out_of_range_is_refused(duration_s: int) -> None:
    timers = Timers()
    with pytest.raises(StageError, match="runs from 1 to 604800 s"):
        timers.set(NOON, duration_s)
    assert timers.active == ()


def test_timers_are_bounded_and_none_is_lost() -> None:
    timers = Timers()
    for _ in range(LIMIT):
        timers.set(NOON, LONGEST_S)
    with pytest.raises(StageError, match="cancel one first"):
        timers.set(NOON, 1)
    assert len(timers.active) == LIMIT
    timers.cancel("timer-1")
    assert timers.set(NOON, 1).id == f"timer-{LIMIT + 1}"


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "zero"), (13, "thirteen"), (20, "twenty"), (21, "twenty-one"), (99, "ninety-nine"), (100, "one hundred")],
)
def test_numbers(value: int, said: str) -> None:
    assert phrases.number(value) == said


def test_every_number_has_words_of_its_own() -> None:
    assert len({phrases.number(value) for value in range(101)}) == 101


@pytest.mark.parametrize(
    ("seconds", "said", "before_noun"),
    [
        (1, "one second", "one second"),
        (300, "five minutes", "five minute"),
        (250, "four minutes and ten seconds", "four minute ten second"),
        (5400, "one hour and thirty minutes", "one hour thirty minute"),
        (3730, "one hour, two minutes and ten seconds", "one hour two minute ten second"),
        (LONGEST_S, "seven days", "seven day"),
    ],
)
def test_durations(seconds: int, said: str, before_noun: str) -> None:
    assert phrases.duration(seconds) == said
    assert phrases.duration_before_noun(seconds) == before_noun


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (299.3, "five minutes"),
        (250, "four minutes and ten seconds"),
        (0.2, "one second"),
        (-3, "one second"),
        (3600, "one hour"),
        (3601, "one hour and one minute"),
        (2 * 3600 - 5, "two hours"),
        (86_401, "one day and one hour"),
    ],
)
def test_time_left_is_rounded_to_what_anybody_wants_to_know(seconds: float, said: str) -> None:
    assert phrases.remaining(seconds) == said


@pytest.mark.parametrize(
    ("clock", "said"),
    [
        ("00:00", "midnight"),
        ("00:07", "twelve oh seven AM"),
        ("09:00", "nine AM"),
        ("11:59", "eleven fifty-nine AM"),
        ("12:00", "noon"),
        ("12:30", "twelve thirty PM"),
        ("15:15", "three fifteen PM"),
        ("23:05", "eleven oh five PM"),
    ],
)
def test_times_of_day(clock: str, said: str) -> None:
    assert phrases.time_of_day(time.fromisoformat(clock)) == said


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (date(2026, 11, 21), "Saturday, November twenty-first"),
        (date(2028, 2, 29), "Tuesday, February twenty-ninth"),
        (date(2026, 1, 12), "Monday, January twelfth"),
    ],
)
def test_calendar_days(day: date, said: str) -> None:
    assert phrases.calendar_day(day) == said


def test_every_day_of_a_year_and_every_minute_of_a_day_can_be_said() -> None:
    days = {phrases.calendar_day(date(2028, 1, 1) + timedelta(days=number)) for number in range(366)}
    minutes = {phrases.time_of_day(time(minute // 60, minute % 60)) for minute in range(24 * 60)}
    assert (len(days), len(minutes)) == (366, 24 * 60)
