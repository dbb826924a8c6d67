"""Where answers are heard: a loudspeaker, a WAV file, or nowhere."""

import contextlib
import logging
import wave
from collections import deque
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from appliance.audio.format import FRAMES_PER_S, SAMPLE_RATE_HZ, Pcm, frames_of_ms
from appliance.errors import AudioError

_LOGGER = logging.getLogger(__name__)

QUEUE_FRAMES: Final = frames_of_ms(1000)
"""Chunks that may wait for the device. The player keeps 10 there; when 50 wait, the device has stopped to take any."""

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
    """A loudspeaker, through PortAudio, whose callback only copies bytes out of a bounded queue."""

    def __init__(self, name: str = "", *, library: Any = None) -> None:
        """Choose the device; it is opened by `open`.

        Args:
            name: part of the device's name, in any case; empty: the system's default.
            library: stands in for `sounddevice` in tests.

        Raises:
            AudioError: PortAudio is missing, or no playback device has such a name.
        """
        self._library = _sounddevice() if library is None else library
        self._device = _find_device(self._library, name) if name else None
        self._name = name or "the default loudspeaker"
        self._queue: deque[bytes] = deque(maxlen=QUEUE_FRAMES)
        self._stream: Any = None
        self._rate_hz = 0
        self._lost = False

    def open(self, rate_hz: int) -> None:
        """Open the device, or keep it open: between answers it plays silence, so that the next one begins at once.

        Raises:
            AudioError: the device is gone, busy, or does not take this rate.
        """
        if self._stream is not None and self._stream.active and rate_hz == self._rate_hz:
            return
        self.close()
        try:
            self._stream = self._library.RawOutputStream(
                samplerate=rate_hz,
                blocksize=rate_hz // FRAMES_PER_S,
                device=self._device,
                channels=1,
                dtype="int16",
                latency="low",
                callback=self._play,
            )
            self._stream.start()
        except self._library.PortAudioError as error:
            self.close()
            self._lost = True
            raise AudioError(
                f"{self._name}: cannot be opened at {rate_hz} Hz ({error}); plug it in, end what uses it, or name a "
                "device that converts rates, such as 'default', in audio.speaker"
            ) from None
        self._rate_hz = rate_hz
        if self._lost:
            self._lost = False
            _LOGGER.info("%s is back", self._name)

    def write(self, pcm: Pcm) -> None:
        """Queue 20 ms. Raises AudioError once when the device is gone or has taken nothing for a second."""
        if self._stream is None:
            return
        if not self._stream.active or len(self._queue) == QUEUE_FRAMES:
            self._lost = True
            self.close()
            raise AudioError(f"{self._name}: takes no more sound; plug it in again")
        self._queue.append(pcm.tobytes())

    def abort(self) -> None:
        """Drop the queue; what PortAudio holds, some 20 ms, is still heard."""
        self._queue.clear()

    def close(self) -> None:
        """Free the device."""
        self._queue.clear()
        if self._stream is not None:
            stream, self._stream = self._stream, None
            with contextlib.suppress(self._library.PortAudioError):
                stream.abort()
            with contextlib.suppress(self._library.PortAudioError):
                stream.close()

    def _play(self, out: Any, frames: int, time: object, status: object) -> None:
        """PortAudio's callback, in its thread: `out` is a buffer of `frames` int16, always one chunk."""
        try:
            out[:] = self._queue.popleft()
        except IndexError:
            out[:] = bytes(len(out))


def open_speaker(name: str) -> Speaker:
    """The loudspeaker of the configuration: part of a device's name, empty for the default, or `none`.

    Raises:
        AudioError: PortAudio is missing, or there is no such device.
    """
    return SilentSpeaker() if name == "none" else DeviceSpeaker(name)


def _sounddevice() -> Any:
    try:
        import sounddevice  # type: ignore[import-untyped]
    except (ImportError, OSError) as error:
        raise AudioError(f"no audio output ({error}); install libportaudio2, or set audio.speaker to 'none'") from None
    return sounddevice


def _find_device(library: Any, part: str) -> int:
    """Index of the first playback device whose name contains `part`. Raises AudioError."""
    outputs = [
        (index, str(device["name"]))
        for index, device in enumerate(library.query_devices())
        if device["max_output_channels"] > 0
    ]
    for index, name in outputs:
        if part.lower() in name.lower():
            return index
    known = ", ".join(name for _, name in outputs) or "none at all"
    raise AudioError(f"audio.speaker = {part!r}: no such playback device; there are: {known}")
