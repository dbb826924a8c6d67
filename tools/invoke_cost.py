"""What one run of networks costs in this Python's runtime: `python -m tools.invoke_cost MODEL.tflite...`.

Prints `Costs` as JSON.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from appliance.config_files import PROJECT
from appliance.errors import StageError
from appliance.runtimes.tflite import TfliteFile, TfliteModel, choose_runtime

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_BLOCKS = 40
_BLOCK_S = 0.02


class Costs(Struct, frozen=True, kw_only=True):
    """Of some files in one runtime."""

    runtime: str
    us: tuple[float, ...]
    """Processor time of a run, its input and its output, in microseconds; the lowest of several blocks."""


def costs_of(files: Sequence[Path], python: Path) -> Costs:
    """Ask a process of that Python. Raises StageError."""
    command = [str(python), "-m", "tools.invoke_cost", *map(str, files)]
    done = subprocess.run(command, capture_output=True, cwd=PROJECT, env=os.environ | _ONE_THREAD, check=False)
    try:
        return msgspec.json.decode(done.stdout, type=Costs)
    except msgspec.DecodeError:
        reason = (done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise StageError(f"{python}: cannot run {files[0]} and what follows ({reason})") from None


def main() -> None:
    """Measure here."""
    installed = [name for name in ("tflite_runtime", "ai_edge_litert") if find_spec(name) is not None]
    library = choose_runtime(installed, np.__version__)
    us = tuple(_us(TfliteModel(TfliteFile.read(Path(name)))) for name in sys.argv[1:])
    runtime = f"{library} {metadata.version(library.replace('_', '-'))}"
    print(msgspec.json.encode(Costs(runtime=runtime, us=us)).decode())


def _us(model: TfliteModel) -> float:
    given = np.zeros(model.input.shape, model.input.dtype)
    began_s = time.process_time()
    for _ in range(20):
        model.invoke(given)
    runs = max(5, int(20 * _BLOCK_S / max(1e-6, time.process_time() - began_s)))
    spent = []
    for _ in range(_BLOCKS):
        began_s = time.process_time()
        for _ in range(runs):
            model.invoke(given)
        spent.append((time.process_time() - began_s) / runs)
    return min(spent) * 1e6


if __name__ == "__main__":
    main()
