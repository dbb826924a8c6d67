"""Sentences that a language can say, drawn from its templates: the recognizer's training text.

The language model is which word follows which two, with probabilities, so what counts is that every word occurs, behind
the words it can stand behind, in a fair proportion. The templates make far too many sentences to list. So each template
gets a share by its rank; one with fewer sentences gives all it has, the others are walked at random. A choice deals its
items like a shuffled deck of cards, in which the more usual stand several times; all have come before it is shuffled
again. What was never dealt is asked for at the end.

Same templates, count and seed: same sentences, in any process.
"""

import itertools
import random
from collections.abc import Iterator

from appliance.understanding.templates import Chain, Choice, Node, Slot, Template, Words

TRIES_PER_SENTENCE = 4
"""A walk may find a sentence it has found before; after this many walks per wanted sentence a template is empty."""

PLAIN_PER_POLITE = 8
"""One more sentence with a skip word, such as 'please', for this many without."""

Sentence = tuple[str, str]
"""Intent and text."""


def sampled(templates: tuple[Template, ...], count: int, seed: int) -> list[Sentence]:
    """About `count` different sentences with their intents, a few more where the coverage of all words needs them."""
    dealer = _Dealer(random.Random(seed))
    found: dict[str, str] = {}
    sizes = [_size(template.tree, count + 1) for template in templates]
    for template, size, share in zip(templates, sizes, _shares(templates, sizes, count), strict=True):
        texts = _all(template.tree) if size <= share else dealer.walks(template.tree, share)
        for text in texts:
            found.setdefault(_tidy(text), template.intent)
    _cover(templates, dealer, found)
    return [(intent, text) for text, intent in found.items()]


def plain_count(count: int, skip_words: tuple[str, ...]) -> int:
    """How many sentences to draw so that `with_skip_words` makes `count` of them."""
    return count * PLAIN_PER_POLITE // (PLAIN_PER_POLITE + 1) if skip_words else count


def with_skip_words(sentences: list[Sentence], skip_words: tuple[str, ...], seed: int) -> list[Sentence]:
    """The sentences, and every eighth of them once more with a skip word before it or (single words) behind it."""
    fillers = [f"{word} {{}}" for word in skip_words] + [f"{{}} {word}" for word in skip_words if " " not in word]
    if not fillers:
        return sentences
    order = random.Random(seed)
    chosen = order.sample(
        range(len(sentences)), min(len(sentences), max(len(fillers), len(sentences) // PLAIN_PER_POLITE))
    )
    changed = list(sentences)
    for index, filler in zip(chosen, itertools.cycle(fillers), strict=False):
        intent, text = sentences[index]
        changed.append((intent, filler.format(text)))
    return list(dict.fromkeys(changed))


def always_says(node: Node, slot: str) -> bool:
    """True when every sentence of the tree holds that slot."""
    if isinstance(node, Slot):
        return node.name == slot or always_says(node.content, slot)
    if isinstance(node, Words):
        return False
    return (all if isinstance(node, Choice) else any)(always_says(item, slot) for item in node.items)


def _shares(templates: tuple[Template, ...], sizes: list[int], count: int) -> list[int]:
    """How many sentences each template gives: in proportion to how usual it is, but no more than it has."""
    shares = [0] * len(templates)
    left, weights_left = count, sum(1 / template.rank for template in templates)
    for index in sorted(range(len(templates)), key=lambda index: sizes[index] * templates[index].rank):
        weight = 1 / templates[index].rank
        shares[index] = min(sizes[index], int(left * weight / weights_left))
        left, weights_left = left - shares[index], weights_left - weight
    return shares


class _Dealer:
    """Walks trees at random; each choice keeps a shuffled deck of its items."""

    def __init__(self, order: random.Random) -> None:
        self._order = order
        self._decks: dict[Choice, list[int]] = {}
        self.dealt: set[tuple[Choice, int]] = set()

    def walks(self, tree: Node, wanted: int) -> Iterator[str]:
        """About `wanted` different sentences of a tree that has more."""
        texts: set[str] = set()
        for _ in range(wanted * TRIES_PER_SENTENCE):
            if len(texts) == wanted:
                return
            text = self.walk(tree, {})
            if text not in texts:
                texts.add(text)
                yield text

    def walk(self, node: Node, forced: dict[Choice, int]) -> str:
        """One sentence; at a choice that is `forced` the item is given."""
        if isinstance(node, Words):
            return node.text
        if isinstance(node, Chain):
            return "".join(self.walk(item, forced) for item in node.items)
        if isinstance(node, Slot):
            return self.walk(node.content, forced)
        index = forced[node] if node in forced else self._deal(node)
        self.dealt.add((node, index))
        return self.walk(node.items[index], forced)

    def _deal(self, choice: Choice) -> int:
        deck = self._decks.get(choice)
        if not deck:
            deck = self._decks[choice] = _deck(choice)
            self._order.shuffle(deck)
        return deck.pop()


def _deck(choice: Choice) -> list[int]:
    """Each item once; where there are ranks, of n items one of rank k n / k times."""
    ranks = choice.ranks or (len(choice.items),) * len(choice.items)
    return [index for index, rank in enumerate(ranks) for _ in range(len(ranks) // rank)]


def _cover(templates: tuple[Template, ...], dealer: _Dealer, found: dict[str, str]) -> None:
    """Add a sentence for every item of every choice that no walk came through, shared ones once."""
    seen: set[Node] = set()
    for template in templates:
        for path in _paths(template.tree, {}, seen):
            if any(step not in dealer.dealt for step in path.items()):
                found.setdefault(_tidy(dealer.walk(template.tree, path)), template.intent)


def _paths(node: Node, path: dict[Choice, int], seen: set[Node]) -> Iterator[dict[Choice, int]]:
    """The choices that lead to each item of each choice below a node."""
    if isinstance(node, Words) or node in seen:
        return
    seen.add(node)
    if isinstance(node, Slot):
        yield from _paths(node.content, path, seen)
    elif isinstance(node, Chain):
        for item in node.items:
            yield from _paths(item, path, seen)
    else:
        for index, item in enumerate(node.items):
            yield (below := {**path, node: index})
            yield from _paths(item, below, seen)


def _size(node: Node, most: int) -> int:
    """How many ways through a tree there are; `most` when more."""
    if isinstance(node, Words):
        return 1
    if isinstance(node, Slot):
        return _size(node.content, most)
    total = 1 if isinstance(node, Chain) else 0
    for item in node.items:
        size = _size(item, most)
        total = min(most, total * size if isinstance(node, Chain) else total + size)
        if total >= most:
            break
    return total


def _all(node: Node) -> Iterator[str]:
    """Every way through a tree; only for small ones."""
    if isinstance(node, Words):
        yield node.text
    elif isinstance(node, Slot):
        yield from _all(node.content)
    elif isinstance(node, Choice):
        for item in node.items:
            yield from _all(item)
    else:
        for parts in itertools.product(*(list(_all(item)) for item in node.items)):
            yield "".join(parts)


def _tidy(text: str) -> str:
    return " ".join(text.casefold().split())
