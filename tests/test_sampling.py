"""What the recognizer is taught: every word, in fair proportion, the same in every process."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from appliance.config_files import PROJECT
from appliance.errors import ConfigError
from appliance.understanding import home_file, sampling
from appliance.understanding.language import Language
from appliance.understanding.templates import Templates
from appliance.understanding.words import words_of

HOME_FILE = PROJECT / "firmware_config" / "home.yaml"
ORDERS = {"a": ["(go|run)", "set [the] {thing} [to {number}] [and {other}]"], "b": ["{number} light[s] [(on|off)]"]}


def templates(intents: dict[str, list[str]], **settings: Any) -> Templates:
    source = {
        "language": "en",
        "intents": {name: {"data": [{"sentences": sentences}]} for name, sentences in intents.items()},
        "lists": {
            "thing": {"values": [f"thing {letter}" for letter in "abcdefgh"]},
            "other": {"values": ["one (big|small) other", "two others"]},
            "number": {"range": {"from": 0, "to": 100}},
            "nothing": {"values": []},
            "free": {"wildcard": True},
        },
        "expansion_rules": {"colour": "(red|green) [colour]"},
        **settings,
    }
    return Templates(source, "test")


def texts(intents: dict[str, list[str]], count: int = 100, seed: int = 0) -> list[str]:
    return [text for _, text in sampling.sampled(templates(intents).trees, count, seed)]


@pytest.fixture(scope="module")
def language() -> Language:
    return Language.built_in("en", home_file.load(HOME_FILE), area="kitchen")


def test_a_small_template_gives_all_it_has() -> None:
    assert sorted(texts({"a": ["(go|run) [now]", "stop"]})) == ["go", "go now", "run", "run now", "stop"]
    assert sorted(texts({"a": ["<colour> light[s]"]})) == [
        "green colour light", "green colour lights", "green light", "green lights",
        "red colour light", "red colour lights", "red light", "red lights",
    ]  # fmt: skip
    assert sorted(texts({"a": ["(one;two)"]})) == ["one two", "two one"]


def test_numbers_are_words_without_hyphens() -> None:
    found = texts({"a": ["{number}"]}, 200)
    assert len(found) == 101
    assert {"zero", "seven", "twenty one", "ninety nine", "one hundred"} <= set(found)
    assert not any(sign.isdigit() or sign == "-" for text in found for sign in text)


def test_what_cannot_be_said_is_left_out() -> None:
    assert sorted(texts({"a": ["go [to {nothing}]", "play {free}", "(play {free}|stop)"]})) == ["go", "stop"]


def test_count_shares_and_no_sentence_twice() -> None:
    found = sampling.sampled(templates({**ORDERS, "c": ["{thing} {number} {other}"]}).trees, 300, 0)
    assert len({text for _, text in found}) == len(found)
    assert 300 <= len(found) <= 320
    shares = Counter(intent for intent, _ in found)
    assert all(60 <= share <= 140 for share in shares.values())


def test_what_is_usual_comes_more_often() -> None:
    """A template of rank k gives a k-th of what the first of its block gives; so do the alternatives in brackets."""
    lines = [f"{word} {{number}} {{thing}}" for word in ("set", "put", "make", "bring")]
    trees = templates({"a": lines, "b": ["(turn|switch|flip) [the|my] {number} {thing}"]}, usual_first=True).trees
    assert [template.rank for template in trees] == [1, 2, 3, 4, 1]
    words = Counter(word for _, text in sampling.sampled(trees, 740, 0) for word in text.split())
    assert words["set"] >= 1.9 * words["put"] >= 3.6 * words["bring"] > 150
    assert words["turn"] >= 2.5 * words["flip"] > 100
    assert words["the"] >= 1.9 * words["my"]
    assert max(words[thing] for thing in "abcdefgh") <= 1.5 * min(words[thing] for thing in "abcdefgh")


def test_a_rare_wording_costs_the_usual_one_little() -> None:
    def first(count: int, *, usual_first: bool) -> int:
        lines = [f"say{'s' * k} {{number}} {{thing}}" for k in range(count)]
        trees = templates({"a": lines, "b": ["{number} {thing} more"]}, usual_first=usual_first).trees
        return sum(text.startswith("say ") for _, text in sampling.sampled(trees, 600, 0))

    assert first(20, usual_first=True) > 0.85 * first(10, usual_first=True)
    assert first(20, usual_first=False) < 0.6 * first(10, usual_first=False)


def test_without_an_order_all_are_as_usual() -> None:
    assert {template.rank for template in templates(ORDERS).trees} == {1}
    found = texts({"a": ["(turn|switch|flip) [the|my] {number} {thing}"]}, 300)
    counts = Counter(text.split()[0] for text in found)
    assert max(counts.values()) - min(counts.values()) <= 15
    with pytest.raises(ConfigError, match=r"test: .*usual_first = 'maybe': must be true or false"):
        templates(ORDERS, usual_first="maybe")


def test_every_word_occurs_even_when_few_sentences_are_asked_for() -> None:
    trees = templates(ORDERS).trees
    found = {word for _, text in sampling.sampled(trees, 10, 0) for word in text.split()}
    assert found == words_of(trees)
    assert {"lights", "light", "hundred", "h", "big", "others", "off"} <= found
    assert "s" not in found


def test_other_seed_other_sentences() -> None:
    assert texts(ORDERS, seed=1) == texts(ORDERS, seed=1) != texts(ORDERS, seed=2)


def test_always_says() -> None:
    for template, always in {
        "set {number}": True,
        "set [{number}]": False,
        "({number} up|down)": False,
        "({number} up|down {number})": True,
        "set {number:other}": False,
    }.items():
        assert sampling.always_says(templates({"a": [template]}).trees[0].tree, "number") is always


def test_skip_words_stand_before_and_behind() -> None:
    plain = [("a", f"go {number}") for number in range(100)]
    found = sampling.with_skip_words(plain, ("please", "can you"), 0)
    assert found[:100] == plain
    added = [text for _, text in found[100:]]
    assert len(added) == 12
    assert {text.replace("go", "").strip(" 0123456789") for text in added} == {"please", "can you"}
    assert any(text.endswith("please") for text in added)
    assert not any(text.endswith("can you") for text in added)
    assert sampling.with_skip_words(plain, (), 0) == plain


def test_the_built_in_language_is_drawn_without_repeating(language: Language) -> None:
    sentences = language.sentences()
    assert len(set(sentences)) == len(sentences)
    assert 5000 <= len(sentences) <= 6500


def test_every_word_of_the_built_in_language_is_taught(language: Language) -> None:
    taught = {word for sentence in language.sentences() for word in sentence.split()}
    assert taught == language.words()
    assert {"pasta", "ninety", "lounge", "lights", "hundred", "please", "blinds"} <= taught
    assert not any(sign not in "abcdefghijklmnopqrstuvwxyz' " for sentence in taught for sign in sentence)


def test_taught_sentences_are_understood(language: Language) -> None:
    for sentence in language.sentences(500, seed=7)[::10]:
        assert language.match(sentence) is not None or language.agrees(sentence) is not None, sentence


def test_sampled_sentence_matches_its_own_intent(language: Language) -> None:
    pairs = language.sampled(500, seed=3)
    assert {intent for intent, _ in pairs} == language.intents()
    for intent, sentence in pairs[::10]:
        match = language.match(sentence)
        assert match is not None, sentence
        assert match.name == intent, sentence


def test_same_sentences_in_another_process(language: Language) -> None:
    program = (
        "import json, pathlib; from appliance.understanding import home_file; "
        "from appliance.understanding.language import Language; "
        f"home = home_file.load(pathlib.Path({str(HOME_FILE)!r})); "
        "print(json.dumps(Language.built_in('en', home, area='kitchen').sentences(400, 5)))"
    )
    command = [sys.executable, "-c", program]
    there = subprocess.run(command, capture_output=True, check=True, env={"PYTHONHASHSEED": "77"}, cwd=PROJECT)
    assert json.loads(there.stdout) == language.sentences(400, 5)


@pytest.mark.data
def test_drink_orders_say_every_word(data_pack: Path) -> None:
    language = Language.from_sentences_file(data_pack / "commands" / "sentences.yaml", "en")
    sentences = language.sentences()
    assert 3000 <= len(sentences) <= 3100
    assert {word for sentence in sentences for word in sentence.split()} == language.words()
