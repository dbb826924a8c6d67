"""Replay recordings through the whole appliance and print what it would have done.

Any file that libsndfile reads, raw PCM on standard input as '-', or a folder of the
flight recorder. The same input gives the same output to the byte.
Actions change nothing outside unless --act is given.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from appliance.audio.files import SAMPLE_TYPES, FileSource, RawFormat, RawSource
from appliance.audio.sources import Source
from appliance.audio.speakers import SilentSpeaker, Speaker, WavSpeaker
from appliance.brains import Brains, load_brains, load_voice
from appliance.config_files import LoadedConfig
from appliance.errors import AudioError, UsageError
from appliance.events import Event, Failed, to_json
from appliance.flight_recorder import HEARD, PLAYED
from appliance.replay import DEFAULT_CLOCK, ReplaySettings, replay
from appliance.report import describe
from appliance.trace import Tracer
from appliance.voice.voice import Voice


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments as the contract has them."""
    parser.epilog = "Example: appliance replay kitchen.wav --wake-word alexa --events -"
    parser.add_argument("audio", nargs="+", metavar="AUDIO", help="sound file, record's folder, or - for raw PCM")
    parser.add_argument("--playback", type=Path, metavar="REF", help="what the loudspeaker played meanwhile")
    parser.add_argument("--sentences", type=Path, metavar="FILE", help="hassil sentences instead of the built-in ones")
    parser.add_argument(
        "--wake-word", action="append", metavar="WORD", help="instead of the configuration's; repeatable"
    )
    parser.add_argument("--events", metavar="FILE|-", help="write the events as JSON lines; - is standard output")
    parser.add_argument("--trace", type=Path, metavar="DIR", help="write every hand-off between stages there")
    parser.add_argument("--speech-out", type=Path, metavar="WAV", help="write the spoken answers there")
    parser.add_argument("--realtime", action="store_true", help="pace it like a microphone, slow work on threads")
    parser.add_argument(
        "--clock", type=_clock, default=DEFAULT_CLOCK, metavar="T", help="time at the first sample (ISO)"
    )
    parser.add_argument("--act", action="store_true", help="run programs for real; MQTT messages are the daemon's")
    raw = parser.add_argument_group("raw PCM on standard input")
    raw.add_argument("--rate", type=int, default=16_000, metavar="HZ", help="sample rate (16000)")
    raw.add_argument("--channels", type=int, default=1, metavar="N", help="channels (1)")
    raw.add_argument("--sample-type", choices=tuple(SAMPLE_TYPES), default="s16", help="sample type (s16)")
    raw.add_argument("--big-endian", action="store_true", help="byte order is big endian")
    raw.add_argument("--planar", action="store_true", help="one channel after the other instead of interleaved")


def run(args: argparse.Namespace, config: LoadedConfig) -> int:
    """Replay each recording with fresh state."""
    brains = load_brains(config, sentences=args.sentences, wake_words=args.wake_word)
    failed = False
    settings = ReplaySettings(clock=args.clock, act=args.act, realtime=args.realtime, playback=args.playback)
    with ExitStack() as stack:
        write = stack.enter_context(_writer(args.events))
        voice = load_voice(brains.loaded, deterministic=True)
        stack.callback(voice.close)
        if args.realtime:
            voice.start()  # here: its process ends with the thread that starts it, and each file has workers of its own
        speaker: Speaker = WavSpeaker(args.speech_out) if args.speech_out else SilentSpeaker()
        stack.callback(speaker.close)
        for number, name in enumerate(args.audio):
            folder = args.trace / str(number) if args.trace and len(args.audio) > 1 else args.trace
            if len(args.audio) > 1:
                print(f"{name}:", file=sys.stderr, flush=True)
            try:
                source = _source(name, args)
                _replay_one(
                    brains,
                    source,
                    _settings_for(name, settings),
                    voice=voice,
                    write=write,
                    speaker=speaker,
                    trace=folder,
                )
            except AudioError as error:  # the other recordings are not to blame
                print(f"appliance: {error}", file=sys.stderr)
                failed = True
    return int(failed)


def _replay_one(
    brains: Brains,
    source: Source,
    settings: ReplaySettings,
    *,
    voice: Voice,
    write: Callable[[Event], None],
    speaker: Speaker,
    trace: Path | None,
) -> None:
    lost: list[str] = []

    def publish(event: Event) -> None:
        if isinstance(event, Failed) and event.stage == "speaker":
            lost.append(event.error)
        write(event)

    tracer = Tracer(trace) if trace else None
    try:
        replay(brains, source, settings, voice=voice, publish=publish, speaker=speaker, tracer=tracer)
    finally:
        if tracer:
            tracer.close()
    if lost:
        raise AudioError(lost[0])


def _source(name: str, args: argparse.Namespace) -> Source:
    if name != "-":
        return FileSource(Path(name) / HEARD if Path(name).is_dir() else Path(name))
    layout = RawFormat(
        rate_hz=args.rate,
        channels=args.channels,
        sample_type=args.sample_type,
        big_endian=args.big_endian,
        planar=args.planar,
    )
    try:
        return RawSource(sys.stdin.buffer, layout)
    except AudioError as error:  # of the layout, which the flags tell
        raise UsageError(str(error)) from None


def _settings_for(name: str, settings: ReplaySettings) -> ReplaySettings:
    """A record knows what was played meanwhile."""
    played = Path(name) / PLAYED
    return replace(settings, playback=played, playback_is_whole=True) if played.is_file() else settings


@contextmanager
def _writer(target: str | None) -> Iterator[Callable[[Event], None]]:
    """What is done with each event: JSON lines to a file or standard output, or lines for people."""
    if target is None:
        yield lambda event: print(describe(event), flush=True)
    elif target == "-":
        yield lambda event: _line(sys.stdout, event)
    else:
        with ExitStack() as stack:
            try:
                file = stack.enter_context(Path(target).open("w", encoding="utf-8"))
            except OSError as error:
                raise UsageError(
                    f"--events {target}: cannot be written ({error.strerror}); name another file"
                ) from None
            yield lambda event: _line(file, event)


def _line(file: IO[str], event: Event) -> None:
    print(to_json(event).decode(), file=file, flush=True)


def _clock(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: not a time such as 2026-05-01T08:00:00+02:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
