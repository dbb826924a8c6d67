"""The wake words that come along: what is in their folders, that they fit, and how people are heard."""

from pathlib import Path

import numpy as np
import pytest

from appliance import wake
from appliance.audio.format import FRAME_SAMPLES, SAMPLE_RATE_HZ, Frame, Pcm
from appliance.config import Config
from appliance.config_files import MANIFEST
from appliance.models import Kind, ModelStore
from appliance.wake import VERIFIER_SUFFIX
from appliance.wake.engine import WakeWord
from appliance.wake.spotter import Spotter
from tools.quantize import card as cards
from tools.quantize.clips import Clip, read_clips, read_pcm

WORDS = ("computer", "jarvis", "stop")
SYNTHETIC_ONLY = ("jarvis", "stop")
"""Nobody said these for the training; their cards must say so."""

MOST_BYTES = 80_000
"""Of the network that always runs."""


def folder(word: str) -> Path:
    return MANIFEST.parent / word


def wakes(word: WakeWord, pcm: Pcm) -> int:
    spotter = Spotter([word])
    silence = np.random.default_rng(1).normal(0.0, 8.0, SAMPLE_RATE_HZ).astype(np.int16)
    heard = np.concatenate([silence, pcm, silence])
    blocks = heard[: heard.size // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    found = sum(len(spotter.process(Frame(index, block))) for index, block in enumerate(blocks))
    spotter.close()
    return found


def test_the_default_word_and_the_stop_word_are_ours() -> None:
    config = Config()
    assert config.wake.words == ["computer"]
    assert config.wake.stop_word == "stop"
    store = ModelStore(MANIFEST, MANIFEST.parent)
    assert set(WORDS) <= {name for name in store.names(Kind.WAKE) if store.entry(name).default}


@pytest.mark.parametrize("word", WORDS)
def test_a_word_comes_with_its_card(word: str) -> None:
    card = cards.read(folder(word) / f"{word}.json")
    assert (folder(word) / f"{word}.tflite").stat().st_size <= MOST_BYTES
    assert card.licence == "Apache-2.0"
    assert card.verifier is not None
    assert card.verifier.model.endswith(VERIFIER_SUFFIX)
    assert card.verifier.features == "oww-features"
    assert card.data
    assert all(row.licence for row in card.data)
    assert card.training["cost of each seed"]
    assert {condition.name for condition in card.det} >= {"clean", "10 dB", "5 dB"}
    text = (folder(word) / "README.md").read_text(encoding="utf-8")
    assert "det.svg" in text
    assert ("synthetic" in card.limits) == (word in SYNTHETIC_ONLY)


@pytest.mark.model
@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_loaded_with_its_verifier(store: ModelStore, word: str) -> None:
    found = wake.find(word, store=store)
    wake.check(found)
    assert found.parts.verifier is not None
    assert wake.find(folder(word) / f"{word}.tflite", store=store).threshold == found.threshold


@pytest.mark.model
@pytest.mark.data
def test_people_who_say_the_default_word_are_heard(store: ModelStore, data_pack: Path) -> None:
    """Of 60 recordings of four people whom the training never heard, at most two are missed, and none wakes twice."""
    word = wake.find("computer", store=store)
    counts = [wakes(word, read_pcm(clip)) for clip in read_clips(data_pack, label="computer", split="dev")]
    assert len(counts) == 60
    assert sum(count == 0 for count in counts) <= 2
    assert max(counts) == 1


@pytest.mark.model
@pytest.mark.data
def test_people_who_say_something_else_are_not(store: ModelStore, data_pack: Path) -> None:
    """Single words and orders; each clip is a beginning after silence, which is where wake words fail."""
    word = wake.find("computer", store=store)
    clips: list[Clip] = [
        *read_clips(data_pack, label="alexa", split="dev")[::2],
        *read_clips(data_pack, label="jarvis", split="dev")[::3],
        *(clip for clip in read_clips(data_pack, split="dev") if "commands" in clip.path.parts),
    ]
    assert len(clips) >= 150
    assert sum(wakes(word, read_pcm(clip)) for clip in clips) == 0
