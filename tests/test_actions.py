"""What each intent does, changes and answers; how an answer is worded is left to the language."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from appliance.errors import BrokerError, StageError
from appliance.home.actions import (
    ACTIONS,
    Actions,
    CancelTimer,
    Done,
    SetTimer,
    SetVolume,
    Situation,
    StopRinging,
    Timer,
)
from appliance.home.phrases import Phrases
from appliance.home.timers import LIMIT
from appliance.intent import Intent, Outcome
from appliance.understanding.home_file import (
    Area,
    Device,
    HomeConfig,
    ListValue,
    OwnIntent,
    Publish,
    Run,
    SlotList,
)
from appliance.understanding.language import Language

HOME = HomeConfig(
    areas=(Area(id="kitchen", name="kitchen"), Area(id="hall", name="hall"), Area(id="attic", name="attic")),
    devices=(
        Device(
            id="table",
            name="table light",
            kind="light",
            area="kitchen",
            topic="k/table",
            brightness_topic="k/table/dim",
        ),
        Device(
            id="sink", name="sink light", kind="light", area="kitchen", topic="k/sink", payload_on="1", payload_off="0"
        ),
        Device(id="stairs", name="stairs light", kind="light", area="hall", topic="h/stairs"),
        Device(id="fan", name="fan", kind="switch", area="kitchen", topic="k/fan"),
        Device(id="movie", name="movie night", kind="scene", topic="scene/set", payload_on="movie"),
    ),
    sentences=(
        OwnIntent(
            name="play",
            sentences=("play {channel}",),
            publish=Publish(topic="radio/set", payload='{"channel": "{channel}"}', qos=2, retain=True),
            reply="Playing {channel}.",
        ),
        OwnIntent(
            name="report",
            sentences=("report {channel}",),
            run=Run(command=("/bin/report", "--room={channel}", "{channel}"), timeout_s=3.0),
        ),
    ),
    lists=(
        SlotList(name="channel", values=(ListValue(say="the news", value="news"), ListValue(say="trick", value="-x"))),
    ),
)
NOW = datetime(2026, 11, 21, 15, 15, tzinfo=ZoneInfo("Europe/Berlin"))
STEADY_S = 86.34
"""What the steady clock says at NOW."""


class Recorder:
    """Effects that are written down; `broken` says what each of them raises instead."""

    def __init__(self, printed: str = "", broken: Exception | None = None) -> None:
        self.done: list[tuple[object, ...]] = []
        self._printed = printed
        self._broken = broken

    def publish(self, topic: str, payload: str, qos: int, retain: bool) -> None:
        self._do(topic, payload, qos, retain)

    def run_program(self, command: Sequence[str], timeout_s: float) -> str:
        self._do(*command, timeout_s)
        return self._printed

    def _do(self, *effect: object) -> None:
        if self._broken is not None:
            raise self._broken
        self.done.append(effect)


@cache
def english() -> Language:
    return Language.built_in("en", HOME)


def timer(number: int, duration_s: int, left_s: float, label: str | None = None) -> Timer:
    """`due` is wrong on purpose, as after a step of the wall clock: no answer may come from it."""
    due, ends_s = NOW.astimezone(UTC) - timedelta(days=3), STEADY_S + left_s
    return Timer(id=f"timer-{number}", label=label, duration_s=duration_s, ends_s=ends_s, due=due)


PASTA = timer(1, 600, 250, "pasta")
EGGS = timer(2, 300, 280.4, "eggs")
PLAIN = timer(3, 5400, 3700)


def situation(
    timers: tuple[Timer, ...] = (),
    volume: int = 70,
    last_reply: str | None = None,
    dry_run: bool = False,
    area: str = "",
) -> Situation:
    return Situation(
        now=NOW,
        steady_s=STEADY_S,
        timers=timers,
        volume=volume,
        last_reply=last_reply,
        area=area,
        dry_run=dry_run,
    )


def perform(
    name: str, *, at: Situation | None = None, effects: Recorder | None = None, **values: str | int | float | bool
) -> Done:
    intent = Intent(name=name, values=values)
    return Actions(HOME, effects or Recorder(), english().answer, Phrases.of("en")).perform(intent, at or situation())


def says(key: str, **values: str) -> str:
    """An answer of the language, whatever its wording is."""
    sentence = english().answer(key, **values)
    return sentence[:1].upper() + sentence[1:]


def reply(name: str, at: Situation | None = None, **values: str | int | float | bool) -> str | None:
    return perform(name, at=at, **values).outcome.reply


def test_language_and_actions_know_the_same_intents() -> None:
    own = {sentence.name for sentence in HOME.sentences}
    assert english().intents() - own == set(ACTIONS)


@pytest.mark.parametrize(
    ("said", "key", "values"),
    [
        ("what time is it", "time", {"time": "three fifteen PM"}),
        ("what day is it today", "date", {"date": "Saturday, November twenty-first"}),
        ("set a pasta timer for ten minutes", "timer_set_named", {"label": "pasta", "duration": "ten minutes"}),
        ("set a timer for an hour and a half", "timer_set", {"duration": "one hour and thirty minutes"}),
        ("how much time is left", "timer_none", {}),
        ("cancel the pizza timer", "timer_none_named", {"label": "pizza"}),
        ("turn on the sink light", "turned_on", {"device": "sink light"}),
        ("turn off the hall lights", "turned_off", {"device": "hall lights"}),
        ("set the table light to fifty percent", "brightness_set", {"device": "table light", "percent": "fifty"}),
        ("activate movie night", "scene_activated", {"scene": "movie night"}),
        ("turn it up", "volume", {"percent": "eighty"}),
        ("set the volume to one hundred percent", "volume", {"percent": "one hundred"}),
    ],
)
def test_from_the_sentence_to_the_answer(said: str, key: str, values: dict[str, str]) -> None:
    intent = english().match(said)
    assert intent is not None
    outcome = Actions(HOME, Recorder(), english().answer, Phrases.of("en")).perform(intent, situation()).outcome
    assert (outcome.ok, outcome.reply) == (True, says(key, **values))


def test_a_timer_is_ordered_with_its_label() -> None:
    assert perform("timer_set", duration=600, label="pasta").changes == (SetTimer(duration_s=600, label="pasta"),)
    assert perform("timer_set", duration=90.0).changes == (SetTimer(duration_s=90, label=None),)


@pytest.mark.parametrize("duration_s", [0, 8 * 24 * 3600])
def test_a_timer_of_impossible_length_is_refused(duration_s: int) -> None:
    done = perform("timer_set", duration=duration_s)
    assert (done.outcome.ok, done.changes) == (False, ())
    assert done.outcome.reply == says("timer_range", longest="seven days")


def test_too_many_timers_are_refused() -> None:
    running = tuple(timer(number, 600, 600) for number in range(LIMIT))
    done = perform("timer_set", at=situation(running), duration=60)
    assert (done.outcome.ok, done.changes) == (False, ())
    assert done.outcome.reply == says("timer_too_many", count="thirty-two")


def test_the_only_timer_is_told_without_its_name() -> None:
    assert reply("timer_ask", situation((PASTA,))) == says("timer_left", duration="four minutes and ten seconds")


def test_the_named_timer_is_told() -> None:
    told = says("timer_left_named", duration="four minutes and forty-one seconds", timer="eggs timer")
    assert reply("timer_ask", situation((PASTA, EGGS)), label="egg") == told
    assert reply("timer_ask", situation((PASTA, EGGS)), label="pizza") == says("timer_none_named", label="pizza")


def test_all_timers_are_told_with_what_they_are_for_or_their_length() -> None:
    pasta = english().answer("timer_each", duration="four minutes and ten seconds", timer="pasta timer")
    plain = english().answer("timer_each", duration="one hour and two minutes", timer="one hour thirty minute timer")
    told = says("timer_list", count="two", timers=f"{pasta} and {plain}")
    assert reply("timer_ask", situation((PASTA, PLAIN))) == told


def test_of_many_timers_the_next_ones_are_told() -> None:
    told = reply("timer_ask", situation(tuple(timer(number, 60, 60 + number) for number in range(5))))
    each = english().answer("timer_each", duration="one minute", timer="one minute timer")
    assert told is not None
    assert told.startswith(says("timer_list_first", count="five", timers=each).rstrip("."))
    assert told.count("one minute timer") == 3


def test_the_only_timer_needs_no_name_to_be_cancelled() -> None:
    done = perform("timer_cancel", at=situation((PLAIN,)))
    assert done == Done(
        Outcome(ok=True, reply=says("timer_cancelled", timer="one hour thirty minute timer")), (CancelTimer("timer-3"),)
    )


def test_of_several_timers_the_named_one_is_cancelled() -> None:
    done = perform("timer_cancel", at=situation((PASTA, EGGS)), label="pasta")
    assert done == Done(Outcome(ok=True, reply=says("timer_cancelled", timer="pasta timer")), (CancelTimer("timer-1"),))


def test_of_several_timers_none_is_guessed() -> None:
    done = perform("timer_cancel", at=situation((PASTA, EGGS)))
    assert (done.outcome.ok, done.changes) == (False, ())
    assert done.outcome.reply == says("timer_which", count="two")


def test_all_timers_are_cancelled_together() -> None:
    done = perform("timer_cancel", at=situation((PASTA, EGGS)), all=True)
    assert done.changes == (CancelTimer("timer-1"), CancelTimer("timer-2"))
    assert done.outcome.reply == says("timers_cancelled", count="two")


@pytest.mark.parametrize(
    ("name", "values", "messages"),
    [
        ("turn_on", {"device": "fan"}, [("k/fan", "ON")]),
        ("turn_off", {"device": "sink"}, [("k/sink", "0")]),
        ("turn_on", {"area": "kitchen"}, [("k/table", "ON"), ("k/sink", "1")]),
        ("turn_off", {"area": "all"}, [("k/table", "OFF"), ("k/sink", "0"), ("h/stairs", "OFF")]),
        ("brightness_set", {"device": "table", "percent": 0}, [("k/table/dim", "0")]),
        ("brightness_set", {"area": "kitchen", "percent": 40}, [("k/table/dim", "40")]),
        ("scene_activate", {"scene": "movie"}, [("scene/set", "movie")]),
    ],
)
def test_devices_are_told_on_their_topics(
    name: str, values: dict[str, str | int], messages: list[tuple[str, str]]
) -> None:
    effects = Recorder()
    assert perform(name, effects=effects, **values).outcome.ok
    assert effects.done == [(topic, payload, 1, False) for topic, payload in messages]


def test_without_device_and_area_the_lights_around_are_meant() -> None:
    effects = Recorder()
    assert perform("turn_on", at=situation(area="hall"), effects=effects).outcome.reply == says(
        "turned_on", device="hall lights"
    )
    assert [effect[0] for effect in effects.done] == ["h/stairs"]


@pytest.mark.parametrize(
    ("name", "values", "key", "device"),
    [
        ("turn_on", {"area": "attic"}, "not_known", "attic lights"),
        ("brightness_set", {"device": "stairs", "percent": 10}, "not_dimmable", "stairs light"),
        ("brightness_set", {"area": "hall", "percent": 10}, "not_dimmable", "hall lights"),
        ("brightness_set", {"device": "table", "percent": 101}, "percent_range", ""),
        ("volume_set", {"percent": -1}, "percent_range", ""),
    ],
)
def test_what_cannot_be_done_is_said(name: str, values: dict[str, str | int], key: str, device: str) -> None:
    effects = Recorder()
    done = perform(name, effects=effects, **values)
    assert (done.outcome.ok, done.outcome.reply) == (False, says(key, device=device))
    assert (done.changes, effects.done) == ((), [])
    assert done.outcome.detail


@pytest.mark.parametrize(
    ("name", "values", "key", "device"),
    [
        ("turn_on", {"device": "fan"}, "not_reached", "fan"),
        ("turn_off", {"area": "kitchen"}, "not_reached", "kitchen lights"),
        ("scene_activate", {"scene": "movie"}, "scene_not_started", "movie night"),
        ("play", {"channel": "news"}, "not_done", ""),
    ],
)
def test_without_a_broker_the_answer_is_honest(name: str, values: dict[str, str], key: str, device: str) -> None:
    reason = "localhost:1883: no connection; check mqtt.host"
    outcome = perform(name, effects=Recorder(broken=BrokerError(reason)), **values).outcome
    assert outcome == Outcome(ok=False, reply=says(key, device=device, scene=device), detail=reason)


def test_a_dry_run_answers_the_same_and_lets_nothing_out() -> None:
    for name, values in (
        ("turn_on", {"device": "fan"}),
        ("play", {"channel": "news"}),
        ("report", {"channel": "news"}),
    ):
        dry, wet = Recorder(), Recorder()
        assert perform(name, at=situation(dry_run=True), effects=dry, **values) == perform(name, effects=wet, **values)
        assert (dry.done, len(wet.done)) == ([], 1)


@pytest.mark.parametrize(
    ("name", "volume", "changes", "key", "percent"),
    [
        ("volume_up", 70, (SetVolume(80),), "volume", "eighty"),
        ("volume_up", 95, (SetVolume(100),), "volume", "one hundred"),
        ("volume_up", 100, (), "volume_highest", ""),
        ("volume_down", 5, (SetVolume(0),), "volume", "zero"),
        ("volume_down", 0, (), "volume_lowest", ""),
    ],
)
def test_volume_goes_in_steps_and_stays_in_range(
    name: str, volume: int, changes: tuple[SetVolume, ...], key: str, percent: str
) -> None:
    done = perform(name, at=situation(volume=volume))
    assert done == Done(Outcome(ok=True, reply=says(key, percent=percent)), changes)


def test_stop_silences_what_speaks_and_rings() -> None:
    assert perform("stop") == Done(Outcome(ok=True, ends=True), (StopRinging(),))


def test_never_mind_ends_the_turn_without_a_word() -> None:
    assert perform("never_mind") == Done(Outcome(ok=True, ends=True))


def test_the_last_answer_is_repeated() -> None:
    assert reply("repeat", situation(last_reply="It is noon.")) == "It is noon."
    assert reply("repeat") == says("nothing_to_repeat")


def test_an_own_message_takes_the_values_of_its_slots() -> None:
    effects = Recorder()
    intent = Intent(name="play", slots={"channel": "the news"}, values={"channel": "news"})
    outcome = Actions(HOME, effects, english().answer, Phrases.of("en")).perform(intent, situation()).outcome
    assert effects.done == [("radio/set", '{"channel": "news"}', 2, True)]
    assert outcome.reply == "Playing the news."


def test_an_own_program_gets_each_value_within_one_argument() -> None:
    effects = Recorder()
    assert perform("report", effects=effects, channel="a b; $(c) {channel}").outcome.reply == says("done")
    assert effects.done == [("/bin/report", "--room=a b; $(c) {channel}", "a b; $(c) {channel}", 3.0)]


def test_a_value_cannot_become_an_option() -> None:
    effects = Recorder()
    outcome = perform("report", effects=effects, channel="-x").outcome
    assert (outcome.ok, outcome.reply, effects.done) == (False, says("not_done"), [])
    assert outcome.detail == "/bin/report: argument {channel} would begin with '-'; change the list's value"


@pytest.mark.parametrize(
    ("printed", "answered"),
    [("\n Sunny,\x1b 20 degrees. \nmore\n", "Sunny, 20 degrees."), ("x" * 1000, "x" * 300)],
)
def test_what_an_own_program_prints_is_the_answer(printed: str, answered: str) -> None:
    assert perform("report", effects=Recorder(printed), channel="news").outcome.reply == answered


def test_a_program_that_prints_nothing_is_confirmed() -> None:
    assert perform("report", effects=Recorder(" \n"), channel="news").outcome.reply == says("done")


def test_a_program_that_fails_is_told() -> None:
    reason = "/bin/report: ended with exit code 3: no network"
    outcome = perform("report", effects=Recorder(broken=StageError(reason)), channel="news").outcome
    assert outcome == Outcome(ok=False, reply=says("not_done"), detail=reason)


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("fly", {}, "intent fly: no action belongs to it"),
        ("timer_set", {"duration": "soon"}, "slot duration is 'soon'"),
        ("turn_on", {"device": "sauna"}, "has no device 'sauna'"),
    ],
)
def test_what_does_not_fit_together_is_a_failure_of_the_stage(name: str, values: dict[str, str], reason: str) -> None:
    with pytest.raises(StageError, match=reason):
        perform(name, **values)
