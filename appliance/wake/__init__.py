"""Wake words: `load` gives the scores of one word, `find` what a `Spotter` needs to hear several."""

import re
from pathlib import Path

import msgspec

from appliance.config_files import MANIFEST
from appliance.errors import ModelError, UnknownModelError
from appliance.models import Kind, ModelStore
from appliance.runtimes.tflite import TfliteFile
from appliance.runtimes.vosk import VoskModel
from appliance.wake.engine import JoinedEngine, Parts, WakeEngine, WakeWord
from appliance.wake.phrase import THRESHOLD, WINDOW_FRAMES

__all__ = ["WakeEngine", "WakeWord", "find", "load"]


class _Micro(msgspec.Struct, frozen=True):
    probability_cutoff: float = 0.9
    sliding_window_size: int = 5


class _Card(msgspec.Struct, frozen=True):
    """The .json that microWakeWord's makers put beside a model; the defaults are those of most of their models."""

    wake_word: str = ""
    micro: _Micro = _Micro()


def load(name_or_path: str | Path, *, store: ModelStore | None = None, phrases: VoskModel | None = None) -> WakeEngine:
    """Open a wake word on its own. Arguments and errors are those of `find`."""
    word = find(name_or_path, store=store, phrases=phrases)
    return JoinedEngine(word.open_front_end(), word.open_model())


def find(name_or_path: str | Path, *, store: ModelStore | None = None, phrases: VoskModel | None = None) -> WakeWord:
    """Find a wake word and check its files.

    A name of the manifest ("Hey Jarvis" and "hey_jarvis" are the same), the path of a microWakeWord .tflite file, or,
    where `phrases` is a speech model, any phrase of words that it knows.

    store: the installed models; None: those of this installation.

    Raises:
        ModelError: there is no such word, naming those there are; or its files are missing, damaged or of another kind.
    """
    asked = str(name_or_path)
    if asked.endswith(".tflite"):
        return _from_path(Path(asked))
    store = store or ModelStore(MANIFEST, MANIFEST.parent)
    known = {_normal(name): name for name in store.names(Kind.WAKE)}
    if _normal(asked) in known:
        return _from_manifest(known[_normal(asked)], store)
    if phrases is not None:
        return _from_phrase(_normal(asked).replace("_", " "), phrases)
    raise UnknownModelError(
        f'no wake word "{asked}"; there are {", ".join(known.values())}; '
        f"other phrases need a speech recognizer (appliance models install vosk-small-en-us)"
    )


def _normal(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip().lower())


def _from_manifest(name: str, store: ModelStore) -> WakeWord:
    entry = store.entry(name)
    assert entry.wake is not None, "the manifest gives every wake word its settings"
    files = [_model_file(store, name)]
    if entry.wake.features:
        folder = store.folder(entry.wake.features)
        files += [
            TfliteFile.read(folder / f"{part}.tflite", verified=True) for part in ("melspectrogram", "embedding_model")
        ]
    return WakeWord(
        name=name,
        engine=entry.wake.engine.value,
        threshold=entry.wake.threshold,
        window=entry.wake.window,
        parts=Parts(files=tuple(files)),
    )


def _model_file(store: ModelStore, name: str) -> TfliteFile:
    names = [file for file in store.entry(name).files if file.endswith(".tflite")]
    if len(names) != 1:
        raise ModelError(f'model "{name}": the manifest names {len(names)} .tflite files; a wake word has one')
    return TfliteFile.read(store.folder(name) / names[0], verified=True)


def _from_path(path: Path) -> WakeWord:
    file = TfliteFile.read(path)
    card_path = path.with_suffix(".json")
    card = _Card()
    if card_path.is_file():
        try:
            card = msgspec.json.decode(card_path.read_bytes(), type=_Card)
        except (msgspec.MsgspecError, OSError) as error:
            raise ModelError(f"{card_path}: not a description of a wake word ({error}); correct or remove it") from None
    return WakeWord(
        name=_normal(card.wake_word or path.stem),
        engine="int8",
        threshold=card.micro.probability_cutoff,
        window=card.micro.sliding_window_size,
        parts=Parts(files=(file,)),
    )


def _from_phrase(phrase: str, recognizer: VoskModel) -> WakeWord:
    word = WakeWord(
        name=phrase.replace(" ", "_"),
        engine="phrase",
        threshold=THRESHOLD,
        window=WINDOW_FRAMES,
        parts=Parts(recognizer=recognizer, phrase=phrase),
    )
    word.open_model().close()  # says now, not at the first frame, when a word is not in the vocabulary
    return word
