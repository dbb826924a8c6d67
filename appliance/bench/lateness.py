"""Is a frame ever late? A paced loop with recognition and speech going on while the other cores are fully loaded.

Beside it runs, first, a bare loop that only waits for each frame's time: what the machine itself loses. Both run with
real-time priority where it is allowed.
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from appliance import garbage
from appliance.assembly import Surroundings, build_loop, thread_workers
from appliance.audio.format import FRAME_MS, FRAMES_PER_S, Frame
from appliance.audio.speakers import SilentSpeaker
from appliance.brains import Brains
from appliance.clock import SystemClock
from appliance.events import Event, SpeakingStarted, TranscriptReady
from appliance.inbox import Inbox
from appliance.priority import ask_for_priority
from appliance.voice.voice import Voice


def lateness(brains: Brains, voice: Voice, frames: Sequence[Frame], seconds: int) -> list[str]:
    """Lines: a bare loop and the appliance's, each for `seconds`."""
    lines = [f"  priority: {ask_for_priority()}"]
    with busy_cores() as cores:
        lines.append(f"  load: {cores} busy processes")
        lines.append(_line("bare loop", _paced(lambda frame: None, frames, seconds)))
        heard: list[Event] = []
        inbox = Inbox()
        workers = thread_workers(inbox)
        workers.start()
        around = Surroundings(
            clock=SystemClock(),
            voice=voice,
            speaker=SilentSpeaker(),
            workers=workers,
            publish=heard.append,
            publish_mqtt=lambda topic, payload, qos, retain: None,
            dry_run=True,
            inbox=inbox,
        )
        try:
            loop = build_loop(brains, around)
            garbage.settle()  # as the daemon does
            lines.append(_line("frame loop", _paced(loop.process, frames, seconds)))
            loop.close()
        finally:
            workers.close()
    turns = sum(isinstance(event, TranscriptReady) for event in heard)
    answers = sum(isinstance(event, SpeakingStarted) for event in heard)
    lines.append(f"  meanwhile {turns} utterances were recognized and {answers} answers spoken")
    return lines


def _paced(work: Callable[[Frame], None], frames: Sequence[Frame], seconds: int) -> list[float]:
    """Work on one frame every 20 ms; ms from when each was due to when it was done."""
    delays = []
    started = time.monotonic()
    for index in range(seconds * FRAMES_PER_S):
        due = started + index * FRAME_MS / 1000
        time.sleep(max(0.0, due - time.monotonic()))
        work(Frame(index, frames[index % len(frames)].pcm))
        delays.append((time.monotonic() - due) * 1000)
    return delays


def _line(name: str, delays: list[float]) -> str:
    ordered = sorted(delays)
    late = sum(delay > FRAME_MS for delay in delays)
    p50, p99 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
    times = f"p50 {p50:6.2f}  p99 {p99:6.2f}  max {ordered[-1]:7.2f} ms"
    return f"  {name:<11} {times}   {late} of {len(delays)} later than 20 ms"


@contextmanager
def busy_cores() -> Iterator[int]:
    """Keep all cores but one busy at ordinary priority; at least one process."""
    cores = max(1, (os.cpu_count() or 1) - 1)
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    processes = [context.Process(target=burn, args=(stop,), daemon=True) for _ in range(cores)]
    for process in processes:
        process.start()
    try:
        yield cores
    finally:
        stop.set()
        for process in processes:
            process.join()


def burn(stop: "multiprocessing.synchronize.Event") -> None:
    """Arithmetic until told to stop."""
    value = 1
    while not stop.is_set():
        for _ in range(100_000):
            value = value * 1_664_525 + 1_013_904_223 & 0xFFFF_FFFF
