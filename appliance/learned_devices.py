"""The file in which announced devices outlive the process: what the house said is known before the broker is there."""

import contextlib
import logging
from pathlib import Path
from typing import Final

import msgspec

from appliance import safe_file
from appliance.config_files import LoadedConfig
from appliance.errors import StageError
from appliance.home.announced import Thing
from appliance.home.learned import LearnedHome, with_learned
from appliance.home.phrases import Phrases
from appliance.home.written import Written
from appliance.understanding import home_file
from appliance.understanding.home_file import HomeConfig

LARGEST_BYTES: Final = 4_000_000
"""As many things as are kept have some 600 kB; a larger file was not written by us."""

_LOGGER = logging.getLogger(__name__)


def load_home(loaded: LoadedConfig) -> LearnedHome:
    """The owner's home file, and with `home.learn` the devices that were learned. Raises ConfigError (home file)."""
    home = home_file.load(loaded.home_file) if loaded.home_file else HomeConfig()
    things = read(loaded)
    if not things:
        return LearnedHome(home=home)
    spoken = Written(Phrases.of(loaded.language)).spoken
    return with_learned(home, things, loaded.config.home.refuse, spoken)


def read(loaded: LoadedConfig) -> tuple[Thing, ...]:
    """What was announced, as it was last kept; nothing where nothing is to be learned. A damaged file is put aside."""
    if loaded.state is None or not loaded.config.home.learn:
        return ()
    path = _path(loaded.state)
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(LARGEST_BYTES), type=tuple[Thing, ...])
    except FileNotFoundError:
        return ()
    except OSError as error:
        _LOGGER.warning("%s cannot be read (%s): learned devices are unknown", path, error.strerror)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _LOGGER.warning("%s: damaged (%s), put aside: devices are learned anew", path, error)
        with contextlib.suppress(OSError):
            path.replace(path.with_suffix(".damaged"))
    return ()


def write(state: Path, things: tuple[Thing, ...]) -> None:
    """Keep them. Raises StageError; then the file is as it was."""
    try:
        safe_file.replace(_path(state), msgspec.json.encode(things))
    except OSError as error:
        raise StageError(f"{_path(state)}: cannot be written: {error.strerror}; look at its folder and disk") from None


def _path(state: Path) -> Path:
    return state / "learned.json"
