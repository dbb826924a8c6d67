"""What docs/measured.md is measured with: front ends, fused operators, the INT8 embedding, workers."""

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from appliance.audio.format import FRAME_SAMPLES
from appliance.errors import StageError
from appliance.wake.features import MicroFeatures
from tools import bench_embedding, bench_front_ends, bench_workers
from tools.bench_embedding import Asked
from tools.bench_front_ends import COEFFICIENTS, COSINES, LogMel, Mfcc
from tools.invoke_cost import costs_of
from tools.quantize.examples import features_of

TENSORFLOW = importlib.util.find_spec("tensorflow") is not None


def tone(hz: float, level: float) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    seconds = np.arange(16_000) / 16_000
    return np.round(level * np.sin(2 * np.pi * hz * seconds)).astype(np.int16)


def test_log_mel_has_the_rows_of_the_micro_front_end() -> None:
    sound = tone(440.0, 3000.0)
    assert features_of(sound, LogMel()).shape == features_of(sound, MicroFeatures()).shape == (100, 40)
    front_ends = LogMel(), MicroFeatures()
    for start in range(0, 5 * FRAME_SAMPLES, FRAME_SAMPLES):
        counts = {len(one.process(sound[start : start + FRAME_SAMPLES])) for one in front_ends}
        assert len(counts) == 1


def test_log_mel_tells_pitch_and_level() -> None:
    low, high, quiet = (
        features_of(tone(hz, level), LogMel())[50] for hz, level in ((300, 8e3), (3000, 8e3), (300, 4e3))
    )
    assert low.argmax() < high.argmax()
    halved = (int(low.max()) - int(quiet.max())) / 255 * 26
    assert halved == pytest.approx(np.log(4.0), abs=0.15), "half the level is a quarter of the energy"


def test_log_mel_forgets() -> None:
    front_end, sound = LogMel(), tone(440.0, 3000.0)
    first = features_of(sound, front_end)
    assert (features_of(sound, front_end) == first).all()


def test_the_cosines_stand_at_right_angles() -> None:
    same = COSINES.T @ COSINES
    assert same[1:, 1:] == pytest.approx(np.eye(COEFFICIENTS - 1), abs=1e-5)
    front_end = Mfcc()
    assert [front_end.process(np.zeros(FRAME_SAMPLES, np.int16)).shape for _ in range(2)] == [(0, 20), (2, 20)]


def test_a_verifier_that_stays_sure_wakes_once() -> None:
    asked = [Asked(frame, np.zeros(0, np.int16), 0.0) for frame in (10, 14, 18, 80)]
    assert bench_embedding._events(asked, [0.9, 0.9, 0.1, 0.9], 0.5) == 2
    assert bench_embedding._events(asked, [0.4, 0.4, 0.4, 0.4], 0.5) == 0


def test_the_time_of_a_process_is_counted() -> None:
    before_s = bench_workers.spent_s(os.getpid())
    sum(number * number for number in range(1_000_000))
    assert bench_workers.spent_s(os.getpid()) > before_s


def test_a_python_that_cannot_run_a_network_is_told(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="not_there"):
        costs_of([tmp_path / "not_there.tflite"], Path(sys.executable))


def test_a_front_end_has_its_price() -> None:
    assert 1.0 < bench_front_ends.us_per_frame(lambda pcm: np.fft.rfft(pcm), tone(440.0, 3000.0)) < 10_000.0


@pytest.mark.skipif(not TENSORFLOW, reason="TensorFlow is not installed here: make test-tools")
def test_operators_apart_compute_what_the_joined_ones_do() -> None:
    from tools.bench_fusion import VARIANTS, _apart
    from tools.quantize.net import Shape, build, folded
    from tools.quantize.stream import streaming

    model = build(Shape(channels=8, kernels=(3, 5)))
    for name in ("first_norm", "norm0", "norm1"):
        layer, rng = model.get_layer(name), np.random.default_rng(3)
        layer.set_weights([rng.uniform(0.5, 2.0, array.shape) for array in layer.get_weights()])
    hops = np.random.default_rng(1).uniform(0.0, 26.0, (12, 1, 2, 40)).astype(np.float32)
    joined = streaming(folded(model), whole_steps=True)
    wanted = [float(joined.step(hop)[0, 0]) for hop in hops]
    for fold, fuse in VARIANTS.values():
        apart = _apart(model, fold=fold, fuse=fuse)
        assert [float(apart.step(hop)[0, 0]) for hop in hops] == pytest.approx(wanted, abs=1e-4)
