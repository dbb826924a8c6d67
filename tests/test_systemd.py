import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parent.parent / "systemd" / "appliance.service"


def lines_of(section: str) -> list[str]:
    """The assignments of one section of the unit."""
    body = UNIT.read_text().partition(f"[{section}]\n")[2].partition("\n[")[0]
    return [line for line in body.splitlines() if line and not line.startswith("#")]


@pytest.fixture
def copy_with_program(tmp_path: Path) -> Path:
    """The unit with a program that exists here, since `verify` looks for it."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze (apt install systemd)")
    copy = tmp_path / UNIT.name
    text, count = re.subn(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text())
    assert count == 1
    copy.write_text(text)
    return copy


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_systemd_has_nothing_to_say_about_the_unit(copy_with_program: Path) -> None:
    verdict = analyze("verify", "--man=no", str(copy_with_program))
    assert verdict.stdout + verdict.stderr == ""


def test_the_check_notices_a_wrong_key(copy_with_program: Path) -> None:
    copy_with_program.write_text(copy_with_program.read_text().replace("WatchdogSec=", "WatchDogSec="))
    assert "WatchDogSec" in analyze("verify", "--man=no", str(copy_with_program)).stderr


def test_exposure_is_as_low_as_the_readme_says(copy_with_program: Path) -> None:
    report = analyze("security", "--offline=yes", "--no-pager", str(copy_with_program)).stdout
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", report)
    assert exposure is not None, report
    assert float(exposure.group(1)) <= 1.7
    assert "1.7 of 10" in (UNIT.parent / "README.md").read_text()


def test_what_the_appliance_needs_is_not_sandboxed_away() -> None:
    service = lines_of("Service")
    assert "LimitRTPRIO=20" in service
    assert "DeviceAllow=char-alsa rw" in service
    assert "SystemCallFilter=@system-service" in service
    keys = {line.partition("=")[0] for line in service}
    forbidden = {"RestrictRealtime", "PrivateDevices", "PrivateNetwork", "MemoryDenyWriteExecute", "ProcSubset"}
    assert not keys & forbidden


def test_the_service_starts_the_command_that_exists_and_is_watched() -> None:
    service = dict(line.partition("=")[::2] for line in lines_of("Service"))
    assert service["ExecStart"] == "/opt/appliance/.venv/bin/appliance --config /etc/appliance/appliance.toml run"
    assert service["Type"] == "notify"
    assert service["NotifyAccess"] == "main"
    assert service["WatchdogSec"] == "10"
    assert service["Restart"] == "on-failure"


def test_every_setting_has_its_reason() -> None:
    """Each block of settings in [Service] begins with a comment in words."""
    body = UNIT.read_text().partition("[Service]\n")[2].partition("\n[Install]")[0].splitlines()
    settings = [number for number, line in enumerate(body) if line and not line.startswith("#")]
    loose = [body[number] for number in settings if not body[number - 1] or body[number - 1].startswith("# ---")]
    assert loose == []
