"""Sound in pieces of one length, whatever chunks it comes in: then what is heard in it depends on no chunks."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from appliance.audio.format import SAMPLE_RATE_HZ, Pcm

PIECE_SAMPLES: Final = SAMPLE_RATE_HZ // 5
"""Vosk decodes so much at a time itself."""


class Pieces:
    """Of one utterance."""

    def __init__(self) -> None:
        self.rest: Pcm = np.zeros(0, np.int16)
        """What came last and is no piece yet."""

    def cut(self, pcm: Pcm) -> Iterator[Pcm]:
        """The pieces that are whole with the next samples (int16, 16 kHz, any length), mostly none."""
        pcm = np.concatenate([self.rest, pcm])
        whole = pcm.size - pcm.size % PIECE_SAMPLES
        self.rest = pcm[whole:]
        for start in range(0, whole, PIECE_SAMPLES):
            yield pcm[start : start + PIECE_SAMPLES]
