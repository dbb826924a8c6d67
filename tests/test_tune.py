"""Tuning: what each threshold would have made of a place, and which one is proposed."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from appliance.audio.format import FRAMES_PER_S, Frame, silent_pcm
from appliance.cli import tune
from appliance.config import Config
from appliance.config_files import LoadedConfig
from appliance.errors import AudioError
from appliance.wake.engine import Parts, WakeWord
from appliance.wake.tuning import Finding, Row, Tuning, certainty, propose
from tests.fakes import quiet

HOUR = 3600 * FRAMES_PER_S


class ScriptedEar:
    """Scores 0 but in the frames of its script."""

    def __init__(self, script: dict[int, float]) -> None:
        self.script = script
        self.resets = 0

    def process(self, frame: Frame) -> float:
        return self.script.get(frame.index, 0.0)

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        pass


def tuning(script: dict[int, float], threshold: float = 0.6) -> Tuning:
    word = WakeWord(name="yes", engine="int8", threshold=threshold, window=1, parts=Parts())
    return Tuning(word, ScriptedEar(script))


def row(threshold: float, per_hour: float, sure: float = 0.5) -> Row:
    return Row(threshold=threshold, false_wakes=0, per_hour=per_hour, certainty=sure, misses={})


def counts(finding: Finding) -> dict[float, int]:
    return {row.threshold: row.false_wakes for row in finding.rows}


def test_each_threshold_counts_its_own_false_wakes() -> None:
    one = tuning({100: 0.62, 500: 0.42, 900: 0.97})
    tune.listen([one], ((quiet(index), f"frame {index}") for index in range(1000)), None)
    found = one.finding(allowed_per_hour=0.5)
    assert [counts(found)[threshold] for threshold in (0.4, 0.45, 0.6, 0.65, 0.95)] == [3, 2, 2, 1, 1]
    assert found.moments == ("frame 100", "frame 900")
    assert one.false_wakes == 2
    assert found.hours == pytest.approx(1000 / HOUR)
    assert found.proposed is None, "even 0.95 woke"


def test_digital_silence_is_no_time_heard() -> None:
    one = tuning({})
    tune.listen([one], ((Frame(index, silent_pcm()), "") for index in range(100)), None)
    with pytest.raises(AudioError, match="nothing was heard but silence"):
        one.finding(0.5)
    tune.listen([one], ((quiet(index), "") for index in range(50)), None)
    assert one.finding(0.5).hours == pytest.approx(50 / HOUR)


def test_a_new_recording_begins_with_the_engine_as_new() -> None:
    ear = ScriptedEar({10: 0.9})
    one = Tuning(WakeWord(name="yes", engine="int8", threshold=0.6, window=1, parts=Parts()), ear)
    for _ in range(2):
        tune.listen([one], ((quiet(index), "") for index in range(20)), None)
    assert (ear.resets, one.false_wakes) == (2, 2)


def test_it_ends_when_the_time_is_over_or_somebody_interrupts(capsys: pytest.CaptureFixture[str]) -> None:
    def endless() -> Iterator[tuple[Frame, str]]:
        for index in range(10**9):
            yield quiet(index), ""
            if index == 200:
                raise KeyboardInterrupt

    one = tuning({50: 0.9})
    tune.listen([one], endless(), 100 / HOUR)
    assert one.finding(1.0).hours == pytest.approx(100 / HOUR)
    tune.listen([one], endless(), None)
    assert "the result so far" in capsys.readouterr().err
    assert counts(one.finding(1.0))[0.6] == 2


def test_it_goes_up_when_it_wakes_too_often_and_down_only_when_that_is_certain() -> None:
    noisy = [row(0.4, 3.0), row(0.6, 1.0), row(0.8, 0.0), row(0.9, 0.0)]
    assert propose(noisy, 0.5, present=0.6) == noisy[2]
    quiet_hour = [row(0.4, 0.0, sure=0.6), row(0.6, 0.0), row(0.8, 0.0)]
    assert propose(quiet_hour, 0.5, present=0.6) == quiet_hour[1]
    quiet_week = [row(0.2, 0.6, sure=0.2), row(0.4, 0.0, sure=0.96), row(0.6, 0.0, sure=0.99)]
    assert propose(quiet_week, 0.5, present=0.6) == quiet_week[1]
    assert propose([row(0.4, 3.0), row(0.6, 2.0)], 0.5, present=0.4) is None


def test_certainty_grows_with_the_time_in_which_nothing_happened() -> None:
    assert certainty(0, 1.0) == pytest.approx(0.632, abs=1e-3)
    assert certainty(0, 3.0) == pytest.approx(0.950, abs=1e-3)
    assert certainty(3, 7.754) == pytest.approx(0.950, abs=1e-3)
    assert certainty(5, 1.0) < 0.001


def test_the_card_tells_what_a_threshold_does_to_misses(tmp_path: Path) -> None:
    from appliance.runtimes.tflite import TfliteFile

    curve = [{"threshold": 0.3, "miss_rate": 0.01}, {"threshold": 0.65, "miss_rate": 0.05}]
    (tmp_path / "yes.json").write_text(json.dumps({"det": [{"name": "clean", "points": curve}]}))
    parts = Parts(files=(TfliteFile(tmp_path / "yes.tflite", b""),))
    word = WakeWord(name="yes", engine="int8", threshold=0.6, window=1, parts=parts)
    one = Tuning(word, ScriptedEar({100: 0.62}))
    tune.listen([one], ((quiet(index), "") for index in range(1000)), None)
    found = one.finding(0.5)
    assert found.proposed is not None
    assert (found.proposed.threshold, found.proposed.misses) == (0.65, {"clean": 0.05})
    shown = tune.page(found)
    assert "missed clean" in shown
    assert "5.0 % <- proposed" in shown
    assert "wake.threshold = 0.65" in shown
    assert "to be certain to 95 %, listen for 6 h" in shown


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "1e9"])
def test_hours_are_a_positive_number(text: str) -> None:
    parser = argparse.ArgumentParser()
    tune.add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--hours", text])


@pytest.mark.model
def test_a_recording_is_told_as_json(store: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile = pytest.importorskip("soundfile")
    hiss = np.round(np.random.default_rng(1).normal(0, 300, 5 * 16_000)).astype(np.int16)
    soundfile.write(tmp_path / "room.wav", hiss, 16_000)
    parser = argparse.ArgumentParser()
    tune.add_arguments(parser)
    args = parser.parse_args([str(tmp_path / "room.wav"), "--word", "alexa", "--word", "hey jarvis", "--json"])
    assert tune.run(args, LoadedConfig(config=Config(), folder=tmp_path)) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["word"], round(one["hours"] * HOUR)) for one in found] == [("alexa", 250), ("hey_jarvis", 250)]
    assert all(one["proposed"]["threshold"] == one["present_threshold"] for one in found)
