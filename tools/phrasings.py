"""The list of everyday phrasings: read, and held against what the language makes of them.

One a line: the text, a tab, and what it means, as an action gets it: `timer_set duration=300 label=pasta`, two commands
joined by ` + `, or `refuse` where the appliance must say that it cannot.
"""

import shlex
from dataclasses import dataclass
from typing import Final

from appliance.config_files import PROJECT
from appliance.intent import Intent
from appliance.understanding import home_file
from appliance.understanding.home_file import ALL_AREAS, HomeConfig
from appliance.understanding.language import Language

HOMES: Final = {"en": ("phrasings_home.yaml", "study"), "ko": ("phrasings_home_ko.yaml", "living_room")}
"""Language -> the home in which its list is said, and the area in which the appliance stands there."""

HOME: Final = PROJECT / "tests" / HOMES["en"][0]

Meaning = tuple[tuple[str, dict[str, str]], ...]
"""For each command its intent and values; empty: refused."""


@dataclass(frozen=True, slots=True)
class Phrasing:
    """One line of the list."""

    text: str
    meaning: Meaning


def read(code: str = "en") -> list[Phrasing]:
    """All phrasings in a language. Raises ValueError on a line that is none."""
    text = (PROJECT / "tests" / f"phrasings_{code}.txt").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [_phrasing(*line.split("\t")) for line in lines]


def home(code: str) -> HomeConfig:
    """The home of a language's list."""
    return home_file.load(PROJECT / "tests" / HOMES[code][0])


def language(code: str = "en") -> Language:
    """A built-in language in the home of its list."""
    return Language.built_in(code, home(code), area=HOMES[code][1])


def meant(intent: Intent | None) -> Meaning:
    """What an action would get, in the form of the list: no phrasing says the area in which the appliance stands."""
    return tuple((command.name, _said(command)) for command in (intent.commands if intent else ()))


def spelled(meaning: Meaning) -> str:
    """A meaning as it stands in the list."""
    commands = [
        " ".join([name, *(f"{slot}={shlex.quote(value)}" for slot, value in sorted(values.items()))])
        for name, values in meaning
    ]
    return " + ".join(commands) or "refuse"


def _said(command: Intent) -> dict[str, str]:
    here = "area" not in command.slots and command.values.get("area") != ALL_AREAS
    return {slot: str(value) for slot, value in command.values.items() if slot != "area" or not here}


def _phrasing(text: str, meaning: str) -> Phrasing:
    if meaning == "refuse":
        return Phrasing(text, ())
    commands = (shlex.split(command) for command in meaning.split(" + "))
    return Phrasing(text, tuple((name, dict(slot.split("=", 1) for slot in slots)) for name, *slots in commands))
