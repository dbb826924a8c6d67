"""The speech embedding in INT8: `python -m tools.bench_embedding PACK [--word WORD...] [--also PYTHON]`.

Every verifier hears with it, so what counts is what becomes of their decisions: each moment at which a word's small
network asks its verifier, in the development part's recordings, is heard with each form of the embedding.

    float          as it comes
    INT8 weights   sums in floating-point: the ranges are found as it runs
    INT8           weights and what is between the layers, ranges from recordings
"""

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from appliance import config_files, wake
from appliance.audio.format import FRAME_SAMPLES, FRAMES_PER_S, Pcm
from appliance.config_files import MANIFEST
from appliance.errors import ApplianceError, UsageError
from appliance.models import ModelStore
from appliance.runtimes.tflite import TfliteFile, TfliteModel
from appliance.wake.embedding import FILES, FIRST_END_SAMPLES
from appliance.wake.engine import WakeWord
from appliance.wake.features import MicroFrontEnd
from appliance.wake.int8 import Int8Model
from appliance.wake.verifier import VerifiedModel, Verifier
from tools.invoke_cost import costs_of
from tools.quantize import streams
from tools.quantize.augment import TEACHER
from tools.quantize.clips import Clip, read_clips, read_pcm
from tools.quantize.pack_split import negatives_of
from tools.quantize.streams import Stream

RANGES: Final = 64
"""Recordings of the training part from which the ranges of INT8 are taken."""
SNRS_DB: Final = (10.0, 5.0)
_ROWS: Final = 76

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Asked:
    """A moment at which the verifier was asked."""

    frame: int
    past: Pcm
    score: float


class Listener(Verifier):
    """A verifier that remembers what it was asked."""

    def __init__(self, head: TfliteFile, melspectrogram: TfliteFile, embedding: TfliteFile) -> None:
        """Open it."""
        super().__init__(head, melspectrogram, embedding)
        self.frame = 0
        self.asked: list[Asked] = []

    def score(self, past: Pcm) -> float:
        """0..1."""
        score = super().score(past)
        self.asked.append(Asked(self.frame, past, score))
        return score


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path, metavar="PACK")
    parser.add_argument("--word", action="append", metavar="NAME", help="models with a verifier (computer)")
    parser.add_argument(
        "--also", action="append", default=[], type=Path, metavar="PYTHON", help="tell the time in its runtime, too"
    )
    args = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        store = ModelStore(MANIFEST, config_files.load(None).models_directory)
        folder = store.folder(TEACHER)
        with contextlib.redirect_stdout(sys.stderr):  # the library tells much
            forms = quantized(folder, _mel_rows(folder, args.pack))
        for line in costs(forms, [Path(sys.executable), *args.also]):
            print(line, flush=True)
        for name in args.word or ["computer"]:
            for line in decisions(wake.find(name, store=store), forms, folder, args.pack):
                print(line, flush=True)
    except ApplianceError as error:
        print(f"bench-embedding: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def quantized(folder: Path, ranges: Sequence[Array]) -> dict[str, bytes]:
    """The forms of the embedding. Raises UsageError where the library is missing."""
    try:
        from ai_edge_quantizer import Quantizer, qtyping, recipe  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        raise UsageError(
            "ai-edge-quantizer is not installed; install it beside the other tools, for this alone"
        ) from None
    path = folder / FILES[1]
    weights = Quantizer(str(path), recipe.dynamic_wi8_afp32()).quantize().quantized_model
    whole = Quantizer(str(path), recipe.static_wi8_ai8())
    for end in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
        whole.update_quantization_recipe(regex=".*", operation_name=end, algorithm_key="no_quantize")
    found: dict[str, dict[str, Any]] = {}
    for rows in ranges:  # one by one, for over several samples it takes a running mean, which cuts the peaks off
        for tensor, limits in whole.calibrate({"serving_default": [{_input_name(path): rows}]}).items():
            known = found.setdefault(tensor, dict(limits))
            known["min"], known["max"] = (
                np.minimum(known["min"], limits["min"]),
                np.maximum(known["max"], limits["max"]),
            )
    both = whole.quantize(found).quantized_model
    return {"float": path.read_bytes(), "INT8 weights": bytes(weights), "INT8": bytes(both)}


def costs(forms: dict[str, bytes], pythons: Sequence[Path]) -> Iterator[str]:
    """Size and time of an embedding."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{index}.tflite" for index in range(len(forms))]
        for path, contents in zip(paths, forms.values(), strict=True):
            path.write_bytes(contents)
        found = [costs_of(paths, python) for python in pythons]
    for index, (name, contents) in enumerate(forms.items()):
        us = ", ".join(f"{cost.us[index]:.0f} us ({cost.runtime})" for cost in found)
        yield f"{name}: {len(contents) / 1000:.0f} kB, an embedding takes {us}"


def decisions(word: WakeWord, forms: dict[str, bytes], folder: Path, pack: Path) -> Iterator[str]:
    """What becomes of a word's misses and false accepts. Raises UsageError where it has no verifier."""
    head = word.parts.files[0].path.with_suffix(wake.VERIFIER_SUFFIX)
    if word.parts.verifier is None:
        raise UsageError(f"{word.name}: has no verifier; name a word that has one")
    mel = TfliteFile.read(folder / FILES[0], verified=True)
    verifiers = {
        name: Verifier(TfliteFile.read(head), mel, TfliteFile(folder / FILES[1], contents))
        for name, contents in forms.items()
    }
    noise = read_pcm(Clip(path=min((pack / "noise").glob("kitchen*.flac"))))
    said = streams.find([pack / "manifest.jsonl"], label=word.name, split="dev", positive=True)
    others = [Stream(path=clip.path, clips=(clip,)) for clip in negatives_of(pack, word.name).dev]
    listener = Listener(TfliteFile.read(head), mel, TfliteFile.read(folder / FILES[1], verified=True))
    conditions: dict[str, tuple[Sequence[Stream], float | None]] = {"clean": (said, None)}
    conditions |= {f"{snr_db:g} dB": (said, snr_db) for snr_db in SNRS_DB}
    for condition, (some, snr_db) in {**conditions, "without the word": (others, None)}.items():
        sounds = (streams.render(one) if snr_db is None else streams.render(one, noise, snr_db) for one in some)
        heard = [_asked(word, listener, sound.pcm) for sound in sounds]
        before = np.array([one.score for asked in heard for one in asked])
        told = []
        for name, verifier in verifiers.items():
            scores = [[verifier.score(one.past) for one in asked] for asked in heard]
            wakes = sum(_events(asked, own, word.threshold) for asked, own in zip(heard, scores, strict=True))
            hit = sum(any(score >= word.threshold for score in own) for own in scores)
            apart = np.abs(np.array([score for own in scores for score in own]) - before)
            count = f"{wakes} false accepts" if some is others else f"{len(some) - hit} of {len(some)} missed"
            told.append(f"{name} {count} (scores differ by {apart.mean():.4f}, at most {apart.max():.3f})")
        yield f"{word.name}, {condition}, asked {before.size} times: {'; '.join(told)}"


def _asked(word: WakeWord, listener: Listener, pcm: Pcm) -> list[Asked]:
    """What the verifier is asked while this is heard."""
    listener.asked = []
    front_end = MicroFrontEnd()
    model = VerifiedModel(Int8Model(word.parts.files[0]), listener, word.parts.gate, word.parts.gate_window)
    for listener.frame, frame in enumerate(pcm.reshape(-1, FRAME_SAMPLES)):
        model.process(front_end.process(frame))
    return listener.asked


def _events(asked: Sequence[Asked], scores: Sequence[float], threshold: float) -> int:
    """How often it wakes, a second apart at least."""
    frames = [one.frame for one, score in zip(asked, scores, strict=True) if score >= threshold]
    last, count = -FRAMES_PER_S, 0
    for frame in frames:
        if frame - last >= FRAMES_PER_S:
            last, count = frame, count + 1
    return count


def _mel_rows(folder: Path, pack: Path) -> list[Array]:
    """What the embedding is given of recordings of the training part, (1, 76, 32, 1) each."""
    clips = [clip for clip in read_clips(pack) if clip.split == "train" and clip.label and clip.duration_s > 1.0]
    model = TfliteModel(TfliteFile.read(folder / FILES[0], verified=True), input_shape=(1, FIRST_END_SAMPLES))
    found = []
    for clip in clips[:: max(1, len(clips) // RANGES)]:
        pcm = read_pcm(clip)
        first = (pcm.size - FIRST_END_SAMPLES) // 2
        rows = model.invoke(pcm[np.newaxis, first : first + FIRST_END_SAMPLES].astype(np.float32))
        found.append((rows.reshape(1, _ROWS, -1, 1) / 10.0 + 2.0).astype(np.float32))
    return found


def _input_name(path: Path) -> str:
    """Of the file's signature."""
    from tensorflow.lite.tools import flatbuffer_utils  # type: ignore[import-untyped,import-not-found,unused-ignore]

    (signature,) = flatbuffer_utils.read_model(str(path)).signatureDefs
    name: str = signature.inputs[0].name.decode()
    return name


if __name__ == "__main__":
    sys.exit(main())
