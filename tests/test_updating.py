"""The running appliance and updates: it looks at a file, tells what is new there, and leaves another that asks."""

import json
import os
from pathlib import Path

import msgspec
import pytest

from appliance import __version__
from appliance.audio.format import FRAMES_PER_S
from appliance.config import Config, Update
from appliance.config_files import LoadedConfig
from appliance.events import UpdateStep
from appliance.facts import StageFailed
from appliance.mqtt.discovery import Appearance, announcements
from appliance.mqtt.topics import Topics
from appliance.update import tested
from appliance.update.progress import Progress
from appliance.updating import Updating


class Watched:
    """An appliance, and who updates it."""

    def __init__(self, folder: Path, *, source: str = "https://maker.example/") -> None:
        self.file, self.wish = folder / "progress.json", folder / "update-wanted"
        self._loaded = LoadedConfig(config=Config(update=Update(source=source)), folder=folder)
        self.updating = self.start()
        self._writes = 0

    def start(self) -> Updating:
        return Updating(self._loaded, progress=self.file, wish=self.wish)

    def write(self, step: UpdateStep, percent: int) -> None:
        told = Progress(installed="0.0", latest="9.9", step=step, percent=percent, notes="Quieter.")
        self.file.write_bytes(msgspec.json.encode(told))
        self._writes += 1
        os.utime(self.file, ns=(0, self._writes))

    def told(self, *seconds: int) -> list[tuple[int, str, int]]:
        """Frame, step and percent of what is told in these seconds."""
        frames = range(seconds[0] * FRAMES_PER_S, seconds[-1] * FRAMES_PER_S)
        events = [event for frame in frames if (event := self.updating.step(frame))]
        return [(event.frame, event.step, event.percent) for event in events]


def test_it_tells_once_a_second_what_is_new(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    assert watched.told(0, 2) == []
    watched.write(UpdateStep.FETCHING, 10)
    watched.write(UpdateStep.FETCHING, 30)
    assert watched.told(2, 5) == [(100, "fetching", 30)]
    watched.write(UpdateStep.FETCHING, 30)
    assert watched.told(5, 7) == []
    watched.write(UpdateStep.INSTALLED, 100)
    assert watched.told(7, 9) == [(350, "installed", 100)]


def test_what_was_told_before_a_restart_is_shown_and_not_told_again(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.write(UpdateStep.SWITCHING, 90)
    watched.updating = watched.start()
    assert watched.told(0, 3) == []
    shown = watched.updating.told(0)
    assert (shown.step, shown.latest, shown.installed) == (UpdateStep.SWITCHING, "9.9", __version__)


def test_without_any_update_the_version_in_use_is_the_newest(tmp_path: Path) -> None:
    shown = Watched(tmp_path).updating.told(0)
    assert (shown.installed, shown.latest, shown.percent) == (__version__, __version__, 100)


@pytest.mark.parametrize("content", [b"", b"\xff", b'{"installed": "1"}', b'{"step": "exploding"}', b"x" * 100_000])
def test_nonsense_in_the_file_is_passed_over(tmp_path: Path, content: bytes) -> None:
    watched = Watched(tmp_path)
    watched.file.write_bytes(content)
    assert watched.told(0, 2) == []


def test_asking_leaves_a_file(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    assert watched.updating.refusal() is None
    assert watched.updating.ask(7) is None
    assert watched.wish.exists()


def test_who_cannot_be_asked_says_why(tmp_path: Path) -> None:
    assert "set update.source" in (Watched(tmp_path, source="").updating.refusal() or "")
    watched = Watched(tmp_path / "no service")
    assert "sudo appliance update apply" in (watched.updating.refusal() or "")
    assert isinstance(watched.updating.ask(7), StageFailed)


def test_home_assistant_is_shown_what_the_appliance_publishes() -> None:
    shown = Appearance(
        topics=Topics("kitchen"), version="1", name="Kitchen", area="", updates=True, wake_words=("computer",)
    )
    (payload,) = announcements(shown, "homeassistant", "device").values()
    assert json.loads(payload)["components"]["update"]["state_topic"] == "voice/kitchen/update"


@pytest.mark.parametrize("problem", [None, "self-test: no wake by computer, said 3 times by the voice"])
def test_what_the_self_test_found_is_kept_for_the_running_appliance(tmp_path: Path, problem: str | None) -> None:
    file = tmp_path / "self-test.json"
    assert tested.load(file) is None
    tested.keep(problem, file)
    found = tested.load(file)
    assert found is not None
    assert (found.version, found.passed, found.problem) == (__version__, problem is None, problem)
    file.write_bytes(b"{")
    assert tested.load(file) is None
    tested.keep(problem, tmp_path / "no such folder" / "self-test.json")
