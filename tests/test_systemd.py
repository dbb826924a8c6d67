import re
import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.config_files import INSTALLED_CONFIG
from appliance.mqtt import firewall
from appliance.understanding import home_file
from appliance.understanding.home_file import HomeConfig

FOLDER = Path(__file__).parent.parent / "systemd"
UNIT = FOLDER / "appliance.service"
WYOMING = FOLDER / "appliance-wyoming.service"
UNITS = sorted(path.name for path in FOLDER.glob("*.service"))


def lines_of(section: str, unit: Path = UNIT) -> list[str]:
    """The assignments of one section of a unit."""
    body = unit.read_text().partition(f"[{section}]\n")[2].partition("\n[")[0]
    return [line for line in body.splitlines() if line and not line.startswith("#")]


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """The units with a program and a user that exist here, since `verify` looks for them."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze (apt install systemd)")
    for name in UNITS:
        text = re.sub(r"(?m)^(Exec\w+=[-+]*)/opt/\S+", r"\1/bin/true", (FOLDER / name).read_text())
        (tmp_path / name).write_text(text.replace("User=appliance", "User=daemon"))
    return tmp_path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", UNITS)
def test_systemd_has_nothing_to_say_about_the_unit(name: str, copies: Path) -> None:
    verdict = analyze("verify", "--man=no", str(copies / name))
    assert verdict.stdout + verdict.stderr == ""


def test_the_check_notices_a_wrong_key(copies: Path) -> None:
    copy = copies / UNIT.name
    copy.write_text(copy.read_text().replace("WatchdogSec=", "WatchDogSec="))
    assert "WatchDogSec" in analyze("verify", "--man=no", str(copy)).stderr


@pytest.mark.parametrize(("name", "most"), [(UNIT.name, 1.5), (WYOMING.name, 1.1)])
def test_exposure_is_as_low_as_the_readme_says(name: str, most: float, copies: Path) -> None:
    report = analyze("security", "--offline=yes", "--no-pager", str(copies / name)).stdout
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", report)
    assert exposure is not None, report
    assert float(exposure.group(1)) <= most
    assert "1.4 of 10" in (FOLDER / "README.md").read_text()


def test_an_installation_begins_with_settings_that_are_shipped_and_with_an_empty_home() -> None:
    tmpfiles = (FOLDER / "appliance.tmpfiles").read_text()
    copied = re.findall(r"(?m)^C /etc/appliance/(\S+) .* /opt/appliance/current/(\S+)$", tmpfiles)
    assert dict(copied) == {
        "appliance.toml": "firmware_config/appliance.toml",
        "home.yaml": "firmware_config/home-at-first.yaml",
    }
    assert home_file.load(FOLDER.parent / "firmware_config" / "home-at-first.yaml") == HomeConfig()


def test_what_the_appliance_needs_is_not_sandboxed_away() -> None:
    service = lines_of("Service")
    assert "LimitRTPRIO=20" in service
    assert "DeviceAllow=char-alsa rw" in service
    assert "SystemCallFilter=@system-service" in service
    keys = {line.partition("=")[0] for line in service}
    assert not keys & {"RestrictRealtime", "PrivateDevices", "PrivateNetwork", "PrivateUsers", "ProcSubset"}


def test_no_address_may_be_reached_but_what_is_added_for_the_broker() -> None:
    service = lines_of("Service")
    assert "IPAddressDeny=any" in service
    assert not [line for line in service if line.startswith("IPAddressAllow")]


def test_the_service_starts_the_command_that_exists_and_is_watched() -> None:
    service = dict(line.partition("=")[::2] for line in lines_of("Service"))
    python = "/opt/appliance/current/.venv/bin/python -I -m"
    assert service["ExecStart"] == f"{python} appliance --config {INSTALLED_CONFIG} run $APPLIANCE_MODE"
    assert service["ExecStartPre"] == f"-+{python} {firewall.__name__} %n --config {INSTALLED_CONFIG}"
    assert service["Type"] == "notify"
    assert service["NotifyAccess"] == "main"
    assert service["WatchdogSec"] == "10"
    assert service["Restart"] == "on-failure"
    assert int(service["TimeoutStopSec"]) <= 5


@pytest.mark.parametrize(
    ("result", "failed", "safe"),
    [("timeout", 0, False), ("signal", 1, False), ("start-limit-hit", 0, True), ("exit-code", 0, True)],
)
def test_a_slow_end_or_a_single_crash_leads_to_no_safe_mode(
    result: str, failed: int, safe: bool, tmp_path: Path
) -> None:
    """`failed`: what `systemctl is-failed` ends with; 0: it is, and systemd does not start it again."""
    script = re.search(r"ExecStart=/bin/sh -c '(.*)'", (FOLDER / "appliance-safe.service").read_text())
    assert script is not None
    mode, systemctl = tmp_path / "mode", tmp_path / "systemctl"
    systemctl.write_text(f'#!/bin/sh\n[ "$2" != is-failed ] || exit {failed}\necho $* >>{tmp_path}/asked\n')
    systemctl.chmod(0o755)
    (tmp_path / "sleep").symlink_to("/bin/true")
    command = script[1].replace("$$", "$").replace("/run/appliance-mode", str(mode))
    environment = {"PATH": str(tmp_path), "MONITOR_SERVICE_RESULT": result}
    assert subprocess.run(["/bin/sh", "-c", command], env=environment, check=False).returncode == 0
    assert mode.exists() is safe
    assert (tmp_path / "asked").exists() is safe


@pytest.mark.parametrize("name", ["appliance-update@.service", "appliance-settle.service"])
def test_who_updates_may_ask_the_appliance_how_it_is(name: str) -> None:
    """Root without CAP_DAC_OVERRIDE may not write to a socket of mode 0660 that is another user's."""
    service = lines_of("Service", FOLDER / name)
    assert "CapabilityBoundingSet=" in service
    assert "SupplementaryGroups=appliance" in service


def test_repeated_failure_leads_to_safe_mode_and_a_clean_end_out_of_it() -> None:
    assert "OnFailure=appliance-safe.service" in lines_of("Unit")
    service = dict(line.partition("=")[::2] for line in lines_of("Service"))
    file = service["EnvironmentFile"].removeprefix("-")
    assert f"echo APPLIANCE_MODE=--safe >{file}" in (FOLDER / "appliance-safe.service").read_text()
    assert f'"$$SERVICE_RESULT" != success ] || rm -f {file}' in service["ExecStopPost"]


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("", ()),
        ("localhost", ("localhost",)),
        ("192.168.1.5", ("192.168.1.5",)),
        ("[fd00::5]", ("fd00::5",)),
        ("broker.local", firewall.HOUSE),
        ("0.0.0.0/0", firewall.HOUSE),
    ],
)
def test_the_service_may_reach_its_broker_and_no_other(host: str, addresses: tuple[str, ...]) -> None:
    assert firewall.allowed(host) == addresses


def test_the_broker_s_address_is_told_to_systemd(tmp_path: Path) -> None:
    told = tmp_path / "told"
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f'#!/bin/sh\nfor word in "$@"; do echo "$word"; done >{told}\n')
    systemctl.chmod(0o755)
    config = tmp_path / "appliance.toml"
    config.write_text('[mqtt]\nhost = "192.168.1.5"\n')
    assert firewall.main([UNIT.name, "--config", str(config)], systemctl=str(systemctl)) == 0
    assert told.read_text().split() == ["set-property", "--runtime", UNIT.name, "IPAddressAllow=192.168.1.5"]
    told.unlink()
    for text in ("", "nonsense"):
        config.write_text(text)
        assert firewall.main([UNIT.name, "--config", str(config)], systemctl=str(systemctl)) == 0
    assert not told.exists()


def test_the_server_for_home_assistant_is_off_confined_and_hears_nothing() -> None:
    service = lines_of("Service", WYOMING)
    python = "/opt/appliance/current/.venv/bin/python -I -m"
    assert f"ExecStart={python} appliance --config {INSTALLED_CONFIG} wyoming $APPLIANCE_WYOMING" in service
    restrictions = re.compile(
        r"Protect|Restrict|System|Private|NoNew|Lock|MemoryDeny|Capab|Ambient|IPAddressDeny|UMask"
    )
    assert {line for line in lines_of("Service") if restrictions.match(line)} <= set(service)
    assert "PrivateDevices=yes" in service
    assert [line for line in service if line.startswith("IPAddressAllow")] == ["IPAddressAllow=localhost"]
    enabled = re.findall(r"enable (.*)", (FOLDER.parent / "tools" / "debian" / "postinst").read_text())
    assert enabled == ["appliance.service appliance-settle.service"]


@pytest.mark.parametrize("unit", [UNIT, WYOMING], ids=lambda unit: unit.stem)
def test_every_setting_has_its_reason(unit: Path) -> None:
    """Each block of settings in [Service] begins with a comment in words."""
    body = unit.read_text().partition("[Service]\n")[2].partition("\n[Install]")[0].splitlines()
    settings = [number for number, line in enumerate(body) if line and not line.startswith("#")]
    loose = [body[number] for number in settings if not body[number - 1] or body[number - 1].startswith("# ---")]
    assert loose == []
