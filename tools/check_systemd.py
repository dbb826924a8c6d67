"""Boots a real systemd in a container, with the Debian package in it, and asks whether the service does as promised.

`tools.systemd_guest` is what is asked. The root of Debian is made once and kept. Where that cannot be done (not root,
no systemd-nspawn, no Debian within reach), it says so and checks nothing.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from appliance.config_files import PROJECT
from tools.debian_root import Skipped, archive, unpack

PACKAGES: Final = (
    *("systemd", "systemd-sysv", "dbus", "procps"),
    *("python3", "libportaudio2", "alsa-utils", "openssl"),
)
"""Of the machine that is booted: what an installed Debian has, and what the package asks for."""

SAID: Final = {"time": "Computer, what time is it?", "timer": "Computer, set a timer for two hours."}
"""What can be said in the room, by its name."""

LIMIT_S: Final = 1800.0

ROOM_UNIT: Final = """\
[Service]
ExecStart=/opt/appliance/current/.venv/bin/python -m tools.systemd_room /check/said /check/speak
Environment=PYTHONPATH=/check
Restart=always
RestartSec=0.2
[Unit]
StartLimitIntervalSec=0
"""

CHECK_UNIT: Final = """\
[Unit]
After=basic.target
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -m tools.systemd_guest
Environment=PYTHONPATH=/check
StandardOutput=journal
"""


def prepare(root: Path, tar: Path, package: Path, said: Path) -> None:
    """A fresh machine with the package, the checks, and the room with what is said in it."""
    unpack(tar, root)
    check = root / "check"
    (check / "tools").mkdir(parents=True)
    shutil.copy2(package, check / package.name)
    shutil.copytree(said, check / "said")
    for file in (PROJECT / "tools").glob("*.py"):
        shutil.copy2(file, check / "tools")
    units = root / "etc/systemd/system"
    for name, text in (("room", ROOM_UNIT), ("check", CHECK_UNIT)):
        (units / f"{name}.service").write_text(text)
        wants = units / "multi-user.target.wants"
        wants.mkdir(exist_ok=True)
        (wants / f"{name}.service").symlink_to(f"../{name}.service")


def boot(root: Path) -> None:
    """Until it powers itself off. Raises Skipped where a container cannot be booted."""
    command = [
        *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--console=pipe"),
        *("--capability=CAP_NET_ADMIN,CAP_BPF,CAP_SYS_NICE,CAP_SYS_RESOURCE", "--system-call-filter=bpf"),
        *("-D", str(root), "--boot", "systemd.unit=multi-user.target"),
    ]
    environment = {"PATH": os.environ["PATH"], "UNIFIED_CGROUP_HIERARCHY": "1"}
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as slow:
        (root / "check" / "console").write_bytes(slow.stdout or b"")
        return
    (root / "check" / "console").write_bytes(done.stdout)
    if not (root / "check" / "report").exists():
        raise Skipped(f"no container can be booted here: {done.stdout.decode(errors='replace').strip()[-300:]}")


def tell(report: Path, wanted: int) -> bool:
    """Print what was found; whether all of it is good."""
    lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()] if report.exists() else []
    for line in lines:
        print(f"{'ok  ' if line['good'] else 'FAIL'}  {line['check'].replace('_', ' ')}: {line['said']}")
    return len(lines) == wanted and all(line["good"] for line in lines)


def main() -> int:
    """Check, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path, help="the Debian package, see tools.make_deb")
    parser.add_argument("--release", default="bookworm")
    parser.add_argument("--folder", type=Path, default=PROJECT / "build" / "systemd", help="for roots, kept")
    chosen = parser.parse_args()
    try:
        if os.geteuid() != 0:
            raise Skipped("only root may boot a container")
        if shutil.which("systemd-nspawn") is None:
            raise Skipped("systemd-nspawn is not installed (apt-get install systemd-container)")
        tar = archive(chosen.folder / f"{chosen.release}.tar", chosen.release, PACKAGES, "--variant=minbase")
        said = chosen.folder / "said"
        said.mkdir(exist_ok=True)
        for name, sentence in SAID.items():
            if not (said / f"{name}.wav").exists():
                say = [sys.executable, "-m", "appliance", "say", sentence, "--out", str(said / f"{name}.wav")]
                subprocess.run(say, cwd=PROJECT, check=True)
        root = chosen.folder / "root"
        prepare(root, tar, chosen.package, said)
        boot(root)
    except Skipped as reason:
        print(f"check-systemd: skipped: {reason}")
        return 0
    from tools.systemd_guest import CHECKS

    return 0 if tell(root / "check" / "report", len(CHECKS)) else 1


if __name__ == "__main__":
    sys.exit(main())
