"""The figures of a conversation with a live appliance, and how they are printed."""

from collections.abc import Sequence

import msgspec
import numpy as np

from appliance.demo.table import STAGES
from appliance.events import TurnFinished
from appliance.service_level import percentile
from tools.frame_clock import delays_ms, late_frames


class Lateness(msgspec.Struct, frozen=True, kw_only=True):
    """How much later than a steady 20 ms frames came, ms."""

    frames: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    late: int
    """Frames later than `limit_ms`."""

    limit_ms: float


class TurnFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the conversation."""

    seconds: int
    busy_processes: int
    turns: int
    right: int
    """The right intent, carried out."""

    heard: int
    """Answers of which most words were recognized in what the loudspeaker played."""

    dropped_frames: int
    cpu_share: float
    """Of one core, used by the appliance's process, its voice not counted."""

    bare_loop: Lateness
    """A loop that only waits for 20 ms."""

    resting: Lateness
    """The appliance before the conversation, without load. The limit of this row and of the next two is 20 ms more than
    its latest frame: as sound systems hand over several frames at a time, all but the last of these are late."""

    bare_reader: Lateness
    """A second program that reads the same microphone and does nothing with it, during the conversation."""

    talking: Lateness
    """The appliance, during the conversation."""

    live_ms: dict[str, tuple[int, int]]
    """Each time of `turn_finished`: p50 and p95 over the turns."""

    replay_ms: dict[str, tuple[int, int]]
    """The same for the same recordings in an inline replay."""

    by_clock_ms: tuple[int, int]
    """p50 and p95, last speech in the microphone to `speaking_started`, by the clock of this process; it takes some
    30 ms more than what it measures."""

    def lines(self) -> list[str]:
        """For people."""
        lines = [
            f"{self.seconds} s of conversation, {self.busy_processes} busy process beside it: {self.turns} turns, "
            f"{self.right} right, {self.heard} answers heard back",
            f"frames dropped: {self.dropped_frames}; processor time: {100 * self.cpu_share:.1f} % of a core",
            "frames, later than a steady 20 ms:",
        ]
        rows = {
            "a bare loop": self.bare_loop,
            "the appliance, at rest before": self.resting,
            "a bare reader": self.bare_reader,
            "the appliance, talking": self.talking,
        }
        for name, row in rows.items():
            lines.append(
                f"  {name:<29} p50 {row.p50_ms:6.1f}  p99 {row.p99_ms:6.1f}  max {row.max_ms:6.1f} ms   "
                f"{row.late} of {row.frames} later than {row.limit_ms:.0f} ms"
            )
        lines.append("times of a turn:                       live p50    p95   replay p50    p95")
        for name, meaning in STAGES.items():
            if name in self.live_ms and name in self.replay_ms:
                live, replayed = self.live_ms[name], self.replay_ms[name]
                lines.append(f"  {meaning:<34} {live[0]:8} {live[1]:8} {replayed[0]:10} {replayed[1]:8} ms")
        p50, p95 = self.by_clock_ms
        return [*lines, f"  {'last speech to first sound, by clock':<34} {p50:6} {p95:8}            -        - ms"]


def lateness(times: Sequence[float], limit_ms: float) -> Lateness:
    """The figures of some frames, by the times at which they were done with, in seconds."""
    delays = delays_ms(times)
    p50, p99, worst = np.percentile(delays, [50, 99, 100]) if delays else (0.0, 0.0, 0.0)
    return Lateness(
        frames=len(delays),
        p50_ms=round(float(p50), 1),
        p99_ms=round(float(p99), 1),
        max_ms=round(float(worst), 1),
        late=late_frames(times, limit_ms),
        limit_ms=limit_ms,
    )


def stages(turns: Sequence[TurnFinished]) -> dict[str, tuple[int, int]]:
    """Each time of some turns, where it is known: p50 and p95, ms."""
    found = {name: [value for turn in turns if (value := getattr(turn, name)) is not None] for name in STAGES}
    return {name: p50_p95(values) for name, values in found.items() if values}


def p50_p95(values: Sequence[float]) -> tuple[int, int]:
    """Both percentiles; zeros without a value."""
    return (percentile(values, 50), percentile(values, 95)) if values else (0, 0)
