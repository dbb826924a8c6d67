"""Words that the recognizer cannot hear: each with its place in the owner's file, and with words that it can.

The recognizer's vocabulary is closed, and it passes over other words without a sign. So they are told to the owner.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from appliance.understanding.pronunciations import Pronunciations
from appliance.understanding.strict_yaml import Document, Keys
from appliance.understanding.values import normalised

SUGGESTIONS = 3
"""Words named instead of another."""

LIKENESS = 0.7
"""Of letters, 0..1; below it a suggestion is a guess. `lumier` and `lumiere` have 0.92, `zigby` and `zigbee` 0.73."""

SHORTEST_PART = 3
"""Letters of half a word, `heat pump` for `heatpump`; shorter ones are in every vocabulary and sound like nothing."""

Knows = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Unheard:
    """A word that the recognizer does not know."""

    word: str
    place: str
    """Where it stands in the owner's file: `home.yaml:7: devices[2].name`; empty: not to be found there."""

    remedy: str
    """What to do."""

    def __str__(self) -> str:
        return f'{self.place and f"{self.place}: "}"{self.word}" is not in the recognizer\'s vocabulary; {self.remedy}'


def unheard(
    words: Iterable[str], knows: Knows, document: Document | None, dictionary: Pronunciations | None
) -> Iterator[Unheard]:
    """Words that are outside a vocabulary, in the order of their letters.

    Args:
        words: of a language.
        knows: whether a word is in the vocabulary.
        document: the owner's file, in which they are looked for.
        dictionary: words to suggest; None: only accents are left out and words cut in two.
    """
    for word in sorted(word for word in words if not knows(word)):
        keys = next((keys for keys, text in _texts(document) if word in normalised(text).split()), ())
        place = document.place(keys) if document and keys else ""
        yield Unheard(word, place, _remedy(keys, suggestions(word, knows, dictionary)))


def suggestions(word: str, knows: Knows, dictionary: Pronunciations | None) -> list[str]:
    """Known words for an unknown one: without its accents, in two, or written much like it; the likeliest first."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", word) if not unicodedata.combining(letter))
    found = [plain] if plain != word and knows(plain) else []
    cuts = range(SHORTEST_PART, len(plain) - SHORTEST_PART + 1)
    halves = [(plain[:cut], plain[cut:]) for cut in cuts if knows(plain[:cut]) and knows(plain[cut:])]
    halves.sort(key=lambda half: abs(len(half[0]) - len(half[1])))
    found += [" ".join(half) for half in halves[:1]]
    if dictionary is not None and plain:
        alike = (one for one in dictionary.beginning(plain[0]) if abs(len(one) - len(plain)) <= 2)
        close = get_close_matches(plain, alike, n=4 * SUGGESTIONS, cutoff=LIKENESS)
        found += [one for one in close if knows(one)]
    return list(dict.fromkeys(found))[:SUGGESTIONS]


def _remedy(keys: Keys, instead: list[str]) -> str:
    """What to do about a word that stands there; only names can have `sounds_like`."""
    of_home = keys[:1] in (("areas",), ("devices",), ("lists",))
    is_name = of_home and not {"in", "sounds_like", "aliases"} & set(keys)
    own = "say how it sounds (sounds_like), in words that it knows" if is_name else "write it as it sounds"
    return f"{own}, or choose one of: {', '.join(instead)}" if instead else f"{own}, or use another word"


def _texts(document: Document | None) -> Iterator[tuple[Keys, str]]:
    """Every text of a file that is meant to be spoken, with its place."""
    if document is not None:
        yield from ((keys, text) for keys, text in _strings(document.content, ()) if _is_spoken(keys))


def _strings(content: object, keys: Keys) -> Iterator[tuple[Keys, str]]:
    if isinstance(content, str):
        yield keys, content
        return
    items: Iterable[tuple[str | int, object]] = ()
    if isinstance(content, dict):
        items = content.items()
    elif isinstance(content, list):
        items = enumerate(content)
    for key, item in items:
        yield from _strings(item, (*keys, key))


def _is_spoken(keys: Keys) -> bool:
    """By the keys of a home file, and of a file of hassil's form."""
    named = [key for key in keys if isinstance(key, str)]
    if named[-1:] == ["name"]:
        return named[0] in ("areas", "devices")
    spoken = {"aliases", "sounds_like", "say", "in", "sentences", "values", "skip_words"}
    return named[-1:] != [] and (named[-1] in spoken or named[0] == "expansion_rules")
