"""The adapters to the model libraries: what they refuse, and that a model behaves the same on each of them."""

import gc
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import ModelError
from appliance.models import ModelStore, Status
from appliance.runtimes.tflite import TfliteFile, TfliteModel, choose_runtime
from appliance.runtimes.vosk import UNKNOWN, VoskModel


@pytest.mark.parametrize(
    ("installed", "numpy_version", "chosen"),
    [
        (["tflite_runtime"], "1.26.4", "tflite_runtime"),
        (["ai_edge_litert"], "2.5.5", "ai_edge_litert"),
        (["ai_edge_litert"], "1.26.4", "ai_edge_litert"),
        (["tflite_runtime", "ai_edge_litert"], "1.26.4", "tflite_runtime"),
        (["tflite_runtime", "ai_edge_litert"], "2.5.5", "ai_edge_litert"),
    ],
)
def test_runtime_that_works_with_this_numpy_is_chosen(installed: list[str], numpy_version: str, chosen: str) -> None:
    assert choose_runtime(installed, numpy_version) == chosen


def test_tflite_runtime_with_numpy_2_is_refused_before_it_crashes() -> None:
    with pytest.raises(ModelError, match=r"tflite-runtime 2\.14 fails with numpy 2\.5\.5"):
        choose_runtime(["tflite_runtime"], "2.5.5")


def test_no_runtime_is_named_as_such() -> None:
    with pytest.raises(ModelError, match="no TensorFlow Lite runtime"):
        choose_runtime([], "1.26.4")


@pytest.mark.parametrize("contents", [b"", b"TFL3", b"\0" * 4000, b"\x1c\0\0\0TFL4" + b"\0" * 4000])
def test_file_that_is_no_model_is_refused(tmp_path: Path, contents: bytes) -> None:
    (path := tmp_path / "word.tflite").write_bytes(contents)
    with pytest.raises(ModelError, match=r"word\.tflite: not a TensorFlow Lite model"):
        TfliteFile.read(path)


def test_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"word\.tflite: cannot be read"):
        TfliteFile.read(tmp_path / "word.tflite")


def test_garbage_that_looks_like_a_model_does_not_take_the_process_down(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, 4000, np.uint8).tobytes()
    (path := tmp_path / "word.tflite").write_bytes(noise[:4] + b"TFL3" + noise)
    with pytest.raises(ModelError, match=r"word\.tflite: the model cannot be run"):
        TfliteFile.read(path)


def test_folder_that_is_no_speech_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no Vosk model, am/final\.mdl is missing"):
        VoskModel(tmp_path)


def test_a_speech_model_with_one_fixed_graph_is_refused(tmp_path: Path) -> None:
    for part in ("am/final.mdl", "conf/model.conf", "conf/mfcc.conf", "graph/HCLG.fst"):
        (tmp_path / part).parent.mkdir(exist_ok=True)
        (tmp_path / part).touch()
    with pytest.raises(
        ModelError, match=r"graph/HCLr\.fst or graph/Gr\.fst is missing; take one of Vosk's small models"
    ):
        VoskModel(tmp_path)


@pytest.mark.model
def test_truncated_model_does_not_take_the_process_down(store: ModelStore, tmp_path: Path) -> None:
    whole = (store.folder("alexa") / "alexa.tflite").read_bytes()
    for eighths in range(1, 8):
        (path := tmp_path / f"{eighths}.tflite").write_bytes(whole[: len(whole) * eighths // 8])
        with pytest.raises(ModelError, match="the model cannot be run"):
            TfliteModel(TfliteFile.read(path))


@pytest.mark.model
def test_tensors_are_described(store: ModelStore) -> None:
    model = TfliteModel(TfliteFile.read(store.folder("alexa") / "alexa.tflite", verified=True))
    assert (model.input.shape, model.input.dtype, model.input.zero_point) == ((1, 3, 40), np.int8, -128)
    assert model.input.scale == pytest.approx(26 / 255)
    assert (model.output.shape, model.output.dtype, model.output.scale) == ((1, 1), np.uint8, 1 / 256)


@pytest.mark.model
def test_sizes_that_the_file_leaves_open_can_be_fixed(store: ModelStore) -> None:
    if store.status("oww-features") is not Status.INSTALLED:
        pytest.skip("oww-features is not installed (appliance models install oww-features)")
    file = TfliteFile.read(store.folder("oww-features") / "melspectrogram.tflite", verified=True)
    assert TfliteModel(file, input_shape=(1, 1760)).output.shape == (1, 1, 8, 32)


@pytest.fixture(scope="module")
def speech_model(store: ModelStore) -> VoskModel:
    return VoskModel(store.folder("vosk-small-en-us"))


@pytest.mark.model
def test_vocabulary_can_be_asked(speech_model: VoskModel) -> None:
    assert speech_model.knows("computer")
    assert not speech_model.knows("heatpump")


@pytest.mark.model
def test_recognizer_hears_nothing_in_silence(speech_model: VoskModel) -> None:
    for sentences in (None, ["turn on the light", UNKNOWN]):
        recognizer = speech_model.recognizer(sentences)
        recognizer.AcceptWaveform(bytes(32_000))
        assert '"text" : ""' in recognizer.FinalResult()


@pytest.mark.model
def test_damaged_speech_model_is_refused(store: ModelStore, tmp_path: Path) -> None:
    shutil.copytree(store.folder("vosk-small-en-us"), tmp_path / "model")
    (tmp_path / "model" / "am" / "final.mdl").write_bytes(b"no model")
    with pytest.raises(ModelError, match="Vosk cannot load the model"):
        VoskModel(tmp_path / "model")


@pytest.mark.model
def test_to_begin_anew_leaves_nothing_behind(store: ModelStore) -> None:
    model = TfliteModel(TfliteFile.read(store.folder("computer") / "computer.tflite", verified=True))
    counted = []
    for _ in range(3):
        for _ in range(50):
            model.restart()
        gc.collect()
        counted.append(sys.getallocatedblocks())
    assert counted[2] - counted[1] < 50
