"""Loudspeakers: a device that a small fake of the library plays, a WAV file, and none."""

import queue
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.audio.format import Pcm
from appliance.audio.hardware import Hardware
from appliance.audio.speakers import QUEUE_FRAMES, QUIET_FRAMES, DeviceSpeaker, SilentSpeaker, WavSpeaker, open_speaker
from appliance.errors import AudioError
from appliance.runtimes.portaudio import PortAudio

RATE_HZ = 22_050
CHUNK = np.arange(1, 442, dtype=np.int16)
LIMIT_S = 10.0
"""Longest wait for the other thread; reached only by a test that fails."""

Enter = Callable[..., "Room"]


class FakeStream:
    """An output stream; the test lets each write return, and hears it."""

    def __init__(self, error: type[Exception], **settings: Any) -> None:
        self.settings = settings
        self.closed = threading.Event()
        self.writer = ""
        self.log: list[str] = []
        self._error = error
        self._written: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._room = threading.Semaphore(0)
        self._unplugged = False

    def start(self) -> None:
        self.log.append("start")

    def abort(self) -> None:
        assert self.writer == threading.current_thread().name, "only the thread that writes may drop"
        self.log.append("abort")

    def write(self, samples: bytes) -> None:
        self.writer = threading.current_thread().name
        assert self._room.acquire(timeout=LIMIT_S)
        if self._unplugged:
            raise self._error("Unanticipated host error")
        self._written.put(samples)

    def close(self, ignore_errors: bool) -> None:
        assert self.writer in ("", threading.current_thread().name), "only the thread that writes may close"
        self.closed.set()

    def plays(self, chunks: int) -> Pcm:
        """So many writes of the speaker."""
        self._room.release(chunks)
        return np.concatenate([np.frombuffer(self._written.get(timeout=LIMIT_S), np.int16) for _ in range(chunks)])

    def goes_on(self) -> None:
        """From now on nothing waits."""
        self._room.release(1000)

    def unplug(self) -> None:
        self._unplugged = True
        self._room.release()
        assert self.closed.wait(LIMIT_S)


class FakeLibrary:
    """The part of `sounddevice` that is used; its list of devices is made when it is initialised."""

    class PortAudioError(Exception):
        pass

    def __init__(self, *rates_hz: int) -> None:
        self.streams: list[FakeStream] = []
        self.rates_hz = rates_hz
        """Accepted; empty: all."""
        self.error: type[Exception] = self.PortAudioError
        self.plugged = ["HDMI 0", "USB Speaker"]
        self._initialize()

    def _initialize(self) -> None:
        self._listed = list(self.plugged)

    def _terminate(self) -> None:
        assert all(stream.closed.is_set() for stream in self.streams)

    def query_devices(self, kind: str | None = None) -> Any:
        entries = [
            {"index": index, "name": name, "max_output_channels": 2, "default_samplerate": 48_000.0}
            for index, name in enumerate(self._listed, start=1)
        ]
        microphone = {"index": 0, "name": "USB Mic", "max_output_channels": 0, "default_samplerate": 48_000.0}
        if kind is None:
            return [microphone, *entries]
        if not entries:
            raise self.PortAudioError("Error querying device -1")
        return entries[0]

    def RawOutputStream(self, **settings: Any) -> FakeStream:
        if self.rates_hz and settings["samplerate"] not in self.rates_hz:
            raise self.error("Invalid sample rate")
        self.streams.append(FakeStream(self.PortAudioError, **settings))
        return self.streams[-1]


class Room:
    """A speaker on a fake library."""

    def __init__(self, name: str = "", *rates_hz: int) -> None:
        self.library = FakeLibrary(*rates_hz)
        self.audio = PortAudio(self.library)
        self.speaker = DeviceSpeaker(Hardware(speaker=name), audio=self.audio)

    @property
    def stream(self) -> FakeStream:
        return self.library.streams[-1]

    def close(self) -> None:
        for stream in self.library.streams:
            stream.goes_on()
        self.speaker.close()


@pytest.fixture
def enter() -> Iterator[Enter]:
    rooms: list[Room] = []

    def make(name: str = "", *rates_hz: int) -> Room:
        rooms.append(Room(name, *rates_hz))
        return rooms[-1]

    yield make
    for room in rooms:
        room.close()


def loud(pcm: Pcm) -> Pcm:
    """Without the silence at both ends."""
    return np.trim_zeros(pcm)


def fill(speaker: DeviceSpeaker) -> None:
    """More than the queue and the hands of the thread hold."""
    for _ in range(QUEUE_FRAMES + 2):
        speaker.write(CHUNK)


def test_the_figures() -> None:
    assert QUEUE_FRAMES == 150
    assert QUIET_FRAMES == 10


def test_a_device_plays_what_is_written_and_silence_around_it(enter: Enter) -> None:
    room = enter("usb sp")
    room.speaker.open(RATE_HZ)
    room.speaker.write(CHUNK)
    room.speaker.write(CHUNK)
    assert room.stream.settings["device"] == 2
    assert room.stream.settings["samplerate"] == RATE_HZ
    heard = room.stream.plays(5)
    assert heard.size == 5 * 441
    assert np.array_equal(loud(heard), np.concatenate([CHUNK, CHUNK]))
    assert room.stream.writer == "speaker"


def test_it_stays_open_between_answers_and_drops_its_queue_on_abort(enter: Enter) -> None:
    room = enter()
    room.speaker.open(RATE_HZ)
    room.stream.plays(1)
    for _ in range(4):
        room.speaker.write(CHUNK)
    room.speaker.abort()
    room.speaker.open(RATE_HZ)
    assert len(room.library.streams) == 1
    assert loud(room.stream.plays(5)).size in (0, CHUNK.size), "one may be in the hands of the thread"
    assert room.stream.log == ["start", "abort", "start"], "what the device holds is dropped, too"
    first = room.stream
    first.goes_on()
    room.speaker.open(16_000)
    assert len(room.library.streams) == 2
    assert first.closed.is_set()
    room.stream.goes_on()
    room.speaker.close()
    assert room.stream.closed.is_set()


def test_an_unplugged_device_is_one_error_and_comes_back_with_the_next_answer(enter: Enter) -> None:
    room = enter("HDMI")
    room.speaker.open(RATE_HZ)
    room.stream.unplug()
    with pytest.raises(AudioError, match=r"speaker 'HDMI 0': stopped \(Unanticipated host error\)"):
        room.speaker.write(CHUNK)
    room.speaker.write(CHUNK)
    room.speaker.open(RATE_HZ)
    room.speaker.write(CHUNK)
    assert len(room.library.streams) == 2
    assert np.array_equal(loud(room.stream.plays(3)), CHUNK)


def test_a_device_that_takes_nothing_counts_as_lost_and_nobody_waits_for_it(enter: Enter) -> None:
    room = enter()
    room.speaker.open(RATE_HZ)
    with pytest.raises(AudioError, match="takes no more sound"):
        fill(room.speaker)
    room.speaker.write(CHUNK)
    assert not room.stream.closed.is_set()


def test_an_unknown_name_is_told_at_each_answer_until_it_is_plugged_in(enter: Enter) -> None:
    room = enter("kitchen")
    for _ in range(2):
        with pytest.raises(AudioError, match=r"'kitchen': no such device; there is: 'HDMI 0', 'USB Speaker'"):
            room.speaker.open(RATE_HZ)
        room.speaker.write(CHUNK)
    room.library.plugged.append("Kitchen")
    room.speaker.open(RATE_HZ)
    assert room.stream.settings["device"] == 3


def test_no_device_at_all_is_told_at_each_answer(enter: Enter) -> None:
    room = enter()
    room.library.plugged.clear()
    assert room.audio.refresh()
    with pytest.raises(AudioError, match="speaker: there is none"):
        room.speaker.open(RATE_HZ)


def test_a_silent_device_gives_way_to_a_refresh_and_is_opened_again(enter: Enter) -> None:
    room = enter()
    room.speaker.open(RATE_HZ)
    room.speaker.write(CHUNK)
    assert np.array_equal(loud(room.stream.plays(2 * QUIET_FRAMES)), CHUNK)
    assert not room.stream.closed.is_set()
    assert not room.audio.refresh()
    room.stream.goes_on()
    assert room.stream.closed.wait(LIMIT_S)
    assert room.audio.refresh()
    room.speaker.open(RATE_HZ)
    room.speaker.write(CHUNK)
    assert np.array_equal(loud(room.stream.plays(3)), CHUNK)


def test_hardware_that_refuses_the_rate_of_the_voice_gets_its_own(enter: Enter) -> None:
    room = enter("", 48_000)
    tone = np.rint(10_000 * np.sin(2 * np.pi * 441 * np.arange(40 * 441) / RATE_HZ)).astype(np.int16)
    room.speaker.open(RATE_HZ)
    for chunk in np.split(tone, 40):
        room.speaker.write(chunk)
    assert room.stream.settings["samplerate"] == 48_000
    heard = room.stream.plays(50)
    spectrum = np.abs(np.fft.rfft(heard[9_600:28_800]))
    assert int(np.argmax(spectrum)) * 2.5 == pytest.approx(441, abs=2.5)
    assert heard.max() == pytest.approx(10_000, rel=0.01)
    assert np.abs(heard).nonzero()[0][-1] - np.abs(heard).nonzero()[0][0] == pytest.approx(0.8 * 48_000, rel=0.03)
    assert not heard[-480:].any(), "the resampler is emptied by the silence that follows"


@pytest.mark.parametrize("error", [FakeLibrary.PortAudioError, ValueError])
def test_a_device_that_takes_no_rate_is_told(enter: Enter, error: type[Exception]) -> None:
    room = enter("", 8_000)
    room.library.error = error
    with pytest.raises(AudioError, match=r"'HDMI 0': cannot be opened at 48000 Hz \(Invalid sample rate\); plug"):
        room.speaker.open(RATE_HZ)
    room.speaker.write(CHUNK)


def test_drain_lets_everything_be_heard_and_frees_the_device(enter: Enter) -> None:
    room = enter()
    room.speaker.open(RATE_HZ)
    for _ in range(20):
        room.speaker.write(CHUNK)
    room.stream.goes_on()
    room.speaker.drain()
    assert room.stream.closed.is_set()
    heard = room.stream.plays(20 + QUIET_FRAMES)
    assert np.array_equal(loud(heard), np.tile(CHUNK, 20))
    room.speaker.drain()


def test_none_is_silent() -> None:
    speaker = open_speaker(Hardware(speaker="none"))
    assert isinstance(speaker, SilentSpeaker)
    speaker.open(RATE_HZ)
    speaker.write(CHUNK)
    speaker.abort()
    speaker.close()


def read(path: Path) -> tuple[int, Pcm]:
    with wave.open(str(path), "rb") as file:
        return file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), np.int16)


def test_a_file_holds_the_answers_with_a_short_pause_between_them(tmp_path: Path) -> None:
    path = tmp_path / "said.wav"
    speaker = WavSpeaker(path)
    speaker.open(RATE_HZ)
    speaker.write(CHUNK)
    speaker.write(CHUNK)
    speaker.abort()
    assert read(path)[1].size == 882, "a killed process leaves a valid file"
    speaker.open(RATE_HZ)
    speaker.write(CHUNK)
    with pytest.raises(AudioError, match="cannot take 16000 Hz"):
        speaker.open(16_000)
    speaker.close()
    rate_hz, pcm = read(path)
    assert rate_hz == RATE_HZ
    assert np.array_equal(pcm, np.concatenate([CHUNK, CHUNK, np.zeros(6615, np.int16), CHUNK]))


def test_a_file_without_answers_is_valid_and_empty(tmp_path: Path) -> None:
    WavSpeaker(tmp_path / "said.wav").close()
    assert read(tmp_path / "said.wav")[1].size == 0


def test_a_full_disk_is_told_once() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    speaker = WavSpeaker(Path("/dev/full"))
    speaker.open(RATE_HZ)
    with pytest.raises(AudioError, match=r"/dev/full: cannot be written \(No space left on device\)"):
        speaker.write(CHUNK)
    speaker.write(CHUNK)
    speaker.open(RATE_HZ)
    speaker.close()


def test_a_file_that_cannot_be_made_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="cannot be written"):
        WavSpeaker(tmp_path / "absent" / "said.wav")


class HangingAudio:
    """A PortAudio whose sound server does not answer for now."""

    def __init__(self, behind: PortAudio) -> None:
        self.answers = threading.Event()
        self._behind = behind

    def opening(self) -> AbstractContextManager[None]:
        self.answers.wait(10.0)
        return self._behind.opening()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)


def test_a_sound_server_that_hangs_does_not_hold_up_the_frame_loop() -> None:
    library = FakeLibrary()
    audio = HangingAudio(PortAudio(library))
    speaker = DeviceSpeaker(Hardware(), audio=audio, open_s=0.05)  # type: ignore[arg-type]  # it stands in for it
    began_s = time.monotonic()
    speaker.open(16_000)
    for _ in range(3):
        speaker.open(16_000)
        speaker.write(np.full(320, 7, np.int16))
    assert time.monotonic() - began_s < 5.0
    assert library.streams == []
    audio.answers.set()
    deadline_s = time.monotonic() + 10.0
    while not library.streams:
        assert time.monotonic() < deadline_s
    library.streams[-1].goes_on()
    speaker.close()
