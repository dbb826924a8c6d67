"""Loudspeakers: a device that a small fake of the library plays, a WAV file, and none."""

import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.audio.format import Pcm
from appliance.audio.speakers import QUEUE_FRAMES, DeviceSpeaker, SilentSpeaker, WavSpeaker, open_speaker
from appliance.errors import AudioError

RATE_HZ = 22_050
CHUNK = np.arange(441, dtype=np.int16)


class FakeStream:
    """An output stream whose callback the test calls."""

    def __init__(self, *, callback: Callable[..., None], blocksize: int, **settings: Any) -> None:
        self.callback = callback
        self.blocksize = blocksize
        self.settings = settings
        self.active = False

    def start(self) -> None:
        self.active = True

    def abort(self) -> None:
        self.active = False

    def close(self) -> None:
        self.active = False

    def plays(self) -> Pcm:
        """What the device takes next."""
        buffer = bytearray(b"\x11" * self.blocksize * 2)
        self.callback(memoryview(buffer), self.blocksize, None, None)
        assert len(buffer) == self.blocksize * 2
        return np.frombuffer(bytes(buffer), np.int16)


class FakeLibrary:
    """The part of `sounddevice` that is used."""

    class PortAudioError(Exception):
        pass

    def __init__(self) -> None:
        self.streams: list[FakeStream] = []
        self.refuses = False

    def query_devices(self) -> list[dict[str, Any]]:
        return [
            {"name": "USB Microphone", "max_output_channels": 0},
            {"name": "HDMI 0", "max_output_channels": 8},
            {"name": "USB Speaker", "max_output_channels": 2},
        ]

    def RawOutputStream(self, **settings: Any) -> FakeStream:
        if self.refuses:
            raise self.PortAudioError("Invalid sample rate")
        self.streams.append(FakeStream(**settings))
        return self.streams[-1]


def test_a_device_plays_what_is_written_and_silence_in_between() -> None:
    library = FakeLibrary()
    speaker = DeviceSpeaker("usb sp", library=library)
    speaker.open(RATE_HZ)
    speaker.write(CHUNK)
    stream = library.streams[0]
    assert stream.settings["device"] == 2
    assert stream.settings["samplerate"] == RATE_HZ
    assert np.array_equal(stream.plays(), CHUNK)
    assert not stream.plays().any()


def test_it_stays_open_between_answers_and_drops_its_queue_on_abort() -> None:
    library = FakeLibrary()
    speaker = DeviceSpeaker(library=library)
    speaker.open(RATE_HZ)
    speaker.write(CHUNK)
    speaker.abort()
    speaker.open(RATE_HZ)
    assert len(library.streams) == 1
    assert not library.streams[0].plays().any()
    speaker.open(16_000)
    assert len(library.streams) == 2
    assert not library.streams[0].active
    speaker.close()
    assert not library.streams[1].active


def test_a_lost_device_is_one_error_and_comes_back_with_the_next_answer() -> None:
    library = FakeLibrary()
    speaker = DeviceSpeaker("HDMI", library=library)
    speaker.open(RATE_HZ)
    library.streams[0].active = False
    with pytest.raises(AudioError, match=r"HDMI: takes no more sound"):
        speaker.write(CHUNK)
    speaker.write(CHUNK)
    speaker.open(RATE_HZ)
    speaker.write(CHUNK)
    assert np.array_equal(library.streams[1].plays(), CHUNK)


def test_a_device_that_takes_nothing_for_a_second_counts_as_lost() -> None:
    speaker = DeviceSpeaker(library=FakeLibrary())
    speaker.open(RATE_HZ)
    for _ in range(QUEUE_FRAMES):
        speaker.write(CHUNK)
    with pytest.raises(AudioError, match="takes no more sound"):
        speaker.write(CHUNK)


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(AudioError, match=r"'kitchen': no such playback device; there are: HDMI 0, USB Speaker"):
        DeviceSpeaker("kitchen", library=FakeLibrary())


def test_a_refused_rate_names_the_remedy() -> None:
    library = FakeLibrary()
    library.refuses = True
    speaker = DeviceSpeaker(library=library)
    with pytest.raises(AudioError, match=r"22050 Hz \(Invalid sample rate\).*'default'"):
        speaker.open(RATE_HZ)
    speaker.write(CHUNK)


def test_none_is_silent() -> None:
    speaker = open_speaker("none")
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
