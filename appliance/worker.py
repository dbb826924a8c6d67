"""Slow work beside the frame loop: one thread, one bounded inbox, results as facts.

The loop submits jobs; a job may post facts to the loop's inbox. `InlineWorker` runs each job at once in the caller's
thread, which makes replay and tests exact. That is the whole concurrency model.
"""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

Job = Callable[[], None]
"""Work that posts its own results."""

Failure = Callable[[str, Exception], None]
"""Called, in the thread that ran the job, with the worker's name and what the job raised; the worker goes on."""


class Worker(Protocol):
    """Runs jobs one after the other, in the order they were submitted. One thread submits and closes."""

    @property
    def waiting(self) -> int:
        """Jobs in the inbox."""

    def start(self) -> None:
        """Begin to work."""

    def submit(self, job: Job) -> bool:
        """Take a job; False when the inbox is full (the job is then NOT done and the caller says so)."""

    def close(self) -> None:
        """Finish the running job, unless it hangs, drop the waiting ones, and join the thread."""


class InlineWorker:
    """Does each job at once, in the caller's thread."""

    def __init__(self, name: str, *, failed: Failure) -> None:
        self._name = name
        self._failed = failed

    @property
    def waiting(self) -> int:
        """Never any."""
        return 0

    def start(self) -> None:
        """Nothing to start."""

    def submit(self, job: Job) -> bool:
        _run(job, self._name, self._failed)
        return True

    def close(self) -> None:
        """Nothing waits."""


CLOSE_S = 1.5
"""Longest wait for the job that runs at the end; one that hangs, or loads a model, is left behind: the service manager
waits for 5 s in all, and the farewell to the broker may take 3 of them."""


class ThreadWorker:
    """One named thread with a bounded inbox."""

    def __init__(self, name: str, *, capacity: int, failed: Failure, close_s: float = CLOSE_S) -> None:
        self._name = name
        self._close_s = close_s
        self._jobs: queue.Queue[Job | None] = queue.Queue(maxsize=capacity + 1)
        self._capacity = capacity
        self._failed = failed
        self._closing = threading.Event()
        self._begun = 0
        self._busy = False
        self._thread = threading.Thread(target=self._run, name=name)

    @property
    def name(self) -> str:
        """Of the thread, and in failures."""
        return self._name

    @property
    def thread(self) -> threading.Thread:
        """Who does the jobs."""
        return self._thread

    @property
    def waiting(self) -> int:
        """Jobs in the inbox."""
        return self._jobs.qsize()

    @property
    def capacity(self) -> int:
        """Jobs that may wait."""
        return self._capacity

    @property
    def running(self) -> int | None:
        """The number of the job that is being done; None: none."""
        return self._begun if self._busy else None

    def start(self) -> None:
        self._thread.start()

    def submit(self, job: Job) -> bool:
        if self._closing.is_set() or self._jobs.qsize() >= self._capacity:
            return False
        self._jobs.put_nowait(job)
        return True

    def close(self) -> None:
        if not self._closing.is_set():
            self._closing.set()
            self._jobs.put(None)
        if self._thread.ident is not None:
            self._thread.join(self._close_s)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if not self._closing.is_set():
                self._begun, self._busy = self._begun + 1, True
                _run(job, self._name, self._failed)
                self._busy = False


def ahead(job: Job) -> Job:
    """Work done ahead, whose failure is not told: it is done once more, and then told, when its result is wanted."""

    def quietly() -> None:
        with suppress(Exception):
            job()

    return quietly


def _run(job: Job, name: str, failed: Failure) -> None:
    try:
        job()
    except Exception as error:  # workers and the frame loop are the two places that catch everything
        failed(name, error)
