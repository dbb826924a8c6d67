"""A language model of given sentences: which word follows which two, for Vosk's recognizer.

Vosk would make a model of word pairs out of sentences itself. This one looks a word further back, and gives each word a
little for being there at all: noise swallows short words ('with', 'almond'), and who pays for every word rather leaves
them out. What both are worth: docs/measured.md.

Absolute discounting with interpolation (Ney, Essen and Kneser, 1994): from each count a half is taken and given to what
the shorter history says. The file is OpenFst's `vector` form: a state for each history, an arc for each word that was
seen behind it, one without a word to the shorter history, and costs, which are -ln of probabilities.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

DISCOUNT: Final = 0.5
"""Of each count; 0.2 to 0.8 make no difference."""

WORD_BONUS: Final = 1.0
"""Taken off the cost of each word: as if it were 2.7 times as likely. Chosen coarsely, out of -1, 0, 1, 2 and 3."""

_FST_MAGIC: Final = 0x7EB2FDD6
_VERSION: Final = 2
_EXPANDED, _MUTABLE, _ACCEPTOR, _SORTED, _WEIGHTED = 0x1, 0x2, 0x1_0000, 0x5000_0000, 0x1_0000_0000
_PROPERTIES: Final = _EXPANDED | _MUTABLE | _ACCEPTOR | _SORTED | _WEIGHTED
"""What readers of the file may rely on: that the arcs of a state are in the order of their words, above all."""

_ARC: Final = np.dtype([("heard", "<i4"), ("said", "<i4"), ("cost", "<f4"), ("target", "<i4")])
_NO_WORD: Final = 0

_BEGIN: Final = 0
_END: Final = 1
_FIRST_WORD: Final = 2

Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]


def language_model(sentences: Sequence[str], number: Callable[[str], int]) -> bytes:
    """The file's content.

    Args:
        sentences: at least one, of words that `number` knows; an empty one says how likely nothing is said.
        number: of a word, as the recognizer counts them, from 1 on.
    """
    words = sorted({word for sentence in sentences for word in sentence.split()})
    places = {word: place for place, word in enumerate(words, _FIRST_WORD)}
    said = np.array(
        [place for sentence in sentences for place in (_BEGIN, *map(places.__getitem__, sentence.split()), _END)]
    )
    return _file(_states(said, len(words) + _FIRST_WORD), np.array([_NO_WORD] * _FIRST_WORD + [*map(number, words)]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Model:
    """States and arcs; state 0 knows nothing of what was said before."""

    start: int
    states: int
    sources: Integers
    """Of each arc, shape (arcs,)."""

    words: Integers
    """Of each arc; END for one that leads nowhere."""

    costs: Reals
    targets: Integers


@dataclass(frozen=True, slots=True)
class _Level:
    """What follows histories of one length."""

    size: int
    """Words, BEGIN and END among them."""

    keys: Integers
    """History x size + word, of what was seen, ascending; a history is a key of the level below."""

    chances: Reals
    """Probability of each."""

    histories: Integers
    """Ascending."""

    left: Reals
    """Of each history, what is given to the shorter one."""

    @property
    def words(self) -> Integers:
        return self.keys % self.size

    def sources(self) -> Integers:
        """Place of each key's history."""
        return np.searchsorted(self.histories, self.keys // self.size)


def _level(size: int, keys: Integers, shorter: Callable[[Integers], Reals]) -> _Level:
    """`shorter`: the probabilities of keys without the oldest word of their history."""
    keys, counts = np.unique(keys, return_counts=True)
    histories, of, different = np.unique(keys // size, return_inverse=True, return_counts=True)
    totals = np.bincount(of, counts)
    left = DISCOUNT * different / totals
    return _Level(size, keys, (counts - DISCOUNT) / totals[of] + left[of] * shorter(keys), histories, left)


def _states(said: Integers, size: int) -> _Model:
    """Of all sentences one after the other, each from BEGIN to END."""
    second = np.flatnonzero(said != _BEGIN)
    third = second[said[second - 1] != _BEGIN]
    single = np.bincount(said[second], minlength=size) / second.size
    pairs = _level(size, said[second - 1] * size + said[second], lambda keys: single[keys % size])
    triples = _level(
        size,
        (said[third - 2] * size + said[third - 1]) * size + said[third],
        lambda keys: pairs.chances[np.searchsorted(pairs.keys, keys % size**2)],
    )

    def known_one(words: Integers) -> Integers:
        return 1 + np.searchsorted(pairs.histories, words)

    def known_two(words: Integers) -> Integers:
        return 1 + pairs.histories.size + np.searchsorted(triples.histories, words)

    first = np.flatnonzero(single)
    ones, twos = known_one(pairs.histories), known_two(triples.histories)
    arcs = [
        (np.zeros_like(first), first, single[first], known_one(first)),
        (ones[pairs.sources()], pairs.words, pairs.chances, known_two(pairs.keys)),
        (twos[triples.sources()], triples.words, triples.chances, known_two(triples.keys % size**2)),
        (ones, np.full_like(ones, _BEGIN), pairs.left, np.zeros_like(ones)),
        (twos, np.full_like(twos, _BEGIN), triples.left, known_one(triples.histories % size)),
    ]
    sources, words, chances, targets = map(np.concatenate, zip(*arcs, strict=True))
    costs = -np.log(chances) - WORD_BONUS * (words >= _FIRST_WORD)
    return _Model(
        start=int(known_one(np.array([_BEGIN]))[0]),
        states=1 + ones.size + twos.size,
        sources=sources,
        words=words,
        costs=costs,
        targets=targets,
    )


def _file(model: _Model, numbers: Integers) -> bytes:
    """`numbers`: of each word."""
    ends = np.full(model.states, np.inf)
    ending = model.words == _END
    ends[model.sources[ending]] = model.costs[ending]
    arcs = np.zeros(np.count_nonzero(~ending), _ARC)
    arcs["heard"] = arcs["said"] = numbers[model.words[~ending]]
    arcs["cost"], arcs["target"] = model.costs[~ending], model.targets[~ending]
    sources = model.sources[~ending]
    order = np.lexsort((arcs["heard"], sources))
    counts = np.bincount(sources, minlength=model.states)
    behind = np.cumsum(counts)
    content = arcs[order].tobytes()
    names = b"".join(struct.pack("<i", len(name)) + name for name in (b"vector", b"standard"))
    header = struct.pack("<iiQqqq", _VERSION, 0, _PROPERTIES, model.start, model.states, arcs.size)
    parts = [struct.pack("<I", _FST_MAGIC), names, header]
    for end, count, last in zip(ends.tolist(), counts.tolist(), behind.tolist(), strict=True):
        parts += [struct.pack("<fq", end, count), content[(last - count) * _ARC.itemsize : last * _ARC.itemsize]]
    return b"".join(parts)
