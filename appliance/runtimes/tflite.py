"""TensorFlow Lite models: the one place that knows which runtime is installed.

tflite-runtime 2.14 serves Python 3.11 and needs numpy 1; ai-edge-litert serves Python 3.12 and newer. Both run the same
files; INT8 outputs differ between them in 2 % of the steps, by up to 22 of 256 (measured on recordings of a wake word),
so nobody may rely on equal bits.

The library reads a damaged file without checking it and takes the whole process with it (truncated files: 18 of 32
crashed). So a file whose hash nobody has checked is opened once in a child process before it is opened here.
"""

import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.errors import ModelError

Array = npt.NDArray[Any]

_RUNTIMES = ("tflite_runtime", "ai_edge_litert")
_IDENTIFIER = b"TFL3"
"""Bytes 4 to 8 of every TensorFlow Lite file."""
_PROBE_TIMEOUT_S = 60
_PROBE = "import sys; sys.path.insert(0, sys.argv[1]); from appliance.runtimes.tflite import probe; probe(sys.argv[2])"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """Shape and number format of the input or output of a model."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    """real value = scale * (stored value - zero_point); 0 where the tensor is not quantized."""

    zero_point: int


@dataclass(frozen=True, slots=True)
class TfliteFile:
    """A model file in memory: read and checked once, opened as often as needed."""

    path: Path
    contents: bytes = field(repr=False)

    @classmethod
    def read(cls, path: Path, *, verified: bool = False) -> "TfliteFile":
        """Read a model file.

        `verified`: its hash was compared with the manifest. Otherwise a child process tries the file first (0.2 s).

        Raises:
            ModelError: the file is missing, damaged or no TensorFlow Lite model.
        """
        try:
            contents = path.read_bytes()
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error.strerror}); check the path of the model") from None
        if contents[4:8] != _IDENTIFIER:
            raise ModelError(f"{path}: not a TensorFlow Lite model; give a .tflite file or a name from the manifest")
        if not verified:
            _try_in_child(path)
        return cls(path, contents)


class TfliteModel:
    """A model with one input and one output, run on one thread. Streaming models keep their state between calls."""

    def __init__(self, file: TfliteFile, *, input_shape: tuple[int, ...] | None = None) -> None:
        """Open the model; `input_shape` fixes the sizes that the file leaves open.

        Raises:
            ModelError: the runtime refuses the file, is missing, or the model has several inputs or outputs.
        """
        self._file = file
        self._input_shape = input_shape
        self._interpreter_class = _interpreter_class()
        self.restart()

    def restart(self) -> None:
        """Forget all state. Only a new interpreter does: the variables of streaming models survive every other call."""
        try:
            interpreter = self._interpreter_class(model_content=self._file.contents, num_threads=1)
            if self._input_shape is not None:
                interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], self._input_shape)
            interpreter.allocate_tensors()
            inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        except (ValueError, RuntimeError, SystemError) as error:
            raise ModelError(
                f"{self._file.path}: the model cannot be run ({_first_line(error)}); install it again"
            ) from None
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelError(
                f"{self._file.path}: has {len(inputs)} inputs and {len(outputs)} outputs; give a model with one each"
            )
        self.input, self.output = _tensor(inputs[0]), _tensor(outputs[0])
        self._input_index, self._output_index = inputs[0]["index"], outputs[0]["index"]
        self._interpreter = interpreter

    def invoke(self, array: Array) -> Array:
        """Run once on an array of `input.shape` and `input.dtype`; the result is the caller's own copy."""
        self._interpreter.set_tensor(self._input_index, array)
        self._interpreter.invoke()
        result: Array = self._interpreter.get_tensor(self._output_index)
        return result

    def expect(self, needed: str, *, input_shape: tuple[int | None, ...], dtypes: Collection[type]) -> None:
        """Check what an engine needs: input shape (None: any size) and number formats of input and output.

        Raises:
            ModelError: naming what was found and, in the words of `needed`, what is wanted.
        """
        found = self.input.shape
        same = len(found) == len(input_shape) and all(w in (None, f) for f, w in zip(found, input_shape, strict=True))
        if not same or self.input.dtype.type not in dtypes or self.output.dtype.type not in dtypes:
            raise ModelError(
                f"{self._file.path}: takes {self.input.dtype} {found} and gives {self.output.dtype}; "
                f"{needed} is needed: choose another model or engine"
            )


def choose_runtime(installed: Collection[str], numpy_version: str) -> str:
    """Name of the package to import, given which of the two are installed.

    Raises:
        ModelError: none is, or the only one cannot work with this numpy.
    """
    numpy_is_old = int(numpy_version.split(".")[0]) < 2
    if "tflite_runtime" in installed and numpy_is_old:
        return "tflite_runtime"
    if "ai_edge_litert" in installed:
        return "ai_edge_litert"
    if "tflite_runtime" in installed:
        raise ModelError(f"tflite-runtime 2.14 fails with numpy {numpy_version}; install numpy 1.26 (make venv does)")
    raise ModelError("no TensorFlow Lite runtime is installed; run make venv")


def probe(path: str) -> None:
    """Open a file and run it once, in a process that may die of it."""
    try:
        model = TfliteModel(TfliteFile.read(Path(path), verified=True))
        model.invoke(np.zeros(model.input.shape, model.input.dtype))
    except (ModelError, ValueError, RuntimeError) as error:
        raise SystemExit(_first_line(error)) from None


def _interpreter_class() -> Any:
    runtime = choose_runtime([name for name in _RUNTIMES if find_spec(name) is not None], np.__version__)
    interpreter = import_module(f"{runtime}.interpreter").Interpreter

    class WithoutSignatures(interpreter):  # type: ignore[misc, valid-type]
        """Reading a model's signatures, which nobody here asks for, leaves ten objects behind with each interpreter."""

        def get_signature_list(self) -> dict[str, Any]:
            return {}

    return WithoutSignatures


def _try_in_child(path: Path) -> None:
    command = [sys.executable, "-c", _PROBE, str(Path(__file__).resolve().parents[2]), str(path)]
    try:
        child = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_PROBE_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise ModelError(f"{path}: the model does not finish one step; give another file") from None
    if child.returncode != 0:
        reason = child.stderr.strip().splitlines()[-1:] if child.returncode > 0 else ["it crashes the runtime"]
        raise ModelError(f"{path}: the model cannot be run ({' '.join(reason)}); install it again or give another file")


def _tensor(details: dict[str, Any]) -> Tensor:
    scale, zero_point = details["quantization"]
    shape = tuple(int(size) for size in details["shape"])
    return Tensor(shape=shape, dtype=np.dtype(details["dtype"]), scale=float(scale), zero_point=int(zero_point))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
