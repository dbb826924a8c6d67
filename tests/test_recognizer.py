"""What is made of Vosk's answers: the wake word cut off, unknown sounds, several segments, alternatives. No model."""

import json
from collections.abc import Sequence

import numpy as np
import pytest

from appliance.speech.recognizer import SILENCE, Hypotheses, VoskRecognizer, dictated

CHUNK = np.zeros(1600, np.int16)


def alternatives(*texts: str) -> str:
    """Each word is said for a second, one after the other."""
    found = []
    for number, text in enumerate(texts):
        words = [{"word": word, "start": at, "end": at + 1.0} for at, word in enumerate(text.split())]
        found.append({"confidence": 9.0 - number, "text": text, "result": words})
    return json.dumps({"alternatives": found})


def seconds(*begins: int) -> tuple[tuple[float, float], ...]:
    """When words were said that begin then."""
    return tuple((begin, begin + 1.0) for begin in begins)


class FakeRecognizer:
    """Answers each chunk with a line of its script: a str is partial text, a tuple a segment that Vosk ended itself."""

    def __init__(self, script: Sequence[str | tuple[str, ...]], final: str) -> None:
        self._script = list(script)
        self._final = final
        self._now: str | tuple[str, ...] = ""
        self.alternatives = 0
        self.heard = b""

    def AcceptWaveform(self, data: bytes) -> int:
        assert isinstance(data, bytes)
        self.heard += data
        self._now = self._script.pop(0) if self._script else ""
        return int(isinstance(self._now, tuple))

    def Result(self) -> str:
        return alternatives(*self._now) if self.alternatives else json.dumps({"text": self._now[0]})

    def PartialResult(self) -> str:
        return json.dumps({"partial": self._now})

    def FinalResult(self) -> str:
        return self._final

    def SetMaxAlternatives(self, count: int) -> None:
        self.alternatives = count

    def SetWords(self, enable: bool) -> None:
        assert enable


class FakeModel:
    """Knows every word but `xylophone`; hands out the scripted recognizers one after the other."""

    unknown = "[unk]"
    common_words = ()

    def __init__(self, *recognizers: FakeRecognizer) -> None:
        self._left = list(recognizers)
        self.made: list[FakeRecognizer] = []
        self.asked: list[Sequence[str] | None] = []

    def knows(self, word: str) -> bool:
        return word != "xylophone"

    def recognizer(self, sentences: Sequence[str] | None) -> FakeRecognizer:
        self.asked.append(sentences)
        self.made.append(self._left.pop(0) if self._left else FakeRecognizer([], alternatives("")))
        return self.made[-1]

    def of_sentences(self, sentences: Sequence[str]) -> "FakeSentences":
        return FakeSentences(self, sentences)


class FakeSentences:
    """Asks the model each time."""

    def __init__(self, model: FakeModel, sentences: Sequence[str]) -> None:
        self._model = model
        self._sentences = sentences

    def recognizer(self) -> FakeRecognizer:
        return self._model.recognizer(self._sentences)


def heard(
    *script: str | tuple[str, ...], final: str = "", wake: Sequence[str] = ("alexa",), after_wake: bool = True
) -> tuple[list[str], Hypotheses]:
    """What `accept` returned for each chunk, and what `finish` did."""
    model = FakeModel(FakeRecognizer(script, final or alternatives("")))
    recognizer = VoskRecognizer(model, ["turn it on"], wake)  # type: ignore[arg-type]
    recognizer.begin(after_wake=after_wake)
    return [recognizer.accept(CHUNK) for _ in script], recognizer.finish()


def training(sentences: Sequence[str], wake: Sequence[str]) -> list[str]:
    model = FakeModel()
    VoskRecognizer(model, sentences, wake)  # type: ignore[arg-type]
    assert model.asked[0] is not None
    return list(model.asked[0])


# The text that it is trained with.


def test_training_text_is_the_sentences_some_of_them_after_a_wake_word_the_wake_word_the_unknown_and_nothing() -> None:
    sentences = ["s0", "s1", "s2", "s3", "s4", "s5", "s6"]
    assert training(sentences, ["alexa"]) == [*sentences, "alexa s0", "alexa s3", "alexa s6", "alexa", "[unk]", ""]


def test_once_for_ten_sentences_nothing_is_said() -> None:
    assert [training([f"s{number}" for number in range(count)], []).count("") for count in (1, 10, 25)] == [1, 2, 3]


def test_several_wake_words_take_turns() -> None:
    sentences = [f"s{number}" for number in range(10)]
    text = training(sentences, ["alexa", "hey jarvis"])
    prefixed = ["alexa s0", "hey jarvis s3", "alexa s6", "hey jarvis s9"]
    assert text[10:] == [*prefixed, "alexa", "hey jarvis", "[unk]", "", ""]


def test_without_wake_words_there_are_only_sentences() -> None:
    assert training(["s0"], []) == ["s0", "[unk]", ""]


def test_a_wake_word_that_vosk_does_not_know_is_left_out() -> None:
    assert training(["s0"], ["hey xylophone", "alexa"]) == ["s0", "alexa s0", "alexa", "[unk]", ""]


def test_five_alternatives_are_asked_for() -> None:
    model = FakeModel()
    VoskRecognizer(model, ["s0"])  # type: ignore[arg-type]
    assert model.made[0].alternatives == 5


# The wake word.


@pytest.mark.parametrize(
    ("said", "command"),
    [
        ("alexa turn it on", "turn it on"),
        ("[unk] alexa turn it on", "turn it on"),
        ("turn it off alexa turn it on", "turn it on"),
        ("alexa alexa turn it on", "turn it on"),
        ("alexa [unk] turn it on", "turn it on"),
        ("alexa [unk] [unk] turn it on", "turn it on"),
        ("alexa turn [unk] on", "turn [unk] on"),
        ("alexander turn it on", "alexander turn it on"),
        ("turn it on", "turn it on"),
    ],
)
def test_what_stands_before_the_command_is_cut_off(said: str, command: str) -> None:
    _, hypotheses = heard(final=alternatives(said))
    assert (hypotheses.texts, hypotheses.likelihoods) == ((command,), (9.0,))
    assert hypotheses.wake_heard == (" alexa " in f" {said} ")


@pytest.mark.parametrize("said", ["", "alexa", "[unk]", "alexa [unk]", "[unk] alexa"])
def test_a_wake_word_alone_and_unknown_sounds_are_nothing(said: str) -> None:
    _, hypotheses = heard(final=alternatives(said))
    assert hypotheses.texts == ()
    assert hypotheses.wake_heard == ("alexa" in said)


def test_each_of_several_wake_words_is_cut_off() -> None:
    wake = ("alexa", "hey jarvis")
    for said, begins in (("hey jarvis turn it on", range(5)), ("alexa turn it on", range(4))):
        _, hypotheses = heard(final=alternatives(said), wake=wake)
        assert hypotheses == Hypotheses(("turn it on",), (9.0,), True, (seconds(*begins),))


# While it listens.


def test_partial_text_is_the_command_alone() -> None:
    partials, _ = heard("alexa", "alexa turn", "alexa turn it on")
    assert partials == ["", "turn", "turn it on"]


def test_before_the_wake_word_is_recognized_one_or_two_words_may_be_a_misheard_wake_word() -> None:
    partials, _ = heard("a", "a lexus", "a lexus turn", "alexa turn")
    assert partials == ["", "", "a lexus turn", "turn"]


def test_without_a_wake_word_every_word_counts() -> None:
    assert heard("turn", after_wake=False)[0] == ["turn"]
    assert heard("turn", wake=())[0] == ["turn"]


def test_a_segment_that_vosk_ended_stays_in_front_of_what_follows() -> None:
    partials, _ = heard("alexa turn", ("alexa turn", "alexa torn"), "", "it on")
    assert partials == ["turn", "turn", "turn", "turn it on"]


# Alternatives and segments.


def test_alternatives_come_best_first_each_once() -> None:
    _, hypotheses = heard(final=alternatives("alexa turn it on", "turn it on", "alexa turn it off", ""))
    words = (seconds(0, 1, 2, 3), seconds(0, 1, 2, 3))
    assert hypotheses == Hypotheses(("turn it on", "turn it off"), (9.0, 7.0), wake_heard=True, words=words)


def test_segments_are_joined_in_every_way_best_first() -> None:
    _, hypotheses = heard(("alexa turn", "alexa torn"), final=alternatives("it on", "it off"))
    assert hypotheses.texts == ("turn it on", "turn it off", "torn it on", "torn it off")


def test_empty_segments_do_not_count() -> None:
    _, hypotheses = heard(("",), ("alexa turn it on", "alexa turn it off"), ("",))
    assert hypotheses.texts == ("turn it on", "turn it off")


def test_the_wake_word_and_the_command_may_be_two_segments() -> None:
    _, hypotheses = heard(("alexa", "a lexus"), final=alternatives("turn it on"))
    words = (seconds(0, 0, 1, 2), seconds(0, 1, 0, 1, 2))
    texts = ("turn it on", "a lexus turn it on")
    assert hypotheses == Hypotheses(texts, (18.0, 17.0), wake_heard=True, words=words)


def test_unknown_sounds_are_no_words() -> None:
    _, hypotheses = heard(final=alternatives("alexa [unk] turn [unk] on"))
    assert (hypotheses.texts, hypotheses.words) == (("turn [unk] on",), (seconds(0, 2, 4),))


def test_of_many_segments_ten_joined_texts_are_kept() -> None:
    """Background talk of some seconds has a dozen; 5 ** 12 ways to join them would stop the appliance."""
    segment = ("a0", "a1", "a2", "a3", "a4")
    _, hypotheses = heard(*[segment] * 12, final=alternatives(*segment))
    assert len(hypotheses.texts) == 10
    assert hypotheses.texts[0] == " ".join(["a0"] * 13)
    assert {text.count("a1") for text in hypotheses.texts[1:]} == {1}


# One utterance after the other.


def test_each_utterance_has_a_recognizer_of_its_own() -> None:
    first, second = FakeRecognizer(["alexa"], alternatives("alexa one")), FakeRecognizer([], alternatives("alexa two"))
    model = FakeModel(first, second)
    recognizer = VoskRecognizer(model, ["one", "two"], ["alexa"])  # type: ignore[arg-type]
    for text, made in (("one", first), ("two", second)):
        recognizer.begin(after_wake=True)
        recognizer.begin(after_wake=True)
        recognizer.accept(np.arange(5, dtype=np.int16))
        assert recognizer.finish().texts == (text,)
        assert made.heard == b"\0\0\1\0\2\0\3\0\4\0"
    assert len(model.made) == 2, "one that was fed nothing is not made anew"
    assert model.asked[0] == model.asked[1]


def test_the_segments_of_an_utterance_that_was_given_up_are_forgotten() -> None:
    model = FakeModel(FakeRecognizer([("one",)], ""), FakeRecognizer([], alternatives("two")))
    recognizer = VoskRecognizer(model, ["one", "two"], ["alexa"])  # type: ignore[arg-type]
    recognizer.begin(after_wake=True)
    recognizer.accept(CHUNK)
    recognizer.begin(after_wake=True)
    assert recognizer.finish().texts == ("two",)


def test_dictation_is_free_and_joins_its_segments() -> None:
    free = FakeRecognizer(["", ("alexa tell me",)], json.dumps({"text": "a story"}))
    model = FakeModel(FakeRecognizer([], ""), free)
    recognizer = VoskRecognizer(model, ["one"], ["alexa"])  # type: ignore[arg-type]
    assert dictated(recognizer, CHUNK) == "tell me a story"
    assert model.asked[1] is None
    assert free.alternatives == 0
    assert free.heard == SILENCE.tobytes() + CHUNK.tobytes()
