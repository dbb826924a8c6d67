"""The capture thread: reads a device, hands over frames, and opens the device again when it fails.

There is more than one way to a device. PortAudio comes first; when it fails again and again, or hangs, a recording
program in a process of its own takes over. No Python runs in an audio callback: reads block, with a deep device buffer.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy.typing as npt

from appliance.audio.convert import Converter
from appliance.audio.format import FRAMES_PER_S, Frame
from appliance.errors import AudioError

FAILURES_PER_WAY: Final = 3
"""So many failed attempts to open a device in a row, then the next way to it is tried; once all have failed, each is
tried once in turn."""

STEADY_FRAMES: Final = FRAMES_PER_S
"""A way that failed counts as good again after so many frames: one that opens, sends a little and fails does not."""

DEVICE_LATENCY_S: Final = 0.2
"""Asked of the sound system: how late the capture thread may read before samples are lost. It also comes in pieces of a
third of this: with 0.5 s frames were 70 ms late on average, through PulseAudio and PipeWire alike."""


class CaptureStream(Protocol):
    """An open capture device."""

    device: str
    """Its own name."""

    rate_hz: int
    channels: int
    channel: int | None
    """The one to be heard; None: the mean of all."""

    def read(self) -> tuple[npt.NDArray[Any], bool]:
        """The next 20 ms, shape (n, channels), and whether samples were lost before them. Raises AudioError."""

    def close(self) -> None:
        """Free the device."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way to the microphone."""

    name: str
    """`PortAudio`, `arecord`, ..."""

    open: Callable[[], CaptureStream]
    """Raises AudioError."""

    refresh: Callable[[], object] = lambda: None
    """Called before another attempt: looks for devices that came or went. Raises AudioError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A device was opened."""

    device: str
    way: str
    rate_hz: int
    channels: int

    def __str__(self) -> str:
        form = f"{self.rate_hz} Hz, {self.channels} channel{'s' if self.channels > 1 else ''}"
        return f"{self.device!r} through {self.way}, {form}"


Told = Frame | Opened | str
"""What a capture thread hands over: frames, numbered as they were captured; what was opened; why there are none."""


class Capture:
    """One capture thread. It ends when told, or is left behind where it hangs."""

    def __init__(
        self,
        ways: Sequence[Way],
        hand_over: Callable[["Capture", Told], None],
        *,
        pauses_s: Sequence[float],
        steady_frames: int = STEADY_FRAMES,
        prepare: Callable[[], object] = lambda: None,
    ) -> None:
        """`hand_over` gets what happens, in the capture thread, and must not wait. `pauses_s`: before each further
        attempt to open, the last one repeated. `steady_frames`: see STEADY_FRAMES. `prepare` is called first.
        """
        self._ways = ways
        self._hand_over = hand_over
        self._pauses_s = pauses_s
        self._steady_frames = steady_frames
        self._prepare = prepare
        self._captured = 0
        self._way = ways[0]
        self._stopping = threading.Event()
        self._may_run = threading.Event()
        self._may_run.set()
        # A daemon thread, for it may hang in the sound system and must not block the exit.
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    @property
    def way(self) -> Way:
        """The one in use."""
        return self._way

    @property
    def is_started(self) -> bool:
        """The thread was started; it may have ended."""
        return self._thread.ident is not None

    def start(self) -> None:
        """Begin to capture."""
        self._thread.start()

    def pause(self, on: bool) -> None:
        """Close the device within a frame, or open it again."""
        if on:
            self._may_run.clear()
        else:
            self._may_run.set()

    def stop(self) -> None:
        """Free the device and end, as soon as the thread can."""
        self._stopping.set()
        self._may_run.set()

    def join(self, timeout_s: float) -> None:
        """Wait for the end; a thread that hangs is left behind."""
        if self.is_started:
            self._thread.join(timeout_s)

    def leave_behind(self) -> None:
        """It hangs: nobody waits for it any more, and where it spins, it only gets time that nothing else wants."""
        self.stop()
        if self._thread.native_id is not None:
            with contextlib.suppress(OSError):
                os.sched_setscheduler(self._thread.native_id, os.SCHED_IDLE, os.sched_param(0))

    def _run(self) -> None:
        self._prepare()
        number = failures = attempts = rounds = 0
        while not self._stopping.is_set():
            self._way = self._ways[number]
            captured = self._captured
            try:
                if attempts:
                    self._way.refresh()
                self._pump(self._way)
                failures = attempts = rounds = 0  # it was paused
                self._may_run.wait()
            except AudioError as error:
                if self._captured - captured >= self._steady_frames:
                    failures = attempts = rounds = 0
                else:
                    failures += 1
                attempts += 1
                if failures >= (1 if rounds else FAILURES_PER_WAY):
                    number, failures = (number + 1) % len(self._ways), 0
                    rounds += number == 0
                self._hand_over(self, str(error))
                self._stopping.wait(self._pauses_s[min(attempts, len(self._pauses_s)) - 1])

    def _pump(self, way: Way) -> None:
        """Open the device and hand its frames over until it fails, or is to be closed. Raises AudioError."""
        if not self._may_run.is_set():
            return
        stream = way.open()
        try:
            converter = Converter(stream.rate_hz, stream.channels, channel=stream.channel)
            self._hand_over(
                self,
                Opened(device=stream.device, way=way.name, rate_hz=stream.rate_hz, channels=stream.channels),
            )
            while self._may_run.is_set() and not self._stopping.is_set():
                block, overflowed = stream.read()
                self._captured += overflowed  # nobody tells how much was lost: it counts as one frame
                for frame in converter.feed(block):
                    self._hand_over(self, Frame(self._captured, frame.pcm))
                    self._captured += 1
        finally:
            stream.close()
