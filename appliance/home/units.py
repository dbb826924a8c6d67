"""Units of measure and how they are converted. The names that people say are in the language folders.

Factors are exact by definition: international yard and pound (1959), US customary volumes (231 cubic inches a gallon,
the cup and the spoons parts of it), the US pint; a stone is 14 pounds.
"""

from typing import Final

from appliance.errors import StageError

_UNITS: Final[dict[str, tuple[str, float]]] = {
    "gram": ("mass", 1.0),
    "kilogram": ("mass", 1000.0),
    "ounce": ("mass", 453.59237 / 16),
    "pound": ("mass", 453.59237),
    "stone": ("mass", 453.59237 * 14),
    "millimeter": ("length", 0.001),
    "centimeter": ("length", 0.01),
    "meter": ("length", 1.0),
    "kilometer": ("length", 1000.0),
    "inch": ("length", 0.0254),
    "foot": ("length", 0.3048),
    "yard": ("length", 0.9144),
    "mile": ("length", 1609.344),
    "milliliter": ("volume", 0.001),
    "liter": ("volume", 1.0),
    "gallon": ("volume", 3.785411784),
    "pint": ("volume", 3.785411784 / 8),
    "cup": ("volume", 3.785411784 / 16),
    "tablespoon": ("volume", 3.785411784 / 256),
    "teaspoon": ("volume", 3.785411784 / 768),
    "second": ("time", 1.0),
    "minute": ("time", 60.0),
    "hour": ("time", 3600.0),
    "day": ("time", 86_400.0),
    "week": ("time", 604_800.0),
}
"""Unit -> what it measures, and how many of that quantity's first unit it is."""

_DEGREES: Final = {
    ("celsius", "fahrenheit"): lambda degrees: degrees * 9 / 5 + 32,
    ("fahrenheit", "celsius"): lambda degrees: (degrees - 32) * 5 / 9,
}


def converted(number: float, unit: str, other: str) -> float:
    """So many of one unit in another. Raises StageError when they measure different things."""
    if unit == other:
        return number
    if (unit, other) in _DEGREES:
        return float(_DEGREES[unit, other](number))
    (quantity, factor), (other_quantity, other_factor) = (_UNITS.get(name, ("none", 1.0)) for name in (unit, other))
    if quantity != other_quantity:
        raise StageError(f"{unit} to {other}: they measure different things; the language must not allow it")
    return number * factor / other_factor
