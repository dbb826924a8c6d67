"""Every word that the templates of a language can say, also those that no sampled sentence happens to hold."""

import functools
import re
from dataclasses import dataclass

from appliance.understanding.templates import Chain, Node, Slot, Template, Words


def words_of(templates: tuple[Template, ...]) -> frozenset[str]:
    """Every word that occurs in any sentence, sampled or not."""
    walk = _Walk()
    for template in templates:
        edges = walk.edges(template.tree)
        walk.found |= edges.solid | edges.left | edges.right
    return frozenset(walk.found - {""})


@dataclass(frozen=True, slots=True)
class _Edges:
    """The pieces of words at the borders of all texts of a node: 'light' and 's' make a word only together."""

    solid: frozenset[str] = frozenset()
    """Texts without any space."""

    left: frozenset[str] = frozenset()
    """Of the other texts: what stands before the first space."""

    right: frozenset[str] = frozenset()
    """What stands behind the last space."""


_NOTHING = _Edges(frozenset({""}))


class _Walk:
    """Goes through trees, each shared node once."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        """Whole words: those that have a space at both ends."""

        self._known: dict[Node, _Edges] = {}

    def edges(self, node: Node) -> _Edges:
        if node not in self._known:
            self._known[node] = self._edges(node)
        return self._known[node]

    def _edges(self, node: Node) -> _Edges:
        if isinstance(node, Words):
            parts = re.split(r"\s+", node.text.casefold())
            self.found.update(parts[1:-1])
            first, last = frozenset(parts[:1]), frozenset(parts[-1:])
            return _Edges(solid=first) if len(parts) == 1 else _Edges(left=first, right=last)
        if isinstance(node, Slot):
            return self.edges(node.content)
        if isinstance(node, Chain):
            return functools.reduce(self._joined, map(self.edges, node.items), _NOTHING)
        below = [self.edges(item) for item in node.items]
        return _Edges(*(frozenset().union(*(getattr(edges, part) for edges in below)) for part in _Edges.__slots__))

    def _joined(self, first: _Edges, second: _Edges) -> _Edges:
        self.found |= _pairs(first.right, second.left)
        return _Edges(
            solid=_pairs(first.solid, second.solid),
            left=first.left | _pairs(first.solid, second.left),
            right=second.right | _pairs(first.right, second.solid),
        )


def _pairs(firsts: frozenset[str], seconds: frozenset[str]) -> frozenset[str]:
    return frozenset(first + second for first in firsts for second in seconds)
