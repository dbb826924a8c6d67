"""Run the appliance: listen, act, answer, publish. This is what the systemd unit starts."""

import argparse
import logging
import os
import signal
import sys

from appliance.audio.hardware import Hardware
from appliance.audio.microphone import Microphone
from appliance.audio.speakers import SilentSpeaker, Speaker, open_speaker
from appliance.audio.ways import ways_to_microphone
from appliance.brains import load_brains, load_hardware, load_voice
from appliance.config_files import LoadedConfig
from appliance.daemon import Daemon, build_mqtt, event_logger, handle_signals
from appliance.errors import AudioError
from appliance.notify import Notifier
from appliance.priority import ask_for_priority

_LOGGER = logging.getLogger(__name__)

RESTART_CODE = 75
"""The exit code that lets systemd start it anew (EX_TEMPFAIL of sysexits.h); the unit names it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--check only."""
    parser.epilog = "Example: appliance --config /etc/appliance/appliance.toml run"
    parser.add_argument("--check", action="store_true", help="check configuration, home file and models, then end")


def run(args: argparse.Namespace, config: LoadedConfig) -> int:
    """Run until SIGTERM or SIGINT."""
    logging.basicConfig(
        level=config.config.log.level.upper(), format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))  # until there is something to end cleanly
    brains = load_brains(config)
    if args.check:
        load_voice(config, deterministic=False).close()
        if config.config.mqtt.host:
            build_mqtt(brains, lambda command: None)
        print(f"configuration, home and models are good; wake words: {', '.join(word.name for word in brains.words)}")
        return 0
    hardware = load_hardware(config)
    microphone = Microphone(
        hardware.microphone,
        ways_to_microphone(hardware),
        prepare=lambda: _LOGGER.info("capture: %s", ask_for_priority()),
    )
    daemon = Daemon(
        brains,
        microphone,
        _speaker(hardware),
        notifier=Notifier(),
        listeners=[event_logger(config.config.privacy.publish_text, brains.language.free_slots)],
    )
    handle_signals(daemon)
    _LOGGER.info("frame loop: %s", ask_for_priority())
    daemon.run()
    if not daemon.restart_asked:
        return 0
    if "NOTIFY_SOCKET" in os.environ:
        return RESTART_CODE
    os.execv(sys.executable, [sys.executable, "-m", "appliance", *sys.argv[1:]])


def _speaker(hardware: Hardware) -> Speaker:
    """The loudspeaker; without one the appliance hears, acts and publishes all the same."""
    try:
        return open_speaker(hardware)
    except AudioError as error:
        _LOGGER.warning("answers will not be heard: %s", error)
        return SilentSpeaker()
