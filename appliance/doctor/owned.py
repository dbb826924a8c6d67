"""What the owner chose: home, models, wake words; and whether all of it can be loaded."""

import time

from appliance.brains import find_stop_word, load_brains, load_home, load_language, load_voice, model_folder
from appliance.config import Config
from appliance.config_files import LoadedConfig
from appliance.doctor.findings import Finding, Level, ok, told, warnings_of
from appliance.errors import ModelError, UnknownModelError
from appliance.models import Kind, ModelStore
from appliance.understanding.language_folder import NONE, chosen_models, language_of
from appliance.wake import check, find


def home(loaded: LoadedConfig) -> list[Finding]:
    """The home file, and the language with its names. Raises ConfigError."""
    with warnings_of("home") as findings:
        found = load_home(loaded)
        load_language(loaded, found)
    where = loaded.home_file or "no file"
    counts = f"{len(found.areas)} areas, {len(found.devices)} devices, {len(found.sentences)} own commands"
    return [*findings, ok("home", f"{where}: {counts}")]


def models(loaded: LoadedConfig, store: ModelStore) -> list[Finding]:
    """Recognizer, pronunciations, detector, voice, wake and stop words: installed, and unharmed by their SHA-256."""
    config, chosen = loaded.config, chosen_models(loaded)
    findings = [
        _model(store, chosen.recognizer, Kind.RECOGNIZER, Level.PROBLEM),
        _model(store, chosen.speech_detector, Kind.SPEECH_DETECTOR, Level.PROBLEM),
        _voice(loaded, store, chosen.voice),
    ]
    if chosen.pronunciations not in ("", NONE):
        findings.append(_model(store, chosen.pronunciations, Kind.PRONUNCIATIONS, Level.WARNING))
    findings += [_wake_word(word, store) for word in config.wake.words]
    return findings + ([_stop_word(config, store)] if config.wake.stop_word else [])


def _model(store: ModelStore, name: str, kind: Kind, level: Level) -> Finding:
    """`level`: of a finding that it cannot be used."""
    try:
        model_folder(store, name, kind)
    except ModelError as error:
        return told(level, "models", error)
    return ok("models", f"{name} ({kind}), {store.entry(name).size}, unharmed")


def _voice(loaded: LoadedConfig, store: ModelStore, name: str) -> Finding:
    """The voice of the language, or the program that is it."""
    if name not in ("", NONE):
        return _model(store, name, Kind.VOICE, Level.PROBLEM)
    language = language_of(loaded).settings
    try:
        load_voice(loaded, deterministic=True).close()
    except ModelError as error:
        return told(Level.PROBLEM, "voice", error)
    return ok("voice", f"{language.name}: no model, a simple one")


def _wake_word(word: str, store: ModelStore) -> Finding:
    try:
        found = find(word, store=store)
        check(found)
    except UnknownModelError:
        return ok("wake word", f"{word!r}, no model: spotted by the recognizer")
    except ModelError as error:
        return told(Level.PROBLEM, "wake word", error)
    return ok("wake word", f"{found.name}, engine {found.engine}, unharmed")


def _stop_word(config: Config, store: ModelStore) -> Finding:
    try:
        found = find_stop_word(config, store)
    except ModelError as error:
        return told(Level.PROBLEM, "stop word", error)
    assert found is not None, "one is configured"
    return ok("stop word", f"{found.name}, engine {found.engine}, unharmed")


def start(loaded: LoadedConfig) -> list[Finding]:
    """Load everything, as the start of the appliance does. Raises ConfigError, ModelError, StageError."""
    began_s = time.monotonic()
    with warnings_of("start") as findings:
        brains = load_brains(loaded)
        voice = load_voice(loaded, deterministic=False)
        try:
            voice.start()
        finally:
            voice.close()
    words = ", ".join(word.name for word in brains.words)
    return [*findings, ok("start", f"all is loaded within {time.monotonic() - began_s:.1f} s; wake words: {words}")]
