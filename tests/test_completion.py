"""Is a command whole, and may more of it follow?"""

from pathlib import Path

import pytest

from appliance.intent import Completion, Intent
from appliance.understanding import home_file
from appliance.understanding.automaton import word_graph
from appliance.understanding.completion import TAILS_LOOKED_AT, Completeness
from appliance.understanding.language import Language
from appliance.understanding.templates import Templates

HOME = home_file.parse(
    """
areas: [{id: kitchen, name: kitchen}]
devices: [{id: lamp, name: kitchen lamp, kind: light, topic: t, area: kitchen}]
""",
    "home",
)


@pytest.fixture(scope="module")
def language() -> Language:
    return Language.built_in("en", HOME)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("turn off the kitchen lamp", Completion.CLOSED),
        ("please turn off the kitchen lamp", Completion.CLOSED),
        ("turn off the kitchen lamp please", Completion.CLOSED),
        ("turn on the kitchen lamp", Completion.OPEN),  # 'at fifty percent'
        ("turn on", Completion.INCOMPLETE),
        ("turn on the", Completion.INCOMPLETE),
        ("turn on the lights", Completion.OPEN),
        ("set a timer for", Completion.INCOMPLETE),
        ("set a timer for twenty", Completion.INCOMPLETE),
        ("set a timer for twenty minutes", Completion.OPEN),
        ("wake me at seven", Completion.OPEN),  # 'on monday evening': both tell when
        ("remind me at seven", Completion.WIDE_OPEN),  # 'tomorrow to feed the cat'
        ("wake me at seven in the evening on monday", Completion.OPEN),
        ("set the volume to twenty", Completion.OPEN),
        ("set the volume to twenty percent", Completion.CLOSED),
        ("turn off the kitchen lamp and", Completion.INCOMPLETE),
        ("turn off the kitchen lamp and what time is it", Completion.CLOSED),
        ("turn off the kitchen lamp and turn on the lights", Completion.OPEN),
        ("stop", Completion.OPEN),
        ("yes", Completion.CLOSED),
        ("no", Completion.CLOSED),
        ("the weather in norway", Completion.NONE),
        ("what is by plus three", Completion.NONE),
        ("turn off the kitchen lamp and the weather", Completion.NONE),
        ("", Completion.INCOMPLETE),
    ],
)
def test_how_far_a_text_has_come(language: Language, text: str, expected: Completion) -> None:
    assert language.completion(text) is expected


def test_what_may_follow_without_another_meaning_is_not_waited_for(language: Language) -> None:
    """'what time is it getting to be', 'volume up a bit'."""
    assert language.completion("what time is it") is Completion.CLOSED
    assert language.completion("volume up") is Completion.CLOSED


def test_what_no_template_says_word_by_word_may_go_on(language: Language) -> None:
    """An article dropped by the recognizer; halves that borrow words from each other."""
    assert language.completion("turn on kitchen lamp") is Completion.OPEN


def test_every_everyday_phrasing_is_whole() -> None:
    """As typed; but for the few in which the small words that no template needs are missing."""
    tests = Path(__file__).parent
    language = Language.built_in("en", home_file.load(tests / "phrasings_home.yaml"))
    lines = [line.split("\t") for line in (tests / "phrasings_en.txt").read_text().splitlines() if "\t" in line]
    wanted = [text for text, meaning in lines if meaning != "refuse"][::10]
    found = [language.completion(text) for text in wanted]
    assert found.count(Completion.NONE) + found.count(Completion.INCOMPLETE) <= len(wanted) // 20
    assert found.count(Completion.CLOSED) >= len(wanted) // 2


def test_the_more_parts_may_follow_the_wider_open_it_is(tmp_path: Path) -> None:
    file = tmp_path / "sentences.yaml"
    file.write_text(
        """
language: en
intents:
  brew: {data: [{sentences: ["brew coffee [with {milk} [and {sugar}]]"]}]}
  play: {data: [{sentences: ["play music"]}]}
  wake: {data: [{sentences: ["play music on {day} with {milk} and {sugar}"]}]}
lists: {milk: {values: [milk]}, sugar: {values: [sugar]}, day: {values: [monday]}}
""",
        encoding="utf-8",
    )
    language = Language.from_sentences_file(file, "en")
    assert language.completion("brew coffee") is Completion.WIDE_OPEN
    assert language.completion("brew coffee with milk") is Completion.OPEN
    assert language.completion("brew coffee with milk and sugar") is Completion.CLOSED
    assert language.completion("play music") is Completion.OPEN, "what follows would make another command of it"


def test_where_there_is_no_graph_every_whole_command_may_go_on() -> None:
    without = Completeness(None, lambda text: Intent(name="stop") if text == "stop" else None)
    assert without.of("stop") is Completion.OPEN
    assert without.of("sto") is Completion.INCOMPLETE


def test_of_very_many_endings_only_the_longest_is_looked_at() -> None:
    values = [f"{a}{b}" for a in "abcdefgh" for b in "abcdefgh"]
    source = {
        "language": "en",
        "intents": {"go": {"data": [{"sentences": ["go [to {place}]"]}]}},
        "lists": {"place": {"values": values}},
    }
    looked_at: list[str] = []

    def meaning(text: str) -> Intent:
        looked_at.append(text)
        return Intent(name="go")

    graph = word_graph(Templates(source, "test").trees)
    assert Completeness(graph, meaning).of("go") is Completion.OPEN
    assert len(values) > TAILS_LOOKED_AT
    assert len(looked_at) == 2
