"""Examples for training: clips, altered, as rows of features in shards on disk.

A shard is an .npz of `features` uint8 (n, 300, 40) = round(value / 26 * 255), `word_end_row` int32 (n,) with -1 where
the word is not said, `weight` float32 (n,), `clip` int32 (n,), the place in the list of clips, and for the teacher
`embedding` float16 (n, 41, 96).
Each example depends on the seed, its kind and its number only: any number of processes makes the same ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from appliance.audio.format import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm
from appliance.errors import AudioError
from appliance.wake.features import MICRO_BANDS, MicroFeatures
from tools.quantize.alter import LEAD_IN_SAMPLES, STORED_S, Word, fragment, negative, nothing, positive
from tools.quantize.net import FEATURE_MAX
from tools.quantize.noises import Sounds
from tools.quantize.teacher import Embedding, Embeddings

Stored = npt.NDArray[np.uint8]

ROW_SAMPLES = SAMPLE_RATE_HZ // 100
ROWS = round(STORED_S * 100)
STEPS = 255
"""Features are stored as whole steps, 255 of them from 0 to FEATURE_MAX: what the INT8 network is given, to the bit."""


class RowFrontEnd(Protocol):
    """As MicroFeatures."""

    def process(self, pcm: Pcm) -> npt.NDArray[np.float32]:
        """One frame, int16 (320,), to rows, float32 (n, 40) in 0..26."""

    def reset(self) -> None:
        """Forget the past."""


class Kind(StrEnum):
    """What an example is made of."""

    WORD = "word"
    FRAGMENT = "fragment"
    SPEECH = "speech"
    CONFUSABLE = "confusable"
    TEXT = "text"
    NOISE = "noise"
    MINED = "mined"


SHARES = {Kind.SPEECH: 0.5, Kind.CONFUSABLE: 0.13, Kind.TEXT: 0.26, Kind.FRAGMENT: 0.06, Kind.NOISE: 0.05}
"""Of the examples without the word. Recorded speech has the most, for false accepts come from it; synthetic sentences
have sounds that no recording has."""


RECORDED_WEIGHT = 8.0
"""A recording of a person is taken so much oftener than one of a synthetic voice: 240 recordings beside 1,500 synthetic
ones are every second example, 20 of an owner every tenth."""


@dataclass(frozen=True, slots=True)
class Material:
    """What examples are made from."""

    words: tuple[Word, ...]
    streams: dict[Kind, tuple[Pcm, ...]]
    """Recordings without the word: of speech, words like it, sentences."""

    sounds: Sounds

    def pick_word(self, rng: np.random.Generator) -> int:
        """The place of one of the words."""
        weights = np.array([RECORDED_WEIGHT if word.recorded else 1.0 for word in self.words])
        return int(rng.choice(weights.size, p=weights / weights.sum()))


class Examples(msgspec.Struct, frozen=True):
    """Shards read into memory."""

    features: Stored
    """(n, ROWS, 40)."""

    word_end_row: npt.NDArray[np.int32]
    weight: npt.NDArray[np.float32]
    clip: npt.NDArray[np.int32]
    embedding: Embeddings
    """(n, 41, 96): what the teacher's ears hear."""

    def save(self, path: Path) -> None:
        """Write a shard; it has its name only when it is whole."""
        partial = path.with_name(f".{path.name}.part.npz")
        np.savez(partial, **msgspec.structs.asdict(self))
        partial.replace(path)


def read_examples(folder: Path) -> Examples:
    """All shards of a folder, by name.

    Raises:
        AudioError: there is none, or one is damaged.
    """
    shards = sorted(folder.glob("[!.]*.npz"))
    if not shards:
        raise AudioError(f"{folder}: holds no examples; make them with `augment`")
    parts = []
    for shard in shards:
        try:
            with np.load(shard) as arrays:
                parts.append(Examples(**{name: arrays[name] for name in Examples.__struct_fields__}))
        except (OSError, ValueError, KeyError) as error:
            raise AudioError(f"{shard}: not a shard of examples ({error}); delete it and make it again") from None
    return joined(parts)


def joined(parts: Sequence[Examples]) -> Examples:
    """All of them, in order."""
    names = Examples.__struct_fields__
    whole: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Examples(**whole)


def stored(features: npt.NDArray[np.float32]) -> Stored:
    """Features 0..26 to steps 0..255."""
    return np.rint(np.clip(features * (STEPS / FEATURE_MAX), 0, STEPS)).astype(np.uint8)


def features_of(pcm: Pcm, front_end: RowFrontEnd) -> Stored:
    """Rows of a whole recording, (samples / 160, 40): row r ends with sample (r + 1) * 160; the first two are zeros."""
    front_end.reset()
    whole = np.concatenate([pcm, np.zeros(-pcm.size % FRAME_SAMPLES, np.int16)])
    rows = [front_end.process(frame) for frame in whole.reshape(-1, FRAME_SAMPLES)]
    known = stored(np.concatenate([np.zeros((0, MICRO_BANDS), np.float32), *rows]))
    missing = np.zeros((whole.size // ROW_SAMPLES - len(known), MICRO_BANDS), np.uint8)
    return np.concatenate([missing, known])


def make(material: Material, teacher: Embedding, kind: Kind, numbers: Sequence[int], seed: int) -> Examples:
    """The examples of these numbers, in order: 11 ms of one core each, and 10 more for the teacher's embeddings."""
    front_end = MicroFeatures()
    made = [sound_of(material, kind, number, seed) for number in numbers]
    return Examples(
        features=np.stack([features_of(pcm, front_end)[-ROWS:] for pcm, _, _ in made]),
        word_end_row=np.array([row for _, row, _ in made], np.int32),
        weight=np.ones(len(made), np.float32),
        clip=np.array([clip for _, _, clip in made], np.int32),
        embedding=np.stack([teacher.of(pcm) for pcm, _, _ in made]),
    )


def sound_of(material: Material, kind: Kind, number: int, seed: int) -> tuple[Pcm, int, int]:
    """Samples, the row in which the word ends or -1, and which word or stream it was made from."""
    rng = np.random.default_rng([seed, list(Kind).index(kind), number])
    if kind is Kind.WORD:
        clip = material.pick_word(rng)
        pcm, end = positive(rng, material.words[clip], material.sounds)
        return pcm, (end - LEAD_IN_SAMPLES) // ROW_SAMPLES, clip
    if kind is Kind.FRAGMENT:
        clip = material.pick_word(rng)
        return fragment(rng, material.words[clip], material.sounds), -1, clip
    if kind is Kind.NOISE or not material.streams.get(kind):
        return nothing(rng, material.sounds), -1, -1
    streams = material.streams[kind]
    clip = int(rng.integers(len(streams)))
    return negative(rng, streams[clip], material.sounds), -1, clip
