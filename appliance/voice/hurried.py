"""A voice that is quick where the machine is busy: the simple one then speaks in place of the usual one."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

from appliance.audio.convert import resample
from appliance.audio.format import Pcm
from appliance.errors import StageError
from appliance.voice.voice import Cancelled, Voice, joined, never

LATEST_FIRST_S: Final = 1.0
"""A voice whose first sound comes later is too slow; on a desktop it comes after 0.05 s."""

LONGEST_RATIO: Final = 1.25
"""So is one that takes longer for a sentence than this times its length: within one of 4 s it stands still for 1 s."""

HURRIED_S: Final = 60.0
"""So long the simple voice speaks, before the usual one is tried again."""


class HurriedVoice:
    """Says sentences that somebody waits for with the usual voice, or for a while with the simple one."""

    def __init__(
        self,
        usual: Voice,
        simple: Voice,
        *,
        slow: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`slow` is called, in the thread that synthesizes, each time the usual voice was too slow; `clock` in s."""
        self._usual = usual
        self._simple = simple
        self._slow = slow
        self._clock = clock
        self._usual_from_s = clock()
        self._was_simple = False

    @property
    def rate_hz(self) -> int:
        """Rate of the usual voice."""
        return self._usual.rate_hz

    @property
    def identity(self) -> str | None:
        """The usual voice, unless the newest sentence was not its own."""
        return None if self._was_simple else self._usual.identity

    def start(self) -> None:
        """Start the usual voice. Raises StageError."""
        self._usual.start()

    def stream(self, sentence: str, cancelled: Cancelled = never) -> Iterator[Pcm]:
        """Sound of one sentence in parts. Raises StageError."""
        self._was_simple = self._clock() < self._usual_from_s
        if self._was_simple:
            with contextlib.suppress(StageError):  # a slow voice is better than none
                yield resample(self._simple.synthesize(sentence), self._simple.rate_hz, self.rate_hz)
                return
            self._was_simple = False
        begun_s, late, samples = self._clock(), False, 0
        for pcm in self._usual.stream(sentence, cancelled):
            late = late or (not samples and self._clock() - begun_s > LATEST_FIRST_S)
            samples += pcm.size
            yield pcm
        took_s = self._clock() - begun_s
        if (late or took_s > LONGEST_RATIO * samples / self.rate_hz) and not cancelled():
            self._usual_from_s = self._clock() + HURRIED_S
            self._slow()

    def synthesize(self, sentence: str) -> Pcm:
        """The whole sound of one sentence. Raises StageError."""
        return joined(self.stream(sentence))

    def close(self) -> None:
        """Close both."""
        self._usual.close()
        self._simple.close()
