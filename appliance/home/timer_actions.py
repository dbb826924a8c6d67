"""What the intents about timers do."""

from typing import Final

from appliance.home import phrases
from appliance.home.timers import LIMIT, LONGEST_S, SHORTEST_S, Timer
from appliance.home.turn import CancelTimer, Done, SetTimer, Turn

TIMERS_TOLD: Final = 3
"""How many timers are told one by one: nobody remembers more from one answer."""


def timer_set(turn: Turn) -> Done:
    """Slots: `duration` in seconds, and perhaps a `label`."""
    duration_s, label = turn.whole("duration"), turn.text("label")
    if not SHORTEST_S <= duration_s <= LONGEST_S:
        return turn.regrets("timer_range", f"{duration_s} s", longest=phrases.duration(LONGEST_S))
    if len(turn.situation.timers) >= LIMIT:
        return turn.regrets("timer_too_many", f"{LIMIT} timers run", count=phrases.number(LIMIT))
    change, duration = SetTimer(duration_s=duration_s, label=label), phrases.duration(duration_s)
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
    return turn.says(key, count=phrases.number(len(timers)), timers=phrases.listing(told))


def timer_cancel(turn: Turn) -> Done:
    """Slots: perhaps a `label`, or `all`; without them the only one that runs. Nothing is guessed among several."""
    timers = _timers_meant(turn)
    if not timers:
        return _no_timer(turn)
    if len(timers) == 1:
        return turn.says("timer_cancelled", CancelTimer(timers[0].id), timer=_called(turn, timers[0]))
    count = phrases.number(len(timers))
    if turn.text("all") is not None:
        return turn.says("timers_cancelled", *(CancelTimer(timer.id) for timer in timers), count=count)
    return turn.regrets("timer_which", f"{len(timers)} timers are meant", count=count)


def _timers_meant(turn: Turn) -> tuple[Timer, ...]:
    label = turn.text("label")
    return tuple(timer for timer in turn.situation.timers if label is None or _same(timer.label, label))


def _same(label: str | None, other: str) -> bool:
    """Whether two labels mean one thing: `egg`, `eggs`; `potato`, `potatoes`."""
    return label is not None and label.rstrip("es") == other.rstrip("es")


def _no_timer(turn: Turn) -> Done:
    label = turn.text("label")
    return turn.says("timer_none") if label is None else turn.says("timer_none_named", label=label)


def _left(turn: Turn, timer: Timer) -> str:
    return phrases.remaining(timer.left_s(turn.situation.steady_s))


def _called(turn: Turn, timer: Timer) -> str:
    """`pasta timer`, `ten minute timer`."""
    return turn.answer("timer_name", name=timer.label or phrases.duration_before_noun(timer.duration_s))
