"""How sure it is that a reading is right, and what follows: act, ask back, or refuse.

Two logistic models of few features. Of every reading: how far it leads over the other readings, how far its sound is
from what was heard, how long it is, how long somebody spoke outside of all its words (noise swallows words, and what is
left is a sentence, too), and how loud the noise is. Where that is not enough, how far it is from what free dictation
understood, how long it is (a short sentence sounds like much that is said to others), and whether it is two commands.
`python -m tools.fit_confidence` made the numbers and says how good they are on speakers that they were not made of.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from appliance.understanding.reading import Reading

SHARE_MOST = 0.98
"""A share beyond this says no more: the recognizer gave one reading only."""

MISSED_LEAST_S = 0.05
"""Added to what was missed, for its logarithm counts: a tenth of a second more matters where nothing else is missed."""

RANGE_MOST_DB = 25.0
"""What stands out of the noise by more is not heard better. The real orders have 26 at 6 dB, mixed as the published
benchmark does it, and 14 at 0 dB, in the median."""

MISSED_UNKNOWN_S = 1.0
"""What counts as missed where nothing tells when somebody spoke: a word or two."""


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


AT_ONCE = Model(bias=-5.03, weights={"lead": 0.413, "cost": -22.7, "length": 0.67, "missed": -0.677, "range": 0.0813})
"""Without dictation, for what is clear. Fitted to 1,432 readings, 1,100 of them right: 167 real drink orders, clean and
mixed with kitchen noise at 12, 6 and 0 dB by two methods, everyday phrasings in synthetic voices, and speech that was
no command."""

SECOND_LOOK = Model(bias=0.927, weights={"lead": 0.255, "cost": -11.8, "length": 0.0848, "apart": -4.74, "two": -1.08})
"""With dictation, which costs more than the recognition; for all that is not clear. Fitted to 832 readings that were
not, 208 of them right; of foreign speech to what dictation might have made likely."""

CLEAR = 0.85
"""With this confidence and more at once, nobody listens a second time. Chosen, as the next three, in the table that
tools/fit_confidence.py prints, with each fifth of the speakers left out in turn: against 0.9, 151 instead of 143 of 167
orders at 6 dB are acted on rightly, and one wrongly with both; against 0.8, at 0 dB 6 wrongly instead of 13 of 333."""

SHORT_PHONES = 14
"""Sentences of fewer phones ('stop', 'what time is it') are never clear at once: much that is said sounds like them. Of
7,199 utterances of foreign speech 49 would be clear from 9 phones on, 22 from 12, 14 from 14. Nor are two commands in
one sentence."""

ACT_FROM = 0.85
CONFIRM_FROM = 0.3
"""From 0.4 on 104 of 167 orders at 0 dB would be acted on or asked about rightly, from 0.3 on 110 are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What the sound tells of an utterance, and of a reading of it."""

    missed_s: float | None
    """How long somebody surely spoke outside of the reading's words; None: that cannot be told."""

    range_db: float
    """How far the voice stands out of the noise: the range of the levels."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How sure, 0..1, and what follows."""

    confidence: float
    decision: Decision


def clear(reading: Reading, spoken: Spoken) -> Judgement | None:
    """The judgement where the reading alone is enough to act; None where free dictation is to be heard, too."""
    if reading.phones < SHORT_PHONES or reading.intent.then is not None:  # foreign speech is easily cut in two
        return None
    confidence = probability(AT_ONCE, features_of(reading, spoken))
    return Judgement(round(confidence, 3), Decision.ACT) if confidence >= CLEAR else None


def judged(reading: Reading, apart: float) -> Judgement:
    """With what free dictation understood: `apart` is its distance from the reading, see `Reader.apart`.

    A sentence that both heard word by word is acted on from CONFIRM_FROM on: who said a plain "stop" is not asked back.
    """
    confidence = probability(SECOND_LOOK, features_of(reading, None, apart))
    agreed = reading.cost == 0.0 and apart == 0.0
    if confidence >= (CONFIRM_FROM if agreed else ACT_FROM):
        decision = Decision.ACT
    else:
        decision = Decision.CONFIRM if confidence >= CONFIRM_FROM else Decision.REFUSE
    return Judgement(round(confidence, 3), decision)


def features_of(reading: Reading, spoken: Spoken | None, apart: float = 0.0) -> dict[str, float]:
    """What the models weigh.

    Lead (log odds of the share), cost, length (binary logarithm of the phones), and 1 for two commands. AT_ONCE alone
    knows missed (binary logarithm of seconds) and range (dB), which are left out without `spoken`; SECOND_LOOK apart.
    """
    share = min(reading.share, SHARE_MOST)
    features = {
        "lead": math.log(share / (1 - share)),
        "cost": reading.cost,
        "length": math.log2(max(1, reading.phones)),
        "apart": apart,
        "two": float(reading.intent.then is not None),
    }
    if spoken is not None:
        missed_s = MISSED_UNKNOWN_S if spoken.missed_s is None else spoken.missed_s
        features["missed"] = math.log2(MISSED_LEAST_S + missed_s)
        features["range"] = min(spoken.range_db, RANGE_MOST_DB)
    return features


def probability(model: Model, features: dict[str, float]) -> float:
    """That intent and all slots are right."""
    log_odds = model.bias + sum(weight * features[name] for name, weight in model.weights.items())
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, log_odds))))
