"""What sounds like a sentence: pronunciations, the graph of all sentences, the nearest of them, and what was meant."""

import random
import time
from pathlib import Path

import pytest

from appliance.errors import ModelError
from appliance.intent import Intent
from appliance.understanding import automaton
from appliance.understanding.automaton import TooLargeError, WordGraph, word_graph
from appliance.understanding.language_folder import LanguageFolder
from appliance.understanding.pronunciations import Pronunciations
from appliance.understanding.reading import Reader
from appliance.understanding.soundalike import PHONES_MAX, SoundMatcher
from appliance.understanding.templates import Templates

TABLE = LanguageFolder.of("en").phones()

DICTIONARY = b"""\
a AH
a(2) EY
and AH N D
chicken CH IH K AH N
fan F AE N
fifteen F IH F T IY N
fifty F IH F T IY
five F AY V
for F AO R
four F AO R
heater HH IY T ER
kitchen K IH CH AH N
lamp L AE M P
light L AY T
minutes M IH N AH T S
of AH V
off AO F
on AA N
set S EH T
stop S T AA P
the DH AH
the(2) DH IY
timer T AY M ER
turn T ER N
"""

SOURCE = {
    "language": "en",
    "intents": {
        "switch": {"data": [{"sentences": ["turn (on|off) [the] {device}", "turn [the] {device} (on|off)"]}]},
        "timer": {"data": [{"sentences": ["[set] a timer for {count} minute[s]"]}]},
        "stop": {"data": [{"sentences": ["stop"]}]},
    },
    "lists": {
        "device": {"values": ["kitchen light", "fan", "heater", "loggia"]},
        "count": {"values": ["five", "fifteen", "fifty"]},
    },
}


def templates(source: dict[str, object] = SOURCE) -> Templates:
    return Templates(source, "test")


def said(graph: WordGraph, text: str) -> bool:
    state = graph.start
    for word in text.split():
        following = dict(graph.arcs[state])
        if word not in following:
            return False
        state = following[word]
    return state in graph.ends


def matcher(joining_words: tuple[str, ...] = (), sounds_like: dict[str, str] | None = None) -> SoundMatcher:
    graph = word_graph(templates().trees, joining_words)
    return SoundMatcher(graph, Pronunciations(DICTIONARY, TABLE, sounds_like))


def match(text: str) -> Intent | None:
    found = templates().match(text, {}, tolerant=False)
    if found is None:
        return None
    values = {entity.name: str(entity.value) for entity in found.entities}
    return Intent(name=found.intent, slots=values, values=values, text=text)  # type: ignore[arg-type]


def reader() -> Reader:
    return Reader(match, str.strip, matcher())


# Pronunciations.


def test_a_word_has_its_ways_in_order() -> None:
    assert Pronunciations(DICTIONARY, TABLE).of("the") == (("DH", "AH"), ("DH", "IY"))


@pytest.mark.parametrize("word", ["a", "turn", "fifty", "four"])
def test_the_first_the_last_and_others_are_found(word: str) -> None:
    assert Pronunciations(DICTIONARY, TABLE).knows(word)


@pytest.mark.parametrize("word", ["", "zebra", "fo", "ands", "(", "A"])
def test_a_word_that_is_missing_is_one_phone_of_its_own(word: str) -> None:
    known = Pronunciations(DICTIONARY, TABLE)
    assert not known.knows(word)
    assert known.of(word) == ((word,),)


def test_the_owner_says_how_a_word_sounds() -> None:
    known = Pronunciations(DICTIONARY, TABLE, {"loggia": "four a"})
    assert known.of("loggia") == (("F", "AO", "R", "AH"),)
    assert known.knows("loggia")


def test_an_empty_dictionary_knows_nothing() -> None:
    assert Pronunciations(b"", TABLE).of("a") == (("a",),)


def test_a_missing_dictionary_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="install it with appliance models install"):
        Pronunciations.read(tmp_path, TABLE)


# The graph.


@pytest.mark.parametrize(
    ("text", "is_said"),
    [
        ("turn on fan", True),
        ("turn the kitchen light off", True),
        ("a timer for fifteen minutes", True),
        ("set a timer for five minute", True),
        ("turn on", False),
        ("turn on the fan off", False),
        ("set a timer for fifteen minute s", False),
        ("", False),
    ],
)
def test_the_graph_says_what_the_templates_say(text: str, *, is_said: bool) -> None:
    graph = word_graph(templates().trees)
    assert said(graph, text) is is_said
    assert (match(text) is not None) is is_said


def test_equal_endings_are_one_state() -> None:
    values = [f"word{number}" for number in range(500)]
    many = {f"intent{n}": {"data": [{"sentences": [f"say{n} {{word}}"]}]} for n in range(50)}
    graph = word_graph(templates({"language": "en", "intents": many, "lists": {"word": {"values": values}}}).trees)
    assert (len(graph.arcs), sum(map(len, graph.arcs))) == (3, 550)


def test_joining_words_lead_from_one_sentence_to_the_next() -> None:
    assert said(word_graph(templates().trees, ["and"]), "stop and turn on the fan")
    assert not said(word_graph(templates().trees), "stop and turn on the fan")


def test_templates_that_branch_too_much_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automaton, "STATES_MAX", 20)
    with pytest.raises(TooLargeError, match="branch"):
        word_graph(templates().trees)


# The nearest sentence.


@pytest.mark.parametrize(
    ("heard", "nearest"),
    [
        ("turn on the kitchen light", "turn on the kitchen light"),
        ("turn on the chicken light", "turn on the kitchen light"),
        ("turn the fan of", "turn the fan off"),
        ("set timer four fifteen minutes", "set a timer for fifteen minutes"),
        ("turn on loggia", "turn on loggia"),
    ],
)
def test_the_nearest_sentence_is_found(heard: str, nearest: str) -> None:
    assert matcher().near(heard, 0)[0].text == nearest


def test_the_same_phones_cost_nothing_and_one_lost_phone_little() -> None:
    same, lost = matcher().near("turn the fan on", 0)[0], matcher().near("turn fan on", 0)[0]
    assert (same.distance, same.cost) == (0, 0.0)
    assert lost.text == "turn fan on"
    swallowed = matcher().near("a timer four fifty minutes", 0)[0]
    assert (swallowed.text, swallowed.distance) == ("a timer for fifty minutes", 0)


def test_a_word_without_a_pronunciation_is_right_or_wrong_as_a_whole() -> None:
    assert matcher().near("turn on the loggia", 0)[0].distance == 0
    assert matcher().near("turn on the zebra", 0)[0].distance >= 250


def test_a_word_of_the_owner_is_heard_by_its_sound() -> None:
    assert matcher(sounds_like={"loggia": "lamp"}).near("turn on the lamp", 0)[0].text == "turn on the loggia"


def test_joined_sentences_are_found() -> None:
    found = matcher(("and",)).near("turn on the chicken light and turn of the fan", 0)[0]
    assert found.text == "turn on the kitchen light and turn off the fan"


def test_what_sounds_alike_is_named_too() -> None:
    texts = [alike.text for alike in matcher().near("set a timer for fifteen minutes", 200)]
    assert texts[0] == "set a timer for fifteen minutes"
    assert "set a timer for fifty minutes" in texts


def test_nothing_is_near_to_nothing() -> None:
    assert matcher().near("", 200) == []


def test_a_very_long_text_takes_bounded_time() -> None:
    words = random.Random(0).choices(DICTIONARY.decode().split(), k=20_000)
    begun_s = time.process_time()
    matcher().near(" ".join(words), 200)
    assert time.process_time() - begun_s < 1.0
    assert matcher().phones(" ".join(words)) == PHONES_MAX


def test_the_same_text_has_the_same_neighbours() -> None:
    texts = ["turn the chicken lamp off", "a timer fifteen minutes", "stop the fan", "fifty"]
    assert [matcher().near(text, 300) for text in texts] == [matcher().near(text, 300) for text in texts]


def test_two_texts_are_apart_by_their_phones() -> None:
    assert matcher().apart("turn on the fan", "turn on the fan") == 0.0
    assert 0.0 < matcher().apart("turn on the chicken", "turn on the kitchen") < 0.2
    assert matcher().apart("stop", "set a timer for five minutes") > 0.3
    assert matcher().apart("", "stop") > 0.3


# What was meant.


def test_a_sentence_means_itself() -> None:
    reading = reader().read(["turn on the fan"], [0.0])
    assert reading is not None
    assert (reading.intent.name, reading.intent.slots) == ("switch", {"device": "fan"})
    assert (reading.share, reading.cost, reading.rival) == (1.0, 0.0, None)


def test_what_was_misheard_means_what_sounds_like_it_with_every_slot() -> None:
    reading = reader().read(["turn on the chicken light"], [0.0])
    assert reading is not None
    assert reading.intent.slots == {"device": "kitchen light"}
    assert 0.0 < reading.cost < 0.2


def test_several_texts_for_one_meaning_outweigh_a_better_one() -> None:
    texts = ["a timer for fifty minutes", "a timer for fifteen minutes", "set a timer for fifteen minutes"]
    reading = reader().read(texts, [0.0, -0.5, -0.5])
    assert reading is not None
    assert reading.intent.slots["count"] == "fifteen"
    assert reading.rival is not None
    assert reading.rival.slots["count"] == "fifty"


def test_of_many_texts_that_are_no_sentence_the_likeliest_are_searched() -> None:
    unsaid = ["turn on the chicken light", "turn the chicken light on", "the chicken stop"]
    first = reader().read(unsaid[:2], [0.0, -1.0])
    assert reader().read(unsaid, [0.0, -1.0, -1.0]) == first
    assert reader().read([*unsaid, "stop"], [0.0, -1.0, -1.0, -1.0]) != first, "a sentence costs no search"


def test_two_meanings_of_the_same_weight_share_it() -> None:
    reading = reader().read(["a timer for fifty minutes", "a timer for fifteen minutes"], [3.0, 3.0])
    assert reading is not None
    assert reading.share == 0.5


def test_texts_that_are_no_sentence_and_none_at_all_have_no_reading() -> None:
    assert reader().read([], []) is None
    assert reader().read([""], [0.0]) is None
