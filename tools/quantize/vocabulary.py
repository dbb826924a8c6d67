"""Which words people say, how often, and which follow which: read out of the recognizer's language model.

The recognizer of the appliance brings a language model of spoken English in OpenFst's `ngram` form: words and word
pairs with their probabilities. That makes it a word list with frequencies, and an endless source of everyday talk.

The form, after the header and two equal tables of symbols: counts of states, futures and finals (uint64); three vectors
of bits, each padded to 64: contexts, futures (for each state a 0, then a 1 for each of its futures), finals; then
arrays: context words (int32, one more than states), future words (int32), back-off costs (float32, one more than
states), costs of finals and of futures (float32). State 0 knows nothing of what was said before; then come those that
know one word, of which state 1 stands at the beginning of a sentence. A cost is -ln of a probability.
"""

import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from appliance.config_files import MANIFEST
from appliance.errors import ModelError
from appliance.models import ModelStore

MODEL: Final = "vosk-small-en-us"
FILE: Final = Path("graph/Gr.fst")

_FST_MAGIC: Final = 0x7EB2FDD6
_SYMBOLS_MAGIC: Final = 0x7EB2FB74
_NOTHING_KNOWN: Final = 0
_BEGINNING: Final = 1

Shares = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The words of spoken English, the most common first; a word goes by its place in that order."""

    words: tuple[str, ...]
    shares: Shares
    """Which part of all that is said each word is, 0..1, shape (words,)."""

    states: Integers
    """State behind each word, shape (words,); 0 where nothing is known of what follows."""

    first_pair: Integers
    """Where the pairs of each state begin, shape (states + 1,)."""

    seconds: Integers
    """Second words of the pairs, shape (pairs,)."""

    chances: Shares
    """Probability of each pair's second word behind the first, shape (pairs,)."""

    endings: Shares
    """Probability that the sentence ends at each state, shape (states,)."""

    def share_of(self, word: str) -> float:
        """Which part of all that is said a word is, 0..1; 0 for one that is not among them."""
        return float(self.shares[self.words.index(word)]) if word in self.words else 0.0

    def talk(self, random: np.random.Generator, *, most_words: int, among: int) -> list[str]:
        """Words as they follow each other in speech, each drawn by the word before it, until the sentence ends.

        among: only so many of the most common words; others are skipped, and what was said before is forgotten.
        """
        said: list[str] = []
        state = _BEGINNING
        while len(said) < most_words:
            word = self._next(state, random)
            if word is None:
                break
            state = int(self.states[word]) if word < among else _NOTHING_KNOWN
            if word < among:
                said.append(self.words[word])
        return said

    def _next(self, state: int, random: np.random.Generator) -> int | None:
        """The word that is said next; None: the sentence ends."""
        drawn = random.random() - self.endings[state]
        if drawn < 0.0:
            return None
        pairs = slice(self.first_pair[state], self.first_pair[state + 1])
        place = int(np.searchsorted(np.cumsum(self.chances[pairs]), drawn))
        if place < pairs.stop - pairs.start:
            return int(self.seconds[pairs][place])
        return int(random.choice(len(self.words), p=self.shares))  # a word that never stood behind this one


@cache
def installed() -> Vocabulary:
    """The one of the installed recognizer. Raises ModelError when that is missing or damaged."""
    return read(ModelStore(MANIFEST, MANIFEST.parent).folder(MODEL) / FILE)


def read(path: Path) -> Vocabulary:
    """Read a language model: 1 s for 150,000 words and 2 million pairs on one x86 core.

    Raises:
        ModelError: the file is missing or not of this form.
    """
    try:
        return _vocabulary(_Reader(path.read_bytes()))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); run `appliance models install`") from None
    except (struct.error, ValueError, IndexError, KeyError) as error:
        raise ModelError(f"{path}: not a language model of the known form ({error}); install it again") from None


class _Reader:
    """Walks through the bytes of a file."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def numbers(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{form}", self._data, self._at)
        self._at += struct.calcsize(f"<{form}")
        return values

    def text(self) -> str:
        (size,) = self.numbers("i")
        self._at += size
        return self._data[self._at - size : self._at].decode()

    def array(self, code: str, count: int) -> npt.NDArray[Any]:
        values: npt.NDArray[Any] = np.frombuffer(self._data, code, count, self._at)
        self._at += values.nbytes
        return values

    def bits(self, count: int) -> npt.NDArray[np.uint8]:
        return np.unpackbits(self.array("u1", -(-count // 64) * 8), bitorder="little")[:count]

    def symbols(self) -> dict[int, str]:
        (magic,) = self.numbers("I")
        if magic != _SYMBOLS_MAGIC:
            raise ValueError("no table of words where one must be")
        self.text()
        _, count = self.numbers("qq")
        table = {}
        for _ in range(count):
            word = self.text()
            table[int(self.numbers("q")[0])] = word
        return table


def _vocabulary(reader: _Reader) -> Vocabulary:
    (magic,) = reader.numbers("I")
    if magic != _FST_MAGIC or reader.text() != "ngram":
        raise ValueError("not an n-gram model of OpenFst")
    reader.text()
    reader.numbers("iiQqqq")  # version, flags, properties, start, states, arcs
    names = reader.symbols()
    reader.symbols()
    states, futures, finals = reader.numbers("QQQ")
    context_ends = np.flatnonzero(reader.bits(2 * states + 1) == 0)
    future_ends = np.flatnonzero(reader.bits(futures + states + 1) == 0)
    final_states = np.flatnonzero(reader.bits(states))
    context_words = reader.array("<i4", states + 1)
    future_words = reader.array("<i4", futures)
    reader.array("<f4", states + 1)
    final_chances = np.exp(-reader.array("<f4", finals).astype(np.float64))
    chances = np.exp(-reader.array("<f4", futures).astype(np.float64))
    first_pair = future_ends[: states + 1] - np.arange(states + 1)
    single = slice(0, int(first_pair[1]))
    order = np.argsort(-chances[single], kind="stable")
    place_of = np.zeros(max(names) + 1, np.int64)
    place_of[future_words[single][order]] = np.arange(order.size)
    # One word is known in as many states as state 0 has children in the tree of contexts.
    knowing_one = np.arange(2, int(context_ends[1] - context_ends[0]))
    after = np.zeros(order.size, np.int64)
    after[place_of[context_words[knowing_one]]] = knowing_one
    endings = np.zeros(states)
    endings[final_states] = final_chances
    return Vocabulary(
        words=tuple(names[int(word)] for word in future_words[single][order]),
        shares=chances[single][order] / chances[single].sum(),
        states=after,
        first_pair=first_pair,
        seconds=place_of[future_words],
        chances=chances,
        endings=endings,
    )
