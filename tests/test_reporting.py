"""What the running daemon tells about itself, gathered from events and asked for from another thread."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.config import Config, Service
from appliance.config_files import LoadedConfig
from appliance.events import ServiceLevelMet, ServiceLevelMissed, TurnFinished
from appliance.inbox import Inbox
from appliance.reporting import Reporting


def reporter(target_ms: int = 1000, safe_mode: str | None = None) -> Reporting:
    config = Config(service=Service(target_ms=target_ms, allowed_share=0.05))
    brains: Any = SimpleNamespace(loaded=LoadedConfig(config=config, folder=Path(), safe_mode=safe_mode))
    unused: Any = None
    return Reporting(lambda: brains, unused, unused, unused, None)


def turn(number: int, first_audio_ms: int) -> TurnFinished:
    return TurnFinished(frame=number, session=number, first_audio_ms=first_audio_ms, total_ms=first_audio_ms + 500)


def test_slow_turns_become_one_event_and_one_warning_and_quick_ones_end_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    reports = reporter()
    slow = [reports.take(turn(number, 1500), "2026-01-01T12:00:00.000Z") for number in range(40)]
    [missed] = [event for event in slow if event is not None]
    assert missed == ServiceLevelMissed(frame=19, share=1.0, target_ms=1000, turns=20, p95_ms=1500)
    assert len(caplog.messages) == 1
    assert "answers are slow: 100 % of 20 turns" in caplog.messages[0]
    quick = [reports.take(turn(40 + number, 600), "2026-01-01T12:00:00.000Z") for number in range(100)]
    assert [type(event) for event in quick if event is not None] == [ServiceLevelMet]
    metrics = reports.metrics(frame=139)
    assert (metrics.turns, metrics.last_turn_ms, metrics.frames) == (140, 1100, 140)
    assert metrics.service_level is not None
    assert metrics.service_level.met


def test_a_frame_loop_that_does_not_answer_is_told() -> None:
    status = reporter().status(Inbox(), patience_s=0.01)
    assert status.now is None
    assert "the frame loop does not answer" in status.problems[0]


def test_safe_mode_is_a_problem() -> None:
    assert (
        "safe mode, for want of luck"
        in reporter(safe_mode="safe mode, for want of luck").status(Inbox(), patience_s=0.01).problems
    )
