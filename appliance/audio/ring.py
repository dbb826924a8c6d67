"""The last seconds of frames, addressed by index."""

import numpy as np

from appliance.audio.format import FRAME_SAMPLES, Frame, Pcm, frames_of_ms, freeze

RING_MS = 15_000
"""How far back the ring reaches: the wake word (1.5 s), the wait for a command (5 s) and the longest command (8 s)."""

RING_FRAMES = frames_of_ms(RING_MS)


class Ring:
    """Keeps the newest `capacity` frames in one block of memory. Owned by the frame loop; nobody else writes."""

    def __init__(self, capacity: int = RING_FRAMES) -> None:
        self._samples = np.zeros((capacity, FRAME_SAMPLES), np.int16)
        self._capacity = capacity
        self._next = 0
        self._first = 0

    @property
    def capacity(self) -> int:
        """Frames that it holds at most."""
        return self._capacity

    @property
    def oldest(self) -> int:
        """Index of the oldest frame still held."""
        return max(self._first, self._next - self._capacity)

    @property
    def newest(self) -> int:
        """Index of the newest frame; one less than `oldest` while empty."""
        return self._next - 1

    def append(self, frame: Frame) -> None:
        """Take the next frame. Where the index jumps ahead, frames were lost: silence stands in for them.

        An index that goes back, or further ahead than the ring reaches, begins a new past.
        """
        if 0 < self._next <= frame.index < self._next + self._capacity:
            for lost in range(self._next, frame.index):
                self._samples[lost % self._capacity] = 0
        else:
            self._first = frame.index
        self._samples[frame.index % self._capacity] = frame.pcm
        self._next = frame.index + 1

    def frames(self, from_index: int, to_index: int) -> list[Frame]:
        """Frames from_index..to_index (both included), as far as they are still held; copies, so they may travel."""
        first, last = max(from_index, self.oldest), min(to_index, self.newest)
        return [Frame(i, freeze(self._samples[i % self._capacity].copy())) for i in range(first, last + 1)]

    def pcm(self, from_index: int, to_index: int) -> Pcm:
        """The same samples in one array of shape (n,)."""
        parts = [frame.pcm for frame in self.frames(from_index, to_index)]
        return np.concatenate(parts) if parts else np.zeros(0, np.int16)
