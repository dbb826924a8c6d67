"""Puts the stages together: the only place, with the daemon and replay, that knows them all.

Everything that can be wrong with configuration, models and home file comes out here, before the first frame; everything
that is slow on first use is used once, so that the first turn is as quick as any.
"""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.acting import Acting, ActingRules
from appliance.audio import hardware
from appliance.audio.format import Frame, frames_of_ms, silent_pcm
from appliance.audio.hardware import Hardware
from appliance.audio.player import Player
from appliance.audio.ring import Ring
from appliance.audio.speakers import Speaker
from appliance.clock import Clock
from appliance.config_files import HARDWARE, MANIFEST, LoadedConfig
from appliance.dialog import Dialog
from appliance.dialog_handlers import PRE_ROLL_FRAMES
from appliance.errors import ConfigError, UnknownModelError
from appliance.home.actions import Actions
from appliance.home.effects import HomeEffects, Publish
from appliance.inbox import Inbox
from appliance.listening import RECOGNITION_INBOX, Listening, Understander
from appliance.loop import FrameLoop, Publisher, Renewal, Rules, Stages
from appliance.models import Kind, ModelStore
from appliance.runtimes.vosk import VoskModel
from appliance.speaking import Reference, Speaking
from appliance.speech.detector import SileroDetector
from appliance.speech.endpoint import Endpointer, Limits
from appliance.speech.recognizer import VoskRecognizer
from appliance.trace import Tracer
from appliance.understanding import home_file
from appliance.understanding.home_file import HomeConfig
from appliance.understanding.language import Language
from appliance.voice.fallback import FallbackVoice
from appliance.voice.piper import PiperVoice
from appliance.voice.simple import SimpleVoice
from appliance.voice.voice import Voice
from appliance.wake import find
from appliance.wake.engine import WakeWord
from appliance.wake.spotter import Spotter
from appliance.worker import InlineWorker, ThreadWorker, Worker

_LOGGER = logging.getLogger(__name__)

LEAD_FRAMES = frames_of_ms(200)
"""A live loudspeaker's queue is kept so far ahead, so that a late frame of the loop is not heard as a crackle."""

SLOWEST_RESULT_MS = 20_000
"""A turn without a result is given up so long after the longest command: text and action take 0.1 s as a rule. To this
comes the time that the owner's slowest program may take."""

ACTION_INBOX = 8
"""Actions that may wait; a person starts one in some seconds, and each is bounded in time."""

VOICE_INBOX = 8
"""Answers that may wait to be synthesized; all but the newest are cancelled and end at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Who does the slow work."""

    recognition: Worker
    action: Worker
    voice: Worker

    def start(self) -> None:
        """Start the threads."""
        for worker in (self.recognition, self.action, self.voice):
            worker.start()

    def close(self) -> None:
        """End the running jobs and the threads."""
        for worker in (self.recognition, self.action, self.voice):
            worker.close()


def inline_workers(inbox: Inbox) -> Workers:
    """Everything at once in the caller's thread."""
    return Workers(
        recognition=InlineWorker("recognition", failed=inbox.failed),
        action=InlineWorker("action", failed=inbox.failed),
        voice=InlineWorker("voice", failed=inbox.failed),
    )


def thread_workers(inbox: Inbox) -> Workers:
    """A thread for each."""
    return Workers(
        recognition=ThreadWorker("recognition", capacity=RECOGNITION_INBOX, failed=inbox.failed),
        action=ThreadWorker("action", capacity=ACTION_INBOX, failed=inbox.failed),
        voice=ThreadWorker("voice", capacity=VOICE_INBOX, failed=inbox.failed),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Brains:
    """Models and language, loaded once and used by every loop that is built from them."""

    loaded: LoadedConfig
    store: ModelStore
    home: HomeConfig
    language: Language
    vosk: VoskModel
    detector: SileroDetector
    recognizer: VoskRecognizer
    words: tuple[WakeWord, ...]
    heard_words: frozenset[str]
    """Names of the wake words whose phrase the recognizer knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What differs between the live daemon and a replay."""

    clock: Clock
    voice: Voice
    speaker: Speaker
    workers: Workers
    publish: Publisher
    publish_mqtt: Publish
    dry_run: bool
    inbox: Inbox
    lead_frames: int = 0
    reference: Reference | None = None
    tracer: Tracer | None = None


def load_brains(
    loaded: LoadedConfig, *, sentences: Path | None = None, wake_words: Sequence[str] | None = None
) -> Brains:
    """Load and check every model and the language, and warm them up.

    Args:
        loaded: the configuration.
        sentences: a hassil file instead of the built-in language.
        wake_words: instead of the configuration's.

    Raises:
        ConfigError, ModelError: one sentence each.
    """
    config = loaded.config
    store = ModelStore(MANIFEST, loaded.models_directory)
    home = load_home(loaded)
    language = load_language(loaded, home, sentences)
    vosk = VoskModel(model_folder(store, config.models.recognizer, Kind.RECOGNIZER))
    detector = SileroDetector(model_folder(store, config.models.speech_detector, Kind.SPEECH_DETECTOR))
    for index in range(4):  # its first uses are slow
        detector.process(Frame(index, silent_pcm()))
    detector.reset()
    words = _wake_words(wake_words or config.wake.words, store, vosk)
    return _brains(loaded, (home, language), (store, vosk, detector), words)


def reload_brains(loaded: LoadedConfig, old: Brains) -> Brains:
    """With other wake words, home or language, and the models of before. Raises ConfigError, ModelError."""
    home, language = load_home(loaded), old.language
    config, before = loaded.config, old.loaded.config
    if home != old.home or (config.home, config.device.area) != (before.home, before.device.area):
        language = load_language(loaded, home)
    words = old.words
    if config.wake.words != before.wake.words:
        words = _wake_words(config.wake.words, old.store, old.vosk)
    if language is old.language and words is old.words:
        return dataclasses.replace(old, loaded=loaded, home=home)
    return _brains(loaded, (home, language), (old.store, old.vosk, old.detector), words)


def _brains(
    loaded: LoadedConfig,
    home_language: tuple[HomeConfig, Language],
    models: tuple[ModelStore, VoskModel, SileroDetector],
    words: tuple[WakeWord, ...],
) -> Brains:
    """The recognizer of a language and of its wake words, and all the rest."""
    home, language = home_language
    store, vosk, detector = models
    recognizer = VoskRecognizer(vosk, _known_sentences(language, vosk), [spoken(word, store) for word in words])
    _warm_up(language, recognizer)
    return Brains(
        loaded=loaded,
        store=store,
        home=home,
        language=language,
        vosk=vosk,
        detector=detector,
        recognizer=recognizer,
        words=words,
        heard_words=frozenset(
            word.name for word in words if all(vosk.knows(part) for part in spoken(word, store).split())
        ),
    )


def _wake_words(names: Sequence[str], store: ModelStore, vosk: VoskModel) -> tuple[WakeWord, ...]:
    """Found and checked. Raises ConfigError, ModelError."""
    words = tuple(find(name, store=store, phrases=vosk) for name in names)
    if len({word.name for word in words}) < len(words):
        raise ConfigError(f"wake words: {', '.join(word.name for word in words)}: one stands there twice; remove it")
    return words


def load_hardware(loaded: LoadedConfig) -> Hardware:
    """Which microphone and loudspeaker. Raises ConfigError."""
    return hardware.read(loaded.config.audio, HARDWARE)


def load_recognizer(loaded: LoadedConfig, language: Language) -> VoskRecognizer:
    """The recognizer of a language alone, for single utterances. Raises ModelError."""
    store = ModelStore(MANIFEST, loaded.models_directory)
    vosk = VoskModel(model_folder(store, loaded.config.models.recognizer, Kind.RECOGNIZER))
    return VoskRecognizer(vosk, _known_sentences(language, vosk))


def model_folder(store: ModelStore, name: str, kind: Kind) -> Path:
    """Folder of an installed model that must be of this kind. Raises ModelError."""
    found = store.entry(name).kind
    if found is not kind:
        known = ", ".join(store.names(kind))
        raise UnknownModelError(f'model "{name}" is a {found}, not a {kind}; there is {known}')
    return store.folder(name)


def load_home(loaded: LoadedConfig) -> HomeConfig:
    """The home's areas, devices and sentences; an empty home where no file is named. Raises ConfigError."""
    return home_file.load(loaded.home_file) if loaded.home_file else HomeConfig()


def load_language(loaded: LoadedConfig, home: HomeConfig, sentences: Path | None = None) -> Language:
    """The built-in language with the home's names, or a file of sentences instead. Raises ConfigError."""
    if sentences is not None:
        return Language.from_sentences_file(sentences)
    return Language.built_in(loaded.config.home.language, home, area=loaded.config.device.area)


def build_loop(brains: Brains, around: Surroundings) -> FrameLoop:
    """A frame loop with its stages as new."""
    parts = build_renewal(brains, around)
    speaking = Speaking(
        voice=around.voice,
        player=Player(around.speaker, lead_frames=around.lead_frames),
        worker=around.workers.voice,
        post=around.inbox.post,
        reference=around.reference,
        tracer=around.tracer,
    )
    acting = Acting(
        actions=parts.actions,
        worker=around.workers.action,
        post=around.inbox.post,
        clock=around.clock,
        rules=parts.acting_rules,
    )
    stages = Stages(
        ring=parts.ring,
        spotter=parts.spotter,
        listening=parts.listening,
        speaking=speaking,
        acting=acting,
        dialog=Dialog(apology=parts.apology),
        inbox=around.inbox,
    )
    return FrameLoop(stages, parts.rules, around.publish, around.tracer)


def build_renewal(brains: Brains, around: Surroundings) -> Renewal:
    """What of a loop comes from configuration and models, as new."""
    config = brains.loaded.config
    limits = Limits(
        threshold=config.listening.speech_threshold,
        no_speech_frames=frames_of_ms(config.listening.no_speech_ms),
        silence_frames=frames_of_ms(config.listening.silence_ms),
        longest_frames=frames_of_ms(config.listening.longest_ms),
    )
    ring = Ring(PRE_ROLL_FRAMES + limits.no_speech_frames + limits.longest_frames + limits.silence_frames)
    programs = [own.run.timeout_s for own in brains.home.sentences if own.run is not None]
    slowest_program_ms = max(programs, default=0) * 1000
    return Renewal(
        ring=ring,
        spotter=_spotter(brains),
        listening=Listening(
            ring=ring,
            detector=brains.detector,
            endpointer=Endpointer(limits),
            understander=Understander(brains.recognizer, brains.language, around.inbox.post, around.tracer),
            worker=around.workers.recognition,
            tracer=around.tracer,
        ),
        actions=Actions(brains.home, HomeEffects(around.publish_mqtt), brains.language.answer),
        acting_rules=ActingRules(
            ring_frames=frames_of_ms(config.home.ring_s * 1000), area=config.device.area, dry_run=around.dry_run
        ),
        apology=brains.language.answer("not_understood"),
        rules=Rules(
            turn_frames=ring.capacity + frames_of_ms(SLOWEST_RESULT_MS + slowest_program_ms),
            volume=config.audio.volume,
            wake_words=tuple(word.name for word in brains.words),
            heard_words=brains.heard_words,
        ),
    )


def _known_sentences(language: Language, vosk: VoskModel) -> list[str]:
    """What the recognizer can hear; sentences with a word outside its vocabulary are named to the owner instead."""
    unknown = {word for word in language.words() if not vosk.knows(word)}
    if unknown:
        _LOGGER.warning(
            "the recognizer does not know and will never hear: %s; use other words in the home file",
            ", ".join(sorted(unknown)),
        )
    return [sentence for sentence in language.sentences() if unknown.isdisjoint(sentence.split())]


def _spotter(brains: Brains) -> Spotter:
    """Wake words as new; a threshold of the owner's serves them all, else each has its own."""
    wake = brains.loaded.config.wake
    words = [dataclasses.replace(word, threshold=wake.threshold or word.threshold) for word in brains.words]
    return Spotter(words, near_misses=wake.report_near_misses)


def spoken(word: WakeWord, store: ModelStore) -> str:
    """The wake word as a person says it, in small letters: its phrase in the manifest, else its name."""
    wake = store.entry(word.name).wake if word.name in store.names(Kind.WAKE) else None
    return (wake.phrase if wake else word.name.replace("_", " ")).lower()


def _warm_up(language: Language, recognizer: VoskRecognizer) -> None:
    """Use both once: first uses cost 0.2 s in all, which the first turn should not pay."""
    language.warm_up()
    recognizer.accept(silent_pcm())
    recognizer.finish()
    recognizer.begin(after_wake=True)


def load_voice(
    loaded: LoadedConfig, *, deterministic: bool, lost: Callable[[str], None] = lambda reason: None
) -> Voice:
    """The voice of the answers: Piper in a process of its own, and a simpler one where that fails.

    `deterministic`: the same sentence gives the same samples; else the voice varies a little, as people do. `lost` is
    told why, in the voice worker's thread, when the simpler one has to stand in.
    """
    store = ModelStore(MANIFEST, loaded.models_directory)
    piper = PiperVoice(model_folder(store, loaded.config.models.voice, Kind.VOICE), deterministic=deterministic)
    return FallbackVoice(piper, SimpleVoice.find(), lost=lost)
