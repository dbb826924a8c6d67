"""List the microphones and speakers, and how loud it is at each microphone.

--meter shows a live picture of one microphone, or of a recording: level, speech and wake score.
"""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from appliance.audio.capture import DEVICE_LATENCY_S
from appliance.audio.convert import Converter
from appliance.audio.files import FileSource
from appliance.audio.format import FRAMES_PER_S, SAMPLE_RATE_HZ
from appliance.audio.hardware import Hardware, read
from appliance.audio.microphone import Microphone
from appliance.audio.sources import Source
from appliance.audio.survey import Survey
from appliance.audio.ways import ways_to_microphone
from appliance.config_files import HARDWARE, LoadedConfig
from appliance.doctor.apart import CrashError, HangError, Result, apart
from appliance.doctor.sound import listen
from appliance.errors import AudioError
from appliance.runtimes.portaudio import Device, Direction, PortAudio, portaudio

PATIENCE_S: Final = 10.0
"""The sound system answers within a second, or hangs."""

Sound = Callable[[], PortAudio]
"""Starts PortAudio. Raises AudioError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A device of the list."""

    device: Device
    takes_16_khz_mono: bool
    default: bool
    """The system's."""

    chosen: bool
    """By the configuration, or by itself where that says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All devices, the microphones first."""

    rows: list[Row]
    complaints: list[str]
    """What the configuration chooses and is not there, a sentence each."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The list, or the meter."""
    parser.epilog = "Examples:\n  appliance devices\n  appliance devices --meter\n  appliance devices --meter room.wav"
    parser.add_argument("--json", action="store_true", help="for machines, on standard output")
    parser.add_argument(
        "--measure",
        type=_seconds,
        default=1.0,
        metavar="SECONDS",
        help="listen so long to each microphone (1); 0: do not",
    )
    parser.add_argument(
        "--meter", nargs="?", const="", metavar="FILE", help="live picture of the microphone, or of a sound file"
    )
    parser.add_argument("--seconds", type=_seconds, metavar="N", help="end the meter after so long")


def run(args: argparse.Namespace, config: LoadedConfig) -> int:
    """List or meter. Raises AudioError where there is no sound at all."""
    if args.meter is not None:
        return _meter(args, config)
    return print_list(portaudio, read(config.config.audio, HARDWARE), seconds=args.measure, as_json=args.json)


def print_list(sound: Sound, hardware: Hardware, *, seconds: float, as_json: bool) -> int:
    """Print the list. `sound` starts PortAudio; `seconds`: how long to listen to each microphone, 0: not at all.

    Each device is opened in a process of its own, for some hang.

    Raises:
        AudioError: there is no device at all, or no PortAudio.
    """
    found = _apart(lambda: inventory(sound(), hardware), PATIENCE_S)
    if not found.rows:
        raise AudioError("no sound: there is neither microphone nor speaker; plug one in, or start the sound server")
    heard = (_heard(row, sound, hardware.channel_of(row.device.name), seconds) for row in found.rows)
    if as_json:
        print(_json(found.rows, heard))
    else:
        _print_table(found.rows, heard)
    for complaint in found.complaints:
        print(f"appliance: {complaint}", file=sys.stderr)
    return 0


def inventory(audio: PortAudio, hardware: Hardware) -> Inventory:
    """Look, and open nothing. Raises AudioError."""
    rows, complaints = [], []
    choices = {Direction.INPUT: hardware.find_microphone, Direction.OUTPUT: hardware.find_speaker}
    for direction, choose in choices.items():
        devices = audio.devices(direction)
        default = chosen = None
        with contextlib.suppress(AudioError):
            default = audio.find("", direction)
        if devices and not (direction is Direction.OUTPUT and hardware.speaker == "none"):
            try:
                chosen = choose(audio)
            except AudioError as error:
                complaints.append(str(error))
        rows += [
            Row(
                device=device,
                takes_16_khz_mono=audio.accepts(device, SAMPLE_RATE_HZ, 1),
                default=device == default,
                chosen=device == chosen,
            )
            for device in devices
        ]
    return Inventory(rows=rows, complaints=complaints)


def measured(audio: PortAudio, row: Row, channel: int | None, seconds: float) -> Survey:
    """Listen to a microphone; `channel`: the one to be heard, from 0; None: the mean of all. Raises AudioError."""
    device = row.device
    if device not in audio.devices(Direction.INPUT):
        raise AudioError(f"{device}: it has gone meanwhile; plug it in again")
    mono = row.takes_16_khz_mono and channel is None
    rate_hz, channels = (SAMPLE_RATE_HZ, 1) if mono else (device.rate_hz, device.channels)
    stream = audio.open(device, rate_hz=rate_hz, channels=channels, latency_s=DEVICE_LATENCY_S)
    try:
        return listen(
            lambda: stream.read(rate_hz // FRAMES_PER_S), Converter(rate_hz, channels, channel=channel), seconds
        )
    finally:
        stream.close()


def _heard(row: Row, sound: Sound, channel: int | None, seconds: float) -> Survey | AudioError | None:
    """What a microphone sends, or why it cannot be told; None for a speaker, and where nothing is to be measured."""
    if row.device.direction is Direction.OUTPUT or seconds == 0:
        return None
    try:
        return _apart(lambda: measured(sound(), row, channel, seconds), PATIENCE_S + seconds)
    except AudioError as error:
        return error


def _apart(work: Callable[[], Result], limit_s: float) -> Result:
    """Work with the sound system, which may hang or crash. Raises AudioError."""
    try:
        return apart(work, limit_s=limit_s)
    except (HangError, CrashError) as error:
        remedy = "start the sound server again, or plug the device in again"
        raise AudioError(f"the sound system: {error}; {remedy}") from None


def _json(rows: Sequence[Row], heard: Iterable[Survey | AudioError | None]) -> str:
    lines = []
    for row, sound in zip(rows, heard, strict=True):
        levels = {
            "level_dbfs": round(sound.level_dbfs, 1) if isinstance(sound, Survey) else None,
            "floor_dbfs": round(sound.floor_dbfs, 1) if isinstance(sound, Survey) else None,
            "problem": str(sound) if isinstance(sound, AudioError) else None,
        }
        marks = {"takes_16_khz_mono": row.takes_16_khz_mono, "default": row.default, "chosen": row.chosen}
        lines.append(msgspec.to_builtins(row.device) | marks | levels)
    return msgspec.json.format(msgspec.json.encode(lines), indent=2).decode()


def _print_table(rows: Sequence[Row], heard: Iterable[Survey | AudioError | None]) -> None:
    """A line for each device, as soon as it was listened to."""
    lines = [("", "NAME", "KIND", "CHANNELS", "RATE", "16 KHZ MONO", "DEFAULT")]
    for row in rows:
        device = row.device
        marks = ("yes" if row.takes_16_khz_mono else "no", "yes" if row.default else "")
        kind = ("*" if row.chosen else "", device.name, device.direction.word)
        lines.append((*kind, str(device.channels), f"{device.rate_hz} Hz", *marks))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    title, *texts = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    print(f"{title}  LEVEL")
    for text, sound in zip(texts, heard, strict=True):
        print(f"{text}  {sound or ''}".rstrip(), flush=True)
    print("\n*: used by the appliance")


def _meter(args: argparse.Namespace, config: LoadedConfig) -> int:
    from appliance.cli.meter import show  # here, for it loads models, and the list needs none

    hardware = read(config.config.audio, HARDWARE)
    source: Source
    if args.meter:
        source = FileSource(Path(args.meter))
    else:
        source = Microphone(hardware.microphone, ways_to_microphone(hardware)).start()
    with contextlib.closing(source):
        return show(source, config, seconds=args.seconds, as_json=args.json)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 3600.0:
        raise argparse.ArgumentTypeError(f"{text!r}: must be 0..3600 seconds")
    return value
