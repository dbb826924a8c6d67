"""The round of the doctor: everything that is looked at on this machine, in order, each in a process of its own.

What a check needs is imported when its turn comes: a package that is missing or crashes is a finding of that check, and
not the end of the round.
"""

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Final

import appliance
from appliance import config_files
from appliance.config import Config, Home
from appliance.config_files import HARDWARE, MANIFEST, PROJECT, LoadedConfig
from appliance.doctor import software, system
from appliance.doctor.apart import CrashError, HangError, apart
from appliance.doctor.findings import Finding, Level, ok, problem, told
from appliance.errors import ApplianceError, ConfigError

LISTEN_S: Final = 2.0
LISTEN_QUICKLY_S: Final = 0.5

_SOUND_S: Final = 12.0
"""To open a device takes up to 2 s through PulseAudio, to listen 2.5 s, a tone 2 s."""


_PINS: Final = PROJECT / "requirements" / "device.txt"
_ROOM_BYTES: Final = 200_000_000
"""To renew the largest set of models that is installed by default: 137 MB beside the old one, and some for logs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing to look at."""

    name: str
    look: Callable[[], list[Finding]]
    """May raise what it likes."""

    limit_s: float = 20.0
    when_it_hangs: str = "restart the machine"


def examine(checks: Iterable[Check]) -> Iterator[Finding]:
    """Look at one after the other; none can hang or crash the rest."""
    for check in checks:
        try:
            yield from apart(check.look, limit_s=check.limit_s)
        except HangError as error:
            yield problem(check.name, str(error), check.when_it_hangs)
        except CrashError as error:
            yield problem(check.name, f"cannot be looked at: {error}", "run make venv; else tell its makers")
        except ApplianceError as error:
            yield told(Level.PROBLEM, check.name, error)


def configuration(path: Path | None) -> tuple[LoadedConfig, Finding]:
    """Read it, from where `--config` says. A wrong one is told, and the defaults stand in, with an empty home."""
    try:
        loaded = config_files.load(path)
    except ConfigError as error:
        defaults = LoadedConfig(config=Config(home=Home(file="")), folder=config_files.SHIPPED_CONFIG.parent)
        sentence = f"{error}; what follows was looked at with the defaults instead"
        return defaults, told(Level.PROBLEM, "configuration", sentence)
    return loaded, ok("configuration", str(_file(loaded, path)))


def checks_of(loaded: LoadedConfig, path: Path | None, *, quick: bool, aloud: bool) -> list[Check]:
    """What is looked at on this machine.

    Args:
        loaded: the configuration.
        path: as `--config` says.
        quick: listen for a short time, and do not load the models.
        aloud: play a tone.
    """
    sound = "start the sound server again, or plug the device in again"
    slow = [Check(name="start", look=lambda: _start(loaded), limit_s=120.0)]
    return [
        Check(name="python", look=_python),
        Check(name="packages", look=_packages),
        Check(name="machine", look=lambda: software.machine(platform.machine(), platform.libc_ver())),
        Check(name="home", look=lambda: _home(loaded)),
        Check(name="models", look=lambda: _models(loaded), limit_s=60.0),
        *([] if quick else slow),
        Check(name="microphone", look=lambda: _microphone(loaded, quick=quick), limit_s=_SOUND_S, when_it_hangs=sound),
        Check(name="second way", look=lambda: _other_ways(loaded), limit_s=_SOUND_S, when_it_hangs=sound),
        Check(name="speaker", look=lambda: _speaker(loaded, aloud=aloud), limit_s=_SOUND_S, when_it_hangs=sound),
        Check(name="broker", look=lambda: _broker(loaded), limit_s=40.0, when_it_hangs="check mqtt.host and the DNS"),
        Check(name="daemon", look=lambda: _daemon(loaded)),
        Check(name="clock", look=_clock),
        Check(name="disk", look=lambda: _disk(loaded)),
        Check(name="permissions", look=lambda: _permissions(loaded, _file(loaded, path))),
        Check(name="priority", look=_priority),
        Check(name="threads", look=lambda: software.threads(os.environ, len(os.sched_getaffinity(0)))),
    ]


def _file(loaded: LoadedConfig, path: Path | None) -> Path:
    return path or loaded.folder / config_files.INSTALLED_CONFIG.name


def _python() -> list[Finding]:
    return software.python(sys.version_info[:3], is_64_bit=sys.maxsize > 2**32)


def _packages() -> list[Finding]:
    installed = {software.normal(one.name): one.version for one in metadata.distributions()}
    return software.packages(_PINS.read_text(encoding="utf-8") if _PINS.exists() else "", installed)


def _home(loaded: LoadedConfig) -> list[Finding]:
    from appliance.doctor import owned

    return owned.home(loaded)


def _models(loaded: LoadedConfig) -> list[Finding]:
    from appliance.doctor import owned
    from appliance.models import ModelStore

    return owned.models(loaded, ModelStore(MANIFEST, loaded.models_directory))


def _start(loaded: LoadedConfig) -> list[Finding]:
    from appliance.doctor import owned

    return owned.start(loaded)


def _microphone(loaded: LoadedConfig, *, quick: bool) -> list[Finding]:
    from appliance.audio.hardware import read
    from appliance.audio.ways import ways_to_microphone
    from appliance.doctor import sound
    from appliance.runtimes.portaudio import Direction

    held_by = sound.holders(Direction.INPUT, Path("/proc"))
    first, *_ = ways_to_microphone(read(loaded.config.audio, HARDWARE))
    return sound.microphone(first, LISTEN_QUICKLY_S if quick else LISTEN_S, held_by)


def _other_ways(loaded: LoadedConfig) -> list[Finding]:
    from appliance.audio.hardware import read
    from appliance.audio.ways import ways_to_microphone
    from appliance.doctor import sound
    from appliance.runtimes.portaudio import Direction

    _, *others = ways_to_microphone(read(loaded.config.audio, HARDWARE))
    return sound.other_ways(others, sound.holders(Direction.INPUT, Path("/proc")))


def _speaker(loaded: LoadedConfig, *, aloud: bool) -> list[Finding]:
    from appliance.audio.hardware import read
    from appliance.doctor import sound
    from appliance.runtimes.portaudio import Direction, portaudio

    held_by = sound.holders(Direction.OUTPUT, Path("/proc"))
    return sound.speaker(read(loaded.config.audio, HARDWARE), portaudio(), aloud=aloud, held_by=held_by)


def _broker(loaded: LoadedConfig) -> list[Finding]:
    from appliance.doctor.broker import broker

    return broker(loaded.mqtt, loaded.config.device.id, now_s=time.time())


def _daemon(loaded: LoadedConfig) -> list[Finding]:
    from appliance.doctor.daemon import daemon
    from appliance.status_socket import candidates

    return daemon(candidates(loaded.config.device.id))


def _clock() -> list[Finding]:
    came = datetime.fromtimestamp(Path(appliance.__file__).stat().st_mtime).astimezone()
    return system.clock(datetime.now().astimezone(), came, synchronized=system.clock_is_synchronized())


def _disk(loaded: LoadedConfig) -> list[Finding]:
    state = config_files.state_directory()
    folders = {"models": loaded.models_directory} | ({"state": state} if state.exists() else {})
    room = system.disk(folders, needed_bytes=_ROOM_BYTES, free=system.free_bytes)
    return room + system.temporary_files(Path(tempfile.gettempdir()))


def _permissions(loaded: LoadedConfig, file: Path) -> list[Finding]:
    files = [file, *([loaded.home_file] if loaded.home_file else [])]
    return system.permissions(files, Path("/dev/snd"), is_ours=lambda device: os.access(device, os.R_OK | os.W_OK))


def _priority() -> list[Finding]:
    from appliance.priority import ask_for_priority

    said = ask_for_priority()
    policy = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
    return system.priority(said, is_real_time=policy == os.SCHED_RR)
