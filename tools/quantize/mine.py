"""Hard negatives: the moments of the training's own recordings at which a network is most wrong, made into examples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from appliance.audio.format import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm
from appliance.wake.features import MicroFeatures
from tools.quantize.alter import EXAMPLE_SAMPLES
from tools.quantize.examples import features_of
from tools.quantize.validate import Scorer, means, peaks

BEFORE_SAMPLES = round(3.4 * SAMPLE_RATE_HZ)
AFTER_SAMPLES = round(1.6 * SAMPLE_RATE_HZ)
"""Around a moment: any 4 s of these 5 have it where a network with a past of 1.3 s scores it."""
FLOOR = 0.1
"""What scores lower is no trouble: no threshold is that low."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A place at which a network heard the word, wrongly."""

    score: float
    """The mean that the decision takes, 0..1."""

    pcm: Pcm
    """The sound around it, at most 5 s."""


def hardest(score: Scorer, streams: Sequence[Pcm], count: int) -> list[Moment]:
    """The `count` worst moments of all streams, the worst first; 20 s of one core an hour of sound."""
    front_end = MicroFeatures()
    found: list[Moment] = []
    for stream in streams:
        for height, hop in peaks(means(score, features_of(stream, front_end)), FLOOR):
            at = (hop + 1) * FRAME_SAMPLES
            around = stream[max(0, at - BEFORE_SAMPLES) : at + AFTER_SAMPLES]
            missing = max(0, EXAMPLE_SAMPLES - around.size)
            found.append(Moment(height, np.concatenate([np.zeros(missing, np.int16), around])))
    return sorted(found, key=lambda moment: -moment.score)[:count]
