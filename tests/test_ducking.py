"""Other sound is lowered while the appliance listens and speaks, and always restored: also after a crash."""

import contextlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from appliance.audio.ducking import AGAIN_FRAMES, DEBTS, Ducking, ducking_of
from appliance.audio.others import MixerControl, ServerStreams, Stream
from appliance.config import Audio
from appliance.errors import AudioError
from appliance.worker import InlineWorker
from tests.fakes import HeldWorker

FULL, LOW = (65_536,), (26_214,)
"""A slider's 100 and 40 percent, as PulseAudio counts."""


def music(key: str = "pulse 7", name: str = "player", volumes: tuple[int, ...] = FULL, sounds: bool = True) -> Stream:
    return Stream(key=key, name=name, volumes=volumes, sounds=sounds)


@dataclass
class Desk:
    """A sound server with these streams."""

    playing: list[Stream] = field(default_factory=list)
    lost: str = ""
    stuck: bool = False
    """It tells, and changes nothing."""

    before_change: Callable[[], None] = lambda: None

    def streams(self) -> list[Stream]:
        if self.lost:
            raise AudioError(self.lost)
        return list(self.playing)

    def lower(self, stream: Stream, percent: int) -> None:
        self.before_change()
        self.restore(stream, tuple(round(volume * percent / 100) for volume in stream.volumes))

    def restore(self, stream: Stream, volumes: tuple[int, ...]) -> None:
        if self.stuck or stream.key not in {one.key for one in self.playing}:
            raise AudioError("no such entity")
        self.set(stream.key, volumes)

    def set(self, key: str, volumes: tuple[int, ...]) -> None:
        changed = [Stream(key=key, name=one.name, volumes=volumes) for one in self.playing if one.key == key]
        self.playing = [*(one for one in self.playing if one.key != key), *changed]

    @property
    def volumes(self) -> dict[str, tuple[int, ...]]:
        return {one.key: one.volumes for one in self.playing}


def failed(stage: str, error: Exception) -> None:
    raise AssertionError(f"{stage}: {error}")


def ducking(desk: Desk, folder: Path, *, percent: int = 40) -> Ducking:
    return Ducking(percent, [desk], folder / "state" / "lowered.json", InlineWorker("ducking", failed=failed))


def test_it_is_lowered_for_a_turn_and_restored(tmp_path: Path) -> None:
    desk = Desk([music(), music("pulse 8", "radio", (30_000, 50_000)), music("pulse 9", sounds=False)])
    ducks = ducking(desk, tmp_path)
    ducks.step(0, lower=False)
    ducks.step(1, lower=True)
    assert desk.volumes == {"pulse 7": LOW, "pulse 8": (12_000, 20_000), "pulse 9": FULL}
    ducks.step(2, lower=True)
    assert desk.volumes["pulse 7"] == LOW, "once"
    ducks.step(3, lower=False)
    assert desk.volumes == {"pulse 7": FULL, "pulse 8": (30_000, 50_000), "pulse 9": FULL}
    assert not list((tmp_path / "state").iterdir()), "nothing is owed"


def test_what_is_lowered_is_on_disk_before(tmp_path: Path) -> None:
    file = tmp_path / "state" / "lowered.json"
    found: list[bool] = []
    desk = Desk([music()], before_change=lambda: found.append(file.is_file()))
    ducking(desk, tmp_path).step(0, lower=True)
    assert found == [True]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("crash", ["while it was lowered", "just before", "just after"])
def test_the_next_start_restores_what_a_crash_left(tmp_path: Path, crash: str) -> None:
    def dies() -> None:
        if crash == "just after":
            desk.set("pulse 7", LOW)
        if crash != "while it was lowered":
            raise KeyboardInterrupt

    desk = Desk([music()], before_change=dies)
    with contextlib.suppress(KeyboardInterrupt):
        ducking(desk, tmp_path).step(0, lower=True)
    assert desk.volumes == {"pulse 7": FULL if crash == "just before" else LOW}
    ducking(desk, tmp_path).step(0, lower=False)
    assert desk.volumes == {"pulse 7": FULL}


def test_the_end_restores(tmp_path: Path) -> None:
    desk = Desk([music()])
    ducks = ducking(desk, tmp_path)
    ducks.step(0, lower=True)
    ducks.close()
    assert desk.volumes == {"pulse 7": FULL}


def test_what_somebody_changed_meanwhile_stays(tmp_path: Path) -> None:
    desk = Desk([music()])
    ducks = ducking(desk, tmp_path)
    ducks.step(0, lower=True)
    desk.set("pulse 7", (50_000,))
    ducks.step(1, lower=False)
    assert desk.volumes == {"pulse 7": (50_000,)}


def test_a_player_that_comes_back_as_quiet_as_it_was_made_is_restored(tmp_path: Path) -> None:
    """Sound servers remember the volume of each program."""
    desk = Desk([music()])
    ducks = ducking(desk, tmp_path)
    ducks.step(0, lower=True)
    desk.playing = []
    ducks.step(1, lower=False)
    desk.playing = [music("pulse 12", volumes=LOW)]
    ducks.step(AGAIN_FRAMES, lower=False)
    assert desk.volumes == {"pulse 12": LOW}, "a minute has not passed"
    ducks.step(AGAIN_FRAMES + 1, lower=False)
    assert desk.volumes == {"pulse 12": FULL}


def test_a_player_that_comes_back_during_the_next_turn_is_not_lowered_twice(tmp_path: Path) -> None:
    desk = Desk([music()])
    ducks = ducking(desk, tmp_path)
    ducks.step(0, lower=True)
    desk.playing = []
    ducks.step(1, lower=False)
    desk.playing = [music("pulse 12", volumes=LOW)]
    ducks.step(2, lower=True)
    ducks.step(3, lower=False)
    assert desk.volumes == {"pulse 12": FULL}


def test_one_of_two_streams_of_a_program_ends(tmp_path: Path) -> None:
    desk = Desk([music("pulse 1", volumes=(10_000,)), music("pulse 2", volumes=(10_000,))])
    ducks = ducking(desk, tmp_path)
    ducks.step(0, lower=True)
    desk.playing = [one for one in desk.playing if one.key == "pulse 2"]
    ducks.step(1, lower=False)
    assert desk.volumes == {"pulse 2": (10_000,)}
    assert not list((tmp_path / "state").iterdir()), "its program is seen, as loud as it was"


def test_a_sound_server_that_is_away_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    desk = Desk([music()])
    ducks = ducking(desk, tmp_path)
    ducks.step(0, lower=True)
    desk.lost = "no sound server runs"
    ducks.step(1, lower=False)
    ducks.step(2, lower=True)
    assert caplog.text.count("no sound server runs") == 1
    desk.lost = ""
    ducks.step(3, lower=False)
    assert desk.volumes == {"pulse 7": FULL}


def test_a_volume_that_cannot_be_given_back_is_owed(tmp_path: Path) -> None:
    desk = Desk([music()])
    ducks = ducking(desk, tmp_path)
    ducks.step(0, lower=True)
    desk.stuck = True
    ducks.step(1, lower=False)
    desk.stuck = False
    ducking(desk, tmp_path).step(0, lower=False)
    assert desk.volumes == {"pulse 7": FULL}


def test_what_could_not_be_remembered_is_not_lowered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    (tmp_path / "state").write_text("no folder")
    desk = Desk([music()])
    ducking(desk, tmp_path).step(0, lower=True)
    assert desk.volumes == {"pulse 7": FULL}
    assert "cannot be" in caplog.text


def test_a_damaged_file_is_told_and_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "lowered.json").write_text('[{"key"')
    desk = Desk([music()])
    ducks = ducking(desk, tmp_path)
    ducks.step(0, lower=True)
    ducks.step(1, lower=False)
    assert desk.volumes == {"pulse 7": FULL}
    assert "cannot be used" in caplog.text


def test_at_most_so_many_are_lowered(tmp_path: Path) -> None:
    desk = Desk([music(f"pulse {number}") for number in range(DEBTS + 1)])
    ducking(desk, tmp_path).step(0, lower=True)
    assert sum(volumes == LOW for volumes in desk.volumes.values()) == DEBTS


def test_at_100_percent_nothing_is_lowered_and_what_is_owed_restored(tmp_path: Path) -> None:
    desk = Desk([music()])
    ducking(desk, tmp_path).step(0, lower=True)
    ducks = ducking(desk, tmp_path, percent=100)
    ducks.step(0, lower=False)
    assert desk.volumes == {"pulse 7": FULL}
    ducks.step(1, lower=True)
    assert desk.volumes == {"pulse 7": FULL}


def test_a_busy_worker_gets_the_newest_order_later(tmp_path: Path) -> None:
    worker, desk = HeldWorker(), Desk([music()])
    ducks = Ducking(40, [desk], tmp_path / "lowered.json", worker)
    worker.room = 0
    ducks.step(0, lower=True)
    worker.room = 1
    ducks.step(1, lower=True)
    worker.work()
    assert desk.volumes == {"pulse 7": LOW}


def test_the_configuration_names_the_mixer_where_no_server_runs(tmp_path: Path) -> None:
    worker = InlineWorker("ducking", failed=failed)
    assert ducking_of(Audio(), None, worker) is None
    named = ducking_of(Audio(ducking_mixer="Music"), tmp_path, worker)
    assert named is not None
    assert [type(way) for way in named._ways] == [ServerStreams, MixerControl]


# The programs of the sound systems, with scripts in their place.

LISTED = """[
 {"index": 4, "sink": 1, "corked": false, "mute": false, "volume": {"front-left": {"value": 65536}, "front-right":
  {"value": 60000}}, "properties": {"application.process.id": "99", "application.name": "player"}},
 {"index": 5, "sink": 1, "volume": {"mono": {"value": 65536}}, "properties": {"application.process.id": "OWN"}},
 {"index": 6, "sink": 0, "volume": {"mono": {"value": 65536}}, "properties": {"application.name": "in the bathroom"}},
 {"index": 7, "sink": 1, "corked": true, "volume": {"mono": {"value": 65536}},
  "properties": {"module-stream-restore.id": "sink-input-by-media-role:music", "application.name": "player"}}]"""


def script(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def around(folder: Path, **settings: str) -> dict[str, str]:
    """An environment in which programs of this folder are found before the machine's own."""
    return {"PATH": f"{folder}:/usr/bin:/bin", **settings}


def test_only_others_on_the_default_sink_count(tmp_path: Path) -> None:
    told = {
        "get-default-sink": "spk",
        "list": "0\tbathroom\tx\n1\tspk\tx",
        "-f": LISTED.replace("OWN", str(os.getpid())),
    }
    cases = "\n".join(f"{argument}) cat <<'END'\n{text}\nEND\n;;" for argument, text in told.items())
    script(tmp_path, "pactl", f'case "$1" in\n{cases}\n*) echo "$@" >> "{tmp_path}/changes";; esac')
    server = ServerStreams(around(tmp_path, PULSE_SERVER="somewhere"))
    playing, paused = server.streams()
    assert playing == Stream(key="pulse 4", name="player", volumes=(65_536, 60_000))
    assert paused == Stream(key="pulse 7", name="sink-input-by-media-role:music", volumes=FULL, sounds=False)
    server.lower(playing, 40)
    assert (tmp_path / "changes").read_text() == "set-sink-input-volume 4 26214 24000\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("echo nonsense", "is not understood"),
        ("echo refused >&2; exit 1", "pactl failed: refused"),
        ("exec sleep 9", "timed out"),
    ],
)
def test_a_server_that_is_not_well_is_an_error(tmp_path: Path, text: str, reason: str) -> None:
    script(tmp_path, "pactl", text)
    with pytest.raises(AudioError, match=reason):
        ServerStreams(around(tmp_path, PULSE_SERVER="somewhere"), patience_s=0.3).streams()


def test_no_server_is_started_that_nobody_asked_for(tmp_path: Path) -> None:
    script(tmp_path, "pactl", f"touch {tmp_path}/started")
    with pytest.raises(AudioError, match="no sound server runs"):
        ServerStreams(around(tmp_path, XDG_RUNTIME_DIR=str(tmp_path))).streams()
    assert not (tmp_path / "started").exists()


MIXER = """\
Simple mixer control '$5',0
  Limits: 0 - 255
  Front Left: 200 [60%] [-10.98dB]
  Front Right: 210 [70%] [-8.98dB]"""


def test_a_control_of_the_mixer_is_lowered_by_percent_and_restored_exactly(tmp_path: Path) -> None:
    script(tmp_path, "amixer", f'echo "$@" >> "{tmp_path}/changes"; cat <<END\n{MIXER}\nEND')
    control = MixerControl("Music", environment=around(tmp_path))
    [stream] = control.streams()
    assert stream == Stream(key="mixer Music", name="Music", volumes=(200, 210))
    control.lower(stream, 40)
    control.restore(stream, stream.volumes)
    changes = [line for line in (tmp_path / "changes").read_text().splitlines() if "sset" in line]
    assert changes == ["-D default -M sset Music 26%", "-D default -M sset Music 200,210"]


def test_a_control_without_volume_or_program_is_an_error(tmp_path: Path) -> None:
    script(tmp_path, "amixer", "echo Playback [on]")
    with pytest.raises(AudioError, match='"Switch" has no volume'):
        MixerControl("Switch", environment=around(tmp_path)).streams()
    with pytest.raises(AudioError, match="amixer is not installed"):
        MixerControl("Music", environment={"PATH": str(tmp_path / "nothing")}).streams()


def test_where_nobody_may_look_no_sound_server_runs() -> None:
    unseen = ServerStreams({"XDG_RUNTIME_DIR": "/run" + "/hidden" * 1000})
    with pytest.raises(AudioError, match="no sound server runs"):
        unseen.streams()
