"""Porcupine 1.9.5, the last version that needs no key, in an environment of its own; for comparison only.

It tells detections and no scores, so its operating points are sensitivities: the higher, the more it hears.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance.audio.format import FRAME_SAMPLES, Pcm
from appliance.config_files import PROJECT
from appliance.errors import StageError
from appliance.wake.trigger import REFRACTORY_FRAMES

PACKAGE = "pvporcupine==1.9.5 --hash=sha256:8f4e95c966f72258b417743e13e8c571d2fb79cdf2fe59571e6766638787481d"
"""Installed without what it asks for: enum34, which breaks Python 3, and numpy, which it does not use."""
ENVIRONMENT = PROJECT / ".venv-porcupine"
SENSITIVITIES = (0.3, 0.5, 0.7, 0.9)
"""Its default is 0.5."""
WORDS = ("alexa", "computer", "jarvis", "smart mirror", "snowboy", "view glass")
"""Those of its words that there are recordings of."""

_INSTALL_TIMEOUT_S = 300


class Porcupine:
    """A child process that hears with one keyword, at every sensitivity at once."""

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        self._child = child

    def hear(self, pcm: Pcm) -> list[list[int]]:
        """For each sensitivity the frames at which it detects, a second apart at least. It has no reset."""
        answer = self._ask("hear", pcm)
        return [_apart([(samples - 1) // FRAME_SAMPLES for samples in found]) for found in answer]

    def cost(self, pcm: Pcm) -> tuple[float, int, float]:
        """Processor time for 20 ms in microseconds, size of its files in bytes, memory in MB."""
        answer = self._ask("cost", pcm)
        return float(answer["us_per_frame"]), int(answer["bytes"]), float(answer["memory_mb"])

    def _ask(self, what: str, pcm: Pcm) -> Any:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._child.stdin.write(json.dumps({"do": what, "samples": int(pcm.size)}).encode() + b"\n" + pcm.tobytes())
            self._child.stdin.flush()
        except BrokenPipeError:
            raise StageError("Porcupine ended by itself; it is left out") from None
        line = self._child.stdout.readline()
        if not line:
            raise StageError("Porcupine ended by itself; it is left out")
        return json.loads(line)


@contextmanager
def porcupine(python: Path, keyword: str) -> Iterator[Porcupine]:
    """Start it; it ends with the block."""
    command = [str(python), str(Path(__file__).with_name("porcupine_child.py")), keyword, *map(str, SENSITIVITIES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            yield Porcupine(child)
        finally:
            child.kill()


def environment(folder: Path = ENVIRONMENT) -> Path:
    """The Python of its environment, which is made where it is missing.

    Raises:
        StageError: it cannot be made, as without network.
    """
    python = folder / "bin" / "python"
    if _works(python):
        return python
    shutil.rmtree(folder, ignore_errors=True)
    uv = shutil.which("uv")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as wanted:
        wanted.write(PACKAGE + "\n")
        wanted.flush()
        named = ["--no-deps", "--require-hashes", "-r", wanted.name]
        if uv:
            steps = [
                [uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
                [uv, "pip", "install", "--quiet", "--python", str(python), *named],
            ]
        else:
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            steps = [[sys.executable, "-m", "venv", str(folder)], [*pip, *named]]
        for step in steps:
            _run(step)
    if not _works(python):
        raise StageError("Porcupine is left out: it does not run on this machine")
    return python


def _run(step: Sequence[str]) -> None:
    try:
        done = subprocess.run(step, capture_output=True, text=True, errors="replace", timeout=_INSTALL_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StageError(f"Porcupine is left out: {step[0]} failed ({error})") from None
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StageError(f"Porcupine is left out: it cannot be installed ({reason})")


def _works(python: Path) -> bool:
    code = "import pvporcupine; pvporcupine.create(keywords=['computer'])"
    return python.is_file() and subprocess.run([python, "-c", code], capture_output=True).returncode == 0


def _apart(frames: Sequence[int]) -> list[int]:
    kept: list[int] = []
    for frame in frames:
        if not kept or frame - kept[-1] >= REFRACTORY_FRAMES:
            kept.append(frame)
    return kept
