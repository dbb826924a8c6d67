"""Wake words: `load` gives the scores of one word, `find` what a `Spotter` needs to hear several."""

import hashlib
import logging
from dataclasses import replace
from pathlib import Path

from appliance.config_files import MANIFEST
from appliance.errors import ModelError, UnknownModelError
from appliance.models import Kind, ModelStore, WakeEngineName
from appliance.runtimes.tflite import TfliteFile
from appliance.runtimes.vosk import VoskModel
from appliance.wake.card import Card, card_of, compare, normal
from appliance.wake.embedding import FILES
from appliance.wake.engine import JoinedEngine, Parts, WakeEngine, WakeWord
from appliance.wake.int8 import Int8Model, MicroModel
from appliance.wake.phrase import THRESHOLD, WINDOW_FRAMES
from appliance.wake.verifier import Verifier

_LOGGER = logging.getLogger(__name__)

VERIFIER_SUFFIX = ".verifier.tflite"
"""How the file of a verifier's head ends; every other .tflite file of a wake word is its model."""

__all__ = ["WakeEngine", "WakeWord", "check", "find", "load"]


def load(name_or_path: str | Path, *, store: ModelStore | None = None, phrases: VoskModel | None = None) -> WakeEngine:
    """Open a wake word on its own. Arguments and errors are those of `find` and `check`."""
    word = find(name_or_path, store=store, phrases=phrases)
    check(word)
    return JoinedEngine(word.open_front_end(), word.open_model())


def find(name_or_path: str | Path, *, store: ModelStore | None = None, phrases: VoskModel | None = None) -> WakeWord:
    """Find a wake word and check its files and its card.

    A name of the manifest ("Hey Jarvis" and "hey_jarvis" are the same), the path of a microWakeWord .tflite file, or,
    where `phrases` is a speech model, any phrase of words that it knows.

    store: the installed models; None: those of this installation.

    Raises:
        ModelError: there is no such word, naming those there are; or its files are missing, damaged or of another kind;
            or its card is not of the form, or disagrees with the manifest.
    """
    asked = str(name_or_path)
    store = store or ModelStore(MANIFEST, MANIFEST.parent)
    if asked.endswith(".tflite"):
        return _from_path(Path(asked), store)
    known = {normal(name): name for name in store.names(Kind.WAKE)}
    if normal(asked) in known:
        return _from_manifest(known[normal(asked)], store)
    if phrases is not None:
        return _from_phrase(normal(asked).replace("_", " "), phrases)
    raise UnknownModelError(
        f'no wake word "{asked}"; there are {", ".join(known.values())}; '
        f"other phrases need a speech recognizer (appliance models install)"
    )


def check(word: WakeWord) -> None:
    """Open a word's model once: says now, not at the first frame, when it is not of the form, or can never wake.

    Raises:
        ModelError: shapes or number formats are not those of the engine, or no score can reach the threshold.
    """
    model = word.open_model()
    try:
        scorer = model.scorer if isinstance(model, MicroModel) else None
        if isinstance(scorer, Int8Model) and word.threshold > scorer.highest:
            raise ModelError(
                f"{word.parts.files[0].path}: its threshold is {word.threshold:g} and it gives 0..{scorer.highest:.4f} "
                f"at most; choose another in its card or the manifest"
            )
    finally:
        model.close()


def _from_manifest(name: str, store: ModelStore) -> WakeWord:
    wake = store.entry(name).wake
    assert wake is not None, "the manifest gives every wake word its settings"
    file = _model_file(store, name)
    if wake.engine is WakeEngineName.INT8:
        compare(file, wake)
        alone = WakeWord(
            name=name, engine="int8", threshold=wake.threshold, window=wake.window, parts=Parts(files=(file,))
        )
        return _with_verifier(alone, card_of(file), store)
    return WakeWord(
        name=name,
        engine=wake.engine.value,
        threshold=wake.threshold,
        window=wake.window,
        parts=Parts(files=(file, *_features(store, wake.features))),
    )


def _features(store: ModelStore, name: str) -> tuple[TfliteFile, TfliteFile]:
    """Melspectrogram and embedding."""
    mel, embedding = (TfliteFile.read(store.folder(name) / file, verified=True) for file in FILES)
    return mel, embedding


def _model_file(store: ModelStore, name: str) -> TfliteFile:
    names = [
        file for file in store.entry(name).files if file.endswith(".tflite") and not file.endswith(VERIFIER_SUFFIX)
    ]
    if len(names) != 1:
        raise ModelError(f'model "{name}": the manifest names {len(names)} .tflite files; a wake word has one')
    return TfliteFile.read(store.folder(name) / names[0], verified=True)


def _from_path(path: Path, store: ModelStore) -> WakeWord:
    file = TfliteFile.read(path)
    card = card_of(file)
    alone = WakeWord(
        name=normal(card.wake_word or path.stem),
        engine="int8",
        threshold=card.verifier.threshold if card.verifier else card.micro.probability_cutoff,
        window=card.micro.sliding_window_size,
        parts=Parts(files=(file,)),
    )
    return _with_verifier(alone, card, store)


def _with_verifier(alone: WakeWord, card: Card, store: ModelStore) -> WakeWord:
    """A word whose card names a verifier gets it, but for a warning where what that hears is not installed."""
    if card.verifier is None:
        return alone
    (file,) = alone.parts.files
    head = TfliteFile.read(file.path.with_name(card.verifier.model), verified=True)  # by the next line
    if hashlib.sha256(head.contents).hexdigest() != card.verifier.sha256:
        raise ModelError(
            f"{head.path}: not the verifier that the card of {file.path.name} names; take all of them again"
        )
    try:
        features = _features(store, card.verifier.features)
    except ModelError as error:
        _LOGGER.warning("%s: without its verifier it misses and wakes falsely more often: %s", alone.name, error)
        return replace(alone, threshold=card.micro.probability_cutoff)
    verifier = Verifier(head, *features)
    parts = Parts(files=(file,), verifier=verifier, gate=card.verifier.gate, gate_window=alone.window)
    return replace(alone, window=1, parts=parts)


def _from_phrase(phrase: str, recognizer: VoskModel) -> WakeWord:
    word = WakeWord(
        name=phrase.replace(" ", "_"),
        engine="phrase",
        threshold=THRESHOLD,
        window=WINDOW_FRAMES,
        parts=Parts(recognizer=recognizer, phrase=phrase),
    )
    check(word)  # at once: what is no model's name may be no phrase either
    return word
