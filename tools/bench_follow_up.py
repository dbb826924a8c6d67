"""What does it act on that was not said to it? `python -m tools.bench_follow_up PACK [--windows N] [--results FILE]`.

After an answer the appliance listens for a while without its wake word. A synthetic voice wakes it and gives a
command, and in the window behind it others speak, who do not mean it: recordings of people, also over music, as loud as
the voice behind the command, or 10 dB softer all the time. Counts the windows in which it acted or asked back, by kind.
Then synthetic voices say themselves in the window what is meant for it, and it is counted how much of that was done.
What stands in FILE is not run again.
"""

import argparse
import dataclasses
import itertools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from appliance import config_files
from appliance.audio.files import read_pcm
from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from appliance.bench.silence import SilentVoice
from appliance.bench.speech import frames_of
from appliance.bench.turns import Frames
from appliance.brains import Brains, load_brains
from appliance.events import (
    Event,
    IntentRecognized,
    IntentRejected,
    SpeechStarted,
    State,
    StateChanged,
    TranscriptReady,
    WakeDetected,
)
from appliance.replay import ReplaySettings, replay
from tools.bench_people import share
from tools.bench_phrasings import Say, voices
from tools.echo_room import ECHO_DBFS, HISS_RMS, Samples, at_level
from tools.mixing import active_power
from tools.phrasings import HOME
from tools.quantize.intervals import share_interval

BEFORE: Final = "Computer, turn on the kitchen light."
SAID: Final = (
    *("and the bedroom", "and the living room lamp", "no", "never mind", "undo", "undo that", "louder", "repeat that"),
    *("stop", "turn it off", "turn off the bedroom light", "what time is it", "set a timer for five minutes"),
)
BEFORE_S: Final = 6.0
"""Before the wake word who speaks all the time is heard for so long."""

ANSWER_S: Final = 0.7
"""From the end of the command on nobody speaks for so long, then strangers do; the answers have no sound."""

REPLY_S: Final = 1.2
"""From the end of the command to what is meant for the appliance."""

STRANGER_S: Final = 8.0
SOFTER_DB: Final = -10.0
MUSIC_DB: Final = -10.0
"""Of a television beside its speech."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one window."""

    kind: str
    number: int
    opened: bool
    began: bool
    """It took what was said for a command that began."""

    done: str | None
    """Intents that it acted on, or asked about."""

    heard: str | None
    """The text."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What the microphone hears."""

    kind: str
    number: int
    sound: Callable[[], Samples]


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--windows", type=int, default=40, help="so many of each kind")
    parser.add_argument("--results", type=Path, help="keep what came of each window, one line of JSON each")
    parser.add_argument("--meant-only", action="store_true", help="leave out the strangers")
    args = parser.parse_args()
    if not (args.pack / "manifest.jsonl").is_file():
        print(f"bench of follow-ups: skipped, no recordings in {args.pack}", file=sys.stderr)
        return 0
    loaded = config_files.load(None)
    home = msgspec.structs.replace(loaded.config.home, file=str(HOME))
    loaded = dataclasses.replace(loaded, config=msgspec.structs.replace(loaded.config, home=home))
    brains = load_brains(loaded, wake_words=["computer"])
    say = list(voices(loaded))
    outcomes = _kept(args.results)
    known = {(outcome.kind, outcome.number) for outcome in outcomes}
    strangers = [] if args.meant_only else _strangers(args.pack, say[-1][1], args.windows)
    for scene in itertools.chain(strangers, _meant(say)):
        if (scene.kind, scene.number) not in known:
            outcomes.append(_outcome(brains, scene))
            _keep(args.results, outcomes[-1])
    print(*_table(outcomes), sep="\n")
    return 0


def _kept(results: Path | None) -> list[Outcome]:
    if results is None or not results.is_file():
        return []
    return [msgspec.json.decode(line, type=Outcome) for line in results.read_bytes().splitlines()]


def _keep(results: Path | None, outcome: Outcome) -> None:
    if results is not None:
        with results.open("ab") as file:
            file.write(msgspec.json.encode(outcome) + b"\n")


def _meant(say: Sequence[tuple[str, Say]]) -> Iterator[Scene]:
    for (name, voice), (number, text) in itertools.product(say, enumerate(SAID)):
        yield Scene(f"meant: {name}", number, lambda voice=voice, text=text: _reply(voice, text))  # type: ignore[misc]


def _reply(voice: Say, text: str) -> Samples:
    before, said = _said(voice, BEFORE), _said(voice, text)
    return np.concatenate([_quiet(1.0), before, _quiet(REPLY_S), said, _quiet(1.0)])


def _strangers(pack: Path, voice: Say, windows: int) -> Iterator[Scene]:
    """The first window of each kind, then the second of each, ..."""
    before, streams = _said(voice, BEFORE), list(_streams(pack))
    long = round((BEFORE_S + ANSWER_S + STRANGER_S) * SAMPLE_RATE_HZ) + before.size
    for number, (kind, pcm) in itertools.product(range(windows), streams):
        begin = number * max(1, (pcm.size - long) // windows)
        part = pcm[begin : begin + long]
        yield Scene(kind, number, lambda part=part: _with_stranger(before, part, always=False))  # type: ignore[misc]
        scene = f"{kind}, softer, all the time"
        yield Scene(scene, number, lambda part=part: _with_stranger(before, part, always=True))  # type: ignore[misc]


def _with_stranger(before: Samples, part: Pcm, *, always: bool) -> Samples:
    """The command, and somebody else behind it as loud, or softer all the time."""
    command_from = round(BEFORE_S * SAMPLE_RATE_HZ)
    first = 0 if always else command_from + before.size + round(ANSWER_S * SAMPLE_RATE_HZ)
    sound = np.zeros(part.size)
    sound[first:] = at_level(part[first:].astype(np.float64), ECHO_DBFS + (SOFTER_DB if always else 0.0))
    sound[command_from : command_from + before.size] += before
    return sound if always else sound[command_from - SAMPLE_RATE_HZ :]


def _streams(pack: Path) -> Iterator[tuple[str, Pcm]]:
    rows = [json.loads(line) for line in (pack / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    talk = {name: read_pcm(pack / "negatives" / f"speech_{name}.flac") for name in ("en_01", "en_02", "es_01", "es_02")}
    music = read_pcm(pack / "negatives" / "music_01.flac")
    yield "words, English", talk["en_01"]
    yield "digits and prompts, English", talk["en_02"]
    yield "prompts, Spanish", np.concatenate([talk["es_01"], talk["es_02"]])
    yield "drink orders", np.concatenate([read_pcm(pack / row["path"]) for row in rows if row["set"] == "commands"])
    yield "readings", np.concatenate([read_pcm(pack / row["path"]) for row in rows if row["set"] == "asr"])
    yield "three at once", _sum(talk["en_01"], talk["en_02"], talk["es_01"])
    yield "speech over music", _sum(talk["en_02"], _at(music, talk["en_02"], MUSIC_DB))
    yield "music", music
    yield "noises", read_pcm(pack / "negatives" / "noise_01.flac")


def _sum(*parts: Pcm) -> Pcm:
    size = min(part.size for part in parts)
    whole: Pcm = np.clip(np.sum([part[:size].astype(np.int32) for part in parts], axis=0), -32768, 32767).astype(
        np.int16
    )
    return whole


def _at(pcm: Pcm, beside: Pcm, level_db: float) -> Pcm:
    """So many dB louder than the other, as long as it."""
    gain = 10 ** (level_db / 20) * np.sqrt(active_power(beside) / active_power(pcm))
    long: Pcm = np.resize(np.clip(np.rint(pcm * gain), -32768, 32767).astype(np.int16), beside.size)
    return long


def _said(voice: Say, text: str) -> Samples:
    return at_level(voice(text).astype(np.float64), ECHO_DBFS)


def _quiet(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE_HZ))


def _outcome(brains: Brains, scene: Scene) -> Outcome:
    sound = scene.sound()
    sound = sound + np.random.default_rng(scene.number).normal(0.0, HISS_RMS, sound.size)
    pcm = np.clip(np.rint(sound), -32768, 32767).astype(np.int16)
    events = list[Event]()
    replay(brains, Frames(frames_of(pcm)), ReplaySettings(), voice=SilentVoice(), publish=events.append)
    window = _window(events)
    done = [event for event in window if isinstance(event, IntentRecognized)]
    texts = [event.text for event in window if isinstance(event, TranscriptReady | IntentRejected) and event.text]
    return Outcome(
        kind=scene.kind,
        number=scene.number,
        opened=any(isinstance(event, StateChanged) and event.to is State.FOLLOWING_UP for event in events),
        began=any(isinstance(event, SpeechStarted) for event in window),
        done=", ".join(f"{event.intent} {event.slots} {event.decision}" for event in done) or None,
        heard=texts[0] if texts else None,
    )


def _window(events: Sequence[Event]) -> list[Event]:
    """From the first window's begin to its end, or to a wake word."""
    after = itertools.dropwhile(lambda event: not _leads_to(event, State.FOLLOWING_UP), events)
    inside = itertools.islice(after, 1, None)
    ends = (State.IDLE, State.SPEAKING)
    kept = itertools.takewhile(
        lambda e: not (isinstance(e, WakeDetected) or any(_leads_to(e, s) for s in ends)), inside
    )
    return list(kept)


def _leads_to(event: Event, state: State) -> bool:
    return isinstance(event, StateChanged) and event.to is state


def _table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for kind in dict.fromkeys(outcome.kind for outcome in outcomes):
        opened = [outcome for outcome in outcomes if outcome.kind == kind and outcome.opened]
        done = [outcome for outcome in opened if outcome.done]
        if kind.startswith("meant"):
            yield f"  {kind}: done {share(len(done), len(opened)) if opened else 'no window'}"
            yield from (f"      {SAID[o.number]!r}: {o.done}; heard {o.heard!r}" for o in opened)
        else:
            began = sum(outcome.began for outcome in opened)
            high = 100 * share_interval(len(done), len(opened))[1] if opened else 100.0
            yield f"  {kind}: acted in {len(done)} of {len(opened)} windows (at most {high:.1f} %), began in {began}"
            yield from (f"      {o.number}: {o.done}; heard {o.heard!r}" for o in done)


if __name__ == "__main__":
    sys.exit(main())
