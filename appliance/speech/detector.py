"""Is somebody speaking? Silero VAD through onnxruntime, run only while listening.

Model (opset of silero-vad 5):  input  float32 (1, 64 + 512)  the last 64 samples of the block before, then the block
                                state  float32 (2, 1, 128)    sr  int64 scalar
                                output float32 (1, 1)         stateN float32 (2, 1, 128)
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from appliance.audio.format import FRAME_SAMPLES, SAMPLE_RATE_HZ, Frame, Pcm, float_from_int16
from appliance.errors import ModelError

BLOCK_SAMPLES = 512
"""The model takes exactly 32 ms at 16 kHz."""

CONTEXT_SAMPLES = 64
STATE_SHAPE = (2, 1, 128)


class SpeechDetector(Protocol):
    """Probability of speech for each frame."""

    def process(self, frame: Frame) -> float:
        """Eat one frame; return the newest probability in 0..1 (0 until the first block is full)."""

    def reset(self) -> None:
        """Forget the past."""


SURE = 0.9
"""From this probability on it is speech, even in loud noise: there the detector takes 0.5 for speech too often to tell
when somebody spoke."""


def surely_speech(detector: SpeechDetector, pcm: Pcm, known: Sequence[bool] = ()) -> list[bool]:
    """Of each frame, whether somebody surely spoke; 4 ms of processor time for each second on one x86 core.

    `known`: what this said of the first frames, where the detector has heard nothing since. Else it forgets what it
    heard before.
    """
    if not known:
        detector.reset()
    whole = pcm[: pcm.size - pcm.size % FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    rest = enumerate(whole[len(known) :], len(known))
    return [*known, *(detector.process(Frame(index, part)) >= SURE for index, part in rest)]


class SileroDetector:
    """512-sample blocks are gathered inside; between two blocks the last probability is held (at most 20 ms)."""

    def __init__(self, folder: Path) -> None:
        """Load the model. Raises ModelError when it is not the one described above."""
        import onnxruntime  # type: ignore[import-untyped]

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = folder / "silero_vad.onnx"
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises classes of its native part, without a common base
            raise ModelError(f"{path}: not a model that can be loaded ({error}); install silero-vad again") from None
        names = [tensor.name for tensor in self._session.get_inputs()]
        if names != ["input", "state", "sr"]:
            raise ModelError(f"{path}: inputs are {names}, not input, state, sr; install silero-vad again")
        self._rate = np.array(SAMPLE_RATE_HZ, np.int64)
        self.reset()
        # The first run takes twice as long, for which no frame has the time.
        self._run(np.zeros(BLOCK_SAMPLES, np.int16))
        self.reset()

    def another(self) -> "SileroDetector":
        """One of the same model, for another thread: the model is shared, what was heard is not."""
        twin = copy.copy(self)
        twin.reset()
        return twin

    def process(self, frame: Frame) -> float:
        self._pending[self._filled : self._filled + FRAME_SAMPLES] = frame.pcm
        self._filled += FRAME_SAMPLES
        if self._filled >= BLOCK_SAMPLES:
            self._probability = self._run(self._pending[:BLOCK_SAMPLES])
            self._filled -= BLOCK_SAMPLES
            self._pending[: self._filled] = self._pending[BLOCK_SAMPLES : BLOCK_SAMPLES + self._filled].copy()
        return self._probability

    def reset(self) -> None:
        self._pending = np.zeros(BLOCK_SAMPLES + FRAME_SAMPLES, np.int16)
        self._filled = 0
        self._probability = 0.0
        self._state = np.zeros(STATE_SHAPE, np.float32)
        self._input = np.zeros((1, CONTEXT_SAMPLES + BLOCK_SAMPLES), np.float32)

    def _run(self, block: Pcm) -> float:
        self._input[0, :CONTEXT_SAMPLES] = self._input[0, -CONTEXT_SAMPLES:]
        self._input[0, CONTEXT_SAMPLES:] = float_from_int16(block)
        output, self._state = self._session.run(None, {"input": self._input, "state": self._state, "sr": self._rate})
        return float(output[0, 0])
