"""Play a pulse, a sweep and noise, hear them again, and tell round trip, levels and what the echo canceller takes.

The appliance must not run meanwhile where it holds the devices alone.
"""

import argparse
from collections.abc import Iterator

import msgspec

from appliance.assembly import LEAD_FRAMES
from appliance.audio.format import Frame, frames_of_ms
from appliance.audio.microphone import Microphone
from appliance.audio.player import Player
from appliance.audio.speakers import open_speaker
from appliance.audio.ways import ways_to_microphone
from appliance.brains import load_hardware
from appliance.config_files import LoadedConfig
from appliance.errors import AudioError, UsageError
from appliance.loopback import Report, pass_through, report_of

NOBODY_HEARS_FRAMES = frames_of_ms(12_000)
"""Without a microphone for so long there is none: every way to it has been tried by then."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How to print."""
    parser.epilog = "Example: appliance loopback"
    parser.add_argument("--json", action="store_true", help="for machines, on standard output")


def run(args: argparse.Namespace, config: LoadedConfig) -> int:
    """Measure and print; 1 where something is to be done. Raises AudioError without microphone or loudspeaker."""
    hardware = load_hardware(config)
    if hardware.speaker == "none":
        raise UsageError('loopback: audio.speaker is "none"; name a loudspeaker to hear')
    speaker = open_speaker(hardware)
    microphone = Microphone(hardware.microphone, ways_to_microphone(hardware)).start()
    try:
        player = Player(speaker, lead_frames=LEAD_FRAMES)
        player.volume = config.config.audio.volume
        report = report_of(pass_through(_frames(microphone), player))
    finally:
        microphone.close()
        speaker.close()
    print(msgspec.json.encode(report).decode() if args.json else describe(report))
    return int(bool(report.advice()))


def describe(report: Report) -> str:
    """For people."""
    delay = "none was found" if report.delay_ms is None else f"{report.delay_ms:.0f} ms"
    lines = [
        f"round trip             {report.round_trip_ms:.0f} ms from loudspeaker to microphone",
        f"delay assumed          {delay}",
        f"level                  {report.level_dbfs:.0f} dBFS as heard, the room {report.floor_dbfs:.0f} dBFS",
        f"clipping               {100 * report.clipped_share:.1f} % of the samples",
        f"distortion             {100 * report.distortion_share:.1f} % of the power of the pulse",
        f"echo return loss       {report.return_loss_db:.0f} dB, with cancellation "
        f"{report.return_loss_cancelled_db:.0f} dB",
    ]
    return "\n".join([*lines, *(report.advice() or ["all is well"])])


def _frames(microphone: Microphone) -> Iterator[Frame]:
    """From its first sound on, numbered from 0. Raises AudioError where it is lost."""
    first = None
    for frame in microphone.frames():
        if microphone.fault is not None:
            if first is not None or frame.index >= NOBODY_HEARS_FRAMES:
                raise AudioError(microphone.fault)
            continue
        first = frame.index if first is None else first
        yield Frame(frame.index - first, frame.pcm)
