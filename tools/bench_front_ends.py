"""PCAN, log-mel and MFCC under the same network: `python -m tools.bench_front_ends WORD --clips PATH... --pack PACK`.

The same altered sounds, the same number of steps, no teacher; judged on the development part's recordings of people:
misses clean and in noise at the same false accepts, and the processor time of each front end for 20 ms.

    PCAN     the device's: mel bands, noise reduction, gain control for each band, logarithm
    log-mel  the logarithms of the same 40 mel bands, nothing else
    MFCC     the first 20 coefficients of their cosine transform
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from appliance.audio.format import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm
from appliance.errors import ApplianceError
from appliance.wake.features import MICRO_BANDS, MicroFeatures
from tools.quantize.augment import read_material
from tools.quantize.clips import Clip, read_pcm
from tools.quantize.examples import ROWS, SHARES, Examples, Kind, RowFrontEnd, features_of, read_examples, sound_of
from tools.quantize.fit import Settings, fit
from tools.quantize.intervals import share_interval
from tools.quantize.net import FEATURE_MAX, Shape, build
from tools.quantize.pack_split import negatives_of
from tools.quantize.streams import Stream, find, render
from tools.quantize.validate import Verdict, read_validation

Array = npt.NDArray[np.float32]

SHARD: Final = 1000
SNRS_DB: Final = (10.0, 5.0)
RATES_PER_H: Final = (2.0, 8.0, 30.0)
COEFFICIENTS: Final = 20
WINDOW_SAMPLES: Final = SAMPLE_RATE_HZ * 30 // 1000
STEP_SAMPLES: Final = SAMPLE_RATE_HZ // 100
_FFT: Final = 512
_LOWEST_HZ, _HIGHEST_HZ = 125.0, 7500.0
"""Of the micro front end; it has the same windows and steps, too."""
_QUIETEST: Final = 5.0
"""Logarithm of the energy of a band that becomes 0; 26 more is the loudest that int16 holds."""


class LogMel:
    """Logarithms of mel bands, in numpy."""

    def __init__(self) -> None:
        """Make the bands."""
        self._past: Pcm = np.zeros(0, np.int16)
        self._window = np.hanning(WINDOW_SAMPLES + 1)[:-1].astype(np.float32)
        self._bands = mel_bands()

    def process(self, pcm: Pcm) -> Array:
        """One frame, int16 (320,), to float32 (n, 40) in 0..26; n is 2, in the first frame 0."""
        past: Pcm = np.concatenate([self._past, pcm])
        count = max(0, (past.size - WINDOW_SAMPLES) // STEP_SAMPLES + 1)
        self._past = past[count * STEP_SAMPLES :]
        if not count:
            return np.zeros((0, MICRO_BANDS), np.float32)
        windows = np.lib.stride_tricks.as_strided(
            past, (count, WINDOW_SAMPLES), (STEP_SAMPLES * past.itemsize, past.itemsize), writeable=False
        )
        spectrum = np.fft.rfft(windows * self._window, _FFT)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        rows: Array = np.clip(np.log(power @ self._bands + 1.0) - _QUIETEST, 0.0, FEATURE_MAX)
        return rows

    def reset(self) -> None:
        """Forget the past."""
        self._past = np.zeros(0, np.int16)


class Mfcc(LogMel):
    """Cosine transforms of these; only to tell the time, for the network has the transform before its first layer."""

    def process(self, pcm: Pcm) -> Array:
        """One frame, int16 (320,), to float32 (n, 20)."""
        rows: Array = super().process(pcm) @ COSINES
        return rows


def mel_bands() -> Array:
    """Triangles that overlap by half, (257, 40)."""
    lowest, highest = (1127.0 * np.log1p(hz / 700.0) for hz in (_LOWEST_HZ, _HIGHEST_HZ))
    centres = np.linspace(lowest, highest, MICRO_BANDS + 2)
    mel = 1127.0 * np.log1p(np.fft.rfftfreq(_FFT, 1.0 / SAMPLE_RATE_HZ) / 700.0)
    rising = (mel[:, np.newaxis] - centres[:-2]) / np.diff(centres)[:-1]
    falling = (centres[2:] - mel[:, np.newaxis]) / np.diff(centres)[1:]
    bands: Array = np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
    return bands


def _cosines() -> Array:
    places = (np.arange(MICRO_BANDS) + 0.5) * np.pi / MICRO_BANDS
    cosines: Array = (np.cos(np.outer(places, np.arange(COEFFICIENTS))) * np.sqrt(2 / MICRO_BANDS)).astype(np.float32)
    return cosines


COSINES: Final = _cosines()


FRONT_ENDS: Final[dict[str, Callable[[], RowFrontEnd]]] = {"pcan": MicroFeatures, "log-mel": LogMel}
COMPARED: Final = {"PCAN": "pcan", "log-mel": "log-mel", "MFCC": "log-mel"}
"""And the front end that it stands on."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("word", help="label of the clips that hold the word")
    parser.add_argument("--clips", nargs="+", type=Path, required=True, metavar="PATH", help="to train with")
    parser.add_argument("--pack", type=Path, required=True, help="recordings to judge with: their development part")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="for examples and figures, to go on with"
    )
    parser.add_argument("--examples", type=int, default=4000, metavar="N", help="altered sounds to train with (4000)")
    parser.add_argument("--epochs", type=float, default=10.0, metavar="N", help="times that each is seen (10)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2], metavar="N", help="trainings (1 2)")
    args = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        make(args.word, tuple(args.clips), args.examples, args.out)
        for line in costs(args.pack, args.word):
            print(line, flush=True)
        for seed in args.seeds:
            for name in COMPARED:
                settings = Settings(seed=seed, epochs=args.epochs, judgements=2)
                print(figures(name, args.word, args.pack, args.out, settings), flush=True)
    except ApplianceError as error:
        print(f"bench-front-ends: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def make(word: str, clips: tuple[Path, ...], count: int, out: Path) -> None:
    """The same sounds through each front end, in shards; as many with the word as a batch has of them."""
    counts = {Kind.WORD: round(0.38 * count)} | {kind: round(0.62 * share * count) for kind, share in SHARES.items()}
    numbers = [(kind, number) for kind, wanted in counts.items() for number in range(wanted)]
    for name in FRONT_ENDS:
        (out / name).mkdir(parents=True, exist_ok=True)
    for first in range(0, len(numbers), SHARD):
        shards = {name: out / name / f"{first:06d}.npz" for name in FRONT_ENDS}
        if all(path.exists() for path in shards.values()):
            continue
        material = read_material(word, clips).material
        sounds = [sound_of(material, kind, number, 1) for kind, number in numbers[first : first + SHARD]]
        for name, path in shards.items():
            front_end = FRONT_ENDS[name]()
            Examples(
                features=np.stack([features_of(pcm, front_end)[-ROWS:] for pcm, _, _ in sounds]),
                word_end_row=np.array([row for _, row, _ in sounds], np.int32),
                weight=np.ones(len(sounds), np.float32),
                clip=np.array([clip for _, _, clip in sounds], np.int32),
                embedding=np.zeros((len(sounds), 0, 0), np.float16),
            ).save(path)


def costs(pack: Path, word: str) -> Iterator[str]:
    """What each front end costs, on a recording."""
    pcm = render(_others(pack, word)[0]).pcm
    for front_end in (MicroFeatures(), LogMel(), Mfcc()):
        yield f"{type(front_end).__name__}: {us_per_frame(front_end.process, pcm):.1f} us for 20 ms"


def figures(name: str, word: str, pack: Path, out: Path, settings: Settings) -> str:
    """Train and judge, unless that was done; a line for each rate of false accepts. Raises AudioError."""
    done = out / f"{name}-{settings.seed}.txt"
    if not done.exists():
        import keras  # type: ignore[import-untyped,import-not-found,unused-ignore]

        front_end = COMPARED[name]
        said = find([pack / "manifest.jsonl"], label=word, split="dev", positive=True)
        noise = read_pcm(Clip(path=min((pack / "noise").glob("kitchen*.flac"))))
        validation = read_validation(said, _others(pack, word), noise, SNRS_DB, FRONT_ENDS[front_end]())
        keras.utils.set_random_seed(settings.seed)
        start = build(Shape(), before=_transform()) if name == "MFCC" else None
        verdict = fit(read_examples(out / front_end), None, validation, settings, start=start).verdict
        done.write_text(_told(f"{name}, seed {settings.seed}", verdict), encoding="utf-8")
    return done.read_text(encoding="utf-8")


def _told(name: str, verdict: Verdict) -> str:
    lines = [f"{name}: cost {verdict.cost:.4f}"]
    for rate in RATES_PER_H:
        threshold = verdict.threshold(rate)
        missed = []
        for condition, peaks in verdict.heard.items():
            lost = int((peaks < threshold).sum())
            low, high = share_interval(lost, peaks.size)
            missed.append(f"{condition} {100 * lost / peaks.size:.1f} ({100 * low:.1f}..{100 * high:.1f})")
        lines.append(f"  at most {rate:g} false accepts/h in {verdict.hours:.2f} h: missed % {', '.join(missed)}")
    return "\n".join(lines)


def _others(pack: Path, word: str) -> list[Stream]:
    return [Stream(path=clip.path, clips=(clip,)) for clip in negatives_of(pack, word).dev]


def us_per_frame(process: Callable[[Pcm], Any], pcm: Pcm) -> float:
    """Processor time, in microseconds; the lowest mean of many blocks of 2 s."""
    frames = np.resize(pcm, 100 * FRAME_SAMPLES).reshape(-1, FRAME_SAMPLES)
    spent = []
    for _ in range(60):
        began_s = time.process_time()
        for frame in frames:
            process(frame)
        spent.append((time.process_time() - began_s) / len(frames))
    return min(spent) * 1e6


def _transform() -> Any:
    import keras  # type: ignore[import-untyped,import-not-found,unused-ignore]

    layer = keras.layers.Dense(COEFFICIENTS, use_bias=False, trainable=False, name="cosines")
    layer.build((None, None, MICRO_BANDS))
    layer.set_weights([COSINES])
    return layer


if __name__ == "__main__":
    sys.exit(main())
