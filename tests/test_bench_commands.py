"""The pure parts of the tools that count what is understood and fit how sure it is. No model, no recordings."""

from pathlib import Path

import numpy as np
import pytest

from appliance.understanding.confidence import Decision
from tools import bench_commands, reliability
from tools.bench_commands import FOREIGN_PARTS, SNRS_DB, Result, tasks_of
from tools.fit_confidence import cross_fitted, decided, fitted, observed, table

ROW = {
    "set": "clean",
    "speaker": "anna",
    "right": True,
    "share": 0.5,
    "cost": 0.1,
    "phones": 16,
    "two": False,
    "missed_s": 0.2,
    "beyond_filler": 32.0,
    "apart": 0.2,
}


def result(*, right: bool, decision: Decision | None, words: int = 5) -> Result:
    return Result(kind="words", seconds=1.0, cpu_s=0.1, right=right, decision=decision, words=words, confidence=0.9)


def test_every_order_is_heard_in_every_noise_and_foreign_speech_once() -> None:
    tasks = tasks_of(Path("pack"), 1, 4, observe=False)
    orders = [(task.method, task.snr_db) for task in tasks if task.foreign_part is None]
    assert len(orders) == len(set(orders)) == 2 * len(SNRS_DB) - 1, "clean is no mixture"
    assert [task.foreign_part for task in tasks if task.foreign_part is not None] == list(range(FOREIGN_PARTS))


def test_wrong_actions_and_questions_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    (task, *_) = tasks_of(Path("pack"), 1, 4, observe=False)
    acts = [result(right=right, decision=Decision.ACT) for right in (True, True, False)]
    bench_commands._print_orders(task, [*acts, result(right=True, decision=Decision.CONFIRM)])
    told = capsys.readouterr().out
    assert "right at once 2 of 4" in told
    assert "with asking 3 of 4" in told
    assert "wrong actions 1 of 4" in told
    assert "0.100 s of processor for 1 s" in told


def test_short_commands_are_counted_by_the_hour(capsys: pytest.CaptureFixture[str]) -> None:
    heard = [result(right=False, decision=Decision.ACT, words=1), *[result(right=False, decision=None)] * 3599]
    bench_commands._foreign(heard)
    assert "acted on 1 of 3600" in capsys.readouterr().out


def test_an_observation_becomes_features() -> None:
    row = observed(ROW)
    weighed = {"lead": 0.0, "cost": 0.1, "length": 4.0, "apart": 0.2, "two": 0.0, "missed": -2.0, "filler": 2.0}
    assert dict(row.features) == weighed
    assert row.long
    assert not observed(ROW | {"two": True}).long
    assert not observed(ROW | {"phones": 3}).long


def test_a_fit_finds_the_weights_that_made_the_answers() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 2))
    right = (rng.random(4000) < 1 / (1 + np.exp(-(0.5 + 2 * x[:, 0] - x[:, 1])))).astype(np.float64)
    assert fitted(x, right) == pytest.approx([0.5, 2.0, -1.0], abs=0.2)


def test_a_speaker_is_judged_by_a_fit_without_him() -> None:
    x, right = np.array([[0.0], [1.0]] * 10), np.array([0.0, 1.0] * 10)
    speakers = [f"s{number}" for number in range(10) for _ in range(2)]
    known = cross_fitted(x, right, speakers)
    right[0] = 1.0
    assert cross_fitted(x, right, speakers)[0] == known[0]


def test_what_would_be_done_is_counted_for_each_set() -> None:
    assert [decided(one, 0.8, 0.4) for one in (None, 0.8, 0.4, 0.39)] == [
        *(Decision.ACT, Decision.ACT, Decision.CONFIRM, Decision.REFUSE)
    ]
    wrong = observed(ROW | {"right": False})
    (line,) = table([(observed(ROW), Decision.ACT), (wrong, Decision.ACT), (wrong, Decision.CONFIRM)])
    assert line.startswith("clean: of 3 readings acted on 1 right and 1 wrong")
    assert line.endswith("asked back 0 right and 1 wrong")


def test_a_confidence_is_held_against_what_was_right() -> None:
    told = [(0.95, True)] * 9 + [(0.97, False), (0.1, False), (1.0, True)]
    bins = {one.low: (one.right, one.total) for one in reliability.binned(told)}
    assert bins == {0.1: (0, 1), 0.95: (9, 10), 0.99: (1, 1)}
    assert sum("told" in line for line in reliability.table(told)) == 3
    assert reliability.diagram(told).count("<circle") == 3
