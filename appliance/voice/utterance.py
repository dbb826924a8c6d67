"""What a voice said, cut into the 20 ms that the frame loop plays."""

from dataclasses import dataclass

import numpy as np

from appliance.audio.convert import resample
from appliance.audio.format import FRAME_SAMPLES, FRAMES_PER_S, SAMPLE_RATE_HZ, Pcm, freeze
from appliance.errors import StageError


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


def chunks_of(pcm: Pcm, rate_hz: int) -> list[Chunk]:
    """Cut a sound at any rate into chunks; the last one is filled up with silence.

    Raises:
        StageError: 20 ms at this rate are not a whole number of samples.
    """
    if rate_hz <= 0 or rate_hz % FRAMES_PER_S:
        raise StageError(f"a voice of {rate_hz} Hz cannot be cut into 20 ms; use one whose rate is a multiple of 50")
    width = rate_hz // FRAMES_PER_S
    count = -(-pcm.size // width)
    own = np.pad(pcm, (0, count * width - pcm.size))
    reference = resample(own, rate_hz, SAMPLE_RATE_HZ)[: count * FRAME_SAMPLES]
    reference = np.pad(reference, (0, count * FRAME_SAMPLES - reference.size))
    return [
        Chunk(freeze(own[n * width : (n + 1) * width]), freeze(reference[n * FRAME_SAMPLES : (n + 1) * FRAME_SAMPLES]))
        for n in range(count)
    ]
