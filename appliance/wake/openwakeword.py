"""openWakeWord: Google's speech embedding, and one small network per word on top of it. Float, in blocks of 80 ms.

melspectrogram  float32 (1, 1760) samples in int16 range -> (1, 1, 8, 32); 110 ms in, the newest 8 rows of 10 ms out
embedding       float32 (1, 76, 32, 1): the newest 76 rows / 10 + 2 -> (1, 1, 1, 96)
word            float32 (1, n, 96): the newest n embeddings, usually 16 (1.3 s) -> (1, 1), a probability

At the start the past is silence, so scores flow from the first block on. (The package of the same name fills its past
with random noise; the scores agree once 2 s of sound have pushed either out.)
"""

import numpy as np
import numpy.typing as npt

from appliance.audio.format import FRAME_SAMPLES, Pcm
from appliance.errors import ModelError
from appliance.runtimes.tflite import TfliteFile, TfliteModel

Embeddings = npt.NDArray[np.float32]

_BLOCK_SAMPLES = 4 * FRAME_SAMPLES
_CONTEXT_SAMPLES = 480
"""Samples before the block that the first window of the spectrogram reaches back to."""
_MEL_BANDS = 32
_MEL_ROWS_PER_BLOCK = 8
_EMBEDDING_ROWS = 76
_EMBEDDING_SIZE = 96


class EmbeddingFeatures:
    """The front end that all openWakeWord words share; a row of 96 per 80 ms."""

    def __init__(self, melspectrogram: TfliteFile, embedding: TfliteFile) -> None:
        """Open the two networks.

        Raises:
            ModelError: one of them is of another shape.
        """
        samples = (1, _CONTEXT_SAMPLES + _BLOCK_SAMPLES)
        self._melspectrogram = TfliteModel(melspectrogram, input_shape=samples)
        self._embedding = TfliteModel(embedding)
        rows = (1, _EMBEDDING_ROWS, _MEL_BANDS, 1)
        self._melspectrogram.expect("openWakeWord's melspectrogram", input_shape=samples, dtypes=(np.float32,))
        self._embedding.expect("openWakeWord's embedding", input_shape=rows, dtypes=(np.float32,))
        if self._melspectrogram.output.shape[-2:] != (_MEL_ROWS_PER_BLOCK, _MEL_BANDS):
            raise ModelError(
                f"{melspectrogram.path}: gives {self._melspectrogram.output.shape}; 8 rows of 32 are needed"
            )
        if self._embedding.output.shape[-1] != _EMBEDDING_SIZE:
            raise ModelError(f"{embedding.path}: gives {self._embedding.output.shape}; rows of 96 are needed")
        self._samples = np.zeros(samples, np.float32)
        self._rows = np.zeros(rows, np.float32)
        self._filled = _CONTEXT_SAMPLES
        self.reset()

    def process(self, pcm: Pcm) -> Embeddings:
        """One frame, int16 (320,), to float32 (n, 96); n is 1 on every fourth frame, else 0."""
        self._samples[0, self._filled : self._filled + FRAME_SAMPLES] = pcm
        self._filled += FRAME_SAMPLES
        if self._filled < self._samples.size:
            return np.zeros((0, _EMBEDDING_SIZE), np.float32)
        embedding = self._embed(self._spectrum())
        self._samples[0, :_CONTEXT_SAMPLES] = self._samples[0, _BLOCK_SAMPLES:]
        self._filled = _CONTEXT_SAMPLES
        return embedding

    def reset(self) -> None:
        """Make the past silence."""
        self._filled = _CONTEXT_SAMPLES
        self._samples[:] = 0.0
        self._rows[0, :, :, 0] = self._spectrum()[-1]

    def close(self) -> None:
        """Nothing outlives the object."""

    def _spectrum(self) -> npt.NDArray[np.float32]:
        mel = self._melspectrogram.invoke(self._samples)
        rows: npt.NDArray[np.float32] = mel.reshape(_MEL_ROWS_PER_BLOCK, _MEL_BANDS) / 10.0 + 2.0
        return rows

    def _embed(self, rows: npt.NDArray[np.float32]) -> Embeddings:
        self._rows[0, :-_MEL_ROWS_PER_BLOCK] = self._rows[0, _MEL_ROWS_PER_BLOCK:]
        self._rows[0, -_MEL_ROWS_PER_BLOCK:, :, 0] = rows
        return self._embedding.invoke(self._rows).reshape(1, _EMBEDDING_SIZE)


class OpenWakeWordModel:
    """Scores embeddings; one score per 80 ms."""

    def __init__(self, file: TfliteFile) -> None:
        """Open a word's network.

        Raises:
            ModelError: it is of another shape.
        """
        self._model = TfliteModel(file)
        self._model.expect(
            "openWakeWord's float32 (1, n, 96) to one float32",
            input_shape=(1, None, _EMBEDDING_SIZE),
            dtypes=(np.float32,),
        )
        if self._model.output.shape != (1, 1):
            raise ModelError(f"{file.path}: gives {self._model.output.shape}; one probability is needed")
        self._past = np.zeros(self._model.input.shape, np.float32)
        self._is_new = True

    def process(self, features: Embeddings) -> float | None:
        """Eat embeddings (n, 96); the newest score in 0..1, None when there was none to eat."""
        score = None
        for row in features:
            if self._is_new:
                self._past[:] = row
                self._is_new = False
            self._past[0, :-1] = self._past[0, 1:]
            self._past[0, -1] = row
            score = float(self._model.invoke(self._past)[0, 0])
        return score

    def reset(self) -> None:
        """Forget the embeddings; the next one stands for all that were before it."""
        self._is_new = True

    def close(self) -> None:
        """Nothing outlives the object."""
