"""A voice that says nothing, where answers are not looked at."""

from collections.abc import Iterator

import numpy as np

from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from appliance.voice.voice import Cancelled, never


class SilentVoice:
    """Every sentence is empty."""

    rate_hz = SAMPLE_RATE_HZ
    identity = None

    def start(self) -> None:
        """Ready."""

    def stream(self, sentence: str, cancelled: Cancelled = never) -> Iterator[Pcm]:
        """One part."""
        yield self.synthesize(sentence)

    def synthesize(self, sentence: str) -> Pcm:
        """No sound."""
        return np.zeros(0, np.int16)

    def close(self) -> None:
        """Nothing to close."""
