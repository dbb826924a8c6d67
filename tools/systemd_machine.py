"""What the checks inside the booted machine are made of: commands, the service's state, its journal, and waiting."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHECK = Path("/check")
UNIT = "appliance.service"
CONFIG = Path("/etc/appliance/appliance.toml")
PROGRAM = Path("/opt/appliance")
VENV = str(PROGRAM / "current/.venv/bin/python")


def run(*command: str, check: bool = True) -> str:
    """What a command says. Raises RuntimeError."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def show(name: str, unit: str = UNIT) -> str:
    """A property of the service."""
    return run("systemctl", "show", "--value", "-p", name, unit).strip()


def journal(after: int = 0) -> str:
    """What it logged in the present boot, but for so many lines."""
    said = run("journalctl", "-q", "-o", "cat", "-u", UNIT)
    return "\n".join(said.splitlines()[after:])


def lines_so_far() -> int:
    """Of its journal; the cursors of journalctl leave out a line now and then where several units speak."""
    return len(journal().splitlines())


def until(what: Callable[[], object], seconds: float, why: str) -> float:
    """Wait; seconds that it took. Raises RuntimeError."""
    began = time.monotonic()
    while not what():
        if time.monotonic() - began > seconds:
            raise RuntimeError(f"not within {seconds:.0f} s: {why}\n{run('systemctl', 'status', UNIT, check=False)}")
        time.sleep(0.05)
    return time.monotonic() - began


def is_up() -> bool:
    """It said READY."""
    return show("ActiveState") == "active"


def started_after(moment: float, limit_s: float) -> float:
    """Seconds from a moment of the monotonic clock to the next READY."""

    def ready_s() -> float:
        return int(show("ActiveEnterTimestampMonotonic") or 0) / 1e6

    until(lambda: is_up() and ready_s() > moment, limit_s, "a new start")
    return ready_s() - moment


def listens_again(pid: str, limit_s: float = 180) -> None:
    """Wait for the READY of another process than that. Raises RuntimeError."""
    until(lambda: is_up() and show("MainPID") not in ("0", pid), limit_s, "a new start")


def status() -> Any:
    """What `appliance status --json` says."""
    done = subprocess.run(["appliance", "status", "--json"], capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.stdout else None


def say(recording: str, *wanted: str) -> str:
    """Somebody says it; what was logged until these words were. Raises RuntimeError."""
    before = lines_so_far()
    (CHECK / "speak").write_text(recording)
    try:
        until(lambda: all(word in journal(before) for word in wanted), 120, "what follows from it")
    except RuntimeError as error:
        raise RuntimeError(f"{error}\n{journal(before)}") from None
    return journal(before)
