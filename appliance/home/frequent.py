"""Which answers this home gives again and again, word for word: they are made into sound beforehand.

The texts come from the actions themselves, tried out without any effect, so they are those that are said.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from appliance.errors import ApplianceError
from appliance.home.actions import Actions
from appliance.home.turn import Situation
from appliance.intent import Intent
from appliance.understanding.home_file import PLACEHOLDER, HomeConfig
from appliance.understanding.language import Language

TIMER_MINUTES: Final = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 45, 60)
VOLUMES_PERCENT: Final = range(0, 101, 10)

NOTHING_SAID: Final = ("hello", "thanks", "goodbye", "how_are_you", "who_are_you", "help", "shopping_read", "timer_ask")
"""Intents without slots whose answer does not depend on the moment, as long as nothing runs."""

_OF_KIND: Final = {
    "light": ("turn_on", "turn_off"),
    "switch": ("turn_on", "turn_off"),
    "scene": ("scene_activate",),
    "cover": ("cover_open", "cover_close"),
    "climate": ("climate_on", "climate_off"),
}
_SLOT_OF_KIND: Final = {"light": "device", "switch": "device", "scene": "scene", "cover": "cover", "climate": "climate"}


def frequent_answers(actions: Actions, language: Language, home: HomeConfig, area: str) -> tuple[str, ...]:
    """Texts, the most useful first, each once; `area`: where the appliance stands; empty: nowhere."""
    nothing = Situation(
        now=datetime(2000, 1, 1, 12, tzinfo=UTC),
        steady_s=0.0,
        timers=(),
        volume=50,
        last_reply=None,
        area=area,
        dry_run=True,
    )
    texts: list[str | None] = []
    for intent in _intents(home):
        try:
            texts.append(actions.perform(intent, nothing).outcome.reply)
        except ApplianceError:
            continue  # what needs more than this is not given word for word
    return tuple(
        dict.fromkeys(text for text in (language.answer("not_understood"), *texts, *language.fixed_answers()) if text)
    )


def _intents(home: HomeConfig) -> Iterator[Intent]:
    for device in home.devices:
        for name in _OF_KIND.get(device.kind, ()):
            yield Intent(name=name, values={_SLOT_OF_KIND[device.kind]: device.id})
    for name in ("turn_on", "turn_off"):
        yield Intent(name=name)
        yield from (Intent(name=name, values={"area": area.id}) for area in home.areas)
    yield from (Intent(name="timer_set", values={"duration": 60 * minutes}) for minutes in TIMER_MINUTES)
    yield from (Intent(name="volume_set", values={"percent": percent}) for percent in VOLUMES_PERCENT)
    own = (own.name for own in home.sentences if own.reply and not PLACEHOLDER.search(own.reply))
    yield from (Intent(name=name) for name in (*NOTHING_SAID, *own))
