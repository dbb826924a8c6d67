"""microWakeWord: small streaming INT8 networks, 36 microseconds per frame with their front end (one desktop core).

input   int8 (1, stride, 40): the newest `stride` feature rows of 10 ms, stored = features / scale + zero_point
output  uint8 or int8 (1, 1): probability that the word just ended

The network keeps its past in variables of its own, so rows go in once, in order.
"""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from appliance.errors import ModelError
from appliance.runtimes.tflite import TfliteFile, TfliteModel
from appliance.wake.features import MICRO_BANDS, MicroFrame


class Int8Model:
    """Scores micro features; one score per `stride` rows."""

    def __init__(self, file: TfliteFile) -> None:
        """Open a checked file.

        Raises:
            ModelError: the model's shapes or number formats are not microWakeWord's.
        """
        self._model = TfliteModel(file)
        self._model.expect(
            "microWakeWord's int8 (1, stride, 40) to one int8 or uint8",
            input_shape=(1, None, MICRO_BANDS),
            dtypes=(np.int8, np.uint8),
        )
        given, gives = self._model.input, self._model.output
        if gives.shape != (1, 1) or given.scale <= 0.0 or gives.scale <= 0.0:
            raise ModelError(f"{file.path}: gives {gives.shape} or has no scales; microWakeWord's form is needed")
        # Arrays, for numpy takes a microsecond to make one of a number, and this happens 50 times a second.
        self._scale, self._zero_point, self._most = (
            np.array(number, np.float32) for number in (given.scale, given.zero_point, np.iinfo(given.dtype).max)
        )
        self.highest = (int(np.iinfo(gives.dtype).max) - gives.zero_point) * gives.scale
        """The highest score that it can give; a little below 1 as a rule."""
        self._block = np.zeros(given.shape, given.dtype)
        self._stride = given.shape[1]
        self._filled = 0

    def process(self, features: npt.NDArray[np.float32]) -> float | None:
        """Eat rows (n, 40); the newest score in 0..1 when they completed a step, else None."""
        score = None
        # Too small they cannot be: none is below 0, which every scale can store.
        rows = np.minimum(np.rint(features / self._scale + self._zero_point), self._most)
        while len(rows):
            some, rows = rows[: self._stride - self._filled], rows[self._stride - self._filled :]
            self._block[0, self._filled : self._filled + len(some)] = some
            self._filled += len(some)
            if self._filled == self._stride:
                self._filled = 0
                score = self._step()
        return score

    def reset(self) -> None:
        """Forget the past, without reading the file again (0.1 ms)."""
        self._model.restart()
        self._filled = 0

    def close(self) -> None:
        """Nothing outlives the object."""

    def _step(self) -> float:
        gives = self._model.output
        stored: int = self._model.invoke(self._block).item()
        return (stored - gives.zero_point) * gives.scale


class RowScorer(Protocol):
    """Scores micro features."""

    def process(self, features: npt.NDArray[np.float32]) -> float | None:
        """Eat rows (n, 40); the newest score in 0..1 when they completed a step, else None."""

    def reset(self) -> None:
        """Forget the past."""


class MicroModel:
    """A scorer of micro features on its own, as a wake model."""

    def __init__(self, scorer: RowScorer) -> None:
        """Take over a scorer without past."""
        self.scorer = scorer

    def process(self, features: MicroFrame) -> float | None:
        """Eat the features of a frame; the newest score in 0..1, None when they completed none."""
        return self.scorer.process(features.rows)

    def reset(self) -> None:
        """Forget the past."""
        self.scorer.reset()

    def close(self) -> None:
        """Nothing outlives the object."""
