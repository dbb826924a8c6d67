"""Days in minutes: `python -m tools.soak [--hours 24] [--json]`. Does the appliance grow, and does its time drift?

A whole daemon, with its workers, its voice and a broker, hears a room faster than real time, as a microphone of 44.1
kHz stereo gives it: a command in each minute, people who talk of something else, noise. It hurries where nothing is
waited for, and takes its time where threads work. Figures are printed, never judged; slopes leave out the first hour.
"""

import argparse
import ctypes
import gc
import logging
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from appliance import config_files, garbage
from appliance.audio.convert import Converter, resample
from appliance.audio.format import FRAME_MS, SAMPLE_RATE_HZ, Frame
from appliance.audio.speakers import SilentSpeaker
from appliance.bench.speech import ROOM_NOISE_RMS, TURNS, spoken
from appliance.brains import load_brains, load_voice
from appliance.config import Mqtt
from appliance.config_files import LoadedConfig
from appliance.daemon import Daemon
from appliance.demo.broker import demo_broker
from appliance.errors import ApplianceError
from appliance.events import Event, Failed, IntentRecognized, State, StateChanged, WakeDetected
from appliance.notify import Notifier
from appliance.status import MicrophoneStatus

RATE_HZ: Final = 44_100
MINUTE_S: Final = 60
COMMAND_AT_S: Final = 10
TALK_AT_S: Final = 35

COMMANDS: Final = tuple(text for text in TURNS if not re.search("what time|wake me|set a timer", text))
"""The others leave something behind on purpose: an answer for each minute of the day, of which 4 MB are kept, which
would take a day to fill; and what will ring."""

TALK: Final = "They say that the summer was far too dry for the apples, and the harvest will be late this year."

SAMPLE_EVERY_MINUTES: Final = 10
REST_LOOKS: Final = 10
LOOK_S: Final = 0.02
"""So many in a row that find a process asleep: it is at rest."""

REST_WITHIN_S: Final = 120
"""What it was last told to say takes seconds, also where others have the processor."""

LEAST_HOURS: Final = 0.17
"""Ten minutes, after which it looks for the first time."""

WARM_MINUTES: Final = 60
WEEK_HOURS: Final = 24 * 7

PACE: Final = {State.IDLE: 0.0, State.LISTENING: 0.1, State.THINKING: 1.0, State.SPEAKING: 0.15}
"""How long a frame takes, of the time that it really takes; in other states a tenth."""


Sound = npt.NDArray[np.float32]
"""Mono, 44.1 kHz, full scale 1.0."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """How big the process is, at rest."""

    hours: float
    """Of sound."""

    memory_mb: float
    """The daemon's own, see `own_mb`."""

    voice_mb: float
    """The same of its voice."""

    allocated_kb: float
    """What it has of malloc and not given back: resident memory moves by pages, and with what lies between."""

    blocks: int
    """Python's own small blocks."""

    threads: int
    descriptors: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    hours: float
    wall_s: float
    processor_s: float
    commands: int
    understood: int
    """Turns that recognized a command."""

    failed: list[str]
    drift_ms: float
    """Most by which the frame of a wake moved against its sound, from the first time that a command was said."""

    memory_mb_a_week: float | None
    """Slope after the first hour; None: it was not longer."""

    allocated_kb_an_hour: float | None
    samples: list[Sample]

    def lines(self) -> list[str]:
        """For people."""
        first, last = self.samples[0], self.samples[-1]
        lines = [
            f"{self.hours:g} h of sound in {self.wall_s:.0f} s, {self.processor_s:.0f} s of processor time",
            f"  {self.understood} of {self.commands} commands recognized; failures: {self.failed or 0}",
            f"  frames against sound: {self.drift_ms:.0f} ms",
        ]
        for sample in (first, last):
            lines.append(
                f"  after {sample.hours:5.2f} h: {sample.memory_mb:.1f} MB ({sample.allocated_kb:.0f} kB of malloc, "
                f"{sample.blocks} blocks), voice {sample.voice_mb:.1f} MB, {sample.threads} threads, "
                f"{sample.descriptors} descriptors"
            )
        if self.memory_mb_a_week is not None:
            lines.append(
                f"  slope: {self.memory_mb_a_week:+.2f} MB a week, malloc {self.allocated_kb_an_hour:+.1f} kB/h"
            )
        return lines


class Room:
    """The source: minutes of sound, faster than they pass, from a device of 44.1 kHz stereo."""

    def __init__(self, commands: Sequence[Sound], talk: Sound, hours: float, tell: Callable[[Sample], None]) -> None:
        """`commands`: in turns, one a minute. `tell` gets each sample as it is taken."""
        self.samples: list[Sample] = []
        self.commands = 0
        self.understood = 0
        self.failed: list[str] = []
        self.drift_ms = 0.0
        self._commands = commands
        self._talk = talk
        self._tell = tell
        self._minutes = round(hours * 60)
        self._state = State.IDLE
        self._woken_ms: dict[int, float] = {}
        noise = np.random.default_rng(1).normal(0.0, ROOM_NOISE_RMS / 32768, (MINUTE_S * RATE_HZ, 2))
        self._noise = noise.astype(np.float32)
        self._minute = np.empty_like(self._noise)  # the same each time: what grows is to be the appliance

    def frames(self) -> Iterator[Frame]:
        """All of it."""
        converter, block = Converter(RATE_HZ, 2), RATE_HZ // 50
        for minute in range(self._minutes):
            sound = self._minute
            np.copyto(sound, self._noise)
            self._command = minute % len(self._commands)
            self._began_ms = minute * MINUTE_S * 1000
            self.commands += 1
            for at_s, said in ((COMMAND_AT_S, self._commands[self._command]), (TALK_AT_S, self._talk)):
                sound[at_s * RATE_HZ : at_s * RATE_HZ + said.size] += said[:, np.newaxis]
            for begin in range(0, len(sound), block):
                for frame in converter.feed(sound[begin : begin + block]):
                    yield frame
                    if pace := PACE.get(self._state, 0.1):
                        time.sleep(pace * FRAME_MS / 1000)
            if minute % SAMPLE_EVERY_MINUTES == SAMPLE_EVERY_MINUTES - 1:
                self.samples.append(sample((minute + 1) / 60))
                self._tell(self.samples[-1])

    def take(self, event: Event) -> None:
        """Every event."""
        match event:
            case StateChanged():
                self._state = event.to
            case WakeDetected():
                late_ms = event.frame * FRAME_MS - self._began_ms
                first_ms = self._woken_ms.setdefault(self._command, late_ms)
                self.drift_ms = max(self.drift_ms, abs(late_ms - first_ms))
            case IntentRecognized():
                self.understood += 1
            case Failed():
                self.failed.append(f"{event.stage}: {event.error}")

    def events(self) -> list[Event]:
        """None ever."""
        return []

    def start(self) -> None:
        """Nothing to start."""

    def pause(self, on: bool) -> None:
        """It is never muted."""

    @property
    def waiting(self) -> None:
        """Nothing waits: who hurries, asks."""
        return None

    def status(self) -> MicrophoneStatus:
        """It is there."""
        return MicrophoneStatus(name="soak", present=True, muted=False)

    def close(self) -> None:
        """Nothing to free."""


def sample(hours: float) -> Sample:
    """The size of this process now, when its voice has ended what it is at: answers are made ahead at any time."""
    children = [child for path in Path("/proc/self/task").glob("*/children") for child in path.read_text().split()]
    voices = [int(child) for child in children if b"piper" in Path("/proc", child, "cmdline").read_bytes()]
    for voice in voices:
        settle(voice)
    gc.collect()
    return Sample(
        hours=round(hours, 3),
        memory_mb=round(own_mb(os.getpid()), 3),
        voice_mb=round(sum(own_mb(voice) for voice in voices), 3),
        allocated_kb=round(_allocated_bytes() / 1024, 1),
        blocks=sys.getallocatedblocks(),
        threads=threading.active_count(),
        descriptors=len(os.listdir("/proc/self/fd")),
    )


def settle(process: int) -> None:
    """Wait until it is at rest: none of its threads works, or would if it were its turn.

    Raises:
        TimeoutError: it does not rest within REST_WITHIN_S.
    """
    looks, latest_s = 0, time.monotonic() + REST_WITHIN_S
    while looks < REST_LOOKS:
        if time.monotonic() > latest_s:
            raise TimeoutError(f"process {process} has worked for {REST_WITHIN_S} s without anything to do")
        time.sleep(LOOK_S)
        states = [
            task.read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{process}").glob("task/*/stat")
        ]
        looks = 0 if {"R", "D"}.intersection(states) else looks + 1


def own_mb(process: int) -> float:
    """Resident, but for what lies in files, which the kernel drops and reads again as it likes."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon:", "RssShmem:"))) / 1024


class _Mallinfo(ctypes.Structure):
    """`struct mallinfo2` of glibc 2.33 and newer."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "allocated", "free", "top")
    )


def _allocated_bytes() -> int:
    """In all arenas, and in mappings of their own; 0 where the C library does not tell."""
    try:
        tell = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        return 0
    tell.restype = _Mallinfo
    told = tell()
    return int(told.allocated + told.hblkhd)


def slope(samples: Sequence[Sample], name: str) -> float | None:
    """Of a figure an hour, by least squares, after the first hour; None where there are too few."""
    warm = [row for row in samples if row.hours > WARM_MINUTES / 60]
    if len(warm) < 3:
        return None
    return float(np.polyfit([row.hours for row in warm], [getattr(row, name) for row in warm], 1)[0])


def soak(loaded: LoadedConfig, hours: float, tell: Callable[[Sample], None] = lambda sample: None) -> Figures:
    """Let it hear so many hours. Raises ApplianceError."""
    voice = load_voice(loaded, deterministic=True)
    try:
        said = [spoken(voice, text, before_s=0.0, after_s=0.0) for text in (*COMMANDS, TALK)]
    finally:
        voice.close()
    *commands, talk = [resample(pcm, SAMPLE_RATE_HZ, RATE_HZ).astype(np.float32) / 32768 for pcm in said]
    room = Room(commands, talk, hours, tell)
    daemon = Daemon(load_brains(loaded), room, SilentSpeaker(), notifier=Notifier({}), listeners=[room.take])
    garbage.settle()
    began_s, used_s = time.monotonic(), time.process_time()
    daemon.run()
    by_hour = slope(room.samples, "memory_mb")
    return Figures(
        hours=hours,
        wall_s=round(time.monotonic() - began_s, 1),
        processor_s=round(time.process_time() - used_s, 1),
        commands=room.commands,
        understood=room.understood,
        failed=room.failed,
        drift_ms=room.drift_ms,
        memory_mb_a_week=None if by_hour is None else round(by_hour * WEEK_HOURS, 3),
        allocated_kb_an_hour=slope(room.samples, "allocated_kb"),
        samples=room.samples,
    )


def settings(folder: Path, port: int) -> LoadedConfig:
    """The usual ones, with a broker and a folder of its own."""
    loaded = config_files.load(None)
    config = msgspec.structs.replace(
        loaded.config,
        device=msgspec.structs.replace(loaded.config.device, id=f"soak-{os.getpid()}"),
        mqtt=Mqtt(host="127.0.0.1", port=port),
    )
    return LoadedConfig(config=config, folder=loaded.folder, state=folder)


def main() -> int:
    """Soak, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--hours", type=float, default=24.0, metavar="H", help="of sound (24)")
    parser.add_argument("--json", action="store_true", help="one JSON object, with all samples")
    args = parser.parse_args()
    if args.hours < LEAST_HOURS:
        parser.error(
            f"--hours {args.hours:g}: give {LEAST_HOURS} or more, for it is looked at every ten minutes of sound"
        )
    logging.basicConfig(level="WARNING")
    try:
        with demo_broker() as port, tempfile.TemporaryDirectory() as folder:
            figures = soak(settings(Path(folder), port), args.hours, _tell)
    except ApplianceError as error:
        print(f"soak: {error}", file=sys.stderr)
        return error.exit_code
    print(msgspec.json.encode(figures).decode() if args.json else "\n".join(figures.lines()))
    return 0


def _tell(sample: Sample) -> None:
    print(f"soak: {msgspec.json.encode(sample).decode()}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
