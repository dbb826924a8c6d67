"""What every voice can do, and the sentences it is given.

An answer is spoken sentence by sentence, and a sentence in parts, so that the first sounds while the next is made. A
second of speech takes 0.06 to 0.1 s to make on a desktop core, and much longer on a small board.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import pairwise
from typing import Final, Protocol

import numpy as np

from appliance.audio.format import Pcm

LONGEST_SENTENCE_CHARACTERS: Final = 160
"""About 9 s of speech. More at once would make a slow voice look hung, and memory: with Piper 30 MB for each second."""

LONG_SENTENCE_CHARACTERS: Final = 80
"""About 5 s of speech: longer sentences are split at their commas."""

SHORTEST_CLAUSE_CHARACTERS: Final = 16
"""About 1 s of speech: shorter clauses would sound chopped, and leave no time to make the next."""


Sentences = Callable[[str], list[str]]
"""Makes of a text the sentences that a voice is given, one after the other."""

Cancelled = Callable[[], bool]
"""Says, in the thread that speaks, whether the rest of a sentence is not wanted any more."""


def never() -> bool:
    """Everything is wanted."""
    return False


class Voice(Protocol):
    """Says sentences. May block for as long as a sentence takes: it belongs on a worker."""

    @property
    def rate_hz(self) -> int:
        """Rate of everything it says; a multiple of 50, so that 20 ms are a whole number of samples."""

    @property
    def identity(self) -> str | None:
        """Voice and version, for sounds that are kept; None: what it says now is not to be kept."""

    def start(self) -> None:
        """Load and warm up now rather than with the first sentence. Raises StageError."""

    def stream(self, sentence: str, cancelled: Cancelled = never) -> Iterator[Pcm]:
        """Sound of one sentence, in parts as they are made: int16 at `rate_hz`; none for a text without words.

        `cancelled`: asked again and again, also while a part is awaited; when it says so, no more comes, and soon
        nothing more of the sentence is made. Raises StageError.
        """

    def synthesize(self, sentence: str) -> Pcm:
        """The whole sound of one sentence. Raises StageError."""

    def close(self) -> None:
        """Free what it holds; it may be used again afterwards."""


def joined(parts: Iterable[Pcm]) -> Pcm:
    """The parts of a sound as one, shape (n,)."""
    return np.concatenate([np.zeros(0, np.int16), *parts])


def split_sentences(text: str, abbreviations: Collection[str] = ()) -> list[str]:
    """The parts of a text in the order in which they are to be said, each ready for `Voice.synthesize`.

    Borders are the ends of sentences, and commas in sentences of more than 80 characters. Decimals, times and the
    `abbreviations` of the language, in small letters with their full stop, are left whole. No part is longer than 160
    characters or without a letter or digit; none is lost.
    """
    parts: list[str] = []
    for sentence in _sentences(cleaned(text), abbreviations):
        parts += [part for clause in _clauses(sentence) for part in bounded(clause)]
    return [part for part in parts if any(character.isalnum() for character in part)]


def whole_to(text: str, abbreviations: Collection[str] = ()) -> int:
    """Of a text that is still being written: up to which character it consists of whole sentences."""
    return max(_ends(text, abbreviations), default=0)


def cleaned(text: str) -> str:
    """The text on one line, without control characters or the brackets by which speech programs take raw phonemes."""
    spaced = "".join(" " if unicodedata.category(character) == "Cc" else character for character in text)
    visible = "".join(character for character in spaced if unicodedata.category(character)[0] != "C")
    return " ".join(_PHONEME_BRACKETS.sub(" ", visible).split())


def bounded(text: str) -> list[str]:
    """Cut a text at spaces, or in a word that is longer still, so that no part exceeds 160 characters."""
    parts = []
    while len(text) > LONGEST_SENTENCE_CHARACTERS:
        space = text.rfind(" ", 1, LONGEST_SENTENCE_CHARACTERS + 1)
        cut = space if space > 0 else LONGEST_SENTENCE_CHARACTERS
        parts.append(text[:cut])
        text = text[cut:].lstrip()
    return [*parts, text] if text else parts


_PHONEME_BRACKETS: Final = re.compile(r"\[{2,}|\]{2,}")
_SENTENCE_END: Final = re.compile(r"[.!?;…]+[\"'\u201d\u2019)\]]*(?=\s)|[\u3002\uff01\uff1f]+")
_CLAUSE_END: Final = re.compile(r"[,:](?=\s)")
_DOTTED: Final = re.compile(r"(?:[^\W\d]\.)+", re.IGNORECASE)
"""Initials and the like: a.m., e.g., U.S., J."""


def _sentences(text: str, abbreviations: Collection[str]) -> list[str]:
    borders = [0, *_ends(text, abbreviations), len(text)]
    return [text[start:end].strip() for start, end in pairwise(borders)]


def _ends(text: str, abbreviations: Collection[str]) -> Iterator[int]:
    """Where sentences end: the index of the character after each."""
    for end in _SENTENCE_END.finditer(text):
        word = text[text.rfind(" ", 0, end.start()) + 1 : end.end()].lstrip("\"'\u201c\u2018([").lower()
        if word not in abbreviations and not _DOTTED.fullmatch(word):
            yield end.end()


def _clauses(sentence: str) -> list[str]:
    if len(sentence) <= LONG_SENTENCE_CHARACTERS:
        return [sentence]
    clauses, start = [], 0
    for end in _CLAUSE_END.finditer(sentence):
        long_enough = min(end.end() - start, len(sentence) - end.end()) >= SHORTEST_CLAUSE_CHARACTERS
        if long_enough:
            clauses.append(sentence[start : end.end()].strip())
            start = end.end()
    return [*clauses, sentence[start:].strip()]
