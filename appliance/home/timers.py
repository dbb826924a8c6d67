"""Timers: which ones run, and which are over.

They belong to the frame loop, which asks `fired` once per frame; actions only see the immutable `Timer`s and order
changes. No clock is read here. A timer ends by the steady clock (`steady_s`, handed in), so it runs as long as it was
set even when the wall clock is put right meanwhile. The wall clock (`now`, aware of its zone) only says what to show as
`due`, in UTC. But a timer that comes from before the machine's start has no steady clock to go by: it follows the wall
clock, also when that is put right after a start without a time server.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from appliance.errors import StageError

LIMIT: Final = 32
"""Timers that may run at once: more than a kitchen needs, few enough to look at one by one on every frame."""

SHORTEST_S: Final = 1
LONGEST_S: Final = 7 * 24 * 60 * 60
"""A week; what lies further away is a date, not a timer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """A timer that runs."""

    id: str
    """`timer-1`, `timer-2`, ...: never given twice."""

    label: str | None
    """What it is for, as spoken: `pasta`."""

    duration_s: int
    """As asked for, SHORTEST_S..LONGEST_S."""

    ends_s: float
    """When it rings, on the steady clock, in whole microseconds."""

    due: datetime
    """When it rings, UTC, as the wall clock was when it was set: to be shown, and computed with after a boot alone."""

    paused_left_s: float | None = None
    """How long it still runs once it is resumed; None: it runs now."""

    by_wall: bool = False
    """It was set before the machine's start: it ends at `due`, whatever the steady clock says."""

    def left_s(self, steady_s: float) -> float:
        """How long it still runs at that moment of the steady clock, in whole microseconds; not above 0: it is over."""
        return _microseconds(self.ends_s - steady_s) if self.paused_left_s is None else self.paused_left_s


class Timers:
    """The running timers. Owned by one thread."""

    def __init__(self) -> None:
        """None runs yet."""
        self._running: dict[str, Timer] = {}
        self._given = 0

    def __len__(self) -> int:
        """How many run."""
        return len(self._running)

    @property
    def given(self) -> int:
        """How many there have been."""
        return self._given

    def restore(self, timers: Iterable[Timer], given: int, *, same_boot: bool) -> None:
        """Go on with timers of an earlier run. `same_boot`: their steady clock is the one of now."""
        for timer in timers:
            by_wall = timer.by_wall or not same_boot
            self._running[timer.id] = replace(timer, by_wall=by_wall and timer.paused_left_s is None)
        self._given = max(self._given, given)

    @property
    def active(self) -> tuple[Timer, ...]:
        """What runs; what ends first comes first."""
        return tuple(sorted(self._running.values(), key=_end))

    def set(self, now: datetime, steady_s: float, duration_s: int, label: str | None = None) -> Timer:
        """Start a timer at this moment, as told by the wall clock and by the steady one.

        Raises:
            StageError: the duration is out of range, or LIMIT timers run already; nothing was started.
        """
        if not SHORTEST_S <= duration_s <= LONGEST_S:
            raise StageError(f"timer of {duration_s} s: a timer runs from {SHORTEST_S} to {LONGEST_S} s")
        if len(self._running) >= LIMIT:
            raise StageError(f"timer of {duration_s} s: {LIMIT} timers run already; cancel one first")
        self._given += 1
        due = now.astimezone(UTC) + timedelta(seconds=duration_s)
        ends_s = _microseconds(steady_s + duration_s)
        timer = Timer(id=f"timer-{self._given}", label=label, duration_s=duration_s, ends_s=ends_s, due=due)
        self._running[timer.id] = timer
        return timer

    def change(self, id: str, now: datetime, steady_s: float, by_s: int) -> Timer | None:
        """Let a timer run longer, or shorter for less than nothing; None when it does not run (any more)."""
        timer = self._running.get(id)
        if timer is None:
            return None
        left_s = max(0.0, timer.left_s(steady_s) + by_s)
        changed = replace(timer, duration_s=max(SHORTEST_S, timer.duration_s + by_s))
        return self._put(changed, now, steady_s, left_s, paused=timer.paused_left_s is not None)

    def pause(self, id: str, now: datetime, steady_s: float) -> Timer | None:
        """Hold a timer; None when it does not run (any more)."""
        timer = self._running.get(id)
        return None if timer is None else self._put(timer, now, steady_s, timer.left_s(steady_s), paused=True)

    def resume(self, id: str, now: datetime, steady_s: float) -> Timer | None:
        """Let a held timer run; None when there is none."""
        timer = self._running.get(id)
        return None if timer is None else self._put(timer, now, steady_s, timer.left_s(steady_s), paused=False)

    def restart(self, id: str, now: datetime, steady_s: float) -> Timer | None:
        """Begin its time anew; None when it does not run (any more)."""
        timer = self._running.get(id)
        return None if timer is None else self._put(timer, now, steady_s, float(timer.duration_s), paused=False)

    def _put(self, timer: Timer, now: datetime, steady_s: float, left_s: float, *, paused: bool) -> Timer:
        """A running timer with another end."""
        timer = replace(
            timer,
            ends_s=_microseconds(steady_s + left_s),
            due=now.astimezone(UTC) + timedelta(seconds=left_s),
            paused_left_s=_microseconds(left_s) if paused else None,
            by_wall=False,
        )
        self._running[timer.id] = timer
        return timer

    def cancel(self, id: str) -> Timer | None:
        """Take a timer back; None when it does not run (any more)."""
        return self._running.pop(id, None)

    def follow_wall(self, now: datetime, steady_s: float) -> None:
        """Put the ends of timers from before the machine's start where the wall clock has them now."""
        for timer in [timer for timer in self._running.values() if timer.by_wall]:
            left_s = (timer.due - now).total_seconds()
            self._running[timer.id] = replace(timer, ends_s=_microseconds(steady_s + left_s))

    def fired(self, steady_s: float) -> list[Timer]:
        """The timers that are over at that moment of the steady clock, first ended first. They run no longer."""
        running = (timer for timer in self._running.values() if timer.paused_left_s is None)
        over = sorted((timer for timer in running if timer.left_s(steady_s) <= 0), key=_end)
        for timer in over:
            del self._running[timer.id]
        return over


def _end(timer: Timer) -> float:
    return timer.ends_s


def _microseconds(seconds: float) -> float:
    """Without the last digits of float sums: they would ring a frame late, or answer a second too much."""
    return round(seconds, 6)
