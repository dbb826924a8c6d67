"""Which addresses the service may reach: the broker's, and no other.

`python -m appliance.mqtt.firewall UNIT [--config FILE]` is what the unit runs, as root, before each start: it adds them
to the addresses that systemd lets the service talk to (IPAddressAllow=), until the machine restarts.
"""

import argparse
import ipaddress
import subprocess
import sys
from pathlib import Path
from typing import Final

from appliance.config_files import load
from appliance.errors import ConfigError

HOUSE: Final = (
    *("localhost", "link-local", "multicast"),
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
)
"""Words of systemd.resource-control(5), and the private ranges of RFC 1918 and RFC 4193."""


def allowed(host: str) -> tuple[str, ...]:
    """For the broker of this name: its address alone; where it must be asked for, the house; without one, nothing.

    A name is not looked up here: at the start there may be no network yet, and it may mean another address tomorrow.
    """
    if not host or host == "localhost":
        return ("localhost",) if host else ()
    try:
        return (str(ipaddress.ip_address(host.strip("[]"))),)
    except ValueError:
        return HOUSE


def main(words: list[str] | None = None, *, systemctl: str = "systemctl") -> int:
    """Tell systemd; the exit code of `systemctl`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("unit")
    parser.add_argument("--config", type=Path)
    chosen = parser.parse_args(words)
    try:
        addresses = allowed(load(chosen.config).config.mqtt.host)
    except ConfigError:  # told by the start itself
        return 0
    if not addresses:
        return 0
    command = [systemctl, "set-property", "--runtime", chosen.unit, f"IPAddressAllow={' '.join(addresses)}"]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
