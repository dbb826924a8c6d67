"""How an update goes, in a file: written by who updates, read by the running appliance, which tells the house."""

from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from appliance.events import UpdateStep

PROGRESS: Final = Path("/run/appliance-update/progress.json")
"""In memory: the frame loop may look at it without waiting for a disk."""

LARGEST_BYTES: Final = 16_384


class Progress(Struct, frozen=True, kw_only=True):
    """One moment of an update."""

    installed: str
    """The version in use."""

    latest: str
    """The newest one that is known, perhaps the same."""

    step: UpdateStep
    percent: Annotated[int, Meta(ge=0, le=100)] = 0
    """Of all that has to be done."""

    problem: str | None = None
    """Why it failed or was taken back, in one sentence."""

    notes: str = ""
    """What is new in the newest one."""


def load(path: Path) -> Progress | None:
    """The newest; None where there is none, or no whole one."""
    try:
        with path.open("rb") as stream:
            return msgspec.json.decode(stream.read(LARGEST_BYTES), type=Progress)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
