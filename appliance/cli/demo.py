"""Show the main job at work: a synthesized person speaks, the real appliance acts, answers and publishes.

With --mic you are the person, and it tells you what to say. Otherwise it needs no microphone, loudspeaker or broker:
answers go into a file where there is no loudspeaker, and a mosquitto of the demo's own runs while it lasts. What is
printed comes from a subscriber of that broker.
"""

import argparse
import logging
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from appliance.audio.microphone import Microphone
from appliance.audio.speakers import DeviceSpeaker, Speaker, WavSpeaker
from appliance.audio.ways import ways_to_microphone
from appliance.brains import load_brains, load_hardware, load_voice
from appliance.config_files import LoadedConfig
from appliance.daemon import Daemon
from appliance.demo.broker import demo_broker
from appliance.demo.person import Line, Person
from appliance.demo.prompter import Prompter
from appliance.demo.subscriber import Arrived, Subscriber
from appliance.demo.table import Turns
from appliance.errors import AudioError
from appliance.events import State, from_json
from appliance.notify import Notifier
from appliance.priority import ask_for_priority
from appliance.report import describe

WAKE_WORD = "computer"
DEVICE_ID = "demo"

SCRIPT = (
    Line("Computer, what time is it?"),
    Line("Computer. Turn on the kitchen light."),
    Line("Turn on the bedroom light."),
    Line("Computer, set the volume to sixty percent."),
    Line("Computer, the weather was lovely in Norway last summer."),
    Line("Computer, set a timer for five seconds."),
    Line("Computer, stop.", when=State.RINGING),
)
"""The third line has no wake word and the fifth is not a command: neither may do anything."""

EXPECTED = ["time_ask", "turn_on", "volume_set", "refused: not_understood", "timer_set", "stop"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Who speaks, and where the answers go."""
    parser.epilog = "Examples:\n  appliance demo --speech-out answers.wav\n  appliance demo --mic"
    parser.add_argument("--mic", action="store_true", help="you speak, into the microphone of the configuration")
    parser.add_argument(
        "--speech-out", type=Path, metavar="WAV", help="write the answers there (without it: loudspeaker, else a file)"
    )


def run(args: argparse.Namespace, config: LoadedConfig) -> int:
    """Run the script in real time and judge what came of it."""
    logging.basicConfig(level="WARNING", format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    turns = Turns()
    with ExitStack() as stack:
        _tell("loading models; starting a broker of its own ...")
        port = stack.enter_context(demo_broker())
        subscriber = Subscriber(port)
        stack.callback(subscriber.close)
        person = _prompter(config) if args.mic else _person(config)
        speaker, where = _speaker(args.speech_out, config)
        state = Path(stack.enter_context(TemporaryDirectory(prefix="appliance-demo-")))
        brains = load_brains(_for_the_demo(config, port, state), wake_words=[WAKE_WORD])
        daemon = Daemon(brains, person, speaker, notifier=Notifier({}), listeners=[person.hear])
        printer = threading.Thread(target=_print_messages, args=(subscriber, turns), name="printer")
        _tell(f"texts are published in this demo (privacy.publish_text = true); answers go to {where}\n")
        printer.start()
        try:
            ask_for_priority()
            daemon.run()
        finally:
            subscriber.messages.put(END)
            printer.join()
    print("\n" + "\n".join(turns.lines()))
    return _judge(turns)


END = Arrived("", b"")


def _person(config: LoadedConfig) -> Person:
    """Lines spoken by the installed voice, in the same way every time."""
    voice = load_voice(config, deterministic=True)
    try:
        return Person(SCRIPT, voice, _announce)
    finally:
        voice.close()


def _prompter(config: LoadedConfig) -> Prompter:
    """The microphone, and its owner who is told what to say."""
    hardware = load_hardware(config)
    microphone = Microphone(hardware.microphone, ways_to_microphone(hardware), prepare=ask_for_priority)
    return Prompter(SCRIPT, microphone, _ask)


def _ask(text: str) -> None:
    note = "" if text.lower().startswith(WAKE_WORD) else "   (without the wake word: nothing may happen)"
    print(f'\n{"":>12}please say: "{text}"{note}', flush=True)


def _announce(text: str) -> None:
    note = "" if text.lower().startswith(WAKE_WORD) else "   (without the wake word: nothing may happen)"
    print(f'\n{"":>12}somebody says: "{text}"{note}', flush=True)


def _speaker(path: Path | None, config: LoadedConfig) -> tuple[Speaker, str]:
    """The loudspeaker, or a file where there is none."""
    if path is None:
        try:
            device = DeviceSpeaker(load_hardware(config), open_s=5.0)
            device.open(22_050)
            return device, "the loudspeaker"
        except AudioError:
            path = Path("demo-answers.wav")
    return WavSpeaker(path), f"the file {path}"


def _for_the_demo(loaded: LoadedConfig, port: int, state: Path) -> LoadedConfig:
    """The owner's configuration, with the demo's broker and published texts; it remembers nothing afterwards."""
    config = loaded.config
    replace = msgspec.structs.replace
    changed = replace(
        config,
        device=replace(config.device, id=DEVICE_ID),
        mqtt=type(config.mqtt)(host="127.0.0.1", port=port),
        home_assistant=replace(config.home_assistant, discovery="off"),
        privacy=replace(config.privacy, publish_text=True),
    )
    return LoadedConfig(config=changed, folder=loaded.folder, state=state, cache=loaded.cache)


def _print_messages(subscriber: Subscriber, turns: Turns) -> None:
    """Print what arrives until END."""
    while (message := subscriber.messages.get()) is not END:
        if message.topic.endswith(("/state", "/metrics")):
            continue  # each change of state is an event as well, and the figures stand in the table
        if "/event/" not in message.topic:
            print(f"{'':>12}{message.topic} {message.payload.decode(errors='replace')}", flush=True)
            continue
        event = from_json(message.payload)
        turns.take(event)
        print(describe(event), flush=True)


def _judge(turns: Turns) -> int:
    """0 when every line did what it should, and nothing else happened."""
    got = [turn.intent for turn in turns.by_session.values()]
    if got == EXPECTED:
        print("\neverything was heard, done and answered as it should be")
        return 0
    print(f"\nthis is not what should have happened: {EXPECTED}", file=sys.stderr)
    return 1


def _tell(text: str) -> None:
    print(f"demo: {text}", file=sys.stderr, flush=True)
