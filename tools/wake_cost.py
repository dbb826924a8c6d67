"""What a wake word costs in this Python's runtime, in a process as new: `python -m tools.wake_cost MODEL < SAMPLES`.

SAMPLES: int16, 16 kHz, some seconds without the word. Prints a `Cost` as JSON.
"""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np

from appliance.audio.format import FRAME_SAMPLES, Frame, Pcm
from appliance.bench.stages import resident_mb
from appliance.config_files import PROJECT
from appliance.errors import StageError
from tools.quantize import contestant
from tools.quantize.contestant import Reference
from tools.wake_figures import Cost

_HEARD_FRAMES = 250
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def cost_of(model: str, pcm: Pcm, python: Path) -> Cost:
    """Ask a process of that Python. Raises StageError."""
    command = [str(python), "-m", "tools.wake_cost", model]
    done = subprocess.run(
        command, input=pcm.tobytes(), capture_output=True, cwd=PROJECT, env=os.environ | _ONE_THREAD, check=False
    )
    try:
        return msgspec.json.decode(done.stdout, type=Cost)
    except msgspec.DecodeError:
        reason = (done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise StageError(f"{python}: cannot hear with {model} ({reason})") from None


def main() -> None:
    """Measure here."""
    pcm = np.frombuffer(sys.stdin.buffer.read(), np.int16)
    silence = np.zeros(FRAME_SAMPLES, np.int16)
    before_mb = resident_mb()
    found = contestant.find(Reference(model=sys.argv[1]))
    engine = found.open()
    for index in range(_HEARD_FRAMES):
        engine.process(Frame(index, silence))
    memory_mb = resident_mb() - before_mb
    cost = Cost(runtime=found.runtime, us_per_frame=contestant.us_per_frame(found, pcm), memory_mb=memory_mb)
    print(msgspec.json.encode(cost).decode())


if __name__ == "__main__":
    main()
