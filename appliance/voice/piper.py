"""The voice of the answers: our side of the pipe to the process that runs Piper.

The process may hang, crash or talk nonsense: every wait has an end, the process is then killed with all it started, and
the next sentence starts a new one. `piper_process/__main__.py` describes what goes through the pipe.
"""

import contextlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta, Struct

from appliance.audio.format import FRAMES_PER_S, Pcm
from appliance.errors import ModelError, StageError
from appliance.voice.child import Child
from appliance.voice.voice import Cancelled, bounded, cleaned, joined, never

PROGRAM: Final = Path(__file__).with_name("piper_process")

LONGEST_PART_SAMPLES: Final = 120 * 48_000
"""More than two minutes for one sentence is nonsense: 160 characters take about 9 s."""

RENDERING: Final = 1
"""Counted up when the same model is made to sound otherwise, so that what was kept is made anew."""

FIRST_REST_S: Final = 1.0
LONGEST_REST_S: Final = 60.0


class PiperVoice:
    """Belongs to one thread at a time: the system ends the process when the thread that started it ends."""

    def __init__(
        self,
        model_folder: Path,
        *,
        deterministic: bool,
        identity: str | None = None,
        start_timeout_s: float = 30.0,
        part_timeout_s: float = 15.0,
        program: Path = PROGRAM,
    ) -> None:
        """Look at the model's files; the process is started by `start` or the first sentence.

        Args:
            model_folder: holds one NAME.onnx and its NAME.onnx.json.
            deterministic: the same sentence gives the same samples; else with the model's own small variation.
            identity: of the model's files, for sounds that are kept.
            start_timeout_s: for loading and the first sentence; 1.5 s on a desktop.
            part_timeout_s: for the next part of a sentence of at most 160 characters.
            program: what is run instead of Piper, in tests.

        Raises:
            ModelError: files are missing, or the rate is not one that 20 ms divide.
        """
        model, self._rate_hz = _look_at(model_folder)
        flags = ["--deterministic"] if deterministic else []
        self._command = [sys.executable, "-P", str(program), str(model), *flags]
        self._start_timeout_s = start_timeout_s
        self._part_timeout_s = part_timeout_s
        self._identity = identity and f"{identity} {RENDERING}"
        self._child: Child | None = None
        self._rests = Rests()
        self._count = 0

    @property
    def rate_hz(self) -> int:
        """Rate of the voice, from the file beside the model."""
        return self._rate_hz

    @property
    def identity(self) -> str | None:
        """The model's files, and how they are rendered."""
        return self._identity

    def start(self) -> None:
        """Start the process and wait until it is ready. Raises StageError."""
        with self._fresh_start_after_failure():
            self._ready_child()

    def stream(self, sentence: str, cancelled: Cancelled = never) -> Iterator[Pcm]:
        """Sound of one sentence in parts, int16 at `rate_hz`, shape (n,); none for a text without words.

        Raises:
            StageError: the process failed, or rests after it failed repeatedly. A later call tries again.
        """
        for text in bounded(cleaned(sentence)):
            if any(character.isalnum() for character in text) and not cancelled():
                yield from self._say(text, cancelled)

    def synthesize(self, sentence: str) -> Pcm:
        """The whole sound of one sentence. Raises StageError."""
        return joined(self.stream(sentence))

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def _say(self, text: str, cancelled: Cancelled) -> Iterator[Pcm]:
        with self._fresh_start_after_failure():
            child = self._ready_child()
            self._ask(child, text)
            answer: _Answer | None = _Answer()
            while answer is not None and not answer.last:
                deadline = time.monotonic() + self._part_timeout_s
                answer = self._answer(child, deadline, cancelled)
                if answer is None:
                    self._ask(child, "")  # ends the work for the text; what was made meanwhile is passed over later
                elif answer.samples:
                    yield _samples(child, answer, deadline)
            self._rests.worked()
        if answer is not None and answer.error is not None:
            raise StageError(f"the voice cannot say a sentence: {answer.error}")

    def _ask(self, child: Child, text: str) -> None:
        self._count += 1
        child.send(json.dumps({"id": self._count, "text": text}).encode() + b"\n")

    def _answer(self, child: Child, deadline: float, cancelled: Cancelled) -> "_Answer | None":
        """The next header for the newest request; None: cancelled. Raises StageError."""
        while not cancelled() and (answer := _header(child, deadline, cancelled)) is not None:
            wrong = answer.id is None or answer.id > self._count or (answer.samples and answer.rate != self._rate_hz)
            if wrong or answer.ready:
                raise StageError("the process talks nonsense")
            if answer.id == self._count:
                return answer
            child.block(answer.samples * 2, deadline)
        return None

    def _ready_child(self) -> Child:
        """The process, started where there is none."""
        if self._child is not None and self._child.ended:
            self._child.kill()
            self._child = None
        if self._child is None:
            self._child = Child(self._command)
            answer = _header(self._child, time.monotonic() + self._start_timeout_s, never)
            if answer is None or not answer.ready:
                raise StageError("the process talks nonsense")
        return self._child

    @contextlib.contextmanager
    def _fresh_start_after_failure(self) -> Iterator[None]:
        """Whatever fails inside ends the process, so that no late answer is taken for the next one."""
        rest_s = self._rests.left_s()
        if rest_s > 0:
            raise StageError(f"the voice failed {self._rests.failures} times and rests for {rest_s:.0f} s")
        try:
            yield
        except StageError as error:
            self._rests.failed()
            if self._child is not None:
                self._child.kill()
                self._child = None
            raise StageError(f"the voice failed: {error}; it is started again when it is needed") from None


class Rests:
    """Pauses between starts that grow while nothing works, so that a crash loop does not spin.

    The first failure is followed by no pause: one crash should not cost the next sentence.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: in seconds, never runs backwards."""
        self._clock = clock
        self._until = -math.inf
        self.failures = 0
        """Failures since it last worked."""

    def failed(self) -> None:
        """It failed now."""
        self.failures += 1
        if self.failures > 1:
            self._until = self._clock() + min(FIRST_REST_S * 2.0 ** min(self.failures - 2, 16), LONGEST_REST_S)

    def worked(self) -> None:
        """It worked now."""
        self.failures = 0

    def left_s(self) -> float:
        """Seconds until the next try; 0 or less: now."""
        return self._until - self._clock()


class _Answer(Struct, frozen=True):
    """A line from the process."""

    ready: bool = False
    id: int | None = None
    rate: int = 0
    samples: Annotated[int, Meta(ge=0, le=LONGEST_PART_SAMPLES)] = 0
    last: bool = False
    error: str | None = None


def _header(child: Child, deadline: float, cancelled: Cancelled) -> _Answer | None:
    """None: cancelled."""
    line = child.line(deadline, cancelled)
    try:
        return None if line is None else msgspec.json.decode(line, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise StageError("the process talks nonsense") from None


def _samples(child: Child, answer: _Answer, deadline: float) -> Pcm:
    return np.frombuffer(child.block(answer.samples * 2, deadline), np.dtype("<i2")).astype(np.int16)


def _look_at(folder: Path) -> tuple[Path, int]:
    """The model's file and its rate in Hz. Raises ModelError."""
    models = sorted(folder.resolve().glob("*.onnx"))
    if len(models) != 1:
        raise ModelError(f"{folder}: holds {len(models)} files *.onnx instead of one; install the voice again")
    description = models[0].with_name(f"{models[0].name}.json")
    try:
        rate_hz = msgspec.json.decode(description.read_bytes(), type=_Description).audio.sample_rate
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"{description}: does not describe a voice ({error}); install the voice again") from None
    if rate_hz % FRAMES_PER_S:
        raise ModelError(f"{description}: {rate_hz} Hz is not a multiple of {FRAMES_PER_S}; use another voice")
    return models[0], rate_hz


class _Audio(Struct, frozen=True):
    sample_rate: Annotated[int, Meta(ge=8000, le=48_000)]


class _Description(Struct, frozen=True):
    """What we need of the file beside a Piper model."""

    audio: _Audio
