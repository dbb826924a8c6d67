"""Where the owner's files are: the configuration, and what it names relative to itself."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from appliance import config as configuration
from appliance.config import Config, Home, Models, Mqtt
from appliance.errors import ConfigError

PROJECT = Path(__file__).resolve().parents[1]
"""The folder that holds `models/` and `firmware_config/`: a checkout, or a version's on a device."""

INSTALLED_CONFIG = Path("/etc/appliance/appliance.toml")
SHIPPED_CONFIG = PROJECT / "firmware_config" / "appliance.toml"
HARDWARE = PROJECT / "firmware_config" / "hardware.toml"
MANIFEST = PROJECT / "models" / "manifest.toml"
SERVICE_STATE = Path("/var/lib/appliance")
"""systemd makes it for the service (StateDirectory=)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedConfig:
    """A configuration and the folder it was read from."""

    config: Config
    folder: Path
    """Paths in the configuration are relative to this folder."""

    path: Path | None = None
    """The file that it was read from; None where it was made by a program."""

    state: Path | None = None
    """Folder for what is remembered; None: nothing is."""

    cache: Path | None = None
    """Folder for what is made from the owner's files and can be made anew; None: nothing is kept."""

    safe_mode: str | None = None
    """Why the defaults stand in for the owner's settings, and what to do; None: they do not."""

    @property
    def models_directory(self) -> Path:
        """Folder of the installed models."""
        named = self.config.models.directory
        return self.folder / named if named else MANIFEST.parent

    @property
    def language(self) -> str:
        """The built-in language's name, or the path of the owner's."""
        named = self.config.home.language
        return str(self.folder / named) if "/" in named else named

    @property
    def mqtt(self) -> Mqtt:
        """The broker's settings, with its files' places made absolute."""
        named = self.config.mqtt
        places = {key: getattr(named, key) for key in ("password_file", "ca_file", "cert_file", "key_file")}
        return msgspec.structs.replace(named, **{k: str(self.folder / place) for k, place in places.items() if place})

    @property
    def home_file(self) -> Path | None:
        """The home's areas, devices and sentences; None where the owner has none."""
        named = self.config.home.file
        return self.folder / named if named else None


def load(path: Path | None, *, installed: Path = INSTALLED_CONFIG) -> LoadedConfig:
    """Read the file that `--config` names, else the installed one, else the one shipped. Raises ConfigError."""
    chosen = path or (installed if _exists(installed) else SHIPPED_CONFIG)
    return LoadedConfig(
        config=configuration.load(chosen),
        folder=chosen.resolve().parent,
        path=chosen.resolve(),
        state=state_directory(),
        cache=state_directory() / "cache",
    )


def load_safe(path: Path | None) -> LoadedConfig:
    """The defaults, with what of `load`'s file says who and where it is: device, broker, models' folder, language.

    A home, wake words and a language of the owner's own are left out. Where the file cannot be read, so is the rest.
    """
    chosen = path or INSTALLED_CONFIG
    try:
        own = configuration.load(chosen)
        reason = "it failed again and again; see journalctl -u appliance"
    except ConfigError as error:
        own, reason = Config(), str(error)
    config = Config(
        device=own.device,
        mqtt=own.mqtt,
        models=Models(directory=own.models.directory),
        home=Home(language=Home().language if "/" in own.home.language else own.home.language, file=""),
    )
    return LoadedConfig(
        config=config,
        folder=chosen.resolve().parent,
        path=chosen.resolve(),
        state=state_directory(),
        cache=state_directory() / "cache",
        safe_mode=f"safe mode, with default settings: {reason}; mend it, then: systemctl restart appliance",
    )


def state_directory(*, service: Path = SERVICE_STATE, environment: Mapping[str, str] = os.environ) -> Path:
    """Where it keeps what it remembers: the service's folder where we may write there, else the user's own."""
    if os.access(service, os.W_OK | os.X_OK):
        return service
    return Path(environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "appliance"


def _exists(path: Path) -> bool:
    """True also where we may not look: reading the file then says so, instead of another one being read silently."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
