"""Clock, disk, permissions and priority: what the operating system gives."""

import ctypes
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from appliance.doctor.findings import Finding, ok, problem, warning

_SET_CLOCK: Final = "sudo timedatectl set-ntp true, and check that the machine reaches a time server"


def clock(now: datetime, installed: datetime, *, synchronized: bool | None) -> list[Finding]:
    """Is the time right?

    Args:
        now: what the clock says.
        installed: when the program came here; a machine without a clock chip wakes up before that.
        synchronized: as `clock_is_synchronized`.
    """
    found = f"{now:%Y-%m-%d %H:%M %Z}"
    if now < installed:
        reason = f"{found}, which is before the program came here ({installed:%Y-%m-%d})"
        return [problem("clock", f"{reason}: timers ring wrong, and no certificate is accepted", _SET_CLOCK)]
    if synchronized is None:
        return [warning("clock", f"{found}; the system does not tell whether it is right", "see timedatectl")]
    if not synchronized:
        return [warning("clock", f"{found}, not synchronized with a time server", _SET_CLOCK)]
    return [ok("clock", f"{found}, synchronized")]


def clock_is_synchronized() -> bool | None:
    """What the kernel says, see adjtimex(2); None where it must not tell."""
    time_error, room = 5, ctypes.create_string_buffer(512)  # struct timex has 208 bytes; zeros only ask
    state = ctypes.CDLL(None).adjtimex(room)
    return None if state < 0 else state != time_error


def disk(folders: Mapping[str, Path], *, needed_bytes: int, free: Callable[[Path], int]) -> list[Finding]:
    """Is there room? `folders`: what is kept there, and where; `needed_bytes`: in each of them."""
    findings = []
    for use, folder in folders.items():
        left_bytes = free(folder)
        found = f"{folder} ({use}): {left_bytes / 1e6:.0f} MB free"
        if left_bytes < needed_bytes:
            findings.append(warning("disk", f"{found} of {needed_bytes / 1e6:.0f} needed", "free some space"))
        else:
            findings.append(ok("disk", found))
    return findings


def free_bytes(folder: Path) -> int:
    """Room for us in the file system of a folder, which need not exist."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def temporary_files(folder: Path) -> list[Finding]:
    """The recognizer makes links in a temporary folder when it is loaded."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return []
    except OSError as error:
        reason = f"{folder}: no temporary file can be made ({error.strerror}), and the recognizer needs some"
        return [problem("disk", reason, f"make it writable: sudo chmod 1777 {folder}; or free some space")]


def permissions(files: Sequence[Path], sound: Path, *, is_ours: Callable[[Path], bool]) -> list[Finding]:
    """May the service read its files, and may we use the sound cards?

    Args:
        files: configuration and home file; a missing one is told elsewhere.
        sound: /dev/snd.
        is_ours: whether we may read and write a device.
    """
    findings = []
    closed = [file for file in files if os.path.exists(file) and not file.stat().st_mode & stat.S_IROTH]
    if closed:
        names = " ".join(str(file) for file in closed)
        reason = f"{names}: not readable by everyone, and so not by the systemd service"
        findings.append(warning("permissions", reason, f"sudo chmod a+r {names}"))
    devices = sorted(sound.glob("pcm*"))
    barred = [device for device in devices if not is_ours(device)]
    if barred:
        reason = f"{len(barred)} of {len(devices)} sound devices in {sound} are not open to you"
        findings.append(warning("permissions", reason, "sudo usermod -aG audio $USER, then log in again"))
    return findings or [
        ok("permissions", f"the service can read its files; {len(devices)} sound devices, all open to you")
    ]


def priority(said: str, *, is_real_time: bool) -> list[Finding]:
    """`said`: what `ask_for_priority` answers; `is_real_time`: whether the thread that asked has it."""
    if is_real_time:
        return [ok("priority", said)]
    remedy = "run it by the systemd unit, or write '@audio - rtprio 20' to /etc/security/limits.d/audio.conf"
    return [warning("priority", said.partition(";")[0] + ": under load sound may be lost", remedy)]
