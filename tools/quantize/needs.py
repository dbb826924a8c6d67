"""What a run needs of the machine, checked before hours of work: room on the disk, memory, programs, models."""

import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from appliance.config_files import MANIFEST
from appliance.errors import StageError
from appliance.models import ModelStore
from tools.quantize.augment import TEACHER
from tools.quantize.making import Setting

EXAMPLE_BYTES: Final = 300 * 40 + 41 * 96 * 2
"""Of one example: its features, and what the teacher's ears hear of it."""

CLIP_BYTES: Final = 25_000
"""Of one synthetic clip, as FLAC; 5,000 took 21,000 each."""

LESSON_BYTES: Final = 22 * (96 * 2 + 4)
"""Of one example: the teacher's embeddings and scores, as training wants them."""

PROGRAM_BYTES: Final = 1_500_000_000
"""TensorFlow, its buffers, and the recordings that examples are mined from."""

DISK_MARGIN: Final = 1.1

TRAINS_WITH: Final = ("tensorflow", "keras", "matplotlib")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How big a run is."""

    clips: int
    examples: int
    at_once: int
    """Trainings."""

    @classmethod
    def of(cls, setting: Setting, jobs: int) -> "Size":
        """With so many processes."""
        return cls(
            clips=setting.said.all + setting.held.all,
            examples=setting.words + setting.others,
            at_once=min(jobs, len(setting.seeds)),
        )

    @property
    def disk_bytes(self) -> int:
        """Room that clips and examples take."""
        return round(DISK_MARGIN * (self.clips * CLIP_BYTES + self.examples * EXAMPLE_BYTES))

    @property
    def memory_bytes(self) -> int:
        """Examples twice: when shards are joined, and when those of mined moments are added, both are there."""
        return self.at_once * (PROGRAM_BYTES + self.examples * (2 * EXAMPLE_BYTES + LESSON_BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What there is of what may be too little."""

    free_bytes: int
    """Of the disk of a folder, that folder's own files counted as free."""

    available_bytes: int
    """Memory."""

    @classmethod
    def of(cls, folder: Path, meminfo: Path = Path("/proc/meminfo")) -> "Machine":
        """This machine, with a folder that is there or will be."""
        there = next(parent for parent in (folder, *folder.resolve().parents) if parent.exists())
        own = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        lines = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines())
        return cls(
            free_bytes=shutil.disk_usage(there).free + own,
            available_bytes=1024 * int(lines["MemAvailable"].split()[0]),
        )

    def check(self, folder: Path, size: Size) -> None:
        """Raises StageError where a run of this size would not end well."""
        if size.disk_bytes > self.free_bytes:
            raise StageError(
                f"{folder}: its disk has {_gb(self.free_bytes)} free, and {_gb(size.disk_bytes)} are needed; "
                "make room, name another folder (--out), or take --setting quick"
            )
        if size.memory_bytes > self.available_bytes:
            raise StageError(
                f"{_gb(self.available_bytes)} of memory are available, and training needs {_gb(size.memory_bytes)}; "
                "close other programs, train fewer seeds at a time (--jobs 1), or take --setting quick"
            )


def check_programs() -> None:
    """Raises StageError or ModelError where something is not installed, and says what to type."""
    missing = [name for name in TRAINS_WITH if find_spec(name) is None]
    if missing:
        raise StageError(
            f"{', '.join(missing)}: not in this Python; type: make venv-tools, then: "
            ".venv-tools/bin/python -m tools.quantize run WORD"
        )
    ModelStore(MANIFEST, MANIFEST.parent).folder(TEACHER)


def _gb(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB"
