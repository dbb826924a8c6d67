"""The sounds of the appliance itself: the ring of a timer, and the short ones that tell what it does."""

from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from appliance.audio.format import Pcm, int16_from_float

RING_PERIOD_S = 1.6
"""Length of one ring with its pause, a whole number of 20 ms frames: rings follow each other without a seam.

For half of the time nothing sounds, in which a "stop" is easily heard.
"""

STROKES = ((0.0, 880.0), (0.28, 659.26))
"""When a stroke begins, in seconds, and its pitch in Hz: a falling fourth, A5 to E5."""

STROKE_S = 0.52
FADE_S = 0.01
"""Rise and end of a stroke; anything shorter clicks."""

PARTIALS = ((1.0, 1.0), (2.0, 0.3), (3.0, 0.1))
"""Multiple of the pitch and its amplitude; few and soft, so that small loudspeakers do not rattle."""


class Earcon(StrEnum):
    """A short sound."""

    LISTENS = "listens"
    LISTENS_ON = "listens_on"
    ENDS = "ends"
    TROUBLE = "trouble"


EARCONS: Final[dict[Earcon, tuple[float, ...]]] = {
    Earcon.LISTENS: (659.26, 880.0),
    Earcon.LISTENS_ON: (880.0,),
    Earcon.ENDS: (880.0, 659.26),
    Earcon.TROUBLE: (329.63, 311.13, 293.66),
}
"""Pitches in Hz, one after the other: up for 'speak', down for 'over', low and falling for trouble."""

BLIP_S: Final = 0.08
"""Of each: short, for somebody may be speaking already."""

BLIP_PEAK_DBFS: Final = -18.0
"""Softer than rings and answers."""


def earcon_tone(earcon: Earcon, rate_hz: int) -> Pcm:
    """A short sound: int16 at `rate_hz`, 80 to 240 ms, a whole number of 20 ms frames."""
    size = round(BLIP_S * rate_hz)
    blips = [_stroke(rate_hz, pitch_hz, BLIP_S)[:size] for pitch_hz in EARCONS[earcon]]
    sound = np.concatenate(blips)
    return int16_from_float(sound * (10.0 ** (BLIP_PEAK_DBFS / 20.0) / np.abs(sound).max()))


def ring_tone(rate_hz: int, peak_dbfs: float = -9.0) -> Pcm:
    """One ring with its pause: int16 at `rate_hz`, shape (1.6 * rate_hz,), its loudest sample at `peak_dbfs`."""
    ring = np.zeros(round(RING_PERIOD_S * rate_hz))
    for begins_s, pitch_hz in STROKES:
        stroke = _stroke(rate_hz, pitch_hz, STROKE_S)
        first = round(begins_s * rate_hz)
        ring[first : first + stroke.size] += stroke
    return int16_from_float(ring * (10.0 ** (peak_dbfs / 20.0) / np.abs(ring).max()))


def _stroke(rate_hz: int, pitch_hz: float, length_s: float) -> npt.NDArray[np.float64]:
    """A struck bar: fades in at once, rings down by 26 dB, and is faded out."""
    time_s = np.arange(round(length_s * rate_hz)) / rate_hz
    tone = sum(gain * np.sin(2 * np.pi * pitch_hz * multiple * time_s) for multiple, gain in PARTIALS)
    fades = np.minimum(1.0, np.minimum(time_s, time_s[::-1]) / FADE_S)
    stroke: npt.NDArray[np.float64] = tone * np.exp(-3.0 * time_s / length_s) * fades
    return stroke
