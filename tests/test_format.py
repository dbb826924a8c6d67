"""The one audio format: its numbers, levels and conversions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from appliance.audio import format as audio
from appliance.audio.format import Pcm, float_from_int16, int16_from_float, level_dbfs


def test_the_constants() -> None:
    assert (audio.SAMPLE_RATE_HZ, audio.FRAME_MS, audio.FRAME_SAMPLES, audio.FRAMES_PER_S) == (16_000, 20, 320, 50)
    assert audio.INT16_FULL_SCALE == 32_768
    assert audio.SILENT_DBFS == -120.0


@pytest.mark.parametrize(("ms", "frames"), [(0, 0), (0.1, 1), (20, 1), (20.5, 2), (40, 2), (1000, 50), (8000, 400)])
def test_a_duration_is_covered_by_frames(ms: float, frames: int) -> None:
    assert audio.frames_of_ms(ms) == frames
    assert audio.ms_of_frames(frames) >= ms


def test_a_fact_is_known_at_the_end_of_its_frame() -> None:
    assert audio.seconds_of_frame(0) == 0.02
    assert audio.seconds_of_frame(49) == 1.0
    assert audio.seconds_of_frame(3_599_999) == 72_000.0


def _sine(amplitude: float) -> Pcm:
    return np.round(amplitude * np.sin(2 * np.pi * np.arange(16_000) / 16)).astype(np.int16)


@pytest.mark.parametrize(
    ("pcm", "level"),
    [
        (_sine(32_767), -3.01),
        (_sine(3276.7), -23.01),
        (np.full(320, -32_768, np.int16), 0.0),
        (np.tile(np.array([32_767, -32_768], np.int16), 160), 0.0),
        (np.ones(320, np.int16), -90.31),
        (np.zeros(320, np.int16), -120.0),
        (np.zeros(0, np.int16), -120.0),
    ],
    ids=["full sine", "sine -20 dB", "full square", "alternating", "one bit", "silence", "nothing"],
)
def test_levels(pcm: Pcm, level: float) -> None:
    assert level_dbfs(pcm) == pytest.approx(level, abs=0.01)


def test_a_single_bit_in_a_long_silence_is_not_below_the_floor() -> None:
    pcm = np.zeros(1_000_000, np.int16)
    pcm[0] = 1
    assert level_dbfs(pcm) == -120.0


@given(arrays.arrays(np.int16, st.integers(0, 400)))
def test_int16_survives_the_way_to_float_and_back(pcm: Pcm) -> None:
    samples = float_from_int16(pcm)
    assert samples.dtype == np.float32
    assert np.all(np.abs(samples) <= 1.0)
    assert np.array_equal(int16_from_float(samples), pcm)


def test_floats_are_rounded_and_clipped() -> None:
    bit = 1 / 32_768
    samples = np.array([0.0, 0.6 * bit, -0.6 * bit, 0.4 * bit, 1.0, -1.0, 7.0, -7.0, np.inf, -np.inf])
    expected = [0, 1, -1, 0, 32_767, -32_768, 32_767, -32_768, 32_767, -32_768]
    pcm = int16_from_float(samples)
    assert pcm.dtype == np.int16
    assert pcm.tolist() == expected


def test_a_silent_frame_is_a_frame_that_cannot_be_changed() -> None:
    pcm = audio.silent_pcm()
    assert pcm.shape == (320,)
    assert pcm.dtype == np.int16
    assert not pcm.any()
    with pytest.raises(ValueError, match="read-only"):
        pcm[0] = 1
