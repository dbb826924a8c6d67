"""What of the speech no word accounts for."""

import pytest

from appliance.speech.missed import missed_s

SURE = [25 <= frame < 75 for frame in range(100)]
"""Somebody speaks from 0.5 to 1.5 s."""


@pytest.mark.parametrize(
    ("words", "missed"),
    [
        ([], 1.0),
        ([(0.5, 1.5)], 0.0),
        ([(0.5, 1.0), (1.0, 1.5)], 0.0),
        ([(0.54, 1.46)], 0.0),
        ([(0.5, 0.96)], 0.5),
        ([(0.5, 0.8), (1.2, 1.5)], 0.32),
        ([(7.0, 8.0)], 1.0),
    ],
    ids=[
        "no word",
        "all",
        "two words",
        "edges",
        "the end is missing",
        "the middle is missing",
        "words where no speech is",
    ],
)
def test_speech_outside_of_all_words_was_missed(words: list[tuple[float, float]], missed: float) -> None:
    assert missed_s(SURE, words) == pytest.approx(missed)


def test_the_words_may_have_begun_before_the_frames() -> None:
    assert missed_s(SURE, [(2.5, 3.0)], begun_s=2.0) == pytest.approx(0.46)


def test_where_nobody_speaks_nothing_can_be_told() -> None:
    assert missed_s([True] * 9 + [False] * 99, [(0.0, 1.0)]) is None
