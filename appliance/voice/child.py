"""A child process that answers over pipes, where every wait has an end.

Nothing here blocks longer than its deadline, and no thread is needed: the pipes are read without blocking.
"""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import Final

from appliance.errors import StageError
from appliance.voice.voice import Cancelled, never

READ_BYTES: Final = 65_536
LONGEST_LINE_BYTES: Final = 4096
STDERR_KEPT_BYTES: Final = 4096
CLOSE_TIMEOUT_S: Final = 1.0

PATIENCE_MS: Final = 20
"""How often somebody who waits looks whether it is still wanted."""


class Child:
    """Started by the constructor, in a process group of its own. After any StageError it must be killed."""

    def __init__(self, command: Sequence[str]) -> None:
        """Raises StageError when the program cannot be started."""
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise StageError(f"{command[0]} cannot be started ({error}); check the installation") from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._stdin, self._stdout, self._stderr = self._process.stdin, self._process.stdout, self._process.stderr
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe.fileno(), False)
        self._poll = select.poll()
        self._poll.register(self._stdout, select.POLLIN)
        self._poll.register(self._stderr, select.POLLIN)
        self._read = bytearray()
        self._last_words = bytearray()

    @property
    def ended(self) -> bool:
        """It exited or was killed."""
        return self._process.poll() is not None

    def send(self, line: bytes) -> None:
        """Write one line of less than a pipe's buffer. Raises StageError when the child does not take it."""
        try:
            taken = os.write(self._stdin.fileno(), line)
        except BlockingIOError:
            taken = 0
        except OSError:
            raise self._ended() from None
        if taken != len(line):
            raise StageError("the process does not read what it is asked")

    def line(self, deadline: float, cancelled: Cancelled = never) -> bytes | None:
        """The next line, without its end; None: cancelled. `deadline`: in `time.monotonic`. Raises StageError."""
        while (end := self._read.find(b"\n")) < 0:
            if len(self._read) > LONGEST_LINE_BYTES:
                raise StageError("the process talks nonsense")
            if not self._wait(deadline, cancelled):
                return None
        return self._take(end + 1)[:-1]

    def block(self, size_bytes: int, deadline: float) -> bytes:
        """The next bytes. Raises StageError."""
        while len(self._read) < size_bytes:
            self._wait(deadline)
        return self._take(size_bytes)

    def kill(self) -> None:
        """End it at once, with all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._stdin, self._stdout, self._stderr):
            pipe.close()

    def close(self) -> None:
        """Let it end by itself, which it does when its input ends; kill it when it does not."""
        self._stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSE_TIMEOUT_S)
        self.kill()

    def _take(self, size_bytes: int) -> bytes:
        taken = bytes(self._read[:size_bytes])
        del self._read[:size_bytes]
        return taken

    def _wait(self, deadline: float, cancelled: Cancelled = never) -> bool:
        """Read what there is, after waiting for it; False: cancelled.

        Raises StageError at the deadline and at the child's end.
        """
        while not (ready := dict(self._poll.poll(PATIENCE_MS))):
            if cancelled():
                return False
            if time.monotonic() >= deadline:
                raise StageError("the process did not answer in time")
        if self._stderr.fileno() in ready:
            self._keep_last_words()
        if self._stdout.fileno() in ready:
            data = self._stdout.read(READ_BYTES)
            if data == b"":
                raise self._ended()
            self._read += data or b""
        return True

    def _keep_last_words(self) -> None:
        data = self._stderr.read(READ_BYTES)
        if data == b"":
            self._poll.unregister(self._stderr)
        self._last_words += data or b""
        del self._last_words[:-STDERR_KEPT_BYTES]

    def _ended(self) -> StageError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSE_TIMEOUT_S)
        with contextlib.suppress(KeyError):
            self._keep_last_words()
        lines = self._last_words.decode(errors="replace").strip().splitlines()
        said = f": {lines[-1].strip()}" if lines else ""
        return StageError(f"the process ended with code {self._process.returncode}{said}")
