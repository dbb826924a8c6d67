"""A second pair of ears: what the small network takes for the word is heard again by a far surer one.

    features ─ small network, always ─ mean of 3 ─ at the gate or above: open ─┐
    samples of the newest 1.7 s ────── speech embedding ─ the word's own head ─┴─► score; 0 while it is closed

The small network costs 10 microseconds a frame and is made to miss nothing, so it is also taken in by words that sound
alike. The embedding has heard more people than any recordings of a word hold, and would cost a quarter of a millisecond
a frame; it runs each 80 ms for a third of a second after the gate was reached, some times an hour. It hears the whole
1.7 s each time: the embedding's spectrogram ends 80 dB below the loudest of what it is given, so parts do not add up.
"""

from collections import deque
from typing import Final

import numpy as np

from appliance.audio.format import FRAME_SAMPLES, Pcm, frames_of_ms, silent_pcm
from appliance.errors import ModelError
from appliance.runtimes.tflite import TfliteFile, TfliteModel
from appliance.wake.embedding import FIRST_END_SAMPLES, SIZE, STEP_SAMPLES, SpeechEmbedding
from appliance.wake.features import MicroFrame
from appliance.wake.int8 import RowScorer

HEARD: Final = 12
"""Embeddings that a head sees: 1.7 s of sound."""

HEARD_SAMPLES: Final = FIRST_END_SAMPLES + (HEARD - 1) * STEP_SAMPLES
STEP_FRAMES: Final = STEP_SAMPLES // FRAME_SAMPLES
OPEN_FRAMES: Final = frames_of_ms(320)
"""How long it is heard after the gate was reached last: heads learn that a word ended up to 340 ms ago."""

PAST_FRAMES: Final = -(-HEARD_SAMPLES // FRAME_SAMPLES)


class Verifier:
    """Says how sure it is that a word ended just now. Opening it takes 15 ms, 3 to 10 MB."""

    def __init__(self, head: TfliteFile, melspectrogram: TfliteFile, embedding: TfliteFile) -> None:
        """Open the word's head and what all heads share.

        Raises:
            ModelError: one of the networks is of another form.
        """
        self._head = TfliteModel(head)
        self._head.expect(
            "a verifier's float32 (1, 12, 96) to one float32", input_shape=(1, HEARD, SIZE), dtypes=(np.float32,)
        )
        if self._head.output.shape != (1, 1):
            raise ModelError(f"{head.path}: gives {self._head.output.shape}; one probability is needed")
        self._embedding = SpeechEmbedding(melspectrogram, embedding, HEARD_SAMPLES)
        self.size_bytes = sum(len(file.contents) for file in (head, melspectrogram, embedding))
        # The first run takes half as long again, for which no frame has the time.
        self.score(np.zeros(HEARD_SAMPLES, np.int16))

    def score(self, past: Pcm) -> float:
        """0..1, of the newest 1.7 s; `past`: int16, at least HEARD_SAMPLES. 5 ms of one desktop core."""
        return float(self._head.invoke(self._embedding.of(past[-HEARD_SAMPLES:])[np.newaxis])[0, 0])


class VerifiedModel:
    """A wake model of two stages. Its score is the verifier's while the gate is open, else 0."""

    def __init__(self, first: RowScorer, verifier: Verifier, gate: float, window: int) -> None:
        """`gate`: mean of the first model's newest `window` scores, 0..1, from which it is heard again."""
        self._first = first
        self._verifier = verifier
        self._scores: deque[float] = deque(maxlen=window)
        self._gate_sum = gate * window
        self._past: deque[Pcm] = deque(maxlen=PAST_FRAMES)
        self._opened = 0
        """Frames since the gate opened."""
        self._left = 0
        """Frames until it closes."""
        self._score = 0.0
        self._forget()

    def process(self, features: MicroFrame) -> float | None:
        """Eat one frame; the newest score in 0..1, None when the first model had none."""
        rows, pcm = features
        self._past.append(pcm)
        score = self._first.process(rows)
        if score is not None:
            self._scores.append(score)
        reached = sum(self._scores) >= self._gate_sum
        if reached or self._left:
            self._follow_gate(reached)
        return None if score is None else self._score

    def reset(self) -> None:
        """Forget the past."""
        self._first.reset()
        self._forget()

    def close(self) -> None:
        """Nothing outlives the object."""

    def _follow_gate(self, reached: bool) -> None:
        was_open = self._left > 0
        self._left = OPEN_FRAMES if reached else self._left - 1
        if not self._left:
            self._score = 0.0
            return
        self._opened = self._opened + 1 if was_open else 0
        if self._opened % STEP_FRAMES == 0:
            self._score = self._verifier.score(np.concatenate(self._past))

    def _forget(self) -> None:
        self._scores.clear()
        self._past.extend([silent_pcm()] * PAST_FRAMES)
        self._opened, self._left, self._score = 0, 0, 0.0
