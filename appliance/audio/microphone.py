"""Frames from the microphone, for ever: a lost device becomes silence and an event, never an end.

A capture thread reads the device and fills a bounded queue; the frame loop empties it. PortAudio's blocking read is used
with a deep device buffer instead of a callback: no Python runs in the audio thread. While no audio comes, silent frames
keep the time, so timers and answers go on, and the device is opened again with growing pauses.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from appliance.audio.convert import Converter
from appliance.audio.format import FRAME_MS, SAMPLE_RATE_HZ, Frame, Pcm, frames_of_ms, silent_pcm
from appliance.errors import AudioError
from appliance.events import AudioDropped, Event, MicrophoneLost, MicrophoneRestored

QUEUE_FRAMES = frames_of_ms(2000)
"""Frames that may wait for a late loop; when full the oldest is dropped and counted."""

DEVICE_LATENCY_S = 0.5
"""Asked of PortAudio: how late the capture thread may read before samples are lost."""

LOST_AFTER_S = 1.0
"""Without a frame for so long the microphone counts as lost."""

PAUSES_S = (0.25, 0.5, 1.0, 2.0)
"""Pauses before the device is opened again; the last is repeated."""


class CaptureStream(Protocol):
    """An open capture device."""

    rate_hz: int
    channels: int
    name: str

    def read(self) -> tuple[npt.NDArray[Any], bool]:
        """The next 20 ms, shape (n, channels), and whether samples were lost before them. Raises AudioError."""

    def close(self) -> None:
        """Free the device."""


class Microphone:
    """A live source. `start` begins to capture; `frames` never ends until `close`."""

    def __init__(
        self,
        name: str,
        *,
        open_stream: "Callable[[str], CaptureStream] | None" = None,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        """`name`: part of the device's name, empty for the default. `open_stream` opens it (PortAudio unless given);
        `prepare` is called first in the capture thread (its priority).
        """
        self._name = name
        self._prepare = prepare
        self._open = open_stream or PortAudioStream
        self._queue: queue.Queue[Pcm] = queue.Queue(maxsize=QUEUE_FRAMES)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._capture, name="capture")
        self._notices: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._index = 0
        self._lost = False
        self._events: list[Event] = []

    def start(self) -> "Microphone":
        """Begin to capture; a device that is missing is looked for again and again."""
        self._thread.start()
        return self

    def frames(self) -> Iterator[Frame]:
        """Yield frames as they come, or silence every 20 ms while the device is lost."""
        last_audio = time.monotonic()
        while not self._closing.is_set():
            try:
                pcm = self._queue.get(timeout=FRAME_MS / 1000)
            except queue.Empty:
                self._read_notices()
                if not self._lost and time.monotonic() - last_audio > LOST_AFTER_S:
                    self._tell_lost("no frames for a second")
                if self._lost:
                    yield self._frame(silent_pcm())
                continue
            last_audio = time.monotonic()
            self._read_notices()
            if self._lost:
                self._lost = False
                self._events.append(MicrophoneRestored(frame=self._index, device=self._name or "default"))
            yield self._frame(pcm)

    def events(self) -> list[Event]:
        """Dropped frames, and the device lost or restored."""
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Stop capturing. A read that never returns is left behind: its thread must not block the exit."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=LOST_AFTER_S)

    def _frame(self, pcm: Pcm) -> Frame:
        frame = Frame(self._index, pcm)
        self._index += 1
        return frame

    def _tell_lost(self, why: str) -> None:
        if not self._lost:
            self._lost = True
            self._events.append(MicrophoneLost(frame=self._index, device=f"{self._name or 'default'}: {why}"))

    def _read_notices(self) -> None:
        dropped = 0
        while not self._notices.empty():
            kind, text = self._notices.get()
            if kind == "lost":
                self._tell_lost(text)
            else:
                dropped += 1
        if dropped:
            self._events.append(AudioDropped(frame=self._index, frames=dropped))

    # The capture thread.

    def _capture(self) -> None:
        self._prepare()
        failures = 0
        while not self._closing.is_set():
            try:
                stream = self._open(self._name)
            except AudioError as error:
                self._notices.put(("lost", str(error)))
                self._closing.wait(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
                failures += 1
                continue
            failures = 0
            try:
                self._pump(stream)
            except AudioError as error:
                self._notices.put(("lost", str(error)))
                self._closing.wait(PAUSES_S[0])
            finally:
                stream.close()

    def _pump(self, stream: CaptureStream) -> None:
        converter = Converter(stream.rate_hz, stream.channels)
        while not self._closing.is_set():
            block, overflowed = stream.read()
            if overflowed:
                self._notices.put(("dropped", ""))
            for frame in converter.feed(block):
                self._put(frame.pcm)

    def _put(self, pcm: Pcm) -> None:
        """Never waits: the oldest frame gives way."""
        while True:
            try:
                self._queue.put_nowait(pcm)
                return
            except queue.Full:
                self._notices.put(("dropped", ""))
                try:
                    self._queue.get_nowait()
                except queue.Empty:
                    continue


class PortAudioStream:
    """A capture device through sounddevice."""

    def __init__(self, name: str) -> None:
        """Open the first capture device whose name holds `name`. Raises AudioError."""
        try:
            import sounddevice
        except OSError:
            raise AudioError("microphone: the PortAudio library is missing; install libportaudio2") from None
        self._error: type[Exception] = sounddevice.PortAudioError
        device = _device(sounddevice, name)
        self.name = str(device["name"])
        self.channels = 1
        try:
            self.rate_hz = _rate(sounddevice, device)
            self._block = self.rate_hz * FRAME_MS // 1000
            self._stream = sounddevice.InputStream(
                samplerate=self.rate_hz,
                device=device["index"],
                channels=1,
                dtype="int16",
                blocksize=self._block,
                latency=DEVICE_LATENCY_S,
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise AudioError(f"microphone {self.name!r}: cannot be opened ({error})") from None

    def read(self) -> tuple[npt.NDArray[Any], bool]:
        try:
            block, overflowed = self._stream.read(self._block)
        except self._error as error:
            raise AudioError(f"microphone {self.name!r}: stopped ({error})") from None
        return np.asarray(block), bool(overflowed)

    def close(self) -> None:
        self._stream.close(ignore_errors=True)


def _device(sounddevice: Any, name: str) -> dict[str, Any]:
    """The capture device: the default one, or the first whose name holds `name`, ignoring case."""
    try:
        devices = [device for device in sounddevice.query_devices() if device["max_input_channels"] > 0]
        if not name:
            default: dict[str, Any] = sounddevice.query_devices(kind="input")
            return default
    except (sounddevice.PortAudioError, ValueError) as error:
        raise AudioError(f"microphone: there is none ({error}); plug one in") from None
    for device in devices:
        if name.casefold() in device["name"].casefold():
            found: dict[str, Any] = device
            return found
    known = ", ".join(repr(device["name"]) for device in devices) or "none at all"
    raise AudioError(f"microphone {name!r}: no such device; there is: {known}; set audio.microphone")


def _rate(sounddevice: Any, device: dict[str, Any]) -> int:
    """16 kHz where the device can, else its own rate (converted afterwards)."""
    try:
        sounddevice.check_input_settings(device=device["index"], channels=1, dtype="int16", samplerate=SAMPLE_RATE_HZ)
    except sounddevice.PortAudioError:
        return int(device["default_samplerate"])
    return SAMPLE_RATE_HZ
