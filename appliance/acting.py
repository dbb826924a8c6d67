"""What an intent does: the loop's side of actions, timers and volume.

Actions run on a worker and look at an immutable situation; what they want changed comes back to the loop, which alone
owns timers and volume.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from appliance.clock import Clock
from appliance.errors import ApplianceError
from appliance.events import Event, TimerCancelled, TimerSet
from appliance.facts import Act, Acted, Fact, Rang, RingTimedOut
from appliance.home.actions import (
    Actions,
    CancelTimer,
    Change,
    Done,
    SetTimer,
    SetVolume,
    Situation,
    StopRinging,
)
from appliance.home.timers import Timers
from appliance.inbox import Post, one_line
from appliance.intent import Outcome
from appliance.worker import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class ActingRules:
    """What the configuration says about actions."""

    ring_frames: int
    """How long a timer rings when nobody stops it."""

    area: str
    dry_run: bool
    """Actions change nothing outside of the process."""


class Acting:
    """Owned by the frame loop; `due` is called once for each frame."""

    def __init__(self, *, actions: Actions, worker: Worker, post: Post, clock: Clock, rules: ActingRules) -> None:
        self._actions = actions
        self._worker = worker
        self._post = post
        self._clock = clock
        self._rules = rules
        self._timers = Timers()
        self._ring_until: int | None = None

    @property
    def timers(self) -> int:
        """How many run."""
        return len(self._timers)

    def renew(self, actions: Actions, rules: ActingRules) -> None:
        """Other devices, sentences or rules from now on; timers and a ring go on."""
        self._actions, self._rules = actions, rules

    def act(self, order: Act, frame: int, *, volume: int, changed: Callable[[Event | SetVolume], None]) -> None:
        """Carry out an intent on the worker.

        Args:
            order: what the dialog wants done.
            frame: the current frame.
            volume: percent, as the action may look at it.
            changed: called in the loop with what came of it: events of timers, and a volume to be set.
        """
        situation = Situation(
            now=self._clock.now(frame),
            steady_s=self._clock.steady_s(frame),
            timers=self._timers.active,
            volume=volume,
            last_reply=order.last_reply,
            area=self._rules.area,
            dry_run=self._rules.dry_run,
        )

        def job() -> None:
            try:
                done = self._actions.perform(order.intent, situation)
            except ApplianceError as error:
                done = Done(Outcome(ok=False, detail=one_line(error)))
            self._post(lambda at: self._acted(order, done, at, changed))

        if not self._worker.submit(job):
            refused = Done(Outcome(ok=False, detail="too many actions are waiting"))
            self._post(lambda at: self._acted(order, refused, at, changed))

    def due(self, frame: int) -> list[Fact]:
        """Timers that are over, and a ring that nobody stopped."""
        facts: list[Fact] = []
        for timer in self._timers.fired(self._clock.steady_s(frame)):
            self._ring_until = frame + self._rules.ring_frames
            facts.append(Rang(frame=frame, timer=timer.id, label=timer.label, due=_utc(timer.due)))
        if self._ring_until is not None and frame >= self._ring_until:
            self._ring_until = None
            facts.append(RingTimedOut(frame=frame))
        return facts

    def _acted(self, order: Act, done: Done, frame: int, changed: Callable[[Event | SetVolume], None]) -> Fact:
        """Back in the loop: change what is to be changed; the fact for the dialog."""
        outcome = done.outcome
        try:
            for change in done.changes:
                result = self._change(change, frame)
                if isinstance(result, Event):
                    result = msgspec.structs.replace(result, session=order.session)
                if result is not None:
                    changed(result)
        except ApplianceError as error:
            outcome = Outcome(ok=False, detail=one_line(error))
        return Acted(
            frame=frame,
            turn=order.turn,
            session=order.session,
            intent=order.intent,
            outcome=outcome,
            dry_run=self._rules.dry_run,
        )

    def _change(self, change: Change, frame: int) -> Event | SetVolume | None:
        match change:
            case SetTimer():
                now, steady_s = self._clock.now(frame), self._clock.steady_s(frame)
                timer = self._timers.set(now, steady_s, change.duration_s, change.label)
                return TimerSet(frame=frame, timer=timer.id, label=timer.label, due=_utc(timer.due))
            case CancelTimer():
                cancelled = self._timers.cancel(change.id)
                if cancelled is None:
                    return None
                due = _utc(cancelled.due)
                return TimerCancelled(frame=frame, timer=cancelled.id, label=cancelled.label, due=due)
            case StopRinging():
                self._ring_until = None
                return None
        return change


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
