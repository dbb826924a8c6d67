"""Slow work beside the frame loop: in order, bounded, and a failing job ends nothing."""

import threading
from collections.abc import Callable

import pytest

from appliance.worker import InlineWorker, ThreadWorker, Worker

LIMIT_S = 10.0
"""Longest wait of a test for another thread; reached only by a test that fails."""


class Failures:
    """Notes what jobs raised."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def __call__(self, stage: str, error: Exception) -> None:
        self.told.append((stage, f"{type(error).__name__}: {error}"))


def _fail() -> None:
    raise ValueError("no such word")


def _inline(failed: Failures) -> Worker:
    return InlineWorker("voice", failed=failed)


def _threaded(failed: Failures) -> Worker:
    return ThreadWorker("voice", capacity=100, failed=failed)


def _finish(worker: Worker) -> None:
    """Wait until everything submitted so far is done, and close."""
    done = threading.Event()
    assert worker.submit(done.set)
    assert done.wait(LIMIT_S)
    worker.close()


@pytest.mark.parametrize("make", [_inline, _threaded])
def test_jobs_are_done_in_order_and_a_failing_one_is_told(make: Callable[[Failures], Worker]) -> None:
    failed, done = Failures(), list[int]()
    worker = make(failed)
    worker.start()
    for number in range(50):
        assert worker.submit(lambda number=number: done.append(number))  # type: ignore[misc]
        if number == 20:
            assert worker.submit(_fail)
    _finish(worker)
    assert done == list(range(50))
    assert failed.told == [("voice", "ValueError: no such word")]


def test_the_inline_worker_is_done_when_submit_returns() -> None:
    done: list[str] = []
    worker = InlineWorker("voice", failed=Failures())
    worker.start()
    worker.submit(lambda: done.append(threading.current_thread().name))
    assert done == [threading.current_thread().name]
    worker.close()


def test_a_thread_of_its_name_does_the_work_and_ends() -> None:
    names: list[str] = []
    worker = ThreadWorker("recognition", capacity=1, failed=Failures())
    worker.start()
    worker.submit(lambda: names.append(threading.current_thread().name))
    worker.close()
    assert names in (["recognition"], [])
    assert "recognition" not in {thread.name for thread in threading.enumerate()}


def test_a_full_inbox_refuses_and_does_not_wait() -> None:
    begun, go_on, done = threading.Event(), threading.Event(), list[int]()

    def hold() -> None:
        begun.set()
        go_on.wait(LIMIT_S)

    worker = ThreadWorker("voice", capacity=3, failed=Failures())
    worker.start()
    assert worker.submit(hold)
    assert begun.wait(LIMIT_S)
    taken = [worker.submit(lambda number=number: done.append(number)) for number in range(5)]  # type: ignore[misc]
    assert taken == [True, True, True, False, False]
    go_on.set()
    _finish_when_there_is_room(worker)
    assert done == [0, 1, 2]


def _finish_when_there_is_room(worker: Worker) -> None:
    done = threading.Event()
    while not worker.submit(done.set):
        threading.Event().wait(0.001)
    assert done.wait(LIMIT_S)
    worker.close()


def test_close_finishes_the_running_job_and_drops_the_waiting_ones() -> None:
    begun, go_on, done = threading.Event(), threading.Event(), list[str]()

    def long_job() -> None:
        begun.set()
        go_on.wait(LIMIT_S)
        done.append("running")

    worker = ThreadWorker("voice", capacity=3, failed=Failures())
    worker.start()
    worker.submit(long_job)
    assert begun.wait(LIMIT_S)
    while worker.submit(lambda: done.append("waiting")):
        pass
    threading.Timer(0.02, go_on.set).start()
    worker.close()
    assert done == ["running"]
    assert not worker.submit(lambda: done.append("late"))
    worker.close()
    assert done == ["running"]


def test_a_worker_that_was_never_started_can_be_closed() -> None:
    worker = ThreadWorker("voice", capacity=1, failed=Failures())
    assert worker.submit(lambda: None)
    assert not worker.submit(lambda: None)
    worker.close()


def test_a_job_that_hangs_is_left_behind_at_the_end() -> None:
    go_on, begun = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        go_on.wait(LIMIT_S)

    worker = ThreadWorker("voice", capacity=9, failed=Failures(), close_s=0.01)
    worker.start()
    worker.submit(hang)
    assert begun.wait(LIMIT_S)
    worker.close()
    assert worker.running == 1
    go_on.set()
