"""The file in which timers, alarms and the shopping list outlive the process, the boot and the power."""

import contextlib
import logging
from pathlib import Path
from typing import Final

import msgspec

from appliance import safe_file
from appliance.home.remembered import Remembered
from appliance.worker import Worker

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
"""Linux's name for this start of the machine, within which the steady clock goes on (random(4))."""

_LOGGER = logging.getLogger(__name__)


def boot_id(path: Path = BOOT_ID) -> str:
    """What names this start of the machine; empty where nobody knows: then each start of the process is one."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


class Memory:
    """Writes the newest of what is to be remembered, on a worker; the old file stays until the new one is safe."""

    def __init__(self, path: Path, worker: Worker) -> None:
        """`path`: the file; its folder is made when it is written."""
        self._path = path
        self._worker = worker
        self._newest = self._written = Remembered()

    def load(self) -> Remembered:
        """What is in the file; nothing where there is none. A damaged one is put aside and told in the log."""
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=Remembered)
        except FileNotFoundError:
            return Remembered()
        except OSError as error:
            _LOGGER.error("%s cannot be read (%s): timers and alarms from before are lost", self._path, error.strerror)
            return Remembered()
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            aside = self._path.with_suffix(".damaged")
            _LOGGER.error("%s: damaged (%s), kept as %s: timers and alarms are lost", self._path, error, aside.name)
            with contextlib.suppress(OSError):
                self._path.replace(aside)
            return Remembered()
        self._newest = self._written = found
        return found

    def keep(self, remembered: Remembered) -> None:
        """Write this soon; when writing is slow, only the newest of several."""
        self._newest = remembered
        self.keep_again()

    def keep_again(self) -> None:
        """Try once more what could not be written."""
        if self._newest != self._written:
            self._worker.submit(self.write)  # when the inbox is full, the job that waits writes the newest

    def write(self) -> None:
        """On the worker, and at the end: put it on disk. Raises OSError; then the file is as it was."""
        newest = self._newest
        if newest == self._written:
            return
        safe_file.replace(self._path, msgspec.json.encode(newest))
        self._written = newest
