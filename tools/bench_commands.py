"""Understood, or politely refused: `python -m tools.bench_commands PACK [--all] [--observe FILE]`.

Real drink orders through `understand`, clean and in kitchen noise, beside the best published engine; then speech that
is no command of the language, for the drink orders and for the built-in language with the example home. Every figure
is a count with its 95 % bound; beside each stands what free dictation alone costs. It works on two cores at once, and
takes a sample, about 10 minutes of processor time; `--all` takes everything, about an hour. `--observe` also writes
each reading, for tools/fit_confidence.py; that dictates everything, and takes three times as long. PACK is the folder
of recordings.
"""

import argparse
import dataclasses
import functools
import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from appliance import config_files
from appliance.audio.files import read_pcm
from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from appliance.brains import load_detector, load_home, load_language, load_reader, load_recognizer
from appliance.cli.understand import understand_pcm
from appliance.config_files import LoadedConfig
from appliance.intent import Intent
from appliance.speech.detector import surely_speech
from appliance.speech.missed import missed_s
from appliance.speech.recognizer import FreeSpeech, Hypotheses, VoskRecognizer, dictated
from appliance.understander import Heard, Understander
from appliance.understanding.confidence import Decision
from appliance.understanding.language import Language
from tools import reliability
from tools.mixing import METHOD, mix, mix_by_loudest
from tools.quantize.intervals import rate_interval, share_interval

SNRS_DB = (None, 24, 18, 12, 6, 0)
MIXERS: dict[str, Callable[[Pcm, Pcm, float, str], Pcm]] = {METHOD: mix, "by the loudest frame": mix_by_loudest}
RHINO_PERCENT = {24: 99, 18: 99, 12: 98, 6: 96}
"""Published by its maker, kitchen noise: 619 orders, of which these are some; mixed by the loudest frame."""

LONGEST_S = 8.0
"""Continuous sound is cut into utterances of this length, the longest that the appliance takes for one."""

SAMPLE_EVERY, SAMPLE_FOREIGN_EVERY = 4, 8
"""Unless all is asked for: every so many orders, and clips of other speech."""

DICTATED_EVERY = 4
"""Of the orders at hand, to tell what dictation costs."""

WORKERS = 2
FOREIGN_PARTS = 8
"""Foreign speech is divided into so many tasks."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance."""

    kind: str
    name: str
    speaker: str
    pcm: Pcm
    slots: dict[str, str] | None = None
    """Of a command of the language; None: it is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a clip."""

    kind: str
    seconds: float
    cpu_s: float
    right: bool
    """Intent and every slot, and no further slot."""

    decision: Decision | None
    """None: no sentence was found."""

    words: int = 0
    confidence: float | None = None
    observed: dict[str, Any] | None = None
    """A line for tools/fit_confidence.py."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One worker's share: orders at one signal-to-noise ratio, or a part of the foreign speech for both languages."""

    pack: Path
    every: int
    observe: bool
    method: str = METHOD
    snr_db: int | None = None
    foreign_part: int | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """Results of a task."""

    drinks: list[Result]
    home: list[Result]
    peak_mb: float
    dictation: float = 0.0
    """Seconds of processor for a second of an order, with the recognizer alone and no sentences."""


class Bench:
    """One language with its recognizer."""

    def __init__(self, loaded: LoadedConfig, language: Language) -> None:
        self._recognizer = Watched(load_recognizer(loaded, language))
        self._reader = load_reader(loaded, language)
        self._detector = load_detector(loaded)
        self._understander = Understander(
            self._recognizer, language, lambda result: None, reader=self._reader, detector=self._detector
        )

    def results(self, condition: str, clips: Sequence[Clip], *, observe: bool) -> Iterator[Result]:
        """What is understood, in the order of the clips."""
        for clip in clips:
            begun_s = time.process_time()
            heard = self.heard(clip.pcm)
            cpu_s = time.process_time() - begun_s
            yield Result(
                kind=clip.kind,
                seconds=clip.pcm.size / SAMPLE_RATE_HZ,
                cpu_s=cpu_s,
                right=heard.intent is not None and heard.intent.slots == clip.slots,
                decision=heard.decision if heard.intent else None,
                words=len(heard.text.split()),
                confidence=heard.confidence,
                observed=self.observed(condition, clip) if observe else None,
            )

    def heard(self, pcm: Pcm, *, called: bool = False) -> Heard:
        """What is understood of a recording."""
        return understand_pcm(self._understander, pcm, called=called)

    def dictation(self, clips: Sequence[Clip]) -> float:
        """Seconds of processor for a second of sound."""
        begun_s = time.process_time()
        for clip in clips:
            dictated(self._recognizer, clip.pcm)
        return (time.process_time() - begun_s) * SAMPLE_RATE_HZ / sum(clip.pcm.size for clip in clips)

    def observed(
        self, condition: str, clip: Clip, right: Callable[[Intent], bool] | None = None
    ) -> dict[str, Any] | None:
        """A line for tools/fit_confidence.py, of the newest recording; None: nothing could be acted on.

        `right`: whether a reading is; None: whether it has the clip's slots.
        """
        hypotheses = self._recognizer.newest
        reading = self._reader.read(hypotheses.texts, hypotheses.likelihoods) if self._reader else None
        if self._reader is None or reading is None:
            return None
        intent = reading.intent
        if right is None and clip.slots is None and all(one.courtesy for one in intent.commands):
            return None  # of those who are not called it is refused in any case
        return {
            "set": condition,
            "speaker": clip.speaker,
            "right": right(intent) if right else intent.slots == clip.slots,
            "share": reading.share,
            "cost": reading.cost,
            "phones": reading.phones,
            "two": intent.then is not None,
            "missed_s": missed_s(surely_speech(self._detector, clip.pcm), hypotheses.words[reading.text]),
            "beyond_filler": hypotheses.beyond_filler(reading.text),
            "apart": self._reader.apart(self._recognizer.dictate(clip.pcm), intent),
        }


class Watched:
    """A recognizer that remembers its newest result and dictation."""

    def __init__(self, recognizer: VoskRecognizer) -> None:
        self._recognizer = recognizer
        self.accept = recognizer.accept
        self.newest = Hypotheses((), (), wake_heard=False, words=())
        self._dictated: str | None = None

    def begin(self, *, after_wake: bool) -> None:
        """Forget the utterance before."""
        self._dictated = None
        self._recognizer.begin(after_wake=after_wake)

    def finish(self) -> Hypotheses:
        """End the utterance."""
        self.newest = self._recognizer.finish()
        return self.newest

    def dictation(self) -> FreeSpeech:
        """Whose words are remembered."""
        return _Remembered(self._recognizer.dictation(), self._remember)

    def dictate(self, pcm: Pcm) -> str:
        """Freely; what was dictated already is not heard again."""
        if self._dictated is None:
            dictated(self, pcm)
        assert self._dictated is not None
        return self._dictated

    def _remember(self, text: str) -> None:
        self._dictated = text


class _Remembered:
    """Free dictation that tells its words to somebody else, too."""

    def __init__(self, speech: FreeSpeech, told: Callable[[str], None]) -> None:
        self.accept = speech.accept
        self._speech = speech
        self._told = told

    def finish(self) -> str:
        text = self._speech.finish()
        self._told(text)
        return text


@functools.lru_cache(maxsize=2)
def _bench(sentences: Path | None) -> Bench:
    """One for each language in each worker."""
    loaded = config_files.load(None)
    return Bench(loaded, load_language(loaded, load_home(loaded), sentences))


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--all", action="store_true", help="take every order and every clip of other speech")
    parser.add_argument("--observe", type=Path, metavar="FILE", help="write the readings for tools.fit_confidence")
    args = parser.parse_args()
    if not (args.pack / "manifest.jsonl").is_file():
        print(f"bench of commands: skipped, no recordings in {args.pack}", file=sys.stderr)
        return 0
    every, foreign_every = (1, 1) if args.all else (SAMPLE_EVERY, SAMPLE_FOREIGN_EVERY)
    tasks = tasks_of(args.pack, every, foreign_every, observe=args.observe is not None)
    drinks: list[Result] = []
    home: list[Result] = []
    with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
        for task, done in zip(tasks, pool.imap(run, tasks), strict=True):
            if task.foreign_part is None:
                _print_orders(task, done.drinks)
                print(f"          free dictation alone: {done.dictation:.3f} s of processor for 1 s", flush=True)
            drinks += done.drinks
            home += done.home
            peak_mb = done.peak_mb
    for title, results in (("no order, for the drink orders", drinks), ("no command, for the built-in language", home)):
        print(f"\nspeech that is {title}:")
        _foreign([result for result in results if result.kind != ORDERS or results is home])
    _reliability(drinks)
    print(f"\npeak memory of a worker with both languages {peak_mb:.0f} MB")
    if args.observe:
        lines = (json.dumps(result.observed) for result in drinks + home if result.observed)
        args.observe.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return 0


def tasks_of(pack: Path, every: int, foreign_every: int, *, observe: bool) -> list[Task]:
    """In the order of the tables."""
    orders = Task(pack=pack, every=every, observe=observe)
    return [
        *(dataclasses.replace(orders, snr_db=snr_db) for snr_db in SNRS_DB),
        *(dataclasses.replace(orders, snr_db=snr_db, method="by the loudest frame") for snr_db in SNRS_DB[1:]),
        *(dataclasses.replace(orders, every=foreign_every, foreign_part=part) for part in range(FOREIGN_PARTS)),
    ]


def run(task: Task) -> Done:
    """In a worker."""
    drinks, orders = _bench(task.pack / "commands" / "sentences.yaml"), _orders(task.pack)[:: task.every]
    home_results: list[Result] = []
    dictation = 0.0
    if task.foreign_part is None:
        condition = "clean" if task.snr_db is None else f"{task.snr_db} dB {task.method}"
        clips = _in_noise(task, orders)
        results = list(drinks.results(condition, clips, observe=task.observe))
        dictation = drinks.dictation(clips[::DICTATED_EVERY])
    else:
        mine = slice(task.foreign_part * task.every, None, FOREIGN_PARTS * task.every)
        others, strangers = _others(task.pack)[mine], _orders(task.pack)[mine]
        results = list(drinks.results("foreign", others, observe=task.observe))
        foreign = [dataclasses.replace(clip, slots=None) for clip in strangers] + others
        home_results = list(_bench(None).results("foreign to the home", foreign, observe=task.observe))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Done(results, home_results, peak_mb, dictation)


ORDERS = "drink orders"


def _orders(pack: Path) -> list[Clip]:
    return [
        Clip(ORDERS, row["path"], row["speaker"], read_pcm(pack / row["path"]), _slots(row))
        for row in _rows(pack)
        if row["set"] == "commands"
    ]


def _slots(row: dict[str, Any]) -> dict[str, str]:
    return {name: value.strip() for name, value in row["slots"].items()}


def _rows(pack: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (pack / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]


def _others(pack: Path) -> list[Clip]:
    """Wake words, prompts, digits, readings and babble."""
    kinds = {"wakeword": "wake words", "asr": "readings"}
    clips = [
        Clip(kinds[row["set"]], row["path"], row["speaker"], read_pcm(pack / row["path"]))
        for row in _rows(pack)
        if row["set"] in kinds
    ]
    talk = []
    for cues in sorted((pack / "negatives").glob("speech_*.cues.jsonl")):
        pcm = read_pcm(cues.with_name(cues.name.removesuffix(".cues.jsonl") + ".flac"))
        talk.append(pcm)
        for line in cues.read_text(encoding="utf-8").splitlines():
            cue = json.loads(line)
            part = pcm[cue["start_sample"] : cue["end_sample"]]
            clips.append(Clip("prompts, digits, words", f"{cues.name}:{cue['start_sample']}", cue["speaker"], part))
    long = round(LONGEST_S * SAMPLE_RATE_HZ)
    joined = np.concatenate(talk)
    whole = joined[: joined.size // (3 * long) * 3 * long].reshape(3, -1).sum(axis=0, dtype=np.int32)
    crowd = np.clip(whole, -32768, 32767).astype(np.int16).reshape(-1, long)
    return clips + [Clip("babble of three", f"babble:{number}", "many", pcm) for number, pcm in enumerate(crowd[:100])]


def _in_noise(task: Task, orders: Sequence[Clip]) -> Sequence[Clip]:
    if task.snr_db is None:
        return orders
    noise = read_pcm(min((task.pack / "noise").glob("kitchen*.flac")))
    mixed, snr_db = MIXERS[task.method], float(task.snr_db)
    return [dataclasses.replace(clip, pcm=mixed(clip.pcm, noise, snr_db, clip.name)) for clip in orders]


def _print_orders(task: Task, results: Sequence[Result]) -> None:
    if task.snr_db == (None if task.method == METHOD else SNRS_DB[1]):
        print(f"\n{len(results)} drink orders in kitchen noise, mixed {task.method}; strict: intent and every slot")
    total, seconds = len(results), sum(result.seconds for result in results)
    acted = sum(result.right and result.decision is Decision.ACT for result in results)
    asked = sum(result.right and result.decision is Decision.CONFIRM for result in results)
    wrong = sum(not result.right and result.decision is Decision.ACT for result in results)
    cpu = sum(result.cpu_s for result in results) / seconds
    name = "clean" if task.snr_db is None else f"{task.snr_db} dB"
    print(
        f"  {name:>6}: right at once {_share(acted, total)}, with asking {_share(acted + asked, total)}, "
        f"wrong actions {_at_most(wrong, total)}; {cpu:.3f} s of processor for 1 s",
        flush=True,
    )
    if task.method != METHOD and task.snr_db in RHINO_PERCENT:
        print(f"          Rhino, as published: {RHINO_PERCENT[task.snr_db]} % right, the rest wrong or refused")


def _foreign(results: Sequence[Result]) -> None:
    for kind in dict.fromkeys(result.kind for result in results):
        _print_foreign(kind, [result for result in results if result.kind == kind])
    _print_foreign("all", results)


def _print_foreign(kind: str, results: Sequence[Result]) -> None:
    hours = sum(result.seconds for result in results) / 3600
    acted = [result for result in results if result.decision is Decision.ACT]
    asked = sum(result.decision is Decision.CONFIRM for result in results)
    short = sum(result.words <= 2 for result in acted)
    low, high = rate_interval(short, hours)
    print(
        f"  {kind:>22}: acted on {_at_most(len(acted), len(results))}, asked back {asked}; "
        f"commands of one or two words {short} in {hours:.2f} h ({low:.1f}..{high:.1f} an hour)",
        flush=True,
    )


def _reliability(results: Sequence[Result]) -> None:
    print("\nreliability: confidence told, and how often the reading was right")
    for line in reliability.table([(one.confidence, one.right) for one in results if one.confidence is not None]):
        print(f"  {line}")


def _share(count: int, total: int) -> str:
    low, high = share_interval(count, total)
    return f"{count} of {total} ({100 * count / total:.1f} %, {100 * low:.1f}..{100 * high:.1f})"


def _at_most(count: int, total: int) -> str:
    return f"{count} of {total} (at most {100 * share_interval(count, total)[1]:.1f} %)"


if __name__ == "__main__":
    sys.exit(main())
