"""What an intent does: the loop's side of actions, timers, alarms, the shopping list and volume.

Actions run on a worker and look at an immutable situation; what they want changed comes back to the loop, which alone
owns all of these.
"""

import dataclasses
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from appliance.audio.format import FRAMES_PER_S
from appliance.clock import Clock
from appliance.errors import ApplianceError
from appliance.events import AlarmCancelled, AlarmSet, Event, TimerCancelled, TimerPaused, TimerSet
from appliance.facts import Act, Acted, AskedToSay, Fact, Rang, RingTimedOut
from appliance.home.actions import (
    Actions,
    CancelAlarm,
    CancelTimer,
    Change,
    ChangeTimer,
    Done,
    KeepShopping,
    PauseTimer,
    RestartTimer,
    ResumeTimer,
    SetAlarm,
    SetTimer,
    SetVolume,
    Situation,
    StopRinging,
)
from appliance.home.alarms import Alarm, Alarms
from appliance.home.remembered import Remembered
from appliance.home.timers import Timer, Timers
from appliance.inbox import Post, one_line
from appliance.intent import Outcome
from appliance.memory import Memory
from appliance.status import Waiting
from appliance.worker import Worker, ahead

LATE: Final = timedelta(minutes=1)
"""What was due longer ago when the appliance starts is told, and not rung for: nobody stands at the stove any more."""

REMEMBER_AGAIN_FRAMES: Final = 60 * FRAMES_PER_S
"""A disk that refused is tried again each minute."""


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

    def __init__(
        self,
        *,
        actions: Actions,
        worker: Worker,
        post: Post,
        clock: Clock,
        rules: ActingRules,
        memory: Memory | None = None,
        boot: str = "",
    ) -> None:
        """`memory`: what outlives the process; None: nothing does. `boot`: names this start of the machine."""
        self._actions = actions
        self._worker = worker
        self._post = post
        self._clock = clock
        self._rules = rules
        self._timers = Timers()
        self._alarms = Alarms()
        self._rung: Alarm | None = None
        self._shopping: tuple[str, ...] = ()
        self._ring_until: int | None = None
        self._memory = memory
        self._boot = boot
        self._just_restored = memory is not None
        self._remember_again_at = 0
        if memory is not None:
            self._restore(memory.load())

    @property
    def timers(self) -> int:
        """How many timers run, and alarms and reminders wait."""
        return len(self._timers) + len(self._alarms)

    def waiting(self) -> Waiting:
        """What will ring, and when next."""
        timers = [timer.due for timer in self._timers.active if timer.paused_left_s is None]
        alarms = [alarm.due.astimezone(UTC) for alarm in self._alarms.waiting]
        return Waiting(
            timers=len(self._timers),
            next_timer=f"{min(timers):%Y-%m-%dT%H:%M:%SZ}" if timers else None,
            alarms=len(self._alarms),
            next_alarm=f"{min(alarms):%Y-%m-%dT%H:%M:%SZ}" if alarms else None,
        )

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
        situation = self._situation(order, frame, volume)

        def job() -> None:
            try:
                done = self._actions.perform(order.intent, situation)
            except ApplianceError as error:
                done = Done(Outcome(ok=False, detail=one_line(error)))
            self._post(lambda at: self._acted(order, done, at, changed))

        if not self._worker.submit(job):
            refused = Done(Outcome(ok=False, detail="too many actions are waiting"))
            self._post(lambda at: self._acted(order, refused, at, changed))

    def prepare(self, order: Act, frame: int, *, volume: int, ready: Callable[[str], None]) -> None:
        """Find out what would be answered, without doing anything; `ready` is called in the loop with that text."""
        situation = dataclasses.replace(self._situation(order, frame, volume), dry_run=True)

        def job() -> None:
            reply = self._actions.perform(order.intent, situation).outcome.reply
            if reply:
                self._post(lambda at: ready(reply))

        self._worker.submit(ahead(job))

    def due(self, frame: int) -> list[Fact]:
        """Timers that are over, alarms and reminders that are due, and a ring that nobody stopped."""
        facts = self._rings(frame) if self.timers else []
        self._just_restored = False
        if facts:
            self._remember()
        elif self._memory is not None and frame >= self._remember_again_at:
            self._remember_again_at = frame + REMEMBER_AGAIN_FRAMES
            self._memory.keep_again()
        if self._ring_until is not None and frame >= self._ring_until:
            self._ring_until = None
            facts.append(RingTimedOut(frame=frame))
        return facts

    def _rings(self, frame: int) -> list[Fact]:
        """What is over or due at this frame, by both clocks."""
        now, steady_s = self._clock.now(frame), self._clock.steady_s(frame)
        self._timers.follow_wall(now, steady_s)
        facts: list[Fact] = []
        for timer in self._timers.fired(steady_s):
            facts += self._timer_rings(timer, now, frame)
        for alarm in self._alarms.fired(now.replace(tzinfo=None)):
            facts += self._alarm_rings(alarm, now, frame)
        return facts

    def _timer_rings(self, timer: Timer, now: datetime, frame: int) -> list[Fact]:
        rang = Rang(frame=frame, timer=timer.id, label=timer.label, due=_utc(timer.due))
        if self._is_late(timer.due, now):
            said = self._actions.late("timer", timer.label, timer.due.astimezone(now.tzinfo), now)
            return [AskedToSay(frame=frame, text=said), dataclasses.replace(rang, late=True)]
        self._ring_until = frame + self._rules.ring_frames
        return [rang]

    def _alarm_rings(self, alarm: Alarm, now: datetime, frame: int) -> list[Fact]:
        due = self._due(alarm, frame)
        rang = Rang(frame=frame, timer=alarm.id, label=alarm.label, due=due, kind=alarm.kind)
        if self._is_late(alarm.due.replace(tzinfo=now.tzinfo), now):
            said = self._actions.late(alarm.kind, alarm.label, alarm.due, now)
            return [AskedToSay(frame=frame, text=said), dataclasses.replace(rang, late=True)]
        self._ring_until = frame + self._rules.ring_frames
        self._rung = alarm
        return [rang] if alarm.says is None else [AskedToSay(frame=frame, text=alarm.says), rang]

    def _is_late(self, due: datetime, now: datetime) -> bool:
        """It was due long before this process could ring."""
        return self._just_restored and now - due > LATE

    def _restore(self, remembered: Remembered) -> None:
        same_boot = bool(self._boot) and remembered.boot == self._boot
        self._timers.restore(remembered.timers, remembered.timers_given, same_boot=same_boot)
        self._alarms.restore(remembered.alarms, remembered.alarms_given)
        self._shopping = remembered.shopping

    def _remember(self) -> None:
        """Something changed that must outlive the process."""
        if self._memory is None:
            return
        self._memory.keep(
            Remembered(
                boot=self._boot,
                timers=self._timers.active,
                timers_given=self._timers.given,
                alarms=self._alarms.waiting,
                alarms_given=self._alarms.given,
                shopping=self._shopping,
            )
        )

    def close(self) -> None:
        """Write what is not written yet; the worker has ended."""
        if self._memory is not None:
            with suppress(OSError):
                self._memory.write()

    def _situation(self, order: Act, frame: int, volume: int) -> Situation:
        return Situation(
            now=self._clock.now(frame),
            steady_s=self._clock.steady_s(frame),
            timers=self._timers.active,
            volume=volume,
            last_reply=order.last_reply,
            last=order.last,
            area=self._rules.area,
            dry_run=self._rules.dry_run,
            alarms=self._alarms.waiting,
            rung=self._rung,
            ringing=order.ringing,
            shopping=self._shopping,
        )

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
        if done.changes:
            self._remember()
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
            case SetVolume():
                return change
            case StopRinging():
                self._ring_until = None
            case KeepShopping(items):
                self._shopping = items
            case SetAlarm():
                alarm = self._alarms.set(
                    change.kind, change.due, weekdays=change.weekdays, label=change.label, says=change.says
                )
                return AlarmSet(
                    frame=frame,
                    alarm=alarm.id,
                    kind=alarm.kind,
                    label=alarm.label,
                    due=self._due(alarm, frame),
                    weekdays=alarm.weekdays,
                )
            case CancelAlarm(id):
                taken = self._alarms.cancel(id)
                if taken is not None:
                    due = self._due(taken, frame)
                    return AlarmCancelled(frame=frame, alarm=taken.id, kind=taken.kind, label=taken.label, due=due)
            case _:
                return self._change_timer(change, frame)
        return None

    def _change_timer(self, change: Change, frame: int) -> Event | None:
        now, steady_s = self._clock.now(frame), self._clock.steady_s(frame)
        timer: Timer | None = None
        match change:
            case SetTimer():
                timer = self._timers.set(now, steady_s, change.duration_s, change.label)
            case ChangeTimer():
                timer = self._timers.change(change.id, now, steady_s, change.by_s)
            case ResumeTimer(id):
                timer = self._timers.resume(id, now, steady_s)
            case RestartTimer(id):
                timer = self._timers.restart(id, now, steady_s)
            case PauseTimer(id):
                timer = self._timers.pause(id, now, steady_s)
            case CancelTimer(id):
                cancelled = self._timers.cancel(id)
                if cancelled is not None:
                    due = _utc(cancelled.due)
                    return TimerCancelled(frame=frame, timer=cancelled.id, label=cancelled.label, due=due)
        if timer is None:
            return None
        if timer.paused_left_s is not None:
            left_s = round(timer.paused_left_s)
            return TimerPaused(frame=frame, timer=timer.id, label=timer.label, left_s=left_s)
        return TimerSet(frame=frame, timer=timer.id, label=timer.label, due=_utc(timer.due))

    def _due(self, alarm: Alarm, frame: int) -> str:
        """When an alarm rings, as events tell it."""
        return _utc(alarm.due.replace(tzinfo=self._clock.now(frame).tzinfo))


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
