"""A radio plays on a real sound server, and is lowered, and restored, by the real daemon, also after a crash."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.audio.ducking import Ducking
from appliance.audio.others import MixerControl, Others, ServerStreams
from appliance.events import SpeakingStarted, State, StateChanged
from appliance.models import ModelStore
from appliance.worker import InlineWorker
from tests.broker import Broker, wait_until
from tests.live import sound_server
from tools.conversation import Person
from tools.live_appliance import LiveAppliance
from tools.room import quiet_noise, write_wav
from tools.sound_server import SoundServer

pytestmark = pytest.mark.live

FULL, LOW = 65_536, 26_214
RADIO_S = 300


@pytest.fixture(scope="module")
def server() -> Iterator[SoundServer]:
    with sound_server("pulseaudio") as server:
        yield server


@pytest.fixture
def radio(server: SoundServer, tmp_path: Path) -> Iterator["Radio"]:
    with Radio(server, tmp_path / "programme.wav") as radio:
        yield radio


class Radio:
    """Another program that plays."""

    def __init__(self, server: SoundServer, programme: Path) -> None:
        write_wav(programme, quiet_noise(RADIO_S))
        self._command = ["paplay", "--client-name=radio", str(programme)]
        self._environment = server.environment
        self._playing: subprocess.Popen[bytes]

    def __enter__(self) -> "Radio":
        self.play(FULL)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def play(self, volume: int) -> None:
        self._playing = subprocess.Popen([*self._command, f"--volume={volume}"], env=self._environment)
        self.wait_until(volume)

    def stop(self) -> None:
        self._playing.kill()
        self._playing.wait()
        self.wait_until(None)

    def wait_until(self, volume: int | None) -> None:
        """It is so loud; None: it is silent."""
        expected = [] if volume is None else [(volume,)]
        wait_until(lambda: self._volumes() == expected, f"the radio is at {volume}")

    def _volumes(self) -> list[tuple[int, ...]]:
        return [one.volumes for one in ServerStreams(self._environment).streams() if one.name == "radio"]


def ducking(way: Others, folder: Path) -> Ducking:
    return Ducking(40, [way], folder / "lowered.json", InlineWorker("ducking", failed=lambda stage, error: None))


def test_it_is_lowered_and_restored(server: SoundServer, radio: Radio, tmp_path: Path) -> None:
    ducks = ducking(ServerStreams(server.environment), tmp_path)
    ducks.step(0, lower=True)
    radio.wait_until(LOW)
    ducks.step(1, lower=False)
    radio.wait_until(FULL)


def test_what_stopped_while_it_was_lowered_is_restored_when_it_plays_again(
    server: SoundServer, radio: Radio, tmp_path: Path
) -> None:
    """As with a server that remembers each program's volume."""
    ducks = ducking(ServerStreams(server.environment), tmp_path)
    ducks.step(0, lower=True)
    radio.wait_until(LOW)
    radio.stop()
    ducks.step(1, lower=False)
    radio.play(LOW)
    ducking(ServerStreams(server.environment), tmp_path).step(0, lower=False)
    radio.wait_until(FULL)


def test_a_control_of_the_mixer(server: SoundServer, tmp_path: Path) -> None:
    control = MixerControl("Master", "pulse", server.environment)
    ducks = ducking(control, tmp_path)
    ducks.step(0, lower=True)
    assert control.streams()[0].volumes == (LOW,)
    ducks.step(1, lower=False)
    assert control.streams()[0].volumes == (FULL,)


@pytest.mark.model
@pytest.mark.broker
def test_the_appliance_lowers_it_for_a_turn_and_never_for_good(
    server: SoundServer, radio: Radio, store: ModelStore, tmp_path: Path
) -> None:
    person = Person(store)
    speech = person.says("Alexa, what time is it?")
    person.close()
    with Broker(tmp_path) as broker:
        with LiveAppliance(tmp_path, broker.port, server.environment) as appliance:
            server.speak(speech)
            appliance.wait_for(StateChanged, to=State.LISTENING)
            radio.wait_until(LOW)
            appliance.rest()
            radio.wait_until(FULL)
            server.speak(speech)
            appliance.wait_for(SpeakingStarted)
            radio.wait_until(LOW)
            appliance.kill()
        radio.wait_until(LOW)
        with LiveAppliance(tmp_path, broker.port, server.environment) as appliance:
            radio.wait_until(FULL)
            server.speak(speech)
            appliance.wait_for(SpeakingStarted)
            radio.wait_until(LOW)
        radio.wait_until(FULL)
