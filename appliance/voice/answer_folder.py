"""Sounds of answers on the disk, so that a start need not make them again.

Only what the language and the home file fix is kept here, never what was said in a turn. Whatever is wrong with a file
or with the disk, the sound is made again: nothing here raises.
"""

import contextlib
import hashlib
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Final

import numpy as np

from appliance.audio.format import Pcm

_LOGGER = logging.getLogger(__name__)

DIGEST_BYTES: Final = hashlib.sha256().digest_size
ENDING: Final = ".sound"


class AnswerFolder:
    """Files named by voice and text: a SHA-256, and the samples it belongs to. For one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told = False

    def load(self, voice: str, text: str) -> Pcm | None:
        """What `store` was given, int16 (n,); None when it is not there, or not whole."""
        try:
            data = self._file(voice, text).read_bytes()
        except OSError:
            return None
        samples = data[DIGEST_BYTES:]
        whole = hashlib.sha256(samples).digest() == data[:DIGEST_BYTES] and len(samples) % 2 == 0
        return np.frombuffer(samples, "<i2").astype(np.int16) if whole else None

    def store(self, voice: str, text: str, pcm: Pcm) -> None:
        """Keep a sound. A disk that takes none is told once, in the log."""
        samples = pcm.astype("<i2").tobytes()
        target = self._file(voice, text)
        part = target.with_suffix(".part")
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.write_bytes(hashlib.sha256(samples).digest() + samples)
            part.replace(target)
            self._told = False
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            if not self._told:
                _LOGGER.warning("%s: answers are kept in memory only (%s); free some space", self._path, error.strerror)
            self._told = True

    def keep_only(self, voice: str, texts: Collection[str]) -> None:
        """Remove all others: those of another voice, of a home as it was, and halves."""
        kept = {self._file(voice, text).name for text in texts}
        with contextlib.suppress(OSError):
            for path in self._path.iterdir():
                if path.name not in kept and path.suffix in (ENDING, ".part"):
                    path.unlink()

    def _file(self, voice: str, text: str) -> Path:
        return self._path / (hashlib.sha256(f"{voice}\n{text}".encode()).hexdigest() + ENDING)
