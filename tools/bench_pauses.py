"""How often is a person cut off, and what is understood? `python -m tools.bench_pauses PACK [--every N] [--snr DB]`.

Recordings of real drink orders through the whole of listening, from speech detector to understanding, without a wake
word: as they are, and each with a pause of 0.3 s put into its exact middle, or where its middle third is quietest,
which mostly is a pause of the speaker's own, so that the silence is longer. Counts the orders that were taken for
complete before their end, tells after what silence the others were over, and how many were understood. Two processes
share the work; everything takes about four minutes of both. PACK is the folder of recordings.
"""

import argparse
import functools
import json
import multiprocessing
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from appliance import config_files
from appliance.audio.files import read_pcm
from appliance.audio.format import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm, level_dbfs
from appliance.audio.ring import Ring
from appliance.bench.speech import frames_of
from appliance.brains import Brains, load_brains
from appliance.facts import CommandEnded, Listen, PartlyHeard, StageFailed, Understood
from appliance.inbox import Inbox
from appliance.intent import Completion
from appliance.listening import Listening
from appliance.service_level import percentile
from appliance.speech.endpoint import Endpointer, limits_of
from appliance.understander import Understander
from appliance.worker import InlineWorker
from tools.bench_people import FAINT_RMS, Clip, read_clips, share, slots_of
from tools.mixing import mix

PAUSE_S: Final = 0.3
AFTER_S: Final = 1.5
PLACES: Final = (None, "middle", "quietest")
SPEECH: Final = 0.5
WORKERS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One worker's share of the orders."""

    pack: Path
    part: slice
    snr_db: float | None
    silences_ms: tuple[int, int, int] | None
    """Where one part may follow, where several may, and where nothing can; None: the configuration's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one order."""

    place: str | None
    silence_ms: int | None
    """After its end it was taken for over; None: before its end."""

    completion: Completion
    """Of what was understood."""

    right: bool
    asked: bool
    refused: bool


@dataclass(slots=True)
class Count:
    """Of one place."""

    orders: int = 0
    early: int = 0
    right: int = 0
    asked: int = 0
    wrong: int = 0
    silences_ms: dict[Completion, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, outcome: Outcome) -> None:
        """One more order."""
        self.orders += 1
        self.right += outcome.right and not outcome.asked
        self.asked += outcome.right and outcome.asked
        self.wrong += not (outcome.right or outcome.asked or outcome.refused)
        if outcome.silence_ms is None:
            self.early += 1
        else:
            self.silences_ms[outcome.completion].append(outcome.silence_ms)

    def __str__(self) -> str:
        over = (
            f"{completion} {len(times)}: {percentile(times, 50)} ms (p95 {percentile(times, 95)})"
            for completion, times in sorted(self.silences_ms.items())
        )
        return (
            f"cut off {share(self.early, self.orders)}; right {self.right}, asked rightly {self.asked}, acted wrongly "
            f"{self.wrong}; others over after: {', '.join(over)}"
        )


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take every n-th order")
    parser.add_argument("--snr", type=float, metavar="DB", help="in kitchen noise; default: in a quiet room")
    parser.add_argument("--silences", type=_silences, metavar="OPEN,WIDE,CLOSED", help="ms, instead of the defaults")
    args = parser.parse_args()
    if not (args.pack / "manifest.jsonl").is_file():
        print(f"bench of pauses: skipped, no recordings in {args.pack}", file=sys.stderr)
        return 0
    tasks = [
        Task(
            pack=args.pack,
            part=slice(number * args.every, None, WORKERS * args.every),
            snr_db=args.snr,
            silences_ms=args.silences,
        )
        for number in range(WORKERS)
    ]
    counts = {place: Count() for place in PLACES}
    with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
        for outcomes in pool.imap_unordered(run, tasks):
            for outcome in outcomes:
                counts[outcome.place].add(outcome)
    for place, count in counts.items():
        print(f"{f'pause in the {place}' if place else 'as they are'}: {count}")
    return 0


def run(task: Task) -> list[Outcome]:
    """In a worker."""
    rows = [json.loads(line) for line in (task.pack / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    brains = load_brains(config_files.load(None), sentences=task.pack / "commands" / "sentences.yaml")
    orders = read_clips(brains.detector, task.pack, [row for row in rows if row["set"] == "commands"][task.part])
    return [outcome for order in orders for outcome in _outcomes(brains, order, task)]


def paused(speech: Pcm, place: str | None) -> Pcm:
    """The order with its pause, and quiet behind it; the faint noise is the same each time."""
    cut, pause_s = speech.size // 2, PAUSE_S if place else 0.0
    if place == "quietest":
        first, last = speech.size // FRAME_SAMPLES // 3, 2 * speech.size // FRAME_SAMPLES // 3
        levels = [level_dbfs(frame.pcm) for frame in frames_of(speech)[first:last]]
        cut = (first + int(np.argmin(levels))) * FRAME_SAMPLES
    quiet, after = (np.zeros(round(seconds * SAMPLE_RATE_HZ)) for seconds in (pause_s, AFTER_S))
    whole = np.concatenate([speech[:cut], quiet, speech[cut:], after])
    noise = np.random.default_rng(1).normal(0.0, FAINT_RMS, whole.size)
    pcm: Pcm = np.clip(np.rint(whole + noise), -32768, 32767).astype(np.int16)
    return pcm


def _outcomes(brains: Brains, order: Clip, task: Task) -> Iterator[Outcome]:
    for place in PLACES:
        pcm = paused(order.speech, place)
        last_speech = _last_speech(brains, pcm)
        if task.snr_db is not None:
            pcm = mix(pcm, read_pcm(min((task.pack / "noise").glob("kitchen*.flac"))), task.snr_db, order.name)
        ended, understood = _heard(brains, pcm, task.silences_ms)
        intent = understood.intent
        yield Outcome(
            place=place,
            silence_ms=None if ended < last_speech else (ended - last_speech) * FRAME_MS,
            completion=brains.language.completion(intent.text) if intent else Completion.NONE,
            right=intent is not None and intent.slots == slots_of(order),
            asked=understood.question is not None,
            refused=intent is None,
        )


def _last_speech(brains: Brains, pcm: Pcm) -> int:
    """In a quiet room."""
    brains.detector.reset()
    return max((frame.index for frame in frames_of(pcm) if brains.detector.process(frame) >= SPEECH), default=0)


def _heard(brains: Brains, pcm: Pcm, silences_ms: tuple[int, int, int] | None) -> tuple[int, Understood]:
    """When a command was over, and what it was."""
    inbox, ring = Inbox(), Ring()
    understander = Understander(
        brains.recognizer, brains.language, inbox.post, reader=brains.reader, detector=brains.detector.another()
    )
    config = brains.loaded.config.listening
    if silences_ms is not None:
        names = ("open_silence_ms", "wide_open_silence_ms", "closed_silence_ms")
        config = msgspec.structs.replace(config, **dict(zip(names, silences_ms, strict=True)))
    listening = Listening(
        ring=ring,
        detector=brains.detector,
        endpointer=Endpointer(limits_of(config)),
        understander=functools.cache(lambda: understander),
        post=inbox.post,
        worker=InlineWorker("recognition", failed=inbox.failed),
        tracer=None,
    )
    first, *frames = frames_of(pcm)
    ring.append(first)
    listening.begin(Listen(turn=1, from_frame=0, at_frame=0, after_wake=False), command_from=0)
    ended = 0
    for frame in frames:
        ring.append(frame)
        facts = listening.process(frame)
        while (result := inbox.take()) is not None:
            fact = result(frame.index)
            if isinstance(fact, PartlyHeard):
                facts += listening.heard(fact)
            elif isinstance(fact, Understood):
                return ended, fact
            elif isinstance(fact, StageFailed):
                raise SystemExit(f"bench of pauses: {fact.error}")
        if any(isinstance(fact, CommandEnded) for fact in facts):
            ended = frame.index
            listening.finish(ended)
    return len(pcm) // FRAME_SAMPLES, Understood(frame=0, turn=1, text="")


def _silences(text: str) -> tuple[int, int, int]:
    try:
        open_ms, wide_ms, closed_ms = map(int, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: three numbers of ms, as 400,600,120") from None
    return open_ms, wide_ms, closed_ms


if __name__ == "__main__":
    sys.exit(main())
