"""The pictures of a report, as SVG files. The same figures give the same bytes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.quantize.evaluation import Condition, Evaluation, Point

COLOURS = ("#1b6ca8", "#d9822b", "#b5342f", "#6a4c93", "#3a7d44", "#555555")
"""One a condition, in order."""
OTHER_COLOUR = "#8a8a8a"
WIDEST_PER_HOUR = 10.0


def det(path: Path, evaluation: Evaluation, others: Sequence[tuple[str, Evaluation]] = ()) -> None:
    """Misses against false accepts, a curve a condition, with the 95 % band of the misses; other evaluations dashed."""
    with _figure(path, "false accepts an hour", "missed, %") as axes:
        axes.set_xscale("symlog", linthresh=1.0, linscale=0.6)
        for colour, condition in zip(COLOURS, evaluation.conditions, strict=False):
            _curve(axes, condition, colour)
            for name, other in others:
                if (old := _same(condition, other)) is not None:
                    rates, points = _best_points(old)
                    misses = [100 * point.miss_rate for point in points]
                    label = f"{condition.name}, {name}"
                    axes.step(rates, misses, where="post", color=colour, linestyle="--", linewidth=1, label=label)
            _own(axes, condition, evaluation.trigger.threshold, colour)
        ticks = [0, 0.5, 1, 2, 5, WIDEST_PER_HOUR]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlim(-0.05, WIDEST_PER_HOUR)
        axes.set_ylim(bottom=-0.5)


def operating_points(path: Path, chosen: dict[str, float], conditions: Sequence[Condition]) -> None:
    """Misses at some thresholds, a group of bars for each, with 95 % intervals. `chosen`: name and threshold."""
    with _figure(path, "", "missed, %") as axes:
        width = 0.8 / len(conditions)
        for number, (colour, condition) in enumerate(zip(COLOURS, conditions, strict=False)):
            points = [condition.at(threshold) for threshold in chosen.values()]
            places = [place + (number - (len(conditions) - 1) / 2) * width for place in range(len(points))]
            rates = [100 * point.miss_rate for point in points]
            below = [100 * (point.miss_rate - point.miss_ci95[0]) for point in points]
            above = [100 * (point.miss_ci95[1] - point.miss_rate) for point in points]
            axes.bar(places, rates, 0.9 * width, color=colour, label=condition.name)
            axes.errorbar(places, rates, [below, above], fmt="none", ecolor="#222222", elinewidth=1, capsize=3)
        axes.set_xticks(range(len(chosen)), [f"{name}\n({value:.3f})" for name, value in chosen.items()])


def scores(path: Path, evaluation: Evaluation) -> None:
    """How high the word and everything else scored; where the columns of both overlap, a threshold must err."""
    bins = [step / 25 for step in range(26)]
    with _figure(path, "score", "clips, or moments of the negatives") as axes:
        for colour, condition in zip(COLOURS, evaluation.conditions, strict=False):
            values = [clip.score for clip in condition.clips]
            axes.hist(values, bins, histtype="step", color=colour, linewidth=1.6, label=f"the word, {condition.name}")
        values = [moment.score for moment in evaluation.moments]
        label = f"negatives, {evaluation.clean.negative_hours:.1f} h"
        axes.hist(values, bins, color=OTHER_COLOUR, alpha=0.6, label=label)
        axes.axvline(evaluation.trigger.threshold, color="#222222", linestyle=":", label="its threshold")
        axes.set_yscale("symlog", linthresh=1)
        axes.set_ylim(bottom=0.0)
        axes.set_yticks([0, 1, 10, 100, 1000], ["0", "1", "10", "100", "1000"])
        axes.minorticks_off()
        axes.set_xlim(0.0, 1.0)


def agreement(path: Path, name: str, evaluation: Evaluation, other: Evaluation) -> None:
    """The score of each clip in two evaluations: INT8 and float, or after and before."""
    with _figure(path, f"score, {name}", "score, this model") as axes:
        axes.plot([0, 1], [0, 1], color=OTHER_COLOUR, linewidth=1)
        for colour, condition in zip(COLOURS, evaluation.conditions, strict=False):
            if (old := _same(condition, other)) is not None:
                known = {clip.path: clip.score for clip in old.clips}
                pairs = [(known[clip.path], clip.score) for clip in condition.clips if clip.path in known]
                axes.scatter(*zip(*pairs, strict=True), s=12, color=colour, alpha=0.6, label=condition.name)
        axes.set_aspect("equal")


def _curve(axes: Any, condition: Condition, colour: str) -> None:
    rates, points = _best_points(condition)
    axes.step(rates, [100 * point.miss_rate for point in points], where="post", color=colour, label=condition.name)
    low = [100 * point.miss_ci95[0] for point in points]
    high = [100 * point.miss_ci95[1] for point in points]
    axes.fill_between(rates, low, high, step="post", color=colour, alpha=0.15, linewidth=0)


def _own(axes: Any, condition: Condition, threshold: float, colour: str) -> None:
    """Its own threshold, with the 95 % interval of its false accepts."""
    point = condition.at(threshold)
    rate, (low, high) = point.false_accepts_per_hour, point.fa_ci95
    across = [[rate - low], [max(0.0, min(high, WIDEST_PER_HOUR) - rate)]]
    axes.errorbar([rate], [100 * point.miss_rate], xerr=across, fmt="o", color=colour, markersize=5, elinewidth=0.8)


def _best_points(condition: Condition) -> tuple[list[float], list[Point]]:
    """For each number of false accepts the point that misses the fewest, and as far as the picture goes."""
    counts = sorted({point.false_accepts for point in condition.points})
    rates = [count / condition.negative_hours for count in counts]
    points = [condition.allowing(rate) for rate in rates]
    return [*rates, max(WIDEST_PER_HOUR, rates[-1])], [*points, points[-1]]


def _same(condition: Condition, other: Evaluation) -> Condition | None:
    return next((found for found in other.conditions if found.name == condition.name), None)


@contextmanager
def _figure(path: Path, across: str, up: str) -> Iterator[Any]:
    """Axes with a grid, a legend and both names, written to `path` afterwards."""
    import matplotlib as mpl  # type: ignore[import-not-found]
    from matplotlib.figure import Figure  # type: ignore[import-not-found]

    with mpl.rc_context({"svg.hashsalt": "report", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(7.2, 4.0), layout="constrained")
        axes = figure.add_subplot()
        yield axes
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        axes.grid(True, color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
