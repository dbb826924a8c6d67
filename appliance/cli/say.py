"""Speak a text with the installed voice, to the loudspeaker or into a file."""

import argparse
import time
from pathlib import Path

from appliance.assembly import LEAD_FRAMES
from appliance.audio.format import FRAME_MS
from appliance.audio.player import Player
from appliance.audio.speakers import DeviceSpeaker, Speaker, WavSpeaker, open_speaker
from appliance.brains import load_hardware, load_sentences, load_voice
from appliance.config_files import LoadedConfig
from appliance.errors import AudioError, UsageError
from appliance.voice.utterance import chunks_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A text and where to."""
    parser.epilog = 'Example: appliance say "The timer is set." --out answer.wav'
    parser.add_argument("text", help="what to say")
    parser.add_argument("--out", type=Path, metavar="WAV", help="write it there instead of playing it")


def run(args: argparse.Namespace, config: LoadedConfig) -> int:
    """Synthesize and play, sentence by sentence."""
    sentences = load_sentences(config)(args.text)
    if not sentences:
        raise UsageError("say: the text holds nothing that can be spoken")
    speaker: Speaker = WavSpeaker(args.out) if args.out else open_speaker(load_hardware(config))
    voice = load_voice(config, deterministic=False)
    try:
        player = Player(speaker, lead_frames=LEAD_FRAMES)
        player.volume = config.config.audio.volume
        player.begin(1)
        for sentence in sentences:
            player.add(1, chunks_of(voice.synthesize(sentence), voice.rate_hz), last=sentence is sentences[-1])
        _play(player, realtime=args.out is None)
        if isinstance(speaker, DeviceSpeaker):
            speaker.drain()
    finally:
        voice.close()
        speaker.close()
    return 0


def _play(player: Player, *, realtime: bool) -> None:
    """A frame every 20 ms, by the clock: what a frame takes is no part of its pause."""
    began_s = time.monotonic()
    frame = 0
    while player.playing:
        played = player.advance(frame)
        if played.failed:
            raise AudioError(played.failed)
        frame += 1
        if realtime:
            time.sleep(max(0.0, began_s + frame * FRAME_MS / 1000 - time.monotonic()))
