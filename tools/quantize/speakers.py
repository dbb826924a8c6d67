"""The programs that speak: Piper, espeak-ng, flite and festival."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from appliance.audio.format import INT16_FULL_SCALE
from appliance.config_files import MANIFEST, PROJECT
from appliance.errors import StageError
from appliance.models import ModelStore

PIPER_MODEL: Final = "piper-en-us-joe"
PIPER_PROGRAM: Final = Path(__file__).with_name("piper_speaker.py")
PIPER_NOISE: Final = 0.667
PIPER_WIDTH: Final = 0.8
"""Its own scales of the noise in the voice, and in the lengths of the sounds."""

ESPEAK_WORDS_PER_MINUTE: Final = 175
"""Its own tempo."""

START_S: Final = 60.0
UTTERANCE_S: Final = 20.0
"""Patience with a program that loads its voice, and for each utterance, on a loaded machine."""


class Recipe(Struct, frozen=True, kw_only=True):
    """How something is to be said; the numbers are ratios to the voice's own manner."""

    text: str
    engine: str
    voice: str
    """As the engine calls it."""

    tempo: float = 1.0
    """Above 1 is faster."""

    liveliness: float = 1.0
    """How much pitch and rhythm vary; only Piper can be told."""

    pitch: float = 1.0
    tract: float = 1.0
    """Of the resonances; above 1 is a smaller person. Pitch and tract are changed afterwards."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What a program said."""

    samples: npt.NDArray[np.float32]
    """Shape (n,), -1..1."""

    rate_hz: int


Said = Iterator[Sound | StageError]
"""For each recipe its sound, or why there is none."""


def say_with_piper(recipes: Sequence[Recipe], seed: int) -> Said:
    """All in one process, which loads the voice in 1.5 s. Raises StageError when Piper does not work at all."""
    model = next(ModelStore(MANIFEST, MANIFEST.parent).folder(PIPER_MODEL).glob("*.onnx"))
    requests = [
        {
            "text": recipe.text,
            "accent": recipe.voice,
            "length": 1.0 / recipe.tempo,
            "noise": PIPER_NOISE * recipe.liveliness,
            "width": PIPER_WIDTH * recipe.liveliness,
        }
        for recipe in recipes
    ]
    command = [piper_python() or sys.executable, "-P", str(PIPER_PROGRAM), str(model), "--seed", str(seed)]
    rest = _run(command, len(recipes), given="".join(json.dumps(request) + "\n" for request in requests))
    for _ in recipes:
        head, _, rest = rest.partition(b"\n")
        answer: dict[str, Any] = json.loads(head or b'{"error": "it said nothing"}')
        if "error" in answer:
            yield StageError(f"Piper: {answer['error']}")
            continue
        size = answer["samples"] * 2
        yield Sound(np.frombuffer(rest[:size], "<i2").astype(np.float32) / INT16_FULL_SCALE, answer["rate"])
        rest = rest[size:]


def say_with_espeak(recipes: Sequence[Recipe], _seed: int) -> Said:
    """A process for each: it takes 10 ms."""
    for recipe in recipes:
        tempo = str(round(ESPEAK_WORDS_PER_MINUTE * recipe.tempo))
        yield _said_by(["espeak-ng", "-v", recipe.voice, "-s", tempo, "-w", _FILE, "--", recipe.text])


def say_with_flite(recipes: Sequence[Recipe], _seed: int) -> Said:
    """A process for each: it takes 20 ms."""
    for recipe in recipes:
        stretch = f"duration_stretch={1.0 / recipe.tempo:.3f}"
        yield _said_by(["flite", "-voice", recipe.voice, "--setf", stretch, "-t", recipe.text, "-o", _FILE])


def say_with_festival(recipes: Sequence[Recipe], _seed: int) -> Said:
    """All in one process. Raises StageError when festival does not work at all."""
    with tempfile.TemporaryDirectory(prefix="festival-") as folder:
        files = [Path(folder) / f"{number}.wav" for number in range(len(recipes))]
        program = [
            f"(voice_{recipe.voice}) (Parameter.set 'Duration_Stretch {1.0 / recipe.tempo:.3f})"
            f" (utt.save.wave (utt.synth (Utterance Text {json.dumps(recipe.text)})) {json.dumps(str(file))} 'riff)\n"
            for recipe, file in zip(recipes, files, strict=True)
        ]
        _run(["festival", "--pipe"], len(recipes), given="".join(program))
        for file in files:
            yield _read(file)


@cache
def piper_python() -> str | None:
    """A Python that has Piper: this one, else the device's environment of this checkout; None: neither."""
    if find_spec("piper") is not None:
        return sys.executable
    device = PROJECT / ".venv"
    return str(device / "bin" / "python") if any(device.glob("lib/python*/site-packages/piper")) else None


_FILE: Final = "%"
"""Stands in a command for the file to write."""


def _said_by(command: Sequence[str]) -> Sound | StageError:
    with tempfile.TemporaryDirectory(prefix="voice-") as folder:
        file = Path(folder) / "said.wav"
        try:
            _run([str(file) if word == _FILE else word for word in command], 1)
        except StageError as error:
            return error
        return _read(file)


def _read(file: Path) -> Sound | StageError:
    import soundfile  # type: ignore[import-untyped]

    try:
        samples, rate_hz = soundfile.read(str(file), dtype="float32")
    except (soundfile.SoundFileError, OSError) as error:
        return StageError(f"a voice said nothing that can be read ({error})")
    return Sound(samples, int(rate_hz))


def _run(command: Sequence[str], utterances: int, given: str = "") -> bytes:
    """What a program prints. Raises StageError when it fails."""
    name = Path(command[0]).name
    limit_s = START_S + UTTERANCE_S * utterances
    try:
        done = subprocess.run(command, input=given.encode(), capture_output=True, timeout=limit_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StageError(f"{name}: cannot be used ({error})") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it did not say why"]
        raise StageError(f"{name}: ended with code {done.returncode} ({said[-1]})")
    return done.stdout
