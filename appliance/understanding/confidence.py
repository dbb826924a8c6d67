"""How sure it is that a reading is right, and what follows: act, ask back, or refuse.

A logistic model of few features: how far the reading leads over the other readings, how far its sound is from what was
heard, how long it is (a short sentence sounds like much that is said to others), how far speech stands out of the
background, and, where it was needed, how far the reading is from what free dictation understood, and whether it is two
commands. `python -m tools.fit_confidence` made the numbers and says how good they are on speakers that they were not
made of.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from appliance.understanding.reading import Reading

SHARE_MOST = 0.98
"""A share beyond this says no more: the recognizer gave one reading only."""


RANGE_MOST_DB = 30.0
"""Speech that stands out further is as good as clean."""

FEATURES = ("lead", "cost", "length", "range", "apart", "two")

AT_ONCE_FEATURES = FEATURES[:4]
"""Of these, what is known without dictation."""


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
    range: float
    apart: float = 0.0
    two: float = 0.0


AT_ONCE = Model(bias=-1.21, lead=0.694, cost=-25.0, length=0.306, range=0.08)
"""Without dictation, for what is clear. Fitted to 1,145 readings, 948 of them right: 167 real drink orders, clean and
in noise, everyday phrasings in synthetic voices, and speech that was no command."""

SECOND_LOOK = Model(bias=-3.5, lead=0.324, cost=-6.62, length=0.954, range=0.065, apart=-5.47, two=-4.34)
"""With dictation, which costs more than the recognition; for all that is not clear. Fitted to 432 readings that were
not, 187 of them right. Of orders in noise all that were wrong are among them and every eighth that was right, so it
doubts too much; and of foreign speech only a part was dictated: it ranks well, and is not calibrated."""

CLEAR = 0.95
"""With this confidence and more at once, nobody listens a second time. Chosen, as the next three, in the table that
tools/fit_confidence.py prints, with each fifth of the speakers left out in turn: the most that is acted on with 1 wrong
action in 167 orders, mixed at 6 dB as the published benchmark does it, and none on what was
dictated of speech that was no command."""

SHORT_PHONES = 12
"""Sentences of fewer phones ('stop', 'never mind') are never clear at once: much that is said sounds like them. Nor are
two commands in one sentence."""

ACT_FROM = 0.85
CONFIRM_FROM = 0.4


@dataclass(frozen=True, slots=True)
class Judgement:
    """How sure, 0..1, and what follows."""

    confidence: float
    decision: Decision


def clear(reading: Reading, range_db: float) -> Judgement | None:
    """The judgement where the reading alone is enough to act; None where free dictation is to be heard, too.

    `range_db`: how far speech stands out of the background.
    """
    if reading.phones < SHORT_PHONES or reading.intent.then is not None:  # foreign speech is easily cut in two
        return None
    confidence = probability(AT_ONCE, reading, range_db, 0.0)
    return Judgement(round(confidence, 3), Decision.ACT) if confidence >= CLEAR else None


def judged(reading: Reading, range_db: float, apart: float) -> Judgement:
    """With what free dictation understood: `apart` is its distance from the reading, see `Reader.apart`.

    A sentence that both heard word by word is acted on from CONFIRM_FROM on: who said a plain "stop" is not asked back.
    """
    confidence = probability(SECOND_LOOK, reading, range_db, apart)
    agreed = reading.cost == 0.0 and apart == 0.0
    if confidence >= (CONFIRM_FROM if agreed else ACT_FROM):
        decision = Decision.ACT
    else:
        decision = Decision.CONFIRM if confidence >= CONFIRM_FROM else Decision.REFUSE
    return Judgement(round(confidence, 3), decision)


def features_of(reading: Reading, range_db: float, apart: float) -> tuple[float, ...]:
    """By FEATURES: lead (log odds of the share), cost, length (binary logarithm of the phones), range in dB, apart, and
    1 for two commands.
    """
    share = min(reading.share, SHARE_MOST)
    lead, length = math.log(share / (1 - share)), math.log2(max(1, reading.phones))
    two = float(reading.intent.then is not None)
    return lead, reading.cost, length, min(range_db, RANGE_MOST_DB), apart, two


def probability(model: Model, reading: Reading, range_db: float, apart: float) -> float:
    """That intent and all slots are right."""
    weights = (model.lead, model.cost, model.length, model.range, model.apart, model.two)
    features = features_of(reading, range_db, apart)
    log_odds = model.bias + sum(weight * feature for weight, feature in zip(weights, features, strict=True))
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, log_odds))))
