"""Understood, or politely refused: `python -m tools.bench_commands PACK [--every N] [--observe FILE]`.

Real drink orders through `understand`, clean and in kitchen noise, beside the best published engine; then speech that
is no command of the language, for the drink orders and for the built-in language with the example home. Every figure
is a count with its 95 % bound. `--observe` also writes each reading, for tools/fit_confidence.py; that listens to
everything a second time, and takes three times as long. PACK is the folder of recordings.
"""

import argparse
import itertools
import json
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from appliance import config_files
from appliance.audio.files import read_pcm
from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from appliance.brains import load_home, load_language, load_reader, load_recognizer
from appliance.cli.understand import understand_pcm
from appliance.config_files import LoadedConfig
from appliance.listening import Heard, Understander
from appliance.speech.recognizer import Hypotheses, VoskRecognizer
from appliance.understanding.confidence import Decision
from appliance.understanding.language import Language
from appliance.understanding.reading import Reader
from tools.mixing import METHOD, mix, mix_by_loudest
from tools.quantize.intervals import rate_interval, share_interval

SNRS_DB = (None, 24, 18, 12, 6, 0)
RHINO_PERCENT = {24: 99, 18: 99, 12: 98, 6: 96}
"""Published by its maker, kitchen noise: 619 orders, of which these are some; mixed by the loudest frame."""

LONGEST_S = 8.0
"""Continuous sound is cut into utterances of this length, the longest that the appliance takes for one."""

BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99, 1.0)


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance."""

    kind: str
    name: str
    speaker: str
    pcm: Pcm
    slots: dict[str, str] | None = None
    """Of a command of the language; None: it is none."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a clip."""

    clip: Clip
    heard: Heard

    @property
    def right(self) -> bool:
        """Intent and every slot, and no further slot."""
        return self.heard.intent is not None and self.heard.intent.slots == self.clip.slots

    def decided(self, decision: Decision) -> bool:
        """A sentence was found, and this is to be done."""
        return self.heard.intent is not None and self.heard.decision is decision


class Bench:
    """One language with its recognizer."""

    def __init__(self, loaded: LoadedConfig, sentences: Path | None, observe: IO[str] | None) -> None:
        self.language: Language = load_language(loaded, load_home(loaded), sentences)
        self._recognizer = load_recognizer(loaded, self.language)
        begun_s = time.process_time()
        self._reader = load_reader(loaded, self.language)
        self.build_s = time.process_time() - begun_s
        watched = Watched(self._recognizer)
        self._watched = watched
        self._understander = Understander(watched, self.language, lambda result: None, reader=self._reader)
        self._observe = observe

    def run(self, condition: str, clips: Sequence[Clip]) -> tuple[list[Result], float]:
        """What is understood, and the processor time for each second of sound."""
        begun_s = time.process_time()
        results = [Result(clip, understand_pcm(self._understander, clip.pcm)) for clip in self._told(condition, clips)]
        return results, (time.process_time() - begun_s) / sum(clip.pcm.size / SAMPLE_RATE_HZ for clip in clips)

    def _told(self, condition: str, clips: Sequence[Clip]) -> Iterator[Clip]:
        for clip in clips:
            yield clip
            if self._observe is not None and self._reader is not None:
                self._write(self._observe, self._reader, condition, clip)

    def _write(self, file: IO[str], reader: Reader, condition: str, clip: Clip) -> None:
        hypotheses = self._watched.newest
        reading = reader.read(hypotheses.texts, hypotheses.likelihoods)
        if reading is None:
            return
        row = {
            "set": condition,
            "speaker": clip.speaker,
            "right": reading.intent.slots == clip.slots,
            "share": reading.share,
            "cost": reading.cost,
            "phones": reading.phones,
            "apart": reader.apart(self._recognizer.dictate(clip.pcm), reading.intent),
        }
        file.write(json.dumps(row) + "\n")


class Watched:
    """A recognizer that remembers its newest result."""

    def __init__(self, recognizer: VoskRecognizer) -> None:
        self._recognizer = recognizer
        self.begin, self.accept, self.dictate = recognizer.begin, recognizer.accept, recognizer.dictate
        self.newest = Hypotheses((), (), wake_heard=False)

    def finish(self) -> Hypotheses:
        """End the utterance."""
        self.newest = self._recognizer.finish()
        return self.newest


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take every n-th clip")
    parser.add_argument("--observe", type=Path, metavar="FILE", help="write the readings for tools.fit_confidence")
    args = parser.parse_args()
    if not (args.pack / "manifest.jsonl").is_file():
        print(f"bench of commands: skipped, no recordings in {args.pack}", file=sys.stderr)
        return 0
    loaded = config_files.load(None)
    observe = args.observe.open("w", encoding="utf-8") if args.observe else None
    drinks = Bench(loaded, args.pack / "commands" / "sentences.yaml", observe)
    orders, others = _orders(args.pack)[:: args.every], _others(args.pack)[:: args.every]
    results = _in_noise(drinks, args.pack, orders)
    foreign, _ = drinks.run("foreign", others)
    print("\nspeech that is no order, for the drink orders:")
    _foreign(foreign)
    _reliability([*results, *foreign])
    home = Bench(loaded, None, observe)
    strangers = [Clip("drink orders", clip.name, clip.speaker, clip.pcm) for clip in orders] + others
    print("\nspeech that is no command, for the built-in language:")
    _foreign(home.run("foreign to the home", strangers)[0])
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nsound matchers built in {drinks.build_s:.2f} and {home.build_s:.2f} s; peak memory {peak_mb:.0f} MB")
    return 0


def _orders(pack: Path) -> list[Clip]:
    return [
        Clip("drink orders", row["path"], row["speaker"], read_pcm(pack / row["path"]), _slots(row))
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


def _in_noise(bench: Bench, pack: Path, orders: Sequence[Clip]) -> list[Result]:
    noise = read_pcm(min((pack / "noise").glob("kitchen*.flac")))
    everything = []
    for title, mixed in ((f"by {METHOD}", mix), ("as the benchmark does it, by the loudest frame", mix_by_loudest)):
        print(f"\n{len(orders)} drink orders in kitchen noise, mixed {title}; strict: intent and every slot")
        for snr_db in SNRS_DB if mixed is mix else SNRS_DB[1:]:
            clips = [
                orders_clip
                if snr_db is None
                else Clip(
                    orders_clip.kind,
                    orders_clip.name,
                    orders_clip.speaker,
                    mixed(orders_clip.pcm, noise, snr_db, orders_clip.name),
                    orders_clip.slots,
                )
                for orders_clip in orders
            ]
            results, cpu = bench.run("clean" if snr_db is None else f"{snr_db} dB, {mixed.__name__}", clips)
            everything += results
            _print_orders("clean" if snr_db is None else f"{snr_db} dB", results, cpu)
            if mixed is mix_by_loudest and snr_db in RHINO_PERCENT:
                print(f"          Rhino, as published: {RHINO_PERCENT[snr_db]} % right, the rest wrong or refused")
    return everything


def _print_orders(name: str, results: Sequence[Result], cpu: float) -> None:
    total = len(results)
    acted = sum(result.right and result.decided(Decision.ACT) for result in results)
    asked = sum(result.right and result.decided(Decision.CONFIRM) for result in results)
    wrong = sum(not result.right and result.decided(Decision.ACT) for result in results)
    print(
        f"  {name:>6}: right at once {_share(acted, total)}, with asking {_share(acted + asked, total)}, "
        f"wrong actions {_at_most(wrong, total)}; {cpu:.3f} s of processor for 1 s",
        flush=True,
    )


def _foreign(results: Sequence[Result]) -> None:
    for kind in dict.fromkeys(result.clip.kind for result in results):
        _print_foreign(kind, [result for result in results if result.clip.kind == kind])
    _print_foreign("all", results)


def _print_foreign(kind: str, results: Sequence[Result]) -> None:
    hours = sum(result.clip.pcm.size for result in results) / SAMPLE_RATE_HZ / 3600
    acted = [result for result in results if result.decided(Decision.ACT)]
    asked = sum(result.decided(Decision.CONFIRM) for result in results)
    short = sum(len(result.heard.text.split()) <= 2 for result in acted)
    low, high = rate_interval(short, hours)
    print(
        f"  {kind:>22}: acted on {_at_most(len(acted), len(results))}, asked back {asked}; "
        f"commands of one or two words {short} in {hours:.2f} h ({low:.1f}..{high:.1f} an hour)",
        flush=True,
    )


def _reliability(results: Sequence[Result]) -> None:
    print("\nreliability: confidence told, and how often the reading was right")
    told = [(result.heard.confidence, result.right) for result in results if result.heard.confidence is not None]
    for low, high in itertools.pairwise(BINS):
        inside = [(c, right) for c, right in told if low <= c < high or (high == 1.0 and c == 1.0)]
        if inside:
            mean, good = sum(c for c, _ in inside) / len(inside), sum(right for _, right in inside)
            bar = "#" * round(40 * good / len(inside))
            print(f"  {low:4.2f}..{high:4.2f}  told {mean:.2f}, was {_share(good, len(inside)):36} {bar}")


def _share(count: int, total: int) -> str:
    low, high = share_interval(count, total)
    return f"{count} of {total} ({100 * count / total:.1f} %, {100 * low:.1f}..{100 * high:.1f})"


def _at_most(count: int, total: int) -> str:
    return f"{count} of {total} (at most {100 * share_interval(count, total)[1]:.1f} %)"


if __name__ == "__main__":
    sys.exit(main())
