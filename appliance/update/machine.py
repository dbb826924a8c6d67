"""The machine as updating sees it: processes, the service manager, and the appliance that runs."""

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from appliance.errors import ApplianceError, UpdateError

SERVICE: Final = "appliance.service"

SAFE_MODE: Final = Path("/run/appliance-mode")
"""While this is there, the service starts in safe mode (systemd/appliance-safe.service)."""

BESIDE: Final = "appliance-wyoming.service"
"""Uses the same program, if it runs; nobody waits for it."""

PREPARE_S: Final = 900
TEST_S: Final = 300
RESTART_S: Final = 150
"""The service has 90 s to start (TimeoutStartSec), and 10 to end."""

WATCH_S: Final = 60.0
"""Longest wait for frames to flow."""

FLOWING_FRAMES: Final = 100
"""2 s of them: one that dies at its first real frame is not ready."""

ASK_EVERY_S: Final = 1.0


class _Microphone(Struct, frozen=True):
    present: bool


class _Now(Struct, frozen=True):
    frame: int
    microphone: _Microphone


class _Status(Struct, frozen=True):
    """Of what `appliance status --json` prints: what every version has."""

    version: str
    now: _Now | None


class SystemMachine:
    """A device whose appliance is a service of systemd."""

    kind = platform.machine()
    python = f"{sys.version_info.major}.{sys.version_info.minor}"

    def __init__(self, config: Path, ask: Callable[[], bytes], pause: Callable[[float], None] = time.sleep) -> None:
        """`config`: the owner's. `ask`: the running appliance's status as JSON; raises ApplianceError."""
        self._config = config
        self._ask = ask
        self._pause = pause
        status = self._status()
        self._had_microphone = status is not None and status.now is not None and status.now.microphone.present

    def free_bytes(self, folder: Path) -> int:
        """Free space on the disk of a folder."""
        return shutil.disk_usage(folder).free

    def prepare(self, folder: Path) -> None:
        """The link to the machine's Python, and compiled modules: nobody may write them later. Raises UpdateError."""
        python = folder / ".venv" / "bin" / "python"
        if not python.exists():
            python.parent.mkdir(parents=True, exist_ok=True)
            python.symlink_to(Path(getattr(sys, "_base_executable", sys.executable)).resolve())
        _run([str(python), "-I", "-m", "compileall", "-q", str(folder)], PREPARE_S)

    def test(self, folder: Path) -> None:
        """Let a version test itself, as a process of its own. Raises UpdateError."""
        python = str(folder / ".venv" / "bin" / "python")
        _run([python, "-I", "-m", "appliance", "--config", str(self._config), "update", "self-test"], TEST_S)

    def restart(self) -> None:
        """Start the service anew; systemd waits until it says that frames flow. Raises UpdateError."""
        _run(
            ["systemctl", "reset-failed", SERVICE], RESTART_S
        )  # how often another version failed is not held against it
        _run(["systemctl", "restart", SERVICE], RESTART_S)
        if SAFE_MODE.exists():  # nor is it that the other had to be killed; it was started well, and ends well
            _run(["systemctl", "restart", SERVICE], RESTART_S)
        _run(["systemctl", "--no-block", "try-restart", BESIDE], RESTART_S)

    def watch(self, version: str) -> None:
        """2 s of frames within a minute, from the microphone if there was one before. Raises UpdateError."""
        first: int | None = None
        problem = "it does not answer"
        for _ in range(round(WATCH_S / ASK_EVERY_S)):
            status = self._status()
            if status is not None and status.version != version:
                problem = f"version {status.version} runs instead of {version}"
            elif status is not None and status.now is not None:
                frame = status.now.frame
                first = frame if first is None else min(first, frame)
                hears = status.now.microphone.present or not self._had_microphone
                if frame - first >= FLOWING_FRAMES and hears:
                    return
                problem = "frames do not flow" if hears else "it has lost the microphone"
            self._pause(ASK_EVERY_S)
        raise UpdateError(f"after {WATCH_S:.0f} s {problem}")

    def _status(self) -> _Status | None:
        """What the running one says; None where none answers sense."""
        try:
            return msgspec.json.decode(self._ask(), type=_Status)
        except (ApplianceError, msgspec.MsgspecError, UnicodeDecodeError):
            return None


def _run(command: Sequence[str], limit_s: float) -> None:
    """Raises UpdateError with the last line of what it complained of."""
    name = " ".join(word for word in command[1:] if not word.startswith(("-", "/")))
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PIP_"))}
    try:
        done = subprocess.run(
            list(command),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            timeout=limit_s,
            check=False,
        )
    except OSError as error:
        raise UpdateError(f"{command[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise UpdateError(f"{name}: no end after {limit_s:.0f} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise UpdateError(f"{name}: {lines[-1][:300] if lines else f'exit code {done.returncode}'}")
