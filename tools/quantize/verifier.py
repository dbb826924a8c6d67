"""The second stage of a word: the heads of the teacher as one small file, which the device hears again with.

What teaches the small network hears better than it does. On the device the network only has to notice that there may
have been the word; the heads that taught it then decide. Weights have 8 bits, sums are floating-point: both runtimes
run that, and it decides the same in all but a few of a thousand cases.
"""

from collections.abc import Sequence
from typing import Any

from appliance.wake.embedding import SIZE
from appliance.wake.verifier import HEARD
from tools.quantize.teacher import Head


def to_tflite(heads: Sequence[Head]) -> bytes:
    """float32 (1, 12, 96) embeddings to the probability (1, 1) that the word just ended: the mean of all heads."""
    import tensorflow as tf  # type: ignore[import-untyped,import-not-found,unused-ignore]

    weights = [head.model.get_weights() for head in heads]  # before the function: there they are numbers

    @tf.function(input_signature=[tf.TensorSpec((1, HEARD, SIZE), tf.float32)])  # type: ignore[untyped-decorator]
    def score(embeddings: Any) -> Any:
        logits = [_logit(head, own, embeddings) for head, own in zip(heads, weights, strict=True)]
        return tf.sigmoid(tf.add_n(logits) / len(logits))

    converter = tf.lite.TFLiteConverter.from_concrete_functions([score.get_concrete_function()])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    # A scale for each channel of these makes them of a version that tflite-runtime 2.14 does not know.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    contents: bytes = converter.convert()
    return contents


def _logit(head: Head, weights: list[Any], embeddings: Any) -> Any:
    """What the head's model computes of 12 embeddings, with its weights as constants: (1, 1)."""
    import tensorflow as tf

    first, first_bias, over_time, time_bias, narrow, narrow_bias, last, last_bias = weights
    x = (tf.reshape(embeddings, (HEARD, SIZE)) - head.mean) / head.deviation
    x = tf.nn.relu(tf.matmul(x, first) + first_bias)
    x = tf.nn.relu(tf.matmul(tf.reshape(x, (1, -1)), over_time.reshape(-1, over_time.shape[-1])) + time_bias)
    x = tf.nn.relu(tf.matmul(x, narrow) + narrow_bias)
    return tf.matmul(x, last) + last_bias
