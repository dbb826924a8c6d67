"""Trains the network on examples, with a teacher's scores beside them where there are any.

    word      the lowest of 5 scores in a row (100 ms) somewhere near its end is pulled up: a single high score would
              not wake, for the decision takes the mean of three
    before, after it, and where it is not said    scores are pulled down, the 8 highest of an example above all
    teacher   its scores, and its embeddings, guessed from the last block by a layer that is thrown away

On recordings of people who are not in the training, the teacher's scores lowered the misses at the same false accepts
by a third after the same number of steps; without the five in a row clean words gave peaks too short to wake.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.wake.embedding import SIZE as EMBEDDING_SIZE
from appliance.wake.features import MICRO_BANDS
from tools.quantize.examples import ROWS, STEPS, Examples
from tools.quantize.net import ROWS_PER_HOP, Shape, Weights, build, folded
from tools.quantize.parallel import duration
from tools.quantize.targets import Targets
from tools.quantize.teacher import HOPS as TEACHER_HOPS
from tools.quantize.teacher import SCORES as TEACHER_SCORES
from tools.quantize.teacher import Lessons
from tools.quantize.validate import Scorer, Scores, Validation, Verdict, judge

HELD_HOPS = 5
WORST_HOPS = 8
BEFORE_WEIGHT = 0.3
TEACHER_WEIGHT = 0.6
TEACHER_STEP = 4
"""Hops between two scores of the teacher."""
NEAR_WEIGHT = 6.0
NEAR_LOGIT = 3.0
"""What the teacher scores above -3 matters up to seven times as much as what it is sure not to be the word."""
SURE_LOGIT = 8.0
"""How far beyond this either is sure does not matter."""
EMBEDDING_WEIGHT = 0.3
GRADIENT_LIMIT = 5.0
MEAN_EVERY = 4
MEAN_KEPT = 0.98
MEAN_WARM_UP = 40
PIVOT_BAND = 12.0
"""The band that stretching leaves where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to train."""

    seed: int
    epochs: float = 10.0
    batch: int = 128
    learning_rate: float = 2e-3
    judgements: int = 4
    """How often it is judged on the validation; the best moment is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """The best moment of a training."""

    weights: Weights
    verdict: Verdict
    model: Any
    """The Keras model at the end of the training, to go on with."""


def fit(
    examples: Examples,
    lessons: Lessons | None,
    validation: Validation,
    settings: Settings,
    *,
    start: Any = None,
    told: Callable[[str], None] = lambda text: None,
) -> Fitted:
    """Train; 0.15 s of one core for 128 examples.

    start: the `model` of a Fitted to go on with; None: a new one.
    told: is given a line about each judgement.
    """
    import keras  # type: ignore[import-untyped,import-not-found,unused-ignore]

    keras.utils.set_random_seed(settings.seed)
    model = start if start is not None else build(Shape())
    steps = max(settings.judgements, round(len(examples.features) / settings.batch * settings.epochs))
    learn = _learner(model, steps, settings, taught=lessons is not None)
    hops = np.arange(Shape().warm_up_hops, ROWS // ROWS_PER_HOP)
    targets = Targets.of(examples.word_end_row, hops)
    weight = examples.weight if lessons is None else examples.weight * lessons.trust(examples.word_end_row)
    rng = np.random.default_rng([settings.seed, len(examples.features)])
    best: Fitted | None = None
    mean = Mean(model)
    began_s = time.monotonic()
    for step in range(1, steps + 1):
        chosen = targets.batch(rng, settings.batch)
        lesson = () if lessons is None else (lessons.scores[chosen], lessons.embeddings[chosen])
        learn(
            examples.features[chosen],
            weight[chosen],
            targets.said[chosen],
            targets.at_end[chosen],
            targets.elsewhere[chosen],
            lesson,
        )
        mean.add(step)
        if step % (steps // settings.judgements) == 0:
            newest = mean.take()
            weights = folded(model)
            verdict = judge(scorer(model), validation)
            left = duration((time.monotonic() - began_s) / step * (steps - step))
            told(f"seed {settings.seed}, step {step} of {steps}: cost {verdict.cost:.4f}, {left} left in this round")
            if best is None or verdict.cost < best.verdict.cost:
                best = Fitted(weights=weights, verdict=verdict, model=model)
            model.set_weights(newest)
    assert best is not None, "it is judged at least once"
    return best


class Mean:
    """The running mean of a model's weights over the last 200 steps; it misses a tenth less than the newest weights."""

    def __init__(self, model: Any) -> None:
        """Begin with the weights as they are."""
        self._model = model
        self._weights = [np.array(array) for array in model.get_weights()]

    def add(self, step: int) -> None:
        """Take the weights of this step in; of every fourth, which is enough."""
        if step % MEAN_EVERY == 0:
            share = max(1.0 - MEAN_KEPT, MEAN_WARM_UP / (step + MEAN_WARM_UP))
            for mean, array in zip(self._weights, self._model.get_weights(), strict=True):
                mean += share * (array - mean)

    def take(self) -> list[npt.NDArray[np.float32]]:
        """Give the model the mean; its newest weights, to go on with."""
        newest: list[npt.NDArray[np.float32]] = self._model.get_weights()
        self._model.set_weights(self._weights)
        return newest


def scorer(model: Any) -> Scorer:
    """The model as it scores whole recordings."""
    import tensorflow as tf  # type: ignore[import-untyped,import-not-found,unused-ignore]

    infer = tf.function(lambda rows: model(rows, training=False)[0], reduce_retracing=True)

    def score(features: npt.NDArray[np.uint8]) -> Scores:
        logits: Scores = infer(tf.constant(features[np.newaxis], tf.float32) / STEPS)[0].numpy()
        return logits

    return score


def masked(rows: Any) -> Any:
    """Feature rows (n, rows, 40) as of another throat: bands stretched and shifted; some rows and bands blank.

    At most 60 ms in a row are blank: whatever blanks the beginning of a word teaches to wake on its end alone.
    """
    import tensorflow as tf

    count = tf.shape(rows)[0]
    stretch = tf.random.uniform((count, 1), 0.88, 1.14)
    shift = tf.random.uniform((count, 1), -1.5, 1.5)
    bands = tf.range(MICRO_BANDS, dtype=tf.float32)[tf.newaxis]
    places = tf.clip_by_value((bands - PIVOT_BAND) * stretch + PIVOT_BAND + shift, 0.0, MICRO_BANDS - 1.01)
    below = tf.floor(places)
    part = (places - below)[:, :, tf.newaxis]
    by_band = tf.transpose(rows, (0, 2, 1))
    low, high = (tf.gather(by_band, tf.cast(below, tf.int32) + step, batch_dims=1) for step in (0, 1))
    warped = tf.transpose(low * (1.0 - part) + high * part, (0, 2, 1))
    louder = tf.random.uniform((count, 1, 1), 0.94, 1.06)
    offset = tf.random.normal((count, 1, 1), 0.0, 0.015) * tf.cast(warped > 0.0, tf.float32)
    kept = _kept(count, rows.shape[1], 6)[:, :, tf.newaxis] * _kept(count, MICRO_BANDS, 7)[:, tf.newaxis]
    return tf.clip_by_value(warped * louder + offset, 0.0, 1.0) * kept


def losses(logits: Any, said: Any, at_end: Any, elsewhere: Any) -> Any:
    """The loss of each example: logits (n, hops) against its targets."""
    import tensorflow as tf

    wrong = tf.nn.softplus(logits)
    ahead = tf.pad(-logits, [[0, 0], [HELD_HOPS - 1, 0]], constant_values=20.0)
    held = -tf.nn.max_pool1d(ahead[..., tf.newaxis], HELD_HOPS, 1, "VALID")[..., 0]
    best = tf.reduce_max(tf.where(at_end, held, -1e9), 1)
    apart = tf.cast(elsewhere, tf.float32)
    early = tf.reduce_sum(wrong * apart, 1) / (tf.reduce_sum(apart, 1) + 1e-6)
    without = tf.reduce_mean(wrong, 1) + tf.reduce_mean(tf.math.top_k(wrong, WORST_HOPS).values, 1)
    return tf.where(said, tf.nn.softplus(-best) + BEFORE_WEIGHT * early, without)


def _far(own: Any, wanted: Any) -> Any:
    """How far scores are from the teacher's: squared up to 1, then straight; 0 where both are sure of the same."""
    import tensorflow as tf

    error = own - wanted
    agreed = (tf.abs(wanted) >= SURE_LOGIT) & (own * tf.sign(wanted) >= SURE_LOGIT)
    size = tf.abs(tf.where(agreed, tf.zeros_like(error), error))
    return tf.where(size < 1.0, 0.5 * tf.square(size), size - 0.5)


def _kept(count: Any, size: int, longest: int) -> Any:
    """(count, size) of ones, with two stretches of zeros of at most `longest` in each."""
    import tensorflow as tf

    places = tf.range(size)[tf.newaxis, tf.newaxis]
    first = tf.random.uniform((count, 2, 1), 0, size, tf.int32)
    width = tf.random.uniform((count, 2, 1), 0, longest + 1, tf.int32)
    return tf.cast(~tf.reduce_any((places >= first) & (places < first + width), 1), tf.float32)


def _learner(model: Any, steps: int, settings: Settings, *, taught: bool) -> Callable[..., Any]:
    """A compiled function that learns one batch."""
    import keras
    import tensorflow as tf

    guess = keras.layers.Dense(EMBEDDING_SIZE)
    guess.build((None, model.outputs[1].shape[-1]))
    variables = model.trainable_variables + (guess.trainable_variables if taught else [])
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps, alpha=0.02)
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build(variables)
    first = TEACHER_HOPS[0] - Shape().warm_up_hops

    def teach(logits: Any, hidden: Any, scores: Any, embeddings: Any) -> Any:
        own = logits[:, first::TEACHER_STEP][:, :TEACHER_SCORES]
        matters = 1.0 + NEAR_WEIGHT * tf.sigmoid(scores + NEAR_LOGIT)
        matters /= tf.reduce_mean(matters)
        by_score = _far(own, tf.clip_by_value(scores, -SURE_LOGIT, SURE_LOGIT))
        error = guess(hidden[:, first::TEACHER_STEP][:, :TEACHER_SCORES]) - tf.cast(embeddings, tf.float32)
        by_embedding = tf.reduce_mean(tf.square(error), -1)
        return tf.reduce_mean(matters * (TEACHER_WEIGHT * by_score + EMBEDDING_WEIGHT * by_embedding))

    @tf.function  # type: ignore[untyped-decorator]
    def step(rows: Any, weight: Any, said: Any, at_end: Any, elsewhere: Any, lesson: Any) -> None:
        with tf.GradientTape() as tape:
            logits, hidden = model(masked(tf.cast(rows, tf.float32) / STEPS), training=True)
            loss = tf.reduce_mean(weight * losses(logits, said, at_end, elsewhere))
            if taught:
                loss += teach(logits, hidden, *lesson)
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, variables), GRADIENT_LIMIT)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    learn: Callable[..., Any] = step
    return learn
