"""What a client asks for, and what it gets: one conversation a connection, one thing after the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from appliance.audio.convert import Converter
from appliance.audio.format import Frame
from appliance.errors import AudioError
from appliance.wyoming.ears import Ear
from appliance.wyoming.mouth import Mouth
from appliance.wyoming.wire import (
    AudioChunk,
    AudioStart,
    AudioStop,
    Describe,
    Detect,
    Ping,
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    Transcribe,
    Wire,
    WireError,
)

_SAMPLES: dict[int, np.dtype[Any]] = {1: np.dtype("u1"), 2: np.dtype("<i2"), 4: np.dtype("<i4")}
"""By the bytes of a sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What is offered."""

    info: Any
    """The library's `Info`."""

    detector: Callable[[Sequence[str] | None], Ear]
    """Hears the wake words of these names; None: any. Raises WireError for names that nobody knows."""

    transcriber: Callable[[], Ear]
    mouth: Mouth


class Conversation:
    """Of one client."""

    def __init__(self, wire: Wire, services: Services, is_ending: Callable[[], bool]) -> None:
        self._wire = wire
        self._services = services
        self._is_ending = is_ending
        self._wanted: Callable[[], Ear] | None = None
        self._stream: _Stream | None = None
        self._unsaid: str | None = None
        self._speaks = False

    def run(self) -> None:
        """To the end of the connection. Raises WireError, StageError, OSError."""
        try:
            while (request := self._wire.read()) is not None:
                self._answer(request)
        finally:
            self._drop_stream()

    def _answer(self, request: Any) -> None:
        match request:
            case Describe():
                self._wire.send(self._services.info)
            case Ping(text):
                self._send_all([_pong(text)])
            case Detect(names):
                self._wanted = lambda: self._services.detector(names)
            case Transcribe():
                self._wanted = self._services.transcriber
            case AudioStart() | AudioChunk() | AudioStop():
                self._hear(request)
            case Synthesize(text):
                if self._unsaid is None:  # else it repeats, for servers that do not know pieces, what came in pieces
                    self._say(text)
                    self._end_speech()
            case SynthesizeStart() | SynthesizeChunk() | SynthesizeStop():
                self._say_piece(request)

    def _hear(self, request: AudioStart | AudioChunk | AudioStop) -> None:
        if isinstance(request, AudioStart):
            if self._wanted is None:
                raise WireError("audio-start: say first what it is for: detect or transcribe")
            self._drop_stream()
            self._stream = _Stream(request, self._wanted())
            return
        if self._stream is None:
            raise WireError("audio without audio-start")
        if isinstance(request, AudioChunk):
            self._send_all(self._stream.hear(request))
            return
        self._send_all(self._stream.finish())
        self._drop_stream()

    def _say_piece(self, request: SynthesizeStart | SynthesizeChunk | SynthesizeStop) -> None:
        from wyoming.tts import SynthesizeStopped

        if isinstance(request, SynthesizeStart):
            self._unsaid = ""
            return
        if self._unsaid is None:
            raise WireError("synthesize-start comes first")
        if isinstance(request, SynthesizeChunk):
            whole, self._unsaid = self._services.mouth.whole_sentences(self._unsaid + request.text)
            self._say(whole)
            return
        self._say(self._unsaid)
        self._unsaid = None
        self._end_speech()
        self._wire.send(SynthesizeStopped())

    def _say(self, text: str) -> None:
        from wyoming.audio import AudioChunk as Sound

        rate_hz = self._services.mouth.rate_hz
        for part in self._services.mouth.say(text, self._is_ending):
            self._begin_speech()
            self._wire.send(Sound(rate=rate_hz, width=2, channels=1, audio=part.astype("<i2").tobytes()))

    def _begin_speech(self) -> None:
        from wyoming.audio import AudioStart as SoundStart

        if not self._speaks:
            self._wire.send(SoundStart(rate=self._services.mouth.rate_hz, width=2, channels=1))
        self._speaks = True

    def _end_speech(self) -> None:
        """Also of a text without a word, which is no sound at all, properly begun and ended."""
        from wyoming.audio import AudioStop as SoundStop

        self._begin_speech()
        self._speaks = False
        self._wire.send(SoundStop())

    def _send_all(self, events: list[Any]) -> None:
        for event in events:
            self._wire.send(event)

    def _drop_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


class _Stream:
    """Sound on its way from the client to an ear."""

    def __init__(self, start: AudioStart, ear: Ear) -> None:
        """Takes over the ear. Raises WireError for a form of sound that is not taken."""
        self._ear = ear
        try:
            if start.width not in _SAMPLES:
                raise AudioError(f"samples of {start.width} bytes: must be 1, 2 or 4")
            self._converter = Converter(start.rate, start.channels)
        except AudioError as error:
            ear.close()
            raise WireError(f"audio-start: {error}") from None
        self._samples, self._channels = _SAMPLES[start.width], start.channels

    def hear(self, chunk: AudioChunk) -> list[Any]:
        if len(chunk.audio) % (self._samples.itemsize * self._channels):
            raise WireError(f"audio-chunk: {len(chunk.audio)} bytes are no whole samples")
        block = np.frombuffer(chunk.audio, self._samples).reshape(-1, self._channels)
        return self._ear.hear(list(self._converter.feed(block)), chunk.timestamp)

    def finish(self) -> list[Any]:
        rest: list[Frame] = list(self._converter.feed(np.zeros((0, self._channels), self._samples), last=True))
        return [*self._ear.hear(rest, None), *self._ear.finish()]

    def close(self) -> None:
        self._ear.close()


def _pong(text: str | None) -> Any:
    from wyoming.ping import Pong

    return Pong(text=text)
