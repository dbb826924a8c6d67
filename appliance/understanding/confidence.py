"""How sure it is that a reading is right, and what follows: act, ask back, or refuse.

Two logistic models of few features. Of every reading: how far it leads over the other readings, how far its sound is
from what was heard, how long it is, how long somebody spoke outside of all its words (noise swallows words, and what is
left is a sentence, too), and how much likelier it is than just any talk. Where that is not enough, instead of the time
outside of its words, how far it is from what free dictation understood, and whether it is two commands.
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

MISSED_UNKNOWN_S = 1.0
"""What counts as missed where nothing tells when somebody spoke: a word or two."""

FILLER_MOST = 3.0
"""A text that is likelier than just any talk by more for each phone is no surer."""

FILLER_UNKNOWN = 1.0
"""What counts for each phone where a language has no common words: between commands and other speech."""


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


AT_ONCE = Model(bias=-4.45, weights={"lead": 0.563, "cost": -21.3, "length": 0.334, "missed": -0.595, "filler": 0.956})
"""Without dictation, for what is clear. Fitted to 2,114 readings, 1,348 of them right: 167 real drink orders, clean and
mixed with kitchen noise at 12, 6 and 0 dB by two methods, everyday phrasings in synthetic voices, in quiet and with
noise, and speech that was no command."""

SECOND_LOOK = Model(
    bias=-0.807,
    weights={"lead": 0.0996, "cost": -14.6, "length": 0.243, "apart": -6.01, "two": -0.782, "filler": 0.552},
)
"""With dictation, which costs more than the recognition; for all that is not clear. Fitted to 1,550 readings that were
not, 174 of them right."""

CLEAR = 0.75
"""With this confidence and more at once, nobody listens a second time. Chosen, as the next three, in the table that
tools/fit_confidence.py prints, with each fifth of the speakers left out in turn: against 0.8, 159 instead of 154 of 167
orders at 6 dB are acted on rightly, and one wrongly with both; of 1,758 and 1,841 utterances of foreign speech 5 and 3
instead of 3 and 3 are acted on."""

SHORT_PHONES = 9
"""Sentences of fewer phones ('stop', 'pause') are never clear at once: much that is said sounds like them. Of 1,841
utterances of foreign speech 60 more would be clear from 8 phones on, all but a few of them one name, "Athena", that
sounds like "that's enough". Nor are two commands in one sentence."""

ACT_FROM = 0.85
CONFIRM_FROM = 0.2
"""From 0.3 on 117 of 167 orders at 0 dB would be acted on or asked about rightly, from 0.2 on 122 are; of 1,841 foreign
utterances that had no part in the fit 88 are asked about instead of 8, nearly all of them that one name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What the sound tells of an utterance, and of a reading of it."""

    missed_s: float | None
    """How long somebody surely spoke outside of the reading's words; None: that cannot be told."""

    beyond_filler: float | None
    """How much likelier the reading's text is than just any talk, as a logarithm; None: that cannot be told."""


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


def judged(reading: Reading, spoken: Spoken, apart: float) -> Judgement:
    """With what free dictation understood: `apart` is its distance from the reading, see `Reader.apart`.

    A sentence that both heard word by word is acted on from CONFIRM_FROM on: who said a plain "stop" is not asked back.
    """
    confidence = probability(SECOND_LOOK, features_of(reading, spoken, apart))
    agreed = reading.cost == 0.0 and apart == 0.0
    if confidence >= (CONFIRM_FROM if agreed else ACT_FROM):
        decision = Decision.ACT
    else:
        decision = Decision.CONFIRM if confidence >= CONFIRM_FROM else Decision.REFUSE
    return Judgement(round(confidence, 3), decision)


def features_of(reading: Reading, spoken: Spoken, apart: float = 0.0) -> dict[str, float]:
    """What the models weigh.

    Lead (log odds of the share), cost, length (binary logarithm of the phones), missed (binary logarithm of seconds),
    filler (logarithm for each phone), apart, and 1 for two commands.
    """
    share = min(reading.share, SHARE_MOST)
    missed_s = MISSED_UNKNOWN_S if spoken.missed_s is None else spoken.missed_s
    phones = max(1, reading.phones)
    filler = FILLER_UNKNOWN if spoken.beyond_filler is None else min(spoken.beyond_filler / phones, FILLER_MOST)
    return {
        "lead": math.log(share / (1 - share)),
        "cost": reading.cost,
        "length": math.log2(phones),
        "missed": math.log2(MISSED_LEAST_S + missed_s),
        "filler": filler,
        "apart": apart,
        "two": float(reading.intent.then is not None),
    }


def probability(model: Model, features: dict[str, float]) -> float:
    """That intent and all slots are right."""
    log_odds = model.bias + sum(weight * features[name] for name, weight in model.weights.items())
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, log_odds))))
