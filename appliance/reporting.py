"""What the running daemon tells about itself: figures once a minute, a warning when it is slow, and its whole state to
whoever asks through the status socket.

Everything here is gathered in the frame loop's thread; the thread that serves the socket asks through the loop's inbox
and waits.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final

import msgspec

from appliance.assembly import Workers
from appliance.audio.sources import LiveSource
from appliance.brains import Brains
from appliance.events import Event, ServiceLevelMet, ServiceLevelMissed, TurnFinished
from appliance.inbox import Inbox
from appliance.ledger import LEDGER
from appliance.loop import FrameLoop
from appliance.mqtt.client import MqttClient
from appliance.mqtt.journal import LIMIT_EVENTS
from appliance.service_level import ServiceLevel
from appliance.status import (
    BufferStatus,
    Metrics,
    ModelNames,
    Now,
    Priorities,
    Recent,
    Room,
    Status,
    ThreadStatus,
    WakeWordStatus,
    problems_of,
)
from appliance.understanding.language_folder import NONE, chosen_models
from appliance.update import tested
from appliance.worker import ThreadWorker, Worker

_LOGGER = logging.getLogger(__name__)

LOOP_ANSWERS_S: Final = 2.0
"""The loop answers within a frame, 20 ms; after this it is said not to answer at all."""


class Reporting:
    """Belongs to the frame loop, but for `status`."""

    def __init__(
        self,
        brains: Callable[[], Brains],
        loop: FrameLoop,
        source: LiveSource,
        workers: Workers,
        mqtt: MqttClient | None,
    ) -> None:
        """`brains`: gives those in use."""
        self._brains = brains
        self._loop = loop
        self._source = source
        self._workers = workers
        self._mqtt = mqtt
        self._started_s = time.monotonic()
        self._used = (self._started_s, time.process_time())
        self._recent = Recent()
        service = brains().loaded.config.service
        self._service = ServiceLevel(target_ms=service.target_ms, allowed_share=service.allowed_share)

    @property
    def uptime_s(self) -> float:
        """Since the start, by the steady clock."""
        return time.monotonic() - self._started_s

    def take(self, event: Event, at: str) -> Event | None:
        """Count an event; `at`: RFC 3339 in UTC. Returns what follows: the service level is missed, or met again."""
        self._recent.take(event, at)
        if not (isinstance(event, TurnFinished) and self._service.update(event)):
            return None
        figures = self._service.figures
        if not figures.met:
            _LOGGER.warning("answers are slow: %s; appliance bench shows which stage is", figures)
        kind = ServiceLevelMet if figures.met else ServiceLevelMissed
        return kind(
            frame=event.frame,
            share=round(figures.share, 3),
            target_ms=figures.target_ms,
            turns=figures.turns,
            p95_ms=figures.p95_ms or 0,
        )

    def metrics(self, frame: int) -> Metrics:
        """The figures, as of this frame."""
        (before_s, cpu_before_s), self._used = self._used, (time.monotonic(), time.process_time())
        passed_s = self._used[0] - before_s
        return msgspec.structs.replace(
            self._recent.counted,
            uptime_s=int(self.uptime_s),
            frames=frame + 1,
            events_dropped=self._mqtt.dropped_events if self._mqtt else 0,
            commands_accepted=self._mqtt.accepted_commands if self._mqtt else 0,
            commands_refused=self._mqtt.refused_commands if self._mqtt else 0,
            cpu_percent=round(100 * (self._used[1] - cpu_before_s) / passed_s, 1) if passed_s > 1.0 else None,
            memory_mb=_resident_mb(),
            service_level=self._service.figures,
        )

    def status(self, inbox: Inbox, *, patience_s: float = LOOP_ANSWERS_S) -> Status:
        """How it is, asked for from another thread; says so when the frame loop does not answer in time."""
        answer = Future[Now]()
        inbox.post(lambda frame: answer.set_result(self._now(frame)))
        try:
            now = answer.result(patience_s)
        except TimeoutError:
            now = None
        loaded = self._brains().loaded
        return Status(
            device_id=loaded.config.device.id,
            pid=os.getpid(),
            uptime_s=int(self.uptime_s),
            problems=problems_of(now) + ((loaded.safe_mode,) if loaded.safe_mode else ()),
            self_test=tested.load(),
            now=now,
        )

    def _now(self, frame: int) -> Now:
        brains, loop = self._brains(), self._loop
        config = brains.loaded.config
        return Now(
            state=loop.state,
            frame=frame,
            microphone=self._source.status(),
            speaker=self._recent.speaker(config.audio.speaker),
            room=Room(noise_floor_dbfs=loop.noise_floor_dbfs, too_loud=loop.too_loud),
            wake_words=tuple(
                WakeWordStatus(name=word.name, engine=word.engine, threshold=config.wake.threshold or word.threshold)
                for word in brains.words
            ),
            stop_word=_stop_word(brains),
            models=_models(brains),
            broker=self._mqtt.status if self._mqtt else "none is configured",
            priorities=_priorities(),
            metrics=self.metrics(frame),
            turns=self._recent.turns,
            times=self._recent.times,
            buffers=self._buffers(),
        )

    def _buffers(self) -> tuple[BufferStatus, ...]:
        """The ledger, and how much waits where that can be seen."""
        counted = {
            "audio.microphone: _queue": self._source.waiting,
            "worker: _jobs of recognition": _waiting(self._workers.recognition),
            "worker: _jobs of dictation": _waiting(self._workers.dictation),
            "worker: _jobs of actions": _waiting(self._workers.action),
            "worker: _jobs of the voice": _waiting(self._workers.voice),
            "worker: _jobs of clips": _waiting(self._workers.clips),
            "worker: _jobs of memory": _waiting(self._workers.memory),
            "worker: _jobs of ducking": _waiting(self._workers.ducking),
            "worker: _jobs of loading": _waiting(self._workers.loading),
            "mqtt.outbox: _new, _writing, _ready": (self._mqtt.waiting_events, LIMIT_EVENTS) if self._mqtt else None,
        }
        rows = []
        for row in LEDGER:
            waiting, capacity = counted.get(row.where) or (None, None)
            rows.append(BufferStatus(where=row.where, holds_ms=row.holds_ms, waiting=waiting, capacity=capacity))
        return tuple(rows)


def _models(brains: Brains) -> ModelNames:
    chosen = chosen_models(brains.loaded)
    return ModelNames(recognizer=chosen.recognizer, speech_detector=chosen.speech_detector, voice=chosen.voice or NONE)


def _stop_word(brains: Brains) -> WakeWordStatus | None:
    word = brains.stop_word
    return WakeWordStatus(name=word.name, engine=word.engine, threshold=word.threshold) if word else None


def _resident_mb() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


def _waiting(worker: Worker) -> tuple[int, int] | None:
    return (worker.waiting, worker.capacity) if isinstance(worker, ThreadWorker) else None


def _priorities() -> Priorities:
    model_threads = os.environ.get("OPENBLAS_NUM_THREADS", "")
    return Priorities(
        threads=tuple(_thread(thread) for thread in _threads()),
        switch_interval_ms=sys.getswitchinterval() * 1000,
        model_threads=int(model_threads) if model_threads.isdecimal() else None,
    )


def _threads() -> Sequence[threading.Thread]:
    return sorted((thread for thread in threading.enumerate() if thread.native_id), key=lambda thread: thread.name)


def _thread(thread: threading.Thread) -> ThreadStatus:
    try:
        number = os.sched_getparam(thread.native_id or 0).sched_priority
    except OSError:  # it ended meanwhile
        number = 0
    return ThreadStatus(name=thread.name, realtime_priority=number or None)
