"""One contract for every wake engine of the table: its own word, no other, and the same scores every time."""

import json
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from appliance import wake
from appliance.audio.format import FRAME_SAMPLES, SAMPLE_RATE_HZ, Frame, Pcm
from appliance.errors import ModelError
from appliance.models import ModelStore, Status
from appliance.runtimes.tflite import TfliteFile
from appliance.runtimes.vosk import VoskModel
from appliance.understanding.language_folder import LanguageFolder
from appliance.wake.engine import ENGINES, JoinedEngine, Parts, WakeEngine, WakeWord
from appliance.wake.phrase import PhraseModel
from appliance.wake.sleeper import Sleeper
from appliance.wake.spotter import Spotter

OWN_WORD = {"int8": "hey_jarvis", "openwakeword": "oww_alexa", "phrase": "hey house"}
"""A word of each engine; the contract below is run on it. A new engine needs a row here and nothing else."""
OTHER_WORDS = ["hey_mycroft", "oww_hey_jarvis", "computer", "jarvis"]

Speak = Callable[[str], Pcm]


@pytest.fixture(scope="module")
def recognizer(store: ModelStore) -> VoskModel:
    return VoskModel(store.folder("vosk-small-en-us"), LanguageFolder.of("en").settings.common_words.split())


@pytest.fixture(scope="module")
def speak(store: ModelStore) -> Speak:
    """Says a text with the Piper voice, without its randomness, between two seconds of silence."""
    piper = pytest.importorskip("piper", reason="the voice's package is not installed")
    soxr = pytest.importorskip("soxr")
    voice = piper.PiperVoice.load(next(store.folder("piper-en-us-joe").glob("*.onnx")))
    settings = piper.SynthesisConfig(noise_scale=0.0, noise_w_scale=0.0)
    silence = np.zeros(SAMPLE_RATE_HZ, np.int16)

    @lru_cache
    def say(text: str) -> Pcm:
        said = np.concatenate([chunk.audio_int16_array for chunk in voice.synthesize(text, settings)])
        speech = soxr.resample(said, voice.config.sample_rate, SAMPLE_RATE_HZ)
        return np.concatenate([silence, speech, silence]).astype(np.int16)

    return say


@pytest.fixture(params=[*OWN_WORD.values(), *OTHER_WORDS])
def word(request: pytest.FixtureRequest, store: ModelStore, recognizer: VoskModel) -> WakeWord:
    name: str = request.param
    if name.startswith("oww_"):
        installed(store, "oww-features")
        installed(store, name)
    return wake.find(name, store=store, phrases=recognizer)


@pytest.fixture
def engine(word: WakeWord) -> Iterator[WakeEngine]:
    joined = JoinedEngine(word.open_front_end(), word.open_model())
    yield joined
    joined.close()


def installed(store: ModelStore, name: str) -> Path:
    """Folder of a model that is not part of the default set; the test is skipped where it is not installed."""
    if store.status(name) is not Status.INSTALLED:
        pytest.skip(f"{name} is not installed (appliance models install {name})")
    return store.folder(name)


def said_as(word: WakeWord) -> str:
    return word.name.removeprefix("oww_").replace("_", " ").title() + "."


def frames(chunks: Iterable[Pcm]) -> Iterator[Frame]:
    """Cut sound that comes in pieces of any size into frames."""
    rest, index = np.zeros(0, np.int16), 0
    for chunk in chunks:
        rest = np.concatenate([rest, chunk])
        while rest.size >= FRAME_SAMPLES:
            yield Frame(index, rest[:FRAME_SAMPLES])
            rest, index = rest[FRAME_SAMPLES:], index + 1


def scores(engine: WakeEngine, *chunks: Pcm) -> list[float | None]:
    return [engine.process(frame) for frame in frames(chunks)]


def detections(words: list[WakeWord], pcm: Pcm, played: Pcm | None = None) -> list[str]:
    spotter = Spotter(words)
    reference = [frame.pcm for frame in frames([played])] if played is not None else []
    found = [
        event.word
        for frame in frames([pcm])
        for event in spotter.process(frame, reference[frame.index] if frame.index < len(reference) else None)
    ]
    spotter.close()
    return found


def test_contract_covers_every_engine() -> None:
    assert set(OWN_WORD) == set(ENGINES)


class ScriptedSpeech:
    """A speech model whose recognizers answer from a script, one line per frame; a line that ends in "." is final."""

    common_words = ("house", "the")

    def __init__(self, *answers: str) -> None:
        self._answers = iter(answers)
        self._answer = ""
        self.made = 0

    def knows(self, word: str) -> bool:
        return word != "xyzzy"

    def recognizer(self, sentences: list[str]) -> "ScriptedSpeech":
        self.made += 1
        return self

    def AcceptWaveform(self, data: bytes) -> int:
        self._answer = next(self._answers, "")
        return int(self._answer.endswith("."))

    def Result(self) -> str:
        return json.dumps({"text": self._answer[:-1]})

    def PartialResult(self) -> str:
        return json.dumps({"partial": self._answer})


def phrase_scores(phrase: str, *answers: str) -> list[float]:
    model = PhraseModel(cast(VoskModel, ScriptedSpeech(*answers)), phrase)
    return [model.process(np.zeros(FRAME_SAMPLES, np.int16)) or 0.0 for _ in answers]


def test_phrase_scores_while_the_recognizer_stands_by_it() -> None:
    assert phrase_scores("hey house", "hey", "hey house", "hey house is", "hey how is") == [0.0, 1.0, 1.0, 0.0]
    assert phrase_scores("hey house", "house hey", "hey the house", "they house") == [0.0, 0.0, 0.0]


def test_phrase_scores_a_second_and_again_when_it_is_said_again_in_the_same_breath() -> None:
    found = phrase_scores("computer", *["computer go"] * 80, *["computer go computer"] * 20)
    assert found == [1.0] * 49 + [0.0] * 31 + [1.0] * 20


def test_phrase_goes_on_scoring_when_the_utterance_ends_with_it() -> None:
    assert phrase_scores("computer", "computer", "computer.", "", "") == [1.0] * 4


def test_recognizer_is_renewed_in_a_pause_after_a_minute() -> None:
    speech = ScriptedSpeech(*["talk"] * 2998, ".", "talk", ".", "talk", ".")
    model = PhraseModel(cast(VoskModel, speech), "computer")
    for _ in range(3002):
        model.process(np.zeros(FRAME_SAMPLES, np.int16))
    assert speech.made == 2


def test_phrase_with_an_unknown_word_is_refused() -> None:
    with pytest.raises(ModelError, match='does not know "xyzzy"'):
        PhraseModel(cast(VoskModel, ScriptedSpeech()), "hey xyzzy")


@pytest.mark.model
def test_engines_are_those_the_table_says(store: ModelStore, recognizer: VoskModel) -> None:
    found = {name: wake.find(name, store=store, phrases=recognizer).engine for name in ("hey_jarvis", "hey house")}
    assert found == {"hey_jarvis": "int8", "hey house": "phrase"}


@pytest.mark.model
def test_own_word_is_detected_once(word: WakeWord, speak: Speak) -> None:
    assert detections([word], speak(said_as(word))) == [word.name]


@pytest.mark.model
def test_own_word_is_detected_with_speech_around_it(word: WakeWord, speak: Speak) -> None:
    pcm = np.concatenate([speak("What a day it was."), speak(f"{said_as(word)[:-1]}, turn on the light.")])
    assert detections([word], pcm) == [word.name]


@pytest.mark.model
def test_other_words_are_not_detected(word: WakeWord, speak: Speak) -> None:
    own = said_as(word)
    others = [
        "Alexa.",
        "Hey Jarvis.",
        "Hey Mycroft.",
        "Computer.",
        "Hey House.",
        "Turn on the light.",
        "Come to the party.",
    ]
    foreign = [text for text in others if own[:-1].lower() not in text.lower()]
    assert {text: detections([word], speak(text)) for text in foreign} == {text: [] for text in foreign}


@pytest.mark.model
def test_scores_are_the_same_after_a_reset(word: WakeWord, engine: WakeEngine, speak: Speak) -> None:
    pcm = speak(said_as(word))
    first = scores(engine, pcm)
    engine.reset()
    assert scores(engine, pcm) == first
    scores(engine, pcm[: SAMPLE_RATE_HZ * 3 // 2 + 7])
    engine.reset()
    assert scores(engine, pcm) == first
    assert {0.0} < {round(score) for score in first if score is not None} <= {0.0, 1.0}


@pytest.mark.model
@pytest.mark.parametrize("sizes", [(160,), (512,), (1280,), (1, 319, 640, 333)])
def test_scores_are_the_same_for_any_split_of_the_sound(
    word: WakeWord, engine: WakeEngine, speak: Speak, sizes: tuple[int, ...]
) -> None:
    pcm = speak(said_as(word))
    whole = scores(engine, pcm)
    engine.reset()
    edges = np.cumsum(np.resize(sizes, 2 * pcm.size // sum(sizes) + len(sizes)))
    assert scores(engine, *np.split(pcm, edges[edges < pcm.size])) == whole


@pytest.mark.model
@pytest.mark.parametrize("name", ["alexa", "okay_nabu", "oww_alexa"])
def test_woken_in_the_middle_of_the_word_it_scores_as_if_it_had_never_slept(
    store: ModelStore, speak: Speak, name: str
) -> None:
    if name.startswith("oww_"):
        installed(store, "oww-features")
        installed(store, name)
    word = wake.find(name, store=store)
    pcm = np.concatenate([speak("What a day it was."), speak(said_as(word))])
    middle = (pcm.size - speak(said_as(word)).size // 2) // FRAME_SAMPLES
    front_end, always, woken = word.open_front_end(), word.open_model(), Sleeper(word.open_model())
    late = word.open_model()
    heard: list[list[float]] = [[], [], []]
    for frame in frames([pcm]):
        features = front_end.process(frame.pcm)
        woken.wake(frame.index >= middle)
        scores_now = always.process(features), woken.process(features)
        if frame.index >= middle:
            for kept, score in zip(heard, (*scores_now, late.process(features)), strict=True):
                kept += [] if score is None else [score]
        else:
            assert scores_now[1] is None
    # Its steps may begin at another row than those of the one that never slept.
    tops = [sum(sorted(kept)[-word.window :]) / word.window for kept in heard]
    assert tops[0] > word.threshold
    assert tops[1] == pytest.approx(tops[0], abs=0.05)
    if word.engine == "int8":  # a row of openWakeWord's features is 0.8 s of the past by itself
        assert tops[2] < word.threshold, "without its past it misses the word"


@pytest.mark.model
def test_scores_are_shares_whatever_is_heard(engine: WakeEngine) -> None:
    rng = np.random.default_rng(1)
    noise = rng.integers(-32_768, 32_768, 3 * SAMPLE_RATE_HZ).astype(np.int16)
    extremes = np.repeat(np.array([-32_768, 32_767, 0], np.int16), SAMPLE_RATE_HZ)
    found = [score for score in scores(engine, noise, extremes) if score is not None]
    assert found
    assert all(0.0 <= score <= 1.0 for score in found)


@pytest.mark.model
def test_word_in_the_own_answer_does_not_wake(word: WakeWord, speak: Speak) -> None:
    played = speak(said_as(word))
    room = np.concatenate([np.zeros(700, np.int16), played[:-700] // 3])  # 44 ms later and quieter
    assert detections([word], room) == [word.name]
    assert detections([word], room, played) == []


@pytest.mark.model
def test_several_words_are_heard_at_once(store: ModelStore, recognizer: VoskModel, speak: Speak) -> None:
    words = [wake.find(name, store=store, phrases=recognizer) for name in ("alexa", "hey_jarvis", "computer")]
    pcm = np.concatenate([speak("Hey Jarvis."), speak("Computer."), speak("Alexa.")])
    assert detections(words, pcm) == ["hey_jarvis", "computer", "alexa"]


@pytest.mark.model
@pytest.mark.parametrize("name", ["Hey Jarvis", "hey-jarvis", " HEY  jarvis "])
def test_names_are_found_however_they_are_written(store: ModelStore, name: str) -> None:
    assert wake.find(name, store=store).name == "hey_jarvis"


@pytest.mark.model
def test_name_alone_is_enough_to_load(store: ModelStore) -> None:
    assert scores(wake.load("alexa"), np.zeros(3200, np.int16))


@pytest.mark.model
def test_path_with_the_makers_json_beside_it_is_a_word(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "house.tflite").write_bytes((store.folder("alexa") / "alexa.tflite").read_bytes())
    plain = wake.find(tmp_path / "house.tflite", store=store)
    assert (plain.name, plain.engine, plain.window) == ("house", "int8", 5)
    card = {"wake_word": "My House", "micro": {"probability_cutoff": 0.66, "sliding_window_size": 7}}
    (tmp_path / "house.json").write_text(json.dumps(card))
    told = wake.find(str(tmp_path / "house.tflite"), store=store)
    assert (told.name, told.threshold, told.window) == ("my_house", 0.66, 7)
    (tmp_path / "house.json").write_text('{"micro": 3}')
    with pytest.raises(ModelError, match=r"house\.json: not a description of a wake word"):
        wake.find(tmp_path / "house.tflite", store=store)


@pytest.mark.model
def test_word_that_nobody_has_is_refused_with_those_there_are(store: ModelStore, recognizer: VoskModel) -> None:
    with pytest.raises(ModelError, match=r'no wake word "jarfis"; there are alexa, hey_jarvis'):
        wake.load("jarfis", store=store)
    with pytest.raises(ModelError, match='does not know "xyzzy"'):
        wake.load("hey xyzzy", store=store, phrases=recognizer)
    with pytest.raises(ModelError, match=r"nowhere\.tflite: cannot be read"):
        wake.load("nowhere.tflite", store=store)


@pytest.mark.model
def test_model_of_another_engine_is_refused(store: ModelStore) -> None:
    int8 = TfliteFile.read(store.folder("hey_jarvis") / "hey_jarvis.tflite", verified=True)
    with pytest.raises(ModelError, match=r"takes int8 \(1, 3, 40\) and gives uint8; openWakeWord's .* is needed"):
        ENGINES["openwakeword"].model(Parts(files=(int8,)))
    with pytest.raises(ModelError, match=r"hey_jarvis\.tflite: the model cannot be run"):
        ENGINES["openwakeword"].front_end(Parts(files=(int8, int8, int8)))
    features = installed(store, "oww-features")
    embedding = TfliteFile.read(features / "embedding_model.tflite", verified=True)
    with pytest.raises(
        ModelError, match=r"takes float32 \(1, 76, 32, 1\) and gives float32; microWakeWord's .* is needed"
    ):
        ENGINES["int8"].model(Parts(files=(embedding,)))


@pytest.mark.model
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_damaged_model_is_refused(store: ModelStore, tmp_path: Path, share: float) -> None:
    whole = (store.folder("hey_jarvis") / "hey_jarvis.tflite").read_bytes()
    (tmp_path / "word.tflite").write_bytes(whole[: int(len(whole) * share)])
    # On a crowded machine it is given up before it has said that.
    with pytest.raises(ModelError, match=r"word\.tflite: the model (cannot be run|does not finish one step)"):
        wake.load(tmp_path / "word.tflite", store=store)


@pytest.mark.model
def test_openwakeword_scores_are_those_of_the_package(store: ModelStore, speak: Speak) -> None:
    package = pytest.importorskip("openwakeword.model", reason="the package openwakeword is not installed")
    pytest.importorskip("tflite_runtime", reason="the package openwakeword needs tflite-runtime")
    model, features = installed(store, "oww_alexa") / "alexa.tflite", installed(store, "oww-features")
    theirs = package.Model(
        wakeword_models=[str(model)],
        inference_framework="tflite",
        melspec_model_path=str(features / "melspectrogram.tflite"),
        embedding_model_path=str(features / "embedding_model.tflite"),
    )
    pcm = np.concatenate([speak("What a day it was."), speak("Alexa.")])
    blocks = [pcm[start : start + 1280] for start in range(0, pcm.size - 1279, 1280)]
    expected = [float(theirs.predict(block)["alexa"]) for block in blocks]
    ours = [score for score in scores(wake.load("oww_alexa", store=store), pcm) if score is not None]
    settled = 40  # blocks of 80 ms; before, the package still hears the noise that it fills its past with
    assert max(expected[settled:]) > 0.9
    assert ours[settled : len(expected)] == pytest.approx(expected[settled:], abs=1e-3)


@pytest.mark.model
@pytest.mark.data
@pytest.mark.parametrize(("name", "label", "most_missed"), [("alexa", "alexa", 0.05), ("computer", "computer", 0.05)])
def test_real_voices_are_told_apart(
    store: ModelStore, recognizer: VoskModel, data_pack: Path, name: str, label: str, most_missed: float
) -> None:
    soundfile = pytest.importorskip("soundfile")
    word = wake.find(name, store=store, phrases=recognizer)
    lines = [json.loads(line) for line in (data_pack / "manifest.jsonl").read_text().splitlines()]
    faint = np.random.default_rng(1).normal(0, 8, SAMPLE_RATE_HZ).astype(np.int16)
    found: dict[str, list[bool]] = {}
    for line in [line for line in lines if line["set"] == "wakeword" and line["split"] == "dev"][::3]:
        pcm, _ = soundfile.read(data_pack / line["path"], dtype="int16")
        found.setdefault(line["label"], []).append(bool(detections([word], np.concatenate([faint, pcm, faint]))))
    assert found[label].count(False) <= most_missed * len(found[label])
    assert {other: sum(hits) for other, hits in found.items() if other not in (label, "multiple")} == {
        other: 0 for other in found if other not in (label, "multiple")
    }
