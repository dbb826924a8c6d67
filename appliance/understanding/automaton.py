"""Everything that templates can say, as one small graph of words: a deterministic automaton.

It is built from the end of the sentences: a state is what may follow, so equal endings are one state (a list of a
hundred numbers stands once, however many templates end in it), and a choice unites the states of its items, so equal
beginnings are one path. Slots are not carried: hassil reads them off the sentence that a path spells.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from appliance.understanding.templates import Chain, Choice, Node, Slot, Template, Words

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
    start = pieces.compiled(Choice(tuple(template.tree for template in templates)), _END)
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
        self._united: dict[frozenset[int], int] = {}
        self._trees: dict[tuple[Words, ...], _Tree] = {}

    def compiled(self, node: Node, then: int) -> int:
        """The state from which `node` is said, and after it what may follow in state `then`."""
        key = (node, then)
        if key not in self._compiled:
            self._compiled[key] = self._compile(node, then)
        return self._compiled[key]

    def united(self, states: frozenset[int]) -> int:
        """The state from which can be said what any of these can say; all at once, so that no halves are left over."""
        if len(states) == 1:
            return next(iter(states))
        if states not in self._united:
            targets: dict[str, set[int]] = {}
            for state in sorted(states):
                for label, target in self.arcs[state].items():
                    targets.setdefault(label, set()).add(target)
            arcs = {label: self.united(frozenset(behind)) for label, behind in targets.items()}
            self._united[states] = self._state(arcs, any(self.ends[state] for state in states))
        return self._united[states]

    def _compile(self, node: Node, then: int) -> int:
        if isinstance(node, Words):
            return self._spelled(self._tree((node,)), then)
        if isinstance(node, Slot):
            return self.compiled(node.content, then)
        if isinstance(node, Chain):
            for item in reversed(node.items):
                then = self.compiled(item, then)
            return then
        states = [self.compiled(item, then) for item in node.items if not isinstance(item, Words)]
        plain = tuple(item for item in node.items if isinstance(item, Words))
        if plain:
            states.append(self._spelled(self._tree(plain), then))
        return self.united(frozenset(states))

    def _tree(self, texts: tuple[Words, ...]) -> "_Tree":
        if texts not in self._trees:
            self._trees[texts] = _Tree([_pieces_of(words) for words in texts])
        return self._trees[texts]

    def _spelled(self, tree: "_Tree", then: int) -> int:
        """The state from which any text of a tree is said."""
        if not tree.rests:
            return then
        arcs = {piece: self._spelled(rest, then) for piece, rest in tree.rests.items()}
        state = self._state(arcs, ends=False)
        return self.united(frozenset((state, then))) if tree.may_end else state

    def _state(self, arcs: dict[str, int], ends: bool) -> int:
        key = (ends, frozenset(arcs.items()))
        if key not in self._numbers:
            if len(self.arcs) >= STATES_MAX:
                raise TooLargeError("the sentences branch too much for one graph; use fewer optional parts")
            self._numbers[key] = len(self.arcs)
            self.arcs.append(arcs)
            self.ends.append(ends)
        return self._numbers[key]


class _Tree:
    """Texts as a tree of their pieces, so that a long list costs little: it is made once and stands in many places."""

    def __init__(self, texts: list[tuple[str, ...]]) -> None:
        rests: dict[str, list[tuple[str, ...]]] = {}
        for text in texts:
            if text:
                rests.setdefault(text[0], []).append(text[1:])
        self.may_end = not all(texts)
        self.rests = {piece: _Tree(rest) for piece, rest in rests.items()}


def _pieces_of(words: Words) -> tuple[str, ...]:
    return tuple(_SPACE if piece.isspace() else piece for piece in re.findall(r"\s+|\S+", words.text.casefold()))


class _Joiner:
    """Makes words of the pieces between blanks: the same states, seen from the beginnings of words only."""

    def __init__(self, pieces: _Pieces) -> None:
        self._pieces = pieces

    def graph(self, start: int) -> WordGraph:
        numbers = {start: 0}
        waiting, arcs, ends = [start], [], set()
        for state in waiting:  # grows while it is walked
            words, may_end = self.words(state)
            for target in words.values():
                if target not in numbers:
                    numbers[target] = len(numbers)
                    waiting.append(target)
            arcs.append(tuple((word, numbers[target]) for word, target in words.items()))
            if may_end:
                ends.add(numbers[state])
        return WordGraph(tuple(arcs), frozenset(ends), 0)

    def words(self, state: int) -> tuple[dict[str, int], bool]:
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
            found[word] = self._pieces.united(frozenset((found[word], target))) if word in found else target


WORDS_END = ""
"""Stands among the words of a state in which a sentence may end."""


class Sayings:
    """Sets of sentences as automata of words that are made while they are walked through, to compare them."""

    def __init__(self) -> None:
        self._pieces = _Pieces()
        self._joiner = _Joiner(self._pieces)
        self.words = lru_cache(maxsize=None)(self._words)
        """The words that may be said in a state, with the states behind them; WORDS_END where it may end."""

    def start(self, tree: Node) -> int:
        """The state from which a tree's sentences are said. Raises TooLargeError."""
        return self._pieces.compiled(tree, _END)

    def either(self, one: int, other: int) -> int:
        """The state from which the sentences of both are said. Raises TooLargeError."""
        return self._pieces.united(frozenset((one, other)))

    def _words(self, state: int) -> dict[str, int]:
        words, may_end = self._joiner.words(state)
        return {**words, WORDS_END: _END} if may_end else words
