"""Hears sound with Porcupine, in Porcupine's own environment; `porcupine.py` starts it and talks to it.

Requests on stdin: a line of JSON {"do": "hear" or "cost", "samples": N}, then N samples, int16. Answers on stdout, a
line of JSON each: for "hear", for each sensitivity, how many samples had been heard at each detection. Arguments:
keyword, sensitivities.
"""

import ctypes
import json
import sys
import time
from pathlib import Path
from typing import Any

BLOCKS = 12


def main() -> None:
    """Answer until stdin ends."""
    import pvporcupine  # type: ignore[import-not-found]

    keyword, *sensitivities = sys.argv[1:]
    before_mb = _resident_mb()
    ears = [pvporcupine.create(keywords=[keyword], sensitivities=[float(text)]) for text in sensitivities[:1]]
    own_mb = _resident_mb() - before_mb
    ears += [pvporcupine.create(keywords=[keyword], sensitivities=[float(text)]) for text in sensitivities[1:]]
    files = (pvporcupine.LIBRARY_PATH, pvporcupine.MODEL_PATH, pvporcupine.KEYWORD_PATHS[keyword])
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        data = sys.stdin.buffer.read(2 * request["samples"])
        if request["do"] == "hear":
            answer: Any = [_hear(ear, data) for ear in ears]
        else:
            size = sum(Path(file).stat().st_size for file in files)
            answer = {"us_per_frame": _us_per_frame(ears[0], data), "bytes": size, "memory_mb": own_mb}
        print(json.dumps(answer), flush=True)


def _hear(ear: Any, data: bytes) -> list[int]:
    """The library is called as its package does, but for the package's slow conversion of the samples: its own cost."""
    size = ear.frame_length
    found, index = [], ctypes.c_int()
    for number in range(len(data) // (2 * size)):
        frame = (ctypes.c_short * size).from_buffer_copy(data, 2 * size * number)
        ear.process_func(ear._handle, frame, ctypes.byref(index))
        if index.value >= 0:
            found.append((number + 1) * size)
    return found


def _us_per_frame(ear: Any, data: bytes) -> float:
    """Processor time for 20 ms, in microseconds; the lowest of several passes."""
    spent = []
    for _ in range(BLOCKS):
        began_s = time.process_time()
        _hear(ear, data)
        spent.append(time.process_time() - began_s)
    return float(min(spent) / (len(data) / 2 / ear.sample_rate) * 0.02 * 1e6)


def _resident_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


if __name__ == "__main__":
    main()
