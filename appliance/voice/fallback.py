"""Two voices as one: the simple voice stands in whenever the good one fails."""

import logging
from collections.abc import Callable

from appliance.audio.convert import resample
from appliance.audio.format import Pcm
from appliance.errors import StageError
from appliance.voice.voice import Voice

_LOGGER = logging.getLogger(__name__)


class FallbackVoice:
    """Says each sentence with `first`, or with `second` when that fails, at the rate of `first`.

    `lost` is called with the reason, in the thread that synthesizes, when a sentence first needs the second voice; the
    log tells the same, and when the first voice is back: once each, however many sentences lie between.
    """

    def __init__(
        self, first: Voice, second: Voice | None, *, lost: Callable[[str], None] = lambda reason: None
    ) -> None:
        """`second` is None where the system has no simple voice: the errors of the first then pass through."""
        self._first = first
        self._second = second
        self._lost = lost
        self._standing_in = False

    @property
    def rate_hz(self) -> int:
        """Rate of the first voice."""
        return self._first.rate_hz

    def start(self) -> None:
        """Start the first voice. Raises StageError when it fails and there is no second."""
        try:
            self._first.start()
        except StageError as error:
            self._fall_back(error)

    def synthesize(self, sentence: str) -> Pcm:
        """Sound of one sentence. Raises StageError when no voice can say it."""
        try:
            pcm = self._first.synthesize(sentence)
        except StageError as error:
            second = self._fall_back(error)
            return resample(second.synthesize(sentence), second.rate_hz, self.rate_hz)
        if self._standing_in:
            self._standing_in = False
            _LOGGER.info("the voice is back")
        return pcm

    def close(self) -> None:
        """Close both."""
        self._first.close()
        if self._second is not None:
            self._second.close()

    def _fall_back(self, error: StageError) -> Voice:
        if self._second is None:
            raise error
        if not self._standing_in:
            self._standing_in = True
            _LOGGER.warning("a simpler voice stands in: %s", error)
            self._lost(str(error))
        return self._second
