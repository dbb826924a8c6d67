"""How lateness is counted from the times of frames."""

import pytest

from tools.frame_clock import WINDOW_FRAMES, delays_ms, late_frames


def steady(count: int, *, late: dict[int, float] | None = None) -> list[float]:
    """Frames every 20 ms from some moment on; `late`: index to ms."""
    return [1000.0 + index * 0.02 + (late or {}).get(index, 0.0) / 1000 for index in range(count)]


def test_a_steady_stream_is_never_late() -> None:
    assert max(delays_ms(steady(1000))) == pytest.approx(0.0, abs=1e-6)
    assert late_frames(steady(1000), 20.0) == 0


def test_a_late_frame_is_late_by_so_much() -> None:
    times = steady(100, late={40: 35.0, 41: 30.0, 42: 15.0})
    assert delays_ms(times)[40:43] == pytest.approx([35.0, 30.0, 15.0])
    assert late_frames(times, 20.0) == 2


def test_frames_that_came_together_with_a_late_one_are_late_too() -> None:
    burst = {index: 20.0 * (6 - index % 7) for index in range(70)}
    limit_ms = max(burst.values()) + 20
    assert late_frames(steady(70, late=burst), limit_ms) == 0
    behind = burst | {index: burst[index] + 30.0 for index in range(21, 28)}
    assert late_frames(steady(70, late=behind), limit_ms) == 7


def test_what_is_lost_for_ever_is_not_late_for_ever() -> None:
    times = steady(2 * WINDOW_FRAMES, late={index: 500.0 for index in range(WINDOW_FRAMES, 2 * WINDOW_FRAMES)})
    assert max(delays_ms(times)) == pytest.approx(0.0, abs=1e-6)
