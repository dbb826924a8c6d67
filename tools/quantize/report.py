"""Write a report of an evaluation: Markdown with pictures, and what changed where an older evaluation is given."""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from math import comb
from pathlib import Path

from appliance.errors import ConfigError
from tools.quantize import evaluation as evaluations
from tools.quantize import pictures
from tools.quantize.evaluation import Condition, Evaluation, Negatives

ALLOWED_PER_HOUR = 0.5
LISTED = 40
"""So many clips, moments and labels a table names."""
CURVES = "Bands and bars: 95 %. Dots: its own threshold."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is reported, and what it is compared with."""
    parser.epilog = (
        "Example: python -m tools.quantize report computer.json --float computer_float.json --before old.json"
        " --out runs/computer/report"
    )
    parser.add_argument("evaluation", type=Path, metavar="EVALUATION", help="what `evaluate` wrote")
    parser.add_argument("--float", type=Path, metavar="FILE", help="evaluation of the same network in float")
    parser.add_argument("--before", type=Path, metavar="FILE", help="evaluation of the model before, same recordings")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder for report.md and pictures")


def run(args: argparse.Namespace) -> int:
    """Write it. Raises ConfigError."""
    evaluation = evaluations.read(args.evaluation).without_folder()
    as_float = evaluations.read(args.float).without_folder() if args.float else None
    before = evaluations.read(args.before).without_folder() if args.before else None
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        draw(args.out, evaluation, as_float, before)
        (args.out / "report.md").write_text(text(evaluation, as_float, before), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{args.out}: cannot be written ({error.strerror}); name another folder") from None
    print(args.out / "report.md")
    return 0


def draw(folder: Path, evaluation: Evaluation, as_float: Evaluation | None, before: Evaluation | None) -> None:
    """All pictures."""
    pictures.det(folder / "det.svg", evaluation)
    pictures.operating_points(folder / "points.svg", operating_points(evaluation), evaluation.conditions)
    pictures.scores(folder / "scores.svg", evaluation)
    for name, other in (("float", as_float), ("before", before)):
        if other is not None:
            pictures.det(folder / f"det_{name}.svg", evaluation, [(name, other)])
            pictures.agreement(folder / f"scores_{name}.svg", name, evaluation, other)


def operating_points(evaluation: Evaluation) -> dict[str, float]:
    """The thresholds that matter, by what they are chosen for."""
    return {
        "its own": evaluation.trigger.threshold,
        f"at most {ALLOWED_PER_HOUR:g} FA/h": evaluation.clean.allowing(ALLOWED_PER_HOUR).threshold,
        "no FA": evaluation.clean.allowing(0.0).threshold,
    }


def text(evaluation: Evaluation, as_float: Evaluation | None, before: Evaluation | None) -> str:
    """The report in Markdown."""
    sections = [
        _head(evaluation),
        f"## Misses against false accepts\n\n![curves](det.svg)\n\n{CURVES}",
        _points(evaluation),
        "## Scores\n\n![histogram](scores.svg)",
        _missed(evaluation),
        _fired(evaluation),
        _confused(evaluation),
    ]
    if as_float is not None:
        sections.append(_compared("INT8 against float", "float", evaluation, as_float))
    if before is not None:
        sections.append(_compared("Before and after", "before", evaluation, before))
    if evaluation.left_out:
        names = "\n".join(f"- {left.reason}" for left in evaluation.left_out[:LISTED])
        sections.append(f"## Left out\n\n{len(evaluation.left_out)} recordings could not be used.\n\n{names}")
    return "\n\n".join(sections) + "\n"


def figures(evaluation: Evaluation) -> str:
    """The main table: misses by operating point and condition, with 95 % intervals."""
    rows = [["threshold", "false accepts/h", *(f"missed, {condition.name}" for condition in evaluation.conditions)]]
    for name, threshold in operating_points(evaluation).items():
        point = evaluation.clean.at(threshold)
        low, high = point.fa_ci95
        rate = f"{point.false_accepts_per_hour:.2f} ({low:.2f}..{high:.2f})"
        rows.append([f"{name}: {threshold:.3f}", rate, *(_miss(c, threshold) for c in evaluation.conditions)])
    return table(rows)


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its head."""
    lines = ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "| " + " | ".join("---" for _ in rows[0]) + " |", *lines[1:]])


def measured(evaluation: Evaluation) -> str:
    """How the figures came about, in sentences."""
    clean, trigger = evaluation.clean, evaluation.trigger
    noises = sorted({condition.noise for condition in evaluation.conditions if condition.noise})
    mixed = (
        f"; noise ({', '.join(noises)}) is mixed to the positives by the method {evaluation.method}" if noises else ""
    )
    recordings = f"{evaluation.recordings}. " if evaluation.recordings else ""
    decides = f"the mean of {trigger.window} scores decides" if trigger.window > 1 else "each score decides for itself"
    return (
        f"{recordings}{clean.positives} clips of the word, {clean.negative_hours:.2f} h without it; each heard by "
        f"the code of the device with 1 s of faint noise before and after{mixed}. A hit is a detection from the clip's "
        f"start to 1 s after its end; {decides}, then {trigger.refractory_s:g} s of rest. Intervals: 95 %, Wilson for "
        "misses, exact Poisson for false accepts."
    )


def _head(evaluation: Evaluation) -> str:
    cost = f"{evaluation.us_per_frame:.1f} us of processor time for 20 ms of sound ({evaluation.runtime})"
    hours = table([["negatives in", "files", "hours"], *_folders(evaluation.negatives)])
    return (
        f'# "{evaluation.word.replace("_", " ")}"\n\nModel `{evaluation.model}`, engine {evaluation.engine}: '
        f"{cost}, {evaluation.bytes / 1000:.1f} kB.{_verifier(evaluation)}\n\n"
        f"{measured(evaluation)}\n\n{figures(evaluation)}\n\n{hours}"
    )


def _folders(negatives: Sequence[Negatives]) -> list[list[str]]:
    """Each folder with how many files it has and how long they are; the longest first."""
    hours: dict[str, list[float]] = {}
    for one in negatives:
        hours.setdefault(str(Path(one.path).parent), []).append(one.hours)
    longest = sorted(hours.items(), key=lambda item: -sum(item[1]))
    return [[folder, str(len(found)), f"{sum(found):.2f}"] for folder, found in longest[:LISTED]]


def _verifier(evaluation: Evaluation) -> str:
    if not evaluation.verifier_bytes:
        return ""
    return (
        f" Its verifier ({evaluation.verifier_bytes / 1000:.0f} kB) heard again what it took for the word, "
        f"{evaluation.verified_per_hour:.0f} times an hour of these negatives."
    )


def _points(evaluation: Evaluation) -> str:
    """Every condition at each number of false accepts, as far as it matters."""
    clean = evaluation.clean
    counts = sorted({point.false_accepts for point in clean.points})[:8]
    rows = [["false accepts", "an hour", "threshold", *(f"missed, {c.name}" for c in evaluation.conditions)]]
    for count in counts:
        threshold = clean.allowing(count / clean.negative_hours).threshold
        rate = f"{count / clean.negative_hours:.2f}"
        rows.append([str(count), rate, f"{threshold:.3f}", *(_miss(c, threshold) for c in evaluation.conditions)])
    return f"## Operating points\n\n![operating points](points.svg)\n\n{table(rows)}"


def _missed(evaluation: Evaluation) -> str:
    threshold = evaluation.trigger.threshold
    parts = ["## Clips it missed, at its own threshold"]
    for condition in evaluation.conditions:
        clips = sorted((clip for clip in condition.clips if clip.score < threshold), key=lambda clip: clip.score)
        parts.append(f"{condition.name}: {len(clips)} of {condition.positives}")
        if clips:
            parts.append(table([["clip", "score"], *([clip.path, f"{clip.score:.3f}"] for clip in clips[:LISTED])]))
    return "\n\n".join(parts)


def _fired(evaluation: Evaluation) -> str:
    threshold = evaluation.trigger.threshold
    fired = [moment for moment in evaluation.moments if moment.score >= threshold]
    near = [moment for moment in evaluation.moments if moment.score < threshold][: max(0, 15 - len(fired))]
    rows = [["file", "at", "score", "woke", "what is there"]]
    for moment in [*fired[:LISTED], *near]:
        woke = "yes" if moment.score >= threshold else "no"
        rows.append([moment.path, f"{moment.at_s:.1f} s", f"{moment.score:.3f}", woke, moment.label])
    return f"## Moments it fired, and came nearest to it\n\n{len(fired)} at its own threshold.\n\n{table(rows)}"


def _confused(evaluation: Evaluation) -> str:
    """Which words sounded most like it."""
    half = evaluation.trigger.threshold / 2
    highest: dict[str, float] = {}
    for moment in evaluation.moments:
        highest[moment.label] = max(moment.score, highest.get(moment.label, 0.0))
    counts = Counter(moment.label for moment in evaluation.moments if moment.score >= half)
    named = sorted(highest.items(), key=lambda item: -item[1])[:LISTED]
    rows = [["what was said", "highest score", "times above half its threshold"]]
    rows += [[label or "(not known)", f"{score:.3f}", str(counts[label])] for label, score in named]
    return f"## Confusion with other words and sounds\n\n{table(rows)}"


def _compared(title: str, name: str, evaluation: Evaluation, other: Evaluation) -> str:
    """Two evaluations on the same recordings, each at its own threshold and at equal false accepts."""
    rows = [["condition", "threshold", f"missed, {name}", "missed, this model", "clips gained", "lost", "chance alone"]]
    for condition, old in _pairs(evaluation, other):
        for label, now, then in (
            ("its own", evaluation.trigger.threshold, other.trigger.threshold),
            (
                f"at most {ALLOWED_PER_HOUR:g} FA/h",
                evaluation.clean.allowing(ALLOWED_PER_HOUR).threshold,
                other.clean.allowing(ALLOWED_PER_HOUR).threshold,
            ),
        ):
            gained, lost = changed(condition, now, old, then)
            chance = f"{sign_test(gained, lost):.2f}"
            cells = [_miss(old, then), _miss(condition, now), str(gained), str(lost), chance]
            rows.append([condition.name, label, *cells])
    costs = [f"{one.us_per_frame:.1f} us a frame and {one.bytes / 1000:.1f} kB" for one in (other, evaluation)]
    return (
        f"## {title}\n\n![curves](det_{name}.svg)\n\n![scores](scores_{name}.svg)\n\n{table(rows)}\n\n"
        f'"Chance alone": how often a coin would part the changed clips at least so unevenly. Cost: {name} {costs[0]}, '
        f"this model {costs[1]}."
    )


def changed(condition: Condition, now: float, old: Condition, then: float) -> tuple[int, int]:
    """Clips that are heard now and were not, and the reverse; each at its threshold."""
    was = {clip.path: clip.score >= then for clip in old.clips}
    pairs = [(clip.score >= now, was[clip.path]) for clip in condition.clips if clip.path in was]
    return sum(new and not past for new, past in pairs), sum(past and not new for new, past in pairs)


def sign_test(gained: int, lost: int) -> float:
    """Probability that equal chances part so many changes at least so unevenly, 0..1."""
    total = gained + lost
    as_uneven = 2 * sum(comb(total, count) for count in range(min(gained, lost) + 1))
    return min(1.0, float(as_uneven / 2**total))


def _pairs(evaluation: Evaluation, other: Evaluation) -> Iterator[tuple[Condition, Condition]]:
    known = {condition.name: condition for condition in other.conditions}
    return ((condition, known[condition.name]) for condition in evaluation.conditions if condition.name in known)


def _miss(condition: Condition, threshold: float) -> str:
    point = condition.at(threshold)
    low, high = point.miss_ci95
    return f"{100 * point.miss_rate:.1f} % ({100 * low:.1f}..{100 * high:.1f})"
