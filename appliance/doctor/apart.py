"""Work in a process of its own: what hangs in the sound system is killed, and what crashes takes nothing with it."""

import contextlib
import os
import pickle
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Final, NoReturn, TypeVar

from appliance.errors import ApplianceError

Result = TypeVar("Result")

_LAST_WAIT_S: Final = 1.0
"""A killed process is gone at once, unless it hangs in the kernel; then it is left alone after this."""

_READ_BYTES: Final = 65_536


class CrashError(ApplianceError):
    """The work crashed, or raised what is no error of ours. Says nothing to do."""


class HangError(ApplianceError):
    """The work took too long and was killed. Says nothing to do."""


def apart(work: Callable[[], Result], *, limit_s: float) -> Result:
    """Do it in a copy of this process, which must have no other threads, and hand over the result.

    The copy prints nothing: libraries of the sound system are talkative.

    Raises:
        ApplianceError: what `work` raised; CrashError; HangError.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _work(work, writing)
    os.close(writing)
    answer = None
    try:
        answer = _read(reading, limit_s)
    finally:
        os.close(reading)
        code = _ended(child, kill=answer is None)
    if answer is None:
        raise HangError(f"no answer within {limit_s:g} s")
    if not answer:
        raise CrashError(f"it died of {signal.Signals(-code).name}" if code < 0 else "it gave no result")
    outcome = pickle.loads(answer)
    if isinstance(outcome, ApplianceError):
        raise outcome
    result: Result = outcome
    return result


def _work(work: Callable[[], object], writing: int) -> NoReturn:
    """In the copy. Ends without cleaning up, for that is what may hang."""
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nowhere, standard)
        try:
            outcome = work()
        except ApplianceError as error:
            outcome = error
        except Exception as error:
            outcome = CrashError(f"{type(error).__name__}: {error}")
        answer = pickle.dumps(outcome)
        with open(writing, "wb") as pipe:
            pipe.write(answer)
    finally:
        os._exit(0)


def _read(reading: int, limit_s: float) -> bytes | None:
    """All that comes until the end; None when the end does not come in time."""
    deadline_s = time.monotonic() + limit_s
    answer = b""
    while select.select([reading], [], [], max(0.0, deadline_s - time.monotonic()))[0]:
        more = os.read(reading, _READ_BYTES)
        if not more:
            return answer
        answer += more
    return None


def _ended(child: int, *, kill: bool) -> int:
    """The exit code, negative for a signal; 0 also for a process that does not end."""
    if kill:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    deadline_s = time.monotonic() + _LAST_WAIT_S
    while time.monotonic() < deadline_s:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    return 0
