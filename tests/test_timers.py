"""Timers, and how lengths of time, times and dates are said."""

from datetime import UTC, date, datetime, time, timedelta
from time import monotonic
from zoneinfo import ZoneInfo

import pytest

from appliance.acting import Acting, ActingRules
from appliance.assembly import inline_workers
from appliance.clock import FrameClock, SystemClock
from appliance.errors import StageError
from appliance.facts import Act, Acted, Rang
from appliance.home.actions import Actions
from appliance.home.phrases import Phrases
from appliance.home.timers import LIMIT, LONGEST_S, Timer, Timers
from appliance.inbox import Inbox
from appliance.understanding.home_file import HomeConfig
from tests.fakes import Effects, language

phrases = Phrases.of("en")

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
BOOTED_S = 21.5
"""What the steady clock says at NOON."""


class SteppedClock:
    """A wall clock that somebody corrects, beside a steady one that only counts frames."""

    def __init__(self) -> None:
        self.correction = timedelta()
        self._frames = FrameClock(NOON)

    def now(self, frame: int) -> datetime:
        return self._frames.now(frame) + self.correction

    def steady_s(self, frame: int) -> float:
        return self._frames.steady_s(frame)


class Kitchen:
    """The loop's side of actions alone: sentences go in, answers and rings come out."""

    def __init__(self) -> None:
        self.clock = SteppedClock()
        self._inbox = Inbox()
        self._acting = Acting(
            actions=Actions(HomeConfig(), Effects(), language().answer, Phrases.of("en")),
            worker=inline_workers(self._inbox).action,
            post=self._inbox.post,
            clock=self.clock,
            rules=ActingRules(ring_frames=100, area="", dry_run=True),
        )

    def say(self, sentence: str, frame: int) -> str | None:
        intent = language().match(sentence)
        assert intent is not None
        order = Act(turn=1, session=None, intent=intent, last_reply=None)
        self._acting.act(order, frame, volume=70, changed=lambda change: None)
        result = self._inbox.take()
        assert result is not None
        acted = result(frame)
        assert isinstance(acted, Acted)
        return acted.outcome.reply

    def rings(self, frames: range) -> list[tuple[int, str]]:
        """(frame, due) of each timer that rings."""
        facts = [fact for frame in frames for fact in self._acting.due(frame)]
        return [(fact.frame, fact.due) for fact in facts if isinstance(fact, Rang)]


def test_a_timer_fires_once_when_its_time_is_over() -> None:
    timers = Timers()
    timer = timers.set(NOON, BOOTED_S, 300, "pasta")
    due = NOON + timedelta(seconds=300)
    assert timer == Timer(id="timer-1", label="pasta", duration_s=300, ends_s=BOOTED_S + 300, due=due)
    assert timers.active == (timer,)
    assert timers.fired(BOOTED_S + 299.98) == []
    assert timers.fired(BOOTED_S + 300) == [timer]
    assert timers.fired(BOOTED_S + 301) == []
    assert timers.active == ()


def test_timers_are_told_and_fire_in_the_order_in_which_they_end() -> None:
    timers = Timers()
    long, short, other = timers.set(NOON, 50, 60), timers.set(NOON, 50, 10), timers.set(NOON, 0, 60)
    assert timers.active == (short, other, long)
    assert timers.fired(3600) == [short, other, long]


def test_the_order_is_that_of_the_ends_whatever_the_wall_clock_shows() -> None:
    timers = Timers()
    long, short = timers.set(NOON, 0, 60), timers.set(NOON + timedelta(days=3), 0, 10)
    assert long.due < short.due
    assert timers.active == (short, long)
    assert timers.fired(30) == [short]
    assert timers.fired(60) == [long]


def test_a_timer_fires_in_its_frame_and_no_fraction_of_a_second_is_left_over() -> None:
    clock = FrameClock(NOON)
    for frame in range(0, 100_000, 7):
        timers = Timers()
        timer = timers.set(NOON, clock.steady_s(frame), 10)
        assert timer.left_s(clock.steady_s(frame)) == 10
        assert timer.left_s(clock.steady_s(frame + 499)) == 0.02
        assert timers.fired(clock.steady_s(frame + 499)) == []
        assert timers.fired(clock.steady_s(frame + 500)) == [timer]


def test_numbers_are_never_given_twice() -> None:
    timers = Timers()
    first = timers.set(NOON, 0, 10)
    assert timers.cancel(first.id) == first
    assert timers.cancel(first.id) is None
    assert timers.set(NOON, 0, 10).id == "timer-2"
    assert timers.fired(9) == []


def test_a_timer_set_before_the_change_to_summer_time_shows_when_it_rings() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    before = datetime(2026, 3, 29, 1, 59, tzinfo=berlin)
    timer = Timers().set(before, 0, 120)
    assert timer.due == datetime(2026, 3, 29, 1, 1, tzinfo=UTC)
    assert timer.due.tzinfo is UTC
    assert timer.due.astimezone(berlin).time() == time(3, 1)


@pytest.mark.parametrize("days", [3, -3])
def test_a_step_of_the_wall_clock_neither_fires_nor_delays_a_timer(days: int) -> None:
    kitchen = Kitchen()
    kitchen.say("set a timer for ten minutes", 50)
    assert kitchen.rings(range(50, 100)) == []
    kitchen.clock.correction = timedelta(days=days)
    left = language().answer("timer_left", duration="nine minutes and fifty-nine seconds")
    assert kitchen.say("how much time is left", 100) == left[:1].upper() + left[1:]
    assert kitchen.rings(range(100, 31_000)) == [(30_050, "2026-03-02T12:10:01Z")]


@pytest.mark.parametrize("days", [3, -3])
def test_after_a_step_the_time_of_day_is_the_corrected_one(days: int) -> None:
    kitchen = Kitchen()
    before = kitchen.say("what day is it today", 0)
    kitchen.clock.correction = timedelta(days=days)
    assert kitchen.say("what day is it today", 0) != before


def test_the_machines_steady_clock_is_not_its_wall_clock() -> None:
    began_s, at_frame_s, ended_s = monotonic(), SystemClock().steady_s(0), monotonic()
    assert began_s <= at_frame_s <= ended_s
    assert SystemClock().now(0).tzinfo is not None


def test_a_replays_steady_clock_counts_frames() -> None:
    clock = FrameClock(NOON)
    assert [clock.steady_s(frame) for frame in (0, 1, 3, 50, 30_000)] == [0.0, 0.02, 0.06, 1.0, 600.0]


@pytest.mark.parametrize("duration_s", [-1, 0, LONGEST_S + 1])
def test_a_length_out_of_range_is_refused(duration_s: int) -> None:
    timers = Timers()
    with pytest.raises(StageError, match="runs from 1 to 604800 s"):
        timers.set(NOON, 0, duration_s)
    assert timers.active == ()


def test_timers_are_bounded_and_none_is_lost() -> None:
    timers = Timers()
    for _ in range(LIMIT):
        timers.set(NOON, 0, LONGEST_S)
    with pytest.raises(StageError, match="cancel one first"):
        timers.set(NOON, 0, 1)
    assert len(timers.active) == LIMIT
    timers.cancel("timer-1")
    assert timers.set(NOON, 0, 1).id == f"timer-{LIMIT + 1}"


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
