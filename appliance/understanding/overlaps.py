"""Where sentences get in each other's way: the same words for two intents, and sentences that others say already.

Exactly, not by samples: two sets of sentences are walked through together, word by word, as the automata they are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from appliance.understanding.automaton import WORDS_END, Sayings
from appliance.understanding.templates import Template

PAIRS_MAX = 50_000
"""Pairs of states walked through for two sets of sentences; what branches more is not looked at."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A sentence of two intents; the first one gets it."""

    text: str
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A template that says nothing but what earlier ones say."""

    template: Template
    same_intent: bool
    """One earlier template of its own intent is enough for that: it is only said twice."""


class Overlaps:
    """Compares the sentences of a language. Raises TooLargeError where they cannot be compared."""

    def __init__(self, templates: Sequence[Template]) -> None:
        """`templates`: in the order in which they are matched."""
        self._templates = templates
        self._sayings = Sayings()
        self._starts = [self._sayings.start(template.tree) for template in templates]
        self._of_intent: dict[str, int] = {}
        for template, start in zip(templates, self._starts, strict=True):
            known = self._of_intent.get(template.intent)
            self._of_intent[template.intent] = start if known is None else self._sayings.either(known, start)

    def shared(self, intents: frozenset[str]) -> Iterator[Shared]:
        """For each pair of intents, one at least of these, the shortest sentence that both say."""
        names = list(self._of_intent)
        for number, first in enumerate(names):
            for second in names[number + 1 :]:
                if first in intents or second in intents:
                    text = self._common(self._of_intent[first], self._of_intent[second])
                    if text is not None:
                        yield Shared(text, first, second)

    def unreachable(self, intents: frozenset[str]) -> Iterator[Unreachable]:
        """Templates of these intents that can never be what matches."""
        earlier: int | None = None
        own: dict[str, int] = {}
        for template, start in zip(self._templates, self._starts, strict=True):
            if template.intent in intents and earlier is not None and self._within(start, earlier):
                before = own.get(template.intent)
                yield Unreachable(template, before is not None and self._within(start, before))
            earlier = start if earlier is None else self._sayings.either(earlier, start)
            before = own.get(template.intent)
            own[template.intent] = start if before is None else self._sayings.either(before, start)

    def _common(self, first: int, second: int) -> str | None:
        """The shortest sentence of both."""
        waiting = [(first, second, "")]
        seen = {(first, second)}
        for one, other, said in waiting:  # grows while it is walked
            ones, others = self._sayings.words(one), self._sayings.words(other)
            if WORDS_END in ones and WORDS_END in others:
                return said.strip()
            for word in sorted(ones.keys() & others.keys() - {WORDS_END}):
                pair = (ones[word], others[word])
                if pair not in seen and len(seen) < PAIRS_MAX:
                    seen.add(pair)
                    waiting.append((*pair, f"{said} {word}"))
        return None

    def _within(self, part: int, whole: int) -> bool:
        """Whether everything that `part` says is said by `whole`."""
        waiting = [(part, whole)]
        seen = {(part, whole)}
        for one, other in waiting:  # grows while it is walked
            ones, others = self._sayings.words(one), self._sayings.words(other)
            if not ones.keys() <= others.keys() or len(seen) > PAIRS_MAX:
                return False
            pairs = {(ones[word], others[word]) for word in ones if word != WORDS_END} - seen
            seen |= pairs
            waiting += sorted(pairs)
        return True
