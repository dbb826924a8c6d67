"""What the bench of follow-ups takes for the window, and for something done in it."""

import numpy as np

from appliance.audio.format import SAMPLE_RATE_HZ
from appliance.events import Event, IntentRecognized, SpeechStarted, State, StateChanged, WakeDetected
from tools.bench_follow_up import ANSWER_S, BEFORE_S, Outcome, _table, _window, _with_stranger

WOKEN = WakeDetected(frame=1, word="computer", engine="int8", score=1.0)
BEGAN = SpeechStarted(frame=2)
DONE = IntentRecognized(frame=3, intent="stop", slots={}, values={}, text="stop", confidence=1.0, decision="act")


def moved(from_: State, to: State) -> StateChanged:
    return StateChanged(frame=0, from_=from_, to=to)


OPENED = moved(State.SPEAKING, State.FOLLOWING_UP)
BEFORE: list[Event] = [WOKEN, moved(State.IDLE, State.LISTENING), BEGAN, DONE]


def test_the_window_is_what_follows_the_first_answer() -> None:
    assert _window([*BEFORE, OPENED, BEGAN, moved(State.FOLLOWING_UP, State.THINKING), DONE]) == [
        BEGAN,
        moved(State.FOLLOWING_UP, State.THINKING),
        DONE,
    ]
    assert _window(BEFORE) == []


def test_it_ends_with_its_answer_with_rest_or_with_a_wake_word() -> None:
    for end in (moved(State.THINKING, State.SPEAKING), moved(State.FOLLOWING_UP, State.IDLE), WOKEN):
        assert _window([*BEFORE, OPENED, BEGAN, end, OPENED, DONE]) == [BEGAN]


def test_a_stranger_speaks_behind_the_answer_or_softer_all_the_time() -> None:
    random = np.random.default_rng(0)
    part = np.rint(random.normal(0, 1000, 20 * SAMPLE_RATE_HZ)).astype(np.int16)
    before = np.zeros(SAMPLE_RATE_HZ)
    behind, always = (_with_stranger(before, part, always=always) for always in (False, True))
    first = round((1 + 1 + ANSWER_S) * SAMPLE_RATE_HZ)
    assert not behind[:first].any()
    assert behind[first]
    assert behind.size == part.size - round((BEFORE_S - 1) * SAMPLE_RATE_HZ)
    assert always.size == part.size
    assert np.abs(always[: 10 * SAMPLE_RATE_HZ]).mean() * 3 < np.abs(behind[first:]).mean()


def test_windows_that_were_never_open_count_nothing() -> None:
    done, quiet, shut = (
        Outcome(kind="words", number=n, opened=opened, began=began, done=done, heard=None)
        for n, (opened, began, done) in enumerate(
            [(True, True, "stop {} act"), (True, False, None), (False, False, None)]
        )
    )
    total, named = _table([done, quiet, shut])
    assert total.startswith("  words: acted in 1 of 2 windows")
    assert total.endswith("began in 1")
    assert named == "      0: stop {} act; heard None"
