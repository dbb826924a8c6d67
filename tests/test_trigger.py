"""The decision about wake scores: one detection for one word, whatever happens around it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.wake.trigger import Detection, NearMiss, Trigger

SPOKEN = [0.0, 0.3, 0.9, 1.0, 0.9, 0.4, 0.0]


def decisions(trigger: Trigger, scores: list[float | None], start: int = 0) -> list[Detection | NearMiss]:
    made = [trigger.update(start + offset, score) for offset, score in enumerate(scores)]
    return [decision for decision in made if decision is not None]


def test_fires_once_where_the_threshold_is_reached() -> None:
    assert decisions(Trigger(0.8), SPOKEN) == [Detection(frame=2, score=0.9)]


def test_mean_is_taken_over_the_window_with_zeros_before_the_first_score() -> None:
    trigger = Trigger(0.75, window=4)
    assert decisions(trigger, [1.0, 1.0]) == []
    assert trigger.mean == pytest.approx(0.5)
    assert decisions(trigger, [1.0], start=2) == [Detection(frame=2, score=0.75)]


def test_one_high_score_among_low_ones_is_no_word() -> None:
    assert decisions(Trigger(0.5, window=5), [0.0] * 5 + [1.0] + [0.0] * 5) == []


def test_frames_without_a_score_change_nothing() -> None:
    with_gaps = [score for spoken in SPOKEN for score in (None, spoken)]
    assert decisions(Trigger(0.8), with_gaps) == [Detection(frame=5, score=0.9)]


def test_patience_wants_the_threshold_several_times_in_a_row() -> None:
    assert decisions(Trigger(0.8, patience=3), [0.9, 0.9, 0.5, 0.9, 0.9, 0.9]) == [Detection(frame=5, score=0.9)]


def test_patience_begins_anew_after_a_reset() -> None:
    trigger = Trigger(0.8, patience=3)
    assert decisions(trigger, [0.9, 0.9]) == []
    trigger.reset()
    assert decisions(trigger, [0.9, 0.9, 0.9], start=2) == [Detection(frame=4, score=0.9)]


def test_for_a_while_a_part_of_the_threshold_is_enough() -> None:
    trigger = Trigger(0.8)
    assert trigger.update(0, 0.7, 0.8) == Detection(frame=0, score=0.7)
    assert trigger.update(200, 0.3, 0.8) is None, "armed again"
    assert trigger.update(201, 0.63, 0.8) is None
    assert trigger.update(202, 0.7) is None


def test_wavering_score_is_one_word() -> None:
    assert len(decisions(Trigger(0.8, refractory_frames=0), [0.9, 0.5, 0.9, 0.6, 0.9])) == 1


def test_second_word_fires_after_the_score_fell() -> None:
    fired = decisions(Trigger(0.8, refractory_frames=0), [*SPOKEN, *SPOKEN])
    assert [decision.frame for decision in fired] == [2, 9]


def test_refractory_time_bars_the_next_word() -> None:
    trigger = Trigger(0.8, refractory_frames=50)
    assert len(decisions(trigger, [*SPOKEN, *SPOKEN])) == 1
    assert [decision.frame for decision in decisions(trigger, SPOKEN, start=60)] == [62]


def test_refractory_time_ends_to_the_frame() -> None:
    said_once = [*SPOKEN, *[0.0] * 38]
    assert len(decisions(Trigger(0.8, refractory_frames=50), [*said_once, *[0.9] * 7])) == 1, "up to frame 51"
    fired = decisions(Trigger(0.8, refractory_frames=50), [*said_once, *[0.9] * 20])
    assert [decision.frame for decision in fired] == [2, 52], "a word that outlasts it is heard at its end"


def test_near_miss_within_the_refractory_time_is_none() -> None:
    assert decisions(Trigger(0.8, refractory_frames=50), [*SPOKEN, 0.7, 0.0]) == [Detection(frame=2, score=0.9)]


def test_word_that_goes_on_through_a_reset_is_not_detected_again() -> None:
    trigger = Trigger(0.8, window=3, refractory_frames=10)
    assert len(decisions(trigger, [1.0] * 20)) == 1
    trigger.reset()
    assert decisions(trigger, [1.0] * 50, start=20) == []


def test_word_after_a_reset_is_detected_once_the_first_one_fell() -> None:
    trigger = Trigger(0.8, window=3, refractory_frames=10)
    decisions(trigger, [1.0] * 5)
    trigger.reset()
    assert decisions(trigger, [0.0] * 20, start=5) == []
    assert len(decisions(trigger, [1.0] * 5, start=25)) == 1


def test_index_that_starts_over_does_not_silence_it() -> None:
    trigger = Trigger(0.8)
    decisions(trigger, SPOKEN, start=1000)
    trigger.reset()
    assert len(decisions(trigger, SPOKEN)) == 1


def test_near_miss_is_told_once_with_its_peak_when_it_is_over() -> None:
    assert decisions(Trigger(0.8), [0.1, 0.6, 0.7, 0.6, 0.1, 0.1]) == [NearMiss(frame=4, score=0.7)]


def test_detection_is_no_near_miss_and_a_low_peak_is_neither() -> None:
    assert decisions(Trigger(0.8), [*SPOKEN, 0.5, 0.0]) == [Detection(frame=2, score=0.9)]


RESET = "reset"


@given(st.lists(st.just(RESET) | st.sampled_from([0.0, 0.2, 0.4, 0.6, 1.0]), max_size=300), st.integers(1, 4))
def test_whatever_is_heard_and_reset_the_score_falls_between_two_detections(
    heard: list[str | float], window: int
) -> None:
    trigger, scores, over = Trigger(0.5, window, refractory_frames=0), list[float](), True
    for index, score in enumerate(heard):
        if isinstance(score, str):
            trigger.reset()
            scores = []
            continue
        scores = [*scores, score][-window:]
        if isinstance(trigger.update(index, score), Detection):
            assert over, "the word before this one was not over"
            over = False
        over = over or (len(scores) == window and sum(scores) / window < 0.25)


@given(st.lists(st.none() | st.floats(0.0, 1.0), max_size=300), st.integers(1, 7), st.integers(1, 4))
def test_no_detection_before_the_last_one_is_over(scores: list[float | None], window: int, patience: int) -> None:
    fired = [d for d in decisions(Trigger(0.5, window, patience, 20), scores) if isinstance(d, Detection)]
    assert all(0.5 <= detection.score <= 1.0 for detection in fired)
    assert all(later.frame - earlier.frame >= 20 for earlier, later in pairwise(fired))
