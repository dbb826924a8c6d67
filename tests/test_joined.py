"""Two commands in one sentence."""

import pytest

from appliance.intent import Intent
from appliance.understanding import joined
from tools import phrasings
from tools.phrasings import language, meant

WORDS = ("and then", "and", "then")


def match(text: str) -> Intent | None:
    """A language of a few sentences."""
    words = text.split()
    if words[:2] in (["turn", "on"], ["turn", "off"]) and words[2:] in (["light"], ["fan"]):
        return Intent(name=f"turn_{words[1]}", values={"device": words[2]}, text=text)
    if words[:1] == ["volume"] and len(words) == 2:
        return Intent(name="volume", values={"percent": int(words[1])}, text=text)
    return Intent(name="play", text=text) if text == "play" else None


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("turn on light and play", ["turn_on", "play"]),
        ("turn on light and then play", ["turn_on", "play"]),
        ("play then turn off fan", ["play", "turn_off"]),
        ("turn off fan and light", ["turn_off", "turn_off"]),
    ],
)
def test_two_commands(text: str, commands: list[str]) -> None:
    found = joined.matched(text, match, WORDS)
    assert found is not None
    assert [command.name for command in found.commands] == commands
    assert found.text == text


@pytest.mark.parametrize(
    "text",
    [
        "turn on light",
        "and play",
        "turn on light and",
        "turn on light and whatever",
        "whatever and play",
        "volume 100 and 50",
        "turn off fan and fan",
        "play play",
    ],
)
def test_what_is_not_two_commands(text: str) -> None:
    assert joined.matched(text, match, WORDS) is None


def test_without_joining_words_nothing_is_joined() -> None:
    assert joined.matched("turn on light and play", match, ()) is None
    assert joined.sampled([("play", "play")] * 50, (), 0) == []


def test_the_recognizer_learns_the_joining_words() -> None:
    sentences = [("a", f"say {number}") for number in range(120)]
    found = joined.sampled(sentences, WORDS, 3)
    assert len(found) == len(sentences) // joined.SAMPLES_SHARE
    assert found == joined.sampled(sentences, WORDS, 3) != joined.sampled(sentences, WORDS, 4)
    assert all(any(f" {word} say " in text for word in WORDS) for _, text in found)
    assert {word for word in WORDS if any(f" {word} " in text for _, text in found)} == set(WORDS)


def test_a_number_is_not_cut() -> None:
    known = language()
    assert known.match("set the volume to one hundred and fifty percent") is None
    assert meant(known.match("set a timer for one hour and five minutes")) == (("timer_set", {"duration": "3900"}),)
    assert phrasings.spelled(()) == "refuse"
