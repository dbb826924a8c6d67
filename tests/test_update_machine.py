"""The machine that is updated: what is asked of the running appliance, of programs, and of Python itself."""

import argparse
import json
import re
import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.cli import update as command
from appliance.config import Config
from appliance.config_files import PROJECT, LoadedConfig
from appliance.errors import StageError, UpdateError
from appliance.events import UpdateStep
from appliance.update.machine import SystemMachine
from appliance.update.progress import Progress, load


class Running:
    """An appliance that answers by script, each line for one second."""

    def __init__(self, *answers: tuple[str, int, bool] | None) -> None:
        self._answers = iter(answers)
        self.seconds = 0.0

    def ask(self) -> bytes:
        answer = next(self._answers, None)
        if answer is None:
            raise StageError("nobody is there")
        version, frame, present = answer
        now = {"frame": frame, "microphone": {"present": present, "name": "x"}, "more": 1}
        return json.dumps({"version": version, "now": now, "uptime_s": 3}).encode()

    def pause(self, seconds: float) -> None:
        self.seconds += seconds


def machine_of(running: Running) -> SystemMachine:
    return SystemMachine(Path("appliance.toml"), running.ask, running.pause)


def test_two_seconds_of_frames_are_enough() -> None:
    running = Running(("1.0", 900, True), None, ("1.1", 5, True), ("1.1", 55, True), ("1.1", 105, True))
    machine_of(running).watch("1.1")
    assert running.seconds == 3.0


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ([], "it does not answer"),
        ([("1.0", 50 * second, True) for second in range(100)], r"version 1\.0 runs instead of 1\.1"),
        ([("1.1", 7, True)] * 100, "frames do not flow"),
        ([("1.1", 50 * (second % 2), True) for second in range(100)], "frames do not flow"),
        ([("1.1", 50 * second, False) for second in range(100)], "it has lost the microphone"),
    ],
)
def test_what_does_not_hear_for_a_minute_is_told(answers: list[tuple[str, int, bool]], problem: str) -> None:
    running = Running(("1.0", 900, True), *answers)
    with pytest.raises(UpdateError, match=f"after 60 s {problem}"):
        machine_of(running).watch("1.1")
    assert running.seconds == 60.0


def test_a_microphone_that_was_not_there_before_is_not_missed() -> None:
    running = Running(("1.0", 900, False), ("1.1", 0, False), ("1.1", 200, False))
    machine_of(running).watch("1.1")


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """A version of this very program, behind a link, with the packages that run the tests."""
    folder = tmp_path / "versions" / "1.0"
    packages = folder / ".venv" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "all.pth").write_text(f"{PROJECT}\n{site.getsitepackages()[0]}\n")
    (folder / ".venv" / "pyvenv.cfg").write_text(f"home = {Path(sys._base_executable).parent}\n")  # type: ignore[attr-defined]
    (tmp_path / "current").symlink_to("versions/1.0")
    return folder


def test_a_process_stays_with_the_version_it_began_with(version: Path) -> None:
    machine_of(Running()).prepare(version)
    link = version.parents[1] / "current"
    program = "import sys; from appliance.__main__ import pin; pin(); print(sys.prefix)"
    command_line = [str(link / ".venv/bin/python"), "-I", "-c", program]
    done = subprocess.run(command_line, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(version / ".venv")


def test_a_version_that_cannot_even_start_fails_its_test(version: Path) -> None:
    machine = SystemMachine(Path("/not/there.toml"), Running().ask)
    machine.prepare(version)
    with pytest.raises(UpdateError, match=r"appliance update self-test: appliance: /not/there\.toml: no such file"):
        machine.test(version)


def test_progress_is_told_to_who_reads_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "progress.json"
    told = Progress(installed="1.0", latest="1.1", step=UpdateStep.ROLLED_BACK, percent=100, problem="it is deaf")
    command.tell(told, file)
    assert load(file) == told
    command.tell(told, tmp_path / "no folder" / "progress.json")
    assert capsys.readouterr().err == 2 * "update to 1.1: rolled back, 100 %: it is deaf\n"


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"installed":1}', b"[" * 20_000])
def test_a_damaged_progress_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "progress.json").write_bytes(content)
    assert load(tmp_path / "progress.json") is None


def test_without_a_place_it_says_how_to_name_one(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    args = parser.parse_args(["apply", "--root", str(tmp_path)])
    loaded = LoadedConfig(config=Config(), folder=tmp_path, path=tmp_path / "appliance.toml")
    with pytest.raises(UpdateError, match=r"set update\.source, or name a place with --from"):
        command.run(args, loaded)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_has_nothing_to_say_about_the_units(tmp_path: Path) -> None:
    units = []
    for unit in sorted((PROJECT / "systemd").glob("appliance-[us][pe]*")):
        copy = tmp_path / unit.name
        copy.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text()))
        units.append(str(copy))
    assert [Path(unit).stem for unit in units] == ["appliance-settle", *["appliance-update"] * 2, "appliance-update@"]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    assert done.stdout + done.stderr == ""


@pytest.mark.model
def test_this_version_wakes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "update", "self-test"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "wakes" in done.stderr
