"""What is offered, from the configuration: the models, and how the protocol describes them."""

from collections.abc import Sequence
from typing import Any

import appliance
from appliance.brains import load_sentences, load_voice, load_vosk
from appliance.config_files import MANIFEST, LoadedConfig
from appliance.errors import UsageError
from appliance.models import ModelStore
from appliance.runtimes.vosk import VoskModel
from appliance.understanding.language_folder import NONE, chosen_models, language_of
from appliance.wake import find
from appliance.wake.card import normal
from appliance.wake.engine import WakeWord
from appliance.wyoming.conversation import Services
from appliance.wyoming.ears import Ear, SpeechEar, WakeEar
from appliance.wyoming.mouth import Mouth
from appliance.wyoming.wire import WireError


class Offer:
    """The services of one configuration; `close` ends the voice."""

    def __init__(self, loaded: LoadedConfig) -> None:
        """Load and check every model. Raises ConfigError, ModelError, StageError, UsageError."""
        _check_library()
        self._loaded = loaded
        self._store = ModelStore(MANIFEST, loaded.models_directory)
        self._vosk: VoskModel = load_vosk(loaded, self._store)
        self._words = self._find_words(loaded.config.wake.words)
        settings = language_of(loaded).settings
        self.mouth = Mouth(load_voice(loaded, deterministic=False), load_sentences(loaded), settings.abbreviations)
        self.services = Services(
            info=self._info(settings.code),
            detector=self._detector,
            transcriber=lambda: SpeechEar(self._vosk, settings.code),
            mouth=self.mouth,
        )
        self.mouth.start()

    def close(self) -> None:
        """End the voice."""
        self.mouth.close()

    def _detector(self, names: Sequence[str] | None) -> Ear:
        """Words found anew for each client: what verifies them may be shared, but not between threads."""
        known = {normal(word.name): word.name for word in self._words}
        chosen = {known[normal(name)] for name in names if normal(name) in known} if names else set(known.values())
        if not chosen:
            raise WireError(f"detect: none of these wake words is served; there is {', '.join(known.values())}")
        configured = zip(self._words, self._loaded.config.wake.words, strict=True)
        return WakeEar(self._find_words([asked for word, asked in configured if word.name in chosen]))

    def _find_words(self, names: Sequence[str]) -> list[WakeWord]:
        return [find(name, store=self._store, phrases=self._vosk) for name in names]

    def _info(self, language: str) -> Any:
        from wyoming.info import AsrModel, AsrProgram, Info, TtsProgram, TtsVoice, WakeModel, WakeProgram

        chosen = chosen_models(self._loaded)
        voice = chosen.voice if chosen.voice not in ("", NONE) else "simple"
        wakes = [
            WakeModel(**self._artifact(word.name), languages=[language], phrase=word.name.replace("_", " "))
            for word in self._words
        ]
        model = AsrModel(**self._artifact(chosen.recognizer), languages=[language])
        speaker = TtsVoice(**self._artifact(voice), languages=[language])
        program = self._artifact("appliance")
        return Info(
            asr=[AsrProgram(**program, models=[model], supports_transcript_streaming=True)],
            tts=[TtsProgram(**program, voices=[speaker], supports_synthesize_streaming=True)],
            wake=[WakeProgram(**program, models=wakes)],
        )

    def _artifact(self, name: str) -> dict[str, Any]:
        """Name, purpose and card of a model of the manifest, or what can be said of what is none."""
        from wyoming.info import Attribution

        known = name in self._store.names()
        return {
            "name": name,
            "attribution": Attribution(name=name, url=self._store.entry(name).card if known else ""),
            "installed": True,
            "description": self._store.entry(name).purpose if known else "Offline voice appliance",
            "version": appliance.__version__,
        }


def _check_library() -> None:
    try:
        import wyoming  # noqa: F401  (only whether it is there)
    except ImportError:
        raise UsageError("wyoming: the package of that name is not installed; type: make wyoming") from None
