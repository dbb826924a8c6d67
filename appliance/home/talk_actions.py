"""What the intents that only want an answer do: time and date, and talk."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from appliance.home.turn import Done, Turn
from appliance.intent import Outcome

EXAMPLES: Final = 4
"""So many sentences are named as examples of what can be said."""

_EXAMPLES_OF_KIND: Final = {
    "light": "help_light",
    "cover": "help_cover",
    "scene": "help_scene",
    "switch": "help_switch",
    "climate": "help_climate",
    "media": "help_media",
}


def time_ask(turn: Turn) -> Done:
    """The time of day."""
    return turn.says("time", time=turn.phrases.time_of_day(turn.situation.now.time()))


def date_ask(turn: Turn) -> Done:
    """Slots: perhaps `day`, counted from today, or the next `weekday`; today."""
    today = turn.situation.now.date()
    if "weekday" in turn.intent.values:
        ahead = (turn.whole("weekday") - today.weekday()) % 7
        return turn.says("date_other", date=turn.phrases.calendar_day(today + timedelta(days=ahead or 7)))
    days = turn.whole("day") if "day" in turn.intent.values else 0
    key = {0: "date", 1: "date_tomorrow", -1: "date_yesterday"}.get(days, "date_other")
    return turn.says(key, date=turn.phrases.calendar_day(today + timedelta(days=days)))


def month_ask(turn: Turn) -> Done:
    """The month."""
    return turn.says("plain", text=turn.phrases.month(turn.situation.now.date()))


def year_ask(turn: Turn) -> Done:
    """The year."""
    return turn.says("plain", text=turn.phrases.year(turn.situation.now.date()))


def repeat(turn: Turn) -> Done:
    """The last answer once more."""
    if turn.situation.last_reply is None:
        return turn.says("nothing_to_repeat")
    return Done(Outcome(ok=True, reply=turn.situation.last_reply))


def help_(turn: Turn) -> Done:
    """A few sentences that do something in this home."""
    examples = list(_examples(turn))[:EXAMPLES]
    return turn.says("help", examples=turn.phrases.listing(examples))


def who_are_you(turn: Turn) -> Done:
    """What it is."""
    return turn.says("who_are_you")


def hello(turn: Turn) -> Done:
    """A greeting back."""
    return turn.says("hello")


def how_are_you(turn: Turn) -> Done:
    """It is well."""
    return turn.says("how_are_you")


def thanks(turn: Turn) -> Done:
    """You are welcome."""
    return turn.says("thanks")


def goodbye(turn: Turn) -> Done:
    """A farewell back."""
    return turn.says("goodbye")


def _examples(turn: Turn) -> Iterator[str]:
    yield turn.answer("help_timer")
    for kind, key in _EXAMPLES_OF_KIND.items():
        device = next((device for device in turn.home.devices if device.kind == kind), None)
        if device is not None:
            yield turn.answer(key, device=device.name)
    for key in ("help_alarm", "help_list", "help_time"):
        yield turn.answer(key)
