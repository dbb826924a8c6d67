"""Where a word ends in recordings whose level does not tell, and which recordings do not sound like the word.

A linear regression on the teacher's embeddings learns from the clear recordings how the word's end sounds. It is
cheap, and the same on every machine; a recording is judged by one that has not learned from it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from appliance.wake.embedding import FIRST_END_SAMPLES, SIZE, STEP_SAMPLES
from appliance.wake.verifier import HEARD
from tools.quantize.alter import EXAMPLE_SAMPLES, Word
from tools.quantize.teacher import Embedding

Array = npt.NDArray[np.float64]
Ends = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

FIRST_SAMPLES = FIRST_END_SAMPLES + (HEARD - 1) * STEP_SAMPLES
"""Where in an example the first stretch of embeddings ends that a decision is made on."""
STRETCHES = (EXAMPLE_SAMPLES - FIRST_SAMPLES) // STEP_SAMPLES + 1
SHIFTS = tuple(range(0, STEP_SAMPLES, STEP_SAMPLES // 4))
"""To know the end to 20 ms a recording is heard four times, each 20 ms later."""
AT_END_S = (0.0, 0.16)
NOT_BEFORE_S, NOT_AFTER_S = 0.4, 0.6
"""A stretch that ends so long after a word's end is one of the word; one so far from it is none."""
PIECES = 120
PIECE_SAMPLES = 2 * SAMPLE_RATE_HZ
"""Of other sounds that it learns from, at random places."""
FOLDS = 5
RIDGE = 0.03
"""Share of the embeddings' variance that holds the weights small."""
UNLIKE = 0.6
"""What scores lower does not sound like the word. Of 242 recordings of one word none did (the lowest: 0.73), of 60 of
other words all did (the highest: 0.52)."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """What the regression says of one recording."""

    end: int
    """Sample at which the word ends, give or take 40 ms."""

    score: float
    """About 1 where the word is said, about 0 elsewhere."""

    @property
    def unlike(self) -> bool:
        """Whether somebody should listen to it: the label may be wrong, or the recording hard to understand."""
        return self.score < UNLIKE


def align(clear: Sequence[Word], others: Sequence[Pcm], unclear: Sequence[Pcm], teacher: Embedding) -> list[Alignment]:
    """Of each clear recording, judged by those of the other folds, then of each unclear one; 60 ms of one core each.

    others: sounds without the word, of any length.
    """
    none = np.concatenate([heard.stretches() for heard in _hear(_pieces(others), teacher, SHIFTS[:1])])
    said = [_Said.of(word, teacher) for word in clear]
    found: dict[int, Alignment] = {}
    for fold in range(FOLDS):
        learned = _learn([one for place, one in enumerate(said) if place % FOLDS != fold], none)
        found |= {place: one.best(learned) for place, one in enumerate(said) if place % FOLDS == fold}
    learned = _learn(said, none)
    return [
        *(found[place] for place in range(len(said))),
        *(_Said.of(Word(pcm, 0, 0), teacher).best(learned) for pcm in unclear),
    ]


@dataclass(frozen=True, slots=True)
class _Heard:
    """Some seconds of a sound as the teacher hears them."""

    first_end: int
    """Sample of the sound at which its first stretch ends."""

    embeddings: npt.NDArray[np.float16]

    @property
    def ends(self) -> Ends:
        return self.first_end + np.arange(STRETCHES) * STEP_SAMPLES

    def stretches(self, which: Flags | None = None) -> Array:
        """All of them, or some, flat."""
        views = np.lib.stride_tricks.sliding_window_view(self.embeddings, HEARD, axis=0)
        chosen = views if which is None else views[which]
        return chosen.reshape(len(chosen), HEARD * SIZE).astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Said:
    """A recording of the word."""

    word: Word
    heard: tuple[_Heard, ...]

    @classmethod
    def of(cls, word: Word, teacher: Embedding) -> "_Said":
        return cls(word, tuple(_hear([word.pcm], teacher, SHIFTS)))

    def words(self) -> Iterator[Array]:
        for one in self.heard:
            after_s = (one.ends - self.word.end) / SAMPLE_RATE_HZ
            yield one.stretches((after_s >= AT_END_S[0]) & (after_s <= AT_END_S[1]))

    def rest(self) -> Iterator[Array]:
        for one in self.heard[:: len(SHIFTS)]:
            after_s = (one.ends - self.word.end) / SAMPLE_RATE_HZ
            yield one.stretches((after_s < -NOT_BEFORE_S) | (after_s > NOT_AFTER_S))

    def best(self, weights: Array) -> Alignment:
        scores = [one.stretches() @ weights[:-1] + weights[-1] for one in self.heard]
        which = max(range(len(scores)), key=lambda index: scores[index].max())
        place = int(scores[which].argmax())
        late = round(sum(AT_END_S) / 2 * SAMPLE_RATE_HZ)
        return Alignment(end=max(0, int(self.heard[which].ends[place]) - late), score=float(scores[which][place]))


def _pieces(sounds: Sequence[Pcm]) -> Iterator[Pcm]:
    """The longer a sound, the likelier it is taken from."""
    rng = np.random.default_rng(0)
    sizes = np.array([pcm.size for pcm in sounds], np.float64)
    for place in rng.choice(len(sounds), PIECES, p=sizes / sizes.sum()):
        start = int(rng.integers(max(1, sounds[place].size - PIECE_SAMPLES)))
        yield sounds[place][start : start + PIECE_SAMPLES]


def _hear(sounds: Iterable[Pcm], teacher: Embedding, shifts: Sequence[int]) -> Iterator[_Heard]:
    """Each 2.4 s of the sounds, once for each shift."""
    silence = np.random.default_rng(0).normal(0.0, 4.0, FIRST_SAMPLES).astype(np.int16)
    for pcm in sounds:
        for start in range(0, pcm.size + SAMPLE_RATE_HZ // 4, STRETCHES * STEP_SAMPLES):
            for shift in shifts:
                example = np.zeros(EXAMPLE_SAMPLES, np.int16)
                first = start + shift - FIRST_SAMPLES
                part = pcm[max(0, first) : first + EXAMPLE_SAMPLES]
                example[: max(0, -first)] = silence[: max(0, -first)]
                example[max(0, -first) : max(0, -first) + part.size] = part
                yield _Heard(start + shift, teacher.of(example))


def _learn(said: Sequence[_Said], none: Array) -> Array:
    """Weights of the stretches, and a constant: ridge regression, both kinds counting as much."""
    words = np.concatenate([stretches for one in said for stretches in one.words()])
    rest = np.concatenate([none, *(stretches for one in said for stretches in one.rest())])
    seen = np.concatenate([words, rest])
    wanted = np.repeat([1.0, 0.0], [len(words), len(rest)])
    weight = np.repeat([0.5 / len(words), 0.5 / len(rest)], [len(words), len(rest)])
    middle = weight @ seen
    seen -= middle
    spread = (seen * weight[:, np.newaxis]).T @ seen
    ridge = RIDGE * np.trace(spread) / len(spread) * np.eye(len(spread))
    slope = np.linalg.solve(spread + ridge, seen.T @ (weight * (wanted - 0.5)))
    return np.append(slope, 0.5 - middle @ slope)
