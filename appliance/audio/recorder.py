"""The second way to the microphone: a recording program in a process of its own, which can be killed whatever it does.

`arecord` reads ALSA, `pw-record` reads PipeWire. Both write 16 kHz mono int16 samples to a pipe.
"""

import contextlib
import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from appliance.audio.capture import DEVICE_LATENCY_S
from appliance.audio.format import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ
from appliance.errors import AudioError

FIRST_SOUND_S: Final = 2.0
"""Longest wait for the first samples: a program starts, and a USB device is set up."""

SILENT_S: Final = 1.0
"""Longest wait for the samples after them."""

_ADVICE: Final = "plug it in, or choose one that `appliance devices` lists"
_PACKAGES: Final = {"arecord": "alsa-utils", "pw-record": "pipewire-bin"}
_CARDS: Final = Path("/proc/asound/cards")
_BLOCK_BYTES: Final = 2 * FRAME_SAMPLES
_COMPLAINT_BYTES: Final = 2_000


class RecorderStream:
    """Samples of a program that records."""

    rate_hz = SAMPLE_RATE_HZ
    channels = 1
    channel: int | None = None

    def __init__(self, command: Sequence[str], device: str, *, first_sound_s: float = FIRST_SOUND_S) -> None:
        """Start the program, which writes int16 samples to its standard output. Raises AudioError."""
        self.device = device
        self._name = Path(command[0]).name
        self._wait_s = first_sound_s
        self._complaint = b""
        self._pending = b""
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "LC_ALL": "C"},
            )
        except OSError as error:
            raise AudioError(f"microphone {device!r}: {self._name} does not start ({error.strerror})") from None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._samples = self._process.stdout.fileno()
        self._errors: int | None = self._process.stderr.fileno()

    def read(self) -> tuple[npt.NDArray[Any], bool]:
        """The next 20 ms, shape (320, 1), and whether the program told of an overrun. Raises AudioError."""
        deadline_s = time.monotonic() + self._wait_s
        overrun = False
        while len(self._pending) < _BLOCK_BYTES:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise AudioError(f"microphone {self.device!r}: {self._name} sends nothing{self._said()}; {_ADVICE}")
            pipes = [self._samples] if self._errors is None else [self._samples, self._errors]
            readable, _, _ = select.select(pipes, [], [], left_s)
            if self._errors in readable:
                overrun = self._hear_complaint() or overrun
            elif self._samples in readable:
                more = os.read(self._samples, _BLOCK_BYTES)
                if not more:
                    raise AudioError(f"microphone {self.device!r}: {self._name} ended{self._said()}; {_ADVICE}")
                self._pending += more
        self._wait_s = SILENT_S
        block, self._pending = self._pending[:_BLOCK_BYTES], self._pending[_BLOCK_BYTES:]
        return np.frombuffer(block, "<i2").reshape(-1, 1), overrun

    def close(self) -> None:
        """Kill the program, which frees the device."""
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # it hangs in the kernel: init reaps it when we are gone
            self._process.wait(timeout=1.0)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _hear_complaint(self) -> bool:
        """Read what it says on standard error; whether it is about an overrun."""
        assert self._errors is not None
        said = os.read(self._errors, _COMPLAINT_BYTES)
        if not said:
            self._errors = None
        self._complaint = (self._complaint + said)[-_COMPLAINT_BYTES:]
        return b"overrun" in said

    def _said(self) -> str:
        lines = self._complaint.decode("utf-8", "replace").strip().splitlines()
        return f" ({lines[-1].strip()})" if lines else ""


def arecord(part: str, *, cards: Callable[[], str] = lambda: _read(_CARDS)) -> RecorderStream:
    """Record the card whose name holds `part`, or ALSA's default for an empty one. Raises AudioError.

    `cards`: gives the text of /proc/asound/cards.
    """
    name = _alsa_name(part, cards()) if part else "default"
    # Large buffers, for it runs at ordinary priority; short periods, for a frame must not wait.
    buffer_us, period_us = int(DEVICE_LATENCY_S * 1_000_000), FRAME_MS * 1000
    form = ["-t", "raw", "-f", "S16_LE", "-r", str(SAMPLE_RATE_HZ), "-c", "1"]
    times = [f"--buffer-time={buffer_us}", f"--period-time={period_us}"]
    return RecorderStream([_program("arecord"), "-q", "-D", name, *form, *times], name)


def pw_record() -> RecorderStream:
    """Record PipeWire's default source. Raises AudioError."""
    program = _program("pw-record")
    if not (Path(os.environ.get("XDG_RUNTIME_DIR", "/run")) / "pipewire-0").exists():
        raise AudioError("microphone: PipeWire does not run; start it, or plug a device in")
    # Before version 1.4 `-` alone meant raw samples; since then it must be said.
    try:
        told = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=FIRST_SOUND_S, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise AudioError(f"microphone: pw-record cannot be used ({error}); install pipewire-bin again") from None
    raw = ["--raw"] if "--raw" in told.stdout + told.stderr else []
    form = ["--format", "s16", "--rate", str(SAMPLE_RATE_HZ), "--channels", "1", "--latency", f"{FRAME_MS}ms"]
    return RecorderStream([program, *raw, *form, "-"], "PipeWire's default source")


def is_installed(program: str) -> bool:
    """Whether there is such a program."""
    return shutil.which(program) is not None


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise AudioError(f"{name} is not installed; type: sudo apt-get install -y {_PACKAGES[name]}")
    return found


def _alsa_name(part: str, cards: str) -> str:
    """A card by part of its description, by its identifier, which stays when its number changes; else as it is."""
    for found in re.finditer(r"^\s*\d+ \[(\S+)\s*\]: (.*\n.*)$", cards, re.MULTILINE):
        if part.casefold() in f"{found[1]} {found[2]}".casefold():
            return f"plughw:CARD={found[1]}"
    return part


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # a machine without sound cards has no such file
        return ""
