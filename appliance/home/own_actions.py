"""What the owner's own sentences do: publish a message, or run a program.

What was said reaches them only through slots, whose values come from closed sets: the owner's lists and ranges of
numbers. A value is put into one argument, which stays one argument and cannot become an option.
"""

from collections.abc import Mapping
from typing import Final

from appliance.errors import ApplianceError, StageError
from appliance.home.turn import Done, Turn
from appliance.intent import Outcome
from appliance.understanding.home_file import PLACEHOLDER, OwnIntent, Run

SPOKEN_CHARACTERS: Final = 300
"""Longest line of a program that is read out: about 20 s of speech."""


def own_sentence(turn: Turn, own: OwnIntent) -> Done:
    """Publish or run; the answer is the owner's, else the first line the program printed, else a short confirmation."""
    values = {slot: str(value) for slot, value in (turn.intent.slots | turn.intent.values).items()}
    printed = ""
    try:
        if own.publish is not None:
            message = own.publish
            turn.effects.publish(message.topic, _filled(message.payload, values), message.qos, message.retain)
        if own.run is not None:
            printed = turn.effects.run_program(_command(own.run, values), own.run.timeout_s)
    except ApplianceError as error:
        return turn.regrets("not_done", str(error))
    if own.reply is not None:
        return Done(Outcome(ok=True, reply=_filled(own.reply, values | turn.intent.slots)))
    line = _first_line(printed)
    return Done(Outcome(ok=True, reply=line)) if line else turn.says("done")


def _command(run: Run, values: Mapping[str, str]) -> list[str]:
    """The argument list. Raises StageError when a value would turn an argument into an option."""
    command = [_filled(argument, values) for argument in run.command]
    for template, argument in zip(run.command, command, strict=True):
        if argument.startswith("-") and not template.startswith("-"):
            raise StageError(f"{run.command[0]}: argument {template} would begin with '-'; change the list's value")
    return command


def _filled(template: str, values: Mapping[str, str]) -> str:
    """Each {slot} replaced by its value, once; by nothing when it was not said."""
    return PLACEHOLDER.sub(lambda placeholder: values.get(placeholder.group(1), ""), template)


def _first_line(printed: str) -> str:
    """The first line that says anything, fit to be spoken: no control characters, not too long."""
    line = next((line.strip() for line in printed.splitlines() if line.strip()), "")
    return "".join(character for character in line if character.isprintable())[:SPOKEN_CHARACTERS]
