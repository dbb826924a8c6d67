"""How alike phones are, in whole numbers: hundredths.

Which phones a language has, and of what sort each is, its folder tells (`phones.yaml`). The costs of one for another
are round numbers set beforehand, from the sorts. LOST and EXTRA were chosen among six pairs of round numbers, by how
many of 167 real drink orders in English, in kitchen noise (6 and 12 dB), were then understood: 295 of 334 at 75 and 75,
305 at 50 and 90, 311 at 40 and 90.
"""

import unicodedata
from collections.abc import Iterable
from functools import cached_property

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Costs = NDArray[np.int32]

LOST = 40
"""A phone of the sentence that was not heard: noise swallows phones, and whole words."""

EXTRA = 90
"""A phone that was heard and is not of the sentence: noise rarely makes one up."""

NEAR, SAME_SORT, OTHER, FAR = 35, 60, 90, 120
"""Heard for another: near (pairs that differ in voice; neighbouring vowels), of the same sort, of another, and a vowel
for a consonant."""

UNKNOWN_WORD = 250
"""A word without a pronunciation, lost or heard for anything else: about half a word of known phones."""

UNKNOWN_SOUND = "[unk]"
"""What the recognizer gives for sounds that are none of its words: as `UNKNOWN_WORD`, at half its cost."""

Phones = tuple[str, ...]


class PhoneTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """The phones of a language; in each string those of one sort, with blanks between."""

    vowels: tuple[str, ...] = ()
    consonants: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
    """Pairs that are easily taken for each other, of one sort or not."""

    letters: dict[str, str] = {}
    """One or more letters -> how they sound, perhaps not at all; empty where a dictionary tells how words sound. The
    longest that fits counts. Letters are taken apart first (Unicode's NFD): an accent, and the parts of a Korean
    syllable, are letters of their own."""

    @cached_property
    def vowel_sort(self) -> dict[str, int]:
        """The number of each vowel's sort."""
        return {phone: sort for sort, phones in enumerate(self.vowels) for phone in phones.split()}

    @cached_property
    def consonant_sort(self) -> dict[str, int]:
        """The number of each consonant's sort."""
        return {phone: sort for sort, phones in enumerate(self.consonants) for phone in phones.split()}

    def spelled(self, word: str) -> Phones:
        """How a word sounds by its letters; nothing where one of them is none of the language's."""
        text, found, at = unicodedata.normalize("NFD", word), list[str](), 0
        while at < len(text):
            size = next((size for size in self._sizes if text[at : at + size] in self._sounds), 0)
            if not size:
                return ()
            found += self._sounds[text[at : at + size]]
            at += size
        return tuple(found)

    def cost(self, heard: str, meant: str) -> int:
        """Of a phone heard for another."""
        if frozenset((heard, meant)) in self._near_pairs:
            return NEAR
        vowels = (heard in self.vowel_sort) + (meant in self.vowel_sort)
        if vowels == 1:
            return FAR
        if vowels == 2:
            return NEAR if self.vowel_sort[heard] == self.vowel_sort[meant] else SAME_SORT
        return SAME_SORT if self.consonant_sort[heard] == self.consonant_sort[meant] else OTHER

    @cached_property
    def _near_pairs(self) -> set[frozenset[str]]:
        return {frozenset(pair.split()) for pair in self.near}

    @cached_property
    def _sounds(self) -> dict[str, Phones]:
        return {unicodedata.normalize("NFD", letters): tuple(said.split()) for letters, said in self.letters.items()}

    @cached_property
    def _sizes(self) -> list[int]:
        return sorted({len(letters) for letters in self._sounds}, reverse=True)


class PhoneCosts:
    """The costs between all phones that a language knows, as arrays by their numbers."""

    def __init__(self, table: PhoneTable, own: Iterable[str]) -> None:
        """`own`: phones beyond those of the table: words without a pronunciation, each a phone of its own."""
        known = [*table.vowel_sort, *table.consonant_sort]
        names = [*known, UNKNOWN_SOUND, *sorted(set(own).difference(known, [UNKNOWN_SOUND]))]
        self._numbers = {name: number for number, name in enumerate(names)}
        count = len(names) + 1  # the last stands for a word that is neither in the dictionary nor in the language
        own_words = [UNKNOWN_WORD] * (count - len(known) - 1)
        self.lost: Costs = np.array([LOST] * len(known) + [UNKNOWN_WORD, *own_words], np.int32)
        """By phone of the sentence: what it costs when it is not heard."""

        self.extra: Costs = np.array([EXTRA] * len(known) + [UNKNOWN_WORD // 2, *own_words], np.int32)
        """By phone heard: what it costs when it is not of the sentence. Sounds that are no word cost half."""

        self.heard_for: Costs = self.extra[:, None] + self.lost[None, :]
        """By phone heard and phone meant."""

        for heard, first in enumerate(known):
            for meant, second in enumerate(known):
                self.heard_for[heard, meant] = table.cost(first, second)
        np.fill_diagonal(self.heard_for, 0)
        self.heard_for[-1, -1] = 2 * UNKNOWN_WORD

    def number(self, phone: str) -> int:
        """Of a phone; -1, the last, of one that is not known."""
        return self._numbers.get(phone, -1)
