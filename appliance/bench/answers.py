"""How soon an answer is heard: one that is there, a new short one, a new long one."""

import time
from collections.abc import Sequence
from pathlib import Path

from appliance.audio.format import FRAME_MS
from appliance.audio.player import Player
from appliance.audio.speakers import SilentSpeaker
from appliance.bench.stages import resident_mb
from appliance.inbox import Inbox
from appliance.speaking import Speaking
from appliance.voice.answer_cache import AnswerCache
from appliance.voice.piper import PROGRAM
from appliance.voice.utterance import chunks_of
from appliance.voice.voice import Voice
from appliance.worker import InlineWorker

NEW = {
    "short": "Timer set for seventeen minutes.",
    "long": "Tomorrow in the morning it will be mostly sunny with clouds in the afternoon and rain at night and some "
    "wind from the north west.",
}
ROUNDS = 5


def answer_figures(voice: Voice) -> list[str]:
    """Lines: processor time and delay until the first sound, real-time factor, and memory of the voice's process."""
    lines = [_cached(voice)]
    process = _process()
    for name, text in NEW.items():
        rounds = [_new(voice, text, process) for _ in range(ROUNDS)]
        first_cpu_ms, whole_cpu_ms, sound_s = (min(figures) for figures in list(zip(*rounds, strict=True))[:3])
        wall_ms = sorted(figures[3] for figures in rounds)
        lines.append(
            f"  new {name} answer, {sound_s:3.1f} s: first sound after {first_cpu_ms:5.0f} ms CPU, {wall_ms[0]:5.0f} to"
            f" {wall_ms[-1]:5.0f} ms in all; {whole_cpu_ms / sound_s / 1000:5.3f} CPU s per s"
        )
    if process is not None:
        lines.append(f"  memory of the voice's process: {resident_mb(process):.0f} MB")
    return lines


def _cached(voice: Voice) -> str:
    """From the order to the player, in the frame loop's own thread."""
    text, inbox, cache = NEW["short"], Inbox(), AnswerCache()
    cache.fix(text, chunks_of(voice.synthesize(text), voice.rate_hz))
    speaking = Speaking(
        voice=voice,
        player=Player(SilentSpeaker(), lead_frames=0),
        worker=InlineWorker("voice", failed=inbox.failed),
        post=inbox.post,
        cache=cache,
    )
    best_ms = float("inf")
    for index in range(ROUNDS):
        started = time.process_time()
        speaking.say(text)
        speaking.advance(index)
        best_ms = min(best_ms, (time.process_time() - started) * 1000)
        speaking.hush()
    return f"  an answer that is there: {best_ms:.2f} ms CPU, heard with the next frame, {FRAME_MS} ms at most"


def _new(voice: Voice, text: str, process: str | None) -> tuple[float, float, float, float]:
    """CPU ms of the voice's process until the first part and in all, seconds of sound, ms until the first part."""
    before, started = _cpu_ms(process), time.monotonic()
    parts = voice.stream(text)
    samples = next(parts).size
    wall_ms, first_cpu_ms = (time.monotonic() - started) * 1000, _cpu_ms(process) - before
    samples += sum(part.size for part in parts)
    return first_cpu_ms, _cpu_ms(process) - before, samples / voice.rate_hz, wall_ms


def _process() -> str | None:
    """Number of our child that speaks; None: the simple voice does."""
    for children in Path("/proc/self/task").glob("*/children"):
        for number in children.read_text().split():
            if str(PROGRAM) in _text(Path(f"/proc/{number}/cmdline")):
                return number
    return None


def _cpu_ms(process: str | None) -> float:
    """Of all its threads; 0 where there is none."""
    threads: Sequence[Path] = list(Path(f"/proc/{process}/task").glob("*/schedstat")) if process else []
    return sum(float(_text(thread).split()[0]) for thread in threads) / 1e6


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
