"""What a stretch of sound says: levels, floor, clipping and offset, with the limits of the running appliance."""

import numpy as np
import numpy.typing as npt
import pytest

from appliance.audio.format import Frame, freeze
from appliance.audio.health import AudioHealth
from appliance.audio.survey import Survey, survey

SECONDS = 50 * 320


def _frames(samples: npt.NDArray[np.generic]) -> list[Frame]:
    pcm = np.clip(samples.astype(np.float64), -32_768, 32_767).astype(np.int16).reshape(-1, 320)
    return [Frame(index, freeze(frame)) for index, frame in enumerate(pcm)]


def _surveyed(samples: npt.NDArray[np.generic]) -> Survey:
    return survey(_frames(samples))


def _square(height: float, seconds: float = 1.0) -> npt.NDArray[np.float64]:
    return np.resize(np.array([height, -height]), round(seconds * SECONDS))


def test_levels_of_what_is_known() -> None:
    found = _surveyed(np.concatenate([_square(327.68, 1.0), _square(3276.8, 1.0)]))
    assert found.seconds == 2.0
    assert found.level_dbfs == pytest.approx(-20 - 10 * np.log10(2) + 0.04, abs=0.02)
    assert found.floor_dbfs == pytest.approx(-40.0, abs=0.05)
    assert found.peak_dbfs == pytest.approx(-20.0, abs=0.01)
    assert (found.clipped_share, found.dc_share) == (0.0, 0.0)


def test_the_floor_is_heard_beneath_speech_and_not_beneath_a_single_gap() -> None:
    quiet, loud = _square(10, 0.2), _square(10_000, 0.8)
    assert _surveyed(np.tile(np.concatenate([quiet, loud]), 2)).floor_dbfs == pytest.approx(-70.3, abs=0.1)
    assert _surveyed(np.concatenate([_square(10, 0.06), _square(10_000, 1.94)])).floor_dbfs > -11


def test_the_lowest_sample_is_the_peak_and_clipped() -> None:
    samples = np.zeros(SECONDS)
    samples[:400] = -32_768
    found = _surveyed(samples)
    assert found.peak_dbfs == 0.0
    assert found.clipped_share == 400 / SECONDS


def test_silence() -> None:
    found = _surveyed(np.zeros(320))
    assert (found.level_dbfs, found.floor_dbfs, found.peak_dbfs) == (-120.0, -120.0, -120.0)
    assert found.problems() == ("silent",)


NOISE = np.random.default_rng(5).normal(0.0, 30.0, 5 * SECONDS)


@pytest.mark.parametrize(
    ("sound", "kinds"),
    [
        (NOISE, ()),
        (NOISE / 10, ()),
        (_square(1, 5), ("silent",)),
        (NOISE * 500, ("clipping",)),
        (NOISE - 3000, ("dc",)),
        (NOISE + 1000, ()),
        (NOISE * 300 + 12_000, ("clipping", "dc")),
    ],
    ids=["room", "quiet room", "dead", "overdriven", "offset", "small offset", "both"],
)
def test_it_names_what_the_running_appliance_would_name(sound: npt.NDArray[np.float64], kinds: tuple[str, ...]) -> None:
    health = AudioHealth()
    frames = _frames(sound)
    assert {problem.kind for frame in frames for problem in health.update(frame)} == set(kinds)
    assert survey(frames).problems() == kinds


def test_it_reads_as_a_line() -> None:
    assert str(_surveyed(_square(327.68))) == "level -40 dBFS, floor -40 dBFS, peak -40 dBFS"
