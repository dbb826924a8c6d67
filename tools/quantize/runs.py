"""The folder of a run: a sub-folder for each step, with a `step.json` that tells what it was made from.

A step that was done with the same settings and inputs, after the same steps, is skipped. One that was interrupted goes
on where it stopped. Any other has its folder emptied first; so has every step behind it, for it comes after another.
"""

import hashlib
import resource
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from appliance.errors import UsageError
from tools.quantize.parallel import duration

STEP: Final = "step.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A part of a run."""

    name: str
    folder: Path
    """Its own: whatever lies there is its work."""

    settings: Mapping[str, Any]
    """What its result depends on besides the steps before, seeds and hashes of inputs among it; plain data."""

    work: Callable[[], object]
    """Does it, or goes on with it."""

    about_s: float = 0.0
    """How long it takes, by experience."""


class Record(Struct, frozen=True, kw_only=True):
    """A `step.json`."""

    step: str
    settings: dict[str, Any]
    after: str
    """Hash of the record of the step before, without its seconds."""

    seconds: float | None = None
    """How long it took since it was begun, or gone on with; None: it is not finished."""

    processor_seconds: float | None = None
    """The same of processor time, on this machine: what tells how long it takes elsewhere."""

    @property
    def hash(self) -> str:
        """Of all but the seconds."""
        same = msgspec.structs.replace(self, seconds=None, processor_seconds=None)
        return hashlib.sha256(msgspec.json.encode(same, order="sorted")).hexdigest()


def go(steps: Sequence[Step], tell: Callable[[str], None]) -> None:
    """Do what is not done, in order.

    Raises:
        UsageError: a step's folder holds what no run made.
        Whatever a step raises; its `step.json` then tells that it is not finished.
    """
    wanted = list(zip(steps, _records(steps), strict=True))
    waiting = [step.name for step in pending(steps)]
    left_s = sum(step.about_s for step in pending(steps))
    for number, (step, record) in enumerate(wanted, start=1):
        where = f"step {number} of {len(steps)}, {step.name}"
        if step.name not in waiting:
            tell(f"{where}: is done already, skipped")
            continue
        tell(f"{where}: about {duration(step.about_s)}; {duration(left_s)} left in all")
        _do(step, record, tell)
        left_s -= step.about_s


def pending(steps: Sequence[Step]) -> list[Step]:
    """Those that are not done, or not with these settings and inputs."""
    return [step for step, record in zip(steps, _records(steps), strict=True) if not is_done(step.folder, record)]


def is_done(folder: Path, record: Record | None = None) -> bool:
    """Whether the step of this folder was finished; with a record: as that tells."""
    found = _read(folder)
    return found is not None and found.seconds is not None and (record is None or found.hash == record.hash)


def _records(steps: Sequence[Step]) -> Iterator[Record]:
    after = ""
    for step in steps:
        # Through JSON and back: a tuple must be equal to what is read from a file.
        settings = msgspec.json.decode(msgspec.json.encode(step.settings), type=dict[str, Any])
        record = Record(step=step.name, settings=settings, after=after)
        yield record
        after = record.hash


def _do(step: Step, record: Record, tell: Callable[[str], None]) -> None:
    found = _read(step.folder)
    if found is not None and found.hash == record.hash:
        tell(f"{step.name}: goes on where it was interrupted")
    else:
        _empty(step.folder)
        _write(step.folder, record)
    began_s, began_at_s = time.monotonic(), _processor_s()
    step.work()
    took_s, worked_s = time.monotonic() - began_s, _processor_s() - began_at_s
    _write(step.folder, msgspec.structs.replace(record, seconds=round(took_s, 1), processor_seconds=round(worked_s, 1)))
    tell(f"{step.name}: took {duration(took_s)}, {duration(worked_s)} of processor time")


def _processor_s() -> float:
    """Of this process, and of those that it has started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _empty(folder: Path) -> None:
    """Delete what a run made here. Raises UsageError where it holds something else."""
    if folder.exists():
        if not (folder / STEP).is_file() and any(folder.iterdir()):
            raise UsageError(
                f"{folder}: holds files that `run` did not make; move them, or name another folder (--out)"
            )
        old = folder.with_name(f".{folder.name}.old")  # half deleted it would look like somebody's files
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
        shutil.rmtree(old)
    folder.mkdir(parents=True)


def _read(folder: Path) -> Record | None:
    """None: there is none, or none that can be read, which is the same."""
    try:
        return msgspec.json.decode((folder / STEP).read_bytes(), type=Record)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def _write(folder: Path, record: Record) -> None:
    partial = folder / f".{STEP}.part"
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
    partial.replace(folder / STEP)
