"""Two voices as one: the simple voice stands in whenever the good one fails."""

import logging
from collections.abc import Callable, Iterator

from appliance.audio.convert import resample
from appliance.audio.format import Pcm
from appliance.errors import StageError
from appliance.voice.voice import Cancelled, Voice, joined, never

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

    @property
    def identity(self) -> str | None:
        """The first voice, while that speaks."""
        return None if self._standing_in else self._first.identity

    def start(self) -> None:
        """Start the first voice. Raises StageError when it fails and there is no second."""
        try:
            self._first.start()
        except StageError as error:
            self._fall_back(error)

    def stream(self, sentence: str, cancelled: Cancelled = never) -> Iterator[Pcm]:
        """Sound of one sentence in parts; when the first voice fails within it, the second says it from its beginning.

        Raises StageError when no voice can say it.
        """
        try:
            yield from self._first.stream(sentence, cancelled)
        except StageError as error:
            second = self._fall_back(error)
            yield resample(second.synthesize(sentence), second.rate_hz, self.rate_hz)
            return
        if self._standing_in:
            self._standing_in = False
            _LOGGER.info("the voice is back")

    def synthesize(self, sentence: str) -> Pcm:
        """The whole sound of one sentence. Raises StageError."""
        return joined(self.stream(sentence))

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
