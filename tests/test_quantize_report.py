"""The report and the card of a wake word: what of an evaluation they tell."""

import hashlib
import json
from pathlib import Path

import msgspec
import pytest

from appliance.errors import ConfigError, UsageError
from tools.quantize import card as cards
from tools.quantize import evaluation as evaluations
from tools.quantize import report
from tools.quantize.clips import Clip
from tools.quantize.evaluation import (
    ClipScore,
    Condition,
    Evaluation,
    LeftOut,
    Moment,
    Negatives,
    TriggerSettings,
    make_points,
)

THRESHOLDS = [0.1, 0.5, 0.9]
WEIGHTS = b"a model"


def evaluation(clean: list[float], noisy: list[float], *, threshold: float = 0.5, us: float = 30.0) -> Evaluation:
    """Of clips with these scores, and two hours of negatives: 4, 1 and 0 false accepts."""

    def condition(name: str, snr_db: float | None, scores: list[float]) -> Condition:
        missed = [sum(score < at for score in scores) for at in THRESHOLDS]
        return Condition(
            name=name,
            noise=None if snr_db is None else "hum.wav",
            snr_db=snr_db,
            positives=len(scores),
            negative_hours=2.0,
            points=make_points(THRESHOLDS, missed, len(scores), [4, 1, 0], 2.0),
            clips=tuple(ClipScore(path=f"/data/yes/{n}.flac", score=score) for n, score in enumerate(scores)),
        )

    return Evaluation(
        model="computer.tflite",
        word="computer",
        runtime="some_runtime 1.0",
        trigger=TriggerSettings(threshold=threshold, window=3, refractory_s=1.0),
        us_per_frame=us,
        bytes=64_000,
        sha256=hashlib.sha256(WEIGHTS).hexdigest(),
        conditions=(condition("clean", None, clean), condition("10 dB", 10.0, noisy)),
        moments=(
            Moment(path="/data/no/talk.flac", at_s=12.34, score=0.5, label="commuter"),
            Moment(path="/data/no/talk.flac", at_s=99.0, score=0.1, label="compute a"),
            Moment(path="/data/no/talk.flac", at_s=120.0, score=0.1, label="commuter"),
        ),
        negatives=(Negatives(path="/data/no/talk.flac", hours=2.0),),
        left_out=(LeftOut(path="x.flac", reason="x.flac: holds no samples; record it again"),),
        method="some-method",
    )


NOW = evaluation([0.9, 0.9, 0.9, 0.5], [0.9, 0.9, 0.1, 0.0])
BEFORE = evaluation([0.9, 0.1, 0.9, 0.5], [0.9, 0.1, 0.5, 0.0], us=50.0)


def rows(markdown: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines() if line[:1] == "|"]


def section(markdown: str, title: str) -> str:
    return next(part for part in markdown.split("\n## ") if part.startswith(title))


def test_the_main_table_has_every_operating_point_and_condition() -> None:
    head, _, own, half, none = rows(report.figures(NOW))
    assert head == ["threshold", "false accepts/h", "missed, clean", "missed, 10 dB"]
    assert own == ["its own: 0.500", "0.50 (0.01..2.79)", "0.0 % (0.0..49.0)", "50.0 % (15.0..85.0)"]
    assert half[0] == "at most 0.5 FA/h: 0.500"
    assert none == ["no FA: 0.900", "0.00 (0.00..1.84)", "25.0 % (4.6..69.9)", "50.0 % (15.0..85.0)"]


def test_how_it_decides_is_told_as_it_is() -> None:
    assert "; the mean of 3 scores decides, then 1 s of rest" in report.measured(NOW)
    two_stages = msgspec.structs.replace(NOW, trigger=TriggerSettings(threshold=0.8, window=1, refractory_s=1.0))
    assert "; each score decides for itself, then 1 s of rest" in report.measured(two_stages)


def test_the_report_names_what_it_missed_and_where_it_fired_without_the_folder() -> None:
    shown = report.text(NOW.without_folder(), None, None)
    assert "/data" not in shown
    missed = rows(section(shown, "Clips it missed"))
    assert [row[0] for row in missed] == ["clip", "---", "yes/3.flac", "yes/2.flac"]
    assert "clean: 0 of 4" in shown
    fired = rows(section(shown, "Moments"))
    assert fired[2] == ["no/talk.flac", "12.3 s", "0.500", "yes", "commuter"]
    assert [row[3] for row in fired[3:]] == ["no", "no"]
    assert rows(section(shown, "Confusion"))[2:] == [["commuter", "0.500", "1"], ["compute a", "0.100", "0"]]
    assert "holds no samples" in section(shown, "Left out")


def test_the_report_tells_the_hours_of_each_folder_and_not_of_each_of_a_thousand_clips() -> None:
    clips = tuple(Negatives(path=f"/data/prompts/{number}.flac", hours=0.001) for number in range(500))
    shown = report.text(msgspec.structs.replace(NOW, negatives=(*NOW.negatives, *clips)).without_folder(), None, None)
    table = rows(shown.split("\n## ")[0])
    assert table[-2:] == [["no", "1", "2.00"], ["prompts", "500", "0.50"]]


def test_before_and_after_counts_the_clips_that_changed() -> None:
    table = rows(section(report.text(NOW, None, BEFORE), "Before and after"))
    clean, noisy = table[2], table[4]
    assert clean[:3] == ["clean", "its own", "25.0 % (4.6..69.9)"]
    assert clean[4:] == ["1", "0", "1.00"]
    assert noisy[4:] == ["1", "1", "1.00"]
    assert "INT8 against float" in report.text(NOW, BEFORE, None)


def test_equal_chances_part_ten_changes_so_unevenly_once_in_a_hundred_times() -> None:
    assert report.sign_test(9, 1) == pytest.approx(22 / 1024)
    assert report.sign_test(10, 0) == pytest.approx(2 / 1024)
    assert report.sign_test(0, 0) == 1.0


def test_an_evaluation_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    evaluations.write(NOW, tmp_path / "a" / "out.json")
    assert evaluations.read(tmp_path / "a" / "out.json") == NOW
    (tmp_path / "other.json").write_text('{"model": 3}')
    for name in ("other.json", "absent.json"):
        with pytest.raises(ConfigError, match=f"{name}: not an evaluation"):
            evaluations.read(tmp_path / name)


def test_the_pictures_are_drawn_and_the_same_every_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the tools' environment has it (make venv-tools)")
    drawn = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        report.draw(folder, NOW, BEFORE, BEFORE)
        drawn.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert drawn[0] == drawn[1]
    assert set(drawn[0]) == {
        *("det.svg", "points.svg", "scores.svg"),
        *("det_float.svg", "scores_float.svg", "det_before.svg", "scores_before.svg"),
    }
    assert all(content.startswith(b"<?xml") for content in drawn[0].values())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "computer.tflite"
    path.write_bytes(WEIGHTS)
    fields = {
        "wake_word": "Computer",
        "micro": {"probability_cutoff": 0.5, "sliding_window_size": 3, "feature_step_size": 10},
        "licence": "Apache-2.0",
        "data": [{"name": "friends", "licence": "CC0-1.0", "use": "positives", "clips": 20}],
        "training": {"seed": 7, "versions": {"keras": "3.15.1"}},
        "limits": "No children were heard.",
    }
    path.with_suffix(".json").write_text(json.dumps(fields))
    return path


def test_the_card_gets_the_figures_and_keeps_what_it_had(model: Path) -> None:
    fields = cards.with_figures(cards.read_fields(model.with_suffix(".json")), model, NOW)
    assert fields["micro"]["feature_step_size"] == 10
    assert fields["sha256"] == NOW.sha256
    assert [(curve["name"], len(curve["points"])) for curve in fields["det"]] == [("clean", 3), ("10 dB", 3)]
    assert {"chosen": "no FA", "threshold": 0.9} in fields["operating_points"]
    model.with_suffix(".json").write_text(json.dumps(fields))
    assert cards.read(model.with_suffix(".json")).det[0].at(0.5).missed == 0


def test_figures_of_another_file_or_threshold_are_refused(model: Path) -> None:
    fields = cards.read_fields(model.with_suffix(".json"))
    with pytest.raises(UsageError, match="of another file or threshold"):
        cards.with_figures(fields, model, evaluation([0.9], [0.9], threshold=0.4))
    model.write_bytes(b"another model")
    with pytest.raises(UsageError, match="of another file or threshold"):
        cards.with_figures(fields, model, NOW)


def test_the_card_for_people_tells_data_licence_seed_and_limits(model: Path) -> None:
    shown = cards.readme(cards.read(model.with_suffix(".json")), model.name, NOW)
    for part in ("Apache-2.0", "friends", "CC0-1.0", "seed", "7", "keras 3.15.1", "No children", "det.svg", "64.0 kB"):
        assert part in shown
    assert report.figures(NOW) in shown


def test_the_cards_data_are_counted_by_source_licence_and_use() -> None:
    clips = [
        *(Clip(path=Path("x"), label="computer", source="friends", licence="CC0-1.0") for _ in range(3)),
        Clip(path=Path("x"), label="negative:speech", source="friends", licence="CC0-1.0"),
        Clip(path=Path("x"), label="computer"),
    ]
    assert [(one.name, one.licence, one.use, one.clips) for one in cards.data_of(clips, "Computer")] == [
        ("friends", "CC0-1.0", "negative:speech", 1),
        ("friends", "CC0-1.0", "the word", 3),
        ("not told", "not told", "the word", 1),
    ]


def test_a_card_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"wake_word": "x"}')
    for name in ("x.json", "absent.json"):
        with pytest.raises(ConfigError, match=name):
            cards.read(tmp_path / name)
