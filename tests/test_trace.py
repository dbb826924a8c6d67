"""What went from stage to stage, as JSON lines that anybody can read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.errors import UsageError
from appliance.trace import FILE_NAME, Tracer


def _refuse_constant(name: str) -> float:
    raise AssertionError(f"{name} is no JSON")


def _lines(folder: Path) -> list[dict[str, Any]]:
    text = (folder / FILE_NAME).read_text(encoding="utf-8")
    return [json.loads(line, parse_constant=_refuse_constant) for line in text.splitlines()]


def _trace(folder: Path, *values: Any) -> list[dict[str, Any]]:
    tracer = Tracer(folder)
    for number, value in enumerate(values):
        tracer.hand_off("source", "wake", number, value)
    tracer.close()
    return _lines(folder)


def test_sound_is_told_with_its_level(tmp_path: Path) -> None:
    square = np.tile(np.array([16_384, -16_384], np.int16), 160)
    line = _trace(tmp_path / "new" / "folder", square)
    assert line == [
        {
            "frame": 0,
            "from": "source",
            "to": "wake",
            "dtype": "int16",
            "shape": [320],
            "min": -16_384.0,
            "max": 16_384.0,
            "dbfs": -6.0,
            "nan": 0,
        }
    ]


def test_features_are_told_without_level_and_with_what_is_no_number(tmp_path: Path) -> None:
    features = np.array([[1.5, np.nan, 3.0], [np.inf, -np.inf, -2.0]], np.float32)
    (line,) = _trace(tmp_path, features)
    assert (line["dtype"], line["shape"], line["min"], line["max"]) == ("float32", [2, 3], -2.0, 3.0)
    assert (line["dbfs"], line["nan"]) == (None, 3)


def test_what_has_no_values_has_no_range(tmp_path: Path) -> None:
    empty, unknown = _trace(tmp_path, np.zeros(0, np.int16), np.full(2, np.nan))
    assert (empty["shape"], empty["min"], empty["max"], empty["dbfs"], empty["nan"]) == ([0], None, None, -120.0, 0)
    assert (unknown["min"], unknown["max"], unknown["nan"]) == (None, None, 2)


def test_single_values_are_told_as_they_are(tmp_path: Path) -> None:
    lines = _trace(tmp_path, 0.25, "turn on the light", "Küche", None, float("nan"))
    assert [line["value"] for line in lines] == [0.25, "turn on the light", "Küche", None, None]
    assert [line["frame"] for line in lines] == [0, 1, 2, 3, 4]


def test_an_older_trace_is_replaced(tmp_path: Path) -> None:
    _trace(tmp_path, 1.0, 2.0)
    assert len(_trace(tmp_path, 3.0)) == 1


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match=r"--trace .*file: cannot be written \(.*\); name another folder"):
        Tracer(tmp_path / "file")


@pytest.mark.parametrize("count", [1, 5000])
def test_a_full_disk_does_not_disturb_the_stages_and_is_told_at_the_end(tmp_path: Path, count: int) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    (tmp_path / FILE_NAME).symlink_to("/dev/full")
    tracer = Tracer(tmp_path)
    for number in range(count):
        tracer.hand_off("source", "wake", number, 0.5)
    with pytest.raises(UsageError, match=r"cannot be written \(No space left on device\)"):
        tracer.close()
