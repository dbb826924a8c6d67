"""Record yourself saying the word, each take checked at once; a bad one is asked for again.

Twenty recordings through the microphone that will listen later are worth more than thousands of synthetic ones. Started
again, it goes on where it was.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from appliance.audio.convert import Converter
from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from appliance.errors import AudioError, UsageError
from appliance.runtimes.portaudio import Device, Direction, PortAudio, portaudio
from tools.quantize.clip_checks import fault_of
from tools.quantize.clips import MANIFEST, Clip, append, read_clips, sha256_of_pcm, write_clip
from tools.quantize.speech_span import FLOOR_PERCENT, Span, find_speech, levels_dbfs

TAKE_S: Final = 3.0
SETTLING_S: Final = 0.3
"""What a device delivers right after it was opened is thrown away: clicks, and a level that still settles."""

DEVICE_LATENCY_S: Final = 0.2

QUIETEST_DBFS: Final = -45.0
"""Of the loudest 10 ms. The quietest of 985 recordings of people has -35."""

LEAST_RANGE_DB: Final = 15.0
"""Between the loudest 10 ms and the room: less, and nobody can tell where the word ends."""

SHORTEST_S: Final = 0.25
LONGEST_S: Final = 2.5
EDGE_S: Final = 0.05
BAD_IN_A_ROW: Final = 5

MANNERS: Final = (
    "as you always say it", "as you always say it", "louder", "softly", "quickly", "slowly",
    "from the other side of the room", "looking away from the microphone", "as a question", "tired",
)  # fmt: skip
"""Asked for in turn, for the word will not always be said in the same way."""

Listen = Callable[[Callable[[], None]], Pcm]
"""Calls what it is given when the microphone is open, and returns TAKE_S from then on, int16 at 16 kHz."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which word, how often, and where to."""
    parser.epilog = "Example: python -m tools.quantize record computer --out runs/computer/mine"
    parser.add_argument("word", help="the wake word")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the clip store")
    parser.add_argument("--count", type=int, default=20, metavar="N", help="good takes (20)")
    parser.add_argument("--speaker", default="owner", metavar="NAME", help="who speaks (owner)")
    parser.add_argument("--microphone", default="", metavar="NAME", help="part of its name (the system's default)")
    parser.add_argument("--channel", type=int, metavar="N", help="the channel to hear, from 1 (the mean of all)")


def run(args: argparse.Namespace) -> int:
    """Record what is missing. Raises ApplianceError."""
    word = " ".join(args.word.casefold().split())
    if not word or args.count < 1:
        raise UsageError("record: needs a word, and --count of 1 or more")
    audio = portaudio()

    def listen(ready: Callable[[], None]) -> Pcm:
        return take(audio, ready, name=args.microphone, channel=args.channel)

    record(word, args.out, count=args.count, speaker=args.speaker, listen=listen)
    return 0


def record(word: str, folder: Path, *, count: int, speaker: str, listen: Listen) -> None:
    """Ask for takes until the store has so many of this speaker.

    Raises:
        AudioError: the microphone is not there, or one take after the other is bad.
    """
    done, bad = _done(word, folder, speaker), 0
    while done < count:
        _tell(f"take {done + 1} of {count}, {MANNERS[done % len(MANNERS)]} ...")
        pcm = listen(lambda: _tell(f'  say "{word}"'))
        found = judge(pcm)
        if isinstance(found, str):
            bad += 1
            _tell(f"  again, please: it {found}")
            if bad == BAD_IN_A_ROW:
                raise AudioError(f"{bad} bad takes in a row, the last one {found} (`appliance devices --meter` helps)")
            continue
        keep(word, folder, pcm, found, speaker)
        done, bad = done + 1, 0
        _tell(f"  good, {levels_dbfs(pcm).max():.0f} dBFS")
    print(f"{folder}: {done} takes of {word!r} by {speaker}")


def judge(pcm: Pcm) -> Span | str:
    """Where the word is in a take; or what is wrong with it, in a few words with a remedy."""
    fault = fault_of(pcm)
    if fault is not None:
        return fault[1]
    levels = levels_dbfs(pcm)
    loudest, floor = float(levels.max()), float(np.percentile(levels, FLOOR_PERCENT))
    if loudest < QUIETEST_DBFS:
        return f"is too quiet, {loudest:.0f} dBFS; come nearer or raise the capture level"
    if loudest - floor < LEAST_RANGE_DB:
        return f"is only {loudest - floor:.0f} dB above the room; come nearer or make the room quieter"
    speech = find_speech(pcm)
    assert speech is not None, "it is not silent"
    start_s, end_s = (sample / SAMPLE_RATE_HZ for sample in speech)
    if start_s < EDGE_S or end_s > pcm.size / SAMPLE_RATE_HZ - EDGE_S:
        return "is cut off; say the word once, in the middle of the three seconds"
    if not SHORTEST_S <= end_s - start_s <= LONGEST_S:
        return f"lasts {end_s - start_s:.1f} s, which is not one word; say it once, and nothing else"
    return speech


def keep(word: str, folder: Path, pcm: Pcm, speech: Span, speaker: str) -> None:
    """Put a take into the store. Raises OSError."""
    clip = Clip(
        path=Path(word.replace(" ", "_")) / f"take_{sha256_of_pcm(pcm)[:12]}.flac",
        label=word,
        split="train",
        speaker=speaker,
        source="recorded",
        licence="the speaker's own",
        text=word,
        speech=speech,
    )
    append(folder, [write_clip(folder, clip, pcm)])


def take(audio: PortAudio, ready: Callable[[], None], *, name: str = "", channel: int | None = None) -> Pcm:
    """TAKE_S from a microphone that is opened for it; `ready` is called when it is. Raises AudioError."""
    with audio.opening():
        device = audio.find(name, Direction.INPUT)
        rate_hz, channels = _settings(audio, device, whole=channel is not None)
        stream = audio.open(device, rate_hz=rate_hz, channels=channels, latency_s=DEVICE_LATENCY_S)
    try:
        converter = Converter(rate_hz, channels, channel=None if channel is None else channel - 1)
        stream.read(round(SETTLING_S * rate_hz))
        ready()
        block, _ = stream.read(round(TAKE_S * rate_hz))
    finally:
        stream.close()
    return np.concatenate([frame.pcm for frame in converter.feed(block, last=True)])


def _settings(audio: PortAudio, device: Device, *, whole: bool) -> tuple[int, int]:
    """Rate and channels: what we want where the device can, else its own; `whole`: with all of its channels."""
    offers = [(rate_hz, device.channels if whole else 1) for rate_hz in (SAMPLE_RATE_HZ, device.rate_hz)]
    return next((offer for offer in offers if audio.accepts(device, *offer)), (device.rate_hz, device.channels))


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _done(word: str, folder: Path, speaker: str) -> int:
    if not (folder / MANIFEST).is_file():
        return 0
    return sum(clip.label == word and clip.speaker == speaker and clip.path.is_file() for clip in read_clips(folder))
