"""Which device is the microphone, and which the loudspeaker: by name, by a profile of known hardware, or by itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from appliance import config as configuration
from appliance.audio.convert import MAX_CHANNELS
from appliance.errors import AudioError, ConfigError
from appliance.runtimes.gpio import Pins
from appliance.runtimes.portaudio import Device, Direction, PortAudio

SOUND_SERVERS: Final = ("pulse", "pipewire", "default")
"""Default devices of these names were chosen by the owner of the machine, in the sound server's own settings."""


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A piece of hardware that needs to be known; the fields are explained in hardware.toml."""

    name: configuration.Name
    title: str
    device: Annotated[str, Meta(min_length=3)]
    channel: Annotated[int, Meta(ge=1, le=MAX_CHANNELS)] | None = None
    speaker: str = ""
    led_pins: tuple[configuration.Pin, ...] = ()
    button_pin: configuration.Pin = 0
    mute_pin: configuration.Pin = 0

    def fits(self, device: str) -> bool:
        """Whether a device of this name is this hardware."""
        return self.device.casefold() in device.casefold()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    profile: tuple[Profile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What the configuration says about microphone and loudspeaker, and the hardware that is known."""

    microphone: str = ""
    """Part of its name; empty: found by itself."""

    channel: int | None = None
    """Channel of the microphone, from 0; None: its profile's, else the mean of all."""

    speaker: str = ""
    """Part of its name; empty: found by itself; `none`."""

    profiles: tuple[Profile, ...] = ()

    chosen: Profile | None = None
    """The one that the configuration names."""

    def find_microphone(self, audio: PortAudio) -> Device:
        """The capture device. Hold `audio.opening` around this and the opening. Raises AudioError."""
        return self._find(audio, Direction.INPUT, self.microphone, [profile.device for profile in self.profiles])

    def find_speaker(self, audio: PortAudio) -> Device:
        """The playback device. Hold `audio.opening` around this and the opening. Raises AudioError."""
        known = [profile.speaker for profile in self.profiles if profile.speaker]
        return self._find(audio, Direction.OUTPUT, self.speaker, known)

    def channel_of(self, device: str) -> int | None:
        """The channel to be heard of a microphone of this name, from 0; None: the mean of all."""
        if self.channel is not None:
            return self.channel
        profile = self.profile_of(device)
        return profile.channel - 1 if profile is not None and profile.channel is not None else None

    def profile_of(self, device: str) -> Profile | None:
        """The known hardware that a device of this name is."""
        return next((profile for profile in self.profiles if profile.fits(device)), None)

    def pins(self, signals: configuration.Signals) -> Pins | None:
        """Where LED, button and mute switch are: as configured, else as the chosen profile says; None: nowhere."""
        known = self.chosen
        pins = Pins(
            led=tuple(signals.led_pins) or (known.led_pins if known else ()),
            button=signals.button_pin or (known.button_pin if known else 0),
            mute=signals.mute_pin or (known.mute_pin if known else 0),
        )
        return pins if pins != Pins() else None

    def _find(self, audio: PortAudio, direction: Direction, part: str, known: list[str]) -> Device:
        if part:
            return audio.find(part, direction)
        try:
            default = audio.find("", direction)
        except AudioError:
            default = None
        if default is not None and default.name.casefold() in SOUND_SERVERS:
            return default
        devices = audio.devices(direction)
        recognized = (device for device in devices for name in known if name.casefold() in device.name.casefold())
        found = next(recognized, default) or next(iter(devices), None)
        if found is None:
            raise AudioError(f"{direction.word}: there is none; plug one in, or set audio.{direction.word}")
        return found


def read(audio: configuration.Audio, path: Path) -> Hardware:
    """Join the configuration with the profiles of a file. Raises ConfigError."""
    try:
        profiles = msgspec.toml.decode(path.read_bytes(), type=_File).profile
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); take the file that came with the appliance") from None
    chosen = next((profile for profile in profiles if profile.name == audio.hardware), None)
    if audio.hardware and chosen is None:
        known = ", ".join(profile.name for profile in profiles)
        raise ConfigError(f"audio.hardware: no profile {audio.hardware!r} in {path}; there is {known}")
    return Hardware(
        microphone=audio.microphone or (chosen.device if chosen else ""),
        channel=audio.microphone_channel - 1 if audio.microphone_channel else None,
        speaker=audio.speaker or (chosen.speaker if chosen else ""),
        profiles=profiles,
        chosen=chosen,
    )
