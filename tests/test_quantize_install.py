"""Installing a model of one's own: its entry, its files, and what is refused."""

import json
from pathlib import Path

import msgspec
import pytest

from appliance.config_files import MANIFEST
from appliance.errors import ApplianceError, ConfigError, ModelError
from appliance.models import ModelStore, sha256_of
from appliance.wake.card import VerifierCard
from tools.quantize import card as cards
from tools.quantize.install import Place, check, install

CARD = cards.Card(wake_word="Hello House", micro=cards.Micro(0.83, 3), licence="Apache-2.0")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Files as the steps before leave them; the model is none, for nobody opens it here."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("hello.tflite", "hello.json", "README.md", "det.svg", "notes.txt"):
        (folder / name).write_text(name)
    return folder / "hello.tflite"


def test_a_model_of_ones_own_stands_beside_the_others(model: Path, tmp_path: Path) -> None:
    install(model, CARD, "hello_house", Place(folder=tmp_path / "models"))
    store = ModelStore(MANIFEST, tmp_path / "models")
    entry = store.entry("hello_house")
    assert entry.wake is not None
    assert (entry.wake.phrase, entry.wake.threshold, entry.wake.window) == ("hello house", 0.83, 3)
    assert (entry.licence, entry.default, entry.card) == ("Apache-2.0", False, "hello_house/README.md")
    assert set(entry.files) == {"hello.tflite", "hello.json", "README.md", "det.svg"}
    assert store.folder("hello_house") == tmp_path / "models" / "hello_house"


def test_a_verifier_comes_along(model: Path, tmp_path: Path) -> None:
    model.with_name("hello.verifier.tflite").write_text("a head")
    verifier = VerifierCard(model="hello.verifier.tflite", sha256="", features="oww-features", gate=0.1, threshold=0.6)
    install(model, msgspec.structs.replace(CARD, verifier=verifier), "hello", Place(folder=tmp_path / "models"))
    entry = ModelStore(MANIFEST, tmp_path / "models").entry("hello")
    assert "hello.verifier.tflite" in entry.files
    assert entry.wake is not None
    assert (entry.wake.threshold, entry.wake.window, entry.wake.features) == (0.6, 3, "oww-features")


def test_installed_again_it_is_renewed_and_nothing_else_changes(model: Path, tmp_path: Path) -> None:
    place = Place(folder=tmp_path / "models")
    install(model, CARD, "one", place)
    install(model, CARD, "two", place)
    text = place.manifest.read_text().replace('[[model]]\nname = "two"', '# of last year\n[[model]]\nname = "two"')
    place.manifest.write_text(text)
    model.write_text("better weights")
    install(model, msgspec.structs.replace(CARD, micro=cards.Micro(0.7, 3)), "one", place)
    store = ModelStore(MANIFEST, place.folder)
    assert store.entry("one").wake.threshold == 0.7  # type: ignore[union-attr]
    assert store.entry("one").files["hello.tflite"] == sha256_of(model)
    assert store.folder("two").is_dir()
    changed = place.manifest.read_text()
    assert changed.index('"one"') < changed.index("# of last year") < changed.index('"two"')
    assert not list(place.folder.glob(".*"))


def test_a_shipped_model_goes_into_the_projects_manifest(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "manifest.toml").write_text("# what there is\n" + MANIFEST.read_text().partition("\n\n")[2])
    place = Place(folder=folder, shipped=True)
    install(model, CARD, "hello_house", place)
    store = ModelStore(folder / "manifest.toml", folder)
    assert store.entry("hello_house").default is True
    assert store.names()[:-1] == ModelStore(MANIFEST, tmp_path).names()
    assert place.manifest.read_text().startswith("# what there is\n")


@pytest.mark.parametrize(
    ("name", "words"),
    [("alexa", "another maker's model"), ("Hello House", "no manifest entry"), ("../x", "no manifest")],
)
def test_a_wrong_name_is_refused_and_nothing_is_left(model: Path, tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(ApplianceError, match=words):
        install(model, CARD, name, Place(folder=tmp_path / "models"))
    assert not (tmp_path / "models").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(model: Path, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(ConfigError, match="cannot be written"):
        install(model, CARD, "hello_house", Place(folder=tmp_path / "models"))


@pytest.fixture
def real(store: ModelStore, tmp_path: Path) -> Path:
    """A real model with a card as `card` writes it."""
    path = tmp_path / "word.tflite"
    path.write_bytes((store.folder("alexa") / "alexa.tflite").read_bytes())
    fields = {"wake_word": "Word", "sha256": sha256_of(path)}
    path.with_suffix(".json").write_text(
        json.dumps(fields | {"micro": {"probability_cutoff": 0.8, "sliding_window_size": 5}})
    )
    path.with_name("README.md").write_text("# Word")
    return path


@pytest.mark.model
def test_a_real_model_is_checked(real: Path, capsys: pytest.CaptureFixture[str]) -> None:
    word, card = check(real)
    assert (word.name, word.threshold, card.wake_word) == ("word", 0.8, "Word")
    assert "tells nothing of licence, data, training, det" in capsys.readouterr().err


@pytest.mark.model
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [("0.8", "0.9999", "it gives 0..0.99"), ('"sha256": "', '"sha256": "00', "that of another file")],
)
def test_a_model_that_cannot_work_is_refused(real: Path, old: str, new: str, words: str) -> None:
    card = real.with_suffix(".json")
    card.write_text(card.read_text().replace(old, new))
    with pytest.raises(ModelError, match=words):
        check(real)


@pytest.mark.model
def test_a_model_without_its_card_is_refused(real: Path) -> None:
    real.with_name("README.md").unlink()
    with pytest.raises(ModelError, match="has no card"):
        check(real)
