"""A room for the live appliance: a virtual microphone that can be spoken into, and a loudspeaker that can be recorded.

`tools/sound_server.py` makes one with a sound server of its own, `tools/alsa_files.py` one without any.
"""

import os
import wave
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from appliance.bench.speech import ROOM_NOISE_RMS

_OTHERS: Final = ("PULSE_", "PIPEWIRE_", "ALSA_", "DBUS_", "XDG_", "DISPLAY", "WAYLAND_", "NOTIFY_", "WATCHDOG_")
"""Settings of the person at this machine, which would lead to the sound of the desktop, or to its service manager."""


class Recording:
    """What the loudspeaker played."""

    def __init__(self) -> None:
        """Empty until the recording has ended."""
        self.samples: Pcm = np.zeros(0, np.int16)


class Room(Protocol):
    """A quiet room."""

    @property
    def environment(self) -> dict[str, str]:
        """For the child process whose default microphone and loudspeaker these shall be."""

    def speak(self, pcm: Pcm) -> None:
        """Say samples of 16 kHz into the microphone, in real time; returns when they were said. Raises AudioError."""

    def record(self) -> AbstractContextManager[Recording]:
        """What the loudspeaker plays meanwhile; the samples are there when the block has ended."""


def own_settings() -> dict[str, str]:
    """The environment of this process without what leads to its own sound."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)}


def quiet_noise(seconds: float) -> Pcm:
    """What the microphone hears when nobody speaks: a real one never sends digital silence."""
    noise: Pcm = np.random.default_rng(1).normal(0.0, ROOM_NOISE_RMS, round(seconds * SAMPLE_RATE_HZ)).astype(np.int16)
    return noise


def write_wav(path: Path, pcm: Pcm) -> None:
    """Samples of 16 kHz as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(pcm.astype("<i2").tobytes())
