"""The recognizer with its model and the real language, on sentences that the voice says."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from appliance.audio.convert import resample
from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from appliance.models import ModelStore
from appliance.runtimes.vosk import VoskModel
from appliance.speech.recognizer import Hypotheses, VoskRecognizer, dictated
from appliance.understander import Understander
from appliance.understanding.language_folder import LanguageFolder
from appliance.voice.piper import PiperVoice
from tests.fakes import language

pytestmark = pytest.mark.model

Say = Callable[[str], Pcm]

SENTENCES = [
    "what time is it",
    "set a timer for ten minutes",
    "set the volume to fifty percent",
    "how long is left on the timer",
    "cancel the timer",
]


@pytest.fixture(scope="module")
def say(store: ModelStore) -> Iterator[Say]:
    """A sentence as sound, with 0.3 s of silence before and after it; the same each time."""
    voice = PiperVoice(store.folder("piper-en-us-joe"), deterministic=True)
    silence = np.zeros(4800, np.int16)

    @cache
    def said(text: str) -> Pcm:
        return np.concatenate([silence, resample(voice.synthesize(text), voice.rate_hz, SAMPLE_RATE_HZ), silence])

    yield said
    voice.close()


@pytest.fixture(scope="module")
def model(store: ModelStore) -> VoskModel:
    return VoskModel(store.folder("vosk-small-en-us"), LanguageFolder.of("en").settings.common_words.split())


@pytest.fixture(scope="module")
def recognizer(model: VoskModel) -> VoskRecognizer:
    return VoskRecognizer(model, language().sentences(), ["alexa"])


def hear(recognizer: VoskRecognizer, pcm: Pcm, *, after_wake: bool, chunk: int = 1600) -> tuple[list[str], Hypotheses]:
    """The partial texts and the result of one utterance."""
    recognizer.begin(after_wake=after_wake)
    partials = [recognizer.accept(pcm[start : start + chunk]) for start in range(0, pcm.size, chunk)]
    return partials, recognizer.finish()


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_is_recognized_and_means_what_was_said(recognizer: VoskRecognizer, say: Say, sentence: str) -> None:
    _, heard = hear(recognizer, say(sentence), after_wake=False)
    intent, meant = language().match_any(heard.texts), language().match(sentence)
    assert intent is not None
    assert meant is not None
    assert (intent.name, intent.values) == (meant.name, meant.values)


def test_the_wake_word_in_front_is_cut_with_and_without_a_pause(recognizer: VoskRecognizer, say: Say) -> None:
    for sound in (say("alexa, what time is it"), np.concatenate([say("alexa"), say("what time is it")])):
        partials, heard = hear(recognizer, sound, after_wake=True)
        assert heard.wake_heard
        assert heard.texts[0] == "what time is it"
        assert partials[-1] == "what time is it"
        assert not any("alexa" in text for text in (*partials, *heard.texts))


def test_what_was_said_is_known_every_0_12_s(recognizer: VoskRecognizer, say: Say) -> None:
    """Not every fifth of a second, the library's own way: that comes on top of a silence that ends a command."""
    for sentence in SENTENCES:
        partials, _ = hear(recognizer, say(sentence), after_wake=False, chunk=320)
        changed = [index for index, (before, after) in enumerate(pairwise(partials)) if before != after]
        assert {(index - changed[0]) % 6 for index in changed} == {0}, changed


def test_the_same_sound_gives_the_same_text_whatever_was_heard_before(recognizer: VoskRecognizer, say: Say) -> None:
    first = hear(recognizer, say("set a timer for ten minutes"), after_wake=False)
    hear(recognizer, say("what time is it") // 20, after_wake=True)
    recognizer.begin(after_wake=True)
    recognizer.accept(say("cancel the timer"))
    assert hear(recognizer, say("set a timer for ten minutes"), after_wake=False) == first


def test_a_recognizer_that_is_new_gives_the_same(model: VoskModel, recognizer: VoskRecognizer, say: Say) -> None:
    other = VoskRecognizer(model, language().sentences(), ["alexa"])
    for sentence in SENTENCES[:2]:
        one = hear(recognizer, say(sentence), after_wake=False)
        assert hear(other, say(sentence), after_wake=False) == one


def test_partial_text_grows_while_it_is_spoken(recognizer: VoskRecognizer, say: Say) -> None:
    partials, heard = hear(recognizer, say("set a timer for ten minutes"), after_wake=False)
    lengths = [len(text.split()) for text in partials]
    assert lengths[0] == 0
    assert lengths[-1] == len(heard.texts[0].split())
    assert len(set(lengths)) >= 4, "it is not heard all at once"


@pytest.mark.parametrize("amplitude", [0, 30, 1000])
def test_silence_and_noise_are_nothing(recognizer: VoskRecognizer, amplitude: int) -> None:
    noise = np.random.default_rng(0).normal(0.0, 1.0, 3 * SAMPLE_RATE_HZ) * amplitude
    _, heard = hear(recognizer, noise.astype(np.int16), after_wake=False)
    assert heard.texts == ()
    assert not heard.wake_heard


def test_a_command_is_further_from_just_any_talk_than_other_speech(recognizer: VoskRecognizer, say: Say) -> None:
    beyond = {}
    for text in (*SENTENCES, "my grandmother likes to eat fish"):
        _, heard = hear(recognizer, say(text), after_wake=False)
        found = heard.beyond_filler(0)
        assert found is not None
        beyond[text] = found / len(text)
    other = beyond.pop("my grandmother likes to eat fish")
    assert other < 0.5 < min(beyond.values())


def test_what_the_language_does_not_say_is_dictated(recognizer: VoskRecognizer, say: Say) -> None:
    said = dictated(recognizer, say("my grandmother likes to eat fish"))
    assert {"grandmother", "fish"} <= set(said.split())


def test_dictation_is_the_same_whatever_was_dictated_before(recognizer: VoskRecognizer, say: Say) -> None:
    noise = np.random.default_rng(0).normal(0.0, 400.0, say("cancel the timer").size)
    sound = (say("cancel the timer") // 8 + noise).astype(np.int16)
    first = dictated(recognizer, sound)
    dictated(recognizer, say("my grandmother likes to eat fish"))
    assert dictated(recognizer, sound) == first


@pytest.mark.parametrize("chunk", [320, 640, 7777])
def test_dictation_is_the_same_in_any_chunks(recognizer: VoskRecognizer, say: Say, chunk: int) -> None:
    sound = np.concatenate(
        [say("cancel the timer"), np.zeros(12_000, np.int16), say("my grandmother likes to eat fish")]
    )
    speech = recognizer.dictation()
    for start in range(0, sound.size, chunk):
        speech.accept(sound[start : start + chunk])
    assert speech.finish() == dictated(recognizer, sound)


def test_what_was_said_is_understood_to_the_end(recognizer: VoskRecognizer, say: Say) -> None:
    """Recognizer and language together, as the worker uses them: a command, and something that is none."""
    understander = Understander(recognizer, language(), post=lambda result: None)
    for text, name in (("set a timer for ten minutes", "timer_set"), ("my grandmother likes to eat fish", None)):
        command = say(text)
        understander.begin(True, before=say("alexa").size)
        understander.hear(np.concatenate([say("alexa"), command]))
        heard = understander.understand()
        said, intent = heard.text, heard.intent
        assert (intent.name if intent else None) == name
        assert said == text if name else "grandmother" in said
