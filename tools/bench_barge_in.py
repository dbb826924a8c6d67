"""People who speak while the device does: `python -m tools.bench_barge_in PACK [--cases N] [--canceller NAME]`.

Recordings of people who say the wake word and then a drink order are mixed into the simulated echo of the device's
answers and replayed through the whole appliance; the playback goes on to its end, so that both are said over it.
Counts who is heard, beside the same in silence, and the time from the detection to silence. Rooms, delays,
loudspeakers and the device's voice are synthetic, the people are real.

NAME: own (default); none; speex (needs the package pyaec) and aec3 (pywebrtc-audio), which get the delay told.
"""

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from appliance import config_files
from appliance.audio.format import FRAME_MS, SAMPLE_RATE_HZ, Pcm
from appliance.bench.silence import SilentVoice
from appliance.bench.speech import frames_of
from appliance.bench.turns import Frames
from appliance.brains import Brains, load_brains, load_voice
from appliance.events import Event, IntentRecognized, SpeakingEnded, WakeDetected
from appliance.replay import ReplaySettings, replay
from tools.bench_people import Clip, read_clips, share, slots_of
from tools.cancellers import CANCELLERS, Canceller
from tools.echo_room import ECHO_DBFS, EchoRoom, Samples, speech_for
from tools.mixing import active_power
from tools.own_speech import ANSWERS, OWN_WORDS, synthesized
from tools.room import write_wav

LEVELS_DB: Final = (0, -6, -12)
"""Person over echo at the microphone, in turn."""

PAUSES_S: Final = (0.2, 0.5, 0.8)
DRIVES: Final = (0.0, 0.5, 1.5)
BEFORE_S: Final = (3.0, 8.0)
"""The device has spoken for so long when the person begins; the canceller begins as new."""

AFTER_S: Final = 1.5
PROGRESS_CASES: Final = 20
LATEST_S: Final = 1.0
"""So long after its end the wake word may be detected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One person over one answer."""

    number: int
    word: Clip
    command: Clip
    played: Pcm
    echo: Samples
    person: Samples
    room: EchoRoom
    level_db: int
    word_s: tuple[float, float]
    """When the wake word is said."""


@dataclass(slots=True)
class Count:
    """What came of some cases."""

    cases: int = 0
    woken: int = 0
    understood: int = 0
    wrong: int = 0
    false_wakes: int = 0
    silent_after_ms: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        said = f"woken {share(self.woken, self.cases)}, order right {share(self.understood, self.cases)}, "
        said += f"wrong {self.wrong}, other wakes {self.false_wakes}"
        if not self.silent_after_ms:
            return said
        return f"{said}, silent after {max(self.silent_after_ms)} ms at most, {len(self.silent_after_ms)} times"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--canceller", choices=CANCELLERS, default="own")
    parser.add_argument("--own-words", action="store_true", help="the answers name the wake and stop words, too")
    parser.add_argument("--verbose", action="store_true", help="name the cases that fail")
    args = parser.parse_args()
    if not (args.pack / "manifest.jsonl").is_file():
        print(f"bench of barge-in: skipped, no recordings in {args.pack}", file=sys.stderr)
        return 0
    canceller = CANCELLERS[args.canceller]()
    loaded = config_files.load(None)
    audio = msgspec.structs.replace(loaded.config.audio, echo_cancellation=canceller is None)
    loaded = dataclasses.replace(loaded, config=msgspec.structs.replace(loaded.config, audio=audio))
    brains = load_brains(loaded, sentences=args.pack / "commands" / "sentences.yaml", wake_words=["computer"])
    counts: dict[str, Count] = {}
    for case in _cases(brains, args.pack, args.cases, ANSWERS + OWN_WORDS if args.own_words else ANSWERS):
        rows = {
            "in silence": _replay(brains, case, None, canceller),
            f"{case.level_db:>3} dB": _replay(brains, case, case.echo, canceller),
        }
        for name, events in rows.items():
            good = _judge(counts.setdefault(name, Count()), case, events)
            if args.verbose and not good:
                print(
                    f"      case {case.number}, {name}, {case.room}: {case.word.name}, {case.command.row['transcript']}"
                )
        if case.number % PROGRESS_CASES == PROGRESS_CASES - 1:
            print("; ".join(f"{name}: {count}" for name, count in counts.items()), file=sys.stderr)
    print(f"{args.cases} people over the device's voice, canceller: {args.canceller}; person over echo:")
    for name in sorted(counts, key=lambda name: (name[0] != "i", name)):
        print(f"  {name:>10}: {counts[name]}")
    return 0


def _cases(brains: Brains, pack: Path, number: int, sentences: Sequence[str]) -> Iterator[Case]:
    rows = [json.loads(line) for line in (pack / "manifest.jsonl").read_text().splitlines()]
    orders = read_clips(brains.detector, pack, [row for row in rows if row["set"] == "commands"])
    said = [row for row in rows if row["label"] == "computer" and row["split"] == "dev"]
    words = read_clips(brains.detector, pack, said)
    voice = load_voice(brains.loaded, deterministic=True)
    answers = synthesized(voice, sentences)
    voice.close()
    for n in range(number):
        yield _case(n, words[n % len(words)], orders[n % len(orders)], answers)


def _case(number: int, word: Clip, command: Clip, answers: Sequence[Pcm]) -> Case:
    """The order is said at the level of the word, without a stop of the playback."""
    room = EchoRoom.drawn(f"case {number}", drive=DRIVES[number // 3 % len(DRIVES)])
    level_db = LEVELS_DB[number % len(LEVELS_DB)]
    before_s = float(np.random.default_rng(number).uniform(*BEFORE_S))
    gain = np.sqrt(active_power(word.speech) / active_power(command.speech))
    pause = np.zeros(round(PAUSES_S[number % len(PAUSES_S)] * SAMPLE_RATE_HZ))
    said = np.concatenate([word.speech, pause, command.speech * gain])
    around = np.zeros(round(before_s * SAMPLE_RATE_HZ)), np.zeros(round(AFTER_S * SAMPLE_RATE_HZ))
    person = np.concatenate([around[0], room.person(said, ECHO_DBFS + level_db), around[1]])
    played = speech_for(person.size / SAMPLE_RATE_HZ, answers, room.name)
    return Case(
        number=number,
        word=word,
        command=command,
        played=played,
        echo=room.echo(played),
        person=person,
        room=room,
        level_db=level_db,
        word_s=(before_s, before_s + word.speech.size / SAMPLE_RATE_HZ),
    )


def _replay(brains: Brains, case: Case, echo: Samples | None, canceller: Canceller | None) -> list[Event]:
    """With the echo and its reference, or in silence."""
    heard: list[Event] = []
    if echo is None:
        settings, pcm = ReplaySettings(), case.room.microphone(case.person)
        replay(brains, Frames(frames_of(pcm)), settings, voice=SilentVoice(), publish=heard.append)
        return heard
    pcm = case.room.microphone(case.person, echo)
    if canceller is not None:
        pcm = canceller(pcm, case.played, round(case.room.delay_ms / FRAME_MS) - 1)
    with tempfile.NamedTemporaryFile(suffix=".wav") as reference:
        write_wav(Path(reference.name), case.played)
        settings = ReplaySettings(playback=Path(reference.name))
        replay(brains, Frames(frames_of(pcm)), settings, voice=SilentVoice(), publish=heard.append)
    return heard


def _judge(count: Count, case: Case, events: Sequence[Event]) -> bool:
    wakes = [event for event in events if isinstance(event, WakeDetected)]
    first_s, last_s = case.word_s
    hits = [wake for wake in wakes if first_s <= wake.audio_s <= last_s + LATEST_S]
    orders = [event for event in events if isinstance(event, IntentRecognized)]
    right = [order for order in orders if order.slots == slots_of(case.command)]
    count.cases += 1
    count.woken += bool(hits)
    count.false_wakes += len(wakes) - bool(hits)
    count.understood += bool(right)
    count.wrong += len(orders) - bool(right)
    stops = [event for event in events if isinstance(event, SpeakingEnded) and event.reason == "interrupted"]
    if stops and wakes:
        count.silent_after_ms.append((stops[0].frame - wakes[0].frame) * FRAME_MS)
    return bool(hits and right)


if __name__ == "__main__":
    sys.exit(main())
