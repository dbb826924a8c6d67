"""A voice made smaller: installed beside the one it was made of, and heard by the same program."""

import sys
import tomllib
from pathlib import Path

import msgspec
import pytest

from appliance.config_files import MANIFEST
from appliance.errors import StageError
from appliance.models import Kind, ModelEntry, ModelStore
from appliance.voice.piper import PiperVoice
from tools.quantize import voice
from tools.quantize.__main__ import main
from tools.quantize.install import Place, enter


@pytest.fixture
def entry() -> ModelEntry:
    return ModelStore(MANIFEST, MANIFEST.parent).entry("piper-en-us-joe")


def test_it_stands_beside_the_others_with_the_licence_of_its_maker(entry: ModelEntry, tmp_path: Path) -> None:
    place = Place(folder=tmp_path)
    folder = tmp_path / "joe-int8"
    folder.mkdir()
    (folder / "joe.onnx").write_bytes(b"small")
    block = voice.block_of(entry, "joe-int8", folder)
    made = msgspec.convert(tomllib.loads(block)["model"][0], type=ModelEntry)
    assert (made.kind, made.licence, made.size_bytes) == (Kind.VOICE, entry.licence, 5)
    enter(place, "joe-int8", block)
    assert place.store().folder("joe-int8") == folder
    enter(place, "joe-int8", block)
    assert place.manifest.read_text().count("[[model]]") == 1


def test_without_its_package_it_says_what_to_type(
    entry: ModelEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    (tmp_path / "joe.onnx").touch()
    with pytest.raises(StageError, match="make venv-tools"):
        voice.make(tmp_path, entry, "joe-int8", Place(folder=tmp_path))


def test_only_voices_become_smaller(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["voice", "silero-vad"]) == 2
    assert "no voice" in capsys.readouterr().err


@pytest.mark.model
def test_a_smaller_voice_speaks_as_the_whole_one(store: ModelStore, entry: ModelEntry, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="only in the environment of the tools")
    voice.make(store.folder("piper-en-us-joe"), entry, "joe-int8", Place(folder=tmp_path))
    folder = Place(folder=tmp_path).store().folder("joe-int8")
    assert sum(file.stat().st_size for file in folder.iterdir()) < 25e6
    small, whole = PiperVoice(folder, deterministic=True), PiperVoice(store.folder(entry.name), deterministic=True)
    text = "The timer is set for five minutes."
    assert small.synthesize(text).size == pytest.approx(whole.synthesize(text).size, rel=0.1)
    small.close()
    whole.close()
