"""Real-time priority, in processes of their own: nothing gives it back."""

import subprocess
import sys

import pytest

_START = """
import os
from appliance.assembly import thread_workers
from appliance.inbox import Inbox
from appliance.priority import ask_for_priority
said = ask_for_priority() if {asks} else ""
workers = thread_workers(Inbox())
workers.start()
import threading
for thread in threading.enumerate():
    policy = os.sched_getscheduler(thread.native_id) & ~os.SCHED_RESET_ON_FORK
    print(thread.name, policy == os.SCHED_RR, os.sched_getparam(thread.native_id).sched_priority)
workers.close()
child = os.fork()
if not child:
    print("child", os.sched_getscheduler(0) == os.SCHED_RR, os.sched_getparam(0).sched_priority, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(said)
"""


def _priorities(*, asks: bool) -> tuple[dict[str, tuple[bool, int]], str]:
    """Of each thread: whether it is real-time, and how much; and what the main thread was told."""
    command = [sys.executable, "-u", "-c", _START.format(asks=asks)]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    *lines, said = told.splitlines()
    parts = [line.rsplit(" ", 2) for line in lines]
    return {name: (is_real_time == "True", int(number)) for name, is_real_time, number in parts}, said


def test_whoever_shares_the_interpreter_with_the_frame_loop_follows_right_behind_it() -> None:
    """Else it may be kept from its core while it holds the interpreter, and the loop waits."""
    priorities, said = _priorities(asks=True)
    if not said.startswith("real-time"):
        pytest.skip(f"needs the right to real-time priority: {said}")
    workers = dict.fromkeys(("recognition", "dictation", "action", "voice", "clips", "memory", "ducking"), (True, 5))
    assert priorities == {"MainThread": (True, 10), **workers, "loading": (False, 0), "child": (False, 0)}


def test_workers_of_an_ordinary_thread_are_ordinary() -> None:
    """Else a replay at the pace of a microphone would be kept waiting by its own workers."""
    priorities, _ = _priorities(asks=False)
    assert len(priorities) == 10
    assert set(priorities.values()) == {(False, 0)}
