"""Google's speech embedding, as openWakeWord carries it (Apache-2.0): what far larger nets have learned about speech.

melspectrogram  float32 (1, n) samples in int16 range -> 32 bands each 10 ms
embedding       76 rows of that / 10 + 2 -> 96 numbers

Both are convolutions, so a stretch of sound goes through at once: 12 embeddings cost 5 ms of one desktop core.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from appliance.audio.format import Pcm
from appliance.errors import ModelError
from appliance.runtimes.tflite import TfliteFile, TfliteModel

Embeddings = npt.NDArray[np.float32]

FILES: Final = ("melspectrogram.tflite", "embedding_model.tflite")
"""Of the model that holds both networks."""

SIZE: Final = 96
FIRST_END_SAMPLES: Final = 12_512
STEP_SAMPLES: Final = 1_280
"""The first embedding of a sound ends with this sample, each further one 80 ms later."""

_BANDS: Final = 32
_ROW_SAMPLES: Final = 160
_WINDOW_SAMPLES: Final = 512


class SpeechEmbedding:
    """Embeddings of sounds of one length."""

    def __init__(self, melspectrogram: TfliteFile, embedding: TfliteFile, samples: int) -> None:
        """Open both networks for sounds of so many samples, at least FIRST_END_SAMPLES.

        Raises:
            ModelError: one of them is of another form.
        """
        rows = (samples - _WINDOW_SAMPLES) // _ROW_SAMPLES + 1
        self._mel = TfliteModel(melspectrogram, input_shape=(1, samples))
        self._embedding = TfliteModel(embedding, input_shape=(1, rows, _BANDS, 1))
        wanted = (samples - FIRST_END_SAMPLES) // STEP_SAMPLES + 1
        if int(np.prod(self._mel.output.shape)) != rows * _BANDS:
            raise ModelError(f"{melspectrogram.path}: gives {self._mel.output.shape}; {rows} rows of 32 are needed")
        if int(np.prod(self._embedding.output.shape)) != wanted * SIZE:
            raise ModelError(f"{embedding.path}: gives {self._embedding.output.shape}; {wanted} times 96 are needed")

    def of(self, pcm: Pcm) -> Embeddings:
        """int16 (samples,) to float32 (n, 96)."""
        mel = self._mel.invoke(pcm[np.newaxis].astype(np.float32)).reshape(self._embedding.input.shape)
        return self._embedding.invoke((mel / 10.0 + 2.0).astype(np.float32)).reshape(-1, SIZE)
