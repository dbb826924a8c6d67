"""People who speak while the device does: `python -m tools.bench_barge_in PACK [--cases N] [--results FILE]`.

Recordings of people who say the wake word and then a drink order are mixed into the simulated echo of the device's
answers and replayed through the whole appliance; the playback goes on to its end, so that both are said over it.
Counts who is heard, beside the same in silence, and tells how long after the detection, and after the end of the word,
the device is told to be silent. Rooms, delays, loudspeakers and the device's voice are synthetic, the people are real.

What stands in FILE is not run again. --canceller: own (default); none; speex (needs the package pyaec) and aec3
(pywebrtc-audio), which get the delay told.
"""

import argparse
import dataclasses
import itertools
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
from appliance.events import Event, IntentRecognized, SpeakingEnded, StopDetected, WakeDetected
from appliance.replay import ReplaySettings, replay
from appliance.service_level import percentile
from tools.bench_people import Clip, read_clips, share, slots_of
from tools.cancellers import CANCELLERS, Canceller
from tools.echo_room import ECHO_DBFS, EchoRoom, Samples, speech_for
from tools.mixing import active_power
from tools.own_speech import ANSWERS, OWN_WORDS, synthesized
from tools.room import write_wav

WORDS: Final = ("alexa", "computer")
LEVELS_DB: Final = (0, -6, -12)
"""Person over echo at the microphone: every person at each of them, in the same room."""

PAUSES_S: Final = (0.2, 0.5, 0.8)
DRIVES: Final = (0.0, 0.5, 1.5)
BEFORE_S: Final = (3.0, 8.0)
"""The device has spoken for so long when the person begins; the canceller begins as new."""

AFTER_S: Final = 1.5
EDGE_S: Final = 0.1
"""A clip begins and ends so long before and after its word."""

WARM_S: Final = 4.0
"""So much of the device's voice the canceller, which begins as new, has to have heard to know the room."""

PROGRESS_CASES: Final = 30
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one case, over the echo or in silence."""

    number: int
    level_db: int
    drive: float
    before_s: float
    """When the wake word began, and since when the canceller heard the device."""

    over: bool
    """The device spoke; else the same in silence."""

    woken: bool
    right: bool
    """The order was understood, every slot of it."""

    wrong: int
    """Orders that were not the one that was given."""

    false_wakes: int
    false_stops: int
    silent_ms: int | None
    """From the detection until the device was told to be silent; None: it was not stopped by the wake word."""

    after_word_ms: int | None
    """The same from the end of the word."""

    what: str
    """Recordings and room."""


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--wake-word", action="append", help=f"more than one: in turns; default: {', '.join(WORDS)}")
    parser.add_argument("--canceller", choices=CANCELLERS, default="own")
    parser.add_argument("--own-words", action="store_true", help="the answers name the wake and stop words, too")
    parser.add_argument("--results", type=Path, help="keep what came of each case, one line of JSON each")
    parser.add_argument("--verbose", action="store_true", help="name the cases that fail")
    args = parser.parse_args()
    if not (args.pack / "manifest.jsonl").is_file():
        print(f"bench of barge-in: skipped, no recordings in {args.pack}", file=sys.stderr)
        return 0
    canceller = CANCELLERS[args.canceller]()
    loaded = config_files.load(None)
    audio = msgspec.structs.replace(loaded.config.audio, echo_cancellation=canceller is None)
    loaded = dataclasses.replace(loaded, config=msgspec.structs.replace(loaded.config, audio=audio))
    words = args.wake_word or WORDS
    brains = load_brains(loaded, sentences=args.pack / "commands" / "sentences.yaml", wake_words=words)
    outcomes = _kept(args.results, args.cases)
    sentences = ANSWERS + OWN_WORDS if args.own_words else ANSWERS
    for case in _cases(brains, args.pack, words, range(len(outcomes) // 2, args.cases), sentences):
        for echo in (None, case.echo):
            outcomes.append(_judged(case, _replay(brains, case, echo, canceller), over=echo is not None))
            _keep(args.results, outcomes[-1])
        if case.number % PROGRESS_CASES == PROGRESS_CASES - 1:
            print(f"until case {case.number + 1}:", *_table(outcomes), sep="\n", file=sys.stderr, flush=True)
    for outcome in outcomes if args.verbose else ():
        if not (outcome.woken and outcome.right):
            print(f"      case {outcome.number}, {'over' if outcome.over else 'silence'}, {outcome.what}")
    print(f"{args.cases} times a person over the device's voice, canceller: {args.canceller}; person over echo:")
    print(*_table(outcomes), sep="\n")
    return 0


def _kept(results: Path | None, cases: int) -> list[Outcome]:
    """Of the cases that were run as a whole; the file is left with those."""
    if results is None or not results.is_file():
        return []
    lines = results.read_text(encoding="utf-8").splitlines(keepends=True)
    lines = lines[: len(lines) // 2 * 2]
    results.write_text("".join(lines), encoding="utf-8")
    return [msgspec.json.decode(line, type=Outcome) for line in lines[: 2 * cases]]


def _keep(results: Path | None, outcome: Outcome) -> None:
    if results is not None:
        with results.open("ab") as file:
            file.write(msgspec.json.encode(outcome) + b"\n")


def _table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for level_db in LEVELS_DB:
        for over in (False, True):
            row = [outcome for outcome in outcomes if (outcome.level_db, outcome.over) == (level_db, over)]
            if row:
                yield f"  {level_db:>3} dB{', over the voice' if over else ', in silence'}: {_counted(row)}"
    for drive, is_warm, level_db in itertools.product(DRIVES, (True, False), LEVELS_DB):
        rows = [
            outcome for outcome in outcomes if outcome.over and (outcome.drive, outcome.level_db) == (drive, level_db)
        ]
        row = [outcome for outcome in rows if (outcome.before_s >= WARM_S) is is_warm]
        if row:
            heard = f"{WARM_S:.0f} s {'and more' if is_warm else 'or less'} heard before"
            yield f"  over the voice, {level_db} dB, drive {drive}, {heard}: {_counted(row)}"
    silent = [outcome.silent_ms for outcome in outcomes if outcome.silent_ms is not None]
    after = [outcome.after_word_ms for outcome in outcomes if outcome.after_word_ms is not None]
    if silent:
        yield f"  told to be silent {len(silent)} times, after the detection: {_spread(silent)}"
        yield f"    after the end of the word: {_spread(after)}"


def _counted(row: Sequence[Outcome]) -> str:
    heard = [outcome for outcome in row if outcome.woken]
    said = f"woken {share(len(heard), len(row))}, order right {share(sum(o.right for o in row), len(row))}"
    if heard:
        said += f", of the woken {share(sum(o.right for o in heard), len(heard))}"
    counts = f"wrong {sum(o.wrong for o in row)}, other wakes {sum(o.false_wakes for o in row)}"
    return f"{said}; {counts}, stop words {sum(o.false_stops for o in row)}"


def _spread(times_ms: Sequence[int]) -> str:
    middle, high = percentile(times_ms, 50), percentile(times_ms, 95)
    return f"{min(times_ms)} to {max(times_ms)} ms (median {middle}, p95 {high})"


def _cases(
    brains: Brains, pack: Path, words: Sequence[str], numbers: Sequence[int], sentences: Sequence[str]
) -> Iterator[Case]:
    rows = [json.loads(line) for line in (pack / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    orders = read_clips(brains.detector, pack, [row for row in rows if row["set"] == "commands"])
    said = [row for row in rows if row["label"] in words and row["split"] == "dev"]
    clips = read_clips(brains.detector, pack, said)
    order = np.random.default_rng(0).permutation(len(clips))
    voice = load_voice(brains.loaded, deterministic=True)
    answers = synthesized(voice, sentences)
    voice.close()
    for number in numbers:
        person = number // len(LEVELS_DB)
        yield _case(number, clips[order[person % len(clips)]], orders[person % len(orders)], answers)


def _case(number: int, word: Clip, command: Clip, answers: Sequence[Pcm]) -> Case:
    """The order is said at the level of the word, without a stop of the playback."""
    person_number = number // len(LEVELS_DB)
    random = np.random.default_rng(person_number)
    room = EchoRoom.drawn(f"person {person_number}", drive=float(random.choice(DRIVES)))
    level_db = LEVELS_DB[number % len(LEVELS_DB)]
    before_s = float(random.uniform(*BEFORE_S))
    gain = np.sqrt(active_power(word.speech) / active_power(command.speech))
    pause = np.zeros(round(float(random.choice(PAUSES_S)) * SAMPLE_RATE_HZ))
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
        word_s=(before_s + EDGE_S, before_s + word.speech.size / SAMPLE_RATE_HZ - EDGE_S),
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


def _judged(case: Case, events: Sequence[Event], *, over: bool) -> Outcome:
    wakes = [event for event in events if isinstance(event, WakeDetected)]
    first_s, last_s = case.word_s
    hits = [wake for wake in wakes if first_s <= wake.audio_s <= last_s + LATEST_S]
    orders = [event for event in events if isinstance(event, IntentRecognized)]
    right = [order for order in orders if order.slots == slots_of(case.command)]
    stops = [event for event in events if isinstance(event, SpeakingEnded) and event.reason == "interrupted"]
    silent = stops[0] if stops and hits and stops[0].frame >= hits[0].frame else None
    return Outcome(
        number=case.number,
        level_db=case.level_db,
        drive=case.room.drive,
        before_s=case.word_s[0],
        over=over,
        woken=bool(hits),
        right=bool(right),
        wrong=len(orders) - bool(right),
        false_wakes=len(wakes) - bool(hits),
        false_stops=sum(isinstance(event, StopDetected) for event in events),
        silent_ms=(silent.frame - hits[0].frame) * FRAME_MS if silent else None,
        after_word_ms=round(1000 * (silent.audio_s - last_s)) if silent else None,
        what=f"{case.room}: {case.word.name}, {case.command.row['transcript']}",
    )


if __name__ == "__main__":
    sys.exit(main())
