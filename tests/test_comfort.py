"""Blinds, heating, music, colours, sums and units: what is published, and what is said."""

import pytest

from appliance.errors import StageError
from appliance.home.actions import Actions, Situation
from appliance.home.phrases import Phrases
from appliance.home.units import converted
from appliance.understanding import home_file
from appliance.understanding.home_file import HomeConfig
from tests.test_actions import NOW, Recorder
from tools.phrasings import HOME, language

ENGLISH = language()
FURNISHED = home_file.load(HOME)


def told(text: str, area: str = "study", home: HomeConfig = FURNISHED) -> tuple[str | None, list[tuple[str, str]]]:
    """The answer, and the messages as topic and payload."""
    intent = ENGLISH.match(text)
    assert intent is not None, text
    effects = Recorder()
    situation = Situation(now=NOW, steady_s=0, timers=(), volume=0, last_reply=None, area=area, dry_run=False)
    reply = Actions(home, effects, ENGLISH.answer, Phrases.of("en")).perform(intent, situation).outcome.reply
    return reply, [(str(topic), str(payload)) for topic, payload, *_ in effects.done]


@pytest.mark.parametrize(
    ("text", "reply", "published"),
    [
        ("open the kitchen blind", "Opening the kitchen blind.", [("c/k", "OPEN")]),
        ("close the curtains", "Closing the curtains.", [("c/l", "CLOSE")]),
        ("close all the blinds", "Closing the blinds.", [("c/k", "CLOSE"), ("c/l", "CLOSE")]),
        ("open the blinds", "Opening the blinds.", [("c/k", "OPEN"), ("c/l", "OPEN")]),
        ("open the blinds in the living room", "Opening the curtains.", [("c/l", "OPEN")]),
        ("open the blinds in the hall", "I don't know any hall blinds.", []),
        ("stop the kitchen blind", "Kitchen blind stopped.", [("c/k", "STOP")]),
        ("set the kitchen blind to fifty percent", "Kitchen blind at fifty percent.", [("c/k/p", "50")]),
        ("set the curtains to fifty percent", "The curtains cannot do that.", []),
        ("set the temperature to twenty one and a half degrees", "Bedroom radiator at twenty-one point five degrees.",
         [("h/b/t", "21.5")]),
        ("make it warmer", "The bedroom radiator cannot do that.", []),
        ("turn the heating off", "Bedroom radiator off.", [("h/b", "OFF")]),
        ("pause the music", "Paused.", [("m/l", "PAUSE")]),
        ("next song", "Next one.", [("m/l", "NEXT")]),
        ("turn the living room lamp green", "Living room lamp green.", [("l/l/c", "0,255,0")]),
        ("make the kitchen light green", "The color of the kitchen light cannot be changed.", []),
        ("dim the kitchen light", "Kitchen light at thirty percent.", [("l/k/b", "30")]),
        ("turn off the fan and the coffee machine", "Fan off. Coffee machine off.", [("s/f", "OFF"), ("s/c", "OFF")]),
        ("what is seven times eight", "That is fifty-six.", []),
        ("what is five hundred divided by seven", "That is about seventy-one point four three.", []),
        ("what is seven divided by zero", "Nothing can be divided by zero.", []),
        ("what's a hundred minus one hundred and one", "That is minus one.", []),
        ("what is half of thirty", "That is fifteen.", []),
        ("what's nine squared", "That is eighty-one.", []),
        ("convert five miles to kilometers", "Five miles make about eight point zero five kilometers.", []),
        ("what is a hundred and eighty celsius in fahrenheit",
         "One hundred eighty degrees Celsius make three hundred fifty-six degrees Fahrenheit.", []),
        ("how many seconds in a day", "One day make eighty-six thousand four hundred seconds.", []),
        ("what day is it tomorrow", "Tomorrow is Sunday, November twenty-second.", []),
        ("what's the date on friday", "That is Friday, November twenty-seventh.", []),
        ("what year is it", "Twenty twenty-six.", []),
    ],
)  # fmt: skip
def test_what_is_done_and_said(text: str, reply: str, published: list[tuple[str, str]]) -> None:
    assert told(text) == (reply, published)


def test_the_appliance_knows_where_it_stands() -> None:
    assert told("open the blinds", area="kitchen") == ("Opening the kitchen blind.", [("c/k", "OPEN")])


def test_a_home_without_such_devices_says_so() -> None:
    bare = HomeConfig()
    for text in ("open the blinds", "make it warmer", "pause the music", "turn on the heating"):
        reply, published = told(text, home=bare)
        assert reply is not None
        assert reply.startswith("I don't know any")
        assert published == []


def test_help_names_what_this_home_can_do() -> None:
    reply, _ = told("what can i say")
    assert reply == (
        "You can say, for example: set a timer for ten minutes, turn on the kitchen light, open the kitchen blind and "
        "start movie night."
    )
    assert "light" not in (told("what can i say", home=HomeConfig())[0] or "")


def test_units() -> None:
    assert converted(1, "pound", "ounce") == pytest.approx(16)
    assert converted(212, "fahrenheit", "celsius") == pytest.approx(100)
    assert converted(1, "gallon", "cup") == pytest.approx(16)
    assert converted(1, "stone", "pound") == pytest.approx(14)
    assert converted(1, "celsius", "celsius") == 1
    with pytest.raises(StageError, match="different things"):
        converted(1, "celsius", "gram")
