"""Sentence templates in hassil's syntax: matched by hassil, and opened as a small tree for sampling and checks.

The only file that knows hassil. The tree has four kinds of node; a list or rule used in many templates is one shared
node. Branches that can never be said (an empty list, a free-text slot) are left out of it.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from appliance.errors import ConfigError
from appliance.understanding.sizes import Size, in_a_row, one_of

RANGE_WORDS_MAX = 1000
"""Of a longer range of numbers, this many evenly spaced ones stand in the tree; matching knows all."""

RANGE_NUMBERS_MAX = 10_000
"""Longer ranges are refused: their numbers as words take 1 s at the first match."""

PARTS_IN_ANY_ORDER_MAX = 5
"""`(a;b;c)` stands for all six orders; five parts have 120."""

DEPTH_MAX = 30
"""Rules inside rules; deeper means that a rule contains itself."""

TYPED_ONLY = {"typed": True}
"""Metadata of a value of a list that is matched when it is typed, and that the recognizer cannot hear."""

USUAL_FIRST = "usual_first"
"""Key of a source whose templates of a block, and alternatives in brackets, stand in the order of how often they are
said: the k-th is taken for a k-th as usual as the first, as words are by Zipf's law."""

COURTESY = "courtesy"
"""Metadata of sentences that people say to each other all day."""


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """Literal text; spaces at its ends count."""

    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """One after the other."""

    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """One of them; at least one."""

    items: "tuple[Node, ...]"
    ranks: tuple[int, ...] = ()
    """Of each item: one of rank k is said a k-th as often as the most usual; empty: all are as usual."""


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """The words of a slot."""

    name: str
    content: Choice


Node = Words | Chain | Choice | Slot


@dataclass(frozen=True, slots=True)
class Template:
    """One template of an intent."""

    intent: str
    text: str
    tree: Node
    rank: int = 1
    """As of an item of a choice, among the templates of its block."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A slot of a matched sentence."""

    name: str
    value: Any
    words: str
    """As they stand in the text; empty for a slot that was not said but follows from the template or the context."""


@dataclass(frozen=True, slots=True)
class Match:
    """A sentence that a template allows."""

    intent: str
    entities: tuple[Entity, ...]
    courtesy: bool


class Templates:
    """The templates of a language.

    `small_words` of the source are words without meaning of their own, such as articles. Recognizers drop them in
    noise, so a tolerant match does without them. With hassil's setting `ignore_whitespace` blanks count in what the
    recognizer is taught only: people set them as they like, in Korean or Chinese.
    """

    def __init__(self, source: dict[str, Any], origin: str) -> None:
        """Parse a dictionary of hassil's form. Raises ConfigError naming `origin` when it is of another form."""
        from hassil import Intents

        self.digest = hashlib.sha256(json.dumps(source, default=str).encode()).digest()
        """Changes when anything of the source does."""

        with _explained(origin):
            # hassil would drop all skip words or none: 'please, what can you do' needs one kept. See language.py.
            intents = Intents.from_dict({**source, "skip_words": []})
            self._blanks_count = not source.get("settings", {}).get("ignore_whitespace", False)
            self.small_words = tuple(str(word) for word in source.get("small_words", ()))
            self.skip_words = tuple(str(words) for words in source.get("skip_words", ()))
            self.yes_words = tuple(str(words) for words in source.get("yes_words", ()))
            self.yes_no_words = (*self.yes_words, *(str(words) for words in source.get("no_words", ())))
            usual_first = _is_true(source, USUAL_FIRST)
        self._opener = _Opener(intents, usual_first)
        opened: list[Template] = []
        for name, intent in intents.intents.items():
            with _explained(f"{origin}: {name}"):
                for data in intent.data:
                    opened += self._opener.block(name, data.sentences)
        self.trees = tuple(opened)
        """Every template that can be said, in the order of the file."""

        with _explained(origin):
            tolerant = {**_with_optional(source), "skip_words": []}
            if not self._blanks_count:  # hassil itself ignores some of them only
                intents = Intents.from_dict({**_without_blanks(source), "skip_words": []})
                tolerant = _without_blanks(tolerant)
            self._intents, self._tolerant = intents, Intents.from_dict(tolerant)

    @property
    def free_slots(self) -> frozenset[str]:
        """Slots that take any words."""
        return frozenset(self._opener.free_slots)

    def match(self, text: str, context: dict[str, Any], *, tolerant: bool) -> Match | None:
        """The first template, in the order of the file, that says this text; `text` is normalised.

        `tolerant`: small words may be missing.
        """
        from hassil import recognize

        text = text if self._blanks_count else text.replace(" ", "")
        result = recognize(text, self._tolerant if tolerant else self._intents, intent_context=context)
        if result is None:
            return None
        return Match(
            result.intent.name,
            tuple(
                Entity(entity.name, entity.value, entity.text.strip() if entity.text_span is not None else "")
                for entity in result.entities_list
            ),
            courtesy=bool((result.intent_metadata or {}).get(COURTESY)),
        )


def _is_true(source: dict[str, Any], key: str) -> bool:
    value = source.get(key, False)
    if not isinstance(value, bool):
        raise ValueError(f"{key} = {value!r}: must be true or false")
    return value


def _with_optional(source: dict[str, Any]) -> dict[str, Any]:
    """The same templates and rules with the source's small words in brackets."""
    small = [str(word) for word in source.get("small_words", ())]
    if not small:
        return source
    pattern = re.compile(r"\{[^}]*\}|<[^>]*>|(?<![\w'])(?:" + "|".join(map(re.escape, small)) + r")(?![\w'])")

    def optional(template: str) -> str:
        return pattern.sub(lambda found: found[0] if found[0][0] in "{<" else f"[{found[0]}]", template)

    return _rewritten(source, optional)


def _without_blanks(source: dict[str, Any]) -> dict[str, Any]:
    """The same, without any blank in templates, rules and lists."""
    lists = {name: {**content} for name, content in source.get("lists", {}).items()}
    for content in lists.values():
        if "values" in content:
            content["values"] = [
                _blankless(value) if isinstance(value, str) else {**value, "in": _blankless(str(value["in"]))}
                for value in content["values"]
            ]
    return {**_rewritten(source, _blankless), "lists": lists}


def _blankless(text: str) -> str:
    return "".join(text.split())


def _rewritten(source: dict[str, Any], rewrite: Callable[[str], str]) -> dict[str, Any]:
    """The same with all templates and rules rewritten."""
    intents = {
        name: {
            **intent,
            "data": [{**data, "sentences": [rewrite(text) for text in data["sentences"]]} for data in intent["data"]],
        }
        for name, intent in source["intents"].items()
    }
    rules = {name: rewrite(text) for name, text in source.get("expansion_rules", {}).items()}
    return {**source, "intents": intents, "expansion_rules": rules}


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """Turn what hassil raises about a wrong file into a ConfigError that says where."""
    from hassil.parser import ParseError

    try:
        yield
    except ParseError as error:
        raise ConfigError(f"{where}: not a sentence template: {error}; check its brackets") from None
    except RecursionError:
        raise ConfigError(f"{where}: brackets or rules stand too deep inside each other; use fewer") from None
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError) as error:
        reason = str(error) if type(error) is ValueError else repr(error)
        raise ConfigError(f"{where}: not sentence templates of hassil's form: {reason}; correct it") from None


class _Opener:
    """Turns hassil's expressions into the tree; None where nothing can be said."""

    def __init__(self, intents: Any, usual_first: bool) -> None:
        import hassil

        self._hassil = hassil
        self._intents = intents
        self._usual_first = usual_first
        self._lists: dict[str, Choice | None] = {}
        self._rules: dict[str, Node | None] = {}
        self._depth = 0
        self._sizes: dict[Node, Size] = {}
        self.free_slots: set[str] = set()

    def block(self, intent: str, sentences: Iterable[Any]) -> Iterator[Template]:
        """The templates of a block that can be said. Raises ValueError."""
        for rank, sentence in enumerate(sentences, 1):
            tree = self.template(sentence)
            if tree is not None:
                yield Template(intent, sentence.text or "", tree, rank if self._usual_first else 1)

    def template(self, sentence: Any) -> Node | None:
        """A whole template, which must not say too much. Raises ValueError."""
        try:
            tree = self.opened(sentence.expression)
        except ValueError as error:
            raise ValueError(f"'{sentence.text}': {error}") from None
        if tree is not None:
            self._size(tree).check(sentence.text)
        return tree

    def opened(self, expression: Any) -> Node | None:
        kinds = self._hassil
        if isinstance(expression, kinds.TextChunk):
            return Words(expression.original_text)
        if isinstance(expression, kinds.ListReference):
            return self._slot(expression)
        if isinstance(expression, kinds.RuleReference):
            return self._rule(expression.rule_name)
        if isinstance(expression, kinds.Alternative):
            return self._alternative(expression)
        if isinstance(expression, kinds.Permutation):
            if len(expression.items) > PARTS_IN_ANY_ORDER_MAX:
                raise ValueError(
                    f"{len(expression.items)} parts in any order (;) are more than {PARTS_IN_ANY_ORDER_MAX}; "
                    "write the usual orders out"
                )
            orders = itertools.permutations([self.opened(item) for item in expression.items])
            return _choice(_chain(order) for order in orders)
        return _chain(tuple(self.opened(item) for item in expression.items))

    def _alternative(self, alternative: Any) -> Choice | None:
        choice = _choice(self.opened(item) for item in alternative.items)
        if choice is None or not self._usual_first:
            return choice
        ranks = tuple(range(1, len(choice.items) + 1))
        # To leave out what stands in square brackets is the last item, and as usual as the first.
        return Choice(choice.items, (*ranks[:-1], 1) if alternative.is_optional else ranks)

    def _size(self, node: Node) -> Size:
        if node not in self._sizes:
            if isinstance(node, Words):
                blank = any(letter.isspace() for letter in node.text)
                size = Size(len(node.text), int(not blank), int(blank), int(blank), 1)
            elif isinstance(node, Slot):
                size = self._size(node.content)
            else:
                size = (in_a_row if isinstance(node, Chain) else one_of)([self._size(item) for item in node.items])
            self._sizes[node] = size
        return self._sizes[node]

    def _rule(self, name: str) -> Node | None:
        if name not in self._rules:
            if name not in self._intents.expansion_rules:
                raise ValueError(f"unknown rule <{name}>")
            self._depth += 1
            if self._depth > DEPTH_MAX:
                raise ValueError(f"rule <{name}> contains itself")
            self._rules[name] = self.opened(self._intents.expansion_rules[name].expression)
            self._depth -= 1
        return self._rules[name]

    def _slot(self, reference: Any) -> Slot | None:
        name = reference.list_name
        if name not in self._intents.slot_lists:
            raise ValueError(f"unknown list {{{name}}}")
        if isinstance(self._intents.slot_lists[name], self._hassil.WildcardSlotList):
            self.free_slots.add(reference.slot_name)
            return None
        if name not in self._lists:
            self._depth += 1
            if self._depth > DEPTH_MAX:
                raise ValueError(f"list {{{name}}} contains itself")
            self._lists[name] = self._list(self._intents.slot_lists[name])
            self._depth -= 1
        content = self._lists[name]
        return None if content is None else Slot(reference.slot_name, content)

    def _list(self, slot_list: Any) -> Choice | None:
        if isinstance(slot_list, self._hassil.RangeSlotList):
            if (slot_list.stop - slot_list.start) // slot_list.step > RANGE_NUMBERS_MAX:
                raise ValueError(
                    f"list {{{slot_list.name}}} has more than {RANGE_NUMBERS_MAX} numbers; make it shorter"
                )
            return _choice(Words(words) for words in _number_words(slot_list, self._intents.language))
        return _choice(self.opened(value.text_in) for value in slot_list.values if value.metadata != TYPED_ONLY)


def _choice(items: Iterator[Node | None] | Any) -> Choice | None:
    possible = tuple(item for item in items if item is not None)
    return Choice(possible) if possible else None


def _chain(items: tuple[Node | None, ...]) -> Node | None:
    """One after the other, neighbouring words as one; None where one of them cannot be said."""
    chained: list[Node] = []
    for item in items:
        if item is None:
            return None
        if isinstance(item, Words) and chained and isinstance(chained[-1], Words):
            chained[-1] = Words(chained[-1].text + item.text)
        else:
            chained.append(item)
    return chained[0] if len(chained) == 1 else Chain(tuple(chained))


def _number_words(slot_list: Any, language: str) -> list[str]:
    """The numbers of a range as words, as a recognizer writes them: without hyphens."""
    from hassil.numbers import get_rbnf_engine

    if not slot_list.words:
        return []
    engine = get_rbnf_engine(slot_list.words_language or language)
    numbers = list(slot_list.get_numbers())
    step = -(-len(numbers) // RANGE_WORDS_MAX)
    spoken = (text for n in numbers[::step] for text in engine.format_number(n).text_by_ruleset.values())
    return list(dict.fromkeys(text.replace("-", " ") for text in spoken))
