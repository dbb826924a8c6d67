"""Many pieces of work at once: on all cores of this machine, or on a Dask cluster by its address.

Functions and items travel to other processes: the function stands at the top of a module, items and results are plain
data. On a cluster the workers need this checkout, its packages, and the same folders under the same names.
"""

import collections
import contextlib
import errno
import functools
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from typing import Any, Final, TypeVar

from appliance.errors import ApplianceError, StageError, UsageError

AHEAD_PER_WORKER: Final = 4
"""Items handed out before the oldest result is taken: enough that no worker waits, few enough that nothing piles up."""

REDRAW_S: Final = 0.5
LINE_EVERY_S: Final = 15.0
"""Where nobody looks at a terminal, a line now and then."""

FIRST_GUESS_S: Final = 2.0
"""Before that the time left is not told: the first items also pay for the start of the processes."""

_CONNECT_S: Final = 20.0

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_all(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    scheduler: str | None = None,
    jobs: int | None = None,
    what: str = "working",
) -> Iterator[Result]:
    """The function's results in the order of the items; progress and the time left on stderr.

    An item that fails is told on stderr and left out, so results tell themselves what they belong to.

    Args:
        function: stands at the top of a module.
        items: what it is called with, one at a time.
        scheduler: address of a Dask scheduler; None: processes of this machine.
        jobs: processes at most; None: as many as there are cores; 1: none but this one.
        what: name of the work, for people.

    Raises:
        StageError: no item succeeded, a process died, or the disk is full.
        UsageError: the scheduler is not there, or dask.distributed is not installed.
    """
    progress = Progress(what, len(items))
    count = min(jobs or cores(), max(1, len(items)))
    failures: list[str] = []
    with _executor(scheduler, count) as (executor, workers):
        for result in _results(executor, function, items, workers * AHEAD_PER_WORKER):
            progress.step()
            if isinstance(result, Exception):
                failures.append(_told(result))
                progress.say(f"{what}: one of {len(items)} failed: {failures[-1]}")
            else:
                yield result
    progress.end()
    if items and len(failures) == len(items):
        raise StageError(f"{what}: all {len(items)} failed; the first one: {failures[0]}")


def cores() -> int:
    """As many as this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Progress:
    """How far a piece of work is, on stderr: one line that is redrawn, or on no terminal a line now and then."""

    def __init__(self, what: str, total: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._total = total
        self._clock = clock
        self._started_s = self._told_s = clock()
        self._drawn = False
        self._done = 0

    def step(self, count: int = 1) -> None:
        """So many more are done."""
        self._done += count
        now_s = self._clock()
        every_s = REDRAW_S if sys.stderr.isatty() else LINE_EVERY_S
        if now_s - self._told_s >= every_s:
            self._told_s = now_s
            self._draw(str(self))

    def say(self, text: str) -> None:
        """A line that stays."""
        self._clear()
        print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        """The last line: how many, in what time."""
        if self._total:
            self.say(f"{self._what}: {self._done} of {self._total} in {duration(self._clock() - self._started_s)}")

    def __str__(self) -> str:
        spent_s = self._clock() - self._started_s
        text = f"{self._what}: {self._done} of {self._total}"
        if not self._done or spent_s < FIRST_GUESS_S:
            return text
        return f"{text}, {duration(spent_s / self._done * (self._total - self._done))} left"

    def _draw(self, text: str) -> None:
        self._clear()
        self._drawn = sys.stderr.isatty()
        print(text, end="" if self._drawn else "\n", file=sys.stderr, flush=True)

    def _clear(self) -> None:
        if self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr)
            self._drawn = False


def duration(seconds: float) -> str:
    """In words: `12 s`, `3 min`, `1 h 20 min`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _results(
    executor: Executor | None, function: Callable[[Item], Result], items: Sequence[Item], ahead: int
) -> Iterator[Result | Exception]:
    """In order; at most `ahead` items are under way. What an item raised stands in the place of its result."""
    if executor is None:
        for item in items:
            yield _outcome(functools.partial(function, item))
        return
    waiting: collections.deque[Future[Result]] = collections.deque()
    try:
        for item in items:
            waiting.append(executor.submit(function, item))
            if len(waiting) >= ahead:
                yield _outcome(waiting.popleft().result)
        while waiting:
            yield _outcome(waiting.popleft().result)
    except BrokenExecutor:
        raise StageError("a process ended by itself, perhaps for want of memory; use fewer --jobs") from None
    finally:
        for future in waiting:
            future.cancel()


def _outcome(call: Callable[[], Result]) -> Result | Exception:
    try:
        return call()
    except BrokenExecutor:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StageError(f"the disk is full ({error}); make room, then start again: what is done is kept") from None
        return error
    except Exception as error:  # one bad item must not lose the others
        return error


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, ApplianceError) else f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def _executor(scheduler: str | None, jobs: int) -> Iterator[tuple[Executor | None, int]]:
    """What runs the items, and how many at a time; None: this process."""
    if scheduler is not None:
        with _cluster(scheduler) as client:
            threads = sum(client.nthreads().values())
            # `pure` would take two equal items for one.
            yield client.get_executor(pure=False), max(1, threads)
    elif jobs == 1:
        yield None, 1
    else:
        pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_be_a_good_child)
        try:
            yield pool, jobs
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _cluster(address: str) -> Iterator[Any]:
    try:
        from distributed import Client  # type: ignore[import-not-found]
    except ImportError:
        raise UsageError("--scheduler: dask.distributed is not installed; install `distributed` here, too") from None
    try:
        client = Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--scheduler {address}: no scheduler answers there ({error}); start `dask scheduler`"
        ) from None
    with client:
        yield client


def _be_a_good_child() -> None:
    """Leave the keyboard's interrupt to the process that was started, and end when it ends, however it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent watch", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "it is a child"
    parent.join()
    os._exit(1)
