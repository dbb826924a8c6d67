"""Does it wake or stop itself? `python -m tools.bench_own_voice [--hours H] [--first N]`.

The device says answers that are full of its own wake and stop words, with the installed voice and the simple ones, in
simulated rooms at several levels and delays, with and without noise, each two minutes long. Canceller and spotter are
those of the appliance, each room begins with new ones. All of it is synthetic. Ends with 1 when it ever heard itself.
"""

import argparse
import itertools
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from appliance import config_files
from appliance.audio.format import SAMPLE_RATE_HZ, Frame, Pcm
from appliance.bench.speech import frames_of
from appliance.brains import find_stop_word, load_voice
from appliance.echo.canceller import AdaptiveCanceller
from appliance.events import StopDetected, WakeDetected
from appliance.models import ModelStore
from appliance.voice.simple import PROGRAMS, SimpleVoice
from appliance.wake import find
from appliance.wake.spotter import Spotter
from tools.echo_room import EchoRoom, Samples, at_level
from tools.own_speech import ANSWERS, OWN_WORDS, synthesized

WORDS: Final = ("computer",)
ROOM_S: Final = 120
LEVELS_DBFS: Final = (-14.0, -20.0, -26.0, -34.0)
"""How loud the microphone hears the device."""

DRIVES: Final = (0.0, 0.5, 1.5)
NOISES_DBFS: Final = (None, -50.0, -40.0)
OWN_SHARE: Final = 0.8
"""Of the sentences hold a wake or stop word."""

VOICE_TURNS: Final = 7
"""Of so many rooms, all but two hear the installed voice, and those the simple ones where there are any."""

PAUSES_S: Final = (0.2, 3.0)
"""Between two sentences; from 1 s on it counts as the end of an answer."""

ANSWER_END_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Two minutes in one room."""

    name: str
    heard: Pcm
    played: Sequence[Pcm | None]
    """By frame; None: no answer goes on."""


def main() -> int:
    """Run and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first room, to go on where another run ended"
    )
    args = parser.parse_args()
    rooms = round(args.hours * 3600 / ROOM_S)
    spoken, heard = 0.0, Counter[str]()
    for scene in itertools.islice(scenes(args.first), rooms):
        spoken += sum(pcm is not None for pcm in scene.played) / 50
        for told in hear_itself(scene):
            heard[told.split()[0]] += 1
            print(f"  {scene.name}: {told}")
        if (scene_number := int(scene.name.split()[1]) + 1) % 15 == 0:
            print(f"until room {scene_number}: {spoken / 3600:.2f} h, {dict(heard)}", file=sys.stderr, flush=True)
    hours = rooms * ROOM_S / 3600
    print(
        f"{hours:.2f} hours in {rooms} rooms, {spoken / 3600:.2f} of them spoken, all synthetic; "
        f"self-wakes: {heard['woke']}, self-stops: {heard['stopped']}; CPU {time.process_time():.0f} s"
    )
    return int(bool(heard))


def hear_itself(scene: Scene) -> list[str]:
    """What the appliance would have taken for a person."""
    store = ModelStore(config_files.MANIFEST, config_files.MANIFEST.parent)
    stop_word = find_stop_word(config_files.load(None).config, store)
    spotter = Spotter([find(word, store=store) for word in WORDS], stop_word=stop_word)
    canceller, told = AdaptiveCanceller(), list[str]()
    for frame, played in zip(frames_of(scene.heard), scene.played, strict=False):
        told += _step(spotter, canceller, frame, played)
    spotter.close()
    return told


def _step(spotter: Spotter, canceller: AdaptiveCanceller, frame: Frame, played: Pcm | None) -> list[str]:
    left = canceller.process(frame, played).frame
    heard = spotter.process(
        left,
        played,
        stoppable=played is not None,
        own_for_frames=canceller.own_word_frames,
        nobody=canceller.hears_nobody,
    )
    kinds = {WakeDetected: "woke", StopDetected: "stopped"}
    return [
        f"{kinds[type(event)]} at {frame.index / 50:.2f} s by {event.word} with {event.score:.2f}"
        for event in heard
        if isinstance(event, WakeDetected | StopDetected)
    ]


def scenes(first: int) -> Iterator[Scene]:
    """Rooms without end. Raises StageError where the voice fails."""
    voice = load_voice(config_files.load(None), deterministic=True)
    simple = [SimpleVoice.find({program: ()}) for program in PROGRAMS]
    voices = [voice, *(other for other in simple if other is not None)]
    speech = [(synthesized(voice, OWN_WORDS), synthesized(voice, ANSWERS)) for voice in voices]
    for voice in voices:
        voice.close()
    for number in itertools.count(first):
        turn = number % VOICE_TURNS
        yield _scene(number, *speech[turn if turn < len(speech) else 0])


def _scene(number: int, own: Sequence[Pcm], others: Sequence[Pcm]) -> Scene:
    name = f"room {number}"
    random = np.random.default_rng(number)
    played, sounding = list[Pcm](), list[bool]()
    while sum(part.size for part in played) < ROOM_S * SAMPLE_RATE_HZ:
        choice = own if random.random() < OWN_SHARE else others
        pause_s = float(random.uniform(*PAUSES_S))
        played += [choice[int(random.integers(len(choice)))], np.zeros(round(pause_s * SAMPLE_RATE_HZ), np.int16)]
        sounding += [True, pause_s < ANSWER_END_S]
    track = np.concatenate(played)
    going_on = np.repeat(sounding, [part.size for part in played])[::320]
    room = EchoRoom.drawn(name, drive=DRIVES[number % len(DRIVES)])
    echo = room.echo(track, LEVELS_DBFS[number // 3 % len(LEVELS_DBFS)])
    noise = _noise(random, track.size, NOISES_DBFS[number // 12 % len(NOISES_DBFS)])
    frames = [frame.pcm if on else None for frame, on in zip(frames_of(track), going_on, strict=True)]
    return Scene(name=name, heard=room.microphone(echo, noise), played=frames)


def _noise(random: np.random.Generator, count: int, level_dbfs: float | None) -> Samples:
    """Of a fan: more low than high."""
    if level_dbfs is None:
        return np.zeros(count)
    return at_level(np.convolve(random.normal(0.0, 1000.0, count), 0.9 ** np.arange(60), "same"), level_dbfs)


if __name__ == "__main__":
    sys.exit(main())
