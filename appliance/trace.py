"""What went from stage to stage: for every hand-off its dtype, shape, range, level and NaN count, as JSON lines.

For finding where sound was lost or distorted: read the hand-offs in the order of a frame's way and see where it breaks.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.audio.format import SILENT_DBFS, level_dbfs
from appliance.errors import UsageError

FILE_NAME = "handoffs.jsonl"


class Tracer:
    """Writes one line for each hand-off into DIR/handoffs.jsonl."""

    def __init__(self, folder: Path) -> None:
        """Raises UsageError when the folder cannot be written."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = (folder / FILE_NAME).open("w", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--trace {folder}: cannot be written ({error.strerror}); name another folder") from None

    def hand_off(self, source: str, target: str, frame: int, value: npt.NDArray[Any] | float | str | None) -> None:
        """Note that `source` gave `value` to `target` while frame number `frame` was processed."""
        line: dict[str, Any] = {"frame": frame, "from": source, "to": target}
        if isinstance(value, np.ndarray):
            line |= _describe(value)
        else:
            line["value"] = value
        print(json.dumps(line), file=self._file)

    def close(self) -> None:
        self._file.close()


def _describe(array: npt.NDArray[Any]) -> dict[str, Any]:
    nans = int(np.count_nonzero(np.isnan(array))) if array.dtype.kind == "f" else 0
    known = array[~np.isnan(array)] if nans else array
    level = level_dbfs(known) if array.dtype == np.int16 else SILENT_DBFS
    return {
        "dtype": str(array.dtype),
        "shape": list(array.shape),
        "min": float(known.min()) if known.size else None,
        "max": float(known.max()) if known.size else None,
        "dbfs": round(level, 1) if array.dtype == np.int16 else None,
        "nan": nans,
    }
