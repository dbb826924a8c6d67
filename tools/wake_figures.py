"""What `bench_wake` measures, and the table of it."""

from collections.abc import Sequence

from msgspec import Struct

from tools.quantize.evaluation import Condition, Point

OWN, HALF, NONE = "its own threshold", "at most 0.5 false accepts an hour", "no false accept"
CHOSEN = (OWN, HALF, NONE)
"""How a threshold is chosen; the last is the lowest rate that can be measured in these hours."""
ALLOWED_PER_HOUR = {HALF: 0.5, NONE: 0.0}


class Cost(Struct, frozen=True, kw_only=True):
    """What a contestant costs in a runtime."""

    runtime: str
    us_per_frame: float
    """Processor time for 20 ms without the word, in microseconds."""

    memory_mb: float
    """What a process grows by that opens it and hears five seconds."""


class Row(Struct, frozen=True, kw_only=True):
    """One contestant."""

    word: str
    maker: str
    model: str
    costs: tuple[Cost, ...]
    """The first in the runtime that all the rest was measured with."""

    bytes: int
    """Of what always runs."""

    verifier_bytes: int = 0
    """Of what runs only where that took something for the word."""

    points: dict[str, dict[str, Point]]
    """By how the threshold was chosen, and by condition."""


class Hours(Struct, frozen=True, kw_only=True):
    """The negatives of a word."""

    word: str
    positives: int
    synthetic: bool = False
    """Nobody says the word in the recordings; synthetic voices do instead."""

    hours: float
    """With the pauses between the pieces of a recording."""

    short: float
    """Of them single words and prompts: each begins after silence, which words in conversation do not."""

    longer: float
    """Of them longer speech."""

    other: float
    """Of them music and noise."""


class Results(Struct, frozen=True, kw_only=True):
    """Everything that was measured."""

    machine: str
    mixing: str
    recordings: tuple[Hours, ...]
    rows: tuple[Row, ...]
    left_out: tuple[str, ...]
    """Who, and why."""


def chosen_points(conditions: Sequence[Condition], own_threshold: float) -> dict[str, dict[str, Point]]:
    """Of the clean condition's thresholds, which serve all conditions."""
    clean = conditions[0]
    thresholds = {OWN: clean.at(own_threshold).threshold}
    thresholds |= {name: clean.allowing(rate).threshold for name, rate in ALLOWED_PER_HOUR.items()}
    return {name: {c.name: c.at(threshold) for c in conditions} for name, threshold in thresholds.items()}


def page(results: Results) -> str:
    """Text for people."""
    lines = [f"{results.machine}; noise: kitchen, mixed by {results.mixing}; intervals: 95 %"]
    for found in results.recordings:
        of_whom = "clips of SYNTHETIC voices, for nobody says it in the recordings" if found.synthetic else "recordings"
        lines.append(
            f"{found.word}: {found.positives} {of_whom}; negatives {found.hours:.2f} h: single words and prompts "
            f"{found.short:.2f}, longer speech {found.longer:.2f}, music and noise {found.other:.2f}"
        )
    synthetic = {found.word for found in results.recordings if found.synthetic}
    for name in CHOSEN:
        points = [_points(row, name, " (synthetic)" if row.word in synthetic else "") for row in results.rows]
        lines += ["", name, *_table([_head(results.rows), *points])]
    costs = [("word", "maker", "us/20 ms", "kB", "MB", "runtime")]
    for row in results.rows:
        verifier = f" + {row.verifier_bytes / 1000:.0f}" if row.verifier_bytes else ""
        size = f"{row.bytes / 1000:.1f}{verifier}"
        costs += [
            (row.word, row.maker, f"{cost.us_per_frame:.1f}", size, f"{cost.memory_mb:.1f}", cost.runtime)
            for cost in row.costs
        ]
    lines += [
        "",
        "cost: processor time for 20 ms without the word; files of what always runs (+ of what hears again); memory",
        *_table(costs),
    ]
    lines += ["", *(f"left out: {reason}" for reason in results.left_out)] if results.left_out else []
    return "\n".join(lines)


def _head(rows: Sequence[Row]) -> tuple[str, ...]:
    conditions = rows[0].points[OWN] if rows else {}
    return ("word", "maker", "threshold", "false accepts/h", *(f"missed %, {name}" for name in conditions))


def _points(row: Row, name: str, note: str) -> tuple[str, ...]:
    word, points = row.word + note, row.points[name]
    first = next(iter(points.values()))
    low, high = first.fa_ci95
    rate = f"{first.false_accepts_per_hour:.2f} ({low:.2f}..{high:.2f})"
    misses = (
        f"{100 * point.miss_rate:.1f} ({100 * point.miss_ci95[0]:.1f}..{100 * point.miss_ci95[1]:.1f})"
        for point in points.values()
    )
    if name != OWN and first.false_accepts_per_hour > ALLOWED_PER_HOUR[name]:
        return (word, row.maker, "none is so quiet", *("-" for _ in range(1 + len(points))))
    return (word, row.maker, f"{first.threshold:.3f}", rate, *misses)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
