"""The passthrough test in a simulated room, where the loudspeaker comes back to the microphone some frames later."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from appliance.audio.format import FRAME_SAMPLES, Frame, Pcm
from appliance.audio.player import Player
from appliance.cli.loopback import describe
from appliance.errors import AudioError
from appliance.loopback import Report, pass_through, report_of


@dataclass
class EchoingRoom:
    """A loudspeaker and a microphone that hears it `delay_frames` later."""

    gain: float = 0.1
    delay_frames: int = 9
    noise: float = 10.0
    lost: bool = False
    _air: deque[Pcm] = field(default_factory=deque)

    def open(self, rate_hz: int) -> None:
        if self.lost:
            raise AudioError("no loudspeaker; plug it in")
        self._air.extend([np.zeros(FRAME_SAMPLES, np.int16)] * self.delay_frames)

    def write(self, pcm: Pcm) -> None:
        self._air.append(pcm)

    def abort(self) -> None:
        pass

    def close(self) -> None:
        pass

    def frames(self, count: int = 1000) -> Iterator[Frame]:
        random = np.random.default_rng(1)
        for index in range(count):
            heard = random.normal(0.0, self.noise, FRAME_SAMPLES)
            if self._air:
                heard += self.gain * self._air.popleft()
            yield Frame(index, np.clip(np.rint(heard), -32768, 32767).astype(np.int16))

    def report(self, count: int = 1000) -> Report:
        return report_of(pass_through(self.frames(count), Player(self, lead_frames=0)))


def test_it_tells_the_round_trip_the_levels_and_what_is_taken() -> None:
    report = EchoingRoom().report()
    # The frame loop hears a frame before it plays the next: one frame on top of the room's.
    assert report.round_trip_ms == pytest.approx(200, abs=1)
    assert report.delay_ms == pytest.approx(200, abs=5)
    assert report.return_loss_db == pytest.approx(20, abs=0.5)
    assert report.return_loss_cancelled_db > 40
    assert report.level_dbfs == pytest.approx(-20 - 20, abs=3)
    assert report.floor_dbfs == pytest.approx(-70, abs=1)
    assert (report.clipped_share, report.advice()) == (0.0, [])
    assert "all is well" in describe(report)


def test_an_overdriven_microphone_is_named() -> None:
    report = EchoingRoom(gain=5.0).report()
    assert report.clipped_share > 0.05
    assert report.distortion_share > 0.01
    assert "overdriven" in describe(report)


@pytest.mark.parametrize("room", [EchoingRoom(gain=0.0), EchoingRoom(gain=0.0, noise=0.0)], ids=["noise", "nothing"])
def test_a_microphone_that_hears_nothing_of_it_is_an_error(room: EchoingRoom) -> None:
    with pytest.raises(AudioError, match="nothing of the test sound was heard"):
        room.report()


def test_a_lost_loudspeaker_or_microphone_is_an_error() -> None:
    with pytest.raises(AudioError, match="no loudspeaker"):
        EchoingRoom(lost=True).report()
    with pytest.raises(AudioError, match="ended before"):
        EchoingRoom().report(count=100)
