"""Throw payloads at the commands, through a real broker: `python -m tools.fuzz_commands [--messages N] [--seed S]`.

A mosquitto of its own, and real MQTT clients: so many that it goes fast although each of them gets fewer commands a
second than its limit, so that every payload is parsed. What a client lets through is compared, in order, with what was
sent; and it must be valid by the published schema, which another library judges. Exit code 1 when anything raises, is
lost, or is judged differently.
"""

import argparse
import gc
import json
import logging
import random
import re
import sys
import threading
import time
import tracemalloc
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any, Final

import jsonschema
import msgspec

from appliance.bench.stages import resident_mb
from appliance.commands import Command, CommandRefused, command_schema, parse
from appliance.config import Mqtt
from appliance.demo.broker import demo_broker
from appliance.errors import ApplianceError, BrokerError
from appliance.mqtt.client import MqttClient
from appliance.mqtt.inbound import RATE_PER_S
from tools.fuzz_payloads import Shot, shots

CLIENTS: Final = 50
PACE_PER_S: Final = RATE_PER_S * 4 // 5
"""To each client."""

UNDER_WAY: Final = RATE_PER_S // 2
"""To each client: after a pause of the machine it may get so many at once, and its limit allows them."""

WAIT_S: Final = 15.0
SHOWN: Final = 20
"""Complaints that are printed in full."""


class Judge:
    """What ought to become of each message, and whether it did. Threads only append to the complaints."""

    def __init__(self) -> None:
        schema = command_schema()
        self._forms = {
            name: jsonschema.Draft202012Validator(form | {"$defs": schema["$defs"]})
            for name, form in schema["properties"].items()
        }
        self.complaints: list[str] = []
        self.sent: Counter[str] = Counter()
        self.kept_back = 0
        self.admitted: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.stricter: Counter[str] = Counter()
        """Refused objects that the schema alone would allow, by the reason of the refusal."""

    def expected(self, shot: Shot) -> Command | None:
        """The command that a client should let through; None: it should refuse this."""
        if shot.retain:
            self.refused["retained"] += 1
            return None
        is_object, said = shot.payload.strip().startswith(b"{"), _object_of(shot.payload)
        try:
            command = parse(shot.name, shot.payload)
        except CommandRefused as refusal:
            reason = _reason(refusal)
            self.refused[reason] += 1
            self.stricter[reason] += shot.name in self._forms and self._is_valid(shot.name, said)
            if not str(refusal).isprintable():
                self.complaints.append(f"a refusal that is not one plain line: {refusal!r}")
            return None
        except Exception as error:  # what is looked for
            self.complaints.append(f"the parser raises {error!r} for {shot}")
            return None
        self.admitted[shot.name] += 1
        fields = msgspec.to_builtins(command)
        if not self._is_valid(shot.name, fields) or (is_object and said != fields):
            self.complaints.append(f"let through, but not what the schema describes: {shot}")
        return command

    def _is_valid(self, name: str, fields: object) -> bool:
        return fields is not None and self._forms[name].is_valid(fields)


class Target:
    """One real client, and what it should hear."""

    def __init__(self, port: int, number: int, judge: Judge) -> None:
        self.device_id = f"fuzz-{number}"
        self.delivered = 0
        self._judge = judge
        self._expected: deque[Command] = deque()
        self._heard = 0
        self.client = MqttClient(
            Mqtt(host="127.0.0.1", port=port),
            self.device_id,
            "fuzz",
            on_command=self._hear,
            publish_text=False,
            free_slots=frozenset(),
        ).start()

    @property
    def is_connected(self) -> bool:
        """The broker has accepted it."""
        return "connected (" in self.client.status

    @property
    def under_way(self) -> int:
        """Messages that it has neither let through nor refused; below 0 when it got some that it should not get."""
        return self.delivered - self._heard - self.client.refused_commands

    def expect(self, shot: Shot) -> None:
        """This is about to be sent."""
        if not shot.is_delivered:
            self._judge.kept_back += 1
            return
        self.delivered += 1
        if (command := self._judge.expected(shot)) is not None:
            self._expected.append(command)

    def _hear(self, command: Command) -> None:
        """In the MQTT thread."""
        wanted = self._expected.popleft() if self._expected else None
        if command != wanted:
            self._judge.complaints.append(f"{self.device_id}: {command} came, expected was {wanted}")
        self._heard += 1


def main() -> int:
    """Send, wait, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    args = parser.parse_args()
    judge = Judge()
    tracemalloc.start()
    try:
        with _trouble_told_to(judge.complaints):
            _fuzz(judge, shots(args.messages, random.Random(args.seed)))
    except ApplianceError as error:
        judge.complaints.append(str(error))
    _print("sent", judge.sent)
    print(f"kept back by the broker, too large or at no command's topic: {judge.kept_back}")
    _print("let through, each as it was sent and valid by the schema", judge.admitted)
    _print("refused", judge.refused)
    _print("of these allowed by the schema alone", judge.stricter)
    print(f"exceptions and disagreements: {len(judge.complaints)}")
    for complaint in judge.complaints[:SHOWN]:
        print(f"fuzz: {complaint:.500}", file=sys.stderr)
    return 1 if judge.complaints else 0


def _fuzz(judge: Judge, messages: Iterator[Shot]) -> None:
    """Send it all, and wait until all of it has come. Raises BrokerError."""
    with ExitStack() as stack:
        port = stack.enter_context(demo_broker())
        publish = stack.enter_context(_publisher(port))
        targets = [Target(port, number, judge) for number in range(CLIENTS)]
        for target in targets:
            stack.callback(target.client.close)
        _wait(lambda: all(target.is_connected for target in targets), "not all clients are connected")
        print(f"memory, all clients connected: {_memory()}")
        while batch := list(islice(messages, CLIENTS)):
            for target, shot in zip(targets, batch, strict=False):
                judge.sent[shot.kind] += 1
                target.expect(shot)
                publish(f"voice/{target.device_id}/command/{shot.name}", shot.payload, 1, shot.retain)
            time.sleep(1 / PACE_PER_S)
            _wait(lambda: all(target.under_way < UNDER_WAY for target in targets), "a client does not go on")
        _wait(lambda: not any(target.under_way for target in targets), "a message was lost, or one too many came")
        print(f"memory, all of it heard: {_memory()} (each thread has a heap of its own)")


def _memory() -> str:
    gc.collect()
    return f"objects {tracemalloc.get_traced_memory()[0] / 1e6:.2f} MB, process {resident_mb():.1f} MB"


@contextmanager
def _publisher(port: int) -> Iterator[Callable[[str, bytes, int, bool], Any]]:
    from paho.mqtt import client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    yield client.publish
    client.disconnect()
    client.loop_stop()


@contextmanager
def _trouble_told_to(complaints: list[str]) -> Iterator[None]:
    """Exceptions in threads, and whatever the appliance logs but refusals, become complaints."""

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            is_trouble = record.levelno >= logging.WARNING or record.exc_info is not None
            if is_trouble and not record.getMessage().startswith("MQTT command refused"):
                complaints.append(f"{record.getMessage()} {record.exc_info or ''}")

    logger, listener, hook = logging.getLogger("appliance"), Listener(), threading.excepthook
    logger.addHandler(listener)
    logger.setLevel(logging.DEBUG)
    threading.excepthook = lambda raised: complaints.append(f"thread {raised.thread}: {raised.exc_value!r}")
    try:
        yield
    finally:
        threading.excepthook = hook
        logger.removeHandler(listener)


def _wait(happened: Callable[[], bool], problem: str) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not happened():
        if time.monotonic() > deadline_s:
            raise BrokerError(f"{problem}, after {WAIT_S:g} s")
        time.sleep(0.01)


def _object_of(payload: bytes) -> object:
    """The JSON object that a payload is, white space around it aside, strictly read; None where it is none."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError
        return dict(pairs)

    def never(_constant: str) -> object:
        raise ValueError

    try:
        said = json.loads(payload.decode().strip(), object_pairs_hook=once, parse_constant=never)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _reason(refusal: CommandRefused) -> str:
    """The kind of a refusal: its reason without the command's name, numbers and place."""
    text = str(refusal)
    if " is unknown; " in text:
        return "unknown command"
    reason = re.sub(r"^command \S+ ?", "", text.partition(";")[0]).removeprefix(": ")
    return re.sub(r"\b(?<!-)\d+\b", "N", re.sub(r" at `[^`]*`", "", reason))


def _print(what: str, counts: Counter[str]) -> None:
    print(f"{what}: {counts.total()}")
    for name, count in counts.most_common():
        if count:
            print(f"  {count:6}  {name}")


if __name__ == "__main__":
    sys.exit(main())
