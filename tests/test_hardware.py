"""Which device is the microphone: by name, by profile, or by itself; and the profiles that are shipped."""

from pathlib import Path
from typing import Any

import pytest

from appliance.audio import hardware
from appliance.audio.hardware import Hardware, Profile
from appliance.config import Audio
from appliance.config_files import HARDWARE
from appliance.errors import AudioError, ConfigError
from appliance.runtimes.portaudio import PortAudio

ARRAY = Profile(name="array", title="An array", device="Mic Array", channel=1, speaker="Array Out")


class Library:
    """`sounddevice` on a machine with these microphones and loudspeakers; the first or none is the default."""

    class PortAudioError(Exception):
        """As PortAudio's."""

    def __init__(self, *names: str, default: bool = True) -> None:
        self._default = default
        self._entries: list[dict[str, Any]] = [
            {
                "name": name,
                "index": index,
                "max_input_channels": 6,
                "max_output_channels": 2,
                "default_samplerate": 48_000.0,
            }
            for index, name in enumerate(names)
        ]

    def query_devices(self, kind: str | None = None) -> Any:
        if kind is None:
            return self._entries
        if not self._default:
            raise self.PortAudioError("Error querying device -1")
        return self._entries[0]


@pytest.mark.parametrize(
    ("names", "part", "found"),
    [
        (["HDA: ALC (hw:0,0)", "USB Mic Array (hw:1,0)"], "", "USB Mic Array (hw:1,0)"),
        (["HDA: ALC (hw:0,0)", "USB Mic Array (hw:1,0)"], "alc", "HDA: ALC (hw:0,0)"),
        (["HDA: ALC (hw:0,0)", "USB thing (hw:1,0)"], "", "HDA: ALC (hw:0,0)"),
        (["pulse", "USB Mic Array (hw:1,0)"], "", "pulse"),
        (["default", "USB Mic Array (hw:1,0)"], "", "default"),
    ],
)
def test_a_microphone_is_found_by_name_or_known_or_the_default(names: list[str], part: str, found: str) -> None:
    chosen = Hardware(microphone=part, profiles=(ARRAY,)).find_microphone(PortAudio(Library(*names)))
    assert chosen.name == found


def test_without_a_default_the_first_is_taken_and_without_any_it_is_told() -> None:
    some = PortAudio(Library("USB thing (hw:1,0)", "HDA (hw:0,0)", default=False))
    assert Hardware().find_microphone(some).name == "USB thing (hw:1,0)"
    with pytest.raises(AudioError, match=r"microphone: there is none; plug one in, or set audio\.microphone"):
        Hardware().find_microphone(PortAudio(Library(default=False)))


def test_the_loudspeaker_of_known_hardware_is_found() -> None:
    audio = PortAudio(Library("HDMI", "USB Array Out (hw:1,0)"))
    assert Hardware(profiles=(ARRAY,)).find_speaker(audio).name == "USB Array Out (hw:1,0)"
    assert Hardware(speaker="hdmi", profiles=(ARRAY,)).find_speaker(audio).name == "HDMI"


def test_the_channel_is_the_owners_else_the_profiles() -> None:
    assert Hardware(profiles=(ARRAY,)).channel_of("USB MIC ARRAY (hw:1,0)") == 0
    assert Hardware(profiles=(ARRAY,)).channel_of("something else") is None
    assert Hardware(channel=3, profiles=(ARRAY,)).channel_of("USB Mic Array") == 3


def test_the_shipped_profiles_are_good_and_have_names_of_their_own() -> None:
    profiles = hardware.read(Audio(), HARDWARE).profiles
    assert len(profiles) >= 6
    assert len({profile.name for profile in profiles}) == len(profiles)
    assert hardware.read(Audio(), HARDWARE).microphone == ""


def test_a_profile_is_named_in_the_configuration_and_the_owners_names_win() -> None:
    chosen = hardware.read(Audio(hardware="jabra-speak", microphone_channel=2), HARDWARE)
    assert (chosen.microphone, chosen.speaker, chosen.channel) == ("Jabra SPEAK", "Jabra SPEAK", 1)
    own = hardware.read(Audio(hardware="jabra-speak", microphone="Webcam", speaker="none"), HARDWARE)
    assert (own.microphone, own.speaker) == ("Webcam", "none")


def test_a_profile_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"audio\.hardware: no profile 'jabra' in .*; there is respeaker-usb, "):
        hardware.read(Audio(hardware="jabra"), HARDWARE)


@pytest.mark.parametrize("text", ["[[profile]]\nname = 'x'", "profile = 3", "not TOML", "[[profile]]\nname='a b'\n"])
def test_a_damaged_file_is_told(text: str, tmp_path: Path) -> None:
    path = tmp_path / "hardware.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"hardware\.toml: cannot be read"):
        hardware.read(Audio(), path)
