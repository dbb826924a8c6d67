"""What leaves the process: MQTT messages, through the function given in, and the owner's programs.

A program is an argument list, never a line for a shell. It gets no input, an almost empty environment, `/` as its
folder, a bounded time, and its output is read to the end but kept only in part. It runs in a process group of its own,
which is ended as a whole when the program is over: nothing that it left behind in the group stays.
"""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from appliance.errors import StageError

KEPT_BYTES: Final = 4096
"""Output that is kept: the first of what a program says, the last of what it complains about."""

_COMPLAINT_CHARACTERS: Final = 200
_ENVIRONMENT: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
}
_CHUNK_BYTES: Final = 65_536
"""Capacity of a pipe on Linux: what an ended program left in it is read at once."""

_GLANCE_S: Final = 0.005
"""How often a program is looked at that may have ended while something it started still holds its output open."""

_LAST_WAIT_S: Final = 1.0
"""A killed program is gone at once, unless it hangs in the kernel; then it is left alone after this."""

Publish = Callable[[str, str, int, bool], None]
"""Topic, payload, QoS 0..2, retain. Raises BrokerError when the message cannot be handed to a broker."""


class HomeEffects:
    """The effects that actions have on the world. Used from one worker thread."""

    def __init__(self, publish: Publish) -> None:
        """`publish` sends an MQTT message from whichever thread calls it."""
        self._publish = publish

    def publish(self, topic: str, payload: str, qos: int, retain: bool) -> None:
        """Send an MQTT message. Raises BrokerError."""
        self._publish(topic, payload, qos, retain)

    def run_program(self, command: Sequence[str], timeout_s: float) -> str:
        """Run a program, see `run_program`. Raises StageError."""
        return run_program(command, timeout_s)


def run_program(command: Sequence[str], timeout_s: float = 10.0) -> str:
    """Run a program to its end and return the first KEPT_BYTES of its standard output, as text.

    Raises:
        StageError: it cannot be started, takes longer than `timeout_s`, or ends with another exit code than 0. The
            message names the program, never its arguments, and carries the last line of its standard error.
    """
    process = _start(command)
    said, complained = bytearray(), bytearray()
    try:
        over = _read(process, said, complained, timeout_s)
    finally:
        _end_group(process)
    if not over:
        raise StageError(f"{command[0]}: stopped after {timeout_s:g} s; make it faster, or raise timeout_s")
    if process.returncode != 0:
        reason = _last_line(complained) or "it gave no reason on standard error"
        raise StageError(f"{command[0]}: {_ending(process.returncode)}: {reason}")
    return said.decode("utf-8", "replace")


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(command),
            bufsize=0,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env=_ENVIRONMENT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # ValueError: a zero byte in an argument
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise StageError(
            f"{command[0]}: cannot be started: {reason}; give the full path of a program that may be run"
        ) from None


def _read(process: subprocess.Popen[bytes], said: bytearray, complained: bytearray, timeout_s: float) -> bool:
    """Read all output until the program is over (True) or its time is up (False)."""
    deadline_s = time.monotonic() + timeout_s
    with selectors.DefaultSelector() as selector:
        for pipe, keep in (
            (process.stdout, partial(_keep_first, said)),
            (process.stderr, partial(_keep_last, complained)),
        ):
            assert pipe is not None
            selector.register(pipe, selectors.EVENT_READ, keep)
        while True:
            over = _has_ended(process)  # asked before the look at its output, so that its last words are not missed
            left_s = deadline_s - time.monotonic()
            for key, _ in selector.select(0 if over else max(0.0, min(_GLANCE_S, left_s))):
                chunk = os.read(key.fd, _CHUNK_BYTES)
                key.data(chunk)
                if not chunk:
                    selector.unregister(key.fileobj)
            if over or left_s <= 0:
                return over


def _keep_first(kept: bytearray, chunk: bytes) -> None:
    kept += chunk[: KEPT_BYTES - len(kept)]


def _keep_last(kept: bytearray, chunk: bytes) -> None:
    kept += chunk
    del kept[:-KEPT_BYTES]


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """True when the program is over. It is not reaped yet: its number, the group's too, stays taken."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the group and bury the program."""
    with suppress(ProcessLookupError, PermissionError):  # PermissionError: it runs as another user now
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_LAST_WAIT_S)


def _ending(returncode: int) -> str:
    if returncode > 0:
        return f"ended with exit code {returncode}"
    return f"ended by signal {-returncode} ({signal.strsignal(-returncode) or 'unknown'})"


def _last_line(output: bytearray) -> str:
    """The last line that says anything, without control characters, shortened."""
    lines = [" ".join(line.split()) for line in output.decode("utf-8", "replace").splitlines()]
    last = next((line for line in reversed(lines) if line), "")
    return "".join(character for character in last if character.isprintable())[:_COMPLAINT_CHARACTERS]
