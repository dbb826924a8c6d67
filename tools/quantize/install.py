"""Install a model: check it, copy it with its card to the other models, name it in their manifest.

Yours goes to the folder of the installed models, into its `own.toml`; --shipped puts it into the project itself, to be
committed. --listen tells the appliance that runs, through its broker, to listen for it from now on.
"""

import argparse
import json
import re
import shutil
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from appliance import config_files, wake
from appliance.config_files import MANIFEST, LoadedConfig
from appliance.errors import BrokerError, ConfigError, ModelError, UsageError
from appliance.models import OWN, ModelEntry, ModelStore, sha256_of
from appliance.wake.engine import WakeWord
from tools.quantize import card as cards
from tools.quantize.card import Card

_HEAD = "# Models of the owner's own; the form is that of the program's models/manifest.toml."

_ENTRY = """[[model]]
name = {name}
kind = "wake"
purpose = {purpose}
licence = {licence}
{default}card = {card}
size_bytes = {size_bytes}
sources = [{{ path = {name} }}]
[model.files]
{files}
[model.wake]
engine = "int8"
phrase = {phrase}
threshold = {threshold}
window = {window}
{features}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where models are installed."""

    folder: Path
    shipped: bool = False
    """Whether it is the project's own folder, whose manifest names them; else the OWN of the folder does."""

    @property
    def manifest(self) -> Path:
        """Gets the entry."""
        return self.folder / (MANIFEST.name if self.shipped else OWN)

    def store(self) -> ModelStore:
        """As the appliance reads it. Raises ConfigError."""
        return ModelStore(self.manifest if self.shipped else MANIFEST, self.folder)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model and where it goes."""
    parser.epilog = "Example: python -m tools.quantize install runs/computer/computer.tflite --listen"
    parser.add_argument("model", type=Path, metavar="MODEL", help="the .tflite file; its card, a .json, is beside it")
    parser.add_argument("--name", metavar="NAME", help="its name from now on; default: the word")
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration of the appliance")
    parser.add_argument("--shipped", action="store_true", help="make it part of the project")
    parser.add_argument("--listen", action="store_true", help="tell the running appliance to listen for it")


def run(args: argparse.Namespace) -> int:
    """Check, copy, enter, tell. Raises ApplianceError."""
    config = config_files.load(args.config)
    place = Place(folder=MANIFEST.parent, shipped=True) if args.shipped else Place(folder=config.models_directory)
    word, card = check(args.model)
    name = args.name or word.name
    install(args.model, card, name, place)
    print(f"{name}: installed in {place.folder / name}", file=sys.stderr)
    if args.listen:
        listen(name, config)
        print(f"{name}: the appliance was told to listen for it", file=sys.stderr)
    return 0


def check(model: Path) -> tuple[WakeWord, Card]:
    """The word and its card, as the device reads them.

    Raises:
        ModelError: it is not of the form of the engine, its threshold is out of reach, or its card is missing or of
            another file.
        ConfigError: its card is of another form.
    """
    if model.suffix != ".tflite":
        raise UsageError(f"{model}: not a .tflite file; name the model itself")
    card = cards.read(model.with_suffix(".json"))
    word = wake.find(model)
    wake.check(word)
    if card.sha256 != sha256_of(model) or not model.with_name("README.md").is_file():
        raise ModelError(f"{model}: has no card, or that of another file; write it: python -m tools.quantize card")
    missing = [name for name in ("licence", "data", "training", "det") if not getattr(card, name)]
    if missing:
        print(f"{model}: its card tells nothing of {', '.join(missing)}", file=sys.stderr)
    return word, card


def install(model: Path, card: Card, name: str, place: Place) -> None:
    """Copy the files and enter them; a model of this name that these tools installed is replaced.

    Raises:
        ModelError: the name is taken by another maker's model.
        ConfigError: an entry cannot be made of this card or name, or a file cannot be written.
    """
    verifier = [model.with_name(card.verifier.model)] if card.verifier else []
    files = [model, model.with_suffix(".json"), *verifier, model.with_name("README.md")]
    files += sorted(model.parent.glob("*.svg"))
    block = entry(files, card, name, place)
    manifest = _with_block(place, name, block)
    new, old, target = (place.folder / part for part in (f".{name}.new", f".{name}.old", name))
    try:
        for rest in (new, old):
            shutil.rmtree(rest, ignore_errors=True)
        new.mkdir(parents=True)
        for file in files:
            shutil.copyfile(file, new / file.name)
        if target.exists():
            target.rename(old)
        new.rename(target)
        _write(place, manifest)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise ConfigError(f"{error.filename or place.folder}: cannot be written ({error.strerror})") from None
    place.store().folder(name)


def entry(files: Sequence[Path], card: Card, name: str, place: Place) -> str:
    """Its block in a manifest; `files`: the model, its card, and what belongs to that. Raises ConfigError."""
    phrase = card.wake_word.lower()
    block = _ENTRY.format(
        name=json.dumps(name),
        purpose=json.dumps(f'Wakes on "{phrase}".'),
        licence=json.dumps(card.licence or "LicenseRef-not-told"),
        default="default = true\n" if place.shipped else "",
        card=json.dumps(f"{name}/README.md"),
        size_bytes=sum(file.stat().st_size for file in files),
        files="\n".join(f'"{file.name}" = "{sha256_of(file)}"' for file in files),
        phrase=json.dumps(phrase),
        threshold=card.verifier.threshold if card.verifier else card.micro.probability_cutoff,
        window=card.micro.sliding_window_size,
        features=f"features = {json.dumps(card.verifier.features)}\n" if card.verifier else "",
    )
    try:
        msgspec.convert(tomllib.loads(block)["model"][0], type=ModelEntry)
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigError(f'{files[1]}: no manifest entry "{name}" can be made of it ({error})') from None
    return block


def listen(name: str, config: LoadedConfig) -> None:
    """Send the command `wake_word`. Raises BrokerError."""
    from paho.mqtt import publish

    settings = config.mqtt
    if not settings.host:
        raise BrokerError("no broker is configured; set mqtt.host, or name the word in wake.words and reload")
    secure: Any = {"ca_certs": settings.ca_file or None} if settings.tls else None
    user: Any = {"username": settings.username} if settings.username else None
    try:
        if user and settings.password_file:
            user["password"] = Path(settings.password_file).read_text(encoding="utf-8").strip()
        publish.single(
            f"voice/{config.config.device.id}/command/wake_word",
            name,
            qos=1,
            hostname=settings.host,
            port=settings.port,
            auth=user,
            tls=secure,
        )
    except (OSError, ValueError) as error:
        raise BrokerError(f"broker {settings.host}:{settings.port}: the command was not taken ({error})") from None


def enter(place: Place, name: str, block: str) -> None:
    """Name a model whose files are in their place. Raises ModelError, ConfigError."""
    manifest = _with_block(place, name, block)
    try:
        _write(place, manifest)
    except OSError as error:
        raise ConfigError(f"{place.manifest}: cannot be written ({error.strerror})") from None
    place.store().folder(name)


def _write(place: Place, manifest: str) -> None:
    fresh = place.manifest.with_name(f".{place.manifest.name}.new")
    fresh.write_text(manifest, encoding="utf-8")
    fresh.replace(place.manifest)


def _with_block(place: Place, name: str, block: str) -> str:
    """The manifest with this block, at the place of the one of the same name; comments stay where they are."""
    text = place.manifest.read_text(encoding="utf-8") if place.manifest.is_file() else _HEAD
    known = place.store()
    if name not in known.names():
        return f"{text.rstrip()}\n\n{block}"
    if not any(source.path for source in known.entry(name).sources):
        raise ModelError(f'"{name}" is the name of another maker\'s model; give yours another with --name')
    pattern = rf'^\[\[model\]\]\nname = "{re.escape(name)}"\n(?:(?!\[\[model\]\]|#).*\n)*'
    return re.sub(pattern, lambda found: block + ("\n" if found.end() < len(text) else ""), text, flags=re.MULTILINE)
