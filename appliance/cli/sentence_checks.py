"""Looks an owner's sentences and names over: what can never be said, means two things, or will be heard wrong."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from msgspec.structs import replace

from appliance.audio.convert import resample
from appliance.audio.format import SAMPLE_RATE_HZ
from appliance.brains import find_unheard, load_pronunciations, load_taught
from appliance.cli.understand import understand_pcm
from appliance.config_files import LoadedConfig
from appliance.errors import ConfigError, UsageError
from appliance.intent import Intent
from appliance.runtimes.vosk import VoskModel
from appliance.speech.recognizer import Recognizer, dictated
from appliance.understander import Understander
from appliance.understanding import home_file, strict_yaml
from appliance.understanding.automaton import TooLargeError
from appliance.understanding.confidence import Decision
from appliance.understanding.home_file import Area, Device, HomeConfig
from appliance.understanding.language import Language
from appliance.understanding.overlaps import Overlaps
from appliance.understanding.soundalike import SoundMatcher
from appliance.understanding.strict_yaml import Document, Keys
from appliance.understanding.values import normalised
from appliance.voice.voice import Voice

CONFUSABLE = 60
"""Hundredths of distance: two names or sentences that are no further apart differ in one sound of the same sort.
The reader, which weighs by that, would give the wrong one more than a third."""

NAMES_MAX = 300
"""Names compared with each other: 45,000 pairs, which takes 10 s."""

SAMPLES_OF_AN_INTENT = 4
DRAWN = 3000
PAUSE = np.zeros(SAMPLE_RATE_HZ * 2 // 5, np.int16)
"""Before and after what is said."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, or could be better."""

    level: Literal["error", "warning"]
    kind: Literal["unpronounceable", "ambiguous", "shadows", "unreachable", "short", "confusable", "misheard"]
    place: str = ""
    """File, line and key, where they are known."""

    intent: str | None = None
    sentence: str | None = None
    problem: str
    remedy: str

    def __str__(self) -> str:
        at = "".join(f"{part}: " for part in (self.place, self.intent) if part)
        return f"{self.level:<7}  {at}{self.problem}; {self.remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is looked over."""

    language: Language
    home: HomeConfig
    """Empty where it is a file of hassil's form."""

    intents: frozenset[str]
    """The owner's own."""

    document: Document | None
    """The owner's file; None where it cannot be read line by line."""

    def place(self, intent: str, template: str) -> str:
        """Where a template stands; empty where that is not known."""
        return self.document.place(self._keys(intent, template)) if self.document else ""

    def _keys(self, intent: str, template: str) -> Keys:
        for number, own in enumerate(self.home.sentences):
            if own.name == intent:
                at: Keys = ("sentences", number)
                return (*at, "sentences", own.sentences.index(template)) if template in own.sentences else at
        content = self.document.content if self.document else {}
        for number, data in enumerate(content.get("intents", {}).get(intent, {}).get("data", ())):
            if template in data.get("sentences", ()):
                return ("intents", intent, "data", number, "sentences", data["sentences"].index(template))
        return ("intents", intent)


def subject(loaded: LoadedConfig, file: Path | None) -> Subject:
    """The configured home, or a file: a home file, or one of hassil's form. Raises ConfigError."""
    path = file or loaded.home_file
    if path is None:
        raise UsageError("sentences check: no home file is configured; name a file")
    try:
        document = strict_yaml.read(path)
    except ConfigError:
        if file is None:
            raise
        language = Language.from_sentences_file(path, loaded.language)  # it may be of a form that only hassil reads
        return Subject(language=language, home=HomeConfig(), intents=language.intents(), document=None)
    if isinstance(document.content, dict) and "intents" in document.content:
        language = Language.from_sentences_file(path, loaded.language)
        return Subject(language=language, home=HomeConfig(), intents=language.intents(), document=document)
    home = home_file.checked(document)
    area = loaded.config.device.area if file is None else ""
    own = frozenset(own.name for own in home.sentences)
    return Subject(
        language=Language.built_in(loaded.language, home, area=area), home=home, intents=own, document=document
    )


def unpronounceable(loaded: LoadedConfig, about: Subject, vosk: VoskModel) -> Iterator[Finding]:
    """Words that the recognizer cannot hear."""
    for word in find_unheard(loaded, vosk, load_taught(loaded, about.language).words, about.document):
        problem = f'"{word.word}" is not in the recognizer\'s vocabulary'
        yield Finding(
            level="error",
            kind="unpronounceable",
            place=word.place,
            sentence=word.word,
            problem=problem,
            remedy=word.remedy,
        )


def overlapping(about: Subject) -> Iterator[Finding]:
    """Sentences with two meanings, and those that can never be what matches."""
    try:
        overlaps = Overlaps(about.language.templates)
        for shared in overlaps.shared(about.intents):
            both = {shared.first, shared.second} <= about.intents
            yield Finding(
                level="error" if both else "warning",
                kind="ambiguous" if both else "shadows",
                place=about.place(shared.first, ""),
                intent=shared.first,
                sentence=shared.text,
                problem=f'"{shared.text}" is a sentence of {shared.second}, too, and means {shared.first}',
                remedy="take it out of one of them" if both else "say it otherwise to keep the built-in meaning",
            )
        for found in overlaps.unreachable(about.intents):
            template = found.template
            yield Finding(
                level="warning",
                kind="unreachable",
                place=about.place(template.intent, template.text),
                intent=template.intent,
                sentence=template.text,
                problem=f'"{template.text}" says nothing that sentences before it do not say',
                remedy="delete it" if found.same_intent else "put it before them, or delete it",
            )
    except TooLargeError as error:
        raise ConfigError(f"the sentences cannot be compared with each other: {error}") from None


def short(about: Subject) -> Iterator[Finding]:
    """Sentences of one word: one for each intent."""
    drawn = {intent: text for intent, text in reversed(about.language.sampled(DRAWN)) if " " not in text}
    for intent in sorted(about.intents & drawn.keys()):
        yield Finding(
            level="warning",
            kind="short",
            place=about.place(intent, drawn[intent]),
            intent=intent,
            sentence=drawn[intent],
            problem=f'"{drawn[intent]}" is a single word, and much that is said in a room sounds like one',
            remedy="take three words or more",
        )


def confusable(loaded: LoadedConfig, about: Subject) -> Iterator[Finding]:
    """Names, and sentences of different intents, that sound almost the same."""
    sounds, pronunciations = load_taught(loaded, about.language).sounds, load_pronunciations(loaded)
    if sounds is None or pronunciations is None:
        return
    matcher = SoundMatcher(sounds, pronunciations)
    for one, other in combinations(_names(about.home)[:NAMES_MAX], 2):
        if one.kind == other.kind and one.value != other.value and _near(matcher, one.spoken, other.spoken):
            yield Finding(
                level="warning",
                kind="confusable",
                place=about.document.place(other.keys) if about.document else "",
                sentence=other.spoken,
                problem=f'"{other.spoken}" sounds almost like "{one.spoken}"',
                remedy="give one of them another name",
            )
    told = set[frozenset[str]]()
    for intent, text in samples(about):
        meant = about.language.match(text)
        for alike in matcher.near(about.language.bare(text), CONFUSABLE):
            rival = about.language.match(alike.text)
            pair = frozenset((intent, rival.name if rival else intent))
            if meant is None or len(pair) == 1 or pair in told:
                continue
            told.add(pair)
            yield Finding(
                level="warning",
                kind="confusable",
                place=about.place(intent, ""),
                intent=intent,
                sentence=text,
                problem=f'"{text}" sounds almost like "{alike.text}" of {min(pair - {intent})}',
                remedy="say one of them in other words",
            )


def samples(about: Subject) -> list[tuple[str, str]]:
    """Some short sentences of each own intent, and one of each name of the home: (intent, text), the same each time."""
    drawn = about.language.sampled(DRAWN)
    random.Random(0).shuffle(drawn)
    found, counts, unsaid = [], dict[str, int](), {name.spoken for name in _names(about.home)}
    for intent, text in sorted(drawn, key=lambda sentence: len(sentence[1].split())):
        named = {name for name in unsaid if f" {name} " in f" {text} " and text != name}
        own = intent in about.intents and counts.get(intent, 0) < SAMPLES_OF_AN_INTENT
        if named or own:
            found.append((intent, text))
            unsaid -= named
            counts[intent] = counts.get(intent, 0) + own
    return found


def misheard(about: Subject, sentence: tuple[str, str], understander: Understander, voice: Voice) -> Finding | None:
    """What the appliance makes of an intent's sentence that the voice says; None where that is right, and at once."""
    intent, text = sentence
    sound = resample(voice.synthesize(about.language.spelled(text)), voice.rate_hz, SAMPLE_RATE_HZ)
    heard = understand_pcm(understander, np.concatenate([PAUSE, sound, PAUSE]), called=True)
    meant = about.language.match(text)
    right = heard.intent is not None and meant is not None and _same(heard.intent, meant)
    if right and heard.decision is Decision.ACT:
        return None
    if right:
        problem = f'"{text}" is understood, but asked back first'
    elif heard.intent is None:
        problem = f'"{text}" is heard as "{heard.text}" and refused'
    else:
        other = f"{heard.intent.name} {json.dumps(heard.intent.values)}"
        problem = f'"{text}" is heard as "{heard.text}": {other}'
    return Finding(
        level="warning",
        kind="misheard",
        place=about.place(intent, "") if intent in about.intents else "",
        intent=intent,
        sentence=text,
        problem=problem,
        remedy="say it yourself (appliance understand --record); if that is no better, use longer or other words",
    )


def with_sound(finding: Finding, recognizer: Recognizer, voice: Voice) -> Finding:
    """An unknown word with what is understood, freely, where the voice says it: that may do for its sound."""
    sound = resample(voice.synthesize(str(finding.sentence)), voice.rate_hz, SAMPLE_RATE_HZ)
    heard = dictated(recognizer, np.concatenate([PAUSE, sound, PAUSE]))
    return replace(finding, remedy=f'{finding.remedy}; said aloud it sounds like "{heard}"') if heard else finding


def _same(one: Intent, other: Intent) -> bool:
    return [(c.name, c.values) for c in one.commands] == [(c.name, c.values) for c in other.commands]


def _near(matcher: SoundMatcher, one: str, other: str) -> bool:
    phones = max(matcher.phones(one), matcher.phones(other))
    return min(matcher.apart(one, other), matcher.apart(other, one)) * 100 * phones <= CONFUSABLE


@dataclass(frozen=True, slots=True)
class _Name:
    """How something of the home is called."""

    kind: str
    """Only names of one kind stand in the same place of a sentence."""

    value: str
    """What it stands for."""

    spoken: str
    keys: Keys


def _names(home: HomeConfig) -> list[_Name]:
    found = []
    kinds: tuple[tuple[str, Sequence[Area | Device]], ...] = (("areas", home.areas), ("devices", home.devices))
    for kind, items in kinds:
        for number, item in enumerate(items):
            for name in (item.sounds_like or item.name, *item.aliases):
                found.append(_Name(kind, item.id, normalised(name), (kind, number)))
    for number, own in enumerate(home.lists):
        for at, entry in enumerate(own.spoken()):
            said = normalised(entry.sounds_like or entry.say)
            found.append(_Name(own.name, entry.value, said, ("lists", number, "values", at)))
    return found
