"""What the network should say when: 1 about the word's end, 0 well before and after it and where it is not said."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

HOPS_BEFORE_END = 3
HOPS_AFTER_END = 17
"""The word must be noticed from 60 ms before its end to 340 ms after it."""
QUIET_BEFORE_END = 20
QUIET_AFTER_END = 30
"""400 ms before its end nothing may be noticed yet, 600 ms after it nothing any more; between, nobody asks."""
SAID_SHARE = 0.38
"""Of a batch; the rest is without the word."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Targets:
    """For some hops of each example."""

    said: Flags
    """Whether the word is in the example, (n,)."""

    at_end: Flags
    """(n, hops)."""

    elsewhere: Flags
    """(n, hops)."""

    @classmethod
    def of(cls, word_end_row: npt.NDArray[np.int32], hops: npt.NDArray[np.int64]) -> "Targets":
        """From the rows with which the words end, -1 where there is none."""
        said = word_end_row >= 0
        after = hops[np.newaxis] - word_end_row[:, np.newaxis] // 2
        at_end = (after >= -HOPS_BEFORE_END) & (after <= HOPS_AFTER_END) & said[:, np.newaxis]
        elsewhere = ((after < -QUIET_BEFORE_END) | (after > QUIET_AFTER_END)) & said[:, np.newaxis]
        return cls(said, at_end, elsewhere)

    def batch(self, rng: np.random.Generator, size: int) -> npt.NDArray[np.int64]:
        """Places of `size` examples, SAID_SHARE of them with the word where there are both kinds."""
        kinds = [np.flatnonzero(self.said), np.flatnonzero(~self.said)]
        with_word = round(size * SAID_SHARE) if kinds[0].size and kinds[1].size else size * bool(kinds[0].size)
        picked = [
            rng.choice(kind, count) for kind, count in zip(kinds, (with_word, size - with_word), strict=True) if count
        ]
        return np.concatenate(picked)
