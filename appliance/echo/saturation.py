"""What a loudspeaker that saturates adds to the sound: to the first order its cube.

Where a membrane cannot follow any further the sound is bent, as by x - c x^3. A filter learns the way of the sound to
the microphone; given the cube as a second sound, it learns c and its way, too, and takes out what is bent (a power
filter with two branches: Kuech and Kellermann, Signal Processing 86(6), 2006).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from appliance.audio.format import FRAME_SAMPLES, frames_of_ms

Samples = NDArray[np.float64]

LOUD: Final = 6.0
"""Times the root mean square of speech: about its peaks. There the cube is as large as the sound, at any volume."""

AUDIBLE_POWER: Final = 100.0
"""Of a sample: -70 dBFS. What is softer is a pause, and tells nothing of how loud the sound is."""

LEVEL_FRAMES: Final = frames_of_ms(40_000)
"""The loudness is the mean over so much of the newest sound."""

MEMORY: Final = 1 - 1 / LEVEL_FRAMES


class Saturation:
    """Takes what is played, frame by frame."""

    def __init__(self) -> None:
        self._frames = 0
        self._power = 0.0
        self._of_sound = self._in_common = 1e-9

    def of(self, played: Samples) -> Samples:
        """The cube of what is played, without what it has in common with the sound itself; float (320,) each."""
        energy = float(played @ played)
        if energy > AUDIBLE_POWER * FRAME_SAMPLES:
            self._frames = min(self._frames + 1, LEVEL_FRAMES)
            self._power += (energy / FRAME_SAMPLES - self._power) / self._frames
        cube = played**3 / max(LOUD**2 * self._power, 1.0)
        self._of_sound = MEMORY * self._of_sound + energy
        self._in_common = MEMORY * self._in_common + float(cube @ played)
        rest: Samples = cube - self._in_common / self._of_sound * played
        return rest
