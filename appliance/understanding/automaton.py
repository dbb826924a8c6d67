"""Everything that templates can say, as one small graph of words: a deterministic automaton.

It is built from the end of the sentences: a state is what may follow, so equal endings are one state (a list of a
hundred numbers stands once, however many templates end in it), and a choice unites the states of its items, so equal
beginnings are one path. Slots are not carried: hassil reads them off the sentence that a path spells.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.understanding.templates import Chain, Node, Slot, Template, Words

STATES_MAX = 300_000
"""States of the graph of pieces; a language that needs more is matched literally only. The built-in one with a home of
20 devices has about 7,000."""

_SPACE = " "
_END = 0
"""The state behind the last word; it has no arcs."""


class TooLargeError(Exception):
    """The templates cannot be made deterministic with a reasonable number of states."""


@dataclass(frozen=True, slots=True)
class WordGraph:
    """States 0..n-1; `arcs[state]` are words with the states they lead to; sentences begin at `start`."""

    arcs: tuple[tuple[tuple[str, int], ...], ...]
    ends: frozenset[int]
    """States in which a sentence may end."""

    start: int


def word_graph(templates: tuple[Template, ...], joining_words: Sequence[str] = ()) -> WordGraph:
    """The graph of all sentences, in small letters; at least one template. Raises TooLargeError."""
    pieces = _Pieces()
    start = pieces.all_united([pieces.compiled(template.tree, _END) for template in templates])
    return with_joining_words(_Joiner(pieces).graph(start), joining_words)


def with_joining_words(graph: WordGraph, joining_words: Sequence[str]) -> WordGraph:
    """The same graph, in which after each of these words, behind a sentence, another sentence may be said."""
    joined = tuple((word, graph.start) for word in joining_words if " " not in word)
    arcs = (own + joined if state in graph.ends else own for state, own in enumerate(graph.arcs))
    return WordGraph(tuple(arcs), graph.ends, graph.start)


class _Pieces:
    """The automaton over pieces of words and blanks, as the templates write them: 'light' and 's' are two pieces."""

    def __init__(self) -> None:
        self.arcs: list[dict[str, int]] = [{}]
        self.ends: list[bool] = [True]
        self._numbers: dict[tuple[bool, frozenset[tuple[str, int]]], int] = {(True, frozenset()): _END}
        self._compiled: dict[tuple[Node, int], int] = {}
        self._united: dict[tuple[int, int], int] = {}

    def compiled(self, node: Node, then: int) -> int:
        """The state from which `node` is said, and after it what may follow in state `then`."""
        key = (node, then)
        if key not in self._compiled:
            self._compiled[key] = self._compile(node, then)
        return self._compiled[key]

    def united(self, first: int, second: int) -> int:
        """The state from which can be said what either can say."""
        if first == second:
            return first
        key = (first, second) if first < second else (second, first)
        if key not in self._united:
            arcs = dict(self.arcs[first])
            for label, target in self.arcs[second].items():
                arcs[label] = self.united(arcs[label], target) if label in arcs else target
            self._united[key] = self._state(arcs, self.ends[first] or self.ends[second])
        return self._united[key]

    def all_united(self, states: list[int]) -> int:
        """Pairs first: a choice of n items is united in log n rounds, so a long list is not copied n times."""
        while len(states) > 1:
            pairs = itertools.zip_longest(states[::2], states[1::2])
            states = [one if other is None else self.united(one, other) for one, other in pairs]
        return states[0]

    def _compile(self, node: Node, then: int) -> int:
        if isinstance(node, Words):
            for piece in reversed(re.findall(r"\s+|\S+", node.text.casefold())):
                then = self._state({_SPACE if piece.isspace() else piece: then}, ends=False)
            return then
        if isinstance(node, Slot):
            return self.compiled(node.content, then)
        if isinstance(node, Chain):
            for item in reversed(node.items):
                then = self.compiled(item, then)
            return then
        return self.all_united([self.compiled(item, then) for item in node.items])

    def _state(self, arcs: dict[str, int], ends: bool) -> int:
        key = (ends, frozenset(arcs.items()))
        if key not in self._numbers:
            if len(self.arcs) >= STATES_MAX:
                raise TooLargeError("the sentences branch too much for one graph; use fewer optional parts")
            self._numbers[key] = len(self.arcs)
            self.arcs.append(arcs)
            self.ends.append(ends)
        return self._numbers[key]


class _Joiner:
    """Makes words of the pieces between blanks: the same states, seen from the beginnings of words only."""

    def __init__(self, pieces: _Pieces) -> None:
        self._pieces = pieces

    def graph(self, start: int) -> WordGraph:
        numbers = {start: 0}
        waiting, arcs, ends = [start], [], set()
        for state in waiting:  # grows while it is walked
            words, may_end = self._words(state)
            for target in words.values():
                if target not in numbers:
                    numbers[target] = len(numbers)
                    waiting.append(target)
            arcs.append(tuple((word, numbers[target]) for word, target in words.items()))
            if may_end:
                ends.add(numbers[state])
        return WordGraph(tuple(arcs), frozenset(ends), 0)

    def _words(self, state: int) -> tuple[dict[str, int], bool]:
        """The words that may begin here, with the states behind them; and may the sentence end here?"""
        found: dict[str, int] = {}
        may_end = False
        paths = [("", state)]
        while paths:
            begun, at = paths.pop()
            if self._pieces.ends[at]:
                may_end = may_end or not begun
                self._add(found, begun, _END)
            for label, target in self._pieces.arcs[at].items():
                if label != _SPACE or not begun:
                    paths.append((begun + label.strip(), target))
                else:
                    self._add(found, begun, target)
        return found, may_end

    def _add(self, found: dict[str, int], word: str, target: int) -> None:
        if word:
            found[word] = self._pieces.united(found[word], target) if word in found else target
