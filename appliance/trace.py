"""What went from stage to stage: for every hand-off its dtype, shape, range, level and NaN count, as JSON lines.

For finding where sound was lost or distorted: read the hand-offs in the order of a frame's way and see where it breaks.
"""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from appliance.audio.format import level_dbfs
from appliance.errors import UsageError

FILE_NAME = "handoffs.jsonl"


class Tracer:
    """Writes one line for each hand-off into DIR/handoffs.jsonl."""

    def __init__(self, folder: Path) -> None:
        """Raises UsageError when the folder cannot be written."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = (folder / FILE_NAME).open("wb")
        except OSError as error:
            raise _unwritable(folder, error) from None
        self._folder = folder
        self._broken: OSError | None = None

    def hand_off(self, source: str, target: str, frame: int, value: npt.NDArray[Any] | float | str | None) -> None:
        """Note that `source` gave `value` to `target` while frame number `frame` was processed.

        A full disk does not disturb the stages: the rest is left out, and `close` tells.
        """
        if self._broken is not None:
            return
        line: dict[str, Any] = {"frame": frame, "from": source, "to": target}
        if isinstance(value, np.ndarray):
            line |= _describe(value)
        else:
            line["value"] = value
        try:
            self._file.write(msgspec.json.encode(line) + b"\n")
        except OSError as error:
            self._broken = error

    def close(self) -> None:
        """Finish the file. Raises UsageError when not everything could be written."""
        try:
            self._file.close()
        except OSError as error:
            self._broken = self._broken or error
        if self._broken is not None:
            raise _unwritable(self._folder, self._broken)


def _unwritable(folder: Path, error: OSError) -> UsageError:
    return UsageError(f"--trace {folder}: cannot be written ({error.strerror}); name another folder")


def _describe(array: npt.NDArray[Any]) -> dict[str, Any]:
    finite = np.isfinite(array)
    known = array[finite]
    return {
        "dtype": str(array.dtype),
        "shape": array.shape,
        "min": float(known.min()) if known.size else None,
        "max": float(known.max()) if known.size else None,
        "dbfs": round(level_dbfs(array), 1) if array.dtype == np.int16 else None,
        "nan": int(array.size - known.size),
    }
