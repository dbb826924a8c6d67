# ruff: noqa: RUF001 (letters of the phonetic alphabet look like others, and are meant)
"""What a wake word is made of, what sounds like it, and what people say otherwise."""

import struct
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import ModelError, StageError, UsageError
from appliance.models import ModelStore
from appliance.understanding.home_file import HomeConfig
from appliance.understanding.language import Language
from tools.quantize import vocabulary, words
from tools.quantize.phonemes import CONSONANTS, GLIDES, INVENTORY, VOWELS, distance, distances, numbered, phonemes


@pytest.fixture(scope="module")
def espeak() -> None:
    """The library that knows pronunciations; the test is skipped where it is not."""
    try:
        phonemes("yes")
    except StageError as error:
        pytest.skip(str(error))


# ---- sounds


def test_a_distance_is_one() -> None:
    for one in INVENTORY:
        assert distance((one,), (one,)) == 0.0
        for other in INVENTORY:
            apart = distance((one,), (other,))
            assert apart == pytest.approx(distance((other,), (one,)))
            assert one == other or 0.0 < apart <= 2.0


@pytest.mark.parametrize(
    ("near", "far"),
    [("pb", "pz"), ("td", "tm"), ("sz", "sk"), ("mn", "mf"), ("iɪ", "iɑ"), ("uʊ", "uæ"), ("ɛæ", "ɛu"), ("ji", "ti")],
)
def test_similar_sounds_are_nearer(near: str, far: str) -> None:
    assert distance((near[0],), (near[1],)) < distance((far[0],), (far[1],))


def test_sounds_left_out_and_slipped_in() -> None:
    assert distance(("k", "æ", "t"), ("k", "æ")) == 1.0
    assert distance(("k", "æ"), ("k", "æ", "ə")) == pytest.approx(0.6)
    assert distance((), ("k", "æ", "t")) == 3.0
    assert distance((), ()) == 0.0


def test_many_distances_at_once_are_those_of_each() -> None:
    random = np.random.default_rng(0)
    many = [tuple(random.choice(INVENTORY, random.integers(0, 9))) for _ in range(60)]
    target = ("k", "ə", "m", "p", "j", "u", "ɾ", "ɚ")
    assert distances(target, numbered(many)) == pytest.approx([distance(target, other) for other in many])


def test_no_sound_is_both_vowel_and_consonant() -> None:
    assert len(set(INVENTORY)) == len(VOWELS) + len(GLIDES) + len(CONSONANTS)


# ---- the vocabulary


def _bits(bits: str) -> bytes:
    padded = [int(bit) for bit in bits] + [0] * (-len(bits) % 64)
    return np.packbits(padded, bitorder="little").tobytes()


def _text(text: str) -> bytes:
    return struct.pack("<i", len(text)) + text.encode()


def model_bytes() -> bytes:
    """A language model of three words: a sentence begins with 'the'; behind it comes 'cat' or 'dog'; then it ends.

    States: 0 nothing known, 1 at the beginning, 2 behind 'the', 3 behind 'dog'.
    """
    table = struct.pack("<I", vocabulary._SYMBOLS_MAGIC) + _text("words") + struct.pack("<qq", 4, 4)
    table += b"".join(_text(w) + struct.pack("<q", n) for n, w in enumerate(["<eps>", "cat", "the", "dog"]))
    futures = [[(1, 0.2), (2, 0.5), (3, 0.2)], [(2, 1.0)], [(1, 0.75), (3, 0.25)], []]
    endings = {0: 0.1, 3: 1.0}
    data = struct.pack("<I", vocabulary._FST_MAGIC) + _text("ngram") + _text("standard")
    data += struct.pack("<iiQqqq", 4, 3, 0, 1, 4, 0) + table * 2
    pairs = [pair for state in futures for pair in state]
    data += struct.pack("<QQQ", 4, len(pairs), len(endings))
    data += _bits("10" + "1110" + "000") + _bits("".join("0" + "1" * len(state) for state in futures) + "0")
    data += _bits("".join(str(int(state in endings)) for state in range(4)))
    data += np.array([-1, 0, 2, 3, -1], "<i4").tobytes()
    data += np.array([word for word, _ in pairs], "<i4").tobytes() + np.zeros(5, "<f4").tobytes()
    data += (-np.log(np.array(list(endings.values()), "<f4"))).astype("<f4").tobytes()
    return data + (-np.log(np.array([chance for _, chance in pairs]))).astype("<f4").tobytes()


@pytest.fixture
def small(tmp_path: Path) -> vocabulary.Vocabulary:
    (tmp_path / "Gr.fst").write_bytes(model_bytes())
    return vocabulary.read(tmp_path / "Gr.fst")


def test_words_and_how_often_they_are_said(small: vocabulary.Vocabulary) -> None:
    assert small.words == ("the", "cat", "dog")
    assert small.share_of("the") == pytest.approx(0.5 / 0.9, abs=1e-6)
    assert small.share_of("cow") == 0.0


def test_talk_follows_the_pairs(small: vocabulary.Vocabulary) -> None:
    random = np.random.default_rng(1)
    said = [small.talk(random, most_words=2, among=3) for _ in range(400)]
    assert {words[0] for words in said} == {"the"}
    share = sum(words == ["the", "cat"] for words in said) / len(said)
    assert 0.68 < share < 0.82
    assert all(len(words) == 2 for words in said)
    assert {word for _ in range(50) for word in small.talk(random, most_words=9, among=1)} == {"the"}


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    whole = model_bytes()
    for damaged in (b"", b"text", whole[: len(whole) // 2], whole[:90] + b"\xff" * 8 + whole[98:]):
        (tmp_path / "Gr.fst").write_bytes(damaged)
        with pytest.raises(ModelError, match="not a language model of the known form"):
            vocabulary.read(tmp_path / "Gr.fst")
    with pytest.raises(ModelError, match="appliance models install"):
        vocabulary.read(tmp_path / "none.fst")


# ---- pronunciation


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "1 to 60 characters"),
        ("a" * 61, "1 to 60 characters"),
        ("r2d2", "'2' has no pronunciation"),
        ("日本", "has no pronunciation; spell it out"),
        ("привет", "'привет' has no pronunciation"),
        ("xkcd", "'xkcd' has no vowel"),
        ("hey shh", "'shh' has no vowel"),
        (" - ", "no pronunciation"),
    ],
)
def test_what_is_no_word_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        words.pronounce(text)


@pytest.mark.usefixtures("espeak")
def test_pronunciations() -> None:
    computer = words.pronounce(" Computer ")
    assert (computer.text, computer.warning) == ("computer", None)
    assert computer.phonemes == ("k", "ə", "m", "p", "j", "u", "ɾ", "ɚ")
    assert words.pronounce("View  Glass").phonemes == ("v", "j", "u", "ɡ", "l", "æ", "s")
    assert phonemes("commuter") == ("k", "ə", "m", "j", "u", "ɾ", "ɚ")


@pytest.mark.model
@pytest.mark.usefixtures("espeak", "store")
def test_a_short_word_is_warned_of_with_what_to_expect() -> None:
    warning = words.pronounce("stop").warning
    assert warning is not None
    assert "has 4 sounds, 5 or more are wanted" in warning
    assert "about 10 times in an hour" in warning


@pytest.mark.model
@pytest.mark.usefixtures("espeak", "store")
def test_what_sounds_like_the_word() -> None:
    found = words.confusables("computer", 90)
    assert len(found) == len({item.text for item in found}) == 90
    assert found == sorted(found) == words.confusables("computer", 90)
    texts = [item.text for item in found]
    assert {"commuter", "a commuter", "compute", "compute a", "puter", "composer"} <= set(texts)
    assert not {"computer", "computers", "computer's", "supercomputer", "come pewter"} & set(texts)
    target = words.pronounce("computer").phonemes
    for item in found:
        assert item.distance == pytest.approx(distance(target, phonemes(item.text)), abs=0.01)
        assert item.distance >= words.NEAREST_WORD
    assert not any(text.startswith(words.RUDE) for text in texts)


@pytest.mark.model
@pytest.mark.usefixtures("espeak", "store")
@pytest.mark.parametrize(("word", "near"), [("jarvis", "tardis"), ("alexa", "lex"), ("view glass", "glass")])
def test_other_words_have_their_own(word: str, near: str) -> None:
    assert near in [item.text for item in words.confusables(word, 60)]
    assert len(words.confusables(word, 7)) == 7


@pytest.mark.model
@pytest.mark.usefixtures("espeak", "store")
def test_what_people_say_for_the_word_is_no_negative() -> None:
    assert not {"lexa", "a lex"} & {item.text for item in words.confusables("alexa", 60)}


@pytest.mark.model
@pytest.mark.usefixtures("store")
def test_sentences() -> None:
    said = words.sentences(400, seed=3, without="turn")
    assert len(set(said)) == 400
    assert said == words.sentences(400, seed=3, without="turn") != words.sentences(400, seed=4, without="turn")
    assert not any("turn" in text.split() or " turn" in text for text in said)
    lengths = [len(text.split()) for text in said]
    assert 4 <= np.mean(lengths) <= 9
    assert 100 <= sum(length <= 2 for length in lengths) <= 160
    assert max(lengths) <= 30
    commands = set(Language.built_in("en", HomeConfig()).sentences(max(100, round(400 * words.COMMAND_SHARE)), 3))
    assert len(commands & set(said)) == pytest.approx(400 * words.COMMAND_SHARE, rel=0.35)


@pytest.mark.model
def test_the_vocabulary_of_the_recognizer(store: ModelStore) -> None:
    known = vocabulary.read(store.folder(vocabulary.MODEL) / vocabulary.FILE)
    assert len(known.words) > 150_000
    assert known.words[:3] == ("the", "and", "to")
    assert known.shares.sum() == pytest.approx(1.0)
    assert known.shares[: words.COMMON_WORDS].sum() > 0.98
    behind = np.add.reduceat(known.chances, known.first_pair[:5000])[:-1] + known.endings[:4999]
    assert behind.max() < 1.001
