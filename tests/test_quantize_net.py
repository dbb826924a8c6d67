"""The network: causal, the same in training, as a stream and as a file; kept and read back."""

from pathlib import Path

import numpy as np
import pytest

from tools.quantize.net import FEATURE_MAX, Block, Shape, Weights, scores
from tools.quantize.prune import narrowed
from tools.quantize.stream import at_rest

SMALL = Shape(channels=8, kernels=(3, 5))


def random_weights(shape: Shape = SMALL, seed: int = 1) -> Weights:
    random = np.random.default_rng(seed)

    def some(*sizes: int) -> np.ndarray:
        return (random.normal(size=sizes) / np.sqrt(np.prod(sizes[:-1]))).astype(np.float32)

    return Weights(
        first=some(5, 40, shape.channels),
        first_bias=some(shape.channels),
        blocks=tuple(
            Block(depth=some(k, shape.channels), point=some(shape.channels, shape.channels), bias=some(shape.channels))
            for k in shape.kernels
        ),
        last=some(shape.channels, 1),
        last_bias=some(1),
    )


def random_rows(count: int, seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 40), np.float32)


def test_one_score_for_each_hop_whose_past_is_whole() -> None:
    assert scores(random_weights(), random_rows(60)).shape == (30 - SMALL.warm_up_hops,)
    assert Shape().warm_up_hops == 62


def test_no_score_depends_on_later_rows() -> None:
    rows = random_rows(80)
    whole = scores(random_weights(), rows)
    for hop in range(SMALL.warm_up_hops, 40):
        changed = rows.copy()
        changed[2 * hop + 2 :] = 0.5
        kept = hop + 1 - SMALL.warm_up_hops
        np.testing.assert_array_equal(scores(random_weights(), changed)[:kept], whole[:kept])


def test_each_score_depends_on_its_own_hop() -> None:
    rows = random_rows(60)
    changed = rows.copy()
    changed[58:] = 1.0 - changed[58:]
    one, other = scores(random_weights(), rows), scores(random_weights(), changed)
    assert one[-1] != other[-1]


def test_weights_are_kept(tmp_path: Path) -> None:
    weights = random_weights()
    weights.save(str(tmp_path / "w.npz"))
    rows = random_rows(60)
    np.testing.assert_array_equal(scores(Weights.load(str(tmp_path / "w.npz")), rows), scores(weights, rows))


def test_rest_is_what_endless_silence_leads_to() -> None:
    weights = random_weights()
    silent = scores(weights, np.zeros((80, 40), np.float32))
    assert np.ptp(silent) < 1e-6
    last = at_rest(weights)[-1]
    block = weights.blocks[-1]
    x = np.maximum(last + (last * block.depth.sum(axis=0)) @ block.point + block.bias, 0.0)
    assert float((x @ weights.last + weights.last_bias)[0]) == pytest.approx(float(silent[0]), abs=1e-5)


def test_channels_that_nothing_reads_are_cut_first() -> None:
    weights = random_weights()
    for array in (weights.last, *(block.point for block in weights.blocks)):
        array[[2, 5]] = 0.0
    rows = random_rows(60)
    narrow = narrowed(weights, SMALL.channels - 2)
    assert narrow.first.shape[2] == SMALL.channels - 2
    np.testing.assert_allclose(scores(narrow, rows), scores(weights, rows), atol=1e-5)


@pytest.mark.slow
def test_training_stream_and_files_agree() -> None:
    """Folded normalization, the float stream, and INT8 as the device's runtime runs it: within the stated bounds."""
    pytest.importorskip("tensorflow", reason="TensorFlow is only in the tools' environment (make venv-tools)")
    from tools.quantize.convert import FLOAT_DIFFERENCE, MOST_DIFFERENCE, differences, stream_scorer
    from tools.quantize.net import build, folded
    from tools.quantize.stream import to_tflite

    model = build(SMALL)
    random = np.random.default_rng(5)
    for layer in model.layers:
        if "norm" in layer.name:
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights([gamma + 0.1, beta + 0.1, mean + random.normal(size=mean.shape) * 0.1, variance * 1.3])
    steps = random.integers(0, 256, (120, 40)).astype(np.uint8)
    rows = steps.astype(np.float32) / 255
    weights = folded(model)
    own = np.asarray(model(rows[np.newaxis], training=False)[0])[0]
    np.testing.assert_allclose(scores(weights, rows), own, atol=1e-4)
    whole = scores(weights, rows)
    streamed = stream_scorer(to_tflite(weights))(steps)
    assert streamed.size == 60
    assert differences(streamed, whole).max() < FLOAT_DIFFERENCE
    int8 = stream_scorer(to_tflite(weights, [rows * FEATURE_MAX]))(steps)
    assert differences(int8, whole).max() < MOST_DIFFERENCE
