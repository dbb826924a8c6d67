"""Real-time priority for what must not be late: capture and frame loop, and, below them, who shares their interpreter.

Less than others for who serves others.
"""

import os
import sys
from contextlib import suppress
from threading import Thread

SWITCH_INTERVAL_S = 0.0005
"""How long a thread may keep the interpreter while the frame loop waits for it (default 5 ms: with a busy Python thread
a frame of several native calls took 20 ms instead of 1.7)."""

REALTIME_PRIORITY = 10
"""SCHED_RR priority of capture and frame loop: above ordinary work, below the kernel's own threads (50)."""


def ask_for_priority() -> str:
    """Real-time priority for the calling thread, where allowed; its children do not inherit it. Says what it got."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(REALTIME_PRIORITY))
    except OSError as error:
        return f"ordinary priority ({error.strerror}); under load sound may be lost, the systemd unit allows SCHED_RR"
    return f"real-time priority {REALTIME_PRIORITY}"


WORKER_PRIORITY = 5
"""Of a worker. The kernel may give an ordinary one's core to another program while it holds the interpreter, and the
frame loop, whatever its own priority, then waits until that one has had its turn: 26 times in 100 s for 5 to 12 ms with
four busy programs on two cores, 4 times in 600 s for up to 34 ms with one."""


def share_priority(worker: Thread) -> None:
    """Real-time priority for a started thread, below that of the calling one; none where that has none itself."""
    policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
    if os.sched_getscheduler(0) == policy and worker.native_id is not None:
        with suppress(OSError):  # it ended already, or somebody else gave the caller his
            os.sched_setscheduler(worker.native_id, policy, os.sched_param(WORKER_PRIORITY))


SERVING_NICE = 10
"""Of a process that serves others: gets a tenth of what the daemon's own threads get where both want all (sched(7))."""


def step_back() -> None:
    """Lower priority for this process and what it starts; nothing gives it back."""
    os.nice(SERVING_NICE)
