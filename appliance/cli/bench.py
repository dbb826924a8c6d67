"""Measure this machine: processor time, memory and delays of every stage.

Figures are printed, never judged. Quote them with the machine they come from. `turns` alone: how long a turn takes,
stage by stage, in recordings of yours or in spoken sentences, with a picture. `lateness` alone: is a frame ever late in
turn after turn, while all other cores are busy?
"""

import argparse
import os
import platform
import sys
from pathlib import Path

from appliance.audio.files import FileSource
from appliance.audio.sources import Source
from appliance.bench import projection, waterfall
from appliance.bench.answers import answer_figures
from appliance.bench.lateness import lateness
from appliance.bench.speech import COMMANDS, TURNS, WITHOUT_TIMERS, frames_of, spoken
from appliance.bench.stages import frame_costs, learning_costs, real_time_factors, resident_mb
from appliance.bench.turns import Frames, slowest, summary, table, timed_turns, typical
from appliance.brains import Brains, load_brains, load_voice
from appliance.config_files import LoadedConfig
from appliance.errors import AudioError, UsageError
from appliance.ledger import render
from appliance.voice.voice import Voice


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What, how long, and with which recordings."""
    parser.epilog = "Example: appliance bench turns --realtime --svg turns.svg"
    parser.add_argument(
        "what",
        nargs="?",
        choices=("all", "turns", "lateness"),
        default="all",
        help="all (default), or turns or lateness alone",
    )
    parser.add_argument("--seconds", type=_seconds, default=60, metavar="S", help="length of each paced loop (60)")
    turns = parser.add_argument_group("turns")
    turns.add_argument("audio", nargs="*", type=Path, metavar="AUDIO", help="recordings instead of spoken sentences")
    turns.add_argument("--wake-word", default="computer", metavar="WORD", help="in the recordings (computer)")
    turns.add_argument("--realtime", action="store_true", help="at the pace of a microphone, slow work on threads")
    turns.add_argument("--svg", type=Path, metavar="FILE", help="draw a typical turn and the slowest one")


def run(args: argparse.Namespace, config: LoadedConfig) -> int:
    """Print the figures, section by section."""
    idle = resident_mb()
    _title(f"machine: {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    brains = load_brains(config, wake_words=[args.wake_word])
    loaded = resident_mb()
    voice = load_voice(config, deterministic=True)
    try:
        voice.start()
        if args.what == "turns":
            _turns(args, brains, voice)
        elif args.what == "lateness":
            _lateness(args.seconds, brains, voice)
        else:
            _all(args.seconds, brains, voice, (idle, loaded))
    finally:
        voice.close()
    return 0


def _all(seconds: int, brains: Brains, voice: Voice, before_mb: tuple[float, float]) -> None:
    config = brains.loaded
    _title("ledger of buffers")
    print(render())
    recordings = [frames_of(spoken(voice, text)) for text in COMMANDS]
    _title("processor time for one frame of 20 ms")
    print("\n".join(frame_costs(brains, recordings[0])), flush=True)
    _title("recognizer")
    print("\n".join(real_time_factors(brains, spoken(voice, COMMANDS[1]))), flush=True)
    _title("answers, from the order to the first sound")
    print("\n".join(answer_figures(voice)), flush=True)
    _title("what is learned from the sentences")
    print("\n".join(learning_costs(config, brains, spoken(voice, COMMANDS[1]))), flush=True)
    _title("turns, from the end of speech, at the pace of a microphone")
    named = [(text, Frames(frames)) for text, frames in zip(COMMANDS, recordings, strict=True)]
    service = config.config.service
    turns = timed_turns(brains, voice, named, realtime=True)
    print("\n".join(summary(turns, service.target_ms, service.allowed_share) if turns else ["  none"]), flush=True)
    _title("memory of the daemon's process; the voice has its own")
    idle, loaded = before_mb
    print(f"  idle {idle:.0f} MB, models loaded {loaded:.0f} MB, after turns {resident_mb():.0f} MB", flush=True)
    _lateness(seconds, brains, voice)


def _lateness(seconds: int, brains: Brains, voice: Voice) -> None:
    _title(f"frames later than 20 ms, {seconds} s each, other cores fully loaded")
    frames = [frame for text in WITHOUT_TIMERS for frame in frames_of(spoken(voice, text, before_s=1.0, after_s=2.5))]
    print("\n".join(lateness(brains, voice, frames, seconds)), flush=True)


def _turns(args: argparse.Namespace, brains: Brains, voice: Voice) -> None:
    service = brains.loaded.config.service
    recordings: list[tuple[str, Source]] = [(path.name, FileSource(path)) for path in args.audio]
    if not recordings:
        recordings = [(text, Frames(frames_of(spoken(voice, text, after_s=3.0)))) for text in TURNS]
    turns = timed_turns(brains, voice, recordings, realtime=args.realtime)
    if not turns:
        raise AudioError(f'bench turns: no turn was heard in these recordings; do they say "{args.wake_word}" first?')
    _title("turns, at the pace of a microphone" if args.realtime else "turns, in line: processor time comes on top")
    print("\n".join(summary(turns, service.target_ms, service.allowed_share)))
    _title("each of them")
    print("\n".join(table(turns)))
    _title("projection from operations, not measured there")
    print("\n".join(projection.projected(turns, projection.rate_here())))
    if args.svg:
        shown = [("a typical turn", typical(turns)), ("the slowest turn", slowest(turns))]
        try:
            args.svg.write_text(waterfall.picture(shown, service.target_ms), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--svg {args.svg}: cannot be written ({error.strerror}); name another file") from None
        print(f"drawn: {args.svg}", file=sys.stderr)


def _title(text: str) -> None:
    print(f"\n{text}", flush=True)


def _seconds(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number of seconds, 1 or more")
    return int(text)
