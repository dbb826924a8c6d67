"""Sounds of answers in memory: those made beforehand, and those said last."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from appliance.voice.utterance import Chunk

BEFOREHAND_BYTES: Final = 12 << 20
SAID_BYTES: Final = 4 << 20
"""A second of speech takes 76 kB (22,050 and 16,000 Hz): some 120 answers of 1.3 s, and 40 more."""


class AnswerCache:
    """Text of a sentence -> its sound. Owned by the frame loop."""

    def __init__(self, beforehand_bytes: int = BEFOREHAND_BYTES, said_bytes: int = SAID_BYTES) -> None:
        self._beforehand: dict[str, tuple[Chunk, ...]] = {}
        self._said: OrderedDict[str, tuple[Chunk, ...]] = OrderedDict()
        self._free_bytes = beforehand_bytes
        self._said_free_bytes = said_bytes

    def get(self, sentence: str) -> tuple[Chunk, ...] | None:
        """Its sound; None when it must be made."""
        if sentence in self._said:
            self._said.move_to_end(sentence)
        return self._beforehand.get(sentence) or self._said.get(sentence)

    def fix(self, sentence: str, chunks: Sequence[Chunk]) -> bool:
        """Keep what was made beforehand; False when there is no room for it."""
        needed = 0 if sentence in self._beforehand else _bytes(chunks)
        if needed > self._free_bytes:
            return False
        self._free_bytes -= needed
        self._beforehand[sentence] = tuple(chunks)
        return True

    def said(self, sentence: str, chunks: Sequence[Chunk]) -> None:
        """Keep what was said; what was not said again for the longest time goes for it."""
        if sentence in self._beforehand or sentence in self._said:
            return
        self._said[sentence] = tuple(chunks)
        self._said_free_bytes -= _bytes(chunks)
        while self._said_free_bytes < 0:
            _, oldest = self._said.popitem(last=False)
            self._said_free_bytes += _bytes(oldest)


def _bytes(chunks: Sequence[Chunk]) -> int:
    return sum(chunk.pcm.nbytes + chunk.reference.nbytes for chunk in chunks)
