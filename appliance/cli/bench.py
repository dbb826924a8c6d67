"""Measure this machine: processor time, memory and delays of every stage.

Figures are printed, never judged. Quote them with the machine they come from.
"""

import argparse
import os
import platform

from appliance.bench.lateness import lateness
from appliance.bench.speech import COMMANDS, frames_of, spoken
from appliance.bench.stages import frame_costs, learning_costs, real_time_factors, resident_mb
from appliance.bench.turns import turn_times
from appliance.brains import load_brains, load_voice
from appliance.config_files import LoadedConfig
from appliance.ledger import render


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How long."""
    parser.epilog = "Example: appliance bench --seconds 60"
    parser.add_argument("--seconds", type=_seconds, default=60, metavar="S", help="length of each paced loop (60)")


def run(args: argparse.Namespace, config: LoadedConfig) -> int:
    """Print the figures, section by section."""
    idle = resident_mb()
    _title(f"machine: {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    _title("ledger of buffers")
    print(render())
    brains = load_brains(config, wake_words=["computer"])
    loaded = resident_mb()
    voice = load_voice(config, deterministic=True)
    try:
        voice.start()
        recordings = [frames_of(spoken(voice, text)) for text in COMMANDS]
        _title("processor time for one frame of 20 ms")
        print("\n".join(frame_costs(brains, recordings[0])), flush=True)
        _title("recognizer and voice")
        print("\n".join(real_time_factors(brains, voice, spoken(voice, COMMANDS[1]))), flush=True)
        _title("what is learned from the sentences")
        print("\n".join(learning_costs(config, brains, spoken(voice, COMMANDS[1]))), flush=True)
        _title("one turn, from the end of speech, at the pace of a microphone")
        print("\n".join(turn_times(brains, voice, recordings)), flush=True)
        _title("memory of the daemon's process; the voice has its own")
        print(f"  idle {idle:.0f} MB, models loaded {loaded:.0f} MB, after turns {resident_mb():.0f} MB", flush=True)
        _title(f"frames later than 20 ms, {args.seconds} s each, other cores fully loaded")
        print("\n".join(lateness(brains, voice, recordings[1], args.seconds)), flush=True)
    finally:
        voice.close()
    return 0


def _title(text: str) -> None:
    print(f"\n{text}", flush=True)


def _seconds(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number of seconds, 1 or more")
    return int(text)
