"""A virtual microphone and loudspeaker without any sound server: ALSA's `file` plugin, paced.

The plugin itself gives and takes samples as fast as they are asked for. So its files are two pipes, and a thread here
writes 20 ms into the one and reads 20 ms from the other every 20 ms. The pipes hold 128 ms and whoever is ahead waits;
microphone samples that nobody reads are dropped, as by hardware. Opening them, as PortAudio does with every device when
it is initialised, disturbs nothing, because this side keeps both open.
"""

import contextlib
import fcntl
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Final

import numpy as np

from appliance.audio.format import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm
from appliance.errors import AudioError
from tools.room import Recording, own_settings, quiet_noise

PIPE_BYTES: Final = 4096
"""The smallest that Linux has."""

STEP_BYTES: Final = FRAME_SAMPLES * 2

_ASOUNDRC: Final = """\
pcm.!default {{
  type asym
  capture.pcm {{ type file slave.pcm null file /dev/null infile "{home}/microphone" format raw }}
  playback.pcm {{
    type plug
    slave {{
      pcm {{ type file slave.pcm null file "{home}/loudspeaker" format raw }}
      rate {rate} channels 1 format S16_LE
    }}
  }}
}}
"""
"""The microphone has no `plug` before it: whoever opens it must ask for 16 kHz mono int16, as the appliance does."""


class AlsaFiles:
    """A quiet room, from `with` to its end."""

    def __init__(self) -> None:
        """Make its folder."""
        self._folder = tempfile.TemporaryDirectory(prefix="sound-")
        self._home = Path(self._folder.name)
        self._pipes: list[int] = []
        for name in ("microphone", "loudspeaker"):
            os.mkfifo(self._home / name)
            self._pipes.append(os.open(self._home / name, os.O_RDWR | os.O_NONBLOCK))
            fcntl.fcntl(self._pipes[-1], fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        (self._home / ".asoundrc").write_text(_ASOUNDRC.format(home=self._home, rate=SAMPLE_RATE_HZ), encoding="utf-8")
        self._noise = quiet_noise(10).astype(np.int32).reshape(-1, FRAME_SAMPLES)
        self._said: SimpleQueue[Pcm | threading.Event] = SimpleQueue()
        """Frames that wait to be said, and what is told when those before it were."""
        self._heard: list[bytes] | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._pace, name="pace")

    def __enter__(self) -> "AlsaFiles":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        for pipe in self._pipes:
            os.close(pipe)
        self._folder.cleanup()

    @property
    def environment(self) -> dict[str, str]:
        """For the child process whose default microphone and loudspeaker these shall be."""
        return own_settings() | {"HOME": str(self._home)}

    def speak(self, pcm: Pcm) -> None:
        """Say samples of 16 kHz into the microphone, in real time; returns when they were said. Raises AudioError."""
        said = threading.Event()
        for frame in np.pad(pcm, (0, -pcm.size % FRAME_SAMPLES)).reshape(-1, FRAME_SAMPLES):
            self._said.put(frame)
        self._said.put(said)
        if not said.wait(pcm.size / SAMPLE_RATE_HZ + 5.0):
            raise AudioError("ALSA files: nothing is said; is the room open?")

    @contextlib.contextmanager
    def record(self) -> Iterator[Recording]:
        """What the loudspeaker plays meanwhile; the samples are there when the block ends."""
        recording = Recording()
        heard: list[bytes] = []
        self._heard = heard
        yield recording
        self._heard = None
        recording.samples = np.frombuffer(b"".join(heard), np.int16)

    def _pace(self) -> None:
        microphone, loudspeaker = self._pipes
        due_s, step = time.monotonic(), 0
        while not self._ending.is_set():
            sound = np.clip(self._noise[step % len(self._noise)] + self._next_said(), -32_768, 32_767)
            with contextlib.suppress(BlockingIOError):
                os.write(microphone, sound.astype("<i2").tobytes())
            played = b""
            with contextlib.suppress(BlockingIOError):
                played = os.read(loudspeaker, STEP_BYTES)
            if self._heard is not None:
                self._heard.append(played.ljust(STEP_BYTES, b"\0"))
            step += 1
            due_s += FRAME_MS / 1000
            self._ending.wait(max(0.0, due_s - time.monotonic()))

    def _next_said(self) -> "Pcm | int":
        while not self._said.empty():
            item = self._said.get()
            if not isinstance(item, threading.Event):
                return item
            item.set()
        return 0
