"""The page for owners, docs/own-sentences.md: its examples do what it says."""

import argparse
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from appliance.audio.format import Pcm
from appliance.cli import VERBS, main, understand
from appliance.cli.sentence_checks import Finding, overlapping, subject
from appliance.config import Config, Home
from appliance.config_files import PROJECT, LoadedConfig, load
from appliance.errors import AudioError
from appliance.models import ModelStore

PAGE = (PROJECT / "docs" / "own-sentences.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All the page's pieces as one home file."""
    whole: dict[str, list[object]] = {}
    for piece in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        for key, items in yaml.safe_load(piece).items():
            whole.setdefault(key, []).extend(items)
    path = tmp_path_factory.mktemp("home") / "my-home.yaml"
    path.write_text(yaml.safe_dump(whole, allow_unicode=True))
    return path


def configured(home: Path) -> LoadedConfig:
    return LoadedConfig(config=Config(home=Home(file=home.name)), folder=home.parent)


MEANT = {
    "turn on the bedside lamp": ("turn_on", {"device": "bedside"}),
    "turn off the lights in the lounge": ("turn_off", {"area": "living_room"}),
    "put on jazz": ("radio_play", {"channel": "7"}),
    "dinner is ready": ("dinner", {}),
}


def test_every_typed_example_is_understood(home: Path) -> None:
    examples = re.findall(r'understand --text "([a-z ]+)"', PAGE)
    assert examples == list(MEANT)
    language = subject(configured(home), home).language
    for text in examples:
        intent = language.match(text)
        assert intent is not None, text
        assert intent.name == MEANT[text][0], text
        assert MEANT[text][1].items() <= intent.values.items(), text
    lumiere = language.match("turn on the loom year")
    assert lumiere is not None
    assert lumiere.slots["device"] == "lumière"


def test_the_examples_are_free_of_errors(home: Path) -> None:
    assert [finding for finding in overlapping(subject(configured(home), home)) if finding.level == "error"] == []


def test_the_page_names_every_kind_of_finding_and_only_verbs_that_there_are() -> None:
    kinds = Finding.__annotations__["kind"].__args__
    assert re.findall(r"^\| `([a-z]+)`", PAGE, re.MULTILINE) == list(kinds)
    assert set(re.findall(r"appliance ([a-z]+) (?:check|--)", PAGE)) <= set(VERBS)


@pytest.mark.model
def test_a_sentence_said_into_the_microphone_is_understood(
    store: ModelStore, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from appliance.audio.convert import resample
    from appliance.brains import load_voice

    loaded = configured(home)
    voice = load_voice(loaded, deterministic=True)
    sound = resample(voice.synthesize("turn on the bedside lamp"), voice.rate_hz, 16_000)
    voice.close()
    silence = np.zeros(8_000, np.int16)

    def record(config: LoadedConfig) -> Pcm:
        assert config is loaded
        return np.concatenate([silence, sound, silence])

    arguments = argparse.Namespace(audio=[], text=[], record=True, sentences=None, json=False)
    assert understand.run(arguments, loaded, record=record) == 0
    assert 'microphone: "turn on the bedside lamp": turn_on {"device": "bedside"}' in capsys.readouterr().out

    def nobody(config: LoadedConfig) -> Pcm:
        raise AudioError("microphone: nothing was said; check its level and mute switch")

    assert understand.run(arguments, loaded, record=nobody) == 1
    assert "nothing was said" in capsys.readouterr().err


def test_own_sentences_instead_of_the_built_in_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("language: en\nintents: {brew: {data: [{sentences: [brew some tea]}]}}\n")
    assert main(["understand", "--sentences", str(path), "--text", "Brew some tea!", "--text", "what time is it"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("Brew some tea!: ")
    assert "brew {}" in first
    assert "refused" in second
    assert load(None).cache is not None, "what is learned is kept where the command line reads a file"
