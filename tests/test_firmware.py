"""What makes a machine the appliance: every file is read by what reads it there, or held to its form where that is not
installed, and the first-boot script works on a folder that stands for a machine."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from appliance.audio.hardware import read
from appliance.config import Audio
from appliance.config_files import HARDWARE, PROJECT

FIRMWARE = PROJECT / "firmware_config"
RULES = FIRMWARE / "machine" / "85-appliance-sound.rules"
ALSA = Path("/usr/share/alsa/alsa.conf")
JOURNALD = (Path("/etc/systemd/journald.conf"), Path("/usr/lib/systemd/journald.conf"))


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def run(*command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **environment}
    )


# The boot partition.


@pytest.mark.parametrize("path", sorted((FIRMWARE / "boot").glob("*.txt")), ids=lambda path: path.name)
def test_boot_lines_have_the_form_of_config_txt(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "[all]", "whatever section stands above, these lines are meant for every Pi"
    assert all(re.fullmatch(r"dt(param|overlay)=[a-z0-9_-]+(=(on|off))?", line) for line in lines[1:])
    assert sum(line.startswith("dtoverlay=") for line in lines) == 1
    assert max(map(len, lines)) <= 98, "the firmware cuts longer lines"
    assert f"`{path.name}`" in (FIRMWARE / "boot" / "README.md").read_text()


def test_first_boot_files_are_cloud_init_s() -> None:
    text = (FIRMWARE / "first-boot" / "user-data").read_text()
    assert text.startswith("#cloud-config\n"), "else cloud-init takes it for something else"
    switched_on = re.sub(r"^( *)#(?=users:|  |- )", r"\1", text, flags=re.M)
    for data in (yaml.safe_load(text), yaml.safe_load(switched_on)):
        assert data["runcmd"][0] == ["sh", "/boot/firmware/appliance-setup.sh"]
    assert yaml.safe_load(switched_on)["users"][0]["ssh_authorized_keys"]
    assert yaml.safe_load((FIRMWARE / "first-boot" / "meta-data").read_text())["instance-id"]
    network = yaml.safe_load((FIRMWARE / "first-boot" / "network-config").read_text())["network"]
    assert (network["version"], list(network["wifis"])) == (2, ["wlan0"])


# ALSA.


def alsa_files() -> list[Path]:
    return sorted((FIRMWARE / "alsa").glob("*.conf"))


@needs("aplay")
@pytest.mark.skipif(not ALSA.exists(), reason="ALSA's own settings are not installed")
class TestAlsa:
    @pytest.mark.parametrize("path", alsa_files(), ids=lambda path: path.name)
    def test_alsa_reads_the_file(self, path: Path, tmp_path: Path) -> None:
        whole = tmp_path / "alsa.conf"
        whole.write_text(f"<{ALSA}>\n<{path}>\n")
        done = run("aplay", "-L", ALSA_CONFIG_PATH=str(whole))
        assert (done.returncode, done.stderr) == (0, "")
        whole.write_text(f"<{ALSA}>\n{path.read_text()}\n}}")
        assert "Unexpected" in run("aplay", "-L", ALSA_CONFIG_PATH=str(whole)).stderr, "a wrong one would be noticed"

    @pytest.mark.parametrize("name", ["one-card.conf", "two-cards.conf"])
    def test_the_default_device_leads_to_the_cards(self, name: str, tmp_path: Path) -> None:
        text = (FIRMWARE / "alsa" / name).read_text()
        stand_in, count = re.subn(
            r'^(pcm\.appliance_\w+) "(dsnoop|dmix):CARD=\w+,DEV=0"$', r"\1 { type null }", text, flags=re.M
        )
        assert count == 2
        whole = tmp_path / "alsa.conf"
        whole.write_text(f"<{ALSA}>\n{stand_in}")
        form = ("-D", "default", "-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", "16000")
        sound = tmp_path / "sound.raw"
        heard = run("arecord", *form, "-s", "1600", str(sound), ALSA_CONFIG_PATH=str(whole))
        assert (heard.returncode, heard.stderr, sound.stat().st_size) == (0, "", 3200)
        said = run("aplay", *form, str(sound), ALSA_CONFIG_PATH=str(whole))
        assert (said.returncode, said.stderr) == (0, "")


# udev, journal, processor.


def test_udev_rules_have_their_form_and_give_ids_that_alsa_takes() -> None:
    lines = RULES.read_text().splitlines()
    rules = [line.removeprefix("#") for line in lines if re.match(r"#?[A-Z]+[!={]", line)]
    part = r'(?:(?:ACTION|SUBSYSTEM|KERNEL)[!=]=|(?:ATTRS|ENV)\{\w+\}==|ATTR\{id\}=|GOTO=|LABEL=)"[^"]+"'
    assert len(rules) == 10
    for rule in rules:
        assert re.fullmatch(rf"{part}(?:, {part})*", rule), rule
    assert set(re.findall(r'GOTO="(\w+)"', "".join(rules))) == set(re.findall(r'LABEL="(\w+)"', "".join(rules)))
    ids = re.findall(r'ATTR\{id\}="([^"]+)"', "".join(rules))
    assert len(ids) == 6
    assert all(re.fullmatch(r"[A-Za-z0-9]{1,15}", name) for name in ids)


@needs("udevadm")
def test_udev_finds_nothing_wrong() -> None:
    done = run("udevadm", "verify", str(RULES))
    if "Unknown command" in done.stderr:
        pytest.skip("udevadm verify came with systemd 254")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_journal_knows_every_key() -> None:
    shipped = next((path for path in JOURNALD if path.exists()), None)
    if shipped is None:
        pytest.skip("systemd's journal is not installed")
    known = set(re.findall(r"^#?(\w+)=", shipped.read_text(), re.M))
    section, *settings = [
        line for line in (FIRMWARE / "machine" / "journald.conf").read_text().splitlines() if not line.startswith("#")
    ]
    assert section == "[Journal]"
    assert {setting.partition("=")[0] for setting in settings} <= known


@needs("systemd-tmpfiles")
def test_the_processor_gets_its_full_clock_where_there_is_one_to_set(tmp_path: Path) -> None:
    policies = [tmp_path / f"sys/devices/system/cpu/cpufreq/policy{number}" for number in (0, 4)]
    for policy in policies:
        policy.mkdir(parents=True)
        (policy / "scaling_governor").write_text("ondemand\n")
    shutil.copy(FIRMWARE / "machine" / "cpu.conf", tmp_path / "cpu.conf")
    done = run("systemd-tmpfiles", f"--root={tmp_path}", "--create", str(tmp_path / "cpu.conf"))
    assert (done.returncode, done.stderr) == (0, "")
    assert {(policy / "scaling_governor").read_text().strip() for policy in policies} == {"performance"}


# The first start.


class Machine:
    """A folder that stands for a Raspberry Pi, with stand-ins for what would change the real machine."""

    def __init__(self, folder: Path) -> None:
        self.root, self.boot, self._programs = folder / "root", folder / "boot", folder / "bin"
        for made in (self.boot, self._programs, self.root / "opt/appliance/current"):
            made.mkdir(parents=True)
        shutil.copytree(FIRMWARE, self.root / "opt/appliance/current/firmware_config")
        (self.boot / "config.txt").write_text("[pi5]\ndtoverlay=other")
        self.log = folder / "log"
        self.log.touch()
        for name in ("apt-get", "systemctl", "systemd-tmpfiles"):
            (self._programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {self.log}\n')
            (self._programs / name).chmod(0o755)

    def put(self, **files: str) -> None:
        for name, text in files.items():
            (self.boot / name.replace("__", "-").replace("_dot_", ".")).write_text(text)

    def start(self) -> "subprocess.CompletedProcess[str]":
        return run(
            "sh",
            str(FIRMWARE / "first-boot" / "appliance-setup.sh"),
            ROOT=str(self.root),
            BOOT=str(self.boot),
            PATH=f"{self._programs}:{os.environ['PATH']}",
        )

    @property
    def did(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    (made.boot / "appliance_0.9_arm64.deb").touch()
    return made


class TestFirstBoot:
    def test_it_installs_and_takes_over_what_is_on_the_card(self, machine: Machine) -> None:
        machine.put(appliance_dot_toml="[device]\n", home_dot_yaml="areas: []\n", asound_dot_conf="# mine\n")
        machine.put(mqtt__password="secret")
        done = machine.start()
        assert done.returncode == 0, done.stderr
        assert (machine.root / "etc/appliance/appliance.toml").read_text() == "[device]\n"
        assert (machine.root / "etc/appliance/home.yaml").exists()
        assert (machine.root / "etc/asound.conf").exists()
        password = machine.root / "etc/credstore/appliance.mqtt-password"
        assert (password.read_text(), stat.S_IMODE(password.stat().st_mode)) == ("secret", 0o600)
        assert not (machine.boot / "mqtt-password").exists()
        assert "secret" not in done.stderr + done.stdout
        assert machine.did[0].startswith("apt-get install -y --no-install-recommends")
        assert machine.did[0].endswith("appliance_0.9_arm64.deb")
        for name in ("udev/rules.d/85-appliance-sound.rules", "systemd/journald.conf.d/appliance.conf"):
            assert (machine.root / "etc" / name).exists()
        assert "reboot" not in machine.log.read_text()

    def test_a_hat_s_lines_are_added_once_and_it_restarts_once(self, machine: Machine) -> None:
        machine.put(microphone_dot_txt=(FIRMWARE / "boot" / "aiy-voice-hat.txt").read_text())
        for _ in range(2):
            assert machine.start().returncode == 0
        lines = (machine.boot / "config.txt").read_text().splitlines()
        assert lines.count("dtoverlay=googlevoicehat-soundcard") == 1
        assert "dtoverlay=other" in lines, "a file without a newline at its end is no trap"
        assert [line for line in machine.did if "reboot" in line] == ["systemctl --no-block reboot"]

    def test_what_is_on_the_machine_is_left_alone(self, machine: Machine) -> None:
        machine.put(appliance_dot_toml="old\n")
        machine.start()
        (machine.root / "etc/appliance/appliance.toml").write_text("changed by its owner\n")
        assert machine.start().returncode == 0
        assert (machine.root / "etc/appliance/appliance.toml").read_text() == "changed by its owner\n"

    def test_without_the_package_it_says_so_and_changes_nothing(self, machine: Machine) -> None:
        next(machine.boot.glob("*.deb")).unlink()
        done = machine.start()
        assert (done.returncode, machine.did) == (1, [])
        assert "there is no appliance_*.deb in" in done.stderr
        assert not (machine.root / "etc").exists()

    @needs("shellcheck")
    def test_the_shell_finds_nothing_doubtful(self) -> None:
        done = run("shellcheck", str(FIRMWARE / "first-boot" / "appliance-setup.sh"))
        assert done.returncode == 0, done.stdout


def test_profiles_and_what_the_pages_name_exist() -> None:
    profiles = {profile.name: profile for profile in read(Audio(), HARDWARE).profiles}
    assert (profiles["aiy-voice-hat"].led_pins, profiles["aiy-voice-hat"].button_pin) == ((25,), 23)
    assert profiles["respeaker-2mic"].button_pin == 17
    for page in (FIRMWARE / "README.md", *FIRMWARE.glob("*/README.md")):
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page}: {link}"
