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

    class Verifier(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.models = [head.model for head in heads]

        @tf.function(input_signature=[tf.TensorSpec((1, HEARD, SIZE), tf.float32)])  # type: ignore[untyped-decorator]
        def score(self, embeddings: Any) -> Any:
            logits = [tf.reshape(model(embeddings, training=False), (1, 1)) for model in self.models]
            return tf.sigmoid(tf.add_n(logits) / len(logits))

    module = Verifier()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.score.get_concrete_function()], module)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    contents: bytes = converter.convert()
    return contents
