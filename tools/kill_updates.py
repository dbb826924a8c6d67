"""Cut an update off, again and again, and look whether what is in use is a whole version: the old or the new one.

    python -m tools.kill_updates [--every N] [--random N]

First before every single operation on the file system (counted by Python's audit hooks), then at N random moments by
SIGKILL. After each the appliance starts: a trial is settled. Then the update is run again, and must come to its end.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

from appliance.errors import UpdateError
from tests.updates import NEW, OLD, Device, Maker, folder_in_memory

CHANGES: Final = frozenset(
    {"open", *(f"os.{name}" for name in ("chmod", "link", "mkdir", "remove", "rename", "rmdir", "symlink"))}
)
"""Audit events of what changes a file system; `os.replace` is `os.rename` there."""

CUT_CODE: Final = 99

RELEASE_TRIES: Final = 100
RELEASE_PAUSE_S: Final = 0.02


def main() -> int:
    """Cut, look, count; returns 1 where something was a mixture."""
    parser = argparse.ArgumentParser(prog="python -m tools.kill_updates", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--random", type=int, default=0, metavar="N", help="also at N random moments")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only before every N-th operation")
    args = parser.parse_args()
    with folder_in_memory() as folder:
        counts = kill(Path(folder), every=args.every, at_random=args.random)
    print(", ".join(f"{name}: {count}" for name, count in sorted(counts.items())))
    return 1 if counts["mixed"] else 0


def kill(folder: Path, *, every: int, at_random: int) -> Counter[str]:
    """How often the old, the new or no whole version was in use after a cut."""
    maker = Maker(folder / "maker")
    update = maker.make()
    counts: Counter[str] = Counter({"mixed": 0})
    for breaks in ("", "watch 1.1"):
        cut, number = True, 0
        while cut:
            device = _device(folder, maker, breaks)
            cut = _child(partial(_cut_at, device, update, number)) == CUT_CODE
            counts[_look(device, update)] += 1
            counts["cuts before an operation"] += cut
            number += every
    random.seed(1)
    began_s = time.monotonic()
    _child(partial(_device(folder, maker, "").install, update))
    longest_s = time.monotonic() - began_s
    for _ in range(at_random):
        device = _device(folder, maker, "")
        _child(partial(device.install, update), kill_after_s=random.uniform(0, longest_s))
        counts[_look(device, update)] += 1
        counts["cuts at a random moment"] += 1
    return counts


def _device(folder: Path, maker: Maker, breaks: str) -> Device:
    device = Device(Path(tempfile.mkdtemp(dir=folder)), maker.key)
    device.machine.breaks = breaks
    return device


def _cut_at(device: Device, update: Path, number: int) -> None:
    """Install, and end as by a power cut before an operation; the number of those before it is given."""
    left = number

    def hook(event: str, _arguments: object) -> None:
        nonlocal left
        if event in CHANGES:
            left -= 1
            if left < 0:
                os._exit(CUT_CODE)

    sys.addaudithook(hook)
    device.install(update)


def _child(work: Callable[[], object], *, kill_after_s: float | None = None) -> int:
    """Do it in a copy of this process; the exit code."""
    child = os.fork()
    if child == 0:
        _work(work)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _work(work: Callable[[], object]) -> NoReturn:
    code = 1
    try:
        work()
        code = 0
    except UpdateError:
        code = 2
    finally:
        os._exit(code)


def _look(device: Device, update: Path) -> str:
    """What is in use now, unless it is a mixture, or becomes one at the next start or by another try."""
    found = [_whole(device)]
    device.machine.breaks = ""
    for _ in range(RELEASE_TRIES):
        try:
            device.updater.settle()
            break
        except UpdateError:  # a program that the killed process had just begun still holds its lock
            time.sleep(RELEASE_PAUSE_S)
    found.append(_whole(device))
    if device.versions.current == "1.0":
        device.install(update)
        found.append(_whole(device) if device.versions.current == "1.1" else "mixed")
    return "mixed" if "mixed" in found else found[0]


def _whole(device: Device) -> str:
    version = device.versions.current
    wanted = {"1.0": OLD, "1.1": NEW}[version]
    is_whole = device.files == wanted and device.versions.digest(version) is not None
    return {"1.0": "old", "1.1": "new"}[version] if is_whole else "mixed"


if __name__ == "__main__":
    sys.exit(main())
