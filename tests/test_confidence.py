"""How sure a reading is, what follows from it, and what the understander does with both. No model."""

import dataclasses
import functools

import numpy as np
import pytest

from appliance.audio.format import Pcm
from appliance.facts import Understood
from appliance.intent import Intent
from appliance.understander import Understander
from appliance.understanding.confidence import (
    ACT_FROM,
    AT_ONCE,
    CLEAR,
    CONFIRM_FROM,
    SECOND_LOOK,
    SHORT_PHONES,
    Decision,
    Spoken,
    clear,
    features_of,
    judged,
    probability,
)
from appliance.understanding.pronunciations import Pronunciations
from appliance.understanding.reading import Reader, Reading
from appliance.understanding.soundalike import SoundMatcher
from tests.fakes import Heard, ScriptedDetector, ScriptedRecognizer, language
from tests.test_soundalike import DICTIONARY, TABLE

GOOD = Reading(intent=Intent(name="time_ask"), share=1.0, cost=0.0, phones=20, rival=None)
ALL_HEARD = Spoken(missed_s=0.0, beyond_filler=50.0)

SPEECH = np.repeat(np.array([0, 3000], np.int16), 16_000)
"""As loud as speech, behind a silence."""


@pytest.mark.parametrize(
    "worse", [{"share": 0.4}, {"cost": 0.2}], ids=["another reading is likely", "it sounds otherwise"]
)
def test_what_speaks_against_a_reading_makes_it_less_sure(worse: dict[str, float]) -> None:
    worse_reading = dataclasses.replace(GOOD, **worse)
    best, less = (probability(AT_ONCE, features_of(reading, ALL_HEARD)) for reading in (GOOD, worse_reading))
    assert less < best


def test_what_dictation_hears_otherwise_is_less_sure() -> None:
    sure = [probability(SECOND_LOOK, features_of(GOOD, ALL_HEARD, apart)) for apart in (0.0, 0.1, 0.3, 0.6)]
    assert sure == sorted(sure, reverse=True)
    assert sure[0] >= ACT_FROM > sure[-1]


@pytest.mark.parametrize("reading", [GOOD, dataclasses.replace(GOOD, share=1e-12, cost=50.0, phones=0)])
def test_a_confidence_is_a_probability(reading: Reading) -> None:
    assert 0.0 <= probability(SECOND_LOOK, features_of(reading, ALL_HEARD, 1e9)) <= 1.0
    assert 0.0 <= judged(reading, ALL_HEARD, 1e9).confidence <= 1.0


def test_a_clear_reading_is_acted_on_at_once() -> None:
    judgement = clear(GOOD, ALL_HEARD)
    assert judgement is not None
    assert judgement.decision is Decision.ACT
    assert judgement.confidence >= CLEAR


def test_a_short_sentence_is_never_clear_at_once() -> None:
    assert clear(dataclasses.replace(GOOD, phones=SHORT_PHONES - 1), ALL_HEARD) is None


@pytest.mark.parametrize("missed_s", [2.0, None], ids=["words are missing", "nobody knows"])
def test_a_reading_that_leaves_speech_out_is_not_clear(missed_s: float | None) -> None:
    likely = dataclasses.replace(GOOD, share=0.7)
    assert clear(likely, ALL_HEARD) is not None
    assert clear(likely, dataclasses.replace(ALL_HEARD, missed_s=missed_s)) is None


@pytest.mark.parametrize("beyond_filler", [-20.0, None], ids=["talk explains it better", "nobody knows"])
def test_what_just_any_talk_explains_is_not_clear(beyond_filler: float | None) -> None:
    heard = dataclasses.replace(ALL_HEARD, missed_s=0.3)
    assert clear(GOOD, heard) is not None
    assert clear(GOOD, dataclasses.replace(heard, beyond_filler=beyond_filler)) is None


def test_a_reading_without_a_lead_or_far_from_what_was_heard_is_not_clear() -> None:
    spoken = dataclasses.replace(ALL_HEARD, missed_s=0.1)
    assert clear(dataclasses.replace(GOOD, share=0.2), spoken) is None
    assert clear(dataclasses.replace(GOOD, cost=0.3), spoken) is None


def test_there_are_three_zones() -> None:
    found = [judged(GOOD, ALL_HEARD, apart / 100) for apart in range(100)]
    assert [one.decision for one in found] == [
        Decision.ACT
        if one.confidence >= ACT_FROM
        else Decision.CONFIRM
        if one.confidence >= CONFIRM_FROM
        else Decision.REFUSE
        for one in found
    ]
    assert {one.decision for one in found} == set(Decision)


def test_a_short_sentence_that_both_heard_word_by_word_is_acted_on() -> None:
    stop = dataclasses.replace(GOOD, phones=4, share=0.8)
    assert CONFIRM_FROM <= judged(stop, ALL_HEARD, 0.0).confidence < ACT_FROM
    assert judged(stop, ALL_HEARD, 0.0).decision is Decision.ACT
    assert judged(stop, ALL_HEARD, 0.02).decision is not Decision.ACT


# The understander with a reader.


@functools.cache
def sounds() -> SoundMatcher:
    return SoundMatcher(language().graph(), Pronunciations(DICTIONARY, TABLE))


def understood(heard: Heard, pcm: Pcm = SPEECH) -> Understood:
    """What is posted of an utterance of the built-in language with a dictionary of a few words."""
    known = language()
    posted: list[object] = []
    understander = Understander(
        ScriptedRecognizer(heard),
        known,
        lambda result: posted.append(result(5)),
        reader=Reader(known.match, known.bare, sounds()),
        detector=ScriptedDetector(range(50, 100)),
    )
    understander.begin(False)
    understander.hear(pcm)
    understander.finish(3)
    (fact,) = posted
    assert isinstance(fact, Understood)
    return fact


def test_a_clear_sentence_is_acted_on_without_dictation() -> None:
    fact = understood(Heard(texts=("set a timer for fifteen minutes",), dictated="never asked"))
    assert (fact.text, fact.question, fact.agreed) == ("set a timer for fifteen minutes", None, None)
    assert fact.intent is not None
    assert fact.intent.values == {"duration": 900}
    assert fact.confidence is not None
    assert fact.confidence >= CLEAR


def test_a_sentence_beside_which_more_was_said_is_held_against_dictation() -> None:
    """Of the second of speech its words take a quarter, or all."""
    other = "the five turn and fan the heater"
    timer = Heard(texts=("set a timer for fifteen minutes",), dictated=other, beyond_filler=0.5)
    assert understood(timer).intent is not None
    assert understood(dataclasses.replace(timer, said=((1.0, 1.25),))).text == other


def test_a_short_sentence_that_dictation_hears_too_is_a_command_and_else_none() -> None:
    agreed, other = (
        understood(Heard(texts=("stop",), dictated=said)) for said in ("stop", "the five turn and fan the heater")
    )
    assert agreed.intent is not None
    assert agreed.intent.name == "stop"
    assert (other.intent, other.doubted, other.question) == (None, True, None)
    assert other.text == "the five turn and fan the heater"


@pytest.mark.parametrize(("said", "agreed"), [("yes please", True), ("no", False)])
def test_yes_and_no_are_told_as_such(said: str, *, agreed: bool) -> None:
    fact = understood(Heard(texts=(said,)))
    assert (fact.text, fact.intent, fact.agreed) == (said, None, agreed)


def test_what_may_have_been_meant_is_asked_about() -> None:
    found = [
        understood(Heard(texts=("stop",), dictated=said)) for said in ("stop", "stop a", "stop the", "stop the fan")
    ]
    questions = [fact.question for fact in found]
    assert "Did you mean: stop?" in questions
    assert all(fact.intent is not None for fact in found if fact.question)
