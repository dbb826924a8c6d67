"""The card beside a wake model: what of it is read, and which disagreements keep the model from being used."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from appliance import wake
from appliance.errors import ModelError
from appliance.models import ModelStore, WakeEngineName, WakeSettings
from appliance.runtimes.tflite import TfliteFile
from appliance.wake.card import Card, card_of, compare, normal

WEIGHTS = b"no model, for nobody opens it here"
THEIRS = {"type": "micro", "wake_word": "Hey House", "author": "N. N.", "version": 2}
MICRO = {"probability_cutoff": 0.9, "sliding_window_size": 5, "feature_step_size": 10, "tensor_arena_size": 22348}
OURS = {
    "sha256": hashlib.sha256(WEIGHTS).hexdigest(),
    "operating_points": [{"chosen": "0.5 false accepts an hour", "threshold": 0.71}],
    "det": [{"name": "clean", "points": [{"threshold": 0.5, "miss_rate": 0.01, "missed": 1}]}],
}


def model(folder: Path, **fields: Any) -> TfliteFile:
    """A file with a card beside it: microWakeWord's, with other fields where they are given."""
    (folder / "house.json").write_text(json.dumps(THEIRS | {"micro": MICRO} | fields))
    return TfliteFile(folder / "house.tflite", WEIGHTS)


def entered(*, phrase: str = "hey house", threshold: float = 0.9, window: int = 5) -> WakeSettings:
    return WakeSettings(engine=WakeEngineName.INT8, phrase=phrase, threshold=threshold, window=window)


def test_a_peers_card_is_read_and_agrees(tmp_path: Path) -> None:
    file = model(tmp_path)
    assert (card_of(file).wake_word, card_of(file).micro.probability_cutoff) == ("Hey House", 0.9)
    compare(file, entered())


def test_a_threshold_that_was_chosen_anew_is_no_disagreement(tmp_path: Path) -> None:
    file = model(tmp_path)
    compare(file, entered(threshold=0.8))
    assert card_of(file).micro.probability_cutoff != 0.8


def test_our_own_card_tells_more(tmp_path: Path) -> None:
    card = card_of(model(tmp_path, **OURS))
    assert [point.threshold for point in card.operating_points] == [0.71]
    assert [(curve.name, curve.at(0.6), curve.at(0.4)) for curve in card.det] == [("clean", 0.01, 0.0)]


def test_a_model_needs_no_card(tmp_path: Path) -> None:
    file = TfliteFile(tmp_path / "house.tflite", WEIGHTS)
    assert card_of(file) == Card()
    compare(file, entered())


@pytest.mark.parametrize(
    ("wake_word", "phrase"), [("Hey House", "hey house"), ("hey_house", "hey house"), (" HEY-HOUSE", "hey  house")]
)
def test_words_are_the_same_however_they_are_written(tmp_path: Path, wake_word: str, phrase: str) -> None:
    compare(model(tmp_path, wake_word=wake_word), entered(phrase=phrase))
    assert normal(wake_word) == "hey_house"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"wake_word": "Hey Mouse"}, "wake_word is 'hey_mouse', but phrase in the manifest is 'hey_house'"),
        ({"wake_word": ""}, "wake_word is '', but phrase in the manifest is 'hey_house'"),
        (
            {"micro": MICRO | {"sliding_window_size": 7}},
            "micro.sliding_window_size is 7, but window in the manifest is 5",
        ),
    ],
)
def test_a_disagreement_names_file_field_and_both_values(tmp_path: Path, fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ModelError) as refusal:
        compare(model(tmp_path, **fields), entered())
    assert str(refusal.value) == f"{tmp_path}/house.json: {reason}; correct the manifest, or install the model again"


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"micro": MICRO | {"probability_cutoff": 1.5}}, "$.micro.probability_cutoff"),
        ({"micro": MICRO | {"probability_cutoff": 0}}, "$.micro.probability_cutoff"),
        ({"micro": MICRO | {"probability_cutoff": "high"}}, "$.micro.probability_cutoff"),
        ({"micro": MICRO | {"sliding_window_size": 0}}, "$.micro.sliding_window_size"),
        ({"micro": MICRO | {"feature_step_size": 20}}, "$.micro.feature_step_size"),
        ({"micro": 3}, "$.micro"),
        ({"wake_word": None}, "$.wake_word"),
        ({"operating_points": [{"chosen": "best", "threshold": 7}]}, "$.operating_points"),
        ({"operating_points": [{"threshold": 0.7}]}, "$.operating_points"),
        ({"det": [{"name": "clean", "points": [{"threshold": 0.5}]}]}, "$.det"),
    ],
)
def test_what_is_no_card_is_refused_naming_the_field(tmp_path: Path, fields: dict[str, Any], place: str) -> None:
    with pytest.raises(ModelError) as refusal:
        card_of(model(tmp_path, **fields))
    assert f"{tmp_path}/house.json: not a description of a wake word" in str(refusal.value)
    assert place in str(refusal.value)


def test_the_card_of_another_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"house\.json: its sha256 is that of another file than house\.tflite"):
        card_of(model(tmp_path, sha256="0" * 64))


@pytest.mark.model
@pytest.mark.parametrize("name", ["alexa", "hey_jarvis", "hey_mycroft", "okay_nabu"])
def test_peers_models_are_good(store: ModelStore, name: str) -> None:
    word = wake.find(name, store=store)
    assert card_of(word.parts.files[0]).micro.sliding_window_size == word.window
    wake.check(word)


@pytest.mark.model
def test_a_threshold_that_no_score_reaches_is_refused(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "word.tflite").write_bytes((store.folder("alexa") / "alexa.tflite").read_bytes())
    (tmp_path / "word.json").write_text(json.dumps(THEIRS | {"micro": MICRO | {"probability_cutoff": 0.999}}))
    word = wake.find(tmp_path / "word.tflite", store=store)
    with pytest.raises(ModelError, match=r"word\.tflite: its threshold is 0\.999 and it gives 0\.\.0\.9961 at most"):
        wake.check(word)
    with pytest.raises(ModelError, match="at most"):
        wake.load(tmp_path / "word.tflite", store=store)
