"""What folding the normalizations and fusing operators are worth: `python -m tools.bench_fusion WORD EXAMPLES PACK`.

The network is trained for a minute, so that its normalizations are real ones, and made into a file in four ways, each
in floating-point and in INT8: how many operators it has, bytes, processor time of a step, and how far its scores on
recordings of people are from those of the trained network. EXAMPLES: what `augment` made; PACK: recordings.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from appliance.errors import ApplianceError
from appliance.wake.features import MICRO_BANDS
from tools.invoke_cost import costs_of
from tools.quantize.convert import differences, stream_scorer
from tools.quantize.examples import STEPS, read_examples
from tools.quantize.fit import Settings, fit
from tools.quantize.net import FEATURE_MAX, FIRST_ROWS, ROWS_PER_HOP, folded, scale_and_bias, scores
from tools.quantize.pack_split import negatives_of
from tools.quantize.quantize import calibration
from tools.quantize.stream import at_rest, converted, to_tflite
from tools.quantize.streams import Stream, find
from tools.quantize.validate import read_validation

TRAINED = 6_400
"""Examples that it sees, of a batch of 128 each step; 10 s."""
SPEECH = (40, 20)
"""Recordings with and without the word that the scores are compared on."""
ALMOST_ONE = 1.0 - 2.0**-20
"""The slope of a wall below 0: of 1 the converter would take it away."""


VARIANTS = {
    "nothing joined": (False, False),
    "normalizations folded": (True, False),
    "folded and fused": (True, True),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("word", help="label of the recordings")
    parser.add_argument("examples", type=Path)
    parser.add_argument("pack", type=Path)
    parser.add_argument(
        "--also", action="append", default=[], type=Path, metavar="PYTHON", help="tell the time in its runtime, too"
    )
    args = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        for line in table(args.word, args.examples, args.pack, [Path(sys.executable), *args.also]):
            print(line)
    except ApplianceError as error:
        print(f"bench-fusion: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def table(word: str, folder: Path, pack: Path, pythons: Sequence[Path]) -> Iterator[str]:
    """Train, convert, measure. Raises ApplianceError."""
    examples = read_examples(folder)
    epochs = TRAINED / len(examples.features)
    said, others = _recordings(word, pack)
    validation = read_validation(said, others, np.zeros(1, np.int16), ())
    model = fit(examples, None, validation, Settings(seed=1, epochs=epochs, judgements=1)).model
    weights = folded(model)
    speech = [one.features for one in (*validation.positives["clean"], *validation.negatives)]
    ranges = [rows * np.float32(FEATURE_MAX / STEPS) for rows in examples.features[calibration(examples)]]
    files: dict[str, bytes] = {}
    for kind, recordings in (("float", None), ("INT8", ranges)):
        for name, (fold, fuse) in VARIANTS.items():
            files[f"{kind}, {name}"] = converted(_apart(model, fold=fold, fuse=fuse), recordings)
        files[f"{kind}, as it is made"] = to_tflite(weights, recordings)
    with tempfile.TemporaryDirectory() as made:
        paths = [Path(made) / f"{index}.tflite" for index in range(len(files))]
        for path, contents in zip(paths, files.values(), strict=True):
            path.write_bytes(contents)
        costs = [costs_of(paths, python) for python in pythons]
    yield "us of a run: " + ", ".join(cost.runtime for cost in costs)
    for index, (name, contents) in enumerate(files.items()):
        apart = np.concatenate(
            [differences(stream_scorer(contents)(rows), scores(weights, rows / np.float32(STEPS))) for rows in speech]
        )
        us = " / ".join(f"{cost.us[index]:.1f}" for cost in costs)
        yield (
            f"{name}: {_operators(contents)} operators, {len(contents)} bytes, {us} us, scores differ by "
            f"{apart.max():.4f} at most, {apart.mean():.6f} in the mean of {apart.size}"
        )


def _recordings(word: str, pack: Path) -> tuple[list[Stream], list[Stream]]:
    """Some of the development part, with the word and without it."""
    said = find([pack / "manifest.jsonl"], label=word, split="dev", positive=True)
    others = [Stream(path=clip.path, clips=(clip,)) for clip in negatives_of(pack, word).dev if clip.duration_s < 30.0]
    return said[: SPEECH[0]], others[:: max(1, len(others) // SPEECH[1])]


def _apart(model: Any, *, fold: bool, fuse: bool) -> Any:
    """The network as `stream.streaming` has it, from the trained one, with four walls behind each convolution.

    The converter folds and fuses whatever it can, so only something between two operators keeps them apart: a wall is
    an operator that changes nothing. There are as many of them in each variant, so that their own cost is in all.

    fold: the normalizations are part of the weights.
    fuse: biases and rectifiers are part of the convolutions and additions.
    """
    import tensorflow as tf  # type: ignore[import-untyped,import-not-found,unused-ignore]

    kernels = [np.asarray(model.get_layer(name).get_weights()[0]) for name in _names(model, "depth")]
    mixes = [np.asarray(model.get_layer(name).get_weights()[0]) for name in ("first", *_names(model, "point"))]
    norms = [scale_and_bias(model.get_layer(name)) for name in ("first_norm", *_names(model, "norm"))]
    if fold:
        mixes = [mix * scale for mix, (scale, _) in zip(mixes, norms, strict=True)]
    last, last_bias = model.get_layer("last").get_weights()

    def walled(x: Any, times: int) -> Any:
        return walled(tf.nn.leaky_relu(x, ALMOST_ONE), times - 1) if times else x

    class Apart(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.rows = tf.Variable(tf.zeros((1, FIRST_ROWS - ROWS_PER_HOP, 1, MICRO_BANDS)), name="rows")
            self.pasts = [
                tf.Variable(np.broadcast_to(rest, (1, len(kernel) - 1, 1, rest.size)), name=f"past{index}")
                for index, (kernel, rest) in enumerate(zip(kernels, at_rest(folded(model)), strict=True))
            ]

        def mixed(self, x: Any, index: int) -> Any:
            scale, bias = norms[index]
            mix = mixes[index].reshape(-1, 1, *mixes[index].shape[-2:]) / (1.0 if index else FEATURE_MAX)
            y = tf.nn.conv2d(x, mix, 1, "VALID")
            if fuse:
                return y + bias
            return walled((walled(y, 2) if fold else walled(walled(y, 1) * scale, 1)) + bias, 1)

        def rectified(self, x: Any) -> Any:
            return walled(tf.nn.relu(x), 4) if fuse else tf.nn.relu(walled(x, 1))

        @tf.function(input_signature=[tf.TensorSpec((1, ROWS_PER_HOP, MICRO_BANDS), tf.float32)])  # type: ignore[untyped-decorator]
        def step(self, rows: Any) -> Any:
            rows = tf.quantization.fake_quant_with_min_max_args(rows, 0.0, FEATURE_MAX)
            seen = tf.concat([self.rows, rows[:, :, tf.newaxis, :]], 1)
            self.rows.assign(seen[:, ROWS_PER_HOP:])
            x = self.rectified(self.mixed(seen, 0))
            for index, (past, kernel) in enumerate(zip(self.pasts, kernels, strict=True), 1):
                heard = tf.concat([past, x], 1)
                past.assign(heard[:, 1:])
                y = tf.nn.depthwise_conv2d(heard, kernel[:, np.newaxis], (1, 1, 1, 1), "VALID")
                x = self.rectified(x + self.mixed(y, index))
            return tf.sigmoid(tf.matmul(tf.reshape(x, (1, -1)), last) + last_bias)

    return Apart()


def _names(model: Any, kind: str) -> list[str]:
    return [layer.name for layer in model.layers if layer.name.removeprefix(kind).isdigit()]


def _operators(contents: bytes) -> int:
    from tensorflow.lite.tools import flatbuffer_utils  # type: ignore[import-untyped,import-not-found,unused-ignore]

    return len(flatbuffer_utils.convert_bytearray_to_object(bytearray(contents)).subgraphs[0].operators)


if __name__ == "__main__":
    sys.exit(main())
