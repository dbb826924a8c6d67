"""How sure it is that a reading is right, and what follows: act, ask back, or refuse.

Two logistic models of few features. Of every reading: how far it leads over the other readings, how far its sound is
from what was heard, and how fast it would have been spoken (a sentence that lost words in noise is too short for the
time that somebody spoke). Where that is not enough, how far it is from what free dictation understood, how long it is
(a short sentence sounds like much that is said to others), and whether it is two commands. `python -m
tools.fit_confidence` made the numbers and says how good they are on speakers that they were not made of.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from appliance.understanding.reading import Reading

SHARE_MOST = 0.98
"""A share beyond this says no more: the recognizer gave one reading only."""

RATE_MOST = 14.0
"""Phones a second; faster speech is as good. Half of the real orders are said with 11 to 14."""

SPEECH_LEAST_S = 0.2
"""Where less than this is speech, nobody spoke."""


class Decision(StrEnum):
    """What to do about a sentence."""

    ACT = "act"
    CONFIRM = "confirm"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Log odds of being right: a sum over features."""

    bias: float
    weights: dict[str, float]
    """By the names of `features_of`."""


AT_ONCE = Model(bias=-3.75, weights={"lead": 0.707, "cost": -28.7, "rate": 0.467})
"""Without dictation, for what is clear. Fitted to 1,127 readings, 939 of them right: 167 real drink orders, clean and
mixed with kitchen noise at 12 and 6 dB by two methods, everyday phrasings in synthetic voices, and speech that was no
command."""

SECOND_LOOK = Model(bias=-0.879, weights={"lead": 0.345, "cost": -11.9, "length": 0.615, "apart": -4.89, "two": -1.68})
"""With dictation, which costs more than the recognition; for all that is not clear. Fitted to 820 readings that were
not, 177 of them right; of the foreign speech that no dictation would have made likely, to every fifth with five times
the weight."""

CLEAR = 0.8
"""With this confidence and more at once, nobody listens a second time. Chosen, as the next three, in the table that
tools/fit_confidence.py prints, with each fifth of the speakers left out in turn: against 0.9 more is acted on and fewer
utterances are dictated; nothing more is wrong at 6 and 12 dB, mixed as the published benchmark does it, and no speech
that was no command is acted on."""

SHORT_PHONES = 12
"""Sentences of fewer phones ('stop', 'never mind') are never clear at once: much that is said sounds like them. Nor are
two commands in one sentence."""

ACT_FROM = 0.8
"""From 0.7 on foreign speech would be acted on."""

CONFIRM_FROM = 0.4


@dataclass(frozen=True, slots=True)
class Judgement:
    """How sure, 0..1, and what follows."""

    confidence: float
    decision: Decision


def clear(reading: Reading, speech_s: float) -> Judgement | None:
    """The judgement where the reading alone is enough to act; None where free dictation is to be heard, too.

    `speech_s`: how long somebody surely spoke.
    """
    if reading.phones < SHORT_PHONES or reading.intent.then is not None:  # foreign speech is easily cut in two
        return None
    confidence = probability(AT_ONCE, reading, speech_s=speech_s)
    return Judgement(round(confidence, 3), Decision.ACT) if confidence >= CLEAR else None


def judged(reading: Reading, apart: float) -> Judgement:
    """With what free dictation understood: `apart` is its distance from the reading, see `Reader.apart`.

    A sentence that both heard word by word is acted on from CONFIRM_FROM on: who said a plain "stop" is not asked back.
    """
    confidence = probability(SECOND_LOOK, reading, apart=apart)
    agreed = reading.cost == 0.0 and apart == 0.0
    if confidence >= (CONFIRM_FROM if agreed else ACT_FROM):
        decision = Decision.ACT
    else:
        decision = Decision.CONFIRM if confidence >= CONFIRM_FROM else Decision.REFUSE
    return Judgement(round(confidence, 3), decision)


def features_of(reading: Reading, *, speech_s: float, apart: float) -> dict[str, float]:
    """Lead (log odds of the share), cost, rate in phones a second (0: nobody spoke), length (binary logarithm of the
    phones), apart, and 1 for two commands.
    """
    share = min(reading.share, SHARE_MOST)
    return {
        "lead": math.log(share / (1 - share)),
        "cost": reading.cost,
        "rate": min(reading.phones / speech_s, RATE_MOST) if speech_s >= SPEECH_LEAST_S else 0.0,
        "length": math.log2(max(1, reading.phones)),
        "apart": apart,
        "two": float(reading.intent.then is not None),
    }


def probability(model: Model, reading: Reading, *, speech_s: float = 0.0, apart: float = 0.0) -> float:
    """That intent and all slots are right; each model knows one of `speech_s` and `apart`."""
    features = features_of(reading, speech_s=speech_s, apart=apart)
    log_odds = model.bias + sum(weight * features[name] for name, weight in model.weights.items())
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, log_odds))))
