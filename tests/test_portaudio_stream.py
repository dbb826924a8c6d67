"""The first way to the microphone: any device of PortAudio, opened as it can."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from appliance.audio import capture
from appliance.audio.hardware import Hardware
from appliance.audio.portaudio_stream import PortAudioStream
from appliance.errors import AudioError
from appliance.runtimes.portaudio import PortAudio


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
        PortAudioStream(Hardware(microphone=name), audio=PortAudio(library))
        assert library.settings["device"] == index
        assert library.settings["dtype"] == "int16"
        assert library.settings["latency"] == capture.DEVICE_LATENCY_S
        assert library.calls == ["start"]

    def test_a_name_of_no_microphone_is_told_with_those_that_are(self) -> None:
        with pytest.raises(
            AudioError, match="'hdmi': no such device; there is: 'Built-in', 'USB Microphone'; set audio"
        ):
            PortAudioStream(Hardware(microphone="hdmi"), audio=PortAudio(Library((16_000, 1))))

    @pytest.mark.parametrize("name", ["", "usb"])
    def test_no_microphone_at_all_is_told(self, name: str) -> None:
        with pytest.raises(AudioError, match=r"set audio\.microphone"):
            PortAudioStream(Hardware(microphone=name), audio=PortAudio(Library(devices=False)))

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
        stream = PortAudioStream(Hardware(microphone="usb"), audio=PortAudio(library))
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
            PortAudioStream(Hardware(microphone="usb"), audio=PortAudio(Library((16_000, 1), opens=False)))

    def test_a_device_that_does_not_start_is_told_and_freed(self) -> None:
        library = Library((16_000, 1), starts=False)
        with pytest.raises(AudioError, match="'USB Microphone': cannot be started"):
            PortAudioStream(Hardware(microphone="usb"), audio=PortAudio(library))
        assert library.calls == ["start", "close"]

    def test_an_unplugged_device_is_told(self) -> None:
        library = Library((16_000, 1))
        stream = PortAudioStream(Hardware(microphone="usb"), audio=PortAudio(library))
        library.calls.append("unplug")
        with pytest.raises(AudioError, match="'USB Microphone': stopped"):
            stream.read()
        stream.close()
        assert library.calls[-1] == "close"
