"""Written numbers, times, dates and units become what a person would say."""

import re
from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.home.phrases import Phrases
from appliance.home.written import Written

ENGLISH = Phrases.of("en")
WRITTEN = Written(ENGLISH)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        # Times.
        ("It is 7:30.", "It is seven thirty."),
        ("It is 7:05 now.", "It is seven oh five now."),
        ("At 9:00, call mom.", "At nine o'clock, call mom."),
        ("19:30", "seven thirty PM"),
        ("00:10", "twelve ten AM"),
        ("3:05 PM", "three oh five PM"),
        ("3:05pm", "three oh five PM"),
        ("at 12:00 p.m. sharp", "at noon sharp"),
        ("12:00", "twelve o'clock"),
        ("from 7 am to 8 PM", "from seven AM to eight PM"),
        # Dates.
        ("2026-11-21", "November twenty-first, twenty twenty-six"),
        ("the 21st of November", "the twenty-first of November"),
        ("the 2nd, the 3rd and the 112th", "the second, the third and the one hundred twelfth"),
        ("in 1984 and 2000", "in nineteen eighty-four and two thousand"),
        # Units.
        ("21 °C", "twenty-one degrees Celsius"),
        ("It is 21.5°C outside.", "It is twenty-one point five degrees Celsius outside."),
        ("1°", "one degree"),
        ("-3 °F", "minus three degrees Fahrenheit"),
        ("60%", "sixty percent"),
        ("100 % of 2 kg", "one hundred percent of two kilograms"),
        ("1 km and 5 km/h", "one kilometer and five kilometers per hour"),
        ("5 min left", "five minutes left"),
        ("0.5 l", "zero point five liters"),
        # Numbers.
        ("3.5", "three point five"),
        ("3.14159", "three point one four"),
        ("1,250 steps", "one thousand two hundred fifty steps"),
        ("12,345.6", "twelve thousand three hundred forty-five point six"),
        ("\u22127", "minus seven"),
        ("Call 0170 now.", "Call zero one seven zero now."),
        ("1234567890123", "one two three four five six seven eight nine zero one two three"),
        ("You have 3 messages!", "You have three messages!"),
        ("(21)", "(twenty-one)"),
        # What is none of these stays.
        ("Version 1.0.2 of B12 at 10/11 and 192.168.0.1", "Version 1.0.2 of B12 at 10/11 and 192.168.0.1"),
        ("25:00 and 7:60 and 2026-13-40", "25:00 and 7:60 and 2026-13-40"),
        ("13:30 pm", "13:30 pm"),
        ("5-10", "5-10"),
        ("5 in the morning", "five in the morning"),
        ("No digits here, I am sure.", "No digits here, I am sure."),
    ],
)
def test_what_is_written_is_said_as_a_person_would(written: str, spoken: str) -> None:
    assert WRITTEN.spoken(written) == spoken


def test_every_minute_of_the_day_can_be_said() -> None:
    for minutes in range(24 * 60):
        hour, minute = divmod(minutes, 60)
        said = WRITTEN.spoken(f"{hour:02}:{minute:02}")
        assert not re.search(r"[\d:]", said)
        if not 1 <= hour <= 12:
            assert said == ENGLISH.time_of_day(time(hour, minute))


@given(st.integers(-(10**9), 10**9), st.integers(0, 99))
def test_every_number_is_said_in_words(whole: int, hundredths: int) -> None:
    assert not re.search(r"\d", WRITTEN.spoken(f"about {whole} of it"))
    assert WRITTEN.spoken(f"{abs(whole)}.{hundredths:02}") == ENGLISH.number(abs(whole) + hundredths / 100)


@given(st.text(max_size=200))
def test_any_text_can_be_said_and_without_digits_stays(text: str) -> None:
    said = WRITTEN.spoken(text)
    assert said == text or any(character.isdecimal() for character in text)


def test_a_language_that_does_not_tell_how_it_writes_leaves_texts_alone() -> None:
    assert Written(Phrases("en", {})).spoken("It is 7:30.") == "It is 7:30."
