"""The models: what the manifest says of each, and whether its files are here and unharmed.

`models/manifest.toml` is read strictly into frozen classes; so is `own.toml` in the folder of the installed models,
which names those that the owner made (`python -m tools.quantize install`). A model lies in a folder of its own name,
which `ModelStore.folder` hands out only after the SHA-256 of every file was found right: nobody loads a damaged model.
"""

import difflib
import hashlib
import re
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from appliance.errors import ConfigError, ModelError, UnknownModelError

ModelName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}\Z")]
Sentence = Annotated[str, Meta(min_length=1)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
RelativePath = Annotated[str, Meta(pattern=rf"^{_PART}(/{_PART})*\Z")]
"""A path below the model's folder. No part begins with a dot, so it cannot lead outside."""


OWN = "own.toml"
"""The manifest of the owner's own models, in the folder of the installed ones; of the same form."""


class Kind(StrEnum):
    """What a model does."""

    RECOGNIZER = "recognizer"
    SPEECH_DETECTOR = "speech_detector"
    PRONUNCIATIONS = "pronunciations"
    VOICE = "voice"
    WAKE = "wake"
    WAKE_FEATURES = "wake_features"


class WakeEngineName(StrEnum):
    """Which engine runs a wake model."""

    INT8 = "int8"
    OPENWAKEWORD = "openwakeword"


class Status(StrEnum):
    """How a model's folder was found."""

    INSTALLED = "installed"
    MISSING = "missing"
    DAMAGED = "damaged"


class Source(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One place a model comes from: a published package, an address of its maker, or a folder beside the manifest."""

    package: Annotated[str, Meta(pattern=r"^([A-Za-z0-9._-]+==[A-Za-z0-9._+]+)?\Z")] = ""
    """Name and exact version of a package whose wheel holds the files."""

    url: Annotated[str, Meta(pattern=r"^(https://\S+)?\Z")] = ""
    """A .zip; an address that ends in / and has the files below it; or the one file itself."""

    path: Annotated[str, Meta(pattern=rf"^({_PART}(/{_PART})*)?\Z")] = ""
    """A folder, relative to the manifest's: of models that are part of the program, or made by its owner."""

    folder: str = ""
    """Where in the wheel or zip the files are."""

    def __post_init__(self) -> None:
        """Exactly one of the three."""
        if sum(map(bool, (self.package, self.url, self.path))) != 1:
            raise ValueError("a source names a package, a url or a path")


class WakeSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a wake word needs beside its files."""

    engine: WakeEngineName
    phrase: Sentence
    """What one says, in small letters."""

    threshold: Annotated[float, Meta(gt=0.0, lt=1.0)]
    """Mean score that wakes."""

    window: Annotated[int, Meta(ge=1, le=100)]
    """Number of newest scores the mean is taken over."""

    features: str = ""
    """Name of the model that makes what openwakeword hears; with int8, what its verifier hears."""

    def __post_init__(self) -> None:
        """openWakeWord hears nothing without features."""
        if self.engine is WakeEngineName.OPENWAKEWORD and not self.features:
            raise ValueError("features is needed with engine = openwakeword")


class ModelEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the manifest says of one model."""

    name: ModelName
    kind: Kind
    purpose: Sentence
    licence: Sentence
    """SPDX identifier."""

    card: Annotated[str, Meta(pattern=rf"^(https://\S+|{_PART}(/{_PART})*\.md)\Z")]
    """The maker's page, or a file relative to the manifest's folder: training data, figures, licence."""

    size_bytes: Annotated[int, Meta(gt=0)]
    """All files together."""

    files: Annotated[dict[RelativePath, Sha256], Meta(min_length=1)]
    """Path below the model's folder, and the SHA-256 it must have."""

    sources: Annotated[tuple[Source, ...], Meta(min_length=1)]
    """In the order in which they are tried."""

    non_commercial: bool = False
    default: bool = False
    """Part of the set that is installed when no names are given."""

    wake: WakeSettings | None = None
    """Given for kind wake, None otherwise."""

    def __post_init__(self) -> None:
        """What no single key can say."""
        if (self.kind is Kind.WAKE) != (self.wake is not None):
            raise ValueError("a table [model.wake] is needed with kind = wake, and only there")
        if self.non_commercial and self.default:
            raise ValueError("a model for non-commercial use cannot be a default")

    @property
    def size(self) -> str:
        """Its size in words, MB or kB."""
        return f"{self.size_bytes / 1e6:.1f} MB" if self.size_bytes >= 1_000_000 else f"{self.size_bytes / 1e3:.0f} kB"


class _Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    model: tuple[ModelEntry, ...]

    def __post_init__(self) -> None:
        if len({entry.name for entry in self.model}) < len(self.model):
            raise ValueError("two models have the same name")


class ModelStore:
    """The models of one folder, verified before anybody loads them.

    Args:
        manifest_path: the manifest, read at once.
        directory: where the models' folders are; it need not exist. Its OWN is read, too, where there is one.

    Raises:
        ConfigError: a manifest cannot be read, a key in it is wrong, or a name stands in both.
    """

    def __init__(self, manifest_path: Path, directory: Path) -> None:
        self.directory = directory
        shipped = {entry.name: entry for entry in _read(manifest_path).model}
        own_path = directory / OWN
        own = {entry.name: entry for entry in _read(own_path).model} if own_path.is_file() else {}
        if both := shipped.keys() & own.keys():
            raise ConfigError(f'{own_path}: model "{min(both)}": there is one of this name already; rename yours')
        self._entries = shipped | own
        for entry in self._entries.values():
            features = entry.wake.features if entry.wake else ""
            if features and (features not in self._entries or self._entries[features].kind is not Kind.WAKE_FEATURES):
                where = own_path if entry.name in own else manifest_path
                raise ConfigError(
                    f'{where}: wake.features of "{entry.name}": no model "{features}" of kind wake_features'
                )
        self._folders = dict.fromkeys(shipped, manifest_path.parent) | dict.fromkeys(own, directory)
        self._good: set[str] = set()

    def names(self, kind: Kind | None = None) -> list[str]:
        """Names of all models, or of those of one kind, in the manifest's order."""
        return [name for name, entry in self._entries.items() if kind in (None, entry.kind)]

    def entry(self, name: str) -> ModelEntry:
        """What the manifest says of a model. Raises ModelError that names near matches."""
        if name in self._entries:
            return self._entries[name]
        near = " or ".join(difflib.get_close_matches(name, self._entries, n=3))
        remedy = f"did you mean {near}" if near else "`appliance models list` names those that there are"
        raise UnknownModelError(f'unknown model "{name}": {remedy}')

    def beside(self, name: str) -> Path:
        """Folder of the manifest that names a model: its sources' paths are relative to it. Raises ModelError."""
        return self._folders[self.entry(name).name]

    def folder(self, name: str) -> Path:
        """Folder of an installed model, every file of it verified; hashed once in the life of this object.

        Hashing costs 0.1 s for 70 MB on a desktop core.

        Raises:
            ModelError: unknown, not installed, or damaged, and how to install it.
        """
        if name not in self._good:
            problem = self.problem(name)
            if problem is not None:
                reason = f"is damaged: {problem}" if (self.directory / name).is_dir() else "is not installed"
                raise ModelError(f'model "{name}" {reason}; run `appliance models install {name}`')
            self._good.add(name)
        return self.directory / name

    def status(self, name: str) -> Status:
        """Look at the files again, whatever was found before. Raises ModelError for an unknown name."""
        problem = self.problem(name)
        if problem is None:
            return Status.INSTALLED
        return Status.DAMAGED if (self.directory / name).is_dir() else Status.MISSING

    def problem(self, name: str) -> str | None:
        """What is wrong with the installed files, in a few words; None when nothing is. Raises ModelError (unknown)."""
        for path, expected in self.entry(name).files.items():
            try:
                found = sha256_of(self.directory / name / path)
            except FileNotFoundError:
                return f"file {path} is missing"
            except OSError as error:
                return f"file {path} cannot be read ({error.strerror})"
            if found != expected:
                return f"file {path} has the wrong content (SHA-256 {found[:12]}..., must be {expected[:12]}...)"
        return None


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits. Raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(path: Path) -> _Manifest:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; it belongs to the program, install it again") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text ({error})") from None
    except (ValueError, RecursionError) as error:  # more digits than Python reads, and deep nesting, are no TOML error
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    try:
        return msgspec.convert(raw, type=_Manifest)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_explain(str(error), raw)}") from None


def _explain(message: str, raw: dict[str, object]) -> str:
    """msgspec's message, with `$.model[2].wake` turned into the model's name and the key."""
    reason, _, where = message.replace(" - at `key` in `$", ", in a key - at `$").partition(" - at `$")
    unknown = re.search(r"unknown field `([^`]+)`", reason)
    reason = f"unknown key {unknown.group(1)}" if unknown else reason
    found = re.match(r"\.model\[(\d+)\]\.?(.*?)`?\Z", where)
    if not found:
        return reason
    models = raw["model"]
    entry = models[int(found.group(1))] if isinstance(models, list) else None
    name = entry.get("name") if isinstance(entry, dict) else None
    key = f", {found.group(2)}" if found.group(2) else ""
    return f'model "{name or found.group(1)}"{key}: {reason}'
