"""How alike phones are, in whole numbers: hundredths.

Phones are those of CMUdict, without stress. The costs of one for another are round numbers set beforehand, from what
sort of sound each is. LOST and EXTRA were chosen among six pairs of round numbers, by how many of 167 real drink
orders in kitchen noise (6 and 12 dB) were then understood: 295 of 334 at 75 and 75, 305 at 50 and 90, 311 at 40 and 90.
"""

from collections.abc import Iterable

import numpy as np
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

_VOWELS = ("AA AO AH", "AE EH", "IH IY EY", "UH UW OW", "AY", "OY", "AW", "ER")
_SORTS = ("P B T D K G", "F V TH DH S Z SH ZH HH", "CH JH", "M N NG", "L R W Y")
_NEAR = (
    "P B", "T D", "K G", "F V", "TH DH", "S Z", "SH ZH", "CH JH", "M N", "N NG", "L R", "L W", "R W",
    "T CH", "D JH", "T DH", "D DH", "F TH", "S SH", "Z ZH", "CH SH", "AH EH", "AH IH", "AH UH", "AE EH", "AE AH",
    "IH EH", "EY EH", "AY AH", "AA AY", "OW AO", "AW AA", "ER R", "ER AH", "AO AA", "AH ER", "AA AE", "IY Y", "UW W",
)  # fmt: skip

_SORT_OF = {phone: sort for sort, phones in enumerate(_SORTS) for phone in phones.split()}
_VOWEL_OF = {phone: group for group, phones in enumerate(_VOWELS) for phone in phones.split()}
_NEAR_PAIRS = {frozenset(pair.split()) for pair in _NEAR}


class PhoneCosts:
    """The costs between all phones that a language knows, as arrays by their numbers."""

    def __init__(self, own: Iterable[str]) -> None:
        """`own`: phones beyond those of the dictionary: words without a pronunciation, each a phone of its own."""
        known = [*_VOWEL_OF, *_SORT_OF]
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
                self.heard_for[heard, meant] = _cost(first, second)
        np.fill_diagonal(self.heard_for, 0)
        self.heard_for[-1, -1] = 2 * UNKNOWN_WORD

    def number(self, phone: str) -> int:
        """Of a phone; -1, the last, of one that is not known."""
        return self._numbers.get(phone, -1)


def _cost(first: str, second: str) -> int:
    if frozenset((first, second)) in _NEAR_PAIRS:
        return NEAR
    vowels = (first in _VOWEL_OF) + (second in _VOWEL_OF)
    if vowels == 1:
        return FAR
    if vowels == 2:
        return NEAR if _VOWEL_OF[first] == _VOWEL_OF[second] else SAME_SORT
    return SAME_SORT if _SORT_OF[first] == _SORT_OF[second] else OTHER
