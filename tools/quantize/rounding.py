"""Training on with the roundings of INT8 in the graph, normalization already folded in (quantization-aware training).

Weights are rounded to 255 steps a channel, numbers between layers to 256 steps of the range that examples showed.
It learns from examples alone, without the teacher: for `computer` it lost more of the words than rounding did, and the
file that was only rounded is the one that was chosen.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tools.quantize.examples import ROWS, STEPS, Examples
from tools.quantize.fit import losses, masked
from tools.quantize.net import ROWS_PER_HOP, Block, Shape, Weights
from tools.quantize.targets import Targets

LEARNING_RATE = 2e-4
BATCH = 128
_CALIBRATION = 256

Rounder = Callable[[Any, int], Any]


def train_rounded(weights: Weights, examples: Examples, *, seed: int, steps: int = 150) -> Weights:
    """Weights that have learned to live with rounding."""
    import tensorflow as tf  # type: ignore[import-untyped,import-not-found,unused-ignore]

    tf.keras.utils.set_random_seed(seed)
    rng = np.random.default_rng([seed, steps])
    variables = [tf.Variable(array) for array in _flat(weights)]
    some = rng.choice(len(examples.features), min(_CALIBRATION, len(examples.features)), replace=False)
    limits = _limits(variables, examples.features[np.sort(some)].astype(np.float32) / STEPS)

    def rounded(x: Any, place: int) -> Any:
        return tf.quantization.fake_quant_with_min_max_vars(x, *limits[place])

    optimizer = tf.keras.optimizers.Adam(LEARNING_RATE)
    optimizer.build(variables)

    @tf.function  # type: ignore[untyped-decorator]
    def learn(rows: Any, said: Any, at_end: Any, elsewhere: Any) -> None:
        with tf.GradientTape() as tape:
            logits = _logits(variables, masked(tf.cast(rows, tf.float32) / STEPS), rounded, round_weights=True)
            loss = tf.reduce_mean(losses(logits, said, at_end, elsewhere))
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    targets = Targets.of(examples.word_end_row, np.arange(Shape().warm_up_hops, ROWS // ROWS_PER_HOP))
    for _ in range(steps):
        chosen = targets.batch(rng, BATCH)
        learn(examples.features[chosen], targets.said[chosen], targets.at_end[chosen], targets.elsewhere[chosen])
    return _unflat([np.asarray(variable) for variable in variables])


def _logits(variables: list[Any], rows: Any, rounded: Rounder, *, round_weights: bool) -> Any:
    """The network of net.py on folded weights; `rounded` is called at each place between layers, in order."""
    import tensorflow as tf

    kept = _rounded_weight if round_weights else (lambda array: array)
    first, first_bias, *middle, last, last_bias = variables
    x = tf.nn.conv1d(rounded(rows, 0)[:, 1:], kept(first), ROWS_PER_HOP, "VALID")
    x = rounded(tf.nn.relu(x + first_bias), 1)
    for index in range(len(middle) // 3):
        depth, point, bias = middle[3 * index : 3 * index + 3]
        past = depth.shape[0] - 1
        kernel = kept(depth)[tf.newaxis, :, :, tf.newaxis]
        y = tf.nn.depthwise_conv2d(x[:, tf.newaxis], kernel, (1, 1, 1, 1), "VALID")[:, 0]
        y = rounded(tf.tensordot(rounded(y, 3 * index + 2), kept(point), 1) + bias, 3 * index + 3)
        x = rounded(tf.nn.relu(x[:, past:] + y), 3 * index + 4)
    return tf.tensordot(x, kept(last), 1)[:, :, 0] + last_bias


def _rounded_weight(array: Any) -> Any:
    """To -127..127 steps of the largest of each channel (the last axis); gradients pass as if nothing had happened."""
    import tensorflow as tf

    step = tf.reduce_max(tf.abs(array), axis=list(range(len(array.shape) - 1)), keepdims=True) / 127.0 + 1e-12
    return array + tf.stop_gradient(tf.round(array / step) * step - array)


def _limits(variables: list[Any], rows: npt.NDArray[np.float32]) -> list[tuple[float, float]]:
    """The lowest and highest number at each place; 0 is always among them."""
    found: list[tuple[float, float]] = []

    def note(x: Any, place: int) -> Any:
        array = np.asarray(x)
        found.append((min(0.0, float(array.min())), max(1e-6, float(array.max()))))
        return x

    _logits(variables, rows, note, round_weights=False)
    found[0] = (0.0, 1.0)
    return found


def _flat(weights: Weights) -> list[npt.NDArray[np.float32]]:
    middle = [array for block in weights.blocks for array in (block.depth, block.point, block.bias)]
    return [weights.first, weights.first_bias, *middle, weights.last, weights.last_bias]


def _unflat(arrays: list[npt.NDArray[np.float32]]) -> Weights:
    first, first_bias, *middle, last, last_bias = arrays
    blocks = tuple(Block(depth=middle[i], point=middle[i + 1], bias=middle[i + 2]) for i in range(0, len(middle), 3))
    return Weights(first=first, first_bias=first_bias, blocks=blocks, last=last, last_bias=last_bias)
