"""The network as a stream: one hop in, one probability out, its past in variables of its own: the .tflite file."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.wake.features import MICRO_BANDS
from tools.quantize.net import FEATURE_MAX, FIRST_ROWS, ROWS_PER_HOP, Weights

Array = npt.NDArray[np.float32]


def at_rest(weights: Weights) -> list[Array]:
    """What each block's input is after endless silence (features of 0), (channels,) each."""
    values = [np.maximum(weights.first_bias, 0.0)]
    for block in weights.blocks:
        x = values[-1]
        values.append(np.maximum(x + (x * block.depth.sum(axis=0)) @ block.point + block.bias, 0.0))
    return values[:-1]


def streaming(weights: Weights, *, whole_steps: bool = False) -> Any:
    """A tf.Module whose `step` takes float32 (1, 2, 40) in 0..26 and gives the probability (1, 1) that the word ended.

    It begins as after endless silence. `whole_steps`: the input is rounded to 256 steps of 0..26, which tells the
    converter its scale.
    """
    import tensorflow as tf  # type: ignore[import-untyped,import-not-found,unused-ignore]

    class Stream(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.rows = tf.Variable(tf.zeros((1, FIRST_ROWS - ROWS_PER_HOP, 1, MICRO_BANDS)), name="rows")
            self.pasts = [
                tf.Variable(np.broadcast_to(rest, (1, len(block.depth) - 1, 1, rest.size)), name=f"past{index}")
                for index, (block, rest) in enumerate(zip(weights.blocks, at_rest(weights), strict=True))
            ]

        @tf.function(input_signature=[tf.TensorSpec((1, ROWS_PER_HOP, MICRO_BANDS), tf.float32)])  # type: ignore[untyped-decorator]
        def step(self, rows: Any) -> Any:
            if whole_steps:
                rows = tf.quantization.fake_quant_with_min_max_args(rows, 0.0, FEATURE_MAX)
            seen = tf.concat([self.rows, rows[:, :, tf.newaxis, :]], 1)
            self.rows.assign(seen[:, ROWS_PER_HOP:])
            x = tf.nn.conv2d(seen, weights.first[:, np.newaxis] / FEATURE_MAX, 1, "VALID")
            x = tf.nn.relu(tf.nn.bias_add(x, weights.first_bias))
            for past, block in zip(self.pasts, weights.blocks, strict=True):
                heard = tf.concat([past, x], 1)
                past.assign(heard[:, 1:])
                y = tf.nn.depthwise_conv2d(heard, block.depth[:, np.newaxis, :, np.newaxis], (1, 1, 1, 1), "VALID")
                y = tf.nn.conv2d(y, block.point[np.newaxis, np.newaxis], 1, "VALID")
                x = tf.nn.relu(x + tf.nn.bias_add(y, block.bias))
            return tf.sigmoid(tf.matmul(tf.reshape(x, (1, -1)), weights.last) + weights.last_bias)

    return Stream()


def to_tflite(weights: Weights, recordings: list[Array] | None = None, *, per_channel: bool = True) -> bytes:
    """The stream as a .tflite file; INT8 where there are recordings to take the ranges of its numbers from.

    recordings: float32 (rows, 40) in 0..26, run through one after the other: a minute or more, some with the word.
    per_channel: a scale for each channel of the weights; else one for all.
    """
    return converted(streaming(weights, whole_steps=recordings is not None), recordings, per_channel=per_channel)


def converted(module: Any, recordings: list[Array] | None, *, per_channel: bool = True) -> bytes:
    """A tf.Module with such a `step` as a .tflite file; see `to_tflite`."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.step.get_concrete_function()], module)
    converter.experimental_enable_resource_variables = True
    if recordings is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: _hops(recordings)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
        converter._experimental_variable_quantization = True
        converter._experimental_disable_per_channel = not per_channel
    contents: bytes = converter.convert()
    return contents


def step_function(weights: Weights) -> Callable[[Array], float]:
    """The float stream as a function of one hop, (2, 40) in 0..26: what parity is held against."""
    module = streaming(weights)
    return lambda rows: float(module.step(rows[np.newaxis])[0, 0])


def _hops(recordings: list[Array]) -> Iterator[list[Array]]:
    for rows in recordings:
        for start in range(0, len(rows) - ROWS_PER_HOP + 1, ROWS_PER_HOP):
            yield [rows[np.newaxis, start : start + ROWS_PER_HOP].astype(np.float32)]
