"""Serve wake word, recognizer and voice to Home Assistant, over the Wyoming protocol.

A process of its own, at low priority, with models of its own; it has no microphone. The protocol knows neither
passwords nor encryption: whoever reaches the port can use it, so listen on this machine only, or in a network in which
you trust everything.
"""

import argparse
import ipaddress
import logging
import signal
import sys

from appliance.config_files import LoadedConfig
from appliance.notify import Notifier
from appliance.priority import step_back
from appliance.wyoming.conversation import Conversation
from appliance.wyoming.offer import Offer
from appliance.wyoming.server import Server

PORT = 10_300
"""Usual for a recognizer that speaks Wyoming."""

_LOGGER = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to listen."""
    parser.epilog = "Examples:\n  appliance wyoming\n  appliance wyoming --host 192.168.1.20"
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: this machine only)")
    parser.add_argument("--port", type=int, default=PORT, help=f"port (default: {PORT})")


def run(args: argparse.Namespace, config: LoadedConfig) -> int:
    """Serve until SIGTERM or SIGINT."""
    logging.basicConfig(
        level=config.config.log.level.upper(), format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    step_back()
    # The port comes first: a taken one is told at once, and not after seconds of loading.
    with Server(args.host, args.port, lambda wire, ending: Conversation(wire, offer.services, ending).run()) as server:
        offer = Offer(config)
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: server.close())
            if not _is_loopback(args.host):
                _LOGGER.warning("%s: everybody who reaches this address can use the appliance's models", args.host)
            where = f"tcp://{args.host}:{server.port}"
            print(f"serving at {where}; end with Ctrl-C", file=sys.stderr, flush=True)
            Notifier().ready(f"serving at {where}")
            server.serve()
        finally:
            offer.close()
    return 0


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
