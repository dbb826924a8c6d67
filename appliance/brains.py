"""Models and language: everything that is loaded, checked and used once before the first frame.

What can be wrong with configuration, models and home file comes out here, in one sentence; what is slow on first use is
used once, so that the first turn is as quick as any.
"""

import dataclasses
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance import learned_devices
from appliance.audio import hardware
from appliance.audio.format import Frame, silent_pcm
from appliance.audio.hardware import Hardware
from appliance.config import Config
from appliance.config_files import HARDWARE, MANIFEST, LoadedConfig
from appliance.errors import ConfigError, ModelError, UnknownModelError
from appliance.home.phrases import Phrases
from appliance.home.written import Written
from appliance.later import Later
from appliance.models import Kind, ModelStore
from appliance.mqtt.broker_access import read_access
from appliance.runtimes.vosk import VoskModel
from appliance.speech.detector import SileroDetector
from appliance.speech.recognizer import VoskRecognizer
from appliance.understanding import strict_yaml
from appliance.understanding.home_file import HomeConfig
from appliance.understanding.language import Language
from appliance.understanding.language_folder import NONE, chosen_models, language_of
from appliance.understanding.pronunciations import Pronunciations
from appliance.understanding.reading import Reader
from appliance.understanding.soundalike import SoundMatcher
from appliance.understanding.strict_yaml import Document
from appliance.understanding.taught import Taught, taught
from appliance.understanding.vocabulary import Unheard, unheard
from appliance.voice.fallback import FallbackVoice
from appliance.voice.hurried import HurriedVoice
from appliance.voice.piper import PiperVoice
from appliance.voice.simple import SimpleVoice
from appliance.voice.voice import Voice, split_sentences
from appliance.wake import check, find
from appliance.wake.engine import WakeWord

_LOGGER = logging.getLogger(__name__)

NO_READER = "every word must be heard right, and nothing tells how sure it is: %s"

UNHEARD_TOLD = 10
"""Words that the recognizer does not know, told at a start; `appliance sentences check` lists them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """What understands words."""

    recognizer: VoskRecognizer
    reader: Reader | None
    """None without the dictionary of pronunciations: what is said must be heard literally."""

    wake_words: frozenset[str]
    """Names of the wake words whose phrase the recognizer knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brains:
    """Models and language, loaded once and used by every loop that is built from them."""

    loaded: LoadedConfig
    store: ModelStore
    home: HomeConfig
    language: Language
    detector: SileroDetector
    words: tuple[WakeWord, ...]
    speech_model: Later[VoskModel]
    hearing: Later[Hearing]
    """Two thirds of a start; needed at the end of the first wake word."""

    stop_word: WakeWord | None = None
    """Ends an answer or a ring."""

    @property
    def vosk(self) -> VoskModel:
        """Waited for. Raises ConfigError, ModelError, when it cannot be loaded; so do the next two."""
        return self.speech_model.get()

    @property
    def recognizer(self) -> VoskRecognizer:
        """Waited for."""
        return self.hearing.get().recognizer

    @property
    def reader(self) -> Reader | None:
        """Waited for."""
        return self.hearing.get().reader

    def make_the_rest(self) -> None:
        """Load and use once what only the first turn needs, and `load_brains` was asked to leave. In one thread alone.

        Raises:
            ConfigError, ModelError: one sentence each.
        """
        self.speech_model.make()
        self.hearing.make()
        self.language.warm_up()


def load_brains(
    loaded: LoadedConfig,
    *,
    sentences: Path | None = None,
    wake_words: Sequence[str] | None = None,
    whole: bool = True,
) -> Brains:
    """Load and check every model and the language, and warm them up.

    Args:
        loaded: the configuration.
        sentences: a hassil file instead of the built-in language.
        wake_words: instead of the configuration's.
        whole: False leaves to the caller what only the first turn needs, most of the time: `Brains.make_the_rest`.

    Raises:
        ConfigError, ModelError: one sentence each.
    """
    config = loaded.config
    store = ModelStore(MANIFEST, loaded.models_directory)
    home = load_home(loaded)
    language = load_language(loaded, home, sentences)
    vosk = Later(lambda: load_vosk(loaded, store))
    detector = load_detector(loaded)
    for index in range(4):  # its first uses are slow
        detector.process(Frame(index, silent_pcm()))
    detector.reset()
    words = _wake_words(wake_words or config.wake.words, store, vosk)
    brains = _with_stop_word(_brains(loaded, (home, language), (store, vosk, detector), words))
    if whole:
        brains.make_the_rest()
    return brains


def reload_brains(loaded: LoadedConfig, old: Brains) -> Brains:
    """With other wake words, home or language, and the models of before. Raises ConfigError, ModelError."""
    old.hearing.get()  # a start that is not over yet is waited for
    home, language = load_home(loaded), old.language
    config, before = loaded.config, old.loaded.config
    if home != old.home or (config.home, config.device.area) != (before.home, before.device.area):
        language = load_language(loaded, home)
    store = ModelStore(MANIFEST, loaded.models_directory)  # as new: a wake word may have been installed, or made anew
    if config.wake.words != before.wake.words:
        words = _wake_words(config.wake.words, store, old.speech_model)
    else:
        installed = store.names(Kind.WAKE)
        words = tuple(find(word.name, store=store) if word.name in installed else word for word in old.words)
    if language is old.language and words == old.words:
        return _with_stop_word(dataclasses.replace(old, loaded=loaded, store=store, home=home))
    brains = _with_stop_word(_brains(loaded, (home, language), (store, old.speech_model, old.detector), words))
    brains.make_the_rest()
    return brains


def load_hardware(loaded: LoadedConfig) -> Hardware:
    """Which microphone and loudspeaker. Raises ConfigError."""
    return hardware.read(loaded.config.audio, HARDWARE)


def check_files(loaded: LoadedConfig) -> None:
    """Whether what the configuration names can be read; the models themselves are not loaded.

    Raises:
        ConfigError, ModelError: what a start would end with.
    """
    config = loaded.config
    load_home(loaded)
    load_hardware(loaded)
    if config.mqtt.host:
        read_access(loaded.mqtt)
    store = ModelStore(MANIFEST, loaded.models_directory)
    model_folder(store, chosen_models(loaded).recognizer, Kind.RECOGNIZER)
    model_folder(store, config.models.speech_detector, Kind.SPEECH_DETECTOR)
    load_voice(loaded, deterministic=False).close()
    find_stop_word(config, store)


def load_vosk(loaded: LoadedConfig, store: ModelStore) -> VoskModel:
    """The speech model of the configured language. Raises ConfigError, ModelError."""
    folder = model_folder(store, chosen_models(loaded).recognizer, Kind.RECOGNIZER)
    return VoskModel(folder, language_of(loaded).settings.common_words.split())


def load_detector(loaded: LoadedConfig) -> SileroDetector:
    """The speech detector alone. Raises ModelError."""
    store = ModelStore(MANIFEST, loaded.models_directory)
    return SileroDetector(model_folder(store, loaded.config.models.speech_detector, Kind.SPEECH_DETECTOR))


def load_recognizer(loaded: LoadedConfig, language: Language) -> VoskRecognizer:
    """The recognizer of a language alone, for single utterances. Raises ModelError."""
    store = ModelStore(MANIFEST, loaded.models_directory)
    vosk = load_vosk(loaded, store)
    return VoskRecognizer(vosk, _known_sentences(loaded, language, vosk, load_taught(loaded, language)))


def load_reader(loaded: LoadedConfig, language: Language, known: Taught | None = None) -> Reader | None:
    """What finds out the meaning of what was heard not quite right; None, and a warning, where it cannot be had.

    `known`: what the language teaches, where that was loaded already.

    Raises:
        ModelError: the configured model is none of pronunciations.
    """
    try:
        pronunciations = load_pronunciations(loaded)
    except UnknownModelError:
        raise
    except ModelError as error:
        _LOGGER.warning(NO_READER, error)
        return None
    if pronunciations is None:
        _LOGGER.info("nothing tells how words sound: each must be heard right")
        return None
    sounds = (known or load_taught(loaded, language)).sounds
    if sounds is None:
        _LOGGER.warning(NO_READER, "the sentences branch too much for one graph; use fewer optional parts")
        return None
    return Reader(language.match, language.bare, SoundMatcher(sounds, pronunciations))


def load_taught(loaded: LoadedConfig, language: Language) -> Taught:
    """What is learned from a language, from the folder of what is kept where it is there."""
    return taught(language, _dictionary(loaded), loaded.cache)


def load_pronunciations(loaded: LoadedConfig) -> Pronunciations | None:
    """How words sound; None where neither a dictionary nor the language tells. Raises ConfigError, ModelError."""
    name, table = chosen_models(loaded).pronunciations, language_of(loaded).phones()
    if name in ("", NONE):
        return Pronunciations(b"", table) if table.letters and name != NONE else None
    store = ModelStore(MANIFEST, loaded.models_directory)
    return Pronunciations.read(model_folder(store, name, Kind.PRONUNCIATIONS), table)


def find_unheard(
    loaded: LoadedConfig, vosk: VoskModel, words: Iterable[str], document: Document | None
) -> Iterator[Unheard]:
    """Of these words of a file, those that the recognizer does not know, with what to do about each."""
    yield from unheard(words, vosk.knows, document, _dictionary(loaded))


def load_home(loaded: LoadedConfig) -> HomeConfig:
    """The home's areas, devices and sentences, the learned ones among them. Raises ConfigError."""
    return learned_devices.load_home(loaded).home


def load_language(loaded: LoadedConfig, home: HomeConfig, sentences: Path | None = None) -> Language:
    """The built-in language with the home's names, or a file of sentences instead. Raises ConfigError."""
    if sentences is not None:
        return Language.from_sentences_file(sentences, loaded.language)
    return Language.built_in(loaded.language, home, area=loaded.config.device.area)


def load_voice(
    loaded: LoadedConfig, *, deterministic: bool, lost: Callable[[str], None] = lambda reason: None
) -> Voice:
    """The voice of the answers: Piper in a process of its own, and a simpler one where that fails, or the language has
    no other.

    `deterministic`: the same sentence gives the same samples; else the voice varies a little, as people do. `lost` is
    told why, in the voice worker's thread, when the simpler one has to stand in. Raises ConfigError, ModelError.
    """
    name, programs = chosen_models(loaded).voice, language_of(loaded).settings.simple_voice
    simple = SimpleVoice.find(programs)
    if name in ("", NONE):
        if simple is None:
            remedy = f"install {' or '.join(programs)}" if programs else "name one in its language.yaml"
            raise ModelError(f"no voice speaks {loaded.config.home.language!r}; {remedy}")
        return simple
    store = ModelStore(MANIFEST, loaded.models_directory)
    folder = model_folder(store, name, Kind.VOICE)
    identity = " ".join([name, *store.entry(name).files.values()])
    return FallbackVoice(PiperVoice(folder, deterministic=deterministic, identity=identity), simple, lost=lost)


def load_hurried_voice(loaded: LoadedConfig, voice: Voice, slow: Callable[[], None]) -> Voice:
    """A voice whose sentences the language's simple one takes over while it is too slow; itself where there is none.

    `slow` is told so, in the voice worker's thread. Raises ConfigError.
    """
    simple = SimpleVoice.find(language_of(loaded).settings.simple_voice)
    if simple is None or isinstance(voice, SimpleVoice):
        return voice
    return HurriedVoice(voice, simple, slow=slow)


def load_sentences(loaded: LoadedConfig) -> Callable[[str], list[str]]:
    """What turns a text into the sentences that the voice is given: all in words, each as long as it can say at once.

    Raises ConfigError.
    """
    written, abbreviations = Written(Phrases.of(loaded.language)), language_of(loaded).settings.abbreviations
    return lambda text: split_sentences(written.spoken(text), abbreviations)


def model_folder(store: ModelStore, name: str, kind: Kind) -> Path:
    """Folder of an installed model that must be of this kind. Raises ModelError."""
    found = store.entry(name).kind
    if found is not kind:
        known = ", ".join(store.names(kind))
        raise UnknownModelError(f'model "{name}" is a {found}, not a {kind}; there is {known}')
    return store.folder(name)


def find_stop_word(config: Config, store: ModelStore) -> WakeWord | None:
    """The configured one, found and checked; None where there is none. Raises ModelError."""
    name = config.wake.stop_word
    if not name:
        return None
    try:
        word = find(name, store=store)
        check(word)
    except UnknownModelError:
        known = ", ".join(store.names(Kind.WAKE))
        raise UnknownModelError(f'wake.stop_word: no wake model "{name}"; there is {known}') from None
    return word


def spoken(word: WakeWord, store: ModelStore, in_language: Mapping[str, str]) -> str:
    """The wake word as the recognizer writes it: as the language says, else its phrase in the manifest, or its name."""
    if word.name in in_language:
        return in_language[word.name]
    wake = store.entry(word.name).wake if word.name in store.names(Kind.WAKE) else None
    return (wake.phrase if wake else word.name.replace("_", " ")).lower()


def _brains(
    loaded: LoadedConfig,
    home_language: tuple[HomeConfig, Language],
    models: tuple[ModelStore, Later[VoskModel], SileroDetector],
    words: tuple[WakeWord, ...],
) -> Brains:
    """What was loaded as one, and with it what is still to be made of it."""
    home, language = home_language
    store, vosk, detector = models
    in_language = language_of(loaded).settings.wake_words
    phrases = {word.name: spoken(word, store, in_language) for word in words}
    return Brains(
        loaded=loaded,
        store=store,
        home=home,
        language=language,
        detector=detector,
        words=words,
        speech_model=vosk,
        hearing=Later(lambda: _hearing(loaded, language, vosk.get(), phrases)),
    )


def _hearing(loaded: LoadedConfig, language: Language, vosk: VoskModel, phrases: Mapping[str, str]) -> Hearing:
    """The recognizer of a language and of its wake words. `phrases`: how it writes these, by their names."""
    known = load_taught(loaded, language)
    recognizer = VoskRecognizer(vosk, _known_sentences(loaded, language, vosk, known), list(phrases.values()))
    _warm_up(recognizer)
    return Hearing(
        recognizer=recognizer,
        reader=load_reader(loaded, language, known),
        wake_words=frozenset(
            name for name, phrase in phrases.items() if all(vosk.knows(part) for part in phrase.split())
        ),
    )


def _dictionary(loaded: LoadedConfig) -> Pronunciations | None:
    """How words sound, where that is known."""
    try:
        return load_pronunciations(loaded)
    except ModelError:
        return None


def _wake_words(names: Sequence[str], store: ModelStore, vosk: Later[VoskModel]) -> tuple[WakeWord, ...]:
    """Found and checked. Raises ConfigError, ModelError."""
    words = tuple(_wake_word(name, store, vosk) for name in names)
    for word in words:
        check(word)
    if len({word.name for word in words}) < len(words):
        raise ConfigError(f"wake words: {', '.join(word.name for word in words)}: one stands there twice; remove it")
    return words


def _wake_word(name: str, store: ModelStore, vosk: Later[VoskModel]) -> WakeWord:
    """One with a model, else a phrase, for which the recognizer must be there."""
    try:
        return find(name, store=store)
    except UnknownModelError:
        return find(name, store=store, phrases=vosk.make())


def _with_stop_word(brains: Brains) -> Brains:
    """With the stop word of the configuration, found and checked. Raises ConfigError, ModelError."""
    word = find_stop_word(brains.loaded.config, brains.store)
    if word is not None and word.name in {other.name for other in brains.words}:
        raise ConfigError(f'wake.stop_word: "{word.name}" is a wake word, too; name another word, or none')
    return dataclasses.replace(brains, stop_word=word)


def _known_sentences(loaded: LoadedConfig, language: Language, vosk: VoskModel, known: Taught) -> list[str]:
    """What the recognizer can hear; words outside its vocabulary are told to the owner."""
    unknown = {word for word in known.words if not vosk.knows(word)}
    if unknown:
        file = language.file or loaded.home_file
        document = strict_yaml.read(file) if file else None
        for word in itertools.islice(find_unheard(loaded, vosk, unknown, document), UNHEARD_TOLD):
            _LOGGER.warning("%s", word)
        if len(unknown) > UNHEARD_TOLD:
            _LOGGER.warning("%d words more are unknown; appliance sentences check", len(unknown) - UNHEARD_TOLD)
    return [sentence for sentence in known.sentences if unknown.isdisjoint(sentence.split())]


def _warm_up(recognizer: VoskRecognizer) -> None:
    """Its first use is slow, and the first turn should not pay for it."""
    recognizer.accept(silent_pcm())
    recognizer.finish()
    recognizer.begin(after_wake=True)
