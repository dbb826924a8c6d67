"""The folders of languages: each is complete, Korean says what it means, and one made here works without any code."""

import dataclasses
import re
import string
from datetime import date, time
from pathlib import Path
from typing import Any

import pytest
import yaml

from appliance.brains import load_language, load_pronunciations, load_reader, load_voice
from appliance.cli.models import run as run_models
from appliance.config import Config, Home, Models
from appliance.config_files import MANIFEST, LoadedConfig
from appliance.doctor import owned
from appliance.errors import ConfigError, ModelError
from appliance.home.actions import ACTIONS, Actions, Situation
from appliance.home.device_actions import COLORS
from appliance.home.phrases import Phrases
from appliance.intent import Intent
from appliance.models import ModelStore
from appliance.speech.recognizer import VoskRecognizer
from appliance.understanding.home_file import HomeConfig
from appliance.understanding.language import Language
from appliance.understanding.language_folder import LANGUAGES, LanguageFolder, built_in, chosen_models
from appliance.understanding.phones import PhoneTable
from tests.test_actions import NOW, Recorder
from tests.test_recognizer import FakeModel, FakeRecognizer, alternatives
from tools import phrasings
from tools.phrasings import meant, read, spelled

ENGLISH = LanguageFolder.of("en")
OTHERS = [name for name in built_in() if name != "en"]


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


# Every folder.


@pytest.mark.parametrize("name", built_in())
def test_a_folder_can_say_every_intent(name: str) -> None:
    assert set(LanguageFolder.of(name).sentences()["intents"]) == set(ACTIONS)


@pytest.mark.parametrize("name", OTHERS)
def test_a_folder_answers_everything_in_its_own_words(name: str) -> None:
    answers, english = LanguageFolder.of(name).answers(), ENGLISH.answers()
    assert list(answers) == list(english)
    assert [key for key, text in answers.items() if placeholders(text) - placeholders(english[key])] == []
    left = [key for key, text in answers.items() if text == english[key] and re.sub(r"{\w+}|\W", "", text)]
    assert left == [], "still English"


@pytest.mark.parametrize("name", OTHERS)
def test_a_folder_names_every_unit_colour_and_day(name: str) -> None:
    spoken, english = LanguageFolder.of(name).spoken(), ENGLISH.spoken()
    assert spoken.keys() == english.keys()
    for part in ("time", "units", "colors"):
        assert spoken[part].keys() == english[part].keys()
    assert (len(spoken["weekdays"]), len(spoken["months"])) == (7, 12)


@pytest.mark.parametrize("name", built_in())
def test_the_colours_that_can_be_said_are_those_that_can_be_set(name: str) -> None:
    sentences = LanguageFolder.of(name).sentences()
    assert {value["out"] for value in sentences["lists"]["color"]["values"]} == set(COLORS)


@pytest.mark.parametrize("name", built_in())
def test_the_models_of_a_folder_are_in_the_manifest(name: str) -> None:
    settings, store = LanguageFolder.of(name).settings, ModelStore(MANIFEST, MANIFEST.parent)
    named = {"recognizer": settings.recognizer, "pronunciations": settings.pronunciations, "voice": settings.voice}
    assert {kind: store.entry(model).kind for kind, model in named.items() if model} == {
        kind: kind for kind, model in named.items() if model
    }
    assert settings.voice or settings.simple_voice


# Korean.


@pytest.fixture(scope="module")
def korean() -> Language:
    return phrasings.language("ko")


@pytest.fixture(scope="module")
def found(korean: Language) -> dict[str, Intent | None]:
    return {phrasing.text: korean.match(phrasing.text) for phrasing in read("ko")}


def test_every_korean_phrasing_is_understood_as_it_is_meant_or_refused(found: dict[str, Intent | None]) -> None:
    known = read("ko")
    assert len(known) >= 60
    assert {name for phrasing in known for name, _ in phrasing.meaning} == set(ACTIONS)
    understood = {text: spelled(meant(intent)) for text, intent in found.items()}
    assert understood == {phrasing.text: spelled(phrasing.meaning) for phrasing in known}


def test_every_korean_phrasing_is_answered_in_korean(korean: Language, found: dict[str, Intent | None]) -> None:
    actions = Actions(phrasings.home("ko"), Recorder(), korean.answer, Phrases.of("ko"))
    situation = Situation(now=NOW, steady_s=0, timers=(), volume=50, last_reply=None, area="", dry_run=False)
    for text, intent in found.items():
        if intent is not None:
            outcome = actions.perform(intent, situation).outcome
            assert outcome.reply or outcome.ends or intent.name in ("volume_mute", "false_wake"), text
            assert not re.search(r"[A-Za-z{}]", outcome.reply or ""), text


@pytest.mark.parametrize(
    "text", ["오 분 타이머 맞춰 줘", "오분 타이머 맞춰줘", "오분타이머맞춰줘", "5분 타이머 맞춰 줘"]
)
def test_blanks_are_of_no_importance_in_korean(korean: Language, text: str) -> None:
    intent = korean.match(text)
    assert intent is not None
    assert (intent.name, intent.values) == ("timer_set", {"duration": 300})


def test_korean_counts_hours_and_things_otherwise_than_minutes() -> None:
    phrases = Phrases.of("ko")
    assert phrases.duration(2 * 3600 + 5 * 60) == "두 시간 오 분"
    assert phrases.time_of_day(time(15, 5)) == "오후 세 시 오 분"
    assert phrases.count(3) == "세"
    assert phrases.number(21.5) == "이십일 점 오"
    assert phrases.calendar_day(date(2026, 6, 7)) == "유월 칠일 일요일"
    assert phrases.listing(["우유", "빵", "쌀"]) == "우유, 빵, 쌀"


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("불", "b u l"),
        ("십오", "s i b o"),
        ("꺼", "kk eo"),
        ("읽어", "i l g eo"),
        ("한국말", "h a n g u ng m a l"),
        ("볼륨", "b o l l y u m"),
        ("좋아", "j o a"),
    ],
)
def test_hangul_sounds_by_rule(word: str, phones: str) -> None:
    assert LanguageFolder.of("ko").phones().spelled(word) == tuple(phones.split())


def test_a_word_with_a_letter_of_another_script_has_no_sound() -> None:
    assert LanguageFolder.of("ko").phones().spelled("tv를") == ()
    assert PhoneTable().spelled("불") == ()


# A language that is made here.

PHONES = {
    "vowels": ["a o", "e i", "u"],
    "consonants": ["p t k", "s", "m n", "l j w"],
    "near": ["p t", "t k", "m n"],
    "letters": {letter: letter for letter in "aeiouptksmnljw"},
}
SETTINGS: dict[str, Any] = {"name": "toki", "code": "en", "recognizer": "toki-small", "signs": {"+": "en"}}
SENTENCES: dict[str, Any] = {
    "intents": {
        "turn_on": {"data": [{"sentences": ["o open e {device}"]}]},
        "stop": {"data": [{"sentences": ["o pini"]}]},
    },
    "lists": {"item": {"values": ["kili"]}, "reminder": {"values": ["moku"]}, "label": {"values": ["telo"]}},
    "joining_words": ["en"],
}
HOME = "devices:\n  - {id: lamp, name: suno, kind: light, topic: t}\n  - {id: fan, name: kon, kind: switch, topic: f}\n"


@pytest.fixture
def own(tmp_path: Path) -> LoadedConfig:
    """The configuration of an owner with a language of his own."""
    folder = tmp_path / "languages" / "toki"
    folder.mkdir(parents=True)
    answers = dict.fromkeys(ENGLISH.answers(), "pona") | {"turned_on": "{device} li open", "done": "pona a"}
    for name, content in {
        "language": SETTINGS,
        "sentences": SENTENCES,
        "phones": PHONES,
        "answers": answers,
        "spoken": ENGLISH.spoken(),
    }.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
    (tmp_path / "home.yaml").write_text(HOME, "utf-8")
    home = Home(language="languages/toki", file="home.yaml")
    return LoadedConfig(config=Config(home=home), folder=tmp_path)


def test_a_folder_of_the_owners_is_a_language(own: LoadedConfig) -> None:
    home = phrasings.home_file.load(own.folder / "home.yaml")
    language = load_language(own, home)
    intent = language.match("o open e suno + o pini")
    assert [command.name for command in intent.commands if intent] == ["turn_on", "stop"]  # type: ignore[union-attr]
    assert intent is not None
    actions = Actions(home, Recorder(), language.answer, Phrases.of(own.language))
    situation = Situation(now=NOW, steady_s=0, timers=(), volume=50, last_reply=None, area="", dry_run=False)
    assert actions.perform(intent, situation).outcome.reply == "Suno li open"


def test_its_letters_are_its_sounds(own: LoadedConfig) -> None:
    language = load_language(own, phrasings.home_file.load(own.folder / "home.yaml"))
    reader = load_reader(own, language)
    assert reader is not None
    reading = reader.read(["o opem e sumo"], [0.0])
    assert reading is not None
    assert reading.intent.values == {"device": "lamp"}


def test_without_sounds_every_word_must_be_heard_right(own: LoadedConfig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    (own.folder / "languages" / "toki" / "phones.yaml").unlink()
    assert load_reader(own, load_language(own, HomeConfig())) is None
    assert "nothing tells how words sound" in caplog.text


def test_an_owner_can_do_without_sounds(own: LoadedConfig) -> None:
    config = Config(home=own.config.home, models=Models(pronunciations="none"))
    assert load_pronunciations(dataclasses.replace(own, config=config)) is None


def test_the_configuration_comes_before_the_language(own: LoadedConfig) -> None:
    config = Config(home=own.config.home, models=Models(voice="piper-en-us-joe"))
    chosen = chosen_models(dataclasses.replace(own, config=config))
    assert (chosen.recognizer, chosen.voice) == ("toki-small", "piper-en-us-joe")


def test_a_language_without_any_voice_is_told(own: LoadedConfig) -> None:
    with pytest.raises(ModelError, match=r"no voice speaks 'languages/toki'; name one in its language\.yaml"):
        load_voice(own, deterministic=True)


def test_the_doctor_tells_what_the_language_lacks(own: LoadedConfig) -> None:
    store = ModelStore(MANIFEST, own.folder / "models")
    told = [str(finding) for finding in owned.models(own, store)]
    assert any('unknown model "toki-small"' in line for line in told), told
    assert any("no voice speaks" in line for line in told), told


def test_installing_asks_for_the_models_of_the_language(own: LoadedConfig) -> None:
    import argparse

    args = argparse.Namespace(action="install", names=[], all=False, origin=None)
    with pytest.raises(ModelError, match='unknown model "toki-small"'):
        run_models(args, own)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({**SETTINGS, "recogniser": "x"}, "language.yaml: Object contains unknown field `recogniser`"),
        ({**SETTINGS, "code": "English"}, "language.yaml: Expected `str` matching regex"),
        ({"name": "toki", "code": "en"}, "missing required field `recognizer`"),
    ],
    ids=["unknown key", "no code", "no recognizer"],
)
def test_wrong_settings_are_told(own: LoadedConfig, settings: dict[str, Any], error: str) -> None:
    path = own.folder / "languages" / "toki" / "language.yaml"
    path.write_text(yaml.safe_dump(settings), "utf-8")
    with pytest.raises(ConfigError, match=re.escape(error)):
        load_language(own, HomeConfig())


def test_a_folder_that_is_none_is_told(own: LoadedConfig) -> None:
    for name in ("languages/klingon", "klingon", ""):
        config = Config(home=Home(language=name))
        with pytest.raises(ConfigError, match="no such language; known: en, ko, or the path"):
            load_language(dataclasses.replace(own, config=config), HomeConfig())


def test_what_a_model_calls_an_unknown_sound_is_unknown() -> None:
    model = FakeModel(FakeRecognizer([], alternatives("<UNK> 불 켜 줘")))
    model.unknown = "<UNK>"
    recognizer = VoskRecognizer(model, ["불 켜 줘"], ["컴퓨터"])  # type: ignore[arg-type]
    recognizer.begin(after_wake=True)
    assert recognizer.finish().texts == ("불 켜 줘",)


def test_no_file_of_a_built_in_language_is_left_out_of_the_package() -> None:
    assert {path.suffix for path in LANGUAGES.rglob("*") if path.is_file()} == {".yaml"}
