# SPDX-License-Identifier: GPL-3.0-or-later
"""A Piper voice that is heard before its sentence is made.

A voice of Piper is two networks in one file: the first turns phonemes into frames of features, for the whole sentence
at once, and the second, three quarters of the work, turns the features into sound. The second sees only some frames to
each side, so it can work through the sentence in parts, and the first part sounds while the others are made.

Measured on an x86-64 core, for 1.7 s of speech: 36 ms for the first network, 104 ms for the second at once, or 15 ms
for its first part.
"""

import json
import mmap
import os
import time
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Sound = npt.NDArray[np.float32]
"""Samples of full scale 1, shape (n,)."""

PART_FRAMES: Final = (14, 28, 56)
"""Lengths of the first, the second and all later parts: 0.16, 0.33 and 0.65 s for voices of 22,050 Hz. A short one
makes the beginning early; the longer the others, the less is made twice at the joints."""

CONTEXT_FRAMES: Final = 10
"""Seen to each side of a part. With 10, what differs from the whole is 117 dB below it, which is less than the last bit
of a sample; with 6 it is 45 dB."""

SHORTEST_LAST_PART_FRAMES: Final = 8
"""A shorter rest is made with the part before it."""

MARGIN: Final = 1.5
"""The next part may take so much longer than the one before, as when another program comes in between."""

READER: Final = "/dec/conv_pre/Conv"
"""The second network's first node, in the models that Piper's training writes."""

WARM_UP: Final = "The light in the kitchen is on."
"""Said once after loading, and thrown away: a first sentence takes up to 40 % longer. It also tells how loud the voice
is."""

PEAK: Final = 0.9
"""What the warm-up's highest peak is brought to. Piper itself brings each sentence's own peak to 1, which cannot be
known before its end. Left alone, the networks speak about as evenly (20 answers: standard deviation 1.9 dB against
1.6), at a level that differs by voice."""

KNEE: Final = 0.8
"""Higher peaks than this are rounded off, so that none is cut."""


class StreamedVoice:
    """One voice, loaded; for one thread."""

    def __init__(self, model: str, *, deterministic: bool) -> None:
        """`model`: MODEL.onnx, with MODEL.onnx.json beside it; `deterministic`: without the voice's own variation."""
        from piper import PiperConfig, PiperVoice, SynthesisConfig, espeakbridge

        # It is called for each sentence, and keeps 1.4 kB each time.
        espeakbridge.set_voice = lru_cache(maxsize=1)(espeakbridge.set_voice)
        with open(f"{model}.json", encoding="utf-8") as file:
            fields: dict[str, Any] = json.load(file)
        self._first, self._second, self._tensor = _sessions(model)
        self._piper = PiperVoice(session=self._first, config=PiperConfig.from_dict(fields))
        scale = 0.0 if deterministic else None  # None: the model's own
        self._manner = SynthesisConfig(noise_scale=scale, noise_w_scale=scale)
        peaks = [float(np.abs(part).max()) for part in self._parts(WARM_UP, new_options())]
        self._gain = PEAK / max(*peaks, 1e-3)

    @property
    def rate_hz(self) -> int:
        """Samples in a second."""
        return int(self._piper.config.sample_rate)

    def say(self, text: str, options: Any) -> Iterator[bytes]:
        """Little-endian int16 samples, in parts that can be played from the first on without a gap.

        `options`: those of `new_options`. Raises whatever the libraries raise, also when it is terminated by them.
        """
        for part in self._parts(text, options):
            yield np.rint(rounded_off(part * self._gain) * 32767).astype("<i2").tobytes()

    def _parts(self, text: str, options: Any) -> Iterator[Sound]:
        self._first.options = options
        for phonemes in filter(None, self._piper.phonemize(text)):
            made = self._piper.phoneme_ids_to_audio(self._piper.phonemes_to_ids(phonemes), self._manner)
            assert isinstance(made, np.ndarray)  # no alignment was asked for
            yield from [made] if self._second is None else self._sounds(made, options)

    def _sounds(self, features: npt.NDArray[np.float32], options: Any) -> Iterator[Sound]:
        """The second network's work, part by part; `features`: shape (channels, frames)."""
        frames = features.shape[1]
        waiting: list[Sound] = []
        flows = False
        ends = spans(frames)
        for begin, end, after in zip([0, *ends], ends, [*ends[1:], frames], strict=False):
            started = time.monotonic()
            left, right = max(0, begin - CONTEXT_FRAMES), min(frames, end + CONTEXT_FRAMES)
            (made,) = self._second.run(None, {self._tensor: features[None, :, left:right]}, options)
            frame_samples = made.size // (right - left)
            waiting.append(made.reshape(-1)[(begin - left) * frame_samples : (end - left) * frame_samples])
            frame_s = frame_samples / self.rate_hz
            pace = (time.monotonic() - started) / ((end - begin) * frame_s)
            flows = flows or gapless(end, after - end, frames - end, pace)
            if flows:
                yield np.concatenate(waiting)
                waiting.clear()


def spans(frames: int) -> list[int]:
    """Where the parts of a sentence of at least one frame end."""
    ends = list(accumulate(PART_FRAMES))
    while ends[-1] < frames:
        ends.append(ends[-1] + PART_FRAMES[-1])
    return [end for end in ends if end <= frames - SHORTEST_LAST_PART_FRAMES] + [frames]


def gapless(made_frames: int, next_frames: int, rest_frames: int, pace: float) -> bool:
    """Whether what is made lasts, when it is played from now on, until what follows is there.

    `rest_frames`: all that is not made yet; `pace`: seconds of work for a second of sound. Above 1 the sound runs away
    from the work, and what is made must last for all that it gains.
    """
    pace *= MARGIN
    gained = max(0.0, pace - 1.0) * (rest_frames - next_frames)
    return made_frames >= next_frames * pace + gained


def rounded_off(sound: Sound) -> Sound:
    """Samples of any size between -1 and 1; those up to the knee as they are."""
    over = np.maximum(np.abs(sound) - KNEE, 0.0)
    room = 1.0 - KNEE
    limited: Sound = np.clip(sound, -KNEE, KNEE) + np.sign(sound) * room * np.tanh(over / room)
    return limited


def new_options() -> Any:
    """Of one sentence; setting its `terminate`, from any thread, makes the libraries give up within milliseconds."""
    import onnxruntime  # type: ignore[import-untyped]

    return onnxruntime.RunOptions()


class _FirstNetwork:
    """What Piper's library takes for the whole of the voice; its runs end when `options` say so."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.options = new_options()

    def run(self, names: list[str] | None, inputs: dict[str, Any]) -> Any:
        return self._session.run(names, inputs, self.options)


def _sessions(model: str) -> tuple[_FirstNetwork, Any, str]:
    """Both networks, and the name of what goes between them; a voice that is made otherwise is left whole."""
    from onnx_parts import NoSuchCutError, cut  # type: ignore[import-not-found]  # it lies beside this file

    with open(model, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        first, second, tensor = cut(memoryview(data), READER)
    except NoSuchCutError:
        return _FirstNetwork(_session(model, few_lengths=False)), None, ""
    return _FirstNetwork(_session_of(first, few_lengths=False)), _session_of(second, few_lengths=True), tensor


def _session_of(model: list[bytes | memoryview], *, few_lengths: bool) -> Any:
    """From a file in memory: a session keeps bytes that it is given, here 56 MB."""
    with open(os.memfd_create("voice"), "wb") as file:
        file.writelines(model)
        file.flush()
        return _session(f"/proc/self/fd/{file.fileno()}", few_lengths=few_lengths)


def _session(path: str, *, few_lengths: bool) -> Any:
    """`few_lengths`: of inputs, as of parts; else each sentence may have another."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # The arena keeps the peak of the longest sentence for ever: 456 MB against 215 MB, for about 10 % of the time.
    options.enable_cpu_mem_arena = False
    # For each length of an input it remembers for ever how memory is best laid out: 85 kB of the first network's, while
    # the second's few are worth 10 % of the time.
    options.enable_mem_pattern = few_lengths
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
