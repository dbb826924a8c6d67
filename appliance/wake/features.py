"""Front ends: what turns frames into the features that wake models listen to.

The tools that train wake words use the same objects, so a model hears on the device what it heard in training.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from appliance.audio.format import SAMPLE_RATE_HZ, Pcm

MICRO_BANDS = 40
_STEP_BYTES = SAMPLE_RATE_HZ // 100 * 2
"""10 ms of int16: the step of the micro front end; its window is 30 ms."""


class MicroFeatures:
    """microWakeWord's front end: 40 logarithmic mel bands with per-channel gain control, one row per 10 ms."""

    def __init__(self) -> None:
        """Load the library."""
        from pymicro_features import MicroFrontend  # type: ignore[import-untyped]

        self._make = MicroFrontend
        self.reset()

    def process(self, pcm: Pcm) -> npt.NDArray[np.float32]:
        """One frame, int16 (320,), to float32 (n, 40) in 0..26; n is 2, fewer in the first 40 ms."""
        data = pcm.tobytes()
        numbers: list[float] = []
        for start in range(0, len(data), _STEP_BYTES):
            numbers += self._frontend.process_samples(data[start : start + _STEP_BYTES]).features
        return np.fromiter(numbers, np.float32, len(numbers)).reshape(-1, MICRO_BANDS)

    def reset(self) -> None:
        """Forget the past, gain control and noise estimates included."""
        self._frontend = self._make()

    def close(self) -> None:
        """Nothing is held."""


class MicroFrame(NamedTuple):
    """What the models of the engine int8 are given of each frame."""

    rows: npt.NDArray[np.float32]
    """Micro features, (n, 40)."""

    pcm: Pcm
    """The frame itself, for those that hear it again."""


class MicroFrontEnd:
    """Micro features, with the samples beside them."""

    def __init__(self) -> None:
        """Load the library."""
        self._features = MicroFeatures()

    def process(self, pcm: Pcm) -> MicroFrame:
        """One frame, int16 (320,)."""
        return MicroFrame(self._features.process(pcm), pcm)

    def reset(self) -> None:
        """Forget the past."""
        self._features.reset()

    def close(self) -> None:
        """Nothing is held."""


class Samples:
    """The front end of engines that hear the samples themselves."""

    def process(self, pcm: Pcm) -> Pcm:
        """The frame, int16 (320,), as it is."""
        return pcm

    def reset(self) -> None:
        """Nothing is remembered."""

    def close(self) -> None:
        """Nothing is held."""
