"""Sound for the bench: sentences of the installed voice in a quiet room."""

import numpy as np

from appliance.audio.convert import resample
from appliance.audio.format import FRAME_SAMPLES, SAMPLE_RATE_HZ, Frame, Pcm, freeze
from appliance.voice.voice import Voice

ROOM_NOISE_RMS = 20.0
"""About -64 dBFS."""

COMMANDS = (
    "Computer, what time is it?",
    "Computer, turn on the kitchen light.",
    "Computer, set the volume to sixty percent.",
    "Computer, set a timer for five minutes.",
)

WITHOUT_TIMERS = COMMANDS[:3]
"""Nothing rings after these, however often they are said."""

TURNS = (
    *COMMANDS,
    "Computer, turn off the kitchen light.",
    "Computer, pause the music.",
    "Computer, what is the date today?",
    "Computer, turn the volume up.",
    "Computer, cancel the timer.",
    "Computer, add milk to the shopping list.",
    "Computer, wake me at seven thirty.",
    "Computer, what is five plus three?",
)
"""Half of them can be added to, half cannot."""


def spoken(voice: Voice, text: str, *, before_s: float = 1.5, after_s: float = 5.0) -> Pcm:
    """A sentence at 16 kHz with quiet room before and after it."""
    speech = resample(voice.synthesize(text), voice.rate_hz, SAMPLE_RATE_HZ)
    sound = np.concatenate(
        [np.zeros(round(before_s * SAMPLE_RATE_HZ)), speech, np.zeros(round(after_s * SAMPLE_RATE_HZ))]
    )
    sound += np.random.default_rng(1).normal(0.0, ROOM_NOISE_RMS, sound.size)
    return np.clip(sound, -32768, 32767).astype(np.int16)


def frames_of(pcm: Pcm) -> list[Frame]:
    """Samples as frames from index 0; the last one is filled with silence."""
    padded = np.pad(pcm, (0, -pcm.size % FRAME_SAMPLES))
    return [Frame(index, freeze(part.copy())) for index, part in enumerate(padded.reshape(-1, FRAME_SAMPLES))]
