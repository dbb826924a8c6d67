"""Where answers are heard: a loudspeaker, a WAV file, or nowhere.

A thread feeds the loudspeaker with blocking writes. Callbacks would need none, and through PipeWire they are as good;
but PulseAudio's ALSA plugin calls 7 to 80 times where 100 are due, while blocking writes keep up with both.
"""

import contextlib
import logging
import threading
import wave
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from appliance.audio.convert import RateChange
from appliance.audio.format import FRAMES_PER_S, SAMPLE_RATE_HZ, Pcm, frames_of_ms, ms_of_frames
from appliance.audio.hardware import Hardware
from appliance.errors import AudioError
from appliance.runtimes.portaudio import PortAudio, Stream, portaudio

_LOGGER = logging.getLogger(__name__)

QUEUE_FRAMES: Final = frames_of_ms(3000)
"""Chunks that may wait for the device. The player keeps 10 there; PulseAudio takes none for up to 2 s after it was
opened (measured); when 150 wait, the device has stopped to take any.
"""

LATENCY_S: Final = 0.1
"""Asked of PortAudio: five chunks, so that a late thread is not heard (with three, gaps were)."""

OPEN_S: Final = 0.5
"""So long `open` waits for the device, which is opened in the line's thread: a sound server that hangs would take the
frame loop with it. After this the answer waits in the queue."""

QUIET_FRAMES: Final = frames_of_ms(200)
"""After so much silence everything before it was heard: more than the device's and the resampler's buffers hold."""

JOIN_S: Final = 0.5
"""How long `close` waits for the thread, which is in a write of 20 ms unless the device hangs."""

PAUSE_S: Final = 0.3
"""Silence between two answers in a WAV file."""


class Speaker(Protocol):
    """Plays chunks of 20 ms in the order in which they are written."""

    def open(self, rate_hz: int) -> None:
        """Get ready for an answer at this rate; called before each one. Raises AudioError."""

    def write(self, pcm: Pcm) -> None:
        """Play 20 ms after those before: int16, shape (rate_hz / 50,). Does not wait for the device.

        Raises AudioError once when the device fails; then nothing is heard until `open` succeeds again.
        """

    def abort(self) -> None:
        """Be silent at once; what was not played yet is dropped."""

    def close(self) -> None:
        """Free the device."""


class SilentSpeaker:
    """Takes everything and plays nothing: for `audio.speaker = "none"`."""

    def open(self, rate_hz: int) -> None:
        """Ready."""

    def write(self, pcm: Pcm) -> None:
        """Played, so to say."""

    def abort(self) -> None:
        """Silent as ever."""

    def close(self) -> None:
        """Nothing to free."""


class WavSpeaker:
    """Writes answers into a WAV file at the voice's rate, 0.3 s apart, however long the silence between them was."""

    def __init__(self, path: Path) -> None:
        """Create the file, or empty it. Raises AudioError."""
        self._path = path
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise AudioError(f"{path}: cannot be written ({error.strerror}); name another file") from None
        self._wav = wave.Wave_write(self._file)
        self._wav.setnchannels(1)
        self._wav.setsampwidth(2)
        self._wav.setframerate(SAMPLE_RATE_HZ)
        self._rate_hz: int | None = None
        self._broken = False

    def open(self, rate_hz: int) -> None:
        """The first rate becomes that of the file. Raises AudioError for another one later."""
        if self._rate_hz is None:
            self._rate_hz = rate_hz
            self._wav.setframerate(rate_hz)
        elif rate_hz != self._rate_hz:
            raise AudioError(f"{self._path}: has {self._rate_hz} Hz and cannot take {rate_hz} Hz; use one voice")
        else:
            self.write(np.zeros(round(PAUSE_S * rate_hz), np.int16))

    def write(self, pcm: Pcm) -> None:
        """Append samples. A full disk is an AudioError once; the rest is then dropped."""
        if self._broken:
            return
        try:
            self._wav.writeframes(pcm.astype("<i2").tobytes())
        except OSError as error:
            self._broken = True
            raise AudioError(f"{self._path}: cannot be written ({error.strerror}); free some space") from None

    def abort(self) -> None:
        """What is written stays; there is no queue."""

    def close(self) -> None:
        """Finish the file; it is a valid one even if nothing was said."""
        with contextlib.suppress(OSError):
            self._wav.close()
        self._file.close()


class DeviceSpeaker:
    """A loudspeaker, through PortAudio. Between answers it plays silence, so that the next one begins at once."""

    def __init__(self, hardware: Hardware, *, audio: PortAudio | None = None, open_s: float = OPEN_S) -> None:
        """Choose the device; it is looked for by `open`.

        Args:
            hardware: which one.
            audio: stands in for the PortAudio of this process in tests.
            open_s: how long `open` waits for a device that takes long.
        """
        self._hardware = hardware
        self._audio = audio
        self._open_s = open_s
        self._name = hardware.speaker or "the default loudspeaker"
        self._line: _Line | None = None
        self._rate_hz = 0
        self._lost = False

    def open(self, rate_hz: int) -> None:
        """Open the device, or keep it open. One that takes long is waited for no longer than half a second.

        Raises:
            AudioError: PortAudio or the device is missing, or busy.
        """
        if self._line is not None and self._line.works and rate_hz == self._rate_hz:
            return
        self.close()
        silence = np.zeros(rate_hz // FRAMES_PER_S, np.int16)
        self._line, self._rate_hz = _Line(lambda: self._found(rate_hz), silence), rate_hz
        self._line.wait_opened(self._open_s)
        if (fault := self._line.fault) is not None:
            self._line, self._lost = None, True
            raise AudioError(fault)
        if self._lost:
            self._lost = False
            _LOGGER.info("%s is back", self._name)

    def write(self, pcm: Pcm) -> None:
        """Queue 20 ms. Raises AudioError once when the device is gone or has taken nothing for 3 s."""
        if self._line is None:
            return
        if self._line.gave_way:
            self.open(self._rate_hz)
        if not self._line.put(pcm):
            line, self._line = self._line, None
            line.end()  # not joined: if it hangs, the frame loop must not wait for it
            self._lost = True
            raise AudioError(line.fault or f"{self._name}: takes no more sound; plug it in again")

    def abort(self) -> None:
        """Drop the queue and what the device holds: silent within a chunk, 10 to 50 ms later through PulseAudio, where
        letting the device play to its end took 160 to 190.
        """
        if self._line is not None:
            self._line.clear()

    def drain(self) -> None:
        """Let everything be heard, then free the device. Waits, at most 5 s for one that hangs."""
        if self._line is not None:
            self._line.drain()
        self.close()

    def close(self) -> None:
        """Free the device."""
        if self._line is not None:
            line, self._line = self._line, None
            line.end()
            line.join(JOIN_S)

    def _found(self, rate_hz: int) -> "_Opened":
        """The device, open; a missing one may have been plugged in since the devices were listed. Raises AudioError."""
        audio = self._audio or portaudio()
        try:
            return self._opened(audio, rate_hz)
        except AudioError:
            if not audio.refresh():
                raise
        return self._opened(audio, rate_hz)

    def _opened(self, audio: PortAudio, rate_hz: int) -> "_Opened":
        """The device at this rate; one that refuses it, as hardware does, gets its own."""
        with audio.opening():
            device = self._hardware.find_speaker(audio)
            try:
                stream, taken_hz = audio.open(device, rate_hz=rate_hz, channels=1, latency_s=LATENCY_S), rate_hz
            except AudioError:
                taken_hz = device.rate_hz
                if taken_hz == rate_hz:
                    raise
                stream = audio.open(device, rate_hz=taken_hz, channels=1, latency_s=LATENCY_S)
        return _Opened(stream, RateChange(rate_hz, taken_hz), gives_way=lambda: audio.wanted)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A device that takes sound."""

    stream: Stream
    rate_change: RateChange
    gives_way: Callable[[], bool]
    """Asked in silence whether to free the device."""


class _Line:
    """A device and the thread that opens it and keeps it filled, with silence when nothing waits.

    The thread alone touches the stream, which it also closes: PortAudio crashes when another one closes it meanwhile.
    """

    def __init__(self, open_device: Callable[[], _Opened], silence: Pcm) -> None:
        """Starts the thread. `silence`: one chunk of it."""
        self.fault: str | None = None
        """Why the device takes no more."""
        self._open_device = open_device
        self._silence = silence
        self._queue: deque[Pcm] = deque(maxlen=QUEUE_FRAMES)
        self._decided = threading.Event()
        self._ending = threading.Event()
        self._draining = threading.Event()
        self._dropping = threading.Event()
        # A daemon thread, for it may hang in the sound system and must not block the exit.
        self._thread = threading.Thread(target=self._run, name="speaker", daemon=True)
        self._thread.start()

    @property
    def works(self) -> bool:
        """It plays what is put, or will."""
        return self.fault is None and self._thread.is_alive()

    @property
    def gave_way(self) -> bool:
        """It ended of itself, without a fault."""
        return self.fault is None and not self._thread.is_alive()

    def wait_opened(self, timeout_s: float) -> None:
        """Until the device is open, or cannot be opened; or for so long."""
        self._decided.wait(timeout_s)

    def put(self, pcm: Pcm) -> bool:
        """Queue a chunk; False when the device takes no more."""
        if not self.works or len(self._queue) == QUEUE_FRAMES:
            return False
        self._queue.append(pcm)
        return True

    def clear(self) -> None:
        """Drop what waits, and what the device holds."""
        self._queue.clear()
        self._dropping.set()

    def drain(self) -> None:
        """Wait until all is heard."""
        self._draining.set()
        self.join(ms_of_frames(QUEUE_FRAMES) / 1000 + 1.0)

    def end(self) -> None:
        """The thread frees the device and ends as soon as it can."""
        self._ending.set()

    def join(self, timeout_s: float) -> None:
        """Wait for the end; a thread that hangs is left behind."""
        self._thread.join(timeout=timeout_s)

    def _run(self) -> None:
        try:
            opened = self._open_device()
        except AudioError as error:
            self.fault = str(error)
            return
        finally:
            self._decided.set()
        try:
            self._play(opened)
        except AudioError as error:
            self.fault = str(error)
        finally:
            opened.stream.close()

    def _play(self, opened: _Opened) -> None:
        quiet = 0
        while not self._ending.is_set():
            if self._dropping.is_set():
                self._dropping.clear()
                opened.stream.drop()
            try:
                pcm, quiet = self._queue.popleft(), 0
            except IndexError:
                pcm, quiet = self._silence, quiet + 1
            if quiet > QUIET_FRAMES and (self._draining.is_set() or opened.gives_way()):
                return
            opened.stream.write(opened.rate_change.feed(pcm).tobytes())


def open_speaker(hardware: Hardware) -> Speaker:
    """The loudspeaker of the configuration. What is missing is told by `open`, at each answer."""
    return SilentSpeaker() if hardware.speaker == "none" else DeviceSpeaker(hardware)
