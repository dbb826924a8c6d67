# ruff: noqa: RUF001 (letters of the phonetic alphabet look like others, and are meant)
"""How a text is pronounced, by espeak-ng's library, and how far apart two pronunciations are to the ear.

The distance is an edit distance in which similar sounds cost less. Its numbers are judgement, not measurement: only the
order of candidates depends on them.
"""

import ctypes
import ctypes.util
import re
from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from appliance.errors import StageError

ACCENT: Final = "en-us"
APT: Final = "sudo apt-get install -y espeak-ng"

Phonemes = tuple[str, ...]
Numbers = npt.NDArray[np.int16]
Costs = npt.NDArray[np.float32]

VOWELS: Final = {
    "i": (0.0, 0.0), "ɪ": (0.15, 0.15), "ᵻ": (0.2, 0.35), "e": (0.35, 0.05), "ɛ": (0.55, 0.1), "æ": (0.85, 0.1),
    "ə": (0.5, 0.5), "ɐ": (0.7, 0.5), "ʌ": (0.65, 0.7), "ɑ": (0.95, 0.85), "a": (0.95, 0.4), "ɔ": (0.65, 0.95),
    "o": (0.4, 0.95), "ʊ": (0.2, 0.85), "u": (0.05, 0.95), "ɚ": (0.5, 0.5), "ɜ": (0.55, 0.5),
}  # fmt: skip
"""How open (0 close, 1 open) and how far back (0 front, 1 back) each vowel is said."""

GLIDES: Final = {"eɪ": ("e", "ɪ"), "oʊ": ("o", "ʊ"), "aɪ": ("a", "ɪ"), "aʊ": ("a", "ʊ"), "ɔɪ": ("ɔ", "ɪ")}
"""Diphthongs: where they begin and end."""

RHOTIC: Final = frozenset({"ɚ", "ɜ"})

CONSONANTS: Final = {
    "p": (0.0, "stop", 0), "b": (0.0, "stop", 1), "t": (0.4, "stop", 0), "d": (0.4, "stop", 1),
    "k": (0.8, "stop", 0), "ɡ": (0.8, "stop", 1), "ʔ": (1.0, "stop", 0), "ɾ": (0.4, "tap", 1),
    "f": (0.1, "fricative", 0), "v": (0.1, "fricative", 1), "θ": (0.25, "fricative", 0), "ð": (0.25, "fricative", 1),
    "s": (0.4, "fricative", 0), "z": (0.4, "fricative", 1), "ʃ": (0.55, "fricative", 0), "ʒ": (0.55, "fricative", 1),
    "x": (0.8, "fricative", 0), "h": (1.0, "fricative", 0), "tʃ": (0.55, "affricate", 0), "dʒ": (0.55, "affricate", 1),
    "m": (0.0, "nasal", 1), "n": (0.4, "nasal", 1), "ŋ": (0.8, "nasal", 1),
    "l": (0.4, "liquid", 1), "ɹ": (0.5, "liquid", 1), "r": (0.4, "liquid", 1),
    "j": (0.65, "approximant", 1), "w": (0.05, "approximant", 1),
}  # fmt: skip
"""Where each consonant is said (0 lips, 1 throat), how, and whether with the voice."""

MANNERS: Final = {
    frozenset({"stop", "tap"}): 0.2, frozenset({"stop", "affricate"}): 0.4, frozenset({"fricative", "affricate"}): 0.4,
    frozenset({"stop", "fricative"}): 0.6, frozenset({"liquid", "approximant"}): 0.4, frozenset({"tap", "liquid"}): 0.4,
}  # fmt: skip
"""What it costs to say it in another manner; what is not here costs OTHER_MANNER."""

OTHER_MANNER: Final = 0.8
OTHER_VOICE: Final = 0.25
OTHER_PLACE: Final = 0.7
OTHER_RHOTIC: Final = 0.3
HALF_VOWELS: Final = {frozenset({"j", "i"}): 0.4, frozenset({"w", "u"}): 0.4, frozenset({"ɹ", "ɚ"}): 0.4}
VOWEL_FOR_CONSONANT: Final = 1.2
MISSING: Final = 1.0
WEAK: Final = frozenset({"ə", "ɪ", "ᵻ", "ɐ", "h", "j", "ʔ", "ɹ"})
MISSING_WEAK: Final = 0.6
"""Sounds that are often swallowed, or slipped in."""

INVENTORY: Final = (*VOWELS, *GLIDES, *CONSONANTS)
_SOUND: Final = re.compile("|".join(sorted(INVENTORY, key=len, reverse=True)))
_NUMBER: Final = {sound: number for number, sound in enumerate(INVENTORY)}
_PAD: Final = -1


def phonemes(text: str) -> Phonemes:
    """The sounds of a text as American English, without stress, length and pauses; empty where it has none.

    Raises:
        StageError: espeak-ng is not installed.
    """
    return tuple(_SOUND.findall(_espeak()(text)))


def distance(first: Phonemes, second: Phonemes) -> float:
    """How far apart two pronunciations are: 0 the same, 1 about one sound left out."""
    return float(distances(first, numbered([second]))[0])


def distances(target: Phonemes, numbers: Numbers) -> Costs:
    """The distance of each of many pronunciations, as `numbered` has them, from one, shape (many,): 30,000 in 0.1 s."""
    replacing, missing = _tables()
    padded = np.where(numbers == _PAD, 0, numbers)
    inserting = np.where(numbers == _PAD, 0.0, missing[padded]).astype(np.float32)
    row = np.concatenate([np.zeros((len(numbers), 1), np.float32), np.cumsum(inserting, axis=1)], axis=1)
    for sound in (_NUMBER[sound] for sound in target):
        above, row = row, np.empty_like(row)
        row[:, 0] = above[:, 0] + missing[sound]
        either = np.minimum(above[:, :-1] + replacing[sound][padded], above[:, 1:] + missing[sound])
        for place in range(padded.shape[1]):
            row[:, place + 1] = np.minimum(either[:, place], row[:, place] + inserting[:, place])
    lengths = (numbers != _PAD).sum(axis=1)
    result: Costs = row[np.arange(len(numbers)), lengths]
    return result


def numbered(many: Sequence[Phonemes]) -> Numbers:
    """Sounds as their places in INVENTORY, shape (many, longest); behind the end of each stands -1."""
    longest = max((len(sounds) for sounds in many), default=0)
    numbers = np.full((len(many), longest), _PAD, np.int16)
    for number, sounds in enumerate(many):
        numbers[number, : len(sounds)] = [_NUMBER[sound] for sound in sounds]
    return numbers


@cache
def _tables() -> tuple[Costs, Costs]:
    """What it costs to replace one sound by another, shape (sounds, sounds), and to leave one out, shape (sounds,)."""
    replacing = np.array([[_replacing(one, other) for other in INVENTORY] for one in INVENTORY], np.float32)
    missing = np.array([MISSING_WEAK if sound in WEAK else MISSING for sound in INVENTORY], np.float32)
    return replacing, missing


def _replacing(one: str, other: str) -> float:
    if one == other:
        return 0.0
    vowels = [_is_vowel(one), _is_vowel(other)]
    if all(vowels):
        return _other_vowel(one, other)
    if any(vowels):
        return HALF_VOWELS.get(frozenset({one, other}), VOWEL_FOR_CONSONANT)
    (place, manner, voiced), (other_place, other_manner, other_voiced) = CONSONANTS[one], CONSONANTS[other]
    cost = OTHER_PLACE * abs(place - other_place)
    if voiced != other_voiced:
        cost += OTHER_VOICE
    if manner != other_manner:
        cost += MANNERS.get(frozenset({manner, other_manner}), OTHER_MANNER)
    return min(1.0, max(0.2, cost))


def _other_vowel(one: str, other: str) -> float:
    points = zip(GLIDES.get(one, (one, one)), GLIDES.get(other, (other, other)), strict=True)
    apart = [abs(a - b) for here, there in points for a, b in zip(VOWELS[here], VOWELS[there], strict=True)]
    rhotic = OTHER_RHOTIC if (one in RHOTIC) != (other in RHOTIC) else 0.0
    return min(1.0, max(0.1, sum(apart) / 2) + rhotic)


def _is_vowel(sound: str) -> bool:
    return sound in VOWELS or sound in GLIDES


class _Espeak:
    """The library of espeak-ng: one voice in one process, used by one thread."""

    _SYNCHRONOUS = 2
    _DO_NOT_EXIT = 0x8000
    _UTF8 = 1
    _IPA = 0x02

    def __init__(self) -> None:
        name = ctypes.util.find_library("espeak-ng")
        if name is None:
            raise StageError(f"espeak-ng is not installed, and nothing else tells how a word is said; type: {APT}")
        self._library = ctypes.CDLL(name)
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        rate_hz = self._library.espeak_Initialize(self._SYNCHRONOUS, 0, None, self._DO_NOT_EXIT)
        if rate_hz <= 0 or self._library.espeak_SetVoiceByName(ACCENT.encode()) != 0:
            raise StageError(f"espeak-ng does not start, or has no voice {ACCENT}; type: {APT} espeak-ng-data")

    def __call__(self, text: str) -> str:
        """IPA; a clause a line."""
        rest = ctypes.c_char_p(text.encode())
        clauses = []
        while rest.value:
            clause: bytes = self._library.espeak_TextToPhonemes(ctypes.byref(rest), self._UTF8, self._IPA)
            clauses.append(clause.decode())
        return "\n".join(clauses)


@cache
def _espeak() -> _Espeak:
    return _Espeak()
