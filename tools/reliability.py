"""Is a confidence what it says? How often readings of a confidence were right, as a table and as a drawing."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tools.quantize.intervals import share_interval

BINS = (0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99, 1.0)
SIDE = 320
"""Of the drawing, in its units."""

EDGE = 46

Told = Sequence[tuple[float, bool]]
"""Confidence, and was it right?"""


@dataclass(frozen=True, slots=True)
class Bin:
    """Readings of about the same confidence."""

    low: float
    high: float
    mean: float
    """Of the confidences."""

    right: int
    total: int


def binned(told: Told) -> list[Bin]:
    """Those of BINS that hold something."""
    found = []
    for low, high in itertools.pairwise(BINS):
        inside = [(one, right) for one, right in told if low <= one < high or one == high == BINS[-1]]
        if inside:
            mean = sum(one for one, _ in inside) / len(inside)
            found.append(Bin(low, high, mean, sum(right for _, right in inside), len(inside)))
    return found


def table(told: Told) -> Iterator[str]:
    """One line for each bin."""
    for one in binned(told):
        low, high = share_interval(one.right, one.total)
        share = f"{one.right} of {one.total} ({one.right / one.total:.2f}, {low:.2f}..{high:.2f})"
        bar = "#" * round(40 * one.right / one.total)
        yield f"{one.low:4.2f}..{one.high:4.2f}  told {one.mean:.2f}, was {share:34} {bar}"


def diagram(told: Told) -> str:
    """As SVG: what was told to the right, how often it was right upwards, each with its 95 % interval."""
    whole = SIDE + 2 * EDGE
    size = f'width="{whole}" height="{whole}" font-family="sans-serif" font-size="11"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<path d="M{_x(0)} {_y(0)}H{_x(1)}M{_x(0)} {_y(0)}V{_y(1)}" stroke="black"/>',
        f'<path d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}" stroke="grey" stroke-dasharray="4"/>',
        f'<text x="{_x(0.5)}" y="{_y(0) + 34}" text-anchor="middle">confidence told</text>',
        f'<text x="{_x(0)}" y="{_y(1) - 12}">share that was right, with 95 % intervals</text>',
    ]
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        lines.append(f'<text x="{_x(tick)}" y="{_y(0) + 16}" text-anchor="middle">{tick:.1f}</text>')
        lines.append(f'<text x="{_x(0) - 8}" y="{_y(tick) + 4}" text-anchor="end">{tick:.1f}</text>')
    for one in binned(told):
        low, high = share_interval(one.right, one.total)
        lines.append(f'<path d="M{_x(one.mean)} {_y(low)}V{_y(high)}" stroke="steelblue" stroke-width="2"/>')
        lines.append(f'<circle cx="{_x(one.mean)}" cy="{_y(one.right / one.total)}" r="4" fill="steelblue"/>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _x(share: float) -> int:
    return round(EDGE + SIDE * share)


def _y(share: float) -> int:
    return round(EDGE + SIDE * (1 - share))
