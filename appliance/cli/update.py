"""Look for a newer version, install it, or go back to the one before.

An update comes from a folder, a zip file or an https address (`--from`, else update.source), signed with the key of
update.key_file. It is checked as a whole, tested beside the version that runs, and taken back when it does not work.
"""

import argparse
import os
import sys
from functools import partial
from pathlib import Path

import msgspec

from appliance import __version__, safe_file
from appliance.config_files import LoadedConfig
from appliance.errors import ApplianceError, UpdateError
from appliance.self_test import self_test
from appliance.status_socket import ask_daemon, candidates
from appliance.update import tested
from appliance.update.machine import SystemMachine
from appliance.update.places import Place, place_of
from appliance.update.progress import PROGRESS, Progress
from appliance.update.updater import Offer, Updater
from appliance.update.versions import ROOT, Versions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`check`, `apply`, `roll-back`, `settle` and `self-test`."""
    parser.epilog = (
        "Examples:\n"
        "  appliance update check\n"
        "  sudo appliance update apply --from /media/stick/appliance-1.1\n"
        "  sudo appliance update roll-back"
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in (
        ("check", "tell whether there is a newer version; exit code 1 when that cannot be found out"),
        ("apply", "install the newer version, if there is one, and use it"),
    ):
        action = actions.add_parser(name, help=text, epilog=f"Example: appliance update {name}")
        action.add_argument("--from", dest="origin", metavar="ADDRESS", help="path, file:// or https://")
        action.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    for name, text in (
        ("roll-back", "use the version before again"),
        (
            "settle",
            "after a start: confirm an update that was cut off, or take it back; what the service manager calls",
        ),
    ):
        action = actions.add_parser(name, help=text, epilog=f"Example: sudo appliance update {name}")
        action.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    actions.add_parser(
        "self-test",
        help="does this version wake by a synthesized wake word? Needs no microphone",
        epilog="Example: appliance update self-test",
    )


def run(args: argparse.Namespace, config: LoadedConfig) -> int:
    """Do what the action says. Raises ApplianceError."""
    if args.action == "self-test":
        _test(config)
        print(f"version {__version__} wakes", file=sys.stderr)
        return 0
    versions = Versions(args.root)
    machine = SystemMachine(_config_path(config), partial(ask_daemon, candidates(config.config.device.id)))
    updater = Updater(versions, machine, tell)
    if args.action == "settle":
        updater.settle()
    elif args.action == "roll-back":
        print(f"version {updater.roll_back()} is used again", file=sys.stderr)
    else:
        _check_or_apply(args.action, _place(args.origin, config), updater, config)
    return 0


def _test(config: LoadedConfig) -> None:
    try:
        self_test(config)
    except ApplianceError as error:
        tested.keep(str(error))
        raise
    tested.keep(None)


def tell(progress: Progress, file: Path = PROGRESS) -> None:
    """On stderr, and to the running appliance, where its service has made the folder for that."""
    why = f": {progress.problem}" if progress.problem else ""
    print(f"update to {progress.latest}: {progress.step.replace('_', ' ')}, {progress.percent} %{why}", file=sys.stderr)
    if os.access(file.parent, os.W_OK):
        safe_file.replace(file, msgspec.json.encode(progress), mode=0o644)


def _check_or_apply(action: str, place: Place, updater: Updater, config: LoadedConfig) -> None:
    offer: Offer = updater.look(place, config.folder / config.config.update.key_file)
    manifest = offer.manifest
    if not updater.is_newer(manifest):
        print(f"nothing newer: there is version {manifest.version}", file=sys.stderr)
    elif action == "check":
        size = f"{manifest.size_bytes / 1e6:.0f} MB with what is installed already"
        print(f"there is version {manifest.version}, {size}: {manifest.notes or 'without notes'}", file=sys.stderr)
    else:
        updater.apply(place, offer)
        print(f"version {manifest.version} is used", file=sys.stderr)


def _place(origin: str | None, config: LoadedConfig) -> Place:
    address = origin or config.config.update.source
    if not address:
        raise UpdateError("nobody has said where updates come from; set update.source, or name a place with --from")
    return place_of(address)


def _config_path(config: LoadedConfig) -> Path:
    if config.path is None:
        raise UpdateError("it runs without a configuration file; name one with --config FILE")
    return config.path
