"""The command `appliance`: one file a verb, loaded only when it is called.

Exit codes: 0 good, 1 failed, 2 wrong usage or configuration, 130 interrupted. Errors are one sentence on stderr.
"""

import argparse
import importlib
import os
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType

from appliance import config_files
from appliance.errors import ApplianceError

VERBS = (
    *("run", "demo", "replay", "understand", "say", "devices", "home", "doctor", "status"),
    *("tune", "loopback", "models", "sentences", "wyoming", "bench", "update", "version"),
)
"""The verbs, each the name of a module beside this one, in the order of `--help`."""

WITHOUT_CONFIG = ("doctor", "version")
"""Whoever calls these may do so because the configuration is wrong: it is not read for them."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    # One BLAS thread: with more, the small products of the frame loop cost 17 times as much (176 instead of 10 us).
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    words = sys.argv[1:] if arguments is None else arguments
    try:
        return _run(words)
    except ApplianceError as error:
        print(f"appliance: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output has gone away (`appliance replay ... | head`): nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        # What no stage could do anything about: above all a full disk under standard output or an event file.
        print(f"appliance: {error.strerror}{f': {error.filename}' if error.filename else ''}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(words: list[str]) -> int:
    verbs = (word for before, word in pairwise(["", *words]) if word in VERBS and before != "--config")
    parser = _parser(chosen=next(verbs, None))
    values = parser.parse_args(words)
    if values.verb is None:
        parser.print_help()
        return 2
    module = _module(values.verb)
    without = values.verb in WITHOUT_CONFIG or getattr(values, "safe", False)
    config = None if without else config_files.load(values.config)
    code: int = module.run(values, config)
    return code


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    """The parser of all verbs; only the chosen verb's module is imported for its arguments."""
    parser = argparse.ArgumentParser(
        prog="appliance",
        description="An offline voice appliance.",
        epilog="Example: appliance replay recording.wav --events -",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file (TOML)")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for verb in VERBS:
        if chosen not in (None, verb):
            continue
        module = _module(verb)
        text = (module.__doc__ or "").strip()
        child = verbs.add_parser(
            verb,
            help=text.splitlines()[0].rstrip("."),
            description=text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        child.add_argument("--config", type=Path, metavar="FILE", default=argparse.SUPPRESS, help="configuration file")
        module.add_arguments(child)
    return parser


def _module(verb: str) -> ModuleType:
    return importlib.import_module(f"appliance.cli.{verb}")
