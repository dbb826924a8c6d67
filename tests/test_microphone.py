"""The microphone never ends: what is lost is told, silence keeps the time, and it comes back."""

import itertools
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from appliance.audio.capture import Opened, Way
from appliance.audio.format import Frame
from appliance.audio.microphone import QUEUE_FRAMES, Microphone, Patience
from appliance.config_files import PROJECT
from appliance.errors import AudioError
from appliance.events import AudioDropped, Event, MicrophoneLost, MicrophoneRestored
from appliance.status import MicrophoneStatus

LIMIT_S = 10.0
"""Longest wait of a test for another thread; reached only by a test that fails."""

QUICK = Patience(lost_after_s=0.05, first_after_s=0.05, hung_after_s=LIMIT_S, pauses_s=(0.001,), steady_frames=1)

Reading = int | AudioError | threading.Event
"""What a read does: give a block of this value (negative: something was lost before it), fail, or wait."""


class Stream:
    """A capture device that does what its script says, and then waits."""

    device: str
    channel: int | None

    def __init__(self, script: list[Reading], *, rate_hz: int = 16_000, channels: int = 1) -> None:
        self.device, self.channel = "Scripted", None
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

    def way(self, name: str = "first") -> Way:
        return Way(name, lambda: self.open(name), self.refresh)

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

    def __init__(
        self,
        *streams: Stream | AudioError,
        patience: Patience = QUICK,
        name: str = "",
        ways: tuple[str, ...] = ("first",),
    ) -> None:
        self.devices = Devices(*streams)
        self.microphone = Microphone(name, [self.devices.way(way) for way in ways], patience=patience)
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
    assert Patience() == Patience(
        lost_after_s=1.0,
        first_after_s=3.0,
        hung_after_s=5.0,
        give_up_s=30.0,
        pauses_s=(0.25, 0.5, 1.0),
        steady_frames=50,
    )


def test_frames_come_in_order(listen: Any) -> None:
    listener = listen(Stream([1, 2, 3, 4, 5]), name="USB")
    frames = listener.take(5)
    assert _values(frames) == [1, 2, 3, 4, 5]
    assert _indices(frames) == [0, 1, 2, 3, 4]
    assert listener.told == []
    assert listener.devices.opened.get_nowait() == "first"
    assert listener.microphone.fault is None
    assert listener.microphone.opened == Opened(device="Scripted", way="first", rate_hz=16_000, channels=1)


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


def test_a_storm_of_overruns_is_told_once_a_second(listen: Any) -> None:
    patient = replace(QUICK, lost_after_s=LIMIT_S, first_after_s=LIMIT_S)
    listener = listen(Stream([1, *[-2] * 60, *[3] * 39]), patience=patient)
    frames = listener.take(100)
    assert _indices(frames)[:4] == [0, 2, 4, 6]
    assert listener.told == [
        AudioDropped(frame=2, frames=1),
        AudioDropped(frame=52, frames=25),
        AudioDropped(frame=102, frames=25),
        AudioDropped(frame=152, frames=9),
    ]
    assert frames[-1].index == 159


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
    patience = Patience(lost_after_s=0.05, first_after_s=0.05, hung_after_s=LIMIT_S, pauses_s=(0.1,))
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

    capture = Microphone("", [Way("first", lambda: devices.open(""), refresh)], patience=QUICK).start()
    assert next(frame for frame in capture.frames() if frame.pcm.any()).pcm[0] == 7
    devices.streams[0].release()
    capture.close()


def test_the_fault_says_why(listen: Any, caplog: pytest.LogCaptureFixture) -> None:
    listener = listen(AudioError("microphone: there is none; plug one in"), Stream([1]))
    listener.take_until(MicrophoneRestored)
    assert caplog.messages == ["microphone default is lost: microphone: there is none; plug one in"]
    patience = Patience(lost_after_s=0.05, first_after_s=0.05, hung_after_s=LIMIT_S, pauses_s=(LIMIT_S,))
    listener = listen(AudioError("microphone: there is none; plug one in"), patience=patience)
    listener.take_until(MicrophoneLost)
    assert listener.microphone.fault == "microphone: there is none; plug one in"
    assert not listener.take(3)[-1].pcm.any()
    assert [type(event) for event in listener.told] == [MicrophoneLost]


def test_pauses_grow_and_begin_again_after_a_frame(listen: Any) -> None:
    patience = replace(QUICK, pauses_s=(0.001, LIMIT_S))
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
    patience = Patience(lost_after_s=0.02, first_after_s=0.02, hung_after_s=0.1, pauses_s=(0.001,))
    listener = listen(Stream([1]), patience=patience)
    with pytest.raises(AudioError, match="microphone default: the sound system hangs; start the appliance again"):
        listener.take(1000)
    assert [type(event) for event in listener.told] == [MicrophoneLost]


def test_a_lost_device_that_is_looked_for_is_no_hang(listen: Any) -> None:
    patience = Patience(lost_after_s=0.02, first_after_s=0.02, hung_after_s=0.08, pauses_s=(0.01,))
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
        "from appliance.audio.capture import Way\n"
        "ways = [Way('hangs', lambda: threading.Event().wait())]\n"
        "microphone = Microphone('', ways, patience=Patience(first_after_s=0.02)).start()\n"
        "next(microphone.frames())\n"
        "microphone.close()\n"
        "print('closed')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert (done.returncode, done.stdout) == (0, "closed\n")


def test_close_before_start_and_twice() -> None:
    unused = Microphone("", [Devices().way()])
    unused.close()
    unused.close()
    assert list(unused.frames()) == []


def test_the_capture_thread_is_prepared_first() -> None:
    prepared: queue.SimpleQueue[str] = queue.SimpleQueue()
    devices = Devices(Stream([1]))

    def prepare() -> None:
        assert devices.opened.empty()
        prepared.put(threading.current_thread().name)

    capture = Microphone("", [devices.way()], prepare=prepare, patience=QUICK).start()
    assert prepared.get(timeout=LIMIT_S) == "capture"
    assert next(capture.frames()).index == 0
    devices.streams[0].release()
    capture.close()


GONE = AudioError("microphone: gone")


def _opened(listener: Listener) -> list[str]:
    queue_ = listener.devices.opened
    return [queue_.get_nowait() for _ in range(queue_.qsize())]


def test_the_second_way_takes_over_after_three_failed_reopens_and_gives_way_in_turn(listen: Any) -> None:
    first, second = Stream([1, GONE]), Stream([2])
    listener = listen(first, GONE, GONE, GONE, GONE, GONE, GONE, GONE, second, ways=("first", "second"))
    frames = listener.take_until(MicrophoneRestored)
    assert [value for value in _values(frames) if value] == [1, 2]
    assert _opened(listener) == ["first"] * 4 + ["second"] * 3 + ["first", "second"]
    assert listener.microphone.opened == Opened(device="Scripted", way="second", rate_hz=16_000, channels=1)
    assert listener.microphone.status().lost == 1


def test_a_device_that_breaks_again_and_again_but_sends_is_no_failed_way(listen: Any) -> None:
    streams = [Stream([value, GONE]) for value in range(1, 6)]
    listener = listen(*streams, Stream([6]), ways=("first", "second"))
    while 6 not in _values(listener.take(1)):
        pass
    assert _opened(listener) == ["first"] * 6
    assert listener.microphone.status().lost == 5


def test_a_way_that_sends_a_little_and_fails_again_and_again_gives_way(listen: Any) -> None:
    streams = [Stream([value, GONE]) for value in range(1, 4)]
    listener = listen(*streams, Stream([6]), patience=replace(QUICK, steady_frames=2), ways=("first", "second"))
    while 6 not in _values(listener.take(1)):
        pass
    assert _opened(listener) == ["first"] * 3 + ["second"]


def test_once_all_ways_have_failed_each_is_tried_once_in_turn(listen: Any) -> None:
    listener = listen(*[GONE] * 10, Stream([6]), ways=("first", "second"))
    listener.take_until(MicrophoneRestored)
    assert _opened(listener) == ["first"] * 3 + ["second"] * 3 + ["first", "second"] * 2 + ["first"]


def test_where_no_way_finds_a_device_that_a_hung_library_may_hold_the_stream_ends(listen: Any) -> None:
    patience = replace(QUICK, lost_after_s=0.02, hung_after_s=0.1, give_up_s=0.3)
    listener = listen(Stream([1]), *[GONE] * 20_000, patience=patience, ways=("first", "second"))
    with pytest.raises(AudioError, match="gone; the sound system hangs, start again"):
        listener.take(1000)
    assert listener.microphone._left_behind


def test_silence_keeps_the_time_while_a_slow_device_is_opened_again(listen: Any) -> None:
    go_on = threading.Event()
    listener = listen(Stream([1]), Stream([go_on, 2]), patience=replace(QUICK, first_after_s=LIMIT_S))
    listener.take(1)
    listener.microphone.pause(True)
    listener.devices.streams[0].release()
    listener.take(2)
    listener.microphone.pause(False)
    assert _values(listener.take(10)) == [0] * 10
    go_on.set()
    while 2 not in _values(listener.take(1)):
        pass
    assert listener.told == []


def test_a_way_that_hangs_is_left_behind_for_good(listen: Any, caplog: pytest.LogCaptureFixture) -> None:
    patience = Patience(lost_after_s=0.02, first_after_s=0.02, hung_after_s=0.4, pauses_s=(0.001,))
    go_on = threading.Event()
    hangs, second, third = Stream([1]), Stream([2, go_on, GONE]), Stream([3])
    listener = listen(hangs, second, GONE, GONE, GONE, third, patience=patience, ways=("first", "second"))
    assert _values(listener.take_until(MicrophoneRestored))[-1] == 2
    assert "microphone default: first hangs; second takes over" in caplog.messages
    go_on.set()
    while 3 not in _values(listener.take(1)):
        pass
    assert _opened(listener) == ["first"] + ["second"] * 5
    hangs.release()


def test_a_left_behind_way_that_wakes_up_says_nothing_and_frees_its_device(listen: Any) -> None:
    patience = Patience(lost_after_s=0.02, first_after_s=0.02, hung_after_s=0.4, pauses_s=(0.001,))
    go_on = threading.Event()
    hangs = Stream([1, go_on, 99, 99, 99])
    listener = listen(hangs, Stream([2] * 90), patience=patience, ways=("first", "second"))
    listener.take_until(MicrophoneRestored)
    go_on.set()
    deadline_s = time.monotonic() + LIMIT_S
    while not hangs.closed:
        assert time.monotonic() < deadline_s
    assert 99 not in _values(listener.take(3))


def test_a_pause_closes_the_device_and_silence_keeps_the_time(listen: Any) -> None:
    go_on = threading.Event()
    first, second = Stream([1, go_on, *[2] * 50]), Stream([3, 3, 3])
    listener = listen(first, second)
    assert _values(listener.take(1)) == [1]
    listener.microphone.pause(True)
    go_on.set()
    began_s = time.monotonic()
    silent = listener.take(10)
    assert time.monotonic() - began_s > 0.15
    assert first.closed
    assert _values(silent) == [0] * 10
    assert listener.microphone.status() == MicrophoneStatus(name="default", present=False, muted=True)
    assert listener.devices.opened.qsize() == 1
    listener.microphone.pause(False)
    assert _values(listener.take(1)) == [3]
    assert _indices(listener.take(1)) == [12]
    assert listener.told == []


def test_a_pause_of_a_lost_device_ends_the_search_for_it(listen: Any) -> None:
    listener = listen(*[GONE] * 20_000)
    listener.take_until(MicrophoneLost)
    listener.microphone.pause(True)
    listener.take(3)
    tried = listener.devices.opened.qsize()
    listener.take(3)
    assert listener.devices.opened.qsize() == tried


def test_what_had_piled_up_while_silence_stood_in_is_left_out(listen: Any) -> None:
    go_on = threading.Event()
    stream = Stream([1, go_on, *range(100, 140)])
    listener = listen(stream)
    listener.take_until(MicrophoneLost)
    while len(listener.take(1)) and listener.microphone._stood_in < 20:
        pass
    stream.waits.clear()
    go_on.set()
    assert stream.waits.wait(LIMIT_S)
    index = listener.microphone._index
    values = []
    while 139 not in values:
        values += _values(listener.take(1))
    assert values == list(range(120, 140))
    assert listener.microphone._index == index + 20
    assert not [event for event in listener.told if isinstance(event, AudioDropped)]
