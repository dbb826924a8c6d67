"""Which threshold suits a place: counts what each would have made of sound in which nobody says the wake word."""

from collections.abc import Sequence
from math import exp

from msgspec import Struct

from appliance.audio.format import FRAME_MS, Frame
from appliance.errors import AudioError
from appliance.wake.card import card_of
from appliance.wake.engine import WakeEngine, WakeWord
from appliance.wake.sweep import Sweep

CERTAIN = 0.95
"""So certain must it be before a threshold below the present one is proposed."""

_STEPS = 20
"""Thresholds at 0.05, 0.10, ... 0.95, and the present one."""
_MOMENTS = 20
"""So many of the newest false wakes are kept with their place."""


class Row(Struct, frozen=True, kw_only=True):
    """What a threshold would have done here."""

    threshold: float
    false_wakes: int
    per_hour: float
    certainty: float
    """Probability that it keeps within what is allowed, in a place like this, 0..1."""

    misses: dict[str, float]
    """Share of the words it misses, 0..1, by condition; as the model's card has it, empty where that has nothing."""


class Finding(Struct, frozen=True, kw_only=True):
    """The result for one word."""

    word: str
    hours: float
    allowed_per_hour: float
    present_threshold: float
    proposed: Row | None
    """None where no threshold keeps within what is allowed."""

    rows: tuple[Row, ...]
    moments: tuple[str, ...]
    """Where it would have woken at the present threshold; the newest."""


class Tuning:
    """Counts, for one word."""

    def __init__(self, word: WakeWord, engine: WakeEngine) -> None:
        """`word`: with the threshold that is used at present; `engine`: hears it. Raises ModelError (its card)."""
        self.word = word
        self._thresholds = sorted({*(step / _STEPS for step in range(1, _STEPS)), word.threshold})
        self._present = self._thresholds.index(word.threshold)
        self._counts = [0] * len(self._thresholds)
        self._engine = engine
        self._curves = card_of(word.parts.files[0]).det if word.parts.files else ()
        self._sweep = Sweep(self._thresholds, word.window)
        self._moments: list[str] = []
        self._frames = 0
        """Heard so far, but for digital silence: nothing can wake in it, so it must not flatter the rate."""

    def process(self, frame: Frame, place: str) -> None:
        """Hear a frame. `place`: what a person finds it by, as the time of day. Index 0 begins something new."""
        if frame.index == 0:
            self._engine.reset()
            self._sweep = Sweep(self._thresholds, self.word.window)
        self._frames += bool(frame.pcm.any())
        for position in self._sweep.update(frame.index, self._engine.process(frame)):
            self._counts[position] += 1
            if position == self._present:
                self._moments = [*self._moments, place][-_MOMENTS:]

    @property
    def false_wakes(self) -> int:
        """At the present threshold."""
        return self._counts[self._present]

    def finding(self, allowed_per_hour: float) -> Finding:
        """What it comes to. Raises AudioError where nothing was heard."""
        if not self._frames:
            raise AudioError("nothing was heard but silence; see the microphone: appliance devices --meter")
        hours = self._frames * FRAME_MS / 3_600_000
        rows = tuple(
            Row(
                threshold=threshold,
                false_wakes=count,
                per_hour=count / hours,
                certainty=certainty(count, hours * allowed_per_hour),
                misses={curve.name: curve.at(threshold) for curve in self._curves},
            )
            for threshold, count in zip(self._thresholds, self._counts, strict=True)
        )
        return Finding(
            word=self.word.name,
            hours=hours,
            allowed_per_hour=allowed_per_hour,
            present_threshold=self.word.threshold,
            proposed=propose(rows, allowed_per_hour, self.word.threshold),
            rows=rows,
            moments=tuple(self._moments),
        )


def propose(rows: Sequence[Row], allowed_per_hour: float, present: float) -> Row | None:
    """The row of the lowest threshold that keeps within what is allowed: it misses the fewest words.

    Below the present one only where that is certain: an hour in which nothing happened proves little.
    """
    good = (row for row in rows if row.per_hour <= allowed_per_hour)
    return next((row for row in good if row.threshold >= present or row.certainty >= CERTAIN), None)


def certainty(count: int, allowed: float) -> float:
    """How certain it is that the rate is below `allowed` in this time, when so many came: 1 - P(at most so many)."""
    term = at_most = exp(-allowed)
    for number in range(1, count + 1):
        term *= allowed / number
        at_most += term
    return max(0.0, 1.0 - at_most)
