"""List, install and verify the models.

`install` without names brings what the appliance needs: speech detector and wake words, and recognizer, pronunciations
and voice of the configured language. Each file is
checked against the SHA-256 of the manifest; a wrong one is refused, and the model that was there stays.
"""

import argparse
import sys
import time
from pathlib import Path

import msgspec

from appliance.config_files import MANIFEST, LoadedConfig
from appliance.errors import ModelError
from appliance.model_install import installer
from appliance.models import Kind, ModelStore, Status
from appliance.understanding.language_folder import needed_models

REDRAW_S = 0.2

KINDS_OF_A_LANGUAGE = frozenset({Kind.RECOGNIZER, Kind.PRONUNCIATIONS, Kind.VOICE})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`list`, `install` and `verify`, each with its own arguments."""
    parser.epilog = (
        "Examples:\n"
        "  appliance models list\n"
        "  appliance models install\n"
        "  appliance models install oww_alexa --from /media/stick\n"
        "  appliance models verify"
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser(
        "list",
        help="every model: kind, size, licence, whether it is installed, purpose",
        epilog="Example: appliance models list --json",
    )
    listing.add_argument("--json", action="store_true", help="one JSON array on standard output")
    install = actions.add_parser(
        "install", help="fetch models, check them, put them in place", epilog="Example: appliance models install alexa"
    )
    install.add_argument(
        "names", nargs="*", metavar="NAME", help="models to install; none: what the configuration needs"
    )
    install.add_argument(
        "--from",
        dest="origin",
        type=Path,
        metavar="PATH",
        help="take the files from this folder, wheel, zip or file, without any network",
    )
    install.add_argument("--all", action="store_true", help="every model, also those for non-commercial use only")
    verify = actions.add_parser(
        "verify",
        help="hash the installed files again; exit code 1 when one is not good",
        epilog="Example: appliance models verify",
    )
    verify.add_argument(
        "names", nargs="*", metavar="NAME", help="models; none: what the configuration needs and all installed ones"
    )


def run(args: argparse.Namespace, config: LoadedConfig) -> int:
    """Do what the action says. Raises ConfigError (manifest) and ModelError."""
    store = ModelStore(MANIFEST, config.models_directory)
    if args.action == "list":
        return _list(store, as_json=args.json)
    if args.action == "verify":
        return _verify(store, args.names, _wanted(store, config))
    names = store.names() if args.all else args.names
    return _install(store, names or _wanted(store, config), args.origin)


class Terminal:
    """Tells progress on stderr: lines that stay, and on a terminal one that is redrawn."""

    def __init__(self) -> None:
        self._drawn_at_s = 0.0
        self._drawn = False

    def say(self, text: str) -> None:
        """A line that stays."""
        if self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr)
            self._drawn = False
        print(text, file=sys.stderr, flush=True)

    def progress(self, what: str, done_bytes: int, total_bytes: int | None) -> None:
        """Redraw the last line, five times a second at most; nothing where nobody looks."""
        now_s = time.monotonic()
        if not sys.stderr.isatty() or now_s - self._drawn_at_s < REDRAW_S:
            return
        self._drawn_at_s, self._drawn = now_s, True
        percent = f" ({100 * done_bytes // total_bytes} %)" if total_bytes else ""
        print(f"\r\x1b[K  {what[-60:]}: {done_bytes / 1e6:.1f} MB{percent}", end="", file=sys.stderr, flush=True)


def _wanted(store: ModelStore, config: LoadedConfig) -> list[str]:
    """The default set, but of a language only what the configured one needs. Raises ConfigError, ModelError."""
    language = needed_models(config)
    wanted = {store.entry(name).name for name in language}
    for name in store.names():
        entry = store.entry(name)
        if entry.default and entry.kind not in KINDS_OF_A_LANGUAGE:
            wanted.add(name)
    return [name for name in store.names() if name in wanted]


def _list(store: ModelStore, *, as_json: bool) -> int:
    if as_json:
        rows = [{**msgspec.to_builtins(store.entry(name)), "status": store.status(name)} for name in store.names()]
        print(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())
        return 0
    table = [("NAME", "KIND", "SIZE", "LICENCE", "STATUS", "PURPOSE")]
    for name in store.names():
        entry = store.entry(name)
        table.append((name, entry.kind, entry.size, entry.licence, store.status(name), entry.purpose))
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _install(store: ModelStore, names: list[str], origin: Path | None) -> int:
    wanted = _with_features(store, names)
    terminal = Terminal()
    failed = 0
    with installer(store, terminal) as work:
        for name in wanted:
            try:
                work.install(name, origin)
            except ModelError as error:
                failed += 1
                terminal.say(f"appliance: {error}")
    return 1 if failed else 0


def _with_features(store: ModelStore, names: list[str]) -> list[str]:
    """The names, each once, and before a wake word the model that makes its features. Raises ModelError (unknown)."""
    wanted: dict[str, None] = {}
    for name in names:
        wake = store.entry(name).wake
        wanted |= dict.fromkeys([wake.features, name] if wake and wake.features else [name])
    return list(wanted)


def _verify(store: ModelStore, names: list[str], wanted: list[str]) -> int:
    chosen = names or [name for name in store.names() if name in wanted or store.status(name) is not Status.MISSING]
    good = True
    for name in chosen:
        status, problem = store.status(name), store.problem(name)
        good &= status is Status.INSTALLED
        print(f"{name}: {status}" + (f", {problem}" if status is Status.DAMAGED else ""))
    if not good:
        print("appliance: some models are not good; run `appliance models install NAME`", file=sys.stderr)
    return 0 if good else 1
