"""What `evaluate` writes, and report, card and bench read: the figures of one model on one set of recordings.

The document is a contract: a field never changes its meaning, new ones may be added.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from appliance.errors import ConfigError
from tools.quantize.intervals import Interval, rate_interval, share_interval


class Point(Struct, frozen=True, kw_only=True):
    """What one threshold gives."""

    threshold: float
    missed: int
    miss_rate: float
    miss_ci95: Interval
    """Wilson."""

    false_accepts: int
    false_accepts_per_hour: float
    fa_ci95: Interval
    """Poisson, exact; an hour."""


class ClipScore(Struct, frozen=True, kw_only=True):
    """How well one positive was heard."""

    path: str
    score: float
    """The highest threshold of the points that still hears it; 0: none does."""


class Condition(Struct, frozen=True, kw_only=True):
    """The positives as they are, or in noise; the negatives are the same in all."""

    name: str
    noise: str | None
    snr_db: float | None
    positives: int
    negative_hours: float
    points: tuple[Point, ...]
    """By threshold, the lowest first."""

    clips: tuple[ClipScore, ...] = ()

    def at(self, threshold: float) -> Point:
        """The point of the highest threshold that is not above the given one; the lowest where all are."""
        return next((point for point in reversed(self.points) if point.threshold <= threshold), self.points[0])

    def allowing(self, false_accepts_per_hour: float) -> Point:
        """The point of the lowest threshold with no more false accepts from it upwards; the highest where all have."""
        best = self.points[-1]
        for point in reversed(self.points):
            if point.false_accepts_per_hour > false_accepts_per_hour:
                break
            best = point
        return best


class Moment(Struct, frozen=True, kw_only=True):
    """A moment of the negatives that sounded like the word."""

    path: str
    at_s: float
    """Seconds from the beginning of that file."""

    score: float
    """The highest threshold of the points that woke."""

    label: str = ""
    """What is heard there, where it is known."""


class Negatives(Struct, frozen=True, kw_only=True):
    """A recording without the word."""

    path: str
    hours: float


class LeftOut(Struct, frozen=True, kw_only=True):
    """A recording that could not be used."""

    path: str
    reason: str


class TriggerSettings(Struct, frozen=True, kw_only=True):
    """How scores become a decision, as the model has it."""

    threshold: float
    window: int
    """Newest scores the mean is taken over."""

    refractory_s: float


class Evaluation(Struct, frozen=True, kw_only=True):
    """The figures of one model."""

    model: str
    word: str
    runtime: str
    trigger: TriggerSettings
    us_per_frame: float
    """Processor time for 20 ms of sound without the word, front end and model, in microseconds; the lowest of several
    blocks of 5 s."""

    bytes: int
    """All files of what always runs."""

    conditions: tuple[Condition, ...]
    engine: str = "int8"
    sha256: str = ""
    """Of the word's own model file; empty where it has none."""

    moments: tuple[Moment, ...] = ()
    """The highest score first; bounded."""

    negatives: tuple[Negatives, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    method: str = ""
    """How speech and noise were mixed."""

    verifier_bytes: int = 0
    """All files of what hears again what the network took for the word; other words may share most of it."""

    verified_per_hour: float = 0.0
    """How often it did so in the negatives."""

    recordings: str = ""
    """What it was measured on, in a sentence without its full stop, where somebody knows."""

    def without_folder(self) -> "Evaluation":
        """With all paths relative to the folder that they have in common: for people, and for comparing."""
        clips = [clip.path for condition in self.conditions for clip in condition.clips]
        paths = [*clips, *(moment.path for moment in self.moments), *(one.path for one in self.negatives)]
        folder = os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in paths])

        def short(items: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(replace(item, path=os.path.relpath(item.path, folder)) for item in items)

        conditions = tuple(replace(condition, clips=short(condition.clips)) for condition in self.conditions)
        return replace(self, conditions=conditions, moments=short(self.moments), negatives=short(self.negatives))

    @property
    def clean(self) -> Condition:
        """The condition without noise."""
        return next(condition for condition in self.conditions if condition.snr_db is None)


def make_points(
    thresholds: Sequence[float], missed: Sequence[int], positives: int, false_accepts: Sequence[int], hours: float
) -> tuple[Point, ...]:
    """Counts at each threshold, with their intervals."""
    return tuple(
        Point(
            threshold=threshold,
            missed=lost,
            miss_rate=lost / positives,
            miss_ci95=share_interval(lost, positives),
            false_accepts=accepts,
            false_accepts_per_hour=accepts / hours,
            fa_ci95=rate_interval(accepts, hours),
        )
        for threshold, lost, accepts in zip(thresholds, missed, false_accepts, strict=True)
    )


def read(path: Path) -> Evaluation:
    """Read what `evaluate` wrote. Raises ConfigError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Evaluation)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{path}: not an evaluation ({error}); make one: python -m tools.quantize evaluate") from None


def write(evaluation: Evaluation, path: Path) -> None:
    """Write it. Raises ConfigError where that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(evaluation), indent=1) + b"\n")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); name another file") from None
