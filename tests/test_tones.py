"""The ring of a timer."""

import numpy as np
import pytest

from appliance.audio.format import FRAMES_PER_S, level_dbfs
from appliance.audio.tones import RING_PERIOD_S, STROKES, ring_tone


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 48_000])
def test_a_ring_is_a_whole_number_of_frames(rate_hz: int) -> None:
    ring = ring_tone(rate_hz)
    assert ring.dtype == np.int16
    assert ring.size == round(RING_PERIOD_S * rate_hz)
    assert ring.size % (rate_hz // FRAMES_PER_S) == 0


def test_its_loudest_sample_is_at_the_level_asked_for() -> None:
    for peak_dbfs in (-20.0, -9.0, -1.0):
        peak = np.abs(ring_tone(22_050, peak_dbfs).astype(int)).max()
        assert 20 * np.log10(peak / 32_768) == pytest.approx(peak_dbfs, abs=0.05)


def test_it_fades_in_and_out_and_leaves_time_to_say_stop() -> None:
    ring = ring_tone(16_000).astype(int)
    assert np.abs(np.diff(ring[:16])).max() < 400, "the first millisecond clicks"
    assert ring[0] == 0
    assert ring[-1] == 0
    second_half = ring_tone(16_000)[ring.size // 2 :]
    assert level_dbfs(second_half) < -80


def test_two_tones_sound_one_after_the_other() -> None:
    ring = ring_tone(16_000)
    for begins_s, pitch_hz in STROKES:
        first = round((begins_s + 0.05) * 16_000)
        spectrum = np.abs(np.fft.rfft(ring[first : first + 3200] * np.hanning(3200)))
        assert np.argmax(spectrum) * 5 == pytest.approx(pitch_hz, abs=6)
