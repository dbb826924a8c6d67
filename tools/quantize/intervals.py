"""95 % confidence intervals of what is counted: misses among clips, false accepts in hours."""

from functools import cache
from math import lgamma, log, sqrt

import numpy as np

Interval = tuple[float, float]
"""Lowest and highest value."""

_Z = 1.959964
"""Standard deviations of a normal distribution that hold 95 % of it."""
_TAIL = 0.025


def share_interval(count: int, total: int) -> Interval:
    """Of a share, by Wilson's method."""
    share = count / total
    middle = (share + _Z * _Z / (2 * total)) / (1 + _Z * _Z / total)
    half = _Z * sqrt(share * (1 - share) / total + _Z * _Z / (4 * total * total)) / (1 + _Z * _Z / total)
    # Both hold the share itself: rounding alone puts 0 of 150 below its own interval, and bars of a picture cannot.
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def rate_interval(count: int, hours: float) -> Interval:
    """Of events an hour, exactly (Garwood): the Poisson rates at which so few, or so many, are just 2.5 % likely.

    None in one hour: 0..3.69. (With all 5 % on one side the bound is 3.00, which one reads as often.)
    """
    low, high = _expected(count)
    return low / hours, high / hours


@cache
def _expected(count: int) -> Interval:
    low = _solve(count - 1, 1 - _TAIL) if count else 0.0
    return low, _solve(count, _TAIL)


def _solve(count: int, probability: float) -> float:
    """The mean of the Poisson distribution in which at most `count` events have this probability."""
    terms = np.arange(count + 1)
    log_factorials = np.array([lgamma(term + 1) for term in terms])
    low, high = 1e-9, count + 10 * sqrt(count + 1) + 10
    for _ in range(60):
        middle = (low + high) / 2
        at_most = float(np.exp(terms * log(middle) - middle - log_factorials).sum())
        low, high = (middle, high) if at_most > probability else (low, middle)
    return (low + high) / 2
