"""Inside the booted machine: signed updates by the unit that an owner starts, a good one and two bad ones."""

import json
import os
import shutil
import time
from pathlib import Path

from tools.systemd_machine import CONFIG, PROGRAM, VENV, journal, lines_so_far, run, say, show, status

APPLY = "appliance-update@apply.service"
KEYS, SOURCE, TREE = Path("/srv/keys"), Path("/srv/update"), Path("/srv/tree")
MEMORY = Path("/var/lib/appliance/memory.json")

CRASHES = (
    "    def _frames(self) -> None:\n",
    '    def _frames(self) -> None:\n        raise RuntimeError("a defect")\n',
)
"""Of a version that wakes in its self-test, and falls down as a service."""

IS_DEAF = (
    '                _LOGGER.info("ready:',
    '                time.sleep(3600)\n                _LOGGER.info("ready:',
)
"""Of one that says READY, and then hangs."""


def updates_itself() -> str:
    """A newer version, signed: tested, switched to, looked at, kept; a timer rings when it would have."""
    say("timer", "timer_set", "turn_finished")
    due, before = timers(), version()
    make_tool("key", str(KEYS))
    shutil.copy(KEYS / "update-key.pem", CONFIG.parent)
    CONFIG.write_text(CONFIG.read_text().replace('source = ""', f'source = "{SOURCE}"'))
    run("systemctl", "restart", "appliance.service")
    offer("1.0")
    began = time.monotonic()
    run("systemctl", "start", APPLY)
    took = time.monotonic() - began
    assert [version(), os.readlink(PROGRAM / "previous")] == ["1.0", f"versions/{before}"]
    assert not (PROGRAM / "trial").exists()
    assert status()["version"] == "1.0"
    assert timers() == due != []
    say("time", "wake_detected", "turn_finished")
    return f"{before} -> 1.0 in {took:.0f} s, timers kept"


def comes_back_from_a_bad_update() -> str:
    """One that falls down at its start, and one that says READY and is deaf: the version before is used again."""
    try:
        return twice_back()
    finally:
        for folder in (KEYS, SOURCE, TREE):
            shutil.rmtree(folder, ignore_errors=True)


def twice_back() -> str:
    """From either bad version."""
    due, told = timers(), []
    for number, fault in (("1.1", CRASHES), ("1.2", IS_DEAF)):
        offer(number, fault)
        began, before = time.monotonic(), lines_so_far()
        said = run("systemctl", "start", APPLY, check=False)
        took = time.monotonic() - began
        assert "failed" in said, said
        assert [version(), status()["version"]] == ["1.0", "1.0"]
        assert status()["problems"] == [], status()
        assert "safe mode" not in journal(before).rpartition("Started appliance.service")[2], journal(before)
        assert not Path("/run/appliance-mode").exists()
        progress = json.loads(Path("/run/appliance-update/progress.json").read_text())
        assert progress["step"] == "rolled_back", progress
        assert timers() == due
        told.append(f"{took:.0f} s")
    say("time", "wake_detected", "turn_finished")
    return f"back at 1.0 after {' and '.join(told)}, timers kept"


def version() -> str:
    """That the link names."""
    return os.readlink(PROGRAM / "current").rpartition("/")[2]


def timers() -> list[object]:
    """What it remembers of them."""
    return list(json.loads(MEMORY.read_text())["timers"])


def make_tool(*words: str) -> None:
    """What is done on the workstation."""
    run("env", "PYTHONPATH=/check", VENV, "-m", "tools.make_update", *words)


def offer(number: str, fault: tuple[str, str] | None = None) -> None:
    """Sign a version like the one in use but for its number, and a fault."""
    for folder in (TREE, SOURCE):
        shutil.rmtree(folder, ignore_errors=True)
    run("cp", "-rl", f"{PROGRAM}/current/.", str(TREE))
    module = TREE / "appliance/__init__.py"
    replace(module, f'"{version()}"', f'"{number}"')
    if fault is not None:
        replace(TREE / "appliance/daemon.py", *fault)
    key = str(KEYS / "update-key.secret.pem")
    make_tool("sign", str(TREE), "--key", key, "--out", str(SOURCE), "--version", number, "--notes", "Hears better.")
    assert show("ActiveState", APPLY) in ("inactive", "failed")


def replace(file: Path, old: str, new: str) -> None:
    """In a file that has another name elsewhere, which stays as it is."""
    text = file.read_text()
    assert text.count(old) == 1, (file, old)
    file.unlink()
    file.write_text(text.replace(old, new))
