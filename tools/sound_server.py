"""A sound server of one's own, with a virtual microphone and a virtual loudspeaker: a room for the live appliance.

It runs beside the machine's own one, in a folder of its own, and needs no sound hardware. What `speak` says is heard by
whoever opens the default microphone with `environment`; what he plays is in `record`. It can be killed, frozen and
started again. Where no sound server is wanted, `tools/alsa_files.py` does the same through files.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from appliance.audio.files import read_pcm
from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from appliance.errors import AudioError
from tools.room import Recording, own_settings, quiet_noise, write_wav
from tools.sound_kinds import KINDS

START_S: Final = 10.0
"""Longest wait for the server; PulseAudio takes 0.1 s and PipeWire 0.5 s where nothing else runs."""

DRAIN_S: Final = 10.0
"""How much longer than the sound itself its playback may take."""

NOISE_S: Final = 60
"""Length of the quiet room's noise, which is repeated."""


class SoundServer:
    """A sound server and its quiet room, from `start`, or `with`, to `stop`."""

    def __init__(self, kind: str = "pulseaudio") -> None:
        """Make its folder. `kind`: one of KINDS. Raises AudioError where a program is missing."""
        self._kind = KINDS[kind]
        missing = [program for program in self._kind.programs if shutil.which(program) is None]
        missing += [self._kind.plugin] if not any(Path("/usr/lib").glob(f"*/alsa-lib/{self._kind.plugin}")) else []
        if missing:
            raise AudioError(f"{kind}: no {', '.join(missing)}; type: sudo apt-get install -y {self._kind.packages}")
        self._folder = tempfile.TemporaryDirectory(prefix="sound-")  # short: a socket's path has 107 characters at most
        self._home = Path(self._folder.name)
        self._run = self._home / "run"
        self._run.mkdir(mode=0o700)
        for name, text in self._kind.files.items():
            (self._home / name).parent.mkdir(parents=True, exist_ok=True)
            (self._home / name).write_text(text, encoding="utf-8")
        write_wav(self._home / "noise.wav", quiet_noise(NOISE_S))
        self._server: subprocess.Popen[bytes] | None = None
        self._noise: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "SoundServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def environment(self) -> dict[str, str]:
        """For the child process whose default microphone and loudspeaker these shall be."""
        return own_settings() | {"HOME": str(self._home), "XDG_RUNTIME_DIR": str(self._run)}

    def start(self) -> None:
        """Start it, at first or again; returns when it answers. Raises AudioError."""
        with (self._home / "server.log").open("wb") as log:
            self._server = self._child(self._kind.start, stderr=log)
        deadline_s = time.monotonic() + START_S
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > deadline_s:
                said = (self._home / "server.log").read_text(errors="replace").strip().splitlines()
                raise AudioError(f"{self._kind.name} does not start: {said[-1] if said else 'no word of it'}")
            time.sleep(0.01)
        again = f"while {' '.join(self._kind.speak)} noise.wav; do :; done"
        self._noise = self._child(("sh", "-c", again), stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        """As a crash ends it: SIGKILL, without a word to its clients."""
        for child in (self._server, self._noise):
            if child is not None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        self._server = self._noise = None

    def freeze(self) -> None:
        """It neither answers nor ends."""
        if self._server is not None:
            os.killpg(self._server.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        if self._server is not None:
            os.killpg(self._server.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it and remove its folder."""
        self.kill()
        self._folder.cleanup()

    def speak(self, pcm: Pcm) -> None:
        """Say samples of 16 kHz into the microphone, in real time; returns when they were said. Raises AudioError."""
        path = self._home / "speech.wav"
        write_wav(path, pcm)
        speaking = self._child((*self._kind.speak, str(path)), stderr=subprocess.DEVNULL)
        try:
            code: int | None = speaking.wait(pcm.size / SAMPLE_RATE_HZ + DRAIN_S)
        except subprocess.TimeoutExpired:
            speaking.kill()
            speaking.wait()
            code = None
        if code != 0:
            raise AudioError(f"{self._kind.name}: nothing can be said into its microphone; is it running?")

    @contextlib.contextmanager
    def record(self) -> Iterator[Recording]:
        """What the loudspeaker plays meanwhile; the samples are there when the block ends. Raises AudioError."""
        path = self._home / "heard.wav"
        path.unlink(missing_ok=True)
        recorder = self._child((*self._kind.record, str(path)), stderr=subprocess.DEVNULL)
        recording = Recording()
        try:
            yield recording
        finally:
            recorder.send_signal(signal.SIGINT)
            recorder.wait()
        recording.samples = read_pcm(path)

    def captures(self) -> int:
        """How many listen to the microphone, or to what is recorded."""
        listing = subprocess.run(
            self._kind.captures, env=self.environment, capture_output=True, text=True, check=True, timeout=START_S
        )
        return sum(self._kind.capture_mark in line for line in listing.stdout.splitlines())

    def _child(self, command: tuple[str, ...], *, stderr: int | IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=self._home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._run / self._kind.socket)) == 0
