"""What can be said and what is answered: the built-in language with the owner's home, or a file of templates.

A sentence is matched exactly; what the recognizer can hear is sampled from the same templates, so the two cannot
differ. Every method is pure: same text, same answer. `match` costs about 1 ms on one x86 core, the first one 0.1 s.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from appliance import garbage
from appliance.errors import ConfigError
from appliance.intent import Completion, Intent
from appliance.understanding import home_templates, joined, sampling
from appliance.understanding.automaton import TooLargeError, WordGraph, with_joining_words, word_graph
from appliance.understanding.completion import Completeness
from appliance.understanding.home_file import ALL_AREAS, HomeConfig
from appliance.understanding.language_folder import LanguageFolder, built_in, read_templates
from appliance.understanding.nearest import NearestSentence
from appliance.understanding.templates import Template, Templates
from appliance.understanding.values import normalised, slots_and_values
from appliance.understanding.words import words_of

TEXT_CHARACTERS_MAX = 500
"""Longer texts match nothing; the longest sentences have about 120 characters."""

INDEXED_SENTENCES = 6000
"""Sentences among which the nearest is looked for: 0.1 s to draw them, 4 ms to search on one x86 core."""

TRAINING_SENTENCES = 3000
"""Enough for the language of a small domain."""

TRAINING_SENTENCES_BUILT_IN = 5000
"""The built-in language has 500 templates. Of 300 spoken phrasings (100, three voices) 292 were right with 3,000
sentences, 296 with 5,000, 293 with 8,000."""

REMEMBERED_TEXTS = 256
"""Matches kept, and as many of halves of joined sentences: while somebody speaks, the same partial transcript comes
many times, and what sounds alike differs in one half only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What a language has of its owner."""

    area: str = ALL_AREAS
    """Id of the area that is meant when none is said."""

    spellings: Mapping[str, str] = field(default_factory=dict)
    """What the recognizer hears -> what the owner writes for it."""

    file: Path | None = None
    """His file of templates, instead of the built-in ones."""


class Language:
    """A closed language: matches texts, names the nearest sentence, and teaches the recognizer."""

    def __init__(
        self, templates: Templates, folder: LanguageFolder, own: Own, joining_words: Sequence[str] = ()
    ) -> None:
        """Made by `built_in` and `from_sentences_file`; `joining_words` stand between two commands."""
        self._templates = templates
        self.file = own.file
        """The owner's file of templates; None for the built-in language."""

        self._spellings = own.spellings
        self._known_graph: WordGraph | None = None
        longest_first = sorted(self._spellings, key=lambda heard: (-len(heard), heard))
        self._heard = re.compile(rf"(?<![\w'])(?:{'|'.join(map(re.escape, longest_first)) or '(?!)'})(?![\w'])")
        self._joining_words = tuple(joining_words)
        self._training_sentences = TRAINING_SENTENCES_BUILT_IN if joining_words else TRAINING_SENTENCES
        self._answers = folder.answers()
        self._signs = folder.settings.signs
        self._context = {"area": {"value": own.area, "text": ""}}
        skip = "|".join(re.escape(words) for words in templates.skip_words) or "(?!)"
        self._lead_in = re.compile(rf"^(?:(?:{skip})\s+)+")
        self._first_lead_in = re.compile(rf"^(?:{skip})\s+")
        self._ending = re.compile(rf"(?:\s+(?:{skip}))+\s*$")
        self._is_warm = False
        self._remembered = lru_cache(maxsize=REMEMBERED_TEXTS)(self._match)
        self._one = lru_cache(maxsize=REMEMBERED_TEXTS)(self._single)

    @staticmethod
    @garbage.put_off()
    def built_in(name: str, home: HomeConfig, *, area: str = "") -> "Language":
        """The built-in language `name` with a home's names and own sentences, which come before the built-in ones.

        `area`: id or name of the area in which the appliance stands; empty: 'the lights' are all lights of the home.
        Raises ConfigError when there is no such language or area, or an own sentence does not fit.
        """
        folder = LanguageFolder.of(name)
        source = folder.sentences()
        _add_home(source, home)
        templates = Templates(source, "the language with the home file")
        home_templates.check_slots(home, templates.trees)
        own = Own(area=_own_area(home, area), spellings=home_templates.spellings(home))
        return Language(templates, folder, own, source.get("joining_words", ()))

    @staticmethod
    @garbage.put_off()
    def from_sentences_file(path: Path, language: str) -> "Language":
        """A file of hassil's form instead of the built-in language. Raises ConfigError.

        `language`: as for `built_in`, in which it answers where the file is in none of the built-in languages.
        """
        source = read_templates(path)
        named = source.get("language")
        folder = LanguageFolder.of(named if named in built_in() else language)
        if named == folder.settings.code:
            own = folder.sentences()
            source = {key: own.get(key, ()) for key in ("small_words", "yes_words", "no_words")} | source
        return Language(Templates(source, str(path)), folder, Own(file=path))

    @property
    def templates(self) -> tuple[Template, ...]:
        """All that can be said, in the order in which it is matched."""
        return self._templates.trees

    @property
    def free_slots(self) -> frozenset[str]:
        """Slots that take any words, and so may hold private text; the built-in language has none."""
        return self._templates.free_slots

    @property
    def digest(self) -> bytes:
        """Changes when anything that can be said does."""
        return self._templates.digest

    @garbage.put_off()
    def warm_up(self) -> None:
        """Do now what the first `match` and `nearest` would do: hassil compiles on first use. Once is enough."""
        if self._is_warm:
            return
        self._is_warm = True
        one_of_each = {intent: text for intent, text in self.sampled(100)}
        for text in one_of_each.values():
            self._match(text, tolerant=False)
            self._match(text, tolerant=True)
        self.nearest("warm up")
        self.completion("warm up")

    def match(self, text: str) -> Intent | None:
        """The intent of a text, spoken or typed; None when no sentence of the language says exactly that.

        `values` holds whole numbers, seconds (`duration`), percent, ids of areas (`area`) and devices (`device`,
        `scene`), and True for `all`. Area ALL_AREAS is the whole home.
        """
        return self._remembered(self._normalised(text), tolerant=False) if len(text) <= TEXT_CHARACTERS_MAX else None

    def match_any(self, texts: Sequence[str]) -> Intent | None:
        """The intent of the first text, best first, that the language says; else of the first that it says but for
        small words (articles and the like) that are missing.
        """
        known = [self._normalised(text) for text in texts if len(text) <= TEXT_CHARACTERS_MAX]
        for tolerant in (False, True):
            for text in known:
                if (intent := self._remembered(text, tolerant=tolerant)) is not None:
                    return intent
        return None

    def nearest(self, text: str) -> tuple[str, float] | None:
        """The most similar sentence and its likeness, 0..1, 1 = the same; None when no word of it is known."""
        if self.match(text) is not None:
            return self._normalised(text), 1.0
        found = self._nearest.find(self._normalised(text[:TEXT_CHARACTERS_MAX]))
        return found and (self.spelled(found[0]), found[1])

    def sentences(self, count: int | None = None, seed: int = 0) -> list[str]:
        """Training text for the recognizer: about `count` sentences that hold every word; see sampling.py."""
        said = [text for _, text in self.sampled(count or self._training_sentences, seed)]
        return list(dict.fromkeys((*said, *self._templates.yes_no_words)))

    def sampled(self, count: int, seed: int = 0) -> list[tuple[str, str]]:
        """The same sentences, each with its intent before it."""
        skip_words = self._templates.skip_words
        single = joined.single_count(sampling.plain_count(count, skip_words), self._joining_words)
        plain = sampling.sampled(self._templates.trees, single, seed)
        plain += joined.sampled(plain, self._joining_words, seed)
        return sampling.with_skip_words(plain, skip_words, seed)

    def words(self) -> frozenset[str]:
        """Every word that the language can say."""
        fillers = {word for filler in self._templates.skip_words for word in filler.split()}
        fillers |= {word for joining in self._joining_words for word in joining.split()}
        fillers |= {word for said in self._templates.yes_no_words for word in said.split()}
        return words_of(self._templates.trees) | fillers

    def graph(self) -> WordGraph:
        """Every sentence of the language, also joined ones. Raises TooLargeError."""
        return with_joining_words(self.single_graph(), self._joining_words)

    def single_graph(self) -> WordGraph:
        """Of the sentences that are one command: 0.4 s to build, unless it is known. Raises TooLargeError."""
        return self._known_graph or word_graph(self._templates.trees)

    def know_graph(self, graph: WordGraph | None) -> None:
        """Take what `single_graph` would build, made before of the same templates."""
        self._known_graph = graph

    def completion(self, text: str) -> Completion:
        """How far a command has come that begins with this text; a yes or no is whole."""
        if self.agrees(text) is not None:
            return Completion.CLOSED
        return self._completeness.of(self.bare(self._normalised(text[:TEXT_CHARACTERS_MAX])))

    def continued(self, text: str, last: Intent) -> Intent | None:
        """What 'and the bedroom' means after a command: the same with other words in one of its slots; else None."""
        said = self._normalised(text)
        if self._remembered(said, tolerant=False) is not None:
            return None
        for joining in self._joining_words:
            said = said.removeprefix(f"{joining} ")
        small = {*self._templates.small_words}
        words = said.split()
        while words and words[0] in small:
            words.pop(0)
        for name, spoken in last.slots.items():
            for other in (" ".join(words), " ".join([*words, *spoken.split()[-1:]])):
                sentence = f" {self._normalised(last.text)} ".replace(f" {spoken} ", f" {other} ").strip()
                found = self._remembered(sentence, tolerant=False) if words else None
                if found is not None and found.name == last.name and found.values.get(name) != last.values.get(name):
                    return dataclasses.replace(found, text=sentence)
        return None

    def bare(self, text: str) -> str:
        """A normalised text without 'please' and the like before and behind it."""
        return self._ending.sub("", " " + self._lead_in.sub("", text + " ")).strip()

    def spelled(self, heard: str) -> str:
        """A normalised text as the owner writes it: his own names instead of the words that sound like them."""
        return self._heard.sub(lambda found: self._spellings[found[0]], heard) if self._spellings else heard

    def agrees(self, text: str) -> bool | None:
        """Whether a text is a yes (True) or a no (False) to a question; None when it is neither."""
        said = self._normalised(text)
        return said in self._templates.yes_words if said in self._templates.yes_no_words else None

    def intents(self) -> frozenset[str]:
        """Intents of which at least one sentence can be said."""
        return frozenset(template.intent for template in self._templates.trees)

    def answer(self, key: str, **values: str) -> str:
        """An answer of the language, with its values put in. Raises ConfigError when it does not have it."""
        try:
            return self._answers[key].format_map(values)
        except (KeyError, ValueError, IndexError) as error:
            raise ConfigError(f"answers.yaml: {key}: no such answer, or it wants another value ({error!r})") from None

    def fixed_answers(self) -> tuple[str, ...]:
        """Whole sentences into which nothing is put."""
        return tuple(text for text in self._answers.values() if "{" not in text and not text[-1].isalnum())

    def _normalised(self, text: str) -> str:
        return normalised(text, self._signs)

    def _match(self, text: str, *, tolerant: bool) -> Intent | None:
        """One command, or two joined."""
        found = self._one(text, tolerant=tolerant)
        return found or joined.matched(text, lambda half: self._one(half, tolerant=tolerant), self._joining_words)

    def _single(self, text: str, *, tolerant: bool) -> Intent | None:
        """One command."""
        begun = [text + " "]  # one lead-in less at a time: 'please, thanks so much' begins with two
        while (shorter := self._first_lead_in.sub("", begun[-1])) != begun[-1]:
            begun.append(shorter)
        ended = (self._ending.sub("", " " + begun[at]) for at in (0, -1))
        for said in dict.fromkeys(map(str.strip, (*begun, *ended))):
            match = self._templates.match(said, self._context, tolerant=tolerant) if said else None
            if match is not None:
                slots, values = slots_and_values(match)
                slots = {slot: self._spellings.get(words, words) for slot, words in slots.items()}
                return Intent(name=match.intent, slots=slots, values=values, text=text, courtesy=match.courtesy)
        return None

    @cached_property
    def _completeness(self) -> Completeness:
        try:
            graph = self.single_graph()
        except TooLargeError:
            graph = None
        self._known_graph = None  # 20 MB that nobody else asks for
        return Completeness(graph, lambda text: self.match_any([text]), self._joining_words)

    @cached_property
    def _nearest(self) -> NearestSentence:
        return NearestSentence(text for _, text in sampling.sampled(self._templates.trees, INDEXED_SENTENCES, 0))


def _own_area(home: HomeConfig, area: str) -> str:
    if not area:
        return ALL_AREAS
    found = next((known.id for known in home.areas if area in (known.id, known.name)), None)
    if found is None:
        known_ids = ", ".join(known.id for known in home.areas) or "none"
        raise ConfigError(f"device.area = {area!r}: not an area of the home file; known: {known_ids}")
    return found


def _add_home(source: dict[str, Any], home: HomeConfig) -> None:
    """Put the home's lists and own sentences into a language. Raises ConfigError when a name is taken."""
    for kind, names, taken in (
        ("lists", home_templates.new_lists(home), {*source["lists"], *home_templates.lists_of(HomeConfig())}),
        ("sentences", [own.name for own in home.sentences], source["intents"]),
    ):
        for name in names:
            if name in taken:
                raise ConfigError(f"home file: {kind}: '{name}' belongs to the built-in language; choose another name")
    source["lists"] |= home_templates.lists_of(home) | home_templates.extended_lists(home, source["lists"])
    source["intents"] = home_templates.intents_of(home) | source["intents"]
