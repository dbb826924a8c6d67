"""Every word that the templates of a language can say, also those that no sampled sentence happens to hold."""

import functools
import re
from dataclasses import dataclass

from appliance.understanding.templates import Chain, Node, Slot, Template, Words


def words_of(templates: tuple[Template, ...]) -> frozenset[str]:
    """Every word that occurs in any sentence, sampled or not."""
    known: dict[Node, _Edges] = {}
    found: set[str] = set()
    for template in templates:
        edges = _edges(template.tree, known)
        found |= edges.solid | edges.left | edges.inner | edges.right
    return frozenset(found - {""})


@dataclass(frozen=True, slots=True)
class _Edges:
    """The pieces of words at the borders of all texts of a node: 'light' and 's' make a word only together."""

    solid: frozenset[str] = frozenset()
    """Texts without any space."""

    left: frozenset[str] = frozenset()
    """Of the other texts: what stands before the first space."""

    inner: frozenset[str] = frozenset()
    """Whole words."""

    right: frozenset[str] = frozenset()
    """What stands behind the last space."""


def _edges(node: Node, known: dict[Node, _Edges]) -> _Edges:
    if node in known:
        return known[node]
    if isinstance(node, Words):
        parts = re.split(r"\s+", node.text.casefold())
        whole, ends = frozenset(parts[1:-1]), (frozenset(parts[:1]), frozenset(parts[-1:]))
        edges = _Edges(solid=ends[0]) if len(parts) == 1 else _Edges(left=ends[0], inner=whole, right=ends[1])
    elif isinstance(node, Slot):
        edges = _edges(node.content, known)
    elif isinstance(node, Chain):
        edges = functools.reduce(_joined, (_edges(item, known) for item in node.items), _Edges(frozenset({""})))
    else:
        below = [_edges(item, known) for item in node.items]
        edges = _Edges(*(frozenset().union(*(getattr(e, part) for e in below)) for part in _Edges.__slots__))
    known[node] = edges
    return edges


def _joined(first: _Edges, second: _Edges) -> _Edges:
    return _Edges(
        solid=_pairs(first.solid, second.solid),
        left=first.left | _pairs(first.solid, second.left),
        inner=first.inner | second.inner | _pairs(first.right, second.left),
        right=second.right | _pairs(first.right, second.solid),
    )


def _pairs(firsts: frozenset[str], seconds: frozenset[str]) -> frozenset[str]:
    return frozenset(first + second for first in firsts for second in seconds)
