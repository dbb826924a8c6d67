"""What a wake word is made of, and the table of engines.

A front end makes features of frames, a model makes scores of features; several words of one engine share a front end.
Nothing here decides: that is `trigger.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from appliance.audio.format import Frame, Pcm
from appliance.runtimes.tflite import TfliteFile
from appliance.runtimes.vosk import VoskModel
from appliance.wake.features import MicroFrontEnd, Samples
from appliance.wake.int8 import Int8Model, MicroModel, RowScorer
from appliance.wake.openwakeword import EmbeddingFeatures, OpenWakeWordModel
from appliance.wake.phrase import STEP_FRAMES, PhraseModel
from appliance.wake.verifier import VerifiedModel, Verifier

Features = Any
"""What a front end makes of a frame, mostly rows, oldest first; what they are is between it and its models."""


class FrontEnd(Protocol):
    """Makes features of a stream of frames."""

    def process(self, pcm: Pcm) -> Features:
        """Eat one frame, int16 (320,); what it completed."""

    def reset(self) -> None:
        """Forget the past."""

    def close(self) -> None:
        """Free what it holds."""


class WakeModel(Protocol):
    """Scores a stream of features for one word."""

    def process(self, features: Features) -> float | None:
        """Eat the features of a frame; the newest score in 0..1, None when they completed none."""

    def reset(self) -> None:
        """Forget the past."""

    def close(self) -> None:
        """Free what it holds."""


class WakeEngine(Protocol):
    """Scores a stream of frames for one word. Knows nothing of thresholds, time or threads."""

    def process(self, frame: Frame) -> float | None:
        """Eat one frame; the newest score in 0..1, None when the frame brought none."""

    def reset(self) -> None:
        """Forget the past: it is as new. Cheap, no file is read."""

    def close(self) -> None:
        """Free what it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a word's engine is built from; which of them it needs, its row in ENGINES says."""

    files: tuple[TfliteFile, ...] = ()
    """The word's own model first; for openwakeword then the melspectrogram and the embedding."""

    verifier: Verifier | None = None
    """With int8: hears again, from a mean of `gate` of the model's newest `gate_window` scores on. It has no memory, so
    all that hear this word share it."""

    gate: float = 0.0
    gate_window: int = 1

    recognizer: VoskModel | None = None
    phrase: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """How words of one kind are heard."""

    jitter_frames: int
    """How much earlier the same sound may be scored in one stream than in another: the size of the engine's steps."""

    front_end: Callable[[Parts], FrontEnd]
    model: Callable[[Parts], WakeModel]


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeWord:
    """A wake word whose parts were found and checked; opened as often as needed."""

    name: str
    engine: str
    """A key of ENGINES."""

    threshold: float
    """Mean score that wakes, 0..1."""

    window: int
    """Number of newest scores the mean is taken over."""

    parts: Parts

    def open_front_end(self) -> FrontEnd:
        """A front end; words of the same engine may share it."""
        return ENGINES[self.engine].front_end(self.parts)

    def open_model(self) -> WakeModel:
        """A model without past. Raises ModelError when it is not of the form that the engine needs."""
        return ENGINES[self.engine].model(self.parts)


class JoinedEngine:
    """One word on its own: a front end and a model."""

    def __init__(self, front_end: FrontEnd, model: WakeModel) -> None:
        """Take over both."""
        self._front_end = front_end
        self._model = model

    def process(self, frame: Frame) -> float | None:
        """Score one frame; None when it brought no new score."""
        return self._model.process(self._front_end.process(frame.pcm))

    def reset(self) -> None:
        """Forget the past."""
        self._front_end.reset()
        self._model.reset()

    def close(self) -> None:
        """Free what both hold."""
        self._front_end.close()
        self._model.close()


def _int8_model(parts: Parts) -> WakeModel:
    return with_verifier(Int8Model(parts.files[0]), parts)


def with_verifier(first: RowScorer, parts: Parts) -> WakeModel:
    """A scorer of micro features with the verifier that is among the parts, or on its own."""
    if parts.verifier is None:
        return MicroModel(first)
    return VerifiedModel(first, parts.verifier, parts.gate, parts.gate_window)


def _phrase_model(parts: Parts) -> WakeModel:
    assert parts.recognizer is not None, "a phrase is found only where there is a recognizer"
    return PhraseModel(parts.recognizer, parts.phrase)


ENGINES: dict[str, Engine] = {
    "int8": Engine(
        jitter_frames=2,
        front_end=lambda parts: MicroFrontEnd(),
        model=_int8_model,
    ),
    "openwakeword": Engine(
        jitter_frames=4,
        front_end=lambda parts: EmbeddingFeatures(parts.files[1], parts.files[2]),
        model=lambda parts: OpenWakeWordModel(parts.files[0]),
    ),
    "phrase": Engine(
        jitter_frames=STEP_FRAMES,
        front_end=lambda parts: Samples(),
        model=_phrase_model,
    ),
}
"""Name to engine. A new engine is a file of this folder and a row here."""
