"""How often is a person cut off who pauses in mid-command? `python -m tools.bench_pauses PACK [--every N]`.

Recordings of real drink orders, each with a pause of 0.3 s put into its exact middle, or where its middle third is
quietest, which mostly is a pause of the speaker's own, so that the silence is longer. Counts, for several values of
`listening.open_silence_ms`, `wide_open_silence_ms` and `closed_silence_ms`, the orders that were taken for complete
before their end, and tells after what silence the others were over.
"""

import argparse
import dataclasses
import json
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from appliance import config_files
from appliance.audio.format import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm, frames_of_ms, level_dbfs
from appliance.bench.speech import frames_of
from appliance.brains import Brains, load_brains
from appliance.intent import Completion
from appliance.listening import CHUNK_FRAMES
from appliance.service_level import percentile
from appliance.speech.endpoint import Ended, Endpointer, Limits, limits_of
from appliance.understander import Understander
from tools.bench_people import FAINT_RMS, read_clips, share

PAUSE_S: Final = 0.3
AFTER_S: Final = 1.5
SILENCES_MS: Final = (
    (360, 360, 160),
    (440, 440, 160),
    (520, 520, 160),
    (600, 600, 160),
    (700, 700, 160),
    (360, 600, 160),
    (400, 600, 160),
    (400, 600, 140),
    (400, 600, 120),
    (440, 600, 160),
    (400, 700, 160),
)
"""Where one part may follow, where several may, and where nothing can."""

PLACES: Final = ("middle", "quietest")
SPEECH: Final = 0.5
OPEN: Final = (Completion.OPEN, Completion.WIDE_OPEN)


@dataclass(slots=True)
class Count:
    """Of one place and one silence."""

    orders: int = 0
    early: int = 0
    delays_ms: dict[Completion, list[int]] = field(default_factory=lambda: defaultdict(list))

    def __str__(self) -> str:
        opened = [ms for completion, times in self.delays_ms.items() if completion in OPEN for ms in times]
        all_open = f"all open {percentile(opened, 50)} ms (p95 {percentile(opened, 95)})" if opened else "none open"
        delays = (
            f"{completion} {len(times)}: {percentile(times, 50)} ms (p95 {percentile(times, 95)})"
            for completion, times in sorted(self.delays_ms.items())
        )
        return f"cut off {share(self.early, self.orders)}; others over after: {all_open}; {', '.join(delays)}"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take every n-th order")
    args = parser.parse_args()
    if not (args.pack / "manifest.jsonl").is_file():
        print(f"bench of pauses: skipped, no recordings in {args.pack}", file=sys.stderr)
        return 0
    rows = [json.loads(line) for line in (args.pack / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    brains = load_brains(config_files.load(None), sentences=args.pack / "commands" / "sentences.yaml")
    orders = read_clips(brains.detector, args.pack, [row for row in rows if row["set"] == "commands"][:: args.every])
    counts: dict[tuple[str, tuple[int, int, int]], Count] = defaultdict(Count)
    for order in orders:
        for place in PLACES:
            _count(brains, paused(order.speech, place), place, counts)
    for (place, (open_ms, wide_ms, closed_ms)), count in counts.items():
        print(f"pause in the {place}, open {open_ms} ms, wide open {wide_ms} ms, closed {closed_ms} ms: {count}")
    return 0


def paused(speech: Pcm, place: str) -> Pcm:
    """The order with its pause, and quiet behind it; the faint noise is the same each time."""
    cut = speech.size // 2
    if place == "quietest":
        first, last = speech.size // FRAME_SAMPLES // 3, 2 * speech.size // FRAME_SAMPLES // 3
        levels = [level_dbfs(frame.pcm) for frame in frames_of(speech)[first:last]]
        cut = (first + int(np.argmin(levels))) * FRAME_SAMPLES
    quiet, after = (np.zeros(round(seconds * SAMPLE_RATE_HZ)) for seconds in (PAUSE_S, AFTER_S))
    whole = np.concatenate([speech[:cut], quiet, speech[cut:], after])
    noise = np.random.default_rng(1).normal(0.0, FAINT_RMS, whole.size)
    pcm: Pcm = np.clip(np.rint(whole + noise), -32768, 32767).astype(np.int16)
    return pcm


def _count(brains: Brains, pcm: Pcm, place: str, counts: dict[tuple[str, tuple[int, int, int]], Count]) -> None:
    """Let endpointers with each silence listen to the same recognizer."""
    limits = limits_of(brains.loaded.config.listening)
    listening = {ms: Endpointer(_limits(limits, *ms)) for ms in SILENCES_MS}
    understander = Understander(brains.recognizer, brains.language, lambda result: None)
    understander.begin(False)
    brains.detector.reset()
    frames, completion = frames_of(pcm), Completion.INCOMPLETE
    ended: dict[tuple[int, int, int], tuple[int, Completion]] = {}
    last_speech = 0
    for frame in frames:
        probability = brains.detector.process(frame)
        last_speech = frame.index if probability >= SPEECH else last_speech
        if (frame.index + 1) % CHUNK_FRAMES == 0:
            text = understander.hear(
                pcm[(frame.index + 1 - CHUNK_FRAMES) * FRAME_SAMPLES :][: CHUNK_FRAMES * FRAME_SAMPLES]
            )
            completion = brains.language.completion(text) if text else completion
            for endpointer in listening.values() if text else ():
                endpointer.hear_words(frame.index, completion)
        for ms, endpointer in listening.items():
            if isinstance(endpointer.update(frame.index, probability), Ended):
                ended.setdefault(ms, (frame.index, completion))
    brains.recognizer.finish()
    for ms in SILENCES_MS:
        at, completion = ended.get(ms, (len(frames), Completion.INCOMPLETE))
        count = counts[place, ms]
        count.orders += 1
        if at < last_speech:
            count.early += 1
        else:
            count.delays_ms[completion].append((at - last_speech) * FRAME_MS)


def _limits(limits: Limits, open_ms: int, wide_ms: int, closed_ms: int) -> Limits:
    return dataclasses.replace(
        limits,
        open_frames=frames_of_ms(open_ms),
        wide_open_frames=frames_of_ms(wide_ms),
        closed_frames=frames_of_ms(closed_ms),
    )


if __name__ == "__main__":
    sys.exit(main())
