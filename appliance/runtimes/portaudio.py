"""PortAudio: the devices of this machine, and the streams this process has open.

PortAudio lists the devices once, when it is initialised: what is plugged in later, or returns under another number, is
not there until it is initialised again, and that ends every open stream. So the streams are counted, and `refresh`
does it only while there are none. It uses `_terminate` and `_initialize` of sounddevice, private by name, but the only
way there, and what its author recommends for this (its issue 125). While the device list is made, up to half a
second, sounddevice sends stderr of the process to nowhere, for ALSA is talkative.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.audio.format import FRAMES_PER_S
from appliance.errors import AudioError


class Direction(StrEnum):
    """Where the sound goes; the values are PortAudio's words."""

    INPUT = "input"
    OUTPUT = "output"

    @property
    def word(self) -> str:
        """What people call such a device; its setting has the same name."""
        return "microphone" if self is Direction.INPUT else "speaker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device in one direction. Its index is good until the next refresh."""

    direction: Direction
    index: int
    name: str
    channels: int
    """As many as it has."""

    rate_hz: int
    """Its own, which it surely takes."""

    def __str__(self) -> str:
        return f"{self.direction.word} {self.name!r}"


class Stream:
    """A device that is open and runs. One thread uses it."""

    def __init__(self, native: Any, device: Device, audio: "PortAudio") -> None:
        self._native = native
        self._device = device
        self._audio = audio
        self._closed = False

    def read(self, samples: int) -> tuple[npt.NDArray[Any], bool]:
        """Wait for so many, shape (samples, channels), and whether some were lost before. Raises AudioError."""
        with self._stopping():
            block, overflowed = self._native.read(samples)
        return np.asarray(block), bool(overflowed)

    def write(self, samples: bytes) -> None:
        """Play int16 samples; waits for room. Raises AudioError."""
        with self._stopping():
            self._native.write(samples)

    def drop(self) -> None:
        """Be silent at once: what it has not played is dropped, and it goes on with what comes. Raises AudioError."""
        with self._stopping():
            self._native.abort()
            self._native.start()

    def close(self) -> None:
        """Free the device; what it has not played is dropped."""
        if not self._closed:
            self._closed = True
            try:
                with contextlib.suppress(AudioError), self._stopping():
                    self._native.close(ignore_errors=True)
            finally:
                self._audio.count(-1)

    def _stopping(self) -> contextlib.AbstractContextManager[None]:
        return self._audio.told(f"{self._device}: stopped", "plug it in, or end what else uses it")


class PortAudio:
    """The devices and open streams. Any thread may use it; only AudioError leaves it."""

    def __init__(self, library: Any) -> None:
        """`library`: sounddevice, or what stands in for it."""
        self._library = library
        self._lock = threading.Lock()
        self._streams = 0
        self._wanted = False

    @property
    def wanted(self) -> bool:
        """A refresh was refused and no device was opened since: who plays nothing but silence should close."""
        return self._wanted

    def refresh(self) -> bool:
        """List the devices anew; False, and nothing happens, while a stream is open. Raises AudioError."""
        with self._lock:
            self._wanted = self._streams > 0
            if self._wanted:
                return False
            with contextlib.suppress(self._library.PortAudioError):  # not initialised: the last attempt failed
                self._library._terminate()
            with self.told("the sound system does not start again", "look at its log, or restart the machine"):
                self._library._initialize()
            return True

    def find(self, part: str, direction: Direction) -> Device:
        """The first device whose name holds `part`, in any case; the default one for an empty part.

        Hold `opening` around this and `open`, or a refresh in between makes the index another device's.

        Raises:
            AudioError: there is no such device; it lists those that are there.
        """
        fitting = self.devices(direction, default_only=not part)
        for device in fitting:
            if part.casefold() in device.name.casefold():
                return device
        known = ", ".join(repr(device.name) for device in fitting) or "none at all"
        raise AudioError(f"{direction.word} {part!r}: no such device; there is: {known}; set audio.{direction.word}")

    def devices(self, direction: Direction, *, default_only: bool = False) -> list[Device]:
        """Those that were there when PortAudio was initialised or refreshed, in its order. Raises AudioError."""
        with self.told(f"{direction.word}: there is none", f"plug one in, or set audio.{direction.word}"):
            query = self._library.query_devices
            found = [query(kind=direction.value)] if default_only else list(query())
        return [device for entry in found if (device := _device(entry, direction)).channels > 0]

    def accepts(self, device: Device, rate_hz: int, channels: int) -> bool:
        """Whether it can be opened with these."""
        library = self._library
        check = library.check_input_settings if device.direction is Direction.INPUT else library.check_output_settings
        try:
            check(device=device.index, channels=channels, dtype="int16", samplerate=rate_hz)
        except (self._library.PortAudioError, ValueError):
            return False
        return True

    def open(self, device: Device, *, rate_hz: int, channels: int, latency_s: float) -> Stream:
        """Open a device for int16 samples and start it. Raises AudioError."""
        library = self._library
        make = library.InputStream if device.direction is Direction.INPUT else library.RawOutputStream
        advice = "plug it in, or end what else uses it"
        with self.opening():
            with self.told(f"{device}: cannot be opened at {rate_hz} Hz", advice):
                native = make(
                    samplerate=rate_hz,
                    device=device.index,
                    channels=channels,
                    dtype="int16",
                    blocksize=rate_hz // FRAMES_PER_S,
                    latency=latency_s,
                )
            self.count(1)
            stream = Stream(native, device, self)
            try:
                with self.told(f"{device}: cannot be started", advice):
                    native.start()
            except AudioError:
                stream.close()
                raise
        self._wanted = False
        return stream

    @contextlib.contextmanager
    def opening(self) -> Iterator[None]:
        """Hold refreshes off. Native calls run outside of the lock, for they may hang."""
        self.count(1)
        try:
            yield
        finally:
            self.count(-1)

    def count(self, change: int) -> None:
        """So many streams more; waits for a refresh that runs."""
        with self._lock:
            self._streams += change

    @contextlib.contextmanager
    def told(self, what: str, advice: str) -> Iterator[None]:
        """What the library raises, as an AudioError."""
        try:
            yield
        except (self._library.PortAudioError, ValueError) as error:
            raise AudioError(f"{what} ({error}); {advice}") from None


_LOADING = threading.Lock()


def portaudio() -> PortAudio:
    """The one of this process: PortAudio itself is global, so its streams can only be counted together.

    Raises:
        AudioError: PortAudio is missing or broken.
    """
    with _LOADING:
        return _loaded()


@cache  # keeps no failure: a later call tries again
def _loaded() -> PortAudio:
    return load(_sounddevice)


def load(import_library: Callable[[], Any]) -> PortAudio:
    """PortAudio through a library that is imported now. Raises AudioError for whatever the import raises."""
    try:
        return PortAudio(import_library())
    except Exception as error:  # the import starts PortAudio, and its own error class is then out of reach
        raise AudioError(f"no sound: PortAudio cannot be used ({error}); install libportaudio2") from None


def _sounddevice() -> Any:
    import sounddevice  # type: ignore[import-untyped]

    return sounddevice


def _device(entry: dict[str, Any], direction: Direction) -> Device:
    return Device(
        direction=direction,
        index=int(entry["index"]),
        name=str(entry["name"]),
        channels=int(entry[f"max_{direction}_channels"]),
        rate_hz=int(entry["default_samplerate"]),
    )
