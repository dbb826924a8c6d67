"""The rolling service level: how many of the newest turns kept a person waiting for too long. Pure.

What counts is what a person waits: from the last frame of speech to the first sound of the answer, or to the action
where nothing is said. Turns with neither, as when nobody spoke, do not count.
"""

from collections import deque
from collections.abc import Sequence
from statistics import quantiles
from typing import Annotated, Final

from msgspec import Meta, Struct

from appliance.events import Milliseconds, Share, TurnFinished

WINDOW_TURNS: Final = 100
LEAST_TURNS: Final = 20
"""Fewer turns are not judged: one slow turn, the first after a start, would be more than the usual 5 % of them."""

RECOVERED_RATIO: Final = 0.5
"""A level that was missed is met again at this part of the allowed share, so that one on the edge is not told anew with
each turn."""


class ServiceFigures(Struct, frozen=True, kw_only=True):
    """The newest turns against the target."""

    target_ms: int
    allowed_share: Share
    """So many turns may take longer."""

    turns: Annotated[int, Meta(ge=0, le=WINDOW_TURNS)] = 0
    share: Share = 0.0
    """So many of these turns took longer; 0 before the first."""

    p50_ms: Milliseconds | None = None
    p95_ms: Milliseconds | None = None
    met: bool = True
    """False from the turn with which too many were slow, until far fewer are."""

    def __str__(self) -> str:
        """One sentence, for the log and for `appliance status`."""
        allowed = f"{100 * self.allowed_share:.0f} % may"
        if not self.turns:
            return f"no turns yet; {allowed} take longer than {self.target_ms} ms"
        return (
            f"{100 * self.share:.0f} % of {self.turns} turns took longer than {self.target_ms} ms ({allowed}), "
            f"p50 {self.p50_ms} ms, p95 {self.p95_ms} ms"
        )


class ServiceLevel:
    """Judges the newest 100 turns."""

    def __init__(self, *, target_ms: int, allowed_share: float) -> None:
        """`target_ms`: a turn that takes longer is slow. `allowed_share`: 0..1, how many may be."""
        self._times_ms: deque[int] = deque(maxlen=WINDOW_TURNS)
        self._figures = ServiceFigures(target_ms=target_ms, allowed_share=allowed_share)

    @property
    def figures(self) -> ServiceFigures:
        """How things stand."""
        return self._figures

    def update(self, turn: TurnFinished) -> bool:
        """Take a turn. True when with it a level that was met is missed, or the other way round."""
        time_ms = waited_ms(turn)
        if time_ms is None:
            return False
        self._times_ms.append(time_ms)
        before = self._figures
        limit = before.allowed_share if before.met else before.allowed_share * RECOVERED_RATIO
        turns = len(self._times_ms)
        share = sum(time_ms > before.target_ms for time_ms in self._times_ms) / turns
        self._figures = ServiceFigures(
            target_ms=before.target_ms,
            allowed_share=before.allowed_share,
            turns=turns,
            share=share,
            p50_ms=percentile(self._times_ms, 50),
            p95_ms=percentile(self._times_ms, 95),
            met=turns < LEAST_TURNS or share <= limit,
        )
        return self._figures.met is not before.met


def waited_ms(turn: TurnFinished) -> int | None:
    """What a person waited: to the first sound, or to the action where nothing is said; None where neither came."""
    return turn.action_ms if turn.first_audio_ms is None else turn.first_audio_ms


def percentile(values: Sequence[float], percent: int) -> int:
    """The percentile of a few values, interpolated between neighbours (inclusive method)."""
    if len(values) == 1:
        return round(values[0])
    return round(quantiles(values, n=100, method="inclusive")[percent - 1])
