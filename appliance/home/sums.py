"""What the intents about sums and units of measure do."""

from collections.abc import Callable
from typing import Final

from appliance.home.phrases import DECIMALS
from appliance.home.turn import Done, Turn
from appliance.home.units import converted

_OPERATIONS: Final[dict[str, Callable[[float, float], float]]] = {
    "plus": lambda left, right: left + right,
    "minus": lambda left, right: left - right,
    "times": lambda left, right: left * right,
    "divided": lambda left, right: left / right,
    "percent": lambda left, right: left * right / 100,
}


def calculate(turn: Turn) -> Done:
    """Slots: `operation`, and `left`, `right` as it needs them."""
    operation = turn.text("operation")
    if operation == "half":
        result = turn.number("right") / 2
    elif operation == "squared":
        result = turn.number("left") ** 2
    elif operation == "divided" and turn.number("right") == 0:
        return turn.regrets("divided_by_zero", "divided by zero")
    else:
        result = _OPERATIONS[operation or ""](turn.number("left"), turn.number("right"))
    return turn.says(_key(turn, "sum", result), result=turn.phrases.number(result))


def convert(turn: Turn) -> Done:
    """Slots: `number`, `from`, `to`: units of `units.py`."""
    number, unit, other = turn.number("number"), turn.text("from") or "", turn.text("to") or ""
    result = converted(number, unit, other)
    return turn.says(
        _key(turn, "converted", result),
        amount=turn.phrases.amount(number, unit),
        result=turn.phrases.amount(result, other),
    )


def _key(turn: Turn, key: str, result: float) -> str:
    """The answer for an exact result, or for a rounded one."""
    return key if abs(result - round(result, DECIMALS)) < 1e-9 else f"{key}_about"
