"""The bench of wake words: its table, and what of the recordings is a single word."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import StageError
from tools import bench_wake, wake_figures
from tools.quantize import streams
from tools.quantize.evaluation import Condition, make_points
from tools.quantize.streams import Clip, Stream
from tools.wake_cost import cost_of
from tools.wake_figures import Cost, Hours, Results, Row


def row(maker: str, false_accepts: list[int]) -> Row:
    """Of 100 clips and 4 hours, at the thresholds 0.3, 0.5 and 0.7."""
    conditions = [
        Condition(
            name=name,
            noise=None,
            snr_db=None,
            positives=100,
            negative_hours=4.0,
            points=make_points([0.3, 0.5, 0.7], missed, 100, false_accepts, 4.0),
        )
        for name, missed in (("clean", [0, 1, 2]), ("10 dB", [5, 6, 7]))
    ]
    return Row(
        word="alexa",
        maker=maker,
        model="m",
        costs=(
            Cost(runtime="some_runtime", us_per_frame=40.0, memory_mb=5.0),
            Cost(runtime="other_runtime", us_per_frame=20.0, memory_mb=6.0),
        ),
        bytes=50_000,
        points=wake_figures.chosen_points(conditions, 0.5),
    )


def blocks(*rows: Row, synthetic: bool = False) -> list[list[str]]:
    hours = Hours(word="alexa", positives=100, synthetic=synthetic, hours=4.0, short=1.0, longer=2.0, other=1.0)
    results = Results(machine="a machine", mixing="m", recordings=(hours,), rows=rows, left_out=("Nobody: not here",))
    return [block.splitlines() for block in wake_figures.page(results).split("\n\n")]


def test_the_table_has_every_contestant_at_every_operating_point() -> None:
    head, own, half, none, cost, left_out = blocks(row("One", [8, 2, 0]), row("Other", [8, 6, 5]))
    assert "single words and prompts 1.00, longer speech 2.00, music and noise 1.00" in head[1]
    assert own[2].split()[:4] == ["alexa", "One", "0.500", "0.50"]
    assert own[2].split()[-4:] == ["1.0", "(0.2..5.4)", "6.0", "(2.8..12.5)"]
    assert half[2].split()[2] == "0.500"
    assert none[2].split()[2] == "0.700"
    assert "none is so quiet" in half[3], "five in four hours are too many"
    assert cost[2].split() == ["alexa", "One", "40.0", "50.0", "5.0", "some_runtime"]
    assert cost[3].split() == ["alexa", "One", "20.0", "50.0", "6.0", "other_runtime"]
    assert left_out == ["left out: Nobody: not here"]


def test_the_figures_of_synthetic_voices_are_called_so() -> None:
    head, own, *_ = blocks(row("One", [8, 2, 0]), synthetic=True)
    assert "alexa: 100 clips of SYNTHETIC voices" in head[1]
    assert own[2].split()[:3] == ["alexa", "(synthetic)", "One"]


def test_short_pieces_are_told_apart_from_longer_speech_and_from_other_sound(tmp_path: Path) -> None:
    cues = [("speech", 1.0), ("speech", 10.0), ("music", 20.0)]
    lines = [{"kind": kind, "start_sample": 0, "end_sample": int(16_000 * seconds)} for kind, seconds in cues]
    (tmp_path / "radio.cues.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    clips = (
        Clip(path=tmp_path / "radio.flac", label="negative:speech"),
        Clip(path=tmp_path / "word.flac", label="jarvis", duration_s=3.0),
        Clip(path=tmp_path / "rain.flac", label="negative:noise", duration_s=5.0),
    )
    found = bench_wake.Recordings(
        word="alexa", positives=[], negatives=[Stream(path=clip.path, clips=(clip,)) for clip in clips], noises=[]
    )
    hours = bench_wake.hours_of(found)
    assert [value * 3600 for value in (hours.short, hours.longer, hours.other)] == pytest.approx([4.0, 10.0, 25.0])


def test_the_bench_is_skipped_without_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench_wake.main([str(tmp_path)]) == 0
    assert "skipped, no recordings" in capsys.readouterr().err


def test_the_cost_in_a_python_that_cannot_hear_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="cannot hear with nothing_of_this_name"):
        cost_of("nothing_of_this_name", np.zeros(320, np.int16), Path(sys.executable))


@pytest.mark.model
def test_the_cost_is_that_of_a_process_as_new() -> None:
    cost = cost_of("alexa", np.zeros(16_000, np.int16), Path(sys.executable))
    assert 5.0 < cost.us_per_frame < 5_000.0
    assert 1.0 < cost.memory_mb < 100.0


@pytest.mark.data
def test_the_packs_negatives_do_not_hold_the_word(data_pack: Path) -> None:
    found = bench_wake.find_recordings(data_pack, "alexa", Path("not used: people say it"))
    assert len(found.positives) > 100
    said = {clip.text for stream in found.negatives for clip in stream.clips}
    assert not any("alexa" in text.split() for text in said)
    assert np.prod([stream.path.is_file() for stream in found.negatives])
    assert streams.render(found.positives[0]).samples > 0
