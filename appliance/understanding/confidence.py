"""How sure it is that a reading is right, and what follows: act, ask back, or refuse.

A logistic model of few features, all of them of the reading: how far it leads over the other readings, how far its
sound is from what was heard, how long it is (a short sentence sounds like much that is said to others), and, where it
was needed, how far it is from what free dictation understood. `python -m tools.fit_confidence` made the numbers and
says how good they are on speakers they were not made of.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from appliance.understanding.reading import Reading

SHARE_MOST = 0.98
"""A share beyond this says no more: the recognizer gave one reading only."""


FEATURES = ("lead", "cost", "length", "apart")


class Decision(StrEnum):
    """What to do about a sentence."""

    ACT = "act"
    CONFIRM = "confirm"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Weights of the features; log odds of being right."""

    bias: float
    lead: float
    cost: float
    length: float
    apart: float = 0.0


AT_ONCE = Model(bias=0.764, lead=0.697, cost=-16.9, length=0.169)
"""Without dictation, for what is clear. Fitted to 2,215 readings, 1,554 of them right: 167 real drink orders and 300
synthetic commands, clean and in noise, and speech that was no command."""

SECOND_LOOK = Model(bias=-0.245, lead=0.0204, cost=-1.84, length=0.53, apart=-8.78)
"""With dictation, which costs more than the recognition; for all that is not clear. Fitted to 252 readings, 75 of them
right. They were picked as the hard ones, partly by whether they were right: it ranks well, and is not calibrated."""

CLEAR = 0.7
"""With this confidence and more at once, nobody listens a second time. Chosen, as the next two, among six values in the
table that tools/fit_confidence.py prints, which is of the recordings of the fit, with each speaker left out in turn."""

SHORT_PHONES = 12
"""Sentences of fewer phones ('stop', 'never mind') are never clear at once: much that is said sounds like them. Nor are
two commands in one sentence."""

ACT_FROM = 0.7
CONFIRM_FROM = 0.3


@dataclass(frozen=True, slots=True)
class Judgement:
    """How sure, 0..1, and what follows."""

    confidence: float
    decision: Decision


def clear(reading: Reading) -> Judgement | None:
    """The judgement where the reading alone is enough to act; None where free dictation is to be heard, too."""
    if reading.phones < SHORT_PHONES or reading.intent.then is not None:  # foreign speech is easily cut in two
        return None
    confidence = probability(AT_ONCE, reading, 0.0)
    return Judgement(round(confidence, 3), Decision.ACT) if confidence >= CLEAR else None


def judged(reading: Reading, apart: float) -> Judgement:
    """With what free dictation understood: `apart` is its distance from the reading, see `Reader.apart`."""
    confidence = probability(SECOND_LOOK, reading, apart)
    if confidence >= ACT_FROM:
        decision = Decision.ACT
    else:
        decision = Decision.CONFIRM if confidence >= CONFIRM_FROM else Decision.REFUSE
    return Judgement(round(confidence, 3), decision)


def features_of(share: float, cost: float, phones: int, apart: float) -> tuple[float, float, float, float]:
    """By FEATURES: lead (log odds of the share), cost, length (binary logarithm of the phones), apart."""
    share = min(share, SHARE_MOST)
    return math.log(share / (1 - share)), cost, math.log2(max(1, phones)), apart


def probability(model: Model, reading: Reading, apart: float) -> float:
    """That intent and all slots are right."""
    weights = (model.lead, model.cost, model.length, model.apart)
    features = features_of(reading.share, reading.cost, reading.phones, apart)
    log_odds = model.bias + sum(weight * feature for weight, feature in zip(weights, features, strict=True))
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, log_odds))))
