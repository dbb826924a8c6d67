"""What the bench of barge-in keeps of its cases, and what it counts."""

from pathlib import Path

import msgspec

from tools.bench_barge_in import Outcome, _keep, _kept, _table


def outcome(
    number: int, *, over: bool, woken: bool = True, right: bool = True, silent_ms: int | None = None
) -> Outcome:
    return Outcome(
        number=number,
        level_db=-6,
        drive=0.5,
        before_s=5.0 if number else 3.0,
        over=over,
        woken=woken,
        right=right,
        wrong=0,
        false_wakes=0,
        false_stops=0,
        silent_ms=silent_ms,
        after_word_ms=None if silent_ms is None else silent_ms + 200,
        what="x",
    )


def test_a_case_that_was_ended_in_between_is_run_again(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    outcomes = [outcome(0, over=False), outcome(0, over=True, silent_ms=20), outcome(1, over=False)]
    for one in outcomes:
        _keep(results, one)
    assert _kept(results, 200) == outcomes[:2]
    assert len(results.read_bytes().splitlines()) == 2
    _keep(results, outcome(1, over=False, woken=False))
    _keep(results, outcome(1, over=True))
    assert [(one.number, one.woken) for one in _kept(results, 200)] == [(0, True), (0, True), (1, False), (1, True)]
    assert len(_kept(results, 1)) == 2, "no more than is asked for"


def test_what_is_not_kept_is_not_known(tmp_path: Path) -> None:
    assert _kept(None, 200) == _kept(tmp_path / "none", 200) == []
    _keep(None, outcome(0, over=True))
    assert not list(tmp_path.iterdir())


def test_over_the_voice_and_in_silence_are_counted_apart() -> None:
    outcomes = [
        outcome(n, over=over, woken=not over or n > 0, right=n > 1, silent_ms=20 if over else None)
        for n in range(4)
        for over in (False, True)
    ]
    silence, over, warm, cold, told, after = _table(outcomes)
    assert silence.startswith("   -6 dB, in silence: woken 4 of 4")
    assert "order right 2 of 4" in silence
    assert over.startswith("   -6 dB, over the voice: woken 3 of 4")
    assert "of the woken 2 of 3" in over
    assert warm.startswith("  over the voice, -6 dB, drive 0.5, 4 s and more heard before: woken 3 of 3")
    assert cold.startswith("  over the voice, -6 dB, drive 0.5, 4 s or less heard before: woken 0 of 1")
    assert told == "  told to be silent 4 times, after the detection: 20 to 20 ms (median 20, p95 20)"
    assert after == "    after the end of the word: 220 to 220 ms (median 220, p95 220)"


def test_a_row_is_read_back() -> None:
    one = outcome(0, over=True, silent_ms=0)
    assert msgspec.json.decode(msgspec.json.encode(one), type=Outcome) == one
