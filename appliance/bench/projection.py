"""What turns would take on a small board: a projection from operations, NOT a measurement.

The processor time that was measured here, times the rate at which this machine multiplies matrices, is the number of
operations; a board does as many per second as half of what its vector units can at most. Nearly all of the time goes
into such products (recognizer, voice). Silence takes as long everywhere, unless what is done in it takes longer.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from appliance.bench.turns import TimedTurn
from appliance.service_level import percentile

SHARE_OF_PEAK = 0.5
CORES = 4
"""Over which a board spreads what is done in the silence: recognizer, dictation and voice have threads of their own."""

SIZE, ROUNDS = 256, 30


@dataclass(frozen=True, slots=True)
class Board:
    """One core of it."""

    name: str
    clock_hz: float
    flop_per_cycle: int
    """Single precision: vector units of 128 bit, times 4 numbers, times 2 for multiply and add."""


BOARDS = (Board("Raspberry Pi 4", 1.8e9, 8), Board("Raspberry Pi 5", 2.4e9, 16))
"""Cortex-A72: one such unit for products (software optimization guide, FMLA 128 bit: one per cycle); A76: two."""


def rate_here() -> float:
    """Single precision operations per second of one thread: the best of some products of matrices of the size that
    the models have.
    """
    matrix = np.random.default_rng(1).random((SIZE, SIZE), np.float32)
    best_s = float("inf")
    for _ in range(ROUNDS):
        begun_s = time.perf_counter()
        matrix @ matrix
        best_s = min(best_s, time.perf_counter() - begun_s)
    return 2 * SIZE**3 / best_s


def projected(turns: Sequence[TimedTurn], rate: float) -> list[str]:
    """Lines: what a person would wait on each board; `rate`: that of this machine. At least one turn."""
    lines = [f"  this machine: {rate / 1e9:.0f} thousand million operations a second and core"]
    for board in BOARDS:
        slower = rate / (board.clock_hz * board.flop_per_cycle * SHARE_OF_PEAK)
        waits = [
            max(turn.times.endpoint_ms or 0, turn.processor.silence_ms * slower / CORES)
            + turn.processor.after_speech_ms * slower
            for turn in turns
        ]
        lines.append(
            f"  {board.name}: {slower:.1f} times as long for the same; last speech to first sound "
            f"p50 {percentile(waits, 50)} ms, p95 {percentile(waits, 95)} ms"
        )
    return lines
