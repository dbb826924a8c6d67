"""Installs the package for 64-bit ARM in an emulated Debian, and replays a sentence there: the same events as here?

That proves that its wheels fit together and reckon rightly. It proves nothing about speed: an emulated processor is
slow, and slow in other places than a Raspberry Pi. Where it cannot be done, it says so and checks nothing.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from appliance import __version__
from appliance.config_files import PROJECT
from tools.debian_root import Skipped, archive, unpack

EMULATOR: Final = Path("/usr/bin/qemu-aarch64-static")
PACKAGES: Final = ("python3", "libportaudio2", "libatomic1", "libgomp1", "coreutils", "bash")
SENTENCE: Final = "Computer, what time is it?"

FORMATS: Final = Path("/proc/sys/fs/binfmt_misc")
FORMAT: Final = "appliance-aarch64"
MAGIC: Final = r"\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
MASK: Final = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
"""Header of programs for Linux on 64-bit ARM: little-endian ELF of 64 bits, machine 0xb7."""

PROCESSOR: Final = "cortex-a72"
"""A Raspberry Pi 4's. As the processor with everything that QEMU 7.2 knows, its own choice, the libraries fall down."""

PATIENT: Final = """\
import sys
from appliance.cli import main
from appliance.voice.piper import PiperVoice
PiperVoice.__init__.__kwdefaults__.update(start_timeout_s=3600.0, part_timeout_s=3600.0)
sys.exit(main())
"""
"""The command `appliance`, but for its patience: an emulated voice takes minutes, and is given up after 30 s."""

LIMIT_S: Final = 3600.0


@contextlib.contextmanager
def emulated() -> Iterator[None]:
    """Meanwhile this kernel runs programs for ARM, in every root: it keeps the emulator open. Raises Skipped."""
    if not EMULATOR.exists():
        raise Skipped("qemu-user-static is not installed (apt-get install qemu-user-static)")
    mounted = False
    if not (FORMATS / "register").exists():
        done = subprocess.run(
            ["mount", "-t", "binfmt_misc", "none", str(FORMATS)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise Skipped(f"this kernel runs no foreign programs: {done.stderr.strip()}")
        mounted = True
    try:
        (FORMATS / "register").write_text(f":{FORMAT}:M::{MAGIC}:{MASK}:{EMULATOR}:F")
        yield
    except OSError as error:
        raise Skipped(f"this kernel takes no emulator: {error}") from None
    finally:
        if (FORMATS / FORMAT).exists():
            (FORMATS / FORMAT).write_text("-1")
        if mounted:
            subprocess.run(["umount", str(FORMATS)], check=False)


def install(root: Path, package: Path) -> None:
    """What dpkg and the package's script would put where; they themselves are not emulated."""
    subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=True)
    (root / "opt/appliance/current").symlink_to(f"versions/{__version__}")


def replayed(command: list[str], folder: Path, recording: str) -> list[dict[str, Any]]:
    """The events that a recording is replayed to by a command like `appliance`. Raises RuntimeError."""
    config = "firmware_config/appliance.toml"
    done = subprocess.run(
        [*command, "--config", f"{folder}/{config}", "replay", recording, "--events", "-"],
        env={**os.environ, "QEMU_CPU": PROCESSOR},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"replay: exit code {done.returncode}: {done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def gist(events: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    """What must be the same on every processor; scores and frames may differ a little."""
    told = ("type", "word", "intent", "slots", "decision", "ok", "reason", "from", "to", "stage")
    return [tuple(str(event[key]) for key in told if event.get(key) is not None) for event in events]


def check(folder: Path, package: Path) -> bool:
    """Whether the events are the same; says so. Raises Skipped, RuntimeError."""
    tar = archive(folder / "bookworm-arm64.tar", "bookworm", PACKAGES, "--variant=extract", "--arch=arm64")
    recording = folder / "said.wav"
    if not recording.exists():
        say = [sys.executable, "-m", "appliance", "say", SENTENCE, "--out", str(recording)]
        subprocess.run(say, cwd=PROJECT, check=True)
    root = folder / "arm64"
    unpack(tar, root)
    install(root, package)
    shutil.copy(recording, root / "said.wav")
    here = gist(replayed([sys.executable, "-m", "appliance"], PROJECT, str(recording)))
    program = Path("/opt/appliance/current")
    mounts = " && ".join(f'mount --rbind /{name} "{root}/{name}"' for name in ("proc", "sys", "dev"))
    inside = f'{mounts} && exec chroot "{root}" "$@"'
    python = ["unshare", "--mount", "sh", "-c", inside, "sh", f"{program}/.venv/bin/python", "-I"]
    began = time.monotonic()
    there = gist(replayed([*python, "-c", PATIENT], program, "/said.wav"))
    took = f"{time.monotonic() - began:.0f} s, which says nothing about a Raspberry Pi"
    if here != there:
        print(f"FAIL  replay on emulated ARM ({took}):\n  here  {here}\n  there {there}")
        return False
    print(f"ok    replay on emulated ARM: the same {len(there)} events, {len(set(there))} of them different ({took})")
    return True


def main() -> int:
    """Check, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path, help="the Debian package for arm64, see tools.make_deb")
    parser.add_argument("--folder", type=Path, default=PROJECT / "build" / "aarch64", help="for roots, kept")
    chosen = parser.parse_args()
    try:
        if os.geteuid() != 0:
            raise Skipped("only root may make a root of Debian")
        with emulated():
            return 0 if check(chosen.folder, chosen.package) else 1
    except Skipped as reason:
        print(f"check-aarch64: skipped: {reason}")
        return 0
    except RuntimeError as error:
        print(f"FAIL  {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
