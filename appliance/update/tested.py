"""What the newest self-test found, in a file: written by the command that makes it, read by the running appliance."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from appliance import __version__, safe_file
from appliance.status import SelfTest
from appliance.update.progress import LARGEST_BYTES, PROGRESS

SELF_TEST: Final = PROGRESS.with_name("self-test.json")
"""In memory, beside the progress of updates."""


def keep(problem: str | None, path: Path = SELF_TEST) -> None:
    """Note that this version was tested now, where the service has made the folder for that. `problem`: None: good."""
    if os.access(path.parent, os.W_OK):
        at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        found = SelfTest(version=__version__, at=at, passed=problem is None, problem=problem)
        safe_file.replace(path, msgspec.json.encode(found), mode=0o644)


def load(path: Path = SELF_TEST) -> SelfTest | None:
    """The newest; None where there is none, or no whole one."""
    try:
        with path.open("rb") as stream:
            return msgspec.json.decode(stream.read(LARGEST_BYTES), type=SelfTest)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
