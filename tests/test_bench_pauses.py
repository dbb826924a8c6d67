"""Where the bench of pauses puts them."""

import numpy as np

from appliance.audio.format import FRAME_SAMPLES, SAMPLE_RATE_HZ, level_dbfs
from appliance.bench.speech import frames_of
from tools.bench_pauses import AFTER_S, PAUSE_S, paused


def quiet_frames(place: str) -> list[int]:
    """Of 90 loud frames, the 40th of which is less loud, those that are quiet then; without what follows them."""
    speech = np.resize(np.array([8000, -8000], np.int16), 90 * FRAME_SAMPLES)
    speech[40 * FRAME_SAMPLES : 41 * FRAME_SAMPLES] //= 2
    pcm = paused(speech, place)
    assert pcm.size == speech.size + round((PAUSE_S + AFTER_S) * SAMPLE_RATE_HZ)
    return [frame.index for frame in frames_of(pcm)[:105] if level_dbfs(frame.pcm) < -40]


def test_a_pause_stands_in_the_middle_or_where_it_is_quietest() -> None:
    assert quiet_frames("middle") == list(range(45, 60))
    assert quiet_frames("quietest") == list(range(40, 55))
