"""An hour of sound through a whole daemon, faster than real time: nothing grows, nothing drifts."""

import subprocess
import sys

import msgspec
import pytest

from appliance.config_files import PROJECT
from appliance.models import ModelStore
from tools import soak
from tools.soak import Figures, Sample, slope

LIMIT_S = 900.0

DAEMON_LIMIT_MB = 16.0
"""Between the tenth minute and the sixtieth, while answers are made beforehand, of which it keeps 12 MB."""

VOICE_LIMIT_MB = 4.0
"""In the same time, in which it makes them."""


def sample(hours: float, memory_mb: float) -> Sample:
    return Sample(hours=hours, memory_mb=memory_mb, voice_mb=0, allocated_kb=0, blocks=0, threads=9, descriptors=9)


def test_the_slope_leaves_out_the_warm_up() -> None:
    warming = [sample(hours / 6, 100 + 10 * hours) for hours in range(1, 7)]
    growing = [sample(1 + hours / 6, 160 + hours / 60) for hours in range(1, 7)]
    assert slope([*warming, *growing], "memory_mb") == pytest.approx(0.1)
    assert slope(warming, "memory_mb") is None


def test_a_process_at_rest_is_waited_for_and_one_that_never_rests_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "60"]) as asleep:
        soak.settle(asleep.pid)
        asleep.kill()
    monkeypatch.setattr(soak, "REST_WITHIN_S", 0.3)
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        with pytest.raises(TimeoutError, match=str(busy.pid)):
            soak.settle(busy.pid)
        busy.kill()


@pytest.mark.model
@pytest.mark.broker
def test_an_hour_leaves_nothing_behind(store: ModelStore) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.soak", "--hours", "1", "--json"],
        cwd=PROJECT,
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = msgspec.json.decode(done.stdout, type=Figures)
    assert (figures.commands, figures.failed) == (60, [])
    assert figures.understood >= 58
    assert figures.drift_ms <= 20.0
    first, last = figures.samples[0], figures.samples[-1]
    assert (last.threads, last.descriptors) == (first.threads, first.descriptors)
    assert last.memory_mb - first.memory_mb < DAEMON_LIMIT_MB
    assert last.voice_mb - first.voice_mb < VOICE_LIMIT_MB
