"""The list of devices: what there is, what is chosen, how loud it is, and what cannot be opened."""

import json
import os
import signal
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from appliance.audio.hardware import Hardware
from appliance.cli.devices import inventory, measured, print_list
from appliance.errors import AudioError
from appliance.runtimes.portaudio import PortAudio, load

# pytest-xdist runs tests beside a thread of its own; Python 3.12 and newer warn of a fork there.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


class Library:
    """`sounddevice` on an imagined machine; each device sends a square wave on its last channel."""

    class PortAudioError(Exception):
        """As PortAudio's."""

    def __init__(self, *devices: tuple[str, int, int], faults: dict[str, str] | None = None) -> None:
        """`devices`: names, and channels in and out; the first of each direction is the default. `faults`: names, and
        why they cannot be opened. What has `hardware` in its name takes its own form only.
        """
        self._entries = [
            {
                "index": index,
                "name": name,
                "max_input_channels": inputs,
                "max_output_channels": outputs,
                "default_samplerate": 48_000.0,
            }
            for index, (name, inputs, outputs) in enumerate(devices)
        ]
        self._faults = faults or {}
        self.opened: list[dict[str, Any]] = []

    def query_devices(self, kind: str | None = None) -> Any:
        if kind is None:
            return self._entries
        fitting = [entry for entry in self._entries if entry[f"max_{kind}_channels"]]
        if not fitting:
            raise self.PortAudioError("Error querying device -1")
        return fitting[0]

    def check_input_settings(self, *, device: int, channels: int, dtype: str, samplerate: int) -> None:
        if "hardware" in str(self._entries[device]["name"]) or not self._entries[device]["max_input_channels"]:
            raise self.PortAudioError("Invalid sample rate")

    def check_output_settings(self, *, device: int, channels: int, dtype: str, samplerate: int) -> None:
        if not self._entries[device]["max_output_channels"]:
            raise self.PortAudioError("Invalid number of channels")

    def InputStream(self, **settings: Any) -> "Library":
        fault = self._faults.get(str(self._entries[settings["device"]]["name"]))
        if fault:
            raise self.PortAudioError(fault)
        self.opened.append(settings)
        return self

    def start(self) -> None:
        pass

    def read(self, samples: int) -> tuple[npt.NDArray[np.int16], bool]:
        block = np.zeros((samples, self.opened[-1]["channels"]), np.int16)
        block[:, -1] = np.repeat(np.array([328, -328], np.int16), samples // 2)
        return block, False

    def close(self, ignore_errors: bool) -> None:
        pass


KITCHEN = Library(("USB Audio", 1, 2), ("hardware array", 6, 0), ("HDMI", 0, 8))


def _printed(library: Library, capsys: pytest.CaptureFixture[str], hardware: Hardware | None = None) -> Any:
    assert print_list(lambda: PortAudio(library), hardware or Hardware(), seconds=0.1, as_json=True) == 0
    shown = capsys.readouterr()
    return json.loads(shown.out), shown.err


def test_every_device_in_both_directions_with_what_it_takes() -> None:
    found = inventory(PortAudio(KITCHEN), Hardware())
    assert [(str(row.device), row.device.channels, row.device.rate_hz) for row in found.rows] == [
        ("microphone 'USB Audio'", 1, 48_000),
        ("microphone 'hardware array'", 6, 48_000),
        ("speaker 'USB Audio'", 2, 48_000),
        ("speaker 'HDMI'", 8, 48_000),
    ]
    assert [row.takes_16_khz_mono for row in found.rows] == [True, False, True, True]
    assert [row.default for row in found.rows] == [True, False, True, False]
    assert KITCHEN.opened == []


@pytest.mark.parametrize(
    ("hardware", "chosen"),
    [
        (Hardware(), ["microphone 'USB Audio'", "speaker 'USB Audio'"]),
        (Hardware(microphone="array", speaker="hdmi"), ["microphone 'hardware array'", "speaker 'HDMI'"]),
        (Hardware(microphone="array", speaker="none"), ["microphone 'hardware array'"]),
    ],
)
def test_what_the_configuration_chooses_is_marked(hardware: Hardware, chosen: list[str]) -> None:
    found = inventory(PortAudio(KITCHEN), hardware)
    assert [str(row.device) for row in found.rows if row.chosen] == chosen
    assert found.complaints == []


def test_a_choice_that_is_not_there_is_told_beside_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    rows, told = _printed(KITCHEN, capsys, Hardware(microphone="jabra"))
    assert [row["name"] for row in rows if row["chosen"]] == ["USB Audio"]
    assert told.startswith("appliance: microphone 'jabra': no such device; there is: 'USB Audio', 'hardware array'")


def test_levels_of_microphones_only(capsys: pytest.CaptureFixture[str]) -> None:
    rows, told = _printed(KITCHEN, capsys)
    assert told == ""
    assert rows[0] | {"index": 0} == {
        "direction": "input",
        "index": 0,
        "name": "USB Audio",
        "channels": 1,
        "rate_hz": 48_000,
        "takes_16_khz_mono": True,
        "default": True,
        "chosen": True,
        "level_dbfs": -40.0,
        "floor_dbfs": -40.0,
        "problem": None,
    }
    assert [row["level_dbfs"] is None for row in rows] == [False, False, True, True]


@pytest.mark.parametrize(("channel", "level_dbfs"), [(5, -40.0), (0, -120.0), (None, -55.6)])
def test_a_device_of_its_own_form_is_heard_on_its_channel(channel: int | None, level_dbfs: float) -> None:
    library = Library(("hardware array", 6, 0))
    (row,) = inventory(PortAudio(library), Hardware()).rows
    found = measured(PortAudio(library), row, channel, 0.1)
    assert (library.opened[0]["samplerate"], library.opened[0]["channels"]) == (48_000, 6)
    assert found.seconds == 0.1
    assert found.level_dbfs == pytest.approx(level_dbfs, abs=0.5)


def test_a_device_that_has_gone_meanwhile_is_not_mixed_up_with_another() -> None:
    row = inventory(PortAudio(KITCHEN), Hardware()).rows[1]
    with pytest.raises(AudioError, match="'hardware array': it has gone meanwhile"):
        measured(PortAudio(Library(("USB Audio", 1, 2), ("HDMI", 1, 8))), row, None, 0.1)


def test_what_cannot_be_opened_says_why_and_the_others_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    library = Library(("first", 1, 0), ("second", 1, 0), faults={"first": "Device unavailable"})
    rows, _ = _printed(library, capsys)
    assert rows[0]["problem"].startswith("microphone 'first': cannot be opened at 16000 Hz (Device unavailable); plug")
    assert (rows[0]["level_dbfs"], rows[1]["level_dbfs"]) == (None, -40.0)


def test_the_table_marks_default_and_choice(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_list(lambda: PortAudio(KITCHEN), Hardware(speaker="HDMI"), seconds=0, as_json=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["NAME", "KIND", "CHANNELS", "RATE", "16", "KHZ", "MONO", "DEFAULT", "LEVEL"]
    assert lines[1].split() == ["*", "USB", "Audio", "microphone", "1", "48000", "Hz", "yes", "yes"]
    assert lines[4].split()[:3] == ["*", "HDMI", "speaker"]
    assert lines[-1] == "*: used by the appliance"


def test_no_device_at_all_is_a_sentence() -> None:
    with pytest.raises(AudioError, match="neither microphone nor speaker; plug one in, or start the sound server"):
        print_list(lambda: PortAudio(Library()), Hardware(), seconds=1, as_json=False)


def test_no_portaudio_is_a_sentence() -> None:
    def import_library() -> Any:
        raise OSError("PortAudio library not found")

    with pytest.raises(AudioError, match=r"\(PortAudio library not found\); install libportaudio2"):
        print_list(lambda: load(import_library), Hardware(), seconds=1, as_json=False)


def test_a_sound_system_that_crashes_is_a_sentence() -> None:
    def crash() -> PortAudio:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    with pytest.raises(AudioError, match="the sound system: it died of SIGKILL; start the sound server again"):
        print_list(crash, Hardware(), seconds=1, as_json=False)
