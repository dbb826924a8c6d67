"""Frames from the microphone, for ever: a lost device becomes silence and an event, not an end.

A capture thread reads the device and fills a bounded queue; the frame loop empties it. PortAudio's blocking read is
used with a deep device buffer instead of a callback: no Python runs in the audio thread. While no audio comes, silent
frames keep the time, so timers and answers go on, and the device is opened again with growing pauses. Only a call into
the sound system that never returns ends the stream, with an error: nothing but a new process helps.
"""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt

from appliance.audio.convert import Converter
from appliance.audio.format import FRAME_MS, FRAMES_PER_S, SAMPLE_RATE_HZ, Frame, Pcm, frames_of_ms, silent_pcm
from appliance.errors import AudioError
from appliance.events import AudioDropped, Event, MicrophoneLost, MicrophoneRestored
from appliance.runtimes.portaudio import Device, Direction, PortAudio, portaudio

_LOGGER = logging.getLogger(__name__)

QUEUE_FRAMES = frames_of_ms(2000)
"""Frames that may wait for a late loop; when full the oldest is dropped and counted."""

DEVICE_LATENCY_S = 0.5
"""Asked of PortAudio: how late the capture thread may read before samples are lost."""

LOST_AFTER_S = 1.0
"""Without a frame for so long the microphone counts as lost."""

HUNG_AFTER_S = 10.0
"""Without any sign of the capture thread for so long it hangs: PortAudio is known to loop for ever when a device is
unplugged (its issue 1037). Opening a device and the longest pause take less than 3 s."""

PAUSES_S = (0.25, 0.5, 1.0, 2.0)
"""Pauses before the device is opened again; the last is repeated."""

_FRAME_S = FRAME_MS / 1000


class CaptureStream(Protocol):
    """An open capture device."""

    rate_hz: int
    channels: int

    def read(self) -> tuple[npt.NDArray[Any], bool]:
        """The next 20 ms, shape (n, channels), and whether samples were lost before them. Raises AudioError."""

    def close(self) -> None:
        """Free the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for the device."""

    lost_after_s: float = LOST_AFTER_S
    hung_after_s: float = HUNG_AFTER_S
    pauses_s: tuple[float, ...] = PAUSES_S


USUAL_PATIENCE = Patience()


class Microphone:
    """A live source. `start` begins to capture; `frames` never ends until `close`."""

    def __init__(
        self,
        name: str,
        *,
        open_stream: Callable[[str], CaptureStream] | None = None,
        refresh: Callable[[], object] | None = None,
        prepare: Callable[[], object] = lambda: None,
        patience: Patience = USUAL_PATIENCE,
    ) -> None:
        """`name`: part of the device's name, empty for the default. `open_stream` opens it, `refresh` looks for new
        devices before each retry (PortAudio unless given); `prepare` is called first in the capture thread.
        """
        self._name = name
        self._prepare = prepare
        self._patience = patience
        self._open = open_stream or PortAudioStream
        self._refresh = refresh or _refresh
        self._queue: queue.Queue[Frame | str] = queue.Queue(maxsize=QUEUE_FRAMES)
        """Frames, numbered as they were captured, and between them why there are none for now."""
        self._closing = threading.Event()
        # A daemon thread, for it may hang in the sound system and must not block the exit.
        self._thread = threading.Thread(target=self._capture, name="capture", daemon=True)
        self._captured = 0
        self._expected = 0
        self._index = 0
        self._fault: str | None = None
        self._events: list[Event] = []

    @property
    def fault(self) -> str | None:
        """Why the device is lost, in one sentence; None while it is there."""
        return self._fault

    def start(self) -> "Microphone":
        """Begin to capture; a device that is missing is looked for again and again."""
        self._thread.start()
        return self

    def frames(self) -> Iterator[Frame]:
        """Yield frames as they come, or silence every 20 ms while the device is lost.

        The index begins with 0; where frames were dropped it jumps by as many.

        Raises:
            AudioError: the sound system hangs.
        """
        sign_s = time.monotonic()
        due_s = sign_s + _FRAME_S
        while not self._closing.is_set():
            item = self._take(_FRAME_S if self._fault is None else max(0.0, due_s - time.monotonic()))
            now_s = time.monotonic()
            if item is not None:
                sign_s = now_s
            if isinstance(item, Frame):
                due_s = now_s + _FRAME_S
                yield self._placed(item)
                continue
            if item is not None:
                self._lose(item)
            elif now_s - sign_s > self._patience.lost_after_s:
                self._lose(self._fault or f"microphone {self._device}: it sends nothing; plug it in again")
            if now_s - sign_s > self._patience.hung_after_s:
                raise AudioError(f"microphone {self._device}: the sound system hangs; start the appliance again")
            if self._fault is not None and now_s >= due_s:
                due_s += _FRAME_S
                yield self._next(silent_pcm())

    def events(self) -> list[Event]:
        """Dropped frames, and the device lost or restored."""
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Stop capturing. A read that never returns is left behind."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=self._patience.lost_after_s)

    @property
    def _device(self) -> str:
        return self._name or "default"

    def _take(self, timeout_s: float) -> Frame | str | None:
        try:
            return self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def _placed(self, captured: Frame) -> Frame:
        """A captured frame at its place in the stream, behind those that were dropped before it."""
        dropped = captured.index - self._expected
        self._expected = captured.index + 1
        if self._fault is not None:
            self._fault = None
            self._events.append(MicrophoneRestored(frame=self._index, device=self._device))
        if dropped:
            if self._index > 0:
                self._index += dropped
            self._events.append(AudioDropped(frame=self._index, frames=dropped))
        return self._next(captured.pcm)

    def _next(self, pcm: Pcm) -> Frame:
        frame = Frame(self._index, pcm)
        self._index += 1
        return frame

    def _lose(self, why: str) -> None:
        if self._fault is None:
            _LOGGER.warning("microphone %s is lost: %s", self._device, why)
            self._events.append(MicrophoneLost(frame=self._index, device=self._device))
        self._fault = why

    # The capture thread.

    def _capture(self) -> None:
        self._prepare()
        failures, pauses_s = 0, self._patience.pauses_s
        while not self._closing.is_set():
            captured = self._captured
            try:
                if failures:
                    self._refresh()
                self._pump()
            except AudioError as error:
                failures = 1 if self._captured > captured else failures + 1
                self._put(str(error))
                self._closing.wait(pauses_s[min(failures, len(pauses_s)) - 1])

    def _pump(self) -> None:
        """Open the device and hand its frames over until it fails. Raises AudioError."""
        stream = self._open(self._name)
        try:
            converter = Converter(stream.rate_hz, stream.channels)
            while not self._closing.is_set():
                block, overflowed = stream.read()
                self._captured += overflowed  # nobody tells how much was lost: it counts as one frame
                for frame in converter.feed(block):
                    self._put(Frame(self._captured, frame.pcm))
                    self._captured += 1
        finally:
            stream.close()

    def _put(self, item: Frame | str) -> None:
        """Never waits: the oldest gives way."""
        while True:
            try:
                return self._queue.put_nowait(item)
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._queue.get_nowait()


class PortAudioStream:
    """A capture device through PortAudio."""

    def __init__(self, name: str, *, audio: PortAudio | None = None) -> None:
        """Open the first capture device whose name holds `name`, the default one for an empty name.

        Args:
            name: part of the device's name, in any case.
            audio: stands in for the PortAudio of this process in tests.

        Raises:
            AudioError: PortAudio is missing, there is no such device, or it cannot be opened.
        """
        audio = audio or portaudio()
        with audio.opening():
            device = audio.find(name, Direction.INPUT)
            self.rate_hz, self.channels = _settings(audio, device)
            self._stream = audio.open(device, rate_hz=self.rate_hz, channels=self.channels, latency_s=DEVICE_LATENCY_S)

    def read(self) -> tuple[npt.NDArray[Any], bool]:
        return self._stream.read(self.rate_hz // FRAMES_PER_S)

    def close(self) -> None:
        self._stream.close()


def _refresh() -> None:
    portaudio().refresh()


def _settings(audio: PortAudio, device: Device) -> tuple[int, int]:
    """Rate and channels: 16 kHz mono where the device can, else what is its own (converted afterwards)."""
    for rate_hz, channels in ((SAMPLE_RATE_HZ, 1), (SAMPLE_RATE_HZ, device.channels), (device.rate_hz, 1)):
        if audio.accepts(device, rate_hz, channels):
            return rate_hz, channels
    return device.rate_hz, device.channels
