"""Print the version."""

import argparse

from appliance import __version__
from appliance.config_files import LoadedConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments."""
    parser.epilog = "Example: appliance version"


def run(args: argparse.Namespace, config: LoadedConfig | None) -> int:
    """Print the version on stdout."""
    print(f"appliance {__version__}")
    return 0
