"""What a wake word is made of, what sounds like it, and what people say otherwise.

All of it comes from the text of the word, espeak-ng's pronunciations, the vocabulary of the recognizer with its word
frequencies, and the appliance's own sentences. Same word, count and seed: same answer.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Final

import numpy as np

from appliance.errors import UsageError
from appliance.understanding.home_file import HomeConfig
from appliance.understanding.language import Language
from tools.quantize import vocabulary
from tools.quantize.phonemes import Numbers, Phonemes, distance, distances, numbered, phonemes

FEWEST_PHONEMES: Final = 5
LONGEST_CHARACTERS: Final = 60
NEAR: Final = 1.0
"""Distance of one sound: what a small model can hardly tell from the word in noise."""

NEAREST_WORD: Final = 0.5
NEAREST_PHRASE: Final = 0.7
"""What is nearer is the word itself to most ears, in one accent or another; as a negative it would teach deafness.
Parts and phrases are judged harder: 'lexa' is how many say 'alexa'."""

ALIKE: Final = 0.5
"""A part of the written word is said as it is in the word when it is no farther from it."""

COMMON_WORDS: Final = 30_000
"""Among these confusable words are looked for; they are 99 % of all that is said."""

PHRASE_WORDS: Final = 12_000
"""Phrases are made of these."""

NEAR_WORDS: Final = 3
LITTLE_WORDS: Final = ("a", "the", "it", "her", "are")
"""Said before or behind the nearest words."""

SAME_WORD: Final = 3
"""So often a word may stand in the same place of phrases."""

ENDS_KEPT: Final = 8
"""So many words for either half of a phrase are tried with each other."""

TALK_WORDS: Final = 12_000
"""Negative sentences are made of these."""

RUDE: Final = ("bitch", "cock", "cum", "cunt", "dick", "fag", "fuck", "nigg", "porn", "puss", "shit", "slut", "whor")
"""Beginnings of words that nobody wants to find in his clips."""

SENTENCE_WORDS: Final = (3, 14)
COMMAND_SHARE: Final = 0.25
"""Part of the negative sentences that are commands to the appliance: those it hears more often than any other."""

SHORT_SHARE: Final = 0.3
SHORT_AMONG: Final = 600
"""Part of the negative sentences that are one or two of the most common words, numbers among them: what is said alone
begins and ends as a wake word does."""

WORDS_PER_HOUR: Final = 9_000
"""Of lively conversation: 150 a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pronunciation:
    """How a wake word is said."""

    text: str
    phonemes: Phonemes
    warning: str | None
    """What to expect of a word that is too short, in one sentence; None for others."""


@dataclass(frozen=True, slots=True, order=True)
class Confusable:
    """A text that sounds like the word, and is not it."""

    distance: float
    """About the number of sounds that differ; similar ones count less."""

    text: str


def pronounce(text: str) -> Pronunciation:
    """How a wake word is said.

    Raises:
        UsageError: the text cannot be said as a word, and why.
        StageError: espeak-ng is not installed.
    """
    plain = " ".join(text.split()).casefold()
    if not plain or len(plain) > LONGEST_CHARACTERS:
        raise UsageError(f"wake word {text[:80]!r}: must have 1 to {LONGEST_CHARACTERS} characters; name a word")
    strange = dict.fromkeys(sign for sign in plain if not (sign in " '-" or _is_latin(sign)))
    if strange:
        raise UsageError(f"wake word {text!r}: {''.join(strange)!r} has no pronunciation; spell it out in letters")
    for word in plain.replace("-", " ").split():
        if not any(unicodedata.normalize("NFD", sign)[0] in "aeiouy" for sign in word):
            raise UsageError(f"wake word {text!r}: {word!r} has no vowel, so no pronunciation; write it as it is said")
    sounds = phonemes(plain)
    if not sounds:
        raise UsageError(f"wake word {text!r}: espeak-ng knows no pronunciation; write it as it is said")
    return Pronunciation(text=plain, phonemes=sounds, warning=_warning(plain, sounds))


def confusables(word: str, count: int) -> list[Confusable]:
    """So many texts near the word in sound, nearest first: half of them words, a third phrases, the rest parts of it.

    Raises UsageError, StageError and ModelError as `pronounce` and `vocabulary.installed` do.
    """
    target = pronounce(word)
    parts = sorted({*_parts(target)})[: count // 6]
    phrases = _varied(sorted({*_phrases(target)} - {*parts}))[: count // 3]
    words = (found for found in _near_words(target) if found not in parts)
    return sorted([*parts, *phrases, *islice(words, count - len(parts) - len(phrases))])


def sentences(count: int, seed: int, *, without: str) -> list[str]:
    """So many things that people say, commands to the appliance among them, none of which holds the word `without`."""
    commands = Language.built_in("en", HomeConfig()).sentences(max(100, round(count * COMMAND_SHARE)), seed)
    known = vocabulary.installed()
    random = np.random.default_rng(seed)
    said: dict[str, None] = {}
    while len(said) < count:
        kind = random.random()
        if kind < COMMAND_SHARE:
            text = commands[int(random.integers(len(commands)))]
        elif kind < COMMAND_SHARE + SHORT_SHARE:
            text = " ".join(
                known.words[int(place)] for place in random.integers(SHORT_AMONG, size=random.integers(1, 3))
            )
        else:
            fewest, most = SENTENCE_WORDS
            words = known.talk(random, most_words=int(random.integers(fewest, most + 1)), among=TALK_WORDS)
            text = " ".join(words) if len(words) >= fewest else ""
        if text and not any(_holds(text, beginning) for beginning in (without, *RUDE)):
            said[text] = None
    return list(said)


def _is_latin(sign: str) -> bool:
    return sign.isalpha() and unicodedata.name(sign, "").startswith("LATIN")


def _warning(text: str, sounds: Phonemes) -> str | None:
    if len(sounds) >= FEWEST_PHONEMES:
        return None
    apart = distances(sounds, _said().numbers)
    near = (word for word, far in zip(_said().words, apart, strict=True) if 0 < far <= NEAR)
    an_hour = WORDS_PER_HOUR * sum(map(vocabulary.installed().share_of, near))
    return (
        f"wake word {text!r}: has {len(sounds)} sounds, {FEWEST_PHONEMES} or more are wanted; words one sound away "
        f"are said about {an_hour:.0f} times in an hour of talk, and each may wake falsely: a longer one is better"
    )


@dataclass(frozen=True, slots=True)
class _Said:
    """The common words, but for the rude ones, the most common first."""

    words: list[str]
    sounds: list[Phonemes]
    numbers: Numbers


@cache
def _said() -> _Said:
    words = [word for word in vocabulary.installed().words[:COMMON_WORDS] if not word.startswith(RUDE)]
    sounds = [phonemes(word) for word in words]
    return _Said(words, sounds, numbered(sounds))


def _near_words(target: Pronunciation) -> Iterator[Confusable]:
    """All common words that are not the word to some ear, the nearest first."""
    said = _said()
    apart = distances(target.phonemes, said.numbers)
    for place in np.argsort(apart, kind="stable"):
        sounds = said.sounds[place]
        if apart[place] >= NEAREST_WORD and len(sounds) > 1 and not _contains(sounds, target.phonemes):
            yield Confusable(round(float(apart[place]), 2), said.words[place])


def _phrases(target: Pronunciation) -> Iterator[Confusable]:
    """Two words that together sound like the word: 'come peter', and a near word with a little one: 'a commuter'."""
    for near in islice(_near_words(target), NEAR_WORDS):
        for little in LITTLE_WORDS:
            yield from _accepted(target, f"{little} {near.text}")
            yield from _accepted(target, f"{near.text} {little}")
    words, numbers = _said().words, _said().numbers[:PHRASE_WORDS]
    for cut in range(len(target.phonemes) + 1):
        before, after = distances(target.phonemes[:cut], numbers), distances(target.phonemes[cut:], numbers)
        for one in np.argsort(before, kind="stable")[:ENDS_KEPT]:
            for other in np.argsort(after, kind="stable")[:ENDS_KEPT]:
                yield from _accepted(target, f"{words[one]} {words[other]}")


def _varied(phrases: Sequence[Confusable]) -> list[Confusable]:
    """The nearest phrases, none said like another, in which no word stands in its place more than a few times."""
    used: Counter[tuple[int, str]] = Counter()
    kept: dict[Phonemes, Confusable] = {}
    for phrase in phrases:
        places = list(enumerate(phrase.text.split()))
        said = phonemes(phrase.text)
        if said not in kept and all(used[place] < SAME_WORD for place in places):
            used.update(places)
            kept[said] = phrase
    return list(kept.values())


def _parts(target: Pronunciation) -> Iterator[Confusable]:
    """Beginnings and ends of the written word that are said as they are in it: 'comput', 'puter'."""
    text, sounds = target.text, target.phonemes
    beginnings = numbered([sounds[:cut] for cut in range(1, len(sounds))])
    ends = numbered([sounds[cut:] for cut in range(1, len(sounds))])
    for part, ours in (
        *((text[:cut], beginnings) for cut in range(2, len(text))),
        *((text[cut:], ends) for cut in range(1, len(text) - 1)),
    ):
        said = phonemes(part)
        if len(said) > 1 and distances(said, ours).min() <= ALIKE:
            yield from _accepted(target, part.strip(" '-"))


def _accepted(target: Pronunciation, text: str) -> Iterator[Confusable]:
    sounds = phonemes(text)
    apart = round(distance(target.phonemes, sounds), 2)
    if apart >= NEAREST_PHRASE and not _contains(sounds, target.phonemes):
        yield Confusable(apart, text)


def _contains(whole: Phonemes, part: Phonemes) -> bool:
    """Whether one pronunciation is a stretch of the other: 'computers' holds 'computer'."""
    return any(whole[start : start + len(part)] == part for start in range(len(whole) - len(part) + 1))


def _holds(text: str, word: str) -> bool:
    """Whether a word is among what is said, also as the beginning of another."""
    return f" {word.casefold()}" in f" {text.casefold()}"
