"""Throw damaged files at everything that reads one: `python -m tools.fuzz_files [--inputs N] [--seed S] [TARGET...]`.

Each reader gets good files that were truncated, flipped, cut together, repeated or filled with what parsers stumble
over, in a process of its own. It may take a file, or refuse it with an error of ours in one sentence; anything else, a
crash of native code, more than 5 s, or memory that grows, is a complaint, and the exit code is 1.
"""

import argparse
import logging
import os
import pickle
import random
import resource
import select
import shutil
import signal
import struct
import sys
import tempfile
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec

from appliance.audio.files import FileSource
from appliance.bench.stages import resident_mb
from appliance.config import parse as parse_config
from appliance.config_files import MANIFEST, SHIPPED_CONFIG
from appliance.errors import ApplianceError
from appliance.events import Failed, WakeDetected, from_json, to_json
from appliance.home.remembered import Remembered
from appliance.memory import Memory
from appliance.models import ModelStore
from appliance.mqtt.journal import Journal
from appliance.runtimes.tflite import TfliteFile
from appliance.understanding import home_file
from appliance.update.manifest import File, Manifest
from appliance.update.manifest import parse as parse_manifest
from appliance.update.progress import load as load_progress
from appliance.wake.card import card_of
from appliance.worker import InlineWorker

HANG_S: Final = 5.0
GROWTH_MB: Final = 64.0
"""After the first tenth of the inputs; readers keep caches."""

NASTY: Final = (
    *(b"\x00" * 64, b"\xff" * 64, b"[" * 5000, b"{" * 5000, b"9" * 5000, b"-1", b"1e400", b"NaN", b"\xed\xa0\x80"),
    *(b'"' * 99, b"\\u0000", b"&a [*a]", b"!!python/object:os.system", b"../../etc/passwd", b"\x7fELF", b"\n\n\t\r"),
    *(struct.pack("<I", number) for number in (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)),
)


@dataclass(frozen=True, slots=True)
class Target:
    """One reader."""

    name: str
    file: str
    """How a file for it is called."""

    seeds: tuple[bytes, ...]
    """Good files."""

    read: Callable[[Path], object]


@dataclass(slots=True)
class Outcome:
    """What became of the inputs of one target."""

    taken: int = 0
    refused: int = 0
    complaints: list[str] = field(default_factory=list)
    growth_mb: float = 0.0


def targets(folder: Path) -> list[Target]:
    """Every reader of files that come from outside, or from a disk that may have failed."""
    model = MANIFEST.parent / "computer" / "computer.tflite"
    card = model.with_suffix(".json")
    event = to_json(WakeDetected(frame=7, word="computer", engine="int8", score=0.9))
    progress = b'{"installed":"1.0","latest":"1.1","step":"fetching","percent":3}'
    manifest = Manifest(version="1.1", files={"a/b": File(sha256="0" * 64, size=3)})
    return [
        Target("audio", "sound.wav", (_wave(16_000, 1, 2), _wave(44_100, 2, 2), _wave(8_000, 1, 1)), _read_audio),
        Target("configuration", "appliance.toml", (SHIPPED_CONFIG.read_bytes(),), _read_config),
        Target("home file", "home.yaml", ((SHIPPED_CONFIG.parent / "home.yaml").read_bytes(),), home_file.load),
        Target("event", "event.json", (event, to_json(Failed(frame=1, stage="voice", error="x"))), _read_event),
        Target("saved state", "memory.json", (msgspec.json.encode(Remembered()),), _read_memory),
        Target("outbox", "outbox.sqlite", (_journal(folder),), _read_journal),
        Target("update's manifest", "update.json", (msgspec.json.encode(manifest),), _read_manifest),
        Target("update's progress", "progress.json", (progress,), load_progress),
        Target("models' manifest", "manifest.toml", (MANIFEST.read_bytes(),), _read_models),
        Target("model behind its hash", "computer.tflite", (model.read_bytes(),), _read_hashed),
        Target("model's card", "computer.json", (card.read_bytes(),), _read_card),
    ]


def damaged(seeds: tuple[bytes, ...], dice: random.Random) -> bytes:
    """A good file with something wrong with it; now and then nothing but noise."""
    data = bytearray(dice.choice(seeds))
    for _ in range(dice.choice((1, 1, 1, 2, 4, 16))):
        first, last = sorted(dice.randrange(len(data) + 1) for _ in range(2))
        match dice.randrange(8):
            case 0:
                del data[first:]
            case 1 | 2 if data:
                data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
            case 3:
                data[first:first] = dice.choice(NASTY)
            case 4:
                data[first : first + 64] = dice.choice(NASTY)
            case 5:
                del data[first : min(last, first + 256)]
            case 6:
                data[first:first] = data[first : min(last, first + 256)] * dice.randrange(1, 8)
            case _:
                data[first : first + 32] = dice.randbytes(dice.randrange(64))
    return bytes(data)


def fuzz(target: Target, inputs: int, seed: int) -> Outcome:
    """In processes of their own; one that dies is followed by another, behind the input that it died of."""
    whole, begin = Outcome(), 0
    while begin < inputs:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _work(target, range(begin, inputs), seed, writing)
        os.close(writing)
        part, begin = _listen(reading, begin)
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if part is None:
            whole.complaints.append(f"input {begin - 1}: the process died or hung ({code})")
            continue
        whole.taken, whole.refused = whole.taken + part.taken, whole.refused + part.refused
        whole.growth_mb = max(whole.growth_mb, part.growth_mb)
        whole.complaints.extend(part.complaints)
    if whole.growth_mb > GROWTH_MB:
        whole.complaints.append(f"memory grew by {whole.growth_mb:.0f} MB")
    return whole


def _listen(reading: int, begin: int) -> tuple[Outcome | None, int]:
    """What the child says, and where to go on: a byte for each input, then its outcome. None: it died, or hangs."""
    said, done = b"", begin
    while True:
        ready, _, _ = select.select([reading], [], [], 4 * HANG_S)
        more = os.read(reading, 65_536) if ready else b""
        if not more:
            return None, done
        said += more
        head, mark, outcome = said.partition(b"!")
        done = begin + len(head)
        if mark and outcome.endswith(b"."):
            try:
                return pickle.loads(outcome), done
            except (pickle.UnpicklingError, EOFError):
                continue


def _work(target: Target, numbers: range, seed: int, writing: int) -> None:
    """In the child: read them all; says a byte before each, and its outcome at the end."""
    outcome, early_mb = Outcome(), 0.0
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    signal.signal(signal.SIGALRM, _hang)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / target.file
        for number in numbers:
            os.write(writing, b"-")
            path.write_bytes(damaged(target.seeds, random.Random(f"{seed} {target.name} {number}")))
            read_one(target, path, number, outcome)
            if number == numbers[len(numbers) // 10]:
                early_mb = resident_mb()
        outcome.growth_mb = resident_mb() - early_mb
    os.write(writing, b"!" + pickle.dumps(outcome))
    os._exit(0)


def read_one(target: Target, path: Path, number: int, outcome: Outcome) -> None:
    """Read one file, and note what became of it."""
    signal.setitimer(signal.ITIMER_REAL, HANG_S)
    try:
        target.read(path)
        outcome.taken += 1
    except (ApplianceError, msgspec.DecodeError) as error:
        outcome.refused += 1
        if "\n" in str(error):
            outcome.complaints.append(f"input {number}: more than one line: {str(error)[:200]!r}")
    except BaseException as error:  # what is looked for
        outcome.complaints.append(f"input {number}: {error!r:.200}")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _hang(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError(f"no end after {HANG_S} s")


def _read_audio(path: Path) -> None:
    source = FileSource(path)
    try:
        for frame in source.frames():
            assert frame.pcm.shape == (320,)
    finally:
        source.close()


def _read_config(path: Path) -> None:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        return
    parse_config(text, path.name)


def _read_event(path: Path) -> None:
    """Subscribers get `msgspec.DecodeError`, as promised."""
    from_json(path.read_bytes())


def _read_memory(path: Path) -> None:
    path.with_suffix(".damaged").unlink(missing_ok=True)
    Memory(path, InlineWorker("memory", failed=_failed)).load()


def _failed(stage: str, error: Exception) -> None:
    raise error


def _read_journal(path: Path) -> None:
    journal = Journal(path)
    try:
        journal.open()
    finally:
        journal.close()
        for rest in path.parent.glob(f"{path.name}?*"):
            rest.unlink()


def _read_manifest(path: Path) -> None:
    parse_manifest(path.read_bytes())


def _read_models(path: Path) -> None:
    ModelStore(path, path.parent)


def _read_hashed(path: Path) -> None:
    """Whatever is in it, nothing but the file that the manifest means is ever opened."""
    folder = path.parent / "models" / "computer"
    if not folder.exists():
        shutil.copytree(MANIFEST.parent / "computer", folder)
    shutil.copyfile(path, folder / path.name)
    ModelStore(MANIFEST, folder.parent).folder("computer")
    good = (MANIFEST.parent / "computer" / path.name).read_bytes()
    assert path.read_bytes() == good, "a model of other content was taken"


def _read_card(path: Path) -> None:
    model = (MANIFEST.parent / "computer" / "computer.tflite").read_bytes()
    card_of(TfliteFile(path.with_suffix(".tflite"), model))


def _journal(folder: Path) -> bytes:
    journal = Journal(folder / "seed.sqlite")
    journal.open()
    journal.close()
    return (folder / "seed.sqlite").read_bytes()


def _wave(rate_hz: int, channels: int, sample_bytes: int) -> bytes:
    with tempfile.NamedTemporaryFile() as file, wave.open(file.name, "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(sample_bytes)
        sound.setframerate(rate_hz)
        sound.writeframes(random.Random(1).randbytes(2000 * channels * sample_bytes))
        sound.close()
        return Path(file.name).read_bytes()


def main() -> int:
    """Fuzz, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="TARGET", help="words of targets; none: all")
    parser.add_argument("--inputs", type=int, default=20_000, metavar="N", help="for each target")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    args = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        known = targets(Path(folder))
        for name in args.names:
            if not any(name in target.name for target in known):
                parser.error(f"no target {name!r}; there are: {', '.join(target.name for target in known)}")
        for target in known:
            if args.names and not any(name in target.name for name in args.names):
                continue
            outcome = fuzz(target, args.inputs, args.seed)
            bad += len(outcome.complaints)
            print(
                f"{target.name}: {args.inputs} tried, {outcome.taken} taken, {outcome.refused} refused, "
                f"{len(outcome.complaints)} complaints, memory {outcome.growth_mb:+.1f} MB",
                flush=True,
            )
            for complaint in outcome.complaints[:10]:
                print(f"fuzz: {target.name}: {complaint}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
