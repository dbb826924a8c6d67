"""Look over the machine: what is well, what is not, and what to do about it.

A line for each thing that was looked at: ok, warning or problem. Exit code 1 when there is a problem.
"""

import argparse
from collections.abc import Iterable
from itertools import chain

import msgspec

from appliance.config_files import LoadedConfig
from appliance.doctor.findings import Finding, Level
from appliance.doctor.rounds import checks_of, configuration, examine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How much, and in which form."""
    parser.epilog = "Example: appliance doctor --sound"
    parser.add_argument("--quick", action="store_true", help="listen for half a second, and do not load the models")
    parser.add_argument("--sound", action="store_true", help="play a short tone; else the speaker gets silence")
    parser.add_argument("--json", action="store_true", help="one JSON array on standard output")


def run(args: argparse.Namespace, config: LoadedConfig | None) -> int:
    """Print what is found, as it is found. `config` is not used: a wrong one is a finding like others."""
    loaded, first = configuration(args.config)
    checks = checks_of(loaded, args.config, quick=args.quick, aloud=args.sound)
    return report(chain([first], examine(checks)), as_json=args.json)


def report(findings: Iterable[Finding], *, as_json: bool) -> int:
    """Print the findings; returns the exit code."""
    found = []
    for finding in findings:
        found.append(finding)
        if not as_json:
            print(finding, flush=True)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    return int(any(finding.level is Level.PROBLEM for finding in found))
