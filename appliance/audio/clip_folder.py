"""A folder of short recordings, the newest so many, that only their owner may read."""

import os
import wave
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from appliance.errors import AudioError

MODE: Final = 0o600
_PART: Final = ".part"
"""Becomes the recording when it is whole."""


class ClipFolder:
    """Made with its first recording. For one thread."""

    def __init__(self, path: Path, *, limit: int, note: str) -> None:
        """`limit`: so many recordings are kept, at least 1; `note`: what README.txt in the folder says."""
        self._path = path
        self._limit = limit
        self._note = note

    def add(self, name: str, pcm: Pcm) -> None:
        """Write 16 kHz sound, int16 (n,), to `name`.wav, and remove the oldest beyond the limit, by their names.

        Only what lies in the folder itself counts; what the owner sorted into folders below is left alone.

        Raises:
            AudioError: the folder cannot be written, or the disk is full.
        """
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not (self._path / "README.txt").exists():
                self._write("README.txt", lambda stream: stream.write(self._note.encode()))
            self._write(f"{name}.wav", lambda stream: _to_wav(stream, pcm))
            for old in sorted(self._path.glob("*.wav"))[: -self._limit]:
                old.unlink()
        except OSError as error:
            raise AudioError(
                f"{self._path}: no sound can be kept there ({error.strerror}); free some space and see its permissions"
            ) from None

    def _write(self, name: str, write: Callable[[BinaryIO], object]) -> None:
        part = self._path / _PART
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE), "wb") as stream:
                write(stream)
            part.replace(self._path / name)
        except OSError:
            part.unlink(missing_ok=True)
            raise


def write_wav(path: Path, pcm: Pcm) -> None:
    """Write 16 kHz sound, int16 (n,), for its owner alone. Raises OSError."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE), "wb") as stream:
        _to_wav(stream, pcm)


def _to_wav(stream: BinaryIO, pcm: Pcm) -> None:
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.setnframes(pcm.size)
        file.writeframes(pcm.astype("<i2").tobytes())
