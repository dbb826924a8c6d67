"""The manifest is read strictly, and a model is handed out only when every file of it is unharmed."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.config import Config
from appliance.config_files import MANIFEST, LoadedConfig
from appliance.errors import ConfigError, ModelError
from appliance.models import Kind, ModelStore, Status, WakeEngineName
from appliance.understanding.language_folder import needed_models

WEIGHTS = b"weights of a small model"
MODEL = f"""
[[model]]
name = "ear"
kind = "recognizer"
purpose = "Hears."
licence = "MIT"
card = "https://maker.example/ear"
size_bytes = {len(WEIGHTS)}
sources = [{{ package = "ear==1.0", folder = "ear/data" }}]
[model.files]
"am/weights.bin" = "{hashlib.sha256(WEIGHTS).hexdigest()}"
"""
WAKE = MODEL.replace('"ear"', '"word"').replace('"recognizer"', '"wake"') + (
    '[model.wake]\nengine = "int8"\nphrase = "hey you"\nthreshold = 0.9\nwindow = 5\n'
)


def store_of(folder: Path, text: str = MODEL) -> ModelStore:
    (folder / "manifest.toml").write_text(text)
    return ModelStore(folder / "manifest.toml", folder)


def put(folder: Path, content: bytes = WEIGHTS) -> None:
    (folder / "ear" / "am").mkdir(parents=True)
    (folder / "ear" / "am" / "weights.bin").write_bytes(content)


def test_installed_model_gives_its_folder(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    put(tmp_path)
    assert store.status("ear") is Status.INSTALLED
    assert store.folder("ear") == tmp_path / "ear"


def test_missing_model_names_the_command_that_installs_it(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    assert store.status("ear") is Status.MISSING
    with pytest.raises(ModelError, match=r'model "ear" is not installed; run `appliance models install ear`'):
        store.folder("ear")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda file: file.write_bytes(WEIGHTS[:-1]), "am/weights.bin has the wrong content"),
        (lambda file: file.write_bytes(bytes(len(WEIGHTS))), "am/weights.bin has the wrong content"),
        (lambda file: file.unlink(), "am/weights.bin is missing"),
        (lambda file: (file.unlink(), file.mkdir()), "am/weights.bin cannot be read"),
    ],
    ids=["cut off", "other content", "gone", "a folder"],
)
def test_damaged_model_names_file_and_remedy(tmp_path: Path, spoil: Callable[[Path], object], words: str) -> None:
    store = store_of(tmp_path)
    put(tmp_path)
    spoil(tmp_path / "ear" / "am" / "weights.bin")
    assert store.status("ear") is Status.DAMAGED
    with pytest.raises(ModelError, match=rf"is damaged: file {words}.*run `appliance models install ear`"):
        store.folder("ear")


def test_a_folder_is_hashed_once_but_status_looks_again(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    put(tmp_path)
    store.folder("ear")
    (tmp_path / "ear" / "am" / "weights.bin").write_bytes(b"later")
    assert store.folder("ear") == tmp_path / "ear"
    assert store.status("ear") is Status.DAMAGED


def test_unknown_name_proposes_near_ones(tmp_path: Path) -> None:
    store = store_of(tmp_path, MODEL + WAKE)
    with pytest.raises(ModelError, match=r'unknown model "eer": did you mean ear\Z'):
        store.folder("eer")
    with pytest.raises(ModelError, match="`appliance models list` names those"):
        store.entry("zzzzzz")


def test_names_by_kind(tmp_path: Path) -> None:
    store = store_of(tmp_path, MODEL + WAKE)
    assert store.names() == ["ear", "word"]
    assert store.names(Kind.WAKE) == ["word"]
    assert store.names(Kind.VOICE) == []


def changed(old: str, new: str, text: str = MODEL) -> str:
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (changed("purpose =", "porpose ="), r'model "ear": .*(unknown key porpose|purpose)'),
        (MODEL + "colour = 1\n", r'model "ear", files'),
        (changed("folder =", "folders ="), r'model "ear", sources\[0\]: .*unknown key folders'),
        (changed('package = "ear==1.0"', 'package = "ear"'), r'model "ear", sources\[0\]\.package: '),
        (changed('package = "ear==1.0"', 'url = "http://x.example"'), r'model "ear", sources\[0\]\.url: '),
        (changed('package = "ear==1.0", ', ""), r"names a package, a url or a path"),
        (changed('"am/weights.bin"', '"../weights.bin"'), r'model "ear", files'),
        (changed('"am/weights.bin"', '"/etc/weights.bin"'), r'model "ear", files'),
        (changed('name = "ear"', 'name = "../ear"'), r"model .*name: "),
        (changed('"recognizer"', '"ears"'), r'model "ear", kind: .*ears'),
        (changed('"recognizer"', '"wake"'), r"\[model.wake\] is needed"),
        (changed("window = 5", "window = 0", WAKE), r'model "word", wake.window: '),
        (changed('"int8"', '"openwakeword"', WAKE), r"features is needed"),
        (changed('"int8"', '"openwakeword"\nfeatures = "none"', WAKE), r'no model "none" of kind wake_features'),
        (MODEL + MODEL, "two models have the same name"),
        (changed('licence = "MIT"', 'licence = "MIT"\nnon_commercial = true\ndefault = true'), "cannot be a default"),
        ("[[model]\n", "not valid TOML"),
        pytest.param(f"number = {'9' * 5000}\n", "not valid TOML", id="more digits than Python reads"),
        pytest.param(f"list = {'[' * 5000}\n", "not valid TOML", id="nested deeper than Python reads"),
        ("[[modell]]\n", "unknown key modell"),
    ],
)
def test_wrong_manifest_names_file_and_key(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path / "manifest.toml")) + ".*" + words):
        store_of(tmp_path, text)


def test_absent_manifest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        ModelStore(tmp_path / "manifest.toml", tmp_path)


@pytest.fixture(scope="module")
def project() -> ModelStore:
    """The project's own manifest, with nothing installed."""
    return ModelStore(MANIFEST, MANIFEST.parent / "nowhere")


def test_the_default_set_is_what_the_default_configuration_names(project: ModelStore) -> None:
    defaults = {name for name in project.names() if project.entry(name).default}
    config = Config()
    language = needed_models(LoadedConfig(config=config, folder=MANIFEST.parent))
    assert {*config.wake.words, config.models.speech_detector, *language} <= defaults
    assert len(language) == 3
    assert {project.entry(name).kind for name in defaults} == set(Kind)


def test_openwakeword_heads_are_for_non_commercial_use_and_never_default(project: ModelStore) -> None:
    for name in project.names(Kind.WAKE):
        entry = project.entry(name)
        assert entry.wake is not None
        heads = entry.wake.engine is WakeEngineName.OPENWAKEWORD
        assert entry.non_commercial == heads
        assert entry.default != heads
        assert ("-NC-" in entry.licence) == heads


def test_every_model_has_a_package_first_and_its_maker_second(project: ModelStore) -> None:
    for name in project.names():
        if all(source.path for source in project.entry(name).sources):
            continue  # our own, which come with the project
        package, url = project.entry(name).sources
        assert package.package
        assert url.url
        # An address without a version may change under our feet, and its content would be refused.
        assert re.search(r"v?\d+\.\d+|[0-9a-f]{40}|_\d{8}", url.url), url.url


@pytest.mark.model
def test_installed_models_are_good(store: ModelStore) -> None:
    for name in store.names():
        if store.status(name) is not Status.MISSING:
            entry = store.entry(name)
            sizes = [(store.folder(name) / path).stat().st_size for path in entry.files]
            assert sum(sizes) == entry.size_bytes


@pytest.mark.model
def test_thresholds_are_those_of_the_makers_or_measured(store: ModelStore) -> None:
    measured = {"alexa": 0.8}
    for name in store.names(Kind.WAKE):
        wake = store.entry(name).wake
        assert wake is not None
        if wake.engine is WakeEngineName.INT8 and store.status(name) is Status.INSTALLED:
            card = json.loads((store.folder(name) / f"{name}.json").read_text())
            made = card["verifier"]["threshold"] if "verifier" in card else card["micro"]["probability_cutoff"]
            assert (wake.threshold, wake.window) == (measured.get(name, made), card["micro"]["sliding_window_size"])


def test_the_owners_own_models_stand_beside_the_others(tmp_path: Path) -> None:
    own = tmp_path / "models" / "own.toml"
    own.parent.mkdir()
    own.write_text(changed('package = "ear==1.0", folder = "ear/data"', 'path = "nose"', changed('"ear"', '"nose"')))
    (tmp_path / "manifest.toml").write_text(MODEL)
    store = ModelStore(tmp_path / "manifest.toml", tmp_path / "models")
    assert store.names() == ["ear", "nose"]
    assert (store.beside("ear"), store.beside("nose")) == (tmp_path, tmp_path / "models")


def test_an_own_model_does_not_take_the_name_of_another(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(MODEL)
    with pytest.raises(ConfigError, match=r'own\.toml: model "ear": there is one of this name already'):
        store_of(tmp_path, MODEL)
