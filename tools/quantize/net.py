"""The network that hears the word: small, causal, 20 ms a step; one set of weights, in training and as a stream.

    rows of 10 ms (2 a hop) -> convolution over 5 rows, step 2 -> five times: + [depthwise over time -> 1x1] -> logit

Nothing is padded, so what training computes over a whole window is what the stream computes hop by hop: hop h holds
rows 2h and 2h+1 and its score depends on the rows before and in it, on none after. 38 thousand weights, 37 thousand
multiplications a hop, 1.27 s of hearing.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.wake.features import MICRO_BANDS

Array = npt.NDArray[np.float32]

ROWS_PER_HOP = 2
FIRST_ROWS = 5
"""Rows that the first convolution sees: those of the newest hop and three before them."""
NORM_MOMENTUM = 0.97
"""A run has a thousand steps: the running means must follow within a few dozen."""
DROPPED = 0.08
"""Share of the channels that each block is without, in training only."""
FEATURE_MAX = 26.0
"""Features are 0..26; stored as 0..255, seen by the network as 0..1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of the network."""

    channels: int = 64
    kernels: tuple[int, ...] = (5, 9, 13, 17, 21)
    """Hops that each block sees."""

    @property
    def warm_up_hops(self) -> int:
        """Hops before the first score of a window: those whose past is not whole."""
        return 2 + sum(kernel - 1 for kernel in self.kernels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Folded weights of one block: out = relu(in + (depthwise(in) + depth_bias) @ point + bias)."""

    depth: Array
    """(kernel, channels), oldest hop first."""

    point: Array
    """(channels, channels)."""

    bias: Array
    """(channels,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """All numbers of a trained network, normalization folded in."""

    first: Array
    """(5, 40, channels), for features in 0..1."""

    first_bias: Array
    blocks: tuple[Block, ...]
    last: Array
    """(channels, 1)."""

    last_bias: Array
    """(1,)."""

    def save(self, path: str) -> None:
        """Write an .npz of plain arrays."""
        arrays = {"first": self.first, "first_bias": self.first_bias, "last": self.last, "last_bias": self.last_bias}
        for index, block in enumerate(self.blocks):
            arrays |= {f"depth{index}": block.depth, f"point{index}": block.point, f"bias{index}": block.bias}
        np.savez(path, **arrays)

    @classmethod
    def load(cls, path: str) -> "Weights":
        """Read what `save` wrote."""
        with np.load(path) as arrays:
            count = sum(name.startswith("depth") for name in arrays.files)
            blocks = tuple(
                Block(depth=arrays[f"depth{i}"], point=arrays[f"point{i}"], bias=arrays[f"bias{i}"])
                for i in range(count)
            )
            ends = {name: arrays[name] for name in ("first", "first_bias", "last", "last_bias")}
        return cls(blocks=blocks, **ends)


def build(shape: Shape, *, before: Any = None) -> Any:
    """The Keras model for training: (n, rows, 40) in 0..1 to logits (n, hops) and the last block's output.

    before: a layer that the rows go through first, to compare.
    """
    import keras  # type: ignore[import-untyped,import-not-found,unused-ignore]

    layers = keras.layers
    rows = keras.Input((None, MICRO_BANDS))
    x = layers.Cropping1D((1, 0))(
        before(rows) if before else rows
    )  # row 0 and 1 are hop 0: the first window ends with hop 2
    x = layers.Conv1D(shape.channels, FIRST_ROWS, strides=ROWS_PER_HOP, use_bias=False, name="first")(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=NORM_MOMENTUM, name="first_norm")(x))
    for index, kernel in enumerate(shape.kernels):
        y = layers.DepthwiseConv1D(kernel, use_bias=False, name=f"depth{index}")(x)
        y = layers.Dense(shape.channels, use_bias=False, name=f"point{index}")(layers.SpatialDropout1D(DROPPED)(y))
        y = layers.BatchNormalization(momentum=NORM_MOMENTUM, name=f"norm{index}")(y)
        x = layers.ReLU()(layers.Add()([layers.Cropping1D((kernel - 1, 0))(x), y]))
    logits = layers.Dense(1, name="last")(x)
    return keras.Model(rows, [layers.Reshape((-1,))(logits), x])


def folded(model: Any) -> Weights:
    """The weights of a trained model with each normalization folded into the convolution before it."""

    def get(name: str) -> list[Array]:
        return [np.asarray(array) for array in model.get_layer(name).get_weights()]

    scale, bias = scale_and_bias(model.get_layer("first_norm"))
    blocks: list[Block] = []
    while any(layer.name == f"depth{len(blocks)}" for layer in model.layers):
        index = len(blocks)
        norm_scale, norm_bias = scale_and_bias(model.get_layer(f"norm{index}"))
        blocks.append(
            Block(depth=get(f"depth{index}")[0][:, :, 0], point=get(f"point{index}")[0] * norm_scale, bias=norm_bias)
        )
    last, last_bias = get("last")
    first = get("first")[0] * scale
    return Weights(first=first, first_bias=bias, blocks=tuple(blocks), last=last, last_bias=last_bias)


def scores(weights: Weights, rows: Array) -> Array:
    """Logits of a whole recording in numpy: features (rows, 40) in 0..1 to one logit a hop from `warm_up_hops` on."""
    windows = np.lib.stride_tricks.sliding_window_view(rows[1:], FIRST_ROWS, axis=0)[::ROWS_PER_HOP]
    x = np.maximum(np.tensordot(windows, weights.first.transpose(1, 0, 2), 2) + weights.first_bias, 0.0)
    for block in weights.blocks:
        past = len(block.depth) - 1
        y = sum(x[k : len(x) - past + k] * block.depth[k] for k in range(past + 1))
        x = np.maximum(x[past:] + y @ block.point + block.bias, 0.0)
    logits: Array = (x @ weights.last + weights.last_bias)[:, 0]
    return logits


def scale_and_bias(norm: Any) -> tuple[Array, Array]:
    """A normalization as what it computes: x * scale + bias."""
    gamma, beta, mean, variance = (np.asarray(w) for w in norm.get_weights())
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return scale.astype(np.float32), (beta - mean * scale).astype(np.float32)
