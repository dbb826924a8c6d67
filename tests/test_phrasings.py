"""Everyday phrasings, written before the sentence templates were looked at: each is understood as meant, or refused.

The list is `phrasings_en.txt`; how it fares when it is spoken, `tools/bench_phrasings.py` tells.
"""

from collections import Counter

import pytest
import yaml

from appliance.errors import ConfigError
from appliance.home.actions import ACTIONS, Actions, Situation
from appliance.home.phrases import Phrases
from appliance.intent import Intent
from appliance.understanding import home_file
from appliance.understanding.language import Language
from appliance.understanding.language_folder import LANGUAGES
from tests.test_actions import NOW, Recorder
from tools import phrasings
from tools.phrasings import HOME, meant, read, spelled

LIST = read()
REFUSED_AT_MOST = 0.1


@pytest.fixture(scope="module")
def language() -> Language:
    return phrasings.language()


@pytest.fixture(scope="module")
def found(language: Language) -> dict[str, Intent | None]:
    """What the language makes of each phrasing; 1 to 2 ms each."""
    return {phrasing.text: language.match(phrasing.text) for phrasing in LIST}


def test_the_list_is_long_and_says_everything_once(language: Language) -> None:
    texts = [phrasing.text for phrasing in LIST]
    assert len(texts) >= 500
    assert [text for text, count in Counter(texts).items() if count > 1] == []
    assert {name for phrasing in LIST for name, _ in phrasing.meaning} == set(ACTIONS)
    assert sum(not phrasing.meaning for phrasing in LIST) / len(LIST) <= REFUSED_AT_MOST


def test_every_phrasing_is_understood_as_it_is_meant_or_refused(found: dict[str, Intent | None]) -> None:
    understood = {text: spelled(meant(intent)) for text, intent in found.items()}
    assert understood == {phrasing.text: spelled(phrasing.meaning) for phrasing in LIST}


def test_every_phrasing_is_answered(language: Language, found: dict[str, Intent | None]) -> None:
    """All answers exist and get their values, whatever the situation; what is not done says why."""
    actions = Actions(home_file.load(HOME), Recorder(), language.answer, Phrases.of("en"))
    situation = Situation(now=NOW, steady_s=0, timers=(), volume=50, last_reply=None, area="study", dry_run=False)
    for text, intent in found.items():
        if intent is None:
            continue
        outcome = actions.perform(intent, situation).outcome
        assert outcome.reply or outcome.ends or intent.name in ("volume_mute", "false_wake"), text
        assert outcome.ok or outcome.detail, text
        assert "{" not in (outcome.reply or ""), text


def test_the_home_adds_to_the_lists_of_the_language() -> None:
    home = home_file.parse(
        "lists:\n  - {name: item, values: [maple syrup]}\n  - {name: label, values: [{say: the ribs, value: ribs}]}",
        "home",
    )
    known = Language.built_in("en", home)
    assert meant(known.match("add maple syrup to the list")) == (("shopping_add", {"item": "maple syrup"}),)
    assert meant(known.match("add milk to the list")) == (("shopping_add", {"item": "milk"}),)
    assert meant(known.match("how long left on the ribs")) == (("timer_ask", {"label": "ribs"}),)
    with pytest.raises(ConfigError, match="lists: 'item' belongs to the built-in language"):
        Language.built_in("en", home_file.parse("lists:\n  - {name: item, from: 1, to: 2}", "home"))


def test_no_name_is_given_twice_in_the_files_of_a_language() -> None:
    """The files are merged: a list of the same name in another file would replace this one."""
    for kind in ("intents", "lists", "expansion_rules"):
        for folder in (path for path in LANGUAGES.iterdir() if path.is_dir()):
            files = [yaml.safe_load(path.read_text("utf-8")) for path in sorted(folder.glob("sentences*.yaml"))]
            names = Counter(name for file in files for name in file.get(kind, {}))
            assert [name for name, count in names.items() if count > 1] == [], (folder.name, kind)


def test_every_colour_and_unit_of_the_language_has_a_name() -> None:
    phrases = Phrases.of("en")
    comfort = yaml.safe_load((LANGUAGES / "en" / "sentences_home.yaml").read_text("utf-8"))
    sums = yaml.safe_load((LANGUAGES / "en" / "sentences_sums.yaml").read_text("utf-8"))
    assert all(phrases.color(value["out"]) for value in comfort["lists"]["color"]["values"])
    units = [
        value["out"] for name in sums["lists"] if name.endswith("_unit") for value in sums["lists"][name]["values"]
    ]
    assert len(units) > 20
    assert all(phrases.unit(unit, 2) for unit in units)
