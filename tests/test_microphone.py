"""The microphone never ends: what is lost is told, silence keeps the time, and it comes back."""

import itertools
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from appliance.audio import microphone
from appliance.audio.format import Frame
from appliance.audio.microphone import QUEUE_FRAMES, Microphone, Patience, PortAudioStream
from appliance.config_files import PROJECT
from appliance.errors import AudioError
from appliance.events import AudioDropped, Event, MicrophoneLost, MicrophoneRestored
from appliance.runtimes.portaudio import PortAudio

LIMIT_S = 10.0
"""Longest wait of a test for another thread; reached only by a test that fails."""

QUICK = Patience(lost_after_s=0.05, hung_after_s=LIMIT_S, pauses_s=(0.001,))

Reading = int | AudioError | threading.Event
"""What a read does: give a block of this value (negative: something was lost before it), fail, or wait."""


class Stream:
    """A capture device that does what its script says, and then waits."""

    def __init__(self, script: list[Reading], *, rate_hz: int = 16_000, channels: int = 1) -> None:
        self.rate_hz, self.channels = rate_hz, channels
        self.closed = False
        self.waits = threading.Event()
        """Set while a read waits: everything before it was captured."""
        self._script = iter(script)
        self._end = threading.Event()

    def read(self) -> tuple[npt.NDArray[Any], bool]:
        reading = next(self._script, self._end)
        while isinstance(reading, threading.Event):
            self.waits.set()
            reading.wait(LIMIT_S)
            self.waits.clear()
            reading = AudioError("microphone: the script is over") if reading is self._end else next(self._script)
        if isinstance(reading, AudioError):
            raise reading
        shape = (self.rate_hz // 50, self.channels)
        return np.full(shape, abs(reading), np.int16), reading < 0

    def close(self) -> None:
        self.closed = True

    def release(self) -> None:
        """Let a read at the end of the script return."""
        self._end.set()


class Devices:
    """Opens one stream after the other; an error stands for a device that is not there. Waits when it has no more."""

    def __init__(self, *streams: Stream | AudioError) -> None:
        self.opened: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.refreshed_after: list[int] = []
        """How many were opened before each refresh."""
        self.streams = [stream for stream in streams if isinstance(stream, Stream)]
        self._streams = iter(streams)

    def refresh(self) -> None:
        self.refreshed_after.append(self.opened.qsize())

    def open(self, name: str) -> Stream:
        self.opened.put(name)
        stream = next(self._streams)
        if isinstance(stream, AudioError):
            raise stream
        return stream


class Listener:
    """A microphone on scripted devices, as the frame loop uses it: events are read after each frame."""

    def __init__(self, *streams: Stream | AudioError, patience: Patience = QUICK, name: str = "") -> None:
        self.devices = Devices(*streams)
        self.microphone = Microphone(
            name, open_stream=self.devices.open, refresh=self.devices.refresh, patience=patience
        )
        self.told: list[Event] = []
        self._frames = self.microphone.frames()

    def start(self) -> "Listener":
        self.microphone.start()
        return self

    def take(self, count: int) -> list[Frame]:
        frames = []
        for frame in itertools.islice(self._frames, count):
            frames.append(frame)
            self.told += self.microphone.events()
        return frames

    def take_until(self, wanted: type[Event]) -> list[Frame]:
        """Frames up to the one with which such an event was told."""
        frames: list[Frame] = []
        deadline_s = time.monotonic() + LIMIT_S
        while not any(isinstance(event, wanted) for event in self.told):
            frames += self.take(1)
            assert time.monotonic() < deadline_s
        return frames

    def close(self) -> None:
        for stream in self.devices.streams:
            stream.release()
        self.microphone.close()


@pytest.fixture
def listen() -> Iterator[Any]:
    made: list[Listener] = []

    def make(*streams: Stream | AudioError, **settings: Any) -> Listener:
        made.append(Listener(*streams, **settings).start())
        return made[-1]

    yield make
    for listener in made:
        listener.close()


def _values(frames: list[Frame]) -> list[int]:
    return [int(frame.pcm[0]) for frame in frames]


def _indices(frames: list[Frame]) -> list[int]:
    return [frame.index for frame in frames]


def test_the_figures() -> None:
    assert QUEUE_FRAMES == 100
    assert Patience() == Patience(lost_after_s=1.0, hung_after_s=10.0, pauses_s=(0.25, 0.5, 1.0, 2.0))


def test_frames_come_in_order(listen: Any) -> None:
    listener = listen(Stream([1, 2, 3, 4, 5]), name="USB")
    frames = listener.take(5)
    assert _values(frames) == [1, 2, 3, 4, 5]
    assert _indices(frames) == [0, 1, 2, 3, 4]
    assert listener.told == []
    assert listener.devices.opened.get_nowait() == "USB"
    assert listener.microphone.fault is None


def test_any_rate_and_channels_become_frames(listen: Any) -> None:
    frames = listen(Stream([900] * 40, rate_hz=48_000, channels=2)).take(30)
    assert {frame.pcm.shape for frame in frames} == {(320,)}
    assert set(_values(frames[2:])) == {900}


def test_an_overflow_is_told_and_its_time_is_left_out(listen: Any) -> None:
    listener = listen(Stream([1, -2, 3]))
    frames = listener.take(3)
    assert _values(frames) == [1, 2, 3]
    assert _indices(frames) == [0, 2, 3]
    assert listener.told == [AudioDropped(frame=2, frames=1)]


def test_a_slow_consumer_loses_the_oldest_frames_and_is_told_how_many(listen: Any) -> None:
    go_on = threading.Event()
    stream = Stream([1000, go_on, *range(1001, 1151)])
    listener = listen(stream)
    assert _indices(listener.take(1)) == [0]
    assert stream.waits.wait(LIMIT_S)
    stream.waits.clear()
    go_on.set()
    assert stream.waits.wait(LIMIT_S)
    frames = listener.take(100)
    assert _values(frames) == list(range(1051, 1151))
    assert _indices(frames) == list(range(51, 151))
    assert listener.told == [AudioDropped(frame=51, frames=50)]


def test_the_stream_begins_with_frame_0_whatever_was_lost_before(listen: Any) -> None:
    stream = Stream([-1, *range(2, 152)])
    listener = listen(stream)
    assert stream.waits.wait(LIMIT_S)
    frames = listener.take(100)
    assert _indices(frames) == list(range(100))
    assert listener.told == [AudioDropped(frame=0, frames=52)]


def test_a_read_error_is_told_after_the_frames_before_it_and_the_device_comes_back(listen: Any) -> None:
    first, second = Stream([1, 2, 3, AudioError("microphone: unplugged")]), Stream([4, 5])
    listener = listen(first, second)
    assert second.waits.wait(LIMIT_S)
    frames = listener.take(3)
    assert _values(frames) == [1, 2, 3]
    assert listener.told == []
    assert _values(listener.take(2)) == [4, 5]
    assert listener.told == [MicrophoneLost(frame=3, device="default"), MicrophoneRestored(frame=3, device="default")]
    assert first.closed


def test_silence_keeps_the_time_while_the_device_is_lost(listen: Any) -> None:
    patience = Patience(lost_after_s=0.05, hung_after_s=LIMIT_S, pauses_s=(0.1,))
    listener = listen(Stream([1, AudioError("microphone: unplugged")]), Stream([2]), patience=patience)
    began_s = time.monotonic()
    silent = listener.take_until(MicrophoneRestored)
    took_s = time.monotonic() - began_s
    assert listener.told[0] == MicrophoneLost(frame=1, device="default")
    assert _values(silent) == [1, *[0] * (len(silent) - 2), 2]
    assert _indices(silent) == list(range(len(silent)))
    assert 4 <= len(silent) <= took_s * 50 + 2


def test_silence_catches_up_when_the_loop_was_late(listen: Any) -> None:
    listener = listen(*[AudioError("microphone: there is none")] * 20_000)
    listener.take_until(MicrophoneLost)
    threading.Event().wait(0.2)
    began_s = time.monotonic()
    listener.take(10)
    assert time.monotonic() - began_s < 0.15


def test_a_device_missing_at_the_start_is_looked_for_until_it_is_there(listen: Any) -> None:
    missing = AudioError("microphone 'USB': no such device; there is: none at all; set audio.microphone")
    listener = listen(missing, missing, missing, Stream([7]), name="USB")
    frames = listener.take_until(MicrophoneRestored)
    assert _values(frames)[-1] == 7
    assert [type(event) for event in listener.told] == [MicrophoneLost, MicrophoneRestored]
    assert {event.device for event in listener.told} == {"USB"}
    assert listener.devices.opened.qsize() == 4
    assert listener.devices.refreshed_after == [1, 2, 3]


def test_a_refresh_that_fails_is_one_more_reason_to_wait() -> None:
    devices = Devices(AudioError("microphone: there is none"), Stream([7]))
    failures = iter([AudioError("the sound system does not start again")])

    def refresh() -> None:
        for failure in failures:
            raise failure

    capture = Microphone("", open_stream=devices.open, refresh=refresh, patience=QUICK).start()
    assert next(frame for frame in capture.frames() if frame.pcm.any()).pcm[0] == 7
    devices.streams[0].release()
    capture.close()


def test_the_fault_says_why(listen: Any, caplog: pytest.LogCaptureFixture) -> None:
    listener = listen(AudioError("microphone: there is none; plug one in"), Stream([1]))
    listener.take_until(MicrophoneRestored)
    assert caplog.messages == ["microphone default is lost: microphone: there is none; plug one in"]
    patience = Patience(lost_after_s=0.05, hung_after_s=LIMIT_S, pauses_s=(LIMIT_S,))
    listener = listen(AudioError("microphone: there is none; plug one in"), patience=patience)
    listener.take_until(MicrophoneLost)
    assert listener.microphone.fault == "microphone: there is none; plug one in"
    assert not listener.take(3)[-1].pcm.any()
    assert [type(event) for event in listener.told] == [MicrophoneLost]


def test_pauses_grow_and_begin_again_after_a_frame(listen: Any) -> None:
    patience = Patience(lost_after_s=0.05, hung_after_s=LIMIT_S, pauses_s=(0.001, LIMIT_S))
    gone = AudioError("microphone: gone")
    listener = listen(gone, Stream([1, gone]), gone, Stream([2]), patience=patience)
    listener.take_until(MicrophoneRestored)
    for _ in range(3):
        listener.devices.opened.get(timeout=LIMIT_S)
    began_s = time.monotonic()
    listener.take(3)
    assert listener.devices.opened.empty()
    listener.close()
    assert time.monotonic() - began_s < LIMIT_S / 2


@pytest.mark.parametrize(("rate_hz", "channels"), [(1000, 1), (16_000, 65)])
def test_a_device_that_nobody_can_use_is_lost(listen: Any, rate_hz: int, channels: int) -> None:
    listener = listen(Stream([1], rate_hz=rate_hz, channels=channels), Stream([2]))
    listener.take_until(MicrophoneRestored)
    assert [type(event) for event in listener.told] == [MicrophoneLost, MicrophoneRestored]


def test_a_read_that_hangs_is_told_and_may_come_back(listen: Any) -> None:
    go_on = threading.Event()
    listener = listen(Stream([1, go_on, 2]))
    assert _values(listener.take(1)) == [1]
    began_s = time.monotonic()
    silent = listener.take_until(MicrophoneLost)
    assert time.monotonic() - began_s >= QUICK.lost_after_s * 0.9
    assert _values(silent) == [0]
    assert listener.microphone.fault == "microphone default: it sends nothing; plug it in again"
    go_on.set()
    listener.take_until(MicrophoneRestored)
    assert [type(event) for event in listener.told] == [MicrophoneLost, MicrophoneRestored]


def test_a_read_that_hangs_for_long_ends_the_stream(listen: Any) -> None:
    patience = Patience(lost_after_s=0.02, hung_after_s=0.1, pauses_s=(0.001,))
    listener = listen(Stream([1]), patience=patience)
    with pytest.raises(AudioError, match="microphone default: the sound system hangs; start the appliance again"):
        listener.take(1000)
    assert [type(event) for event in listener.told] == [MicrophoneLost]


def test_a_lost_device_that_is_looked_for_is_no_hang(listen: Any) -> None:
    patience = Patience(lost_after_s=0.02, hung_after_s=0.08, pauses_s=(0.01,))
    listener = listen(*[AudioError("microphone: there is none")] * 20_000, patience=patience)
    assert len(listener.take(10)) == 10


def test_close_does_not_wait_for_a_read_that_hangs() -> None:
    stream = Stream([1])
    listener = Listener(stream).start()
    listener.take(1)
    began_s = time.monotonic()
    listener.microphone.close()
    assert time.monotonic() - began_s < LIMIT_S / 2
    assert listener.take(5) == []
    stream.release()


def test_a_read_that_hangs_does_not_block_the_exit() -> None:
    program = (
        "import threading\n"
        "from appliance.audio.microphone import Microphone, Patience\n"
        "def open_stream(name): threading.Event().wait()\n"
        "microphone = Microphone('', open_stream=open_stream, patience=Patience(lost_after_s=0.02)).start()\n"
        "next(microphone.frames())\n"
        "microphone.close()\n"
        "print('closed')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert (done.returncode, done.stdout) == (0, "closed\n")


def test_close_before_start_and_twice() -> None:
    unused = Microphone("", open_stream=Devices().open)
    unused.close()
    unused.close()
    assert list(unused.frames()) == []


def test_the_capture_thread_is_prepared_first() -> None:
    prepared: queue.SimpleQueue[str] = queue.SimpleQueue()
    devices = Devices(Stream([1]))

    def prepare() -> None:
        assert devices.opened.empty()
        prepared.put(threading.current_thread().name)

    capture = Microphone("", open_stream=devices.open, prepare=prepare, patience=QUICK).start()
    assert prepared.get(timeout=LIMIT_S) == "capture"
    assert next(capture.frames()).index == 0
    devices.streams[0].release()
    capture.close()


class Library:
    """`sounddevice` with three devices of an imagined machine."""

    class PortAudioError(Exception):
        """As PortAudio's."""

    def __init__(
        self, *accepted: tuple[int, int], devices: bool = True, opens: bool = True, starts: bool = True
    ) -> None:
        self._accepted, self._opens, self._starts = accepted, opens, starts
        self._devices = [
            {"name": "HDMI", "index": 0, "max_input_channels": 0, "default_samplerate": 48_000.0},
            {"name": "Built-in", "index": 1, "max_input_channels": 1, "default_samplerate": 44_100.0},
            {"name": "USB Microphone", "index": 2, "max_input_channels": 2, "default_samplerate": 48_000.0},
        ][: 3 if devices else 1]
        self.settings: dict[str, Any] = {}
        self.calls: list[str] = []
        self.overflowed = False

    def query_devices(self, kind: str | None = None) -> Any:
        if kind is None:
            return self._devices
        if len(self._devices) == 1:
            raise self.PortAudioError("Error querying device -1")
        return self._devices[1]

    def check_input_settings(self, *, device: int, channels: int, dtype: str, samplerate: int) -> None:
        if (samplerate, channels) not in self._accepted:
            raise self.PortAudioError("Invalid sample rate")

    def InputStream(self, **settings: Any) -> "Library":
        if not self._opens:
            raise self.PortAudioError("Device unavailable")
        self.settings = settings
        return self

    def start(self) -> None:
        self.calls.append("start")
        if not self._starts:
            raise self.PortAudioError("Unanticipated host error")

    def read(self, samples: int) -> tuple[npt.NDArray[np.int16], bool]:
        if "unplug" in self.calls:
            raise self.PortAudioError("Unanticipated host error")
        return np.ones((samples, self.settings["channels"]), np.int16), self.overflowed

    def close(self, ignore_errors: bool) -> None:
        self.calls.append("close")


class TestPortAudio:
    @pytest.mark.parametrize(("name", "index"), [("", 1), ("usb", 2), ("BUILT", 1), ("Mic", 2)])
    def test_the_device_is_found_by_a_part_of_its_name(self, name: str, index: int) -> None:
        library = Library((16_000, 1))
        PortAudioStream(name, audio=PortAudio(library))
        assert library.settings["device"] == index
        assert library.settings["dtype"] == "int16"
        assert library.settings["latency"] == microphone.DEVICE_LATENCY_S
        assert library.calls == ["start"]

    def test_a_name_of_no_microphone_is_told_with_those_that_are(self) -> None:
        with pytest.raises(
            AudioError, match="'hdmi': no such device; there is: 'Built-in', 'USB Microphone'; set audio"
        ):
            PortAudioStream("hdmi", audio=PortAudio(Library((16_000, 1))))

    @pytest.mark.parametrize("name", ["", "usb"])
    def test_no_microphone_at_all_is_told(self, name: str) -> None:
        with pytest.raises(AudioError, match=r"set audio\.microphone"):
            PortAudioStream(name, audio=PortAudio(Library(devices=False)))

    @pytest.mark.parametrize(
        ("accepted", "rate_hz", "channels"),
        [
            ([(16_000, 1), (16_000, 2), (48_000, 1)], 16_000, 1),
            ([(16_000, 2), (48_000, 1), (48_000, 2)], 16_000, 2),
            ([(48_000, 1), (48_000, 2)], 48_000, 1),
            ([(48_000, 2)], 48_000, 2),
        ],
    )
    def test_it_is_opened_as_it_can(self, accepted: list[tuple[int, int]], rate_hz: int, channels: int) -> None:
        library = Library(*accepted)
        stream = PortAudioStream("usb", audio=PortAudio(library))
        assert (stream.rate_hz, stream.channels) == (rate_hz, channels)
        assert (library.settings["samplerate"], library.settings["channels"]) == (rate_hz, channels)
        library.overflowed = True
        block, overflowed = stream.read()
        assert block.shape == (rate_hz // 50, channels)
        assert overflowed

    def test_a_device_that_cannot_be_opened_is_told(self) -> None:
        with pytest.raises(
            AudioError, match=r"'USB Microphone': cannot be opened at 16000 Hz \(Device unavailable\); plug it in, or"
        ):
            PortAudioStream("usb", audio=PortAudio(Library((16_000, 1), opens=False)))

    def test_a_device_that_does_not_start_is_told_and_freed(self) -> None:
        library = Library((16_000, 1), starts=False)
        with pytest.raises(AudioError, match="'USB Microphone': cannot be started"):
            PortAudioStream("usb", audio=PortAudio(library))
        assert library.calls == ["start", "close"]

    def test_an_unplugged_device_is_told(self) -> None:
        library = Library((16_000, 1))
        stream = PortAudioStream("usb", audio=PortAudio(library))
        library.calls.append("unplug")
        with pytest.raises(AudioError, match="'USB Microphone': stopped"):
            stream.read()
        stream.close()
        assert library.calls[-1] == "close"
