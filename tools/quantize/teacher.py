"""The teacher: Google's speech embedding, as openWakeWord carries it (Apache-2.0), frozen, and a small head on it.

The embedding has heard far more people than our recordings hold, so a head on it hears new ones well; but it costs ten
times what a device may spend. It gives every 80 ms of every example a score, and the small network learns those, too.

An example of 4 s has 41 embeddings of 96 numbers; the first ends 782 ms after its beginning, then one each 80 ms.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.audio.format import FRAME_SAMPLES, Pcm
from appliance.runtimes.tflite import TfliteFile
from appliance.wake.embedding import FILES, FIRST_END_SAMPLES, SIZE, STEP_SAMPLES, SpeechEmbedding
from appliance.wake.verifier import HEARD
from tools.quantize.alter import EXAMPLE_SAMPLES, LEAD_IN_SAMPLES
from tools.quantize.targets import Targets

Embeddings = npt.NDArray[np.float16]
Logits = npt.NDArray[np.float32]

SCORES = 22
"""Scores of an example that stand for hops of its stored part."""
HOPS = tuple(
    (FIRST_END_SAMPLES + STEP_SAMPLES * index - LEAD_IN_SAMPLES) // FRAME_SAMPLES for index in range(41 - SCORES, 41)
)
"""The hop of the stored part with which each of them ends: 65, 69, ... 149."""
_WIDTH = 64
_BATCH = 128


class Embedding:
    """Embeddings of whole examples, 10 ms of one core each."""

    def __init__(self, folder: Path) -> None:
        """Open both networks of this folder; the store has checked them. Raises ModelError."""
        mel, embedding = (TfliteFile.read(folder / name, verified=True) for name in FILES)
        self._embedding = SpeechEmbedding(mel, embedding, EXAMPLE_SAMPLES)

    def of(self, pcm: Pcm) -> Embeddings:
        """int16 (samples,) to float16 (n, 96)."""
        return self._embedding.of(pcm).astype(np.float16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A trained head."""

    model: Any
    """Of Keras: embeddings (n, steps, 96) to logits (n, steps - 11)."""

    mean: Logits
    deviation: Logits
    """Of each of the 96 numbers, as it was trained with."""

    def save(self, path: Path) -> None:
        """Write it as plain arrays."""
        arrays = {f"weight{index}": array for index, array in enumerate(self.model.get_weights())}
        np.savez(path, mean=self.mean, deviation=self.deviation, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Head":
        """Read what `save` wrote."""
        with np.load(path) as arrays:
            head = cls.new(arrays["mean"], arrays["deviation"])
            head.model.set_weights([arrays[f"weight{index}"] for index in range(len(arrays.files) - 2)])
        return head

    @classmethod
    def new(cls, mean: Logits, deviation: Logits) -> "Head":
        """An untrained one."""
        import keras  # type: ignore[import-untyped,import-not-found,unused-ignore]

        layers = keras.layers
        seen = keras.Input((None, SIZE))
        x = layers.Rescaling(1.0 / deviation, -mean / deviation)(seen)
        x = layers.Dense(_WIDTH, activation="relu")(layers.Dropout(0.1)(x))
        x = layers.Conv1D(_WIDTH, HEARD, activation="relu")(layers.SpatialDropout1D(0.15)(x))
        x = layers.Dense(32, activation="relu")(layers.Dropout(0.3)(x))
        model = keras.Model(seen, layers.Reshape((-1,))(layers.Dense(1)(x)))
        return cls(model=model, mean=mean, deviation=deviation)

    def logits(self, embeddings: Embeddings) -> Logits:
        """(n, steps, 96) to (n, steps - 11)."""
        parts = [
            np.asarray(self.model(embeddings[start : start + 1024].astype(np.float32), training=False))
            for start in range(0, len(embeddings), 1024)
        ]
        return np.concatenate(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """What the teacher says of examples."""

    scores: Logits
    """(n, SCORES), at HOPS."""

    embeddings: Embeddings
    """(n, SCORES, 96), each number with mean 0 and deviation 1."""

    def trust(self, word_end_row: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """How sure the teacher is that each word can be heard, 0..1; 1 for examples without one, (n,).

        In the loudest noise it cannot: who must wake there wakes on noise.
        """
        targets = Targets.of(word_end_row, np.array(HOPS))
        highest = np.where(targets.at_end, self.scores, -20.0).max(axis=1)
        return np.where(targets.said, 1.0 / (1.0 + np.exp(-highest)), 1.0).astype(np.float32)

    @classmethod
    def of(cls, heads: list[Head], embeddings: Embeddings) -> "Lessons":
        """The mean of several heads."""
        scores = np.mean([head.logits(embeddings)[:, -SCORES:] for head in heads], axis=0, dtype=np.float32)
        mean, deviation = _moments(embeddings)
        normal = ((embeddings[:, -SCORES:] - mean) / deviation).astype(np.float16)
        return cls(scores=scores, embeddings=normal)


def train_head(embeddings: Embeddings, word_end_row: npt.NDArray[np.int32], *, seed: int, epochs: int = 8) -> Head:
    """Learn the word from the embeddings of examples: 41 of each; 1,500 examples take a second on one core."""
    import keras  # type: ignore[import-untyped,import-not-found,unused-ignore]
    import tensorflow as tf  # type: ignore[import-untyped,import-not-found,unused-ignore]

    keras.utils.set_random_seed(seed)
    head = Head.new(*_moments(embeddings))
    model = head.model
    targets = Targets.of(word_end_row, np.array(HOPS))
    steps = max(1, len(embeddings) // _BATCH) * epochs
    optimizer = keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(1.5e-3, steps, 0.02), weight_decay=0.02)

    @tf.function  # type: ignore[untyped-decorator]
    def learn(seen: Any, at_end: Any, elsewhere: Any, said: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = model(seen, training=True)[:, -SCORES:]
            highest = tf.reduce_max(tf.where(at_end, logits, -1e9), 1)
            wrong = tf.nn.softplus(logits)
            before = tf.reduce_sum(wrong * elsewhere, 1) / (tf.reduce_sum(elsewhere, 1) + 1e-6)
            without = tf.reduce_mean(wrong, 1) + tf.reduce_mean(tf.math.top_k(wrong, 3).values, 1)
            loss = tf.reduce_mean(tf.where(said, tf.nn.softplus(-highest) + 0.3 * before, without))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    rng = np.random.default_rng(seed)
    for _ in range(steps):
        chosen = targets.batch(rng, _BATCH)
        learn(
            embeddings[chosen].astype(np.float32),
            targets.at_end[chosen],
            targets.elsewhere[chosen].astype(np.float32),
            targets.said[chosen],
        )
    return head


def _moments(embeddings: Embeddings) -> tuple[Logits, Logits]:
    some = embeddings[:: max(1, len(embeddings) // 2000)].astype(np.float32)
    return some.mean((0, 1)), some.std((0, 1)) + np.float32(1e-3)
