"""The passthrough test of a room: what the appliance makes of each frame of sound. `appliance devices --meter`."""

import locale
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from appliance.audio.files import FileSource
from appliance.audio.format import FRAME_MS, FRAMES_PER_S, Frame, level_dbfs, seconds_of_frame
from appliance.audio.health import AudioHealth
from appliance.audio.noise_floor import RoomNoise
from appliance.audio.sources import Source
from appliance.brains import load_vosk, model_folder
from appliance.cli.meter_output import JsonLines, Output, Picture, Reading, Summary, signs_for
from appliance.config_files import MANIFEST, LoadedConfig
from appliance.errors import UnknownModelError
from appliance.events import Event, MicrophoneLost, MicrophoneRestored, WakeDetected
from appliance.models import Kind, ModelStore
from appliance.speech.detector import SileroDetector, SpeechDetector
from appliance.wake import find
from appliance.wake.engine import JoinedEngine, WakeEngine, WakeWord
from appliance.wake.trigger import Detection, Trigger


def show(source: Source, config: LoadedConfig, *, seconds: float | None, as_json: bool) -> int:
    """Show level, noise floor, speech and wake score of each frame until the source ends, or Ctrl-C.

    A live picture on a terminal, where a file takes its time; else a line a second, as fast as possible.

    Args:
        source: a microphone that has been started, or a file; the caller closes it.
        config: names the models and wake words.
        seconds: end after so much sound; None: do not.
        as_json: a JSON object for each frame instead.

    Raises:
        ModelError: a model is missing or broken. AudioError: there is no sound.
    """
    store = ModelStore(MANIFEST, config.models_directory)
    detector = SileroDetector(model_folder(store, config.config.models.speech_detector, Kind.SPEECH_DETECTOR))
    meter = Meter(detector, [open_ear(word, config.config.wake.threshold) for word in _words(config, store)])
    is_live = not as_json and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    if is_live:  # what is logged is told as an event, too, and would tear the picture
        logging.getLogger("appliance").addHandler(logging.NullHandler())
    frames = source.frames()
    if is_live and isinstance(source, FileSource):
        frames = _paced(frames)
    output = _output(meter, is_live=is_live, as_json=as_json)
    try:
        for frame in frames:
            if seconds is not None and frame.index >= seconds * FRAMES_PER_S:
                break
            output.take(*meter.read(frame, source.events()))
    finally:
        output.close()
        meter.close()
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ear:
    """Hears one wake word."""

    word: str
    kind: str
    """Name of its engine."""

    threshold: float
    engine: WakeEngine
    trigger: Trigger


def open_ear(word: WakeWord, threshold: float) -> Ear:
    """Open a word; `threshold` 0: its own. Raises ModelError."""
    threshold = threshold or word.threshold
    return Ear(
        word=word.name,
        kind=word.engine,
        threshold=threshold,
        engine=JoinedEngine(word.open_front_end(), word.open_model()),
        trigger=Trigger(threshold, word.window),
    )


class Meter:
    """Measures frame by frame."""

    def __init__(self, detector: SpeechDetector, ears: Sequence[Ear]) -> None:
        self._detector = detector
        self._ears = ears
        self._health = AudioHealth()
        self._noise = RoomNoise()
        self._lost = False

    @property
    def thresholds(self) -> dict[str, float]:
        """Of each wake word, 0..1."""
        return {ear.word: ear.threshold for ear in self._ears}

    def read(self, frame: Frame, told: Iterable[Event] = ()) -> tuple[Reading, list[Event]]:
        """Measure one frame; `told`: what its source said up to it. Returns all that happened, this included."""
        events = list(told)
        for event in events:
            if isinstance(event, MicrophoneLost | MicrophoneRestored):
                self._lost = isinstance(event, MicrophoneLost)
        level = level_dbfs(frame.pcm)
        if not self._lost:
            events += [*self._health.update(frame), *self._noise.update(frame.index, level)]
        events += self._spot(frame)
        reading = Reading(
            frame=frame.index,
            audio_s=seconds_of_frame(frame.index),
            level_dbfs=round(level, 1),
            floor_dbfs=self._noise.floor_dbfs,
            speech=round(self._detector.process(frame), 3),
            wake={ear.word: round(ear.trigger.mean, 3) for ear in self._ears},
        )
        return reading, events

    def close(self) -> None:
        """Free the wake models."""
        for ear in self._ears:
            ear.engine.close()

    def _spot(self, frame: Frame) -> Iterator[WakeDetected]:
        for ear in self._ears:
            decision = ear.trigger.update(frame.index, ear.engine.process(frame))
            if isinstance(decision, Detection):
                self._noise.heard()
                yield WakeDetected(frame=frame.index, word=ear.word, engine=ear.kind, score=round(decision.score, 4))


def _words(config: LoadedConfig, store: ModelStore) -> list[WakeWord]:
    names = config.config.wake.words
    try:
        return [find(name, store=store) for name in names]
    except UnknownModelError:  # a phrase, which the recognizer spots
        phrases = load_vosk(config, store)
        return [find(name, store=store, phrases=phrases) for name in names]


def _output(meter: Meter, *, is_live: bool, as_json: bool) -> Output:
    if as_json:
        return JsonLines(sys.stdout)
    if is_live:
        return Picture(
            sys.stdout,
            meter.thresholds,
            clock=time.monotonic,
            columns=lambda: shutil.get_terminal_size().columns,
            signs=signs_for(sys.stdout.encoding, locale.setlocale(locale.LC_CTYPE)),
        )
    return Summary(sys.stdout)


def _paced(frames: Iterator[Frame]) -> Iterator[Frame]:
    """One frame every 20 ms."""
    started = time.monotonic()
    for frame in frames:
        time.sleep(max(0.0, started + frame.index * FRAME_MS / 1000 - time.monotonic()))
        yield frame
