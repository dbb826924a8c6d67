"""The language model that is made of sentences: costs worked out by hand, and the file as the recognizer reads it."""

import math
import struct
from itertools import pairwise

import pytest

from appliance.errors import ModelError
from appliance.models import ModelStore
from appliance.runtimes.vosk import VoskModel
from appliance.speech.language_model import DISCOUNT, WORD_BONUS, language_model

NUMBERS = {"set": 9, "a": 3, "timer": 700, "light": 4, "stop": 5}

Arc = tuple[int, int, float, int]


class Graph:
    """What stands in a file."""

    def __init__(self, content: bytes) -> None:
        magic, first = struct.unpack_from("<Ii", content)
        kind = content[8 : 8 + first]
        (second,) = struct.unpack_from("<i", content, 8 + first)
        at = 12 + first + second
        assert (magic, kind, content[at - second : at]) == (2125659606, b"vector", b"standard")
        version, _, self.properties, self.start, states, arcs = struct.unpack_from("<iiQqqq", content, at)
        at += 40
        assert version == 2
        self.ends: list[float] = []
        self.arcs: list[list[Arc]] = []
        for _ in range(states):
            end, count = struct.unpack_from("<fq", content, at)
            at += 12
            self.ends.append(end)
            self.arcs.append([struct.unpack_from("<iifi", content, at + 16 * one) for one in range(count)])
            at += 16 * count
        assert at == len(content)
        assert sum(map(len, self.arcs)) == arcs

    def chance(self, *words: str) -> float:
        """Of a sentence, its bonuses taken off again: by each word's arc, or a shorter history's."""
        state, cost = self.start, WORD_BONUS * len(words)
        for word in words:
            while not (found := self.to(state, NUMBERS[word])):
                ((_, _, shorter, state),) = self.to(state, 0)
                cost += shorter
            cost, state = cost + found[0][2], found[0][3]
        while math.isinf(self.ends[state]):
            ((_, _, shorter, state),) = self.to(state, 0)
            cost += shorter
        return math.exp(-cost - self.ends[state])

    def to(self, state: int, number: int) -> list[Arc]:
        """Arcs of a word."""
        return [arc for arc in self.arcs[state] if arc[0] == number]


def graph(*sentences: str) -> Graph:
    """Of these sentences."""
    return Graph(language_model(sentences, NUMBERS.__getitem__))


def test_probabilities_are_as_worked_out_by_hand() -> None:
    """Of "stop" and "set a timer", 6 words and ends: each follows one thing alone, or one of two at the begin."""
    made = graph("stop", "set a timer")
    of_six = DISCOUNT * 1 / 6
    at_begin = (1 - DISCOUNT) / 2 + DISCOUNT * 2 / 2 * (1 / 6)
    behind_one = (1 - DISCOUNT) + of_six
    end_behind_one = (1 - DISCOUNT) + DISCOUNT * 2 / 6  # two of the six are ends
    behind_two = (1 - DISCOUNT) + DISCOUNT * behind_one
    end_behind_two = (1 - DISCOUNT) + DISCOUNT * end_behind_one
    assert made.chance("stop") == pytest.approx(at_begin * end_behind_two, rel=1e-5)
    assert made.chance("set", "a", "timer") == pytest.approx(
        at_begin * behind_two * behind_two * end_behind_two, rel=1e-5
    )


def test_what_no_sentence_says_can_be_heard_but_is_unlikelier() -> None:
    made = graph("set a timer", "set a light", "stop")
    assert 0.0 < made.chance("stop", "a", "light") < made.chance("set", "a", "light") / 10
    assert 0.0 < made.chance("timer") < made.chance("stop")


def test_two_words_back_are_remembered() -> None:
    """'a timer' and 'a light' are as frequent; which comes, the word before tells."""
    made = graph("set a timer", "stop a light")
    assert made.chance("set", "a", "timer") > 2 * made.chance("set", "a", "light")


def test_what_is_said_more_often_is_likelier() -> None:
    made = graph("set a timer", "set a timer", "set a timer", "set a light")
    assert made.chance("set", "a", "timer") > 2 * made.chance("set", "a", "light")


def test_nothing_can_be_said_too() -> None:
    """As often as its empty sentence stands there."""
    assert graph("stop", "stop", "").chance() == pytest.approx((1 - DISCOUNT) / 3 + DISCOUNT * 2 / 3 * 3 / 5, rel=1e-5)


def test_each_word_costs_less_by_the_bonus() -> None:
    made = graph("stop")
    ((_, _, cost, _),) = made.to(made.start, NUMBERS["stop"])
    assert cost == pytest.approx(-math.log(1 - DISCOUNT + DISCOUNT / 2) - WORD_BONUS)


def test_the_arcs_of_a_state_are_in_the_order_of_their_words_once_each() -> None:
    made = graph("set a timer", "set a light", "stop", "a light")
    assert made.properties & 0x5000_0000 == 0x5000_0000
    for arcs in made.arcs:
        assert all(one[0] < other[0] for one, other in pairwise(arcs))
        assert all(heard == said and 0 <= target < len(made.arcs) for heard, said, _, target in arcs)


def test_each_history_leads_to_a_shorter_one_but_that_which_knows_nothing() -> None:
    made = graph("set a timer", "set a light", "stop")
    assert not made.to(0, 0)
    assert all(len(made.to(state, 0)) == 1 for state in range(1, len(made.arcs)))


@pytest.fixture(scope="module")
def vosk(store: ModelStore) -> VoskModel:
    return VoskModel(store.folder("vosk-small-en-us"))


@pytest.mark.model
def test_the_recognizer_takes_it_and_says_nothing_in_silence(vosk: VoskModel) -> None:
    made = vosk.of_sentences(["turn on the light", "set a timer", "[unk]"]).recognizer()
    made.AcceptWaveform(bytes(32_000))
    assert '"text" : ""' in made.FinalResult()


@pytest.mark.model
def test_recognizers_outlive_their_model(vosk: VoskModel) -> None:
    made = [vosk.of_sentences([text, "[unk]"]).recognizer() for text in ("turn on the light", "stop")]
    for one in made:
        one.AcceptWaveform(bytes(32_000))
        assert '"text" : ""' in one.FinalResult()


@pytest.mark.model
def test_a_large_model_is_not_loaded_twice(vosk: VoskModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then Vosk makes word pairs of the sentences, and is not told of the empty ones."""
    monkeypatch.setattr("appliance.runtimes.vosk.WORDS_MOST_BYTES", 1000)
    monkeypatch.setattr("appliance.runtimes.vosk._loaded", None)
    made = vosk.of_sentences(["turn on the light", "", "[unk]"]).recognizer()
    made.AcceptWaveform(bytes(32_000))
    assert '"text" : ""' in made.FinalResult()


@pytest.mark.model
def test_no_place_for_its_files_is_told(vosk: VoskModel, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr("tempfile.tempdir", f"{tmp_path}/nowhere")
    with pytest.raises(ModelError, match="no place for its settings in the temporary folder"):
        vosk.of_sentences(["stop"])
