"""What may follow an answer: 'and the bedroom', 'undo', 'no'; and what is asked about before it is done."""

import dataclasses

import numpy as np
import pytest

from appliance.facts import Fact, Understood
from appliance.home.actions import OPPOSITES, Actions
from appliance.home.phrases import Phrases
from appliance.home.turn import Done, SetVolume, Situation
from appliance.intent import Intent
from appliance.understander import Understander
from appliance.understanding import home_file
from appliance.understanding.language import Language
from tests.fakes import NOON, Effects, Heard, ScriptedRecognizer

HOME = home_file.parse(
    """
areas:
  - {id: kitchen, name: kitchen}
  - {id: bedroom, name: bedroom}
devices:
  - {id: kitchen_light, name: kitchen light, kind: light, topic: k, area: kitchen}
  - {id: bedroom_light, name: bedroom light, kind: light, topic: b, area: bedroom}
  - {id: garage, name: garage door, kind: cover, topic: g, risky: true}
  - {id: oven, name: oven, kind: switch, topic: o, area: kitchen, risky: true}
sentences:
  - {name: unlock, sentences: [unlock the door], publish: {topic: u, payload: x}, risky: true}
""",
    "home",
)

PCM = np.zeros(3200, np.int16)


@pytest.fixture(scope="module")
def language() -> Language:
    return Language.built_in("en", HOME)


def meant(language: Language, text: str) -> Intent:
    intent = language.match(text)
    assert intent is not None
    return intent


# 'And the bedroom.'


@pytest.mark.parametrize(
    ("last", "text", "values"),
    [
        ("turn on the kitchen lights", "and the bedroom", {"area": "bedroom"}),
        ("turn on the kitchen light", "and the bedroom", {"device": "bedroom_light"}),
        ("turn off the kitchen light", "and the bedroom light", {"device": "bedroom_light"}),
        ("turn off the kitchen light", "the bedroom light", {"device": "bedroom_light"}),
        ("set the kitchen light to twenty percent", "and the bedroom", {"area": "bedroom", "percent": 20}),
    ],
)
def test_other_words_in_a_slot_of_the_last_command(
    language: Language, last: str, text: str, values: dict[str, str | int]
) -> None:
    before = meant(language, last)
    intent = language.continued(text, before)
    assert intent is not None
    assert (intent.name, intent.values) == (before.name, values)


@pytest.mark.parametrize("text", ["", "and", "and the", "and the weather", "and the kitchen", "stop", "bed"])
def test_what_is_nothing_of_the_last_command(language: Language, text: str) -> None:
    assert language.continued(text, meant(language, "turn on the kitchen lights")) is None
    assert language.continued(text, meant(language, "what time is it")) is None


def understood(language: Language, heard: Heard, last: Intent | None = None, *, called: bool = False) -> Understood:
    posted: list[Fact | None] = []
    understander = Understander(
        ScriptedRecognizer(heard), language, lambda result: posted.append(result(0)), risky=HOME.is_risky
    )
    understander.begin(False, last, called=called)
    understander.hear(PCM)
    understander.finish(1)
    (fact,) = posted
    assert isinstance(fact, Understood)
    return fact


def test_it_counts_where_dictation_heard_the_same(language: Language) -> None:
    last = meant(language, "turn on the kitchen light")
    fact = understood(language, Heard(texts=("and the bedroom",), dictated="and the bedroom"), last)
    assert fact.intent is not None
    assert (fact.intent.values, fact.sure) == ({"device": "bedroom_light"}, True)
    fact = understood(language, Heard(texts=("and the bedroom",), dictated="in the bathroom"), last)
    assert fact.intent is None
    fact = understood(language, Heard(texts=("and the bedroom",), dictated="and the bedroom"))
    assert fact.intent is None, "nothing came before it"


# Courtesies.


@pytest.mark.parametrize("said", ["hi", "hey there", "sorry", "thank you", "bye", "hello and thanks"])
def test_what_people_say_to_each_other_is_answered_only_when_it_was_called(language: Language, said: str) -> None:
    fact = understood(language, Heard(texts=(said,), dictated=said))
    assert (fact.text, fact.intent, fact.question, fact.sure, fact.doubted) == (said, None, None, False, True)
    fact = understood(language, Heard(texts=(said,), dictated=said), called=True)
    assert fact.intent is not None


@pytest.mark.parametrize("said", ["thanks and stop", "what did you say", "hey what time is it"])
def test_a_command_with_a_courtesy_remains_a_command(language: Language, said: str) -> None:
    assert understood(language, Heard(texts=(said,), dictated=said)).intent is not None


# 'No.'


def test_no_is_a_command_of_its_own_if_dictation_heard_it_too(language: Language) -> None:
    fact = understood(language, Heard(texts=("no",), dictated="no"))
    assert fact.intent is not None
    assert (fact.intent.name, fact.agreed, fact.sure) == ("never_mind", False, True)
    fact = understood(language, Heard(texts=("no",), dictated="snow"))
    assert (fact.intent, fact.agreed, fact.sure) == (None, False, False)


def test_yes_is_none(language: Language) -> None:
    fact = understood(language, Heard(texts=("yes",), dictated="yes"))
    assert (fact.intent, fact.agreed) == (None, True)


# 'Undo.'


def undone(language: Language, last: Intent | None) -> Done:
    situation = Situation(
        now=NOON,
        steady_s=0.0,
        timers=(),
        volume=50,
        last_reply=None,
        last=last,
        area="",
        dry_run=True,
    )
    actions = Actions(HOME, Effects(), language.answer, Phrases.of("en"))
    return actions.perform(Intent(name="undo"), situation)


def test_undo_does_the_opposite_with_the_same_slots(language: Language) -> None:
    assert undone(language, meant(language, "turn on the kitchen light")).outcome.reply == "Kitchen light off."
    assert undone(language, meant(language, "turn up the volume")).changes == (SetVolume(40),)


def test_undo_says_where_there_is_nothing_to_take_back(language: Language) -> None:
    both = dataclasses.replace(meant(language, "stop"), name="turn_on", then=meant(language, "stop"))
    for last in (None, meant(language, "what time is it"), both):
        outcome = undone(language, last).outcome
        assert (outcome.ok, outcome.reply) == (False, language.answer("nothing_to_undo"))


def test_opposites_are_intents_of_the_language(language: Language) -> None:
    assert {*OPPOSITES, *OPPOSITES.values()} <= language.intents()
    assert language.match("undo that") == Intent(name="undo", text="undo that")


# Risky.


@pytest.mark.parametrize(
    ("text", "risky"),
    [
        ("open the garage door", True),
        ("turn on the oven", True),
        ("turn on the kitchen light and open the garage door", True),
        ("unlock the door", True),
        ("turn on the kitchen light", False),
        ("what time is it", False),
        ("turn on the bedroom lights", False),
        ("turn on the kitchen lights", False),  # the oven there is no light
    ],
)
def test_what_the_home_file_calls_risky_is_asked_about(language: Language, text: str, risky: bool) -> None:
    fact = understood(language, Heard(texts=(text,)))
    assert fact.intent is not None
    assert fact.question == (f"Really {text}?" if risky else None)
