"""`appliance loopback` on a real sound server whose microphone hears its loudspeaker."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.config_files import PROJECT
from tests.live import sound_server
from tools.sound_server import SoundServer

pytestmark = pytest.mark.live

TEST_S = 60.0
"""The test sound lasts 10 s."""


@pytest.fixture
def server() -> Iterator[SoundServer]:
    with sound_server("pulseaudio") as server:
        yield server


def pactl(server: SoundServer, *arguments: str) -> None:
    subprocess.run(["pactl", *arguments], env=server.environment, check=True, capture_output=True, timeout=10)


def loopback(server: SoundServer, folder: Path) -> "subprocess.CompletedProcess[str]":
    config = folder / "appliance.toml"
    config.write_text("")
    return subprocess.run(
        [sys.executable, "-m", "appliance", "--config", str(config), "loopback", "--json"],
        cwd=PROJECT,
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=TEST_S,
        check=False,
    )


def test_it_measures_a_microphone_that_hears_the_loudspeaker(server: SoundServer, tmp_path: Path) -> None:
    pactl(server, "set-sink-volume", "spk", "60%")  # 13 dB less
    pactl(server, "load-module", "module-loopback", "source=spk.monitor", "sink=mic", "latency_msec=60")
    done = loopback(server, tmp_path)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert 60 < report["round_trip_ms"] < 1000
    assert report["delay_ms"] == pytest.approx(report["round_trip_ms"], abs=40)
    assert report["return_loss_db"] == pytest.approx(13, abs=6)
    assert report["return_loss_cancelled_db"] > report["return_loss_db"] + 6
    assert (report["clipped_share"], done.returncode) == (0.0, 0)


def test_a_microphone_that_hears_nothing_of_it_is_told(server: SoundServer, tmp_path: Path) -> None:
    done = loopback(server, tmp_path)
    assert (done.stdout, done.returncode) == ("", 1)
    assert "nothing of the test sound was heard" in done.stderr
