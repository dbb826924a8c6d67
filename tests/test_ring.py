"""The last seconds of frames."""

import numpy as np
import pytest

from appliance.audio.format import Frame
from appliance.audio.ring import RING_FRAMES, RING_MS, Ring


def _frame(index: int) -> Frame:
    return Frame(index, np.full(320, index % 30_000 + 1, np.int16))


def _indices(ring: Ring, first: int, last: int) -> list[int]:
    frames = ring.frames(first, last)
    assert [int(frame.pcm[0]) for frame in frames] == [frame.index + 1 for frame in frames]
    return [frame.index for frame in frames]


def _filled(count: int, capacity: int) -> Ring:
    ring = Ring(capacity)
    for index in range(count):
        ring.append(_frame(index))
    return ring


def test_it_reaches_back_over_a_whole_turn() -> None:
    assert RING_FRAMES * 20 == RING_MS
    ring = _filled(RING_FRAMES + 10, RING_FRAMES)
    assert ring.newest - ring.oldest + 1 == RING_FRAMES


def test_an_empty_ring_holds_nothing() -> None:
    ring = Ring(4)
    assert (ring.oldest, ring.newest) == (0, -1)
    assert ring.frames(-10, 10) == []
    assert ring.pcm(0, 100).shape == (0,)


@pytest.mark.parametrize(
    ("first", "last", "held"),
    [(6, 9, [6, 7, 8, 9]), (0, 100, [6, 7, 8, 9]), (7, 8, [7, 8]), (9, 9, [9]), (8, 7, []), (10, 12, []), (0, 5, [])],
)
def test_frames_come_by_their_index_as_far_as_they_are_held(first: int, last: int, held: list[int]) -> None:
    assert _indices(_filled(10, 4), first, last) == held


def test_samples_in_one_piece_are_the_same_samples() -> None:
    ring = _filled(10, 4)
    pcm = ring.pcm(7, 100)
    assert pcm.dtype == np.int16
    assert pcm.tolist() == [8] * 320 + [9] * 320 + [10] * 320


def test_what_was_taken_out_does_not_change_and_cannot_be_changed() -> None:
    ring = _filled(4, 4)
    kept = ring.frames(0, 0)[0]
    ring.append(_frame(4))
    assert kept.pcm[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        kept.pcm[0] = 7


def test_lost_frames_are_silence_and_what_was_before_them_is_kept() -> None:
    ring = _filled(7, 10)
    ring.append(_frame(9))
    assert (ring.oldest, ring.newest) == (0, 9)
    assert [int(frame.pcm[0]) for frame in ring.frames(5, 9)] == [6, 7, 0, 0, 10]


@pytest.mark.parametrize("lost", [9, 10, 11, 1000])
def test_after_a_long_gap_only_the_new_is_held(lost: int) -> None:
    ring = _filled(3, 10)
    ring.append(_frame(3 + lost))
    held = ring.frames(0, 10_000)
    assert [int(frame.pcm[0]) for frame in held][-1] == 4 + lost
    assert all(not frame.pcm.any() for frame in held[:-1])
    assert len(held) <= 10


def test_a_stream_may_begin_anywhere_and_begin_again() -> None:
    ring = Ring(4)
    ring.append(_frame(17))
    assert _indices(ring, 0, 100) == [17]
    ring.append(_frame(18))
    ring.append(_frame(0))
    assert _indices(ring, 0, 100) == [0]
    ring.append(_frame(1))
    assert _indices(ring, 0, 100) == [0, 1]
