"""The first way to the microphone: PortAudio, in this process."""

from typing import Any

import numpy.typing as npt

from appliance.audio.capture import DEVICE_LATENCY_S
from appliance.audio.format import FRAMES_PER_S, SAMPLE_RATE_HZ
from appliance.audio.hardware import Hardware
from appliance.runtimes.portaudio import Device, PortAudio, portaudio


class PortAudioStream:
    """A capture device through PortAudio."""

    def __init__(self, hardware: Hardware, *, audio: PortAudio | None = None) -> None:
        """Open the microphone.

        Args:
            hardware: which one.
            audio: stands in for the PortAudio of this process in tests.

        Raises:
            AudioError: PortAudio is missing, there is no such device, or it cannot be opened.
        """
        audio = audio or portaudio()
        with audio.opening():
            device = hardware.find_microphone(audio)
            self.device = device.name
            self.channel = hardware.channel_of(device.name)
            self.rate_hz, self.channels = _settings(audio, device, whole=self.channel is not None)
            self._stream = audio.open(device, rate_hz=self.rate_hz, channels=self.channels, latency_s=DEVICE_LATENCY_S)

    def read(self) -> tuple[npt.NDArray[Any], bool]:
        return self._stream.read(self.rate_hz // FRAMES_PER_S)

    def close(self) -> None:
        self._stream.close()


def _settings(audio: PortAudio, device: Device, *, whole: bool) -> tuple[int, int]:
    """Rate and channels: 16 kHz mono where the device can, else what is its own (converted afterwards).

    `whole`: with all of its channels, for one of them is to be heard.
    """
    offers = [(SAMPLE_RATE_HZ, 1), (SAMPLE_RATE_HZ, device.channels), (device.rate_hz, 1)]
    for rate_hz, channels in offers:
        if (channels == device.channels or not whole) and audio.accepts(device, rate_hz, channels):
            return rate_hz, channels
    return device.rate_hz, device.channels
