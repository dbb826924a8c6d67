"""How words sound, as phones: by a dictionary of pronunciations, or by the letters of the words.

The dictionary is a text file in the form of CMUdict: a line is a word, a blank, and its phones; further ways to say a
word follow it as `word(2)`. The lines are in order of their words, so a word is found by bisection in 50 us, and only
the bytes of the file (3 MB) are held.

A word that the dictionary lacks is not guessed at, unless the language says how its letters sound (English does not:
its spelling would mislead about the very names that are missing). It is one phone of its own, which nothing else sounds
like, so it is right or wrong as a whole.
"""

import functools
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from appliance.errors import ModelError
from appliance.understanding.phones import Phones, PhoneTable

SUFFIX = ".dict"
"""How the file in the model's folder ends."""

WAYS_MAX = 4
"""Ways to say a word that are taken; CMUdict has at most five."""


class Pronunciations:
    """Looks words up. The same word always has the same phones."""

    def __init__(self, lines: bytes, table: PhoneTable, sounds_like: Mapping[str, str] | None = None) -> None:
        """`lines`: the dictionary, in order of its words; empty: none. `table`: the phones of the language.
        `sounds_like`: a word of the owner's, and known words, which together sound like it; they come first.
        """
        self._lines = lines
        self.table = table
        self.digest = hashlib.sha256(lines + repr((table, sounds_like)).encode()).digest()
        """Changes when anything of it does."""

        self._sounds_like = dict(sounds_like or {})
        self.of = functools.lru_cache(maxsize=8192)(self._of)

    @staticmethod
    def read(folder: Path, table: PhoneTable) -> "Pronunciations":
        """From a model's folder. Raises ModelError."""
        file = next(folder.glob(f"*{SUFFIX}"), folder / f"*{SUFFIX}")
        try:
            return Pronunciations(file.read_bytes(), table)
        except OSError as error:
            raise ModelError(f"{file}: {error.strerror}; install it with appliance models install") from None

    def knows(self, word: str) -> bool:
        """Whether its sound is known, by the owner, the dictionary or its letters."""
        return word in self._sounds_like or bool(self._found(word) or self.table.spelled(word))

    def beginning(self, letters: str) -> Iterator[str]:
        """The dictionary's words that begin so, in order."""
        at = self._first(letters.encode())
        while self._lines.startswith(letters.encode(), at):
            yield self._word_at(at).decode()
            at = self._next_line(at)

    def _of(self, word: str) -> tuple[Phones, ...]:
        """The ways to say a word, the usual one first; for an unknown word one phone, which is the word itself."""
        if word in self._sounds_like:
            return (tuple(phone for known in self._sounds_like[word].split() for phone in self._dictionary(known)[0]),)
        return self._dictionary(word)

    def _dictionary(self, word: str) -> tuple[Phones, ...]:
        return self._found(word) or (self.table.spelled(word) or (word,),)

    def _found(self, word: str) -> tuple[Phones, ...]:
        wanted = word.encode()
        begin = self._first(wanted)
        ways: list[Phones] = []
        while begin < len(self._lines) and self._word_at(begin) == wanted and len(ways) < WAYS_MAX:
            end = self._next_line(begin)
            ways.append(tuple(self._lines[begin:end].decode().split()[1:]))
            begin = end
        return tuple(dict.fromkeys(ways))

    def _first(self, wanted: bytes) -> int:
        """Where the first line begins whose word is not before the wanted one."""
        low, high = 0, len(self._lines)
        while low < high:  # it begins in low..high
            middle = (low + high) // 2
            begin = self._lines.rfind(b"\n", low, middle) + 1 or low
            if self._word_at(begin) < wanted:
                low = self._next_line(middle)
            else:
                high = begin
        return low

    def _word_at(self, begin: int) -> bytes:
        return self._lines[begin : self._next_line(begin)].partition(b" ")[0].partition(b"(")[0]

    def _next_line(self, position: int) -> int:
        return (self._lines.find(b"\n", position) + 1) or len(self._lines)
