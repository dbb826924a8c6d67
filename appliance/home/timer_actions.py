"""What the intents about timers do."""

from collections.abc import Callable
from typing import Final

from appliance.home.timers import LIMIT, LONGEST_S, SHORTEST_S, Timer
from appliance.home.turn import (
    CancelTimer,
    Change,
    ChangeTimer,
    Done,
    PauseTimer,
    RestartTimer,
    ResumeTimer,
    SetTimer,
    StopRinging,
    Turn,
)
from appliance.intent import Outcome

TIMERS_TOLD: Final = 3
"""How many timers are told one by one: nobody remembers more from one answer."""


def timer_set(turn: Turn) -> Done:
    """Slots: `duration` in seconds, and perhaps a `label`. Without a duration it asks for one."""
    if "duration" not in turn.intent.values:
        return turn.regrets("timer_how_long", "no duration was said")
    duration_s, label = turn.whole("duration"), turn.text("label")
    if not SHORTEST_S <= duration_s <= LONGEST_S:
        return turn.regrets("timer_range", f"{duration_s} s", longest=turn.phrases.duration(LONGEST_S))
    if len(turn.situation.timers) >= LIMIT:
        return turn.regrets("timer_too_many", f"{LIMIT} timers run", count=turn.phrases.count(LIMIT))
    change, duration = SetTimer(duration_s=duration_s, label=label), turn.phrases.duration(duration_s)
    if label is None:
        return turn.says("timer_set", change, duration=duration)
    return turn.says("timer_set_named", change, duration=duration, label=label)


def timer_ask(turn: Turn) -> Done:
    """Slot: perhaps the `label` of the timers that are meant; without it all are told, the next ones first."""
    timers = _timers_meant(turn)
    if not timers:
        return _no_timer(turn)
    if len(timers) == 1 and turn.text("label") is None:
        return turn.says("timer_left", duration=_left(turn, timers[0]))
    if len(timers) == 1:
        return turn.says("timer_left_named", duration=_left(turn, timers[0]), timer=_called(turn, timers[0]))
    told = [
        turn.answer("timer_each", duration=_left(turn, timer), timer=_called(turn, timer))
        for timer in timers[:TIMERS_TOLD]
    ]
    key = "timer_list" if len(timers) <= TIMERS_TOLD else "timer_list_first"
    return turn.says(key, count=turn.phrases.count(len(timers)), timers=turn.phrases.listing(told))


def timer_cancel(turn: Turn) -> Done:
    """Slots: perhaps a `label`, a `duration`, or `all`; without them the only one. Nothing is guessed among several.

    While a timer rings and no other is meant, it is the one that rings.
    """
    timers = _timers_meant(turn)
    if not timers and turn.situation.ringing:
        return Done(Outcome(ok=True, ends=True), (StopRinging(),))
    if not timers:
        return _no_timer(turn)
    if len(timers) == 1:
        return turn.says("timer_cancelled", CancelTimer(timers[0].id), timer=_called(turn, timers[0]))
    count = turn.phrases.count(len(timers))
    if turn.text("all") is not None:
        return turn.says("timers_cancelled", *(CancelTimer(timer.id) for timer in timers), count=count)
    return _which(turn, timers)


def timer_add(turn: Turn) -> Done:
    """Slots: `duration`, which is added to the timer that is meant, and perhaps its `label`."""
    return _changed(turn, turn.whole("duration"))


def timer_shorten(turn: Turn) -> Done:
    """Slots as in `timer_add`; a timer that would be over by then rings at once."""
    return _changed(turn, -turn.whole("duration"))


def timer_pause(turn: Turn) -> Done:
    """Slot: perhaps the `label` of the timer."""
    return _ordered(turn, "timer_paused", lambda timer: PauseTimer(timer.id))


def timer_resume(turn: Turn) -> Done:
    """Slot: perhaps the `label` of the timer; without it, the one that is held."""
    return _ordered(turn, "timer_resumed", lambda timer: ResumeTimer(timer.id), among=_held)


def timer_restart(turn: Turn) -> Done:
    """Slot: perhaps the `label` of the timer."""
    return _ordered(turn, "timer_restarted", lambda timer: RestartTimer(timer.id))


def _held(timer: Timer) -> bool:
    return timer.paused_left_s is not None


def _ordered(
    turn: Turn, key: str, change: Callable[[Timer], Change], among: Callable[[Timer], bool] = lambda timer: True
) -> Done:
    """One change to the one timer that is meant, preferably one of those `among` which one looks."""
    timers = _timers_meant(turn, with_duration=False)
    timers = tuple(timer for timer in timers if among(timer)) or timers
    if not timers:
        return _no_timer(turn)
    if len(timers) > 1:
        return _which(turn, timers)
    left = _left(turn, timers[0])
    return turn.says(key, change(timers[0]), timer=_called(turn, timers[0]), duration=left)


def _changed(turn: Turn, by_s: int) -> Done:
    timers = _timers_meant(turn, with_duration=False)
    if not timers:
        return _no_timer(turn)
    if len(timers) > 1:
        return _which(turn, timers)
    left_s = timers[0].left_s(turn.situation.steady_s) + by_s
    if left_s > LONGEST_S:
        return turn.regrets("timer_range", f"{left_s:.0f} s", longest=turn.phrases.duration(LONGEST_S))
    change = ChangeTimer(id=timers[0].id, by_s=by_s)
    return turn.says("timer_left", change, duration=turn.phrases.remaining(max(1.0, left_s)))


def _which(turn: Turn, timers: tuple[Timer, ...]) -> Done:
    count = turn.phrases.count(len(timers))
    return turn.regrets("timer_which", f"{len(timers)} timers are meant", count=count)


def _timers_meant(turn: Turn, *, with_duration: bool = True) -> tuple[Timer, ...]:
    """Those of the label and, `with_duration`, of the length that was said."""
    label, length = turn.text("label"), turn.intent.values.get("duration") if with_duration else None
    return tuple(
        timer
        for timer in turn.situation.timers
        if (label is None or (timer.label is not None and turn.phrases.same(timer.label, label)))
        and (length is None or timer.duration_s == length)
    )


def _no_timer(turn: Turn) -> Done:
    label = turn.text("label")
    return turn.says("timer_none") if label is None else turn.says("timer_none_named", label=label)


def _left(turn: Turn, timer: Timer) -> str:
    return turn.phrases.remaining(timer.left_s(turn.situation.steady_s))


def _called(turn: Turn, timer: Timer) -> str:
    """`pasta timer`, `ten minute timer`."""
    return turn.answer("timer_name", name=timer.label or turn.phrases.duration_before_noun(timer.duration_s))
