"""The models an evaluation can hear with: every engine of the device, and the float form of a streaming network."""

import hashlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from appliance import config_files, wake
from appliance.audio.format import FRAME_SAMPLES, Frame, Pcm
from appliance.config_files import MANIFEST
from appliance.errors import ModelError, UsageError
from appliance.models import Kind, ModelStore
from appliance.runtimes.tflite import TfliteFile, TfliteModel, choose_runtime
from appliance.runtimes.vosk import VoskModel
from appliance.understanding.language_folder import LanguageFolder, Settings
from appliance.wake.engine import JoinedEngine, Parts, WakeEngine, WakeModel, WakeWord, with_verifier
from appliance.wake.features import MICRO_BANDS
from appliance.wake.phrase import THRESHOLD, WINDOW_FRAMES

ENGINES = ("int8", "openwakeword", "phrase", "float")

_BLOCK_FRAMES = 250
_BLOCKS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Which model is meant; small, so that it can travel to the processes that hear with it."""

    model: str
    """A name of the manifest, a file, a folder with one model, or a phrase."""

    engine: str | None = None
    """One of ENGINES; None: the model's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A model, found and checked."""

    word: str
    engine: str
    threshold: float
    window: int
    runtime: str
    """The library that runs it, and its version."""

    size_bytes: int
    """Of all that always runs."""

    sha256: str
    """Of the word's own model file; empty where it has none."""

    open: Callable[[], WakeEngine]
    verifier_bytes: int = 0
    """Of what runs only where the small network took something for the word; other words may share most of it."""


def find(reference: Reference) -> Contestant:
    """Find a model by the very code of the device.

    Raises:
        ModelError, UsageError: there is none, or it is not of the engine's form.
    """
    engine, store = reference.engine, ModelStore(MANIFEST, config_files.load(None).models_directory)
    if engine not in (None, *ENGINES):
        raise UsageError(f'engine "{engine}": must be one of {", ".join(ENGINES)}')
    model = _file_in(reference.model)
    if engine == "float":
        return _float(Path(model))
    word = _word(model, engine, store)
    if engine not in (None, word.engine):
        raise UsageError(f"{model} is heard by the engine {word.engine}, not {engine}; leave --engine out")
    word.open_model().close()  # says now when it is not of the form that its engine needs
    return Contestant(
        word=word.name,
        engine=word.engine,
        threshold=word.threshold,
        window=word.window,
        runtime=_runtime("vosk" if word.engine == "phrase" else None),
        size_bytes=sum(len(file.contents) for file in word.parts.files)
        or store.entry(_english().recognizer).size_bytes,
        verifier_bytes=word.parts.verifier.size_bytes if word.parts.verifier else 0,
        sha256=_sha256(word.parts.files[:1]),
        open=lambda: JoinedEngine(word.open_front_end(), word.open_model()),
    )


def us_per_frame(contestant: Contestant, pcm: Pcm) -> float:
    """Processor time of this process for a frame, in microseconds: the lowest mean of several blocks of 5 s.

    pcm: sound to hear, int16, shape (n,); repeated when it is short.
    """
    engine = contestant.open()
    heard = np.resize(pcm, _BLOCK_FRAMES * FRAME_SAMPLES)
    frames = [Frame(index, block) for index, block in enumerate(heard.reshape(-1, FRAME_SAMPLES))]
    spent = []
    for _ in range(_BLOCKS):
        began_s = time.process_time()
        for frame in frames:
            engine.process(frame)
        spent.append(time.process_time() - began_s)
    engine.close()
    return min(spent) / _BLOCK_FRAMES * 1e6


class FloatModel:
    """A streaming network before it was quantized: float32 (1, stride, 40) to (1, 1), its past in variables."""

    def __init__(self, file: TfliteFile) -> None:
        """Open it. Raises ModelError when it is of another form."""
        self._model = TfliteModel(file)
        self._model.expect(
            "float32 (1, stride, 40) to one float32", input_shape=(1, None, MICRO_BANDS), dtypes=(np.float32,)
        )
        self._rows = np.zeros((0, MICRO_BANDS), np.float32)

    def process(self, features: npt.NDArray[np.float32]) -> float | None:
        """Eat rows (n, 40); the newest score in 0..1 when they completed a step, else None."""
        score = None
        stride = self._model.input.shape[1]
        self._rows = np.concatenate([self._rows, features])
        while len(self._rows) >= stride:
            score = float(self._model.invoke(self._rows[np.newaxis, :stride])[0, 0])
            self._rows = self._rows[stride:]
        return score

    def reset(self) -> None:
        """Forget the past."""
        self._model.restart()
        self._rows = self._rows[:0]


def _word(model: str, engine: str | None, store: ModelStore) -> WakeWord:
    if engine == "phrase":
        return _phrase(model, store)
    if engine == "openwakeword" and model.endswith(".tflite"):
        return _openwakeword(Path(model), store)
    return wake.find(model, store=store)


def _phrase(phrase: str, store: ModelStore) -> WakeWord:
    english, said = _english(), re.sub(r"[\s_-]+", " ", phrase.strip().lower())
    return WakeWord(
        name=said.replace(" ", "_"),
        engine="phrase",
        threshold=THRESHOLD,
        window=WINDOW_FRAMES,
        parts=Parts(recognizer=VoskModel(store.folder(english.recognizer), english.common_words.split()), phrase=said),
    )


def _openwakeword(path: Path, store: ModelStore) -> WakeWord:
    """A word's network from a file, with the front end of the installed ones; openWakeWord's threshold for all."""
    folder = store.folder(store.names(Kind.WAKE_FEATURES)[0])
    parts = [folder / f"{name}.tflite" for name in ("melspectrogram", "embedding_model")]
    files = (TfliteFile.read(path), *(TfliteFile.read(part, verified=True) for part in parts))
    return WakeWord(name=path.stem, engine="openwakeword", threshold=0.5, window=1, parts=Parts(files=files))


def _float(path: Path) -> Contestant:
    """The name, threshold and window are those of the card beside it."""
    file = TfliteFile.read(path)
    word = wake.find(path)

    def open_model() -> WakeModel:
        return with_verifier(FloatModel(file), word.parts)

    open_model().close()
    return Contestant(
        word=word.name,
        engine="float",
        threshold=word.threshold,
        window=word.window,
        runtime=_runtime(None),
        size_bytes=len(file.contents),
        verifier_bytes=word.parts.verifier.size_bytes if word.parts.verifier else 0,
        sha256=_sha256([file]),
        open=lambda: JoinedEngine(word.open_front_end(), open_model()),
    )


def _english() -> Settings:
    return LanguageFolder.of("en").settings


def _sha256(files: Sequence[TfliteFile]) -> str:
    return "".join(hashlib.sha256(file.contents).hexdigest() for file in files)


def _file_in(model: str) -> str:
    """The model file, where a folder with one is named."""
    path = Path(model)
    if not path.is_dir():
        return model
    files = sorted(file for file in path.glob("*.tflite") if not file.name.endswith(wake.VERIFIER_SUFFIX))
    if len(files) != 1:
        raise ModelError(f"{path}: holds {len(files)} .tflite files; name one")
    return str(files[0])


def _runtime(library: str | None) -> str:
    if library is None:
        installed = [name for name in ("tflite_runtime", "ai_edge_litert") if find_spec(name) is not None]
        library = choose_runtime(installed, np.__version__)
    return f"{library} {metadata.version(library.replace('_', '-'))}"
