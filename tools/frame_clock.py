"""When does each frame of a live appliance come out of its loop? And how late is what does nothing with it?

The appliance feeds systemd's watchdog with frames that flowed through its whole loop, and with nothing else. Told that
the watchdog waits 40 ms, it sends a datagram for each frame; a process here, which does nothing else, notes the times.
Beside it a bare loop waits for each frame's time: what the machine itself loses; and a bare reader reads the same
microphone: what the sound system adds to that. All of them ask for real-time priority.
"""

import multiprocessing
import os
import socket
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Final

from appliance.audio.format import FRAME_MS, FRAMES_PER_S
from appliance.audio.hardware import Hardware
from appliance.audio.portaudio_stream import PortAudioStream
from appliance.priority import ask_for_priority

WINDOW_FRAMES: Final = 10 * FRAMES_PER_S
"""Lateness is counted from the earliest frame of 10 s, so that lost frames and unequal clocks do not add up."""

TOGETHER_MS: Final = FRAME_MS / 2
"""Frames that follow each other faster were handed over together by the sound system."""

_END: Final = b"END"
_FRAME: Final = b"WATCHDOG=1"


class FrameClock:
    """The times of frames, by the monotonic clock."""

    def __init__(self, folder: Path) -> None:
        """`folder`: where its socket is made."""
        self._address = str(folder / "frames")
        self._process, self._result = _child(_note_frames, self._address)
        self._result.recv_bytes()  # it listens

    def __enter__(self) -> "FrameClock":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    @property
    def environment(self) -> dict[str, str]:
        """Makes the appliance send its frames."""
        return {"NOTIFY_SOCKET": self._address, "WATCHDOG_USEC": str(2 * FRAME_MS * 1000)}

    def stop(self) -> list[float]:
        """End it; seconds for each frame."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(_END, self._address)
        return _taken(self._process, self._result)


@contextmanager
def bare_loop() -> Iterator[list[float]]:
    """A loop that only waits, while the block runs; afterwards the list holds the time of each of its frames."""
    with _until_stopped(_wait_for_frames) as times:
        yield times


@contextmanager
def bare_reader(environment: Mapping[str, str]) -> Iterator[list[float]]:
    """Reads the microphone as the appliance does, while the block runs; afterwards the list holds each frame's time."""
    with _until_stopped(_read_frames, dict(environment)) as times:
        yield times


def delays_ms(times: Sequence[float]) -> list[float]:
    """How much later than the earliest of its neighbours each frame came, measured from a steady 20 ms, in ms."""
    delays: list[float] = []
    for start in range(0, len(times), WINDOW_FRAMES):
        window = times[start : start + WINDOW_FRAMES]
        offsets = [moment * 1000 - index * FRAME_MS for index, moment in enumerate(window)]
        delays += [offset - min(offsets) for offset in offsets]
    return delays


def late_frames(times: Sequence[float], limit_ms: float) -> int:
    """Frames that came later than this, and those more than 20 ms late that came together with one: they waited."""
    late, is_late = 0, False
    for index, delay in enumerate(delays_ms(times)):
        apart = index == 0 or (times[index] - times[index - 1]) * 1000 > TOGETHER_MS
        is_late = delay > limit_ms or (is_late and not apart and delay > FRAME_MS)
        late += is_late
    return late


@contextmanager
def _until_stopped(target: Callable[..., None], *args: object) -> Iterator[list[float]]:
    times: list[float] = []
    stop = multiprocessing.get_context("spawn").Event()
    process, result = _child(target, *args, stop)
    result.recv_bytes()  # it has begun
    try:
        yield times
    finally:
        stop.set()
        times += _taken(process, result)


def _child(target: Callable[..., None], *args: object) -> tuple[SpawnProcess, Connection]:
    context = multiprocessing.get_context("spawn")
    result, sender = context.Pipe(duplex=False)
    process = context.Process(target=target, args=(*args, sender), daemon=True)
    process.start()
    return process, result


def _taken(process: SpawnProcess, result: Connection) -> list[float]:
    numbers = array("d")
    numbers.frombytes(result.recv_bytes())
    process.join()
    return list(numbers)


def _note_frames(address: str, result: Connection) -> None:
    ask_for_priority()
    times = array("d")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)
        result.send_bytes(b"ready")
        while (message := receiver.recv(4096)) != _END:
            if message == _FRAME:
                times.append(time.monotonic())
    result.send_bytes(times.tobytes())


def _wait_for_frames(stop: Event, result: Connection) -> None:
    ask_for_priority()
    result.send_bytes(b"ready")
    times = array("d")
    due_s = time.monotonic()
    while not stop.is_set():
        due_s += FRAME_MS / 1000
        time.sleep(max(0.0, due_s - time.monotonic()))
        times.append(time.monotonic())
    result.send_bytes(times.tobytes())


def _read_frames(environment: Mapping[str, str], stop: Event, result: Connection) -> None:
    os.environ.clear()
    os.environ.update(environment)
    stream = PortAudioStream(Hardware())
    ask_for_priority()
    result.send_bytes(b"ready")
    times = array("d")
    while not stop.is_set():
        stream.read()
        times.append(time.monotonic())
    stream.close()
    result.send_bytes(times.tobytes())
