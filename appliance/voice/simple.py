"""A voice that needs no model: flite or espeak-ng, whichever the system has.

It stands in for the real voice: less pleasant, but there in 0.04 to 0.2 s with 8 to 17 MB, process start included.
"""

import contextlib
import shutil
import subprocess
import tempfile
import unicodedata
import wave
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from appliance.audio.format import FRAMES_PER_S, Pcm
from appliance.errors import StageError
from appliance.voice.voice import Cancelled, cleaned, never

PROGRAMS: Final = {"flite": ("-f", "{text}", "-o", "{sound}"), "espeak-ng": ("-f", "{text}", "-w", "{sound}")}
"""How each takes its text and gives its sound; which of them speaks a language, and how, its folder says."""

MEMORY: Final = Path("/dev/shm")
"""A file system in memory: what is said is not written to the disk."""

SENTENCE_TIMEOUT_S: Final = 10.0


class SimpleVoice:
    """Starts a program for each sentence. The text goes through a file: arguments are visible to every user."""

    def __init__(self, name: str, program: str, options: Sequence[str] = ()) -> None:
        """Try the program once, which also tells the rate. Raises StageError.

        Args:
            name: row of `PROGRAMS`.
            program: path of the executable.
            options: its arguments for language, voice and speed.
        """
        self._name = name
        self._command = (program, *options, *PROGRAMS[name])
        self._rate_hz, _ = self._say("1")
        if self._rate_hz % FRAMES_PER_S:
            raise StageError(f"{name} speaks at {self._rate_hz} Hz, not a multiple of 50; use another voice of it")

    @classmethod
    def find(cls, programs: Mapping[str, Sequence[str]]) -> "SimpleVoice | None":
        """The first of these programs, with their options, that is installed and works; None when there is none."""
        for name, options in programs.items():
            program = shutil.which(name)
            if program is not None and name in PROGRAMS:
                with contextlib.suppress(StageError):
                    return cls(name, program, options)
        return None

    @property
    def rate_hz(self) -> int:
        """Rate of the program's voice."""
        return self._rate_hz

    @property
    def identity(self) -> str | None:
        """It stands in for another, whose sounds are kept."""
        return None

    def start(self) -> None:
        """Nothing to load."""

    def stream(self, sentence: str, cancelled: Cancelled = never) -> Iterator[Pcm]:
        """All of it at once: nothing is gained by parts of 0.1 s of work."""
        yield self.synthesize(sentence)

    def synthesize(self, sentence: str) -> Pcm:
        """Sound of one sentence; empty for a text without words. Raises StageError."""
        text = cleaned(sentence)
        if not any(character.isalnum() for character in text):
            return np.zeros(0, np.int16)
        rate_hz, pcm = self._say(text)
        if rate_hz != self._rate_hz:
            raise StageError(
                f"{self._name} changed its rate from {self._rate_hz} to {rate_hz} Hz; restart the appliance"
            )
        return pcm

    def close(self) -> None:
        """Nothing is held."""

    def _say(self, text: str) -> tuple[int, Pcm]:
        if self._name == "flite":  # knows ASCII only and spells out the bytes of anything else
            text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
        with tempfile.TemporaryDirectory(prefix="voice-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
            written, sound = Path(folder, "text"), Path(folder, "sound.wav")
            try:
                written.write_text(text, encoding="utf-8")
                command = [part.format(text=written, sound=sound) for part in self._command]
                subprocess.run(command, check=True, capture_output=True, timeout=SENTENCE_TIMEOUT_S)
                with wave.open(str(sound), "rb") as file:
                    return file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), np.dtype("<i2"))
            except (OSError, EOFError, subprocess.SubprocessError, wave.Error) as error:
                raise StageError(f"{self._command[0]} did not say a sentence ({error}); check it by hand") from None
