"""What a voice said, cut into the 20 ms that the frame loop plays."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from appliance.audio.convert import RateChange
from appliance.audio.format import FRAME_SAMPLES, FRAMES_PER_S, SAMPLE_RATE_HZ, Pcm, freeze
from appliance.errors import StageError

NOTHING: Final = freeze(np.zeros(0, np.int16))
"""No sound, shape (0,)."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """20 ms of sound, as the loudspeaker and as the echo canceller want it."""

    pcm: Pcm
    """int16 at the voice's rate, shape (rate / 50,), read-only."""

    reference: Pcm
    """The same sound as int16 at 16 kHz, shape (320,), read-only."""

    @property
    def rate_hz(self) -> int:
        """Rate of `pcm`."""
        return self.pcm.size * FRAMES_PER_S


class Cutter:
    """Cuts a sound into chunks while it is still being made."""

    def __init__(self, rate_hz: int) -> None:
        """Raises StageError when 20 ms at this rate are not a whole number of samples."""
        if rate_hz <= 0 or rate_hz % FRAMES_PER_S:
            raise StageError(
                f"a voice of {rate_hz} Hz cannot be cut into 20 ms; use one whose rate is a multiple of 50"
            )
        self._width = rate_hz // FRAMES_PER_S
        self._rate_change = RateChange(rate_hz, SAMPLE_RATE_HZ)
        self._own = np.zeros(0, np.int16)
        self._reference = np.zeros(0, np.int16)

    def feed(self, pcm: Pcm, *, last: bool = False) -> list[Chunk]:
        """The chunks that are complete after these samples, shape (n,); `last`: the rest is filled up with silence."""
        missing = -(self._own.size + pcm.size) % self._width if last else 0
        pcm = np.pad(pcm, (0, missing))
        own = np.concatenate([self._own, pcm])
        reference = np.concatenate([self._reference, self._rate_change.feed(pcm, last=last)])
        count = own.size // self._width
        if last:
            reference = np.pad(reference, (0, max(0, count * FRAME_SAMPLES - reference.size)))
        count = min(count, reference.size // FRAME_SAMPLES)
        self._own, self._reference = own[count * self._width :], reference[count * FRAME_SAMPLES :]
        owns = freeze(own[: count * self._width]).reshape(count, self._width)
        references = freeze(reference[: count * FRAME_SAMPLES]).reshape(count, FRAME_SAMPLES)
        return [Chunk(*both) for both in zip(owns, references, strict=True)]


def chunks_of(pcm: Pcm, rate_hz: int) -> list[Chunk]:
    """A whole sound, shape (n,), as chunks; the last one is filled up with silence.

    Raises:
        StageError: 20 ms at this rate are not a whole number of samples.
    """
    return Cutter(rate_hz).feed(pcm, last=True)
