"""Two commands in one sentence: 'turn off the light and set a timer for ten minutes'.

Not a matter of templates, which would have to be doubled, but of the words that join: the language names them, and a
sentence that no template says is cut there. Both halves must be sentences of the language. What the second leaves out
is taken from the beginning of the first ('turn off the fan and the radio'), what the first leaves out from the end of
the second ('turn the fan and the radio off').
"""

import dataclasses
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from appliance.intent import Intent

BORROWED_WORDS = 3
"""At most so many words are taken over from the other half: `turn off the`."""

SAMPLES_SHARE = 12
"""One sentence of the recognizer's training text for so many is two sentences joined."""

SAMPLE_WORDS_MAX = 8
"""Longer sentences are joined by nobody."""

Matcher = Callable[[str], Intent | None]


def matched(text: str, match: Matcher, joining_words: Sequence[str]) -> Intent | None:
    """The first of two joined commands, the second as its `then`; None when the text is not two commands.

    `text` is normalised, and no sentence of the language as a whole.
    """
    for first, second in _cut(text, joining_words):
        for begun in _begun(first, second):
            one = match(begun)
            if one is None:
                continue
            for ended in _ended(first, second):
                other = match(ended)
                whole = (begun, ended) == (first, second)
                if other is not None and (whole or _are_two(one, other)):
                    return dataclasses.replace(one, text=text, then=other)
    return None


def single_count(count: int, joining_words: Sequence[str]) -> int:
    """How many single sentences to draw so that there are `count` with the joined ones."""
    return count * SAMPLES_SHARE // (SAMPLES_SHARE + 1) if joining_words else count


def sampled(sentences: Sequence[tuple[str, str]], joining_words: Sequence[str], seed: int) -> list[tuple[str, str]]:
    """Pairs of short sentences with a joining word between them, for the recognizer: (intent of the first, text)."""
    short = [sentence for sentence in sentences if len(sentence[1].split()) <= SAMPLE_WORDS_MAX]
    if not joining_words:
        return []
    order = random.Random(seed)
    order.shuffle(short)
    pairs = list(pairwise(short))[: len(sentences) // SAMPLES_SHARE]
    return [
        (intent, f"{text} {joining_words[index % len(joining_words)]} {other}")
        for index, ((intent, text), (_, other)) in enumerate(pairs)
    ]


def _are_two(one: Intent, other: Intent) -> bool:
    """Whether halves that borrow words mean two things, another intent or name; 'one hundred and fifty' does not."""
    if one.name != other.name:
        return True
    return any(isinstance(value, str) and one.values.get(slot) != value for slot, value in other.values.items())


def _cut(text: str, joining_words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Every way to cut the text at a joining word, in the order of the words."""
    for joining in joining_words:
        first, found, second = text.partition(f" {joining} ")
        while found:
            yield first, second
            more, found, second = second.partition(f" {joining} ")
            first = f"{first} {joining} {more}"


def _begun(first: str, second: str) -> Iterator[str]:
    """The first half as it stands, then with the end of the second."""
    yield first
    words = second.split()
    for count in range(1, min(BORROWED_WORDS, len(words)) + 1):
        yield f"{first} {' '.join(words[-count:])}"


def _ended(first: str, second: str) -> Iterator[str]:
    """The second half as it stands, then with the beginning of the first."""
    yield second
    words = first.split()
    for count in range(1, min(BORROWED_WORDS, len(words)) + 1):
        yield f"{' '.join(words[:count])} {second}"
