"""Make a voice smaller: the first of its two networks in INT8, installed beside the voice that it was made of.

Of `piper-en-us-joe` 22 MB are left of 63, and its process needs 105 MB instead of 141. It is no faster: on an x86-64
processor it takes a tenth longer. The second network, which makes the sound, stays as it is: in INT8 its noise is 20 dB
below the sound.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Final

from appliance import config_files
from appliance.errors import ConfigError, StageError, UsageError
from appliance.models import Kind, ModelEntry, sha256_of
from tools.quantize.install import Place, enter

SECOND_NETWORK: Final = "/dec/"
"""What the names of its nodes begin with, in the models that Piper's training writes."""

_ENTRY = """[[model]]
name = {name}
kind = "voice"
purpose = {purpose}
licence = {licence}
card = {card}
size_bytes = {size_bytes}
sources = [{{ path = {name} }}]
[model.files]
{files}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which voice."""
    parser.epilog = "Example: python -m tools.quantize voice piper-en-us-joe"
    parser.add_argument("voice", metavar="NAME", help="an installed voice")
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration of the appliance")


def run(args: argparse.Namespace) -> int:
    """Quantize and install. Raises ApplianceError."""
    place = Place(folder=config_files.load(args.config).models_directory)
    entry = place.store().entry(args.voice)
    if entry.kind is not Kind.VOICE:
        raise UsageError(f"{args.voice} is a {entry.kind}, no voice; see appliance models list")
    name = f"{args.voice}-int8"
    make(place.store().folder(args.voice), entry, name, place)
    print(f'{name}: installed; write it into the configuration: models.voice = "{name}"', file=sys.stderr)
    return 0


def make(voice: Path, entry: ModelEntry, name: str, place: Place) -> None:
    """Quantize the voice in a folder and install it under another name.

    Raises:
        StageError: the package `onnx` is not in this Python.
        ModelError, ConfigError: the name is taken, or a file cannot be written.
    """
    (model,) = voice.glob("*.onnx")
    new, target = place.folder / f".{name}.new", place.folder / name
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        quantize_first_network(model, new / model.name)
        shutil.copyfile(f"{model}.json", new / f"{model.name}.json")
        block = block_of(entry, name, new)
        shutil.rmtree(target, ignore_errors=True)
        new.rename(target)
    except OSError as error:
        raise ConfigError(f"{error.filename or place.folder}: cannot be written ({error.strerror})") from None
    enter(place, name, block)


def block_of(entry: ModelEntry, name: str, folder: Path) -> str:
    """What the manifest says of it."""
    files = sorted(folder.iterdir())
    return _ENTRY.format(
        name=json.dumps(name),
        purpose=json.dumps(f"{entry.purpose} Its first network in INT8."),
        licence=json.dumps(entry.licence),
        card=json.dumps(entry.card),
        size_bytes=sum(file.stat().st_size for file in files),
        files="\n".join(f'"{file.name}" = "{sha256_of(file)}"' for file in files),
    )


def quantize_first_network(model: Path, target: Path) -> None:
    """Weights in 8 bits, and what they are multiplied with too, as it comes. Raises StageError."""
    try:
        import onnx  # type: ignore[import-not-found]
    except ImportError:
        raise StageError("onnx: not in this Python; type: make venv-tools, and use .venv-tools/bin/python") from None
    from onnxruntime.quantization import QuantType, quantize_dynamic  # type: ignore[import-untyped]

    names = [node.name for node in onnx.load(str(model)).graph.node]
    quantize_dynamic(
        str(model),
        str(target),
        weight_type=QuantType.QUInt8,
        op_types_to_quantize=["Conv", "MatMul"],
        nodes_to_exclude=[name for name in names if name.startswith(SECOND_NETWORK)],
    )
