"""Alarms and reminders: when they ring, and what is said about them."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from appliance.acting import Acting, ActingRules
from appliance.assembly import inline_workers
from appliance.clock import FrameClock
from appliance.errors import StageError
from appliance.events import AlarmCancelled, AlarmSet, Event, TimerPaused, TimerSet
from appliance.facts import Act, Acted, AskedToSay, Fact, Rang
from appliance.home.actions import Actions, SetVolume
from appliance.home.alarms import LIMIT, Alarms, next_on, next_time
from appliance.home.phrases import DAILY, WORKDAYS, Phrases
from appliance.inbox import Inbox
from appliance.understanding.home_file import HomeConfig
from tests.fakes import Effects
from tools.phrasings import language

MONDAY = datetime(2026, 3, 2, 16, 0)
ENGLISH = language()


@pytest.mark.parametrize(
    ("moment", "half", "day", "wakes", "expected"),
    [
        ("07:30", None, None, False, "2026-03-02T19:30"),
        ("03:30", None, None, False, "2026-03-03T03:30"),
        ("07:30", None, None, True, "2026-03-03T07:30"),
        ("01:00", None, None, True, "2026-03-03T13:00"),
        ("12:30", None, None, False, "2026-03-03T00:30"),
        ("07:30", "am", None, False, "2026-03-03T07:30"),
        ("19:30", "pm", None, True, "2026-03-02T19:30"),
        ("16:00", "pm", None, False, "2026-03-03T16:00"),
        ("08:00", None, date(2026, 3, 3), False, "2026-03-03T08:00"),
        ("02:00", None, date(2026, 3, 3), False, "2026-03-03T14:00"),
        ("08:00", None, date(2026, 3, 2), False, "2026-03-02T20:00"),
        ("08:00", "am", date(2026, 3, 2), False, "2026-03-02T08:00"),
    ],
)
def test_when_a_time_is_meant(moment: str, half: str | None, day: date | None, wakes: bool, expected: str) -> None:
    found = next_time(MONDAY, time.fromisoformat(moment), half, day=day, wakes=wakes)
    assert found.isoformat(timespec="minutes") == expected


def test_the_next_day_of_a_week() -> None:
    assert next_on(MONDAY, time(16, 1), (0,)) == MONDAY + timedelta(minutes=1)
    assert next_on(MONDAY, time(16, 0), (0,)) == MONDAY + timedelta(days=7)
    assert next_on(datetime(2026, 3, 6, 12), time(7, 0), WORKDAYS) == datetime(2026, 3, 9, 7)
    assert next_on(MONDAY, time(7, 0), DAILY) == datetime(2026, 3, 3, 7)


def test_alarms_ring_once_or_every_week() -> None:
    alarms = Alarms()
    once = alarms.set("alarm", MONDAY + timedelta(minutes=5))
    daily = alarms.set("alarm", MONDAY + timedelta(minutes=1), weekdays=DAILY)
    assert [alarm.id for alarm in alarms.waiting] == [daily.id, once.id]
    assert alarms.fired(MONDAY) == []
    assert alarms.fired(MONDAY + timedelta(minutes=9)) == [daily, once]
    assert [(alarm.id, alarm.due) for alarm in alarms.waiting] == [(daily.id, daily.due + timedelta(days=1))]
    assert alarms.cancel(daily.id) is not None
    assert alarms.cancel(daily.id) is None
    assert len(alarms) == 0


def test_alarms_are_bounded() -> None:
    alarms = Alarms()
    ids = {alarms.set("reminder", MONDAY).id for _ in range(LIMIT)}
    assert len(ids) == LIMIT
    with pytest.raises(StageError, match="cancel one first"):
        alarms.set("alarm", MONDAY)


class Kitchen:
    """What is said, what is answered, and what rings; frame 0 is Monday, 16:00."""

    def __init__(self) -> None:
        self.events: list[Event | SetVolume] = []
        self._inbox = Inbox()
        self._acting = Acting(
            actions=Actions(HomeConfig(), Effects(), ENGLISH.answer, Phrases.of("en")),
            worker=inline_workers(self._inbox).action,
            post=self._inbox.post,
            clock=FrameClock(MONDAY.replace(tzinfo=UTC)),
            rules=ActingRules(ring_frames=1000, area="", dry_run=True),
        )

    def say(self, text: str, frame: int = 0, *, ringing: bool = False) -> str | None:
        intent = ENGLISH.match(text)
        assert intent is not None, text
        act = Act(turn=1, session=1, intent=intent, last_reply=None, ringing=ringing)
        self._acting.act(act, frame, volume=50, changed=self.events.append)
        result = self._inbox.take()
        assert result is not None
        acted = result(frame)
        assert isinstance(acted, Acted)
        return acted.outcome.reply

    def due(self, frame: int) -> list[Fact]:
        return self._acting.due(frame)


def frame_of(hours: float) -> int:
    return round(hours * 3600 * 50)


def test_an_alarm_from_word_to_ring_and_snooze() -> None:
    kitchen = Kitchen()
    assert kitchen.say("wake me at half past six") == "Alarm set for six thirty AM tomorrow."
    assert kitchen.say("when is my alarm") == "Alarm at six thirty AM tomorrow."
    assert kitchen.due(frame_of(14.49)) == []
    (rang,) = kitchen.due(frame_of(14.5))
    assert isinstance(rang, Rang)
    assert (rang.timer, rang.kind, rang.due) == ("alarm-1", "alarm", "2026-03-03T06:30:00Z")
    assert kitchen.say("when is my alarm", frame_of(14.5)) == "There is no alarm."
    assert kitchen.say("snooze", frame_of(14.5), ringing=True) == "See you in nine minutes."
    assert kitchen.due(frame_of(14.6)) == []
    assert [fact.timer for fact in kitchen.due(frame_of(14.65)) if isinstance(fact, Rang)] == ["alarm-2"]
    assert kitchen.say("snooze", frame_of(16)) == "No alarm was ringing."


def test_alarms_are_told_apart() -> None:
    kitchen = Kitchen()
    kitchen.say("set an alarm for seven every weekday")
    kitchen.say("wake me at eight on saturday")
    assert kitchen.say("what alarms are set") == "Two alarms: seven AM on weekdays and eight AM on Saturday."
    assert kitchen.say("cancel the alarm") == "There are two alarms. Say its time, or say cancel all alarms."
    assert kitchen.say("cancel the eight o'clock alarm") == "Alarm at eight AM on Saturday cancelled."
    assert kitchen.say("cancel the alarm") == "Alarm at seven AM on weekdays cancelled."
    assert kitchen.say("cancel all alarms") == "There is no alarm."
    kinds = [type(event) for event in kitchen.events]
    assert kinds == [AlarmSet, AlarmSet, AlarmCancelled, AlarmCancelled]
    assert isinstance(kitchen.events[0], AlarmSet)
    assert (kitchen.events[0].weekdays, kitchen.events[0].due) == (WORKDAYS, "2026-03-03T07:00:00Z")


def test_a_reminder_says_what_it_is_about_and_rings() -> None:
    kitchen = Kitchen()
    said = kitchen.say("remind me in ten minutes to water the plants")
    assert said == "I will remind you at four ten PM today to water the plants."
    assert kitchen.say("remind me in twenty minutes") == "I will remind you at four twenty PM today."
    assert kitchen.say("what are my reminders") == (
        "Two reminders: four ten PM today, water the plants and four twenty PM today."
    )
    text, rang = kitchen.due(frame_of(10 / 60))
    assert isinstance(text, AskedToSay)
    assert text.text == "Your reminder: water the plants."
    assert isinstance(rang, Rang)
    assert (rang.kind, rang.label) == ("reminder", "water the plants")
    assert kitchen.say("cancel my reminder") == "Reminder at four twenty PM today cancelled."


def test_what_rings_is_stopped_first() -> None:
    kitchen = Kitchen()
    kitchen.say("set an alarm for seven")
    assert kitchen.say("turn off the alarm", ringing=True) is None
    assert kitchen.say("stop the timer", ringing=True) is None
    assert kitchen.say("turn off the alarm") == "Alarm at seven PM today cancelled."


def test_timers_are_changed_held_and_resumed() -> None:
    kitchen = Kitchen()
    kitchen.say("set a pasta timer for ten minutes")
    assert kitchen.say("add five minutes", frame_of(1 / 60)) == "Fourteen minutes left."
    assert kitchen.say("take four minutes off the timer", frame_of(1 / 60)) == "Ten minutes left."
    assert kitchen.say("pause the timer", frame_of(2 / 60)) == "Pasta timer paused with nine minutes left."
    assert kitchen.due(frame_of(2)) == []
    assert kitchen.say("resume the pasta timer", frame_of(2)) == "Pasta timer goes on with nine minutes left."
    assert kitchen.say("restart the timer", frame_of(2.1)) == "Pasta timer started again."
    assert kitchen.say("how long left", frame_of(2.1)) == "Eleven minutes left."
    kinds = [type(event) for event in kitchen.events]
    assert kinds == [TimerSet, TimerSet, TimerSet, TimerPaused, TimerSet, TimerSet]
    assert [fact.timer for fact in kitchen.due(frame_of(2.1 + 11 / 60)) if isinstance(fact, Rang)] == ["timer-1"]
    assert kitchen.say("add five minutes", frame_of(3)) == "No timer is running."
    assert kitchen.say("set a timer", frame_of(3)) == "Tell me for how long: set a timer for ten minutes."


def test_the_shopping_list() -> None:
    kitchen = Kitchen()
    assert kitchen.say("what's on my shopping list") == "The list is empty."
    assert kitchen.say("add milk to the shopping list") == "Milk added."
    assert kitchen.say("add butter and cheese to the shopping list") == "Butter added. Cheese added."
    assert kitchen.say("is milk on the list") == "Yes, milk is on the list."


def test_two_commands_are_two_outcomes() -> None:
    kitchen = Kitchen()
    assert kitchen.say("set a timer for five minutes and wake me at seven") == (
        "Timer set for five minutes. Alarm set for seven AM tomorrow."
    )
    assert [type(event) for event in kitchen.events] == [TimerSet, AlarmSet]
