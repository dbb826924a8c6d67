"""When does a command begin, and when is it over?

Eats (frame index, speech probability) and holds counts of frames: no audio, no clock. It starts at the wake word, whose
own last sounds must not count as a command. It is told what the recognizer has heard. Words count as speech even
where the speech detector was deaf to it (a command of one short word right after the wake word); and without words,
what the detector took for speech was clatter or a distant voice, whose end does not end the turn.

How long a silence ends the command depends on what was understood: a short one after a whole command to which nothing
can be added, a longer one where it may go on, and longer still where several parts may follow, the longest where it
must, for a person who thinks in the middle of a sentence.

A television never falls silent. So a command is also over when nothing was said for a while that is louder than the
sound before the wake word was. And where it listens on after an answer, nothing begins a command that is not about as
loud as the wake word was: who speaks then need not speak to the appliance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from appliance.audio.format import FRAMES_PER_S, SILENT_DBFS, frames_of_ms
from appliance.audio.noise_floor import speech_level_dbfs
from appliance.config import Listening
from appliance.intent import Completion

OFF_RATIO = 0.7
"""Speech goes on until the probability falls below 0.7 of the threshold: 0.35 for the usual 0.5 (Silero's own pair)."""

MIN_SPEECH_FRAMES = frames_of_ms(80)
"""A command begins after so much speech in one piece; clicks and coughs are mostly shorter."""

TAIL_FRAMES = frames_of_ms(300)
"""Speech that ends so soon after the wake word's detection was the end of the wake word: engines detect it up to
about 200 ms before its end."""

SETTLED_FRAMES: Final = frames_of_ms(80)
"""So much silence the recognizer must have heard before what it understood counts as all that was said."""

AHEAD_FRAMES: Final = frames_of_ms(100)
"""So long before a silence ends the command it is made ready: a desktop takes 20 to 50 ms to end an utterance."""

SOFT_FRAMES: Final = frames_of_ms(600)
"""Added to the hang-over where loudness decides, for a voice is softer than its own mean most of the time. Of 167 real
orders two are so for 1.1 s at a stretch, half of them never for more than 0.42 s."""

BACKGROUND_FRAMES: Final = frames_of_ms(5000)
"""So long before the wake word is listened to for the background: another voice says more than a sentence."""

BACKGROUND_PERCENT: Final = 95
BACKGROUND_MARGIN_DB: Final = 3.0
"""What has twice the power of the background's loudest twentieth is not the background."""


SOFTER_DB: Final = 6.0
"""Half as loud, or from twice as far. It is held against frames, the loudest of which lie above the level of the
speech: of 2,492 pairs of real orders by the same person 2,481 have MIN_SPEECH_FRAMES of them in the first 0.5 s of the
second order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one turn, in frames."""

    threshold: float
    """Speech probability, 0..1."""

    no_speech_frames: int
    """From the wake word to the latest begin of a command."""

    silence_frames: int
    """Ends what is no whole command so far."""

    open_frames: int
    """Ends a whole command that may go on."""

    wide_open_frames: int
    """Ends a whole command to which several parts can still be added, and what is the begin of none."""

    closed_frames: int
    """Ends a whole command to which nothing can be added."""

    longest_frames: int
    """From the begin of a command to its latest end."""


def limits_of(listening: Listening) -> Limits:
    """The configuration's."""
    return Limits(
        threshold=listening.speech_threshold,
        no_speech_frames=frames_of_ms(listening.no_speech_ms),
        silence_frames=frames_of_ms(listening.silence_ms),
        open_frames=frames_of_ms(listening.open_silence_ms),
        wide_open_frames=frames_of_ms(listening.wide_open_silence_ms),
        closed_frames=frames_of_ms(listening.closed_silence_ms),
        longest_frames=frames_of_ms(listening.longest_ms),
    )


@dataclass(frozen=True, slots=True)
class Began:
    """The command began."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The turn's listening is over; `no_speech` when no command began at all."""

    reason: Literal["silence", "complete", "too_long", "no_speech"]
    """complete: a shorter silence was enough, because what was understood is a whole command."""

    last_speech: int
    """Index of the last frame of speech."""


class Endpointer:
    """Endpointing of one turn; `begin` makes it as new."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._frames_after = {
            Completion.CLOSED: limits.closed_frames,
            Completion.OPEN: limits.open_frames,
            Completion.WIDE_OPEN: limits.wide_open_frames,
            Completion.NONE: limits.wide_open_frames,
            Completion.INCOMPLETE: limits.silence_frames,
        }
        self.begin(0)

    def begin(self, index: int, no_speech_frames: int | None = None, *, loud_only: bool = False) -> None:
        """Listening starts at this frame: the one at which the wake word was detected.

        `no_speech_frames`: nobody is waited for longer; None: the limits'. `loud_only`: nothing begins a command before
        MIN_SPEECH_FRAMES were loud.
        """
        self._awaited_frames = MIN_SPEECH_FRAMES if loud_only else 0
        """So many loud frames are to come before a command may begin."""

        self._no_speech_frames = no_speech_frames or self._limits.no_speech_frames
        self._first = index
        self._last_speech = index
        self._run = 0
        self._speaking = True
        self._in_tail = True
        self._began: int | None = None
        self._words = False
        self._completion = Completion.INCOMPLETE
        self._heard_to = index
        self._told = False
        self._loud_frames = 0
        self._last_loud = index

    def hear_words(
        self, index: int, completion: Completion = Completion.INCOMPLETE, heard_to: int | None = None
    ) -> Began | None:
        """The recognizer has understood words; a command has begun if it had not yet.

        Args:
            index: the current frame.
            completion: of what was understood.
            heard_to: the last frame that the recognizer has heard; None: the current one.
        """
        self._words = True
        self._completion = completion
        self._heard_to = index if heard_to is None else heard_to
        if self._began is not None or self._awaited_frames > 0:
            return None
        self._in_tail = False
        self._last_speech = self._last_loud = max(self._last_speech, index)
        return self._begin_command(index)

    @property
    def pauses(self) -> bool:
        """The person may be done: after words the detector hears no speech just now."""
        return self._began is not None and self._words and not self._speaking

    def nears_end(self, index: int) -> bool:
        """In this frame, the newest, the person is silent for so long that little more ends the command.

        What was misheard may turn out to be a command, which is looked at early, for it takes long: when the silence
        is half of that behind an open one.
        """
        if self._completion is Completion.NONE:
            enough_frames = self._limits.open_frames // 2
        else:
            enough_frames = self._frames_after[self._completion] - AHEAD_FRAMES
        return self.pauses and index - self._last_speech >= max(SETTLED_FRAMES, enough_frames)

    def update(self, index: int, probability: float, *, loud: bool = True) -> Began | Ended | None:
        """Take the next frame's speech probability; `loud`: it is louder than the background."""
        limits = self._limits
        self._awaited_frames -= loud
        self._speaking = probability >= limits.threshold * (OFF_RATIO if self._speaking else 1.0)
        self._run = self._run + 1 if self._speaking else 0
        if self._in_tail:
            self._in_tail = self._speaking and index - self._first < TAIL_FRAMES
            if not self._speaking or self._in_tail:
                return None
        if self._speaking and (self._began is not None or self._run >= MIN_SPEECH_FRAMES):
            self._last_speech = index
        if self._speaking and loud:
            self._loud_frames += 1
            self._last_loud = index
        return self._decide(index)

    def _decide(self, index: int) -> Began | Ended | None:
        limits = self._limits
        if self._began is None and self._run >= MIN_SPEECH_FRAMES and self._awaited_frames <= 0:
            return self._begin_command(index)
        silent_frames = index - self._last_speech
        if self._began is not None and self._words and silent_frames >= self._enough_frames:
            is_complete = self._settled and self._completion.is_whole
            return Ended("complete" if is_complete else "silence", self._last_speech)
        if self._began is not None and not self._words and silent_frames >= limits.silence_frames:
            self._began = None
            self._loud_frames = 0
        if self._only_background_speaks(index):
            return Ended("silence", self._last_loud)
        if self._began is not None and index - self._began >= limits.longest_frames:
            return Ended("too_long", self._last_speech)
        if self._began is None and index - self._first >= self._no_speech_frames:
            return Ended("silence" if self._told else "no_speech", self._last_speech)
        return None

    @property
    def _settled(self) -> bool:
        """What was understood is all that was said."""
        return self._heard_to - self._last_speech >= SETTLED_FRAMES

    @property
    def _enough_frames(self) -> int:
        """The silence that ends the command."""
        return self._frames_after[self._completion] if self._settled else self._limits.silence_frames

    def _only_background_speaks(self, index: int) -> bool:
        """The person has said something, and for long nothing more."""
        spoke = self._words and self._loud_frames >= MIN_SPEECH_FRAMES
        return spoke and index - self._last_loud >= self._limits.silence_frames + SOFT_FRAMES

    def _begin_command(self, index: int) -> Began | None:
        """Told once: a command that began anew after clatter is the same turn's."""
        self._began = index
        told, self._told = self._told, True
        return None if told else Began()


def person_dbfs(background: float, word_dbfs: Sequence[float]) -> float:
    """The level that the person reaches who goes on after an answer.

    Args:
        background: as `background_dbfs` tells it.
        word_dbfs: levels of the frames with the wake word, at least one.
    """
    return max(background, speech_level_dbfs(word_dbfs) - SOFTER_DB)


def background_dbfs(before_dbfs: Sequence[float], word_dbfs: Sequence[float]) -> float:
    """The level above which sound is the person's; -120 where loudness cannot tell that.

    Args:
        before_dbfs: levels of the frames before the wake word, as many as BACKGROUND_FRAMES where there are.
        word_dbfs: levels of the frames with the wake word, at least one. Unless the word stands out, whoever spoke
            before it may be the same person, or as loud.
    """
    if len(before_dbfs) < FRAMES_PER_S:
        return SILENT_DBFS
    background = float(np.percentile(before_dbfs, BACKGROUND_PERCENT)) + BACKGROUND_MARGIN_DB
    return background if speech_level_dbfs(word_dbfs) >= background else SILENT_DBFS
