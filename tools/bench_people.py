"""Real people through the whole appliance: `python -m tools.bench_people PACK [--every N]`.

Wake-word clips, each followed by a real command of another recording, are replayed clean and in kitchen noise; then the
commands alone go through `understand`. Prints counts with 95 % intervals (Wilson). PACK is the folder of recordings.
"""

import argparse
import json
import sys
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np

from appliance import config_files
from appliance.audio.files import read_pcm
from appliance.audio.format import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm
from appliance.bench.silence import SilentVoice
from appliance.bench.speech import frames_of
from appliance.bench.turns import Frames
from appliance.brains import Brains, load_brains
from appliance.cli.understand import understand_pcm
from appliance.events import (
    Event,
    IntentRecognized,
    IntentRejected,
    SpeechEnded,
    SpeechStarted,
    TranscriptReady,
    WakeDetected,
)
from appliance.replay import ReplaySettings, replay
from appliance.report import describe
from appliance.speech.detector import SileroDetector
from appliance.understander import Understander
from tools.mixing import METHOD, active_power, mix

PAUSES_S = (0.0, 0.3, 0.8)
"""Between wake word and command, in turn."""

COMMAND_SNRS_DB = (None, 24, 18, 12, 6)
WAKE_SNRS_DB = (None, 10)
PAD_SAMPLES = SAMPLE_RATE_HZ
FAINT_RMS = 8.0


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording and its label."""

    name: str
    pcm: Pcm
    row: dict[str, Any]
    speech: Pcm
    """What the speech detector finds between the first and the last speech of the clean clip."""


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take every n-th clip")
    parser.add_argument("--wake-word", default="alexa")
    parser.add_argument("--turns-only", action="store_true", help="leave out the orders alone")
    parser.add_argument("--verbose", action="store_true", help="name what was not understood")
    args = parser.parse_args()
    if not (args.pack / "manifest.jsonl").is_file():
        print(f"bench of real people: skipped, no recordings in {args.pack}", file=sys.stderr)
        return 0
    rows = [json.loads(line) for line in (args.pack / "manifest.jsonl").read_text().splitlines()]
    noise = read_pcm(min((args.pack / "noise").glob("kitchen*.flac")))
    sentences = args.pack / "commands" / "sentences.yaml"
    brains = load_brains(config_files.load(None), sentences=sentences, wake_words=[args.wake_word])
    commands = read_clips(brains.detector, args.pack, [row for row in rows if row["set"] == "commands"][:: args.every])
    words = read_clips(
        brains.detector, args.pack, [row for row in rows if row["label"] == args.wake_word][:: args.every]
    )
    print(f"noise: kitchen, mixed by {METHOD}; strict: intent and every slot exactly right\n")
    _turns(brains, words, commands, noise, verbose=args.verbose)
    if not args.turns_only:
        _orders(brains, commands, noise, verbose=args.verbose)
    return 0


def read_clips(detector: SileroDetector, pack: Path, rows: Sequence[dict[str, Any]]) -> list[Clip]:
    """The recordings that these rows of the manifest name. Raises AudioError."""
    clips = []
    for row in rows:
        pcm = read_pcm(pack / row["path"])
        clips.append(Clip(row["path"], pcm, row, trimmed(detector, pcm)))
    return clips


def trimmed(detector: SileroDetector, pcm: Pcm) -> Pcm:
    """From 0.1 s before the first speech to 0.1 s after the last; the whole clip where the detector finds none."""
    detector.reset()
    spoken = [frame.index for frame in frames_of(pcm) if detector.process(frame) >= 0.5]
    if not spoken:
        return pcm
    return pcm[max(0, spoken[0] - 5) * FRAME_SAMPLES : (spoken[-1] + 6) * FRAME_SAMPLES]


def _turns(brains: Brains, words: Sequence[Clip], commands: Sequence[Clip], noise: Pcm, *, verbose: bool) -> None:
    print(f"{len(words)} people say the wake word, then a drink order; pauses {PAUSES_S} s in turn")
    for snr_db in WAKE_SNRS_DB:
        woken = right = wrong = extra = 0
        for number, word in enumerate(words):
            command = commands[number % len(commands)]
            heard = _replay(brains, _turn(word, command, PAUSES_S[number % len(PAUSES_S)], noise, snr_db))
            wakes = [event for event in heard if isinstance(event, WakeDetected)]
            intents = [event for event in heard if isinstance(event, IntentRecognized)]
            woken += bool(wakes)
            extra += max(0, len(wakes) - 1)
            good = [event for event in intents if event.slots == slots_of(command)]
            right += bool(good)
            wrong += len(intents) - len(good)
            if verbose and not good:
                print(f"      {snr_db}: said {command.row['transcript']!r}, {_trail(heard)}")
        name = "clean" if snr_db is None else f"{snr_db} dB"
        print(
            f"  {name:>6}: woken {share(woken, len(words))}, extra wakes {extra}, "
            f"command right {share(right, len(words))}, wrong {wrong}"
        )


def _orders(brains: Brains, commands: Sequence[Clip], noise: Pcm, *, verbose: bool) -> None:
    print(f"\n{len(commands)} drink orders through `understand`")
    understander = Understander(
        brains.recognizer, brains.language, lambda result: None, reader=brains.reader, detector=brains.detector
    )
    for snr_db in COMMAND_SNRS_DB:
        right = wrong = 0
        started = time.process_time()
        for clip in commands:
            pcm = clip.pcm if snr_db is None else mix(clip.pcm, noise, snr_db, clip.name)
            heard = understand_pcm(understander, pcm)
            text, intent = heard.text, heard.intent
            good = intent is not None and intent.slots == slots_of(clip)
            right += good
            wrong += intent is not None and not good
            if verbose and not good:
                print(f"      {snr_db}: said {clip.row['transcript']!r}, heard {text!r}")
        cpu = (time.process_time() - started) / sum(clip.pcm.size / SAMPLE_RATE_HZ for clip in commands)
        name = "clean" if snr_db is None else f"{snr_db} dB"
        print(f"  {name:>6}: right {share(right, len(commands))}, wrong {wrong}, CPU {cpu:.3f} of real time")


def _turn(word: Clip, command: Clip, pause_s: float, noise: Pcm, snr_db: float | None) -> Pcm:
    """Faint noise, the word, a pause, the command's speech at the word's level, and noise over all of it."""
    said, speech = word.speech, command.speech
    gap = np.zeros(round(pause_s * SAMPLE_RATE_HZ), np.int16)
    pad = np.zeros(PAD_SAMPLES, np.int16)
    level = np.sqrt(active_power(said) / active_power(speech))
    whole = np.concatenate([pad, said, gap, np.round(speech * level), pad])
    seed = np.random.default_rng(zlib.crc32(word.name.encode()))
    whole = np.clip(whole + seed.normal(0, FAINT_RMS, whole.size), -32768, 32767).astype(np.int16)
    return whole if snr_db is None else mix(whole, noise, snr_db, word.name)


def _replay(brains: Brains, pcm: Pcm) -> list[Event]:
    heard: list[Event] = []
    replay(brains, Frames(frames_of(pcm)), ReplaySettings(), voice=SilentVoice(), publish=heard.append)
    return heard


def _trail(heard: Sequence[Event]) -> str:
    kept = (WakeDetected, SpeechStarted, SpeechEnded, TranscriptReady, IntentRejected)
    return "; ".join(describe(event).strip() for event in heard if isinstance(event, kept))


def slots_of(clip: Clip) -> dict[str, str]:
    """What the order is, by its label."""
    return {name: value.strip() for name, value in clip.row["slots"].items()}


def share(count: int, total: int) -> str:
    """Count, share and its 95 % interval by Wilson's method."""
    share, z = count / total, 1.96
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return f"{count} of {total} ({100 * share:.1f} %, {100 * (middle - half):.1f}..{100 * min(1, middle + half):.1f})"


if __name__ == "__main__":
    sys.exit(main())
