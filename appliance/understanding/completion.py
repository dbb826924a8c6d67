"""Is what was understood so far a whole command, and could more of it follow?

While somebody speaks, the silence that ends the command depends on it: after 'turn on the kitchen light' nothing can
follow that would mean something else, after 'set a timer for five minutes' a label may, and 'set a timer for' waits for
a person who thinks. Words that join two commands follow every command and are not waited for. Where no sentence begins
like that at all, a word was misheard, and nothing tells whether it is whole.

The more parts may still come, the likelier it is that one does: of 167 real drink orders 139 went on behind the drink,
where milk and sugar could follow, and 33 of these 139 where only the other of the two was left.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice

from appliance.intent import Completion, Intent
from appliance.understanding.automaton import WordGraph

TAILS_LOOKED_AT = 40
"""Of a command with more endings than this, some end means something else; each costs a match, 1 ms."""

SEVERAL_PARTS = 2
"""Values that the longest ending adds."""

PART_OF_THE_TIME = "half"
"""This value says no more than when, and so do the time and the day: 'tomorrow morning' is one part."""

REMEMBERED_TEXTS = 64
"""While somebody speaks, the same partial transcript comes many times."""


class Completeness:
    """Judges texts by the sentences of a language. Pure: the same text has the same answer."""

    def __init__(
        self, graph: WordGraph | None, meaning: Callable[[str], Intent | None], joining_words: Sequence[str] = ()
    ) -> None:
        """`graph`: of the single commands; None where there is no such graph, and every whole command is open.

        `meaning`: the intent of a text that is a command.
        """
        self._start = graph.start if graph else None
        self._ends = graph.ends if graph else frozenset()
        self._arcs = [dict(arcs) for arcs in graph.arcs] if graph else []
        self._meaning = meaning
        self._joining_words = frozenset(joining_words)
        self._longest: dict[int, tuple[str, ...]] = {}
        """State -> the words of its longest ending, where that was looked for."""

        self.of = lru_cache(maxsize=REMEMBERED_TEXTS)(self._of)
        """The completion of a normalised text, without 'please' and the like around it."""

    def _of(self, text: str) -> Completion:
        intent = self._meaning(text)
        states = self._states_after(text)
        if intent is None:
            return Completion.INCOMPLETE if states or self._start is None else Completion.NONE
        if not states:  # understood although no sentence says exactly this
            return Completion.OPEN
        tails = (tail for state in states for tail in self._tails(state))
        looked_at = list(islice(tails, TAILS_LOOKED_AT + 1))
        if len(looked_at) <= TAILS_LOOKED_AT and all(
            _same(intent, self._meaning(f"{text} {tail}")) for tail in looked_at
        ):
            return Completion.CLOSED
        longest = (self._meaning(" ".join([text, *self._longest_tail(state)])) for state in states)
        return Completion.WIDE_OPEN if any(_adds_several(intent, other) for other in longest) else Completion.OPEN

    def _states_after(self, text: str) -> set[int]:
        """Where in the graph a text leads; behind a joining word another command begins."""
        if self._start is None:
            return set()
        states = {self._start}
        for word in text.split():
            joined = word in self._joining_words and not states.isdisjoint(self._ends)
            states = {self._arcs[state][word] for state in states if word in self._arcs[state]}
            if joined:
                states.add(self._start)
        return states

    def _tails(self, state: int) -> Iterator[str]:
        """Everything that may follow, the shortest first."""
        waiting = [("", state)]
        for said, at in waiting:  # grows while it is walked; the graph has no circles
            for word, target in self._arcs[at].items():
                tail = f"{said} {word}".strip()
                if target in self._ends:
                    yield tail
                waiting.append((tail, target))

    def _longest_tail(self, state: int) -> tuple[str, ...]:
        if state not in self._longest:
            endings = ((word, *self._longest_tail(target)) for word, target in self._arcs[state].items())
            self._longest[state] = max(endings, key=len, default=())
        return self._longest[state]


def _adds_several(one: Intent, other: Intent | None) -> bool:
    if other is None or [command.name for command in one.commands] != [command.name for command in other.commands]:
        return False
    return _parts(other) - _parts(one) >= SEVERAL_PARTS


def _parts(intent: Intent) -> int:
    return sum(len(command.values.keys() - {PART_OF_THE_TIME}) for command in intent.commands)


def _same(one: Intent, other: Intent | None) -> bool:
    if other is None:
        return True  # not said in this way after all, so nobody waits for it
    return [(c.name, c.values) for c in one.commands] == [(c.name, c.values) for c in other.commands]
