"""What listens to the sound that a client sends: for wake words, or to write down what is said."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np

from appliance.audio.format import FRAME_MS, Frame, frames_of_ms
from appliance.events import WakeDetected
from appliance.runtimes.vosk import VoskModel
from appliance.speech.recognizer import Dictation
from appliance.wake.engine import WakeWord
from appliance.wake.spotter import Spotter
from appliance.wyoming.wire import WireError

LONGEST_SPEECH_MS: Final = 60_000
"""To be written down at once."""


class Ear(Protocol):
    """Eats one stream of sound; answers with events of the library."""

    def hear(self, frames: Sequence[Frame], timestamp: int | None) -> list[Any]:
        """The next frames; `timestamp`: when they began, ms, if the client told."""

    def finish(self) -> list[Any]:
        """The stream is over."""

    def close(self) -> None:
        """Free what it holds."""


class WakeEar:
    """Hears wake words."""

    def __init__(self, words: Sequence[WakeWord]) -> None:
        self._spotter = Spotter(words)
        self._detected = False

    def hear(self, frames: Sequence[Frame], timestamp: int | None) -> list[Any]:
        from wyoming.wake import Detection

        heard = []
        for frame in frames:
            for event in self._spotter.process(frame):
                if isinstance(event, WakeDetected):
                    at_ms = event.frame * FRAME_MS if timestamp is None else timestamp
                    heard.append(Detection(name=event.word, timestamp=at_ms))
        self._detected = self._detected or bool(heard)
        return heard

    def finish(self) -> list[Any]:
        from wyoming.wake import NotDetected

        return [] if self._detected else [NotDetected()]

    def close(self) -> None:
        self._spotter.close()


class SpeechEar:
    """Writes down free speech; what a pause has ended is told at once, and does not change any more."""

    def __init__(self, model: VoskModel, language: str) -> None:
        self._dictation = Dictation(model)
        self._unknown = model.unknown
        self._language = language
        self._told: list[str] = []

    def hear(self, frames: Sequence[Frame], timestamp: int | None) -> list[Any]:
        if not frames:
            return []
        if frames[-1].index >= frames_of_ms(LONGEST_SPEECH_MS):
            raise WireError(f"more than {LONGEST_SPEECH_MS // 1000} s of speech")
        return self._tell(self._dictation.accept(np.concatenate([frame.pcm for frame in frames])))

    def finish(self) -> list[Any]:
        from wyoming.asr import Transcript, TranscriptStart, TranscriptStop

        told = self._tell(self._dictation.finish())
        begin = [] if self._told else [TranscriptStart(language=self._language)]
        whole = Transcript(text=" ".join(self._told), language=self._language)
        return [*begin, *told, whole, TranscriptStop()]

    def close(self) -> None:
        """Nothing."""

    def _tell(self, text: str) -> list[Any]:
        words = " ".join(word for word in text.split() if word != self._unknown)
        if not words:
            return []
        from wyoming.asr import TranscriptChunk, TranscriptStart

        begin = [] if self._told else [TranscriptStart(language=self._language)]
        self._told.append(words)
        return [*begin, TranscriptChunk(text=words if len(self._told) == 1 else f" {words}")]
