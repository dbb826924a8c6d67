"""The list of everyday phrasings: read, and held against what the language makes of them.

One a line: the text, a tab, and what it means, as an action gets it: `timer_set duration=300 label=pasta`, two commands
joined by ` + `, or `refuse` where the appliance must say that it cannot.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from appliance.config_files import PROJECT
from appliance.intent import Intent
from appliance.understanding import home_file
from appliance.understanding.language import Language

PHRASINGS: Final = PROJECT / "tests" / "phrasings_en.txt"
HOME: Final = PROJECT / "tests" / "phrasings_home.yaml"
AREA: Final = "study"
"""Where the appliance stands in that home; no phrasing names it, so it is left out of what a phrasing means."""

Meaning = tuple[tuple[str, dict[str, str]], ...]
"""For each command its intent and values; empty: refused."""


@dataclass(frozen=True, slots=True)
class Phrasing:
    """One line of the list."""

    text: str
    meaning: Meaning


def read(path: Path = PHRASINGS) -> list[Phrasing]:
    """All phrasings of a list. Raises ValueError on a line that is none."""
    lines = [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return [_phrasing(*line.split("\t")) for line in lines]


def language() -> Language:
    """The built-in language in the home of the list."""
    return Language.built_in("en", home_file.load(HOME), area=AREA)


def meant(intent: Intent | None) -> Meaning:
    """What an action would get, in the form of the list."""
    return tuple(
        (command.name, {slot: str(value) for slot, value in command.values.items() if (slot, value) != ("area", AREA)})
        for command in (intent.commands if intent else ())
    )


def spelled(meaning: Meaning) -> str:
    """A meaning as it stands in the list."""
    commands = [
        " ".join([name, *(f"{slot}={shlex.quote(value)}" for slot, value in sorted(values.items()))])
        for name, values in meaning
    ]
    return " + ".join(commands) or "refuse"


def _phrasing(text: str, meaning: str) -> Phrasing:
    if meaning == "refuse":
        return Phrasing(text, ())
    commands = (shlex.split(command) for command in meaning.split(" + "))
    return Phrasing(text, tuple((name, dict(slot.split("=", 1) for slot in slots)) for name, *slots in commands))
