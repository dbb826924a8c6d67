"""What was most likely meant, out of several texts that may have been said.

A text that is a sentence of the language means that; any other means what sounds most like it, and with less weight
what sounds nearly as much like it. What several texts mean gains by each of them. So a slot that the recognizer wavers
about has little lead over the next reading, and two readings of the same weight are a tie.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from appliance.intent import Intent
from appliance.understanding.soundalike import SoundMatcher

LIKELIHOOD_WEIGHT = 0.2
"""Of the recognizer's log likelihood: it says too loudly which text is better, as every sum over frames does."""

DISTANCE_WEIGHT = 0.01
"""Of a hundredth of distance: a lost phone weighs as much as 2 of log likelihood. Both were chosen in a coarse grid on
the 167 real drink orders of the developers' recordings, where neighbouring values differ by one or two orders."""

RIVAL_DISTANCE = 200
"""What sounds less like it by more than this counts for nothing: two phones."""

SEARCHED_TEXTS = 2
"""Of an utterance's texts that are no sentence, so many, the likeliest, are searched for what sounds like them: one
search takes 0.1 s in the built-in language. Of 158 drink orders at 6 dB all five gave 139 right, these 138."""

REMEMBERED_TEXTS = 64
"""An utterance is read a second time when it is looked at again."""

Meaning = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was most likely meant."""

    intent: Intent

    share: float
    """Of the weight of all meanings, 0..1."""

    cost: float
    """Distance of text and sentence for each phone; 0: the text is a sentence of the language."""

    phones: int
    """Of the sentence."""

    rival: Intent | None
    """The second best meaning."""

    text: int = 0
    """Index of the text that speaks most for it."""


@dataclass(slots=True)
class _Evidence:
    intent: Intent
    cost: float
    text: int
    best: float
    weight: float


class Reader:
    """Reads what the recognizer returns. Pure: the same texts have the same reading."""

    def __init__(self, match: Callable[[str], Intent | None], bare: Callable[[str], str], sounds: SoundMatcher) -> None:
        """`match`: the intent of a text that is a sentence; `bare`: a text without 'please' and the like around it."""
        self._match = match
        self._bare = bare
        self._sounds = sounds
        self._meanings = functools.lru_cache(maxsize=REMEMBERED_TEXTS)(self._meanings_of)

    def read(self, texts: Sequence[str], likelihoods: Sequence[float]) -> Reading | None:
        """The likeliest meaning; None when there is no text, or none that sounds like any sentence.

        Args:
            texts: what may have been said, best first.
            likelihoods: of each text, as logarithms; only their differences count.
        """
        found: dict[Meaning, _Evidence] = {}
        unsaid = [text for text in texts if self._match(text) is None][SEARCHED_TEXTS:]
        for number, (text, likelihood) in enumerate(zip(texts, likelihoods, strict=True)):
            if text in unsaid:
                continue
            worse = LIKELIHOOD_WEIGHT * (max(likelihoods) - likelihood)
            for intent, distance, cost in self._meanings(text):
                weight = math.exp(-worse - DISTANCE_WEIGHT * distance)
                evidence = found.setdefault(_meaning(intent), _Evidence(intent, cost, number, 0.0, 0.0))
                evidence.weight += weight
                if weight > evidence.best:
                    evidence.intent, evidence.cost, evidence.text, evidence.best = intent, cost, number, weight
        if not found:
            return None
        ranked = sorted(found.values(), key=lambda evidence: -evidence.weight)
        return Reading(
            intent=ranked[0].intent,
            share=ranked[0].weight / sum(evidence.weight for evidence in ranked),
            cost=ranked[0].cost,
            phones=self._sounds.phones(ranked[0].intent.text),
            rival=ranked[1].intent if len(ranked) > 1 else None,
            text=ranked[0].text,
        )

    def phones(self, text: str) -> int:
        """How many phones a text has, without 'please' and the like around it."""
        return self._sounds.phones(self._bare(text))

    def apart(self, text: str, intent: Intent) -> float:
        """How far a text, understood freely, is from what was read: 0 the same, 0.4 and more nothing in common."""
        return self._sounds.apart(self._bare(text), self._bare(intent.text))

    def _meanings_of(self, text: str) -> tuple[tuple[Intent, int, float], ...]:
        """What a text may mean, with its distance and the distance for each phone."""
        said = self._match(text)
        if said is not None:
            return ((said, 0, 0.0),)
        meant: dict[Meaning, tuple[Intent, int, float]] = {}
        for alike in self._sounds.near(self._bare(text), RIVAL_DISTANCE):
            intent = self._match(alike.text)
            if intent is not None:
                meant.setdefault(_meaning(intent), (intent, alike.distance, alike.cost))
        return tuple(meant.values())


def _meaning(intent: Intent) -> Meaning:
    return tuple((one.name, tuple(sorted(one.values.items()))) for one in intent.commands)
