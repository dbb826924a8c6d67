"""A recording through the whole appliance: the daemon's loop with a file for a microphone, slow work done at once.

Same input, same bytes out; faster than real time, or paced like it.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from appliance.assembly import Surroundings, build_loop, inline_workers, thread_workers
from appliance.audio.files import FileSource
from appliance.audio.format import FRAME_MS, FRAMES_PER_S, Frame, silent_pcm
from appliance.audio.sources import Source
from appliance.audio.speakers import SilentSpeaker, Speaker
from appliance.brains import Brains
from appliance.clock import FrameClock
from appliance.errors import BrokerError
from appliance.events import State
from appliance.inbox import Inbox
from appliance.loop import FrameLoop, Publisher
from appliance.speaking import Reference
from appliance.trace import Tracer
from appliance.voice.voice import Voice

DEFAULT_CLOCK = datetime.fromisoformat("2026-01-01T12:00:00+00:00")
"""When every replay begins unless told otherwise."""

AFTER_FRAMES = 30 * FRAMES_PER_S
"""After the recording, silence is fed until the appliance is idle, at most 30 s."""

SETTLE_FRAMES = FRAMES_PER_S
"""At least so much silence: a wake word at the very end is detected up to 0.3 s later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings:
    """How to replay."""

    clock: datetime = DEFAULT_CLOCK
    act: bool = False
    """Actions leave the process; else they are told as a dry run."""

    realtime: bool = False
    """One frame every 20 ms, as from a microphone, and slow work on threads, as in the daemon."""

    playback: Path | None = None
    """What the device's loudspeaker played during the recording; sample 0 of both is the same instant."""

    playback_is_whole: bool = False
    """That holds the device's own answers, too, as a record of the flight recorder does."""


def replay(
    brains: Brains,
    source: Source,
    settings: ReplaySettings,
    *,
    voice: Voice,
    publish: Publisher,
    speaker: Speaker | None = None,
    tracer: Tracer | None = None,
) -> FrameLoop:
    """Feed a recording through a fresh loop. Raises AudioError where it cannot be read."""
    inbox = Inbox()
    workers = thread_workers(inbox) if settings.realtime else inline_workers(inbox)
    around = Surroundings(
        clock=FrameClock(settings.clock),
        voice=voice,
        speaker=speaker or SilentSpeaker(),
        workers=workers,
        publish=publish,
        publish_mqtt=_no_broker,
        dry_run=not settings.act,
        inbox=inbox,
        reference=read_reference(settings.playback, whole=settings.playback_is_whole) if settings.playback else None,
        tracer=tracer,
    )
    try:
        workers.start()
        loop = build_loop(brains, around)
        try:
            run_to_the_end(loop, source, realtime=settings.realtime)
        finally:
            loop.close()
    finally:
        workers.close()
    return loop


def read_reference(path: Path, *, whole: bool = False) -> Reference:
    """The second track of a replay. Raises AudioError."""
    source = FileSource(path)
    try:
        return Reference(list(source.frames()), whole=whole)
    finally:
        source.close()


def run_to_the_end(loop: FrameLoop, source: Source, *, realtime: bool) -> None:
    """Feed a source, then silence until the appliance rests."""
    started = time.monotonic()
    try:
        for frame, from_device in _with_silence_after(source, loop):
            if realtime:
                time.sleep(max(0.0, started + frame.index * FRAME_MS / 1000 - time.monotonic()))
            loop.process(frame, from_device=from_device)
            for event in source.events():
                loop.emit(event)
    finally:
        source.close()


def _with_silence_after(source: Source, loop: FrameLoop) -> Iterator[tuple[Frame, bool]]:
    """The frames of the source (True), then silent ones (False) until the loop is idle."""
    index = 0
    for frame in source.frames():
        yield frame, True
        index = frame.index + 1
    silence = silent_pcm()
    for number in range(AFTER_FRAMES):
        if number >= SETTLE_FRAMES and loop.state in (State.IDLE, State.MUTED):
            return
        yield Frame(index + number, silence), False


def _no_broker(topic: str, payload: str, qos: int, retain: bool) -> None:
    raise BrokerError(f"{topic}: a replay has no broker; the running daemon publishes it")
