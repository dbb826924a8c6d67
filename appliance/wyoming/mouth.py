"""The voice, for several who ask at the same time: one sentence after the other, whoever wants it."""

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from appliance.audio.format import Pcm
from appliance.voice.voice import Sentences, Voice, whole_to
from appliance.wyoming.wire import LONGEST_TEXT


class Mouth:
    """Owns the voice and the one thread that the voice belongs to."""

    def __init__(self, voice: Voice, sentences: Sentences, abbreviations: Collection[str]) -> None:
        """`sentences` cuts a text, `abbreviations` do not end a sentence."""
        self._voice = voice
        self._sentences = sentences
        self._abbreviations = abbreviations
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="voice")

    @property
    def rate_hz(self) -> int:
        """Of all it says."""
        return self._voice.rate_hz

    def start(self) -> None:
        """Load the voice. Raises StageError."""
        self._thread.submit(self._voice.start).result()

    def say(self, text: str, is_ending: Callable[[], bool]) -> Iterator[Pcm]:
        """The sound of a text, int16 at `rate_hz`, in parts as they are made. Waits for others, a sentence each.

        Raises StageError.
        """
        for sentence in self._sentences(text):
            parts: SimpleQueue[Pcm | None] = SimpleQueue()
            done = self._thread.submit(self._stream, sentence, parts, is_ending)
            while (part := parts.get()) is not None:
                yield part
            done.result()

    def whole_sentences(self, text: str) -> tuple[str, str]:
        """Of a text that is still being written: what can be said already, and the rest."""
        end = whole_to(text, self._abbreviations) or (len(text) if len(text) > LONGEST_TEXT else 0)
        return text[:end], text[end:]

    def close(self) -> None:
        """After the sentence that is being said."""
        self._thread.submit(self._voice.close)
        self._thread.shutdown()

    def _stream(self, sentence: str, parts: "SimpleQueue[Pcm | None]", unwanted: Callable[[], bool]) -> None:
        try:
            for part in self._voice.stream(sentence, unwanted):
                parts.put(part)
        finally:
            parts.put(None)
