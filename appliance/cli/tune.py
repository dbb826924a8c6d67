"""Find the wake threshold for the place where it stands: count what would wake it falsely there.

It listens to the microphone, or reads recordings, in which nobody says the wake word. Nothing is recorded. Ctrl-C ends
it early, with the result so far.
"""

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from appliance.audio.files import FileSource
from appliance.audio.format import FRAMES_PER_S, Frame, seconds_of_frame
from appliance.audio.hardware import read
from appliance.audio.microphone import Microphone
from appliance.audio.ways import ways_to_microphone
from appliance.brains import load_vosk
from appliance.config_files import HARDWARE, MANIFEST, LoadedConfig
from appliance.errors import AudioError, UnknownModelError
from appliance.models import ModelStore
from appliance.report import describe
from appliance.wake import find
from appliance.wake.engine import JoinedEngine, WakeWord
from appliance.wake.tuning import CERTAIN, Finding, Row, Tuning

TELL_EVERY_FRAMES = 60 * FRAMES_PER_S
GIVE_UP_FRAMES = 10 * FRAMES_PER_S
"""A microphone that is lost for so long at the start is not there."""

Heard = Iterable[tuple[Frame, str]]
"""Frames, and what a person finds them by: the time of day, or file and time."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to hear, for how long, and how often it may err."""
    parser.epilog = "Examples:\n  appliance tune --hours 8 --allowed-per 24\n  appliance tune evening.flac --word alexa"
    parser.add_argument("audio", nargs="*", type=Path, metavar="AUDIO", help="sound files; none: the microphone")
    parser.add_argument("--hours", type=_hours, metavar="H", help="listen so long (the microphone: 1)")
    parser.add_argument("--word", action="append", metavar="WORD", help="instead of the configuration's; repeatable")
    parser.add_argument(
        "--allowed-per", type=_hours, default=24.0, metavar="N", help="one false wake in N hours is allowed (24)"
    )
    parser.add_argument("--json", action="store_true", help="for machines, on standard output")


def run(args: argparse.Namespace, config: LoadedConfig) -> int:
    """Listen, then tell. Raises AudioError where nothing can be heard, ModelError."""
    words = _words(args.word or config.config.wake.words, config)
    tunings = [Tuning(word, JoinedEngine(word.open_front_end(), word.open_model())) for word in words]
    if args.audio:
        listen(tunings, _files(args.audio), args.hours)
    else:
        listen(tunings, _microphone(config), args.hours or 1.0)
    findings = [tuning.finding(1.0 / args.allowed_per) for tuning in tunings]
    if args.json:
        print(msgspec.json.format(msgspec.json.encode(findings), indent=2).decode())
    else:
        print("\n\n".join(page(finding) for finding in findings))
    return 0


def listen(tunings: Sequence[Tuning], heard: Heard, hours: float | None) -> None:
    """Hear until the sound ends, the time is over, or Ctrl-C. Raises AudioError."""
    limit = None if hours is None else round(hours * 3600 * FRAMES_PER_S)
    try:
        for number, (frame, place) in enumerate(heard, start=1):
            for tuning in tunings:
                tuning.process(frame, place)
            if number % TELL_EVERY_FRAMES == 0:
                counts = ", ".join(f"{tuning.word.name} {tuning.false_wakes}" for tuning in tunings)
                print(f"{number // TELL_EVERY_FRAMES} min; false wakes so far: {counts}", file=sys.stderr)
            if number == limit:
                return
    except KeyboardInterrupt:
        print("interrupted: the result so far", file=sys.stderr)


def page(finding: Finding) -> str:
    """What a person wants to know of one word."""
    proposed, allowed_h = finding.proposed, 1.0 / finding.allowed_per_hour
    conditions = list(finding.rows[0].misses)
    lines = [
        f"{finding.word}: {finding.hours:.2f} h heard",
        "  threshold  false wakes  an hour  certain" + "".join(f"  missed {name}" for name in conditions),
        *(_line(row, finding) for row in finding.rows),
        *(f"  would have woken: {moment}" for moment in finding.moments),
    ]
    if proposed is None:
        lines.append(f"no threshold keeps within one false wake in {allowed_h:g} h; take another wake word")
        return "\n".join(lines)
    lines.append(
        f"proposed for at most one false wake in {allowed_h:g} h: wake.threshold = {proposed.threshold:g} "
        f"in the configuration; certain to {100 * proposed.certainty:.0f} %"
    )
    if proposed.certainty < CERTAIN:
        lines.append(f"to be certain to {100 * CERTAIN:.0f} %, listen for {3 * allowed_h:g} h without a false wake")
    if not conditions:
        lines.append("the model's card tells nothing of misses: try whether it hears you with a higher threshold")
    return "\n".join(lines)


def _line(row: Row, finding: Finding) -> str:
    """`certain`: how sure it is that the threshold keeps within what is allowed."""
    marks = [" (present)"] if row.threshold == finding.present_threshold else []
    marks += [" <- proposed"] if row == finding.proposed else []
    misses = "".join(f"{100 * share:{len(name) + 7}.1f} %" for name, share in row.misses.items())
    figures = f"{row.threshold:11.3f}  {row.false_wakes:11d}  {row.per_hour:7.2f}  {100 * row.certainty:5.0f} %"
    return figures + misses + "".join(marks)


def _words(names: Sequence[str], config: LoadedConfig) -> Iterator[WakeWord]:
    """With the threshold that is used at present, as the daemon does."""
    store, settings = ModelStore(MANIFEST, config.models_directory), config.config
    for name in names:
        try:
            word = find(name, store=store)
        except UnknownModelError:
            word = find(name, store=store, phrases=load_vosk(config, store))
        yield dataclasses.replace(word, threshold=settings.wake.threshold or word.threshold)


def _files(paths: Sequence[Path]) -> Iterator[tuple[Frame, str]]:
    for path in paths:
        with contextlib.closing(FileSource(path)) as source:
            for frame in source.frames():
                yield frame, f"{path.name}, {seconds_of_frame(frame.index):.1f} s"


def _microphone(config: LoadedConfig) -> Iterator[tuple[Frame, str]]:
    """Raises AudioError where there is none."""
    hardware = read(config.config.audio, HARDWARE)
    microphone = Microphone(hardware.microphone, ways_to_microphone(hardware)).start()
    print("listening; nobody should say the wake word meanwhile; Ctrl-C ends it", file=sys.stderr)
    with contextlib.closing(microphone):
        there = False
        for frame in microphone.frames():
            there = there or microphone.fault is None
            if not there and frame.index >= GIVE_UP_FRAMES:
                raise AudioError(microphone.fault or "the microphone sends nothing")
            for event in microphone.events():
                print(describe(event), file=sys.stderr)
            yield frame, f"{datetime.now():%H:%M:%S}"


def _hours(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value <= 10_000.0:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a number of hours above 0")
    return value
