"""When does a command begin, and when is it over?

Eats (frame index, speech probability) and holds counts of frames: no audio, no clock. It starts at the wake word, whose
own last sounds must not count as a command. It is told when the recognizer has heard words. That counts as speech even
where the speech detector was deaf to it (a command of one short word right after the wake word); and without words,
what the detector took for speech was clatter or a distant voice, whose end does not end the turn.
"""

from dataclasses import dataclass
from typing import Literal

from appliance.audio.format import frames_of_ms

OFF_RATIO = 0.7
"""Speech goes on until the probability falls below 0.7 of the threshold: 0.35 for the usual 0.5 (Silero's own pair)."""

MIN_SPEECH_FRAMES = frames_of_ms(80)
"""A command begins after so much speech in one piece; clicks and coughs are mostly shorter."""

TAIL_FRAMES = frames_of_ms(300)
"""Speech that ends so soon after the wake word's detection was the end of the wake word: engines detect it up to
about 200 ms before its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one turn, in frames."""

    threshold: float
    """Speech probability, 0..1."""

    no_speech_frames: int
    """From the wake word to the latest begin of a command."""

    silence_frames: int
    longest_frames: int
    """From the begin of a command to its latest end."""


@dataclass(frozen=True, slots=True)
class Began:
    """The command began."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The turn's listening is over; `no_speech` when no command began at all."""

    reason: Literal["silence", "too_long", "no_speech"]
    last_speech: int
    """Index of the last frame of speech."""


class Endpointer:
    """Endpointing of one turn; `begin` makes it as new."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.begin(0)

    def begin(self, index: int) -> None:
        """Listening starts at this frame: the one at which the wake word was detected."""
        self._first = index
        self._last_speech = index
        self._run = 0
        self._speaking = True
        self._in_tail = True
        self._began: int | None = None
        self._words = False
        self._told = False

    def hear_words(self, index: int) -> Began | None:
        """The recognizer has understood words up to this frame; a command has begun if it had not yet."""
        self._words = True
        if self._began is not None:
            return None
        self._in_tail = False
        self._last_speech = max(self._last_speech, index)
        return self._begin_command(index)

    def update(self, index: int, probability: float) -> Began | Ended | None:
        """Take the next frame's speech probability."""
        limits = self._limits
        self._speaking = probability >= limits.threshold * (OFF_RATIO if self._speaking else 1.0)
        self._run = self._run + 1 if self._speaking else 0
        if self._in_tail:
            self._in_tail = self._speaking and index - self._first < TAIL_FRAMES
            if not self._speaking or self._in_tail:
                return None
        if self._speaking and (self._began is not None or self._run >= MIN_SPEECH_FRAMES):
            self._last_speech = index
        return self._decide(index)

    def _decide(self, index: int) -> Began | Ended | None:
        limits = self._limits
        if self._began is None and self._run >= MIN_SPEECH_FRAMES:
            return self._begin_command(index)
        if self._began is not None and index - self._last_speech >= limits.silence_frames:
            if self._words:
                return Ended("silence", self._last_speech)
            self._began = None
        if self._began is not None and index - self._began >= limits.longest_frames:
            return Ended("too_long", self._last_speech)
        if self._began is None and index - self._first >= limits.no_speech_frames:
            return Ended("silence" if self._told else "no_speech", self._last_speech)
        return None

    def _begin_command(self, index: int) -> Began | None:
        """Told once: a command that began anew after clatter is the same turn's."""
        self._began = index
        told, self._told = self._told, True
        return None if told else Began()
