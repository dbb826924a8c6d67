"""Korean with its real speech model: what espeak-ng says is heard, and a whole turn."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance import config_files
from appliance.audio.convert import resample
from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from appliance.bench.speech import spoken
from appliance.brains import load_reader, load_recognizer, load_voice
from appliance.config import Config, Home
from appliance.config_files import MANIFEST, PROJECT, LoadedConfig
from appliance.models import ModelStore
from appliance.runtimes.vosk import VoskModel
from appliance.understanding.language_folder import LanguageFolder
from appliance.voice.simple import SimpleVoice
from tools import phrasings
from tools.phrasings import meant, read, spelled

pytestmark = pytest.mark.model

PAUSE = np.zeros(SAMPLE_RATE_HZ * 2 // 5, np.int16)


@pytest.fixture(scope="module")
def korean() -> LoadedConfig:
    if not (MANIFEST.parent / "vosk-small-ko").is_dir():
        pytest.skip("the Korean model is not installed (run: appliance models install vosk-small-ko)")
    return LoadedConfig(config=Config(home=Home(language="ko", file="")), folder=MANIFEST.parent)


@pytest.fixture(scope="module")
def voice() -> SimpleVoice:
    found = SimpleVoice.find(LanguageFolder.of("ko").settings.simple_voice)
    if found is None:
        pytest.skip("espeak-ng is not installed")
    return found


def said(voice: SimpleVoice, text: str) -> Pcm:
    return np.concatenate([PAUSE, resample(voice.synthesize(text), voice.rate_hz, SAMPLE_RATE_HZ), PAUSE])


def test_the_recognizer_knows_every_word_of_the_language(korean: LoadedConfig, store: ModelStore) -> None:
    model = VoskModel(store.folder("vosk-small-ko"))
    assert sorted(word for word in phrasings.language("ko").words() if not model.knows(word)) == []
    assert model.unknown == "<UNK>"


def test_some_of_what_espeak_says_is_read_as_it_is_meant(korean: LoadedConfig, voice: SimpleVoice) -> None:
    """6 of 20 were: a poor voice for this model. Its English voice is misheard in every third word, too."""
    language = phrasings.language("ko")
    recognizer, reader = load_recognizer(korean, language), load_reader(korean, language)
    assert reader is not None
    right = []
    for phrasing in [phrasing for phrasing in read("ko") if not any(map(str.isdigit, phrasing.text))][::8]:
        recognizer.begin(after_wake=False)
        recognizer.accept(said(voice, phrasing.text))
        heard = recognizer.finish()
        reading = reader.read(heard.texts, heard.likelihoods)
        if reading is not None and spelled(meant(reading.intent)) == spelled(phrasing.meaning):
            right.append(phrasing.text)
    assert len(right) >= 5, right


def test_a_whole_turn_in_korean(korean: LoadedConfig, voice: SimpleVoice, tmp_path: Path) -> None:
    """The wake word, an English one, by the English voice; the command by the Korean one."""
    english = load_voice(config_files.load(None), deterministic=True)
    try:
        wake = spoken(english, "Computer.", after_s=0.3)
    finally:
        english.close()
    soundfile.write(tmp_path / "turn.wav", np.concatenate([wake, said(voice, "부엌 조명 꺼 줘")]), SAMPLE_RATE_HZ)
    home = PROJECT / "tests" / "phrasings_home_ko.yaml"
    (tmp_path / "ko.toml").write_text(
        f'[home]\nlanguage = "ko"\nfile = "{home}"\n[models]\ndirectory = "{MANIFEST.parent}"\n'
        "[privacy]\npublish_text = true\n",
        "utf-8",
    )
    command = [sys.executable, "-m", "appliance", "--config", str(tmp_path / "ko.toml"), "replay"]
    done = subprocess.run(
        [*command, str(tmp_path / "turn.wav"), "--events", "-"], capture_output=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    events = [json.loads(line) for line in done.stdout.splitlines()]
    found = {event["type"]: event for event in events}
    assert found["wake_detected"]["word"] == "computer"
    assert (found["intent_recognized"]["intent"], found["intent_recognized"]["values"]) == (
        "turn_off",
        {"area": "kitchen"},
    )
    assert found["action_done"]["ok"]
    assert found["reply"]["text"] == "주방 조명 껐습니다."
    assert found["speaking_ended"]["reason"] == "done"
