"""Run the appliance: listen, act, answer, publish. This is what the systemd unit starts."""

import argparse
import dataclasses
import faulthandler
import logging
import os
import signal
import sys

import msgspec

from appliance import config_files, garbage, system_journal
from appliance.audio.microphone import Microphone
from appliance.audio.speakers import open_speaker
from appliance.audio.ways import ways_to_microphone
from appliance.brains import Brains, check_files, load_brains, load_hardware, load_voice
from appliance.config import Mqtt
from appliance.config_files import LoadedConfig
from appliance.daemon import Daemon, event_logger, handle_signals
from appliance.errors import ApplianceError, ConfigError
from appliance.mqtt.broker_access import read_access
from appliance.notify import Notifier
from appliance.priority import ask_for_priority
from appliance.runtimes.gpio import Panel

_LOGGER = logging.getLogger(__name__)

RESTART_CODE = 75
"""The exit code that lets systemd start it anew (EX_TEMPFAIL of sysexits.h); the unit names it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--check and --safe."""
    parser.epilog = "Example: appliance --config /etc/appliance/appliance.toml run"
    parser.add_argument("--check", action="store_true", help="check configuration, home file and models, then end")
    parser.add_argument(
        "--safe", action="store_true", help="with default settings but for the broker: what systemd does after failures"
    )


def run(args: argparse.Namespace, config: LoadedConfig | None) -> int:
    """Run until SIGTERM or SIGINT. `config`: None with --safe."""
    faulthandler.enable()  # systemd ends a loop that hangs by SIGABRT: then the journal tells where it hung
    if config is None:
        config = _without_wrong_broker(config_files.load_safe(args.config))
    logging.basicConfig(level=config.config.log.level.upper(), handlers=[system_journal.handler()])
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))  # until there is something to end cleanly
    if args.check:
        check_files(config)
    brains = load_brains(config, whole=args.check)
    if args.check:
        load_voice(config, deterministic=False).close()
        print(f"configuration, home and models are good; wake words: {', '.join(word.name for word in brains.words)}")
        return 0
    try:
        code = _serve(config, brains)
    except ApplianceError as error:
        print(f"appliance: {error}", file=sys.stderr)
        code = error.exit_code
    # All is closed. PortAudio's own clean-up would wait for a device that hangs, for ever.
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


def _without_wrong_broker(config: LoadedConfig) -> LoadedConfig:
    """In safe mode a broker that cannot be reached so (its password cannot be read) keeps nobody from being heard."""
    try:
        read_access(config.mqtt)
    except ConfigError as error:
        without = msgspec.structs.replace(config.config, mqtt=Mqtt())
        return dataclasses.replace(config, config=without, safe_mode=f"{config.safe_mode}; no broker: {error}")
    return config


def _serve(config: LoadedConfig, brains: Brains) -> int:
    """Hear and answer until told to end; the exit code."""
    hardware = load_hardware(config)
    microphone = Microphone(
        hardware.microphone,
        ways_to_microphone(hardware),
        prepare=lambda: _LOGGER.info("capture: %s", ask_for_priority()),
    )
    pins = hardware.pins(config.config.signals)
    daemon = Daemon(
        brains,
        microphone,
        open_speaker(hardware),
        notifier=Notifier(),
        listeners=[event_logger(config.config.privacy.publish_text, brains.language.free_slots)],
        panel=Panel(pins) if pins is not None else None,
    )
    if config.safe_mode is not None:
        daemon.tell_failed("settings", config.safe_mode)
    handle_signals(daemon)
    garbage.settle()
    _LOGGER.info("frame loop: %s", ask_for_priority())
    daemon.run()
    if daemon.restart_asked and "NOTIFY_SOCKET" not in os.environ:
        os.execv(sys.executable, [sys.executable, "-m", "appliance", *sys.argv[1:]])
    return RESTART_CODE if daemon.restart_asked else 0
