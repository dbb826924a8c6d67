"""The appliance's place at the broker. The only file that knows paho.

One thread, `mqtt`, owns the connection and everything of paho's; callers put messages into `Outgoing` and go on. A new
paho client is made for each connection, so nothing of an old one can leak into the next: what must survive (events,
retained messages) is ours.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from appliance.commands import Command, CommandRefused
from appliance.config import Mqtt
from appliance.errors import BrokerError
from appliance.events import (
    UNQUEUED,
    Event,
    SettingsChanged,
    State,
    StateChanged,
    UpdateProgressed,
    UpdateStep,
    blank_text,
    event_type,
    to_json,
    without_text,
)
from appliance.mqtt.broker_access import read_access, reconnect_pause_s
from appliance.mqtt.connection import DRAIN_WAIT_S, FAREWELL_WAIT_S, Connection
from appliance.mqtt.ear import Ear
from appliance.mqtt.health import BrokerHealth
from appliance.mqtt.home_assistant import BIRTH_PAUSE_S, Announcer
from appliance.mqtt.inbound import CommandGate
from appliance.mqtt.journal import Journal
from appliance.mqtt.message import Message, rank_of
from appliance.mqtt.outbox import WINDOW
from appliance.mqtt.outgoing import Outgoing
from appliance.mqtt.topics import OFFLINE, ONLINE, Topics, check

DIAL_WAIT_S: Final = 5.0
"""Longest wait for the hand-shakes of TCP and TLS."""

STABLE_S: Final = 10.0
"""A connection that lasted this long lets the pauses begin at 1 s again; one that flaps does not."""

PUBACK_WAIT_S: Final = 2.0
"""Longest wait for the broker to confirm a message for a device. A broker in the house takes milliseconds; Linux sends
lost packets again after 0.2, 0.6 and 1.4 s, and whoever spoke should not wait longer for an answer."""

LARGEST_PACKET_BYTES: Final = 16_384
"""The broker is asked (MQTT 5) to send nothing larger: a command has at most 4,096 bytes, its topic some dozens."""

LARGEST_HEARD_BYTES: Final = 131_072
"""The same where others than commands are listened to, such as announcements of devices."""

SUMMARY_CHARACTERS: Final = 255
"""Home Assistant takes no longer one."""

UPDATE_UNDER_WAY: Final = frozenset(
    {UpdateStep.FETCHING, UpdateStep.PREPARING, UpdateStep.TESTING, UpdateStep.SWITCHING}
)

_LOGGER = logging.getLogger(__name__)


class MqttClient:
    """Publishes events, state and figures; hands over commands. Never needs the broker; only `publish` waits for it."""

    def __init__(
        self,
        settings: Mqtt,
        device_id: str,
        version: str,
        *,
        on_command: Callable[[Command], None],
        on_refused: Callable[[str, int], None] = lambda reason, count: None,
        publish_text: bool,
        free_slots: frozenset[str],
        state: Path | None = None,
        announcer: Announcer | None = None,
        ears: Sequence[Ear] = (),
        pause_s: Callable[[int, float], float] = reconnect_pause_s,
    ) -> None:
        """Read password and certificates; connect to nothing yet.

        `version` of the appliance is shown to the broker. `on_command` is called in the MQTT thread: it hands over,
        or raises CommandRefused. `on_refused`, in that thread, too, is told of refusals: at most once a minute the
        newest reason and how many there were. `publish_text` and `free_slots`: see `events.without_text`.
        `announcer`: makes it known to Home Assistant; None: nothing is said there, nor taken back.
        `ears`: who else listens there. `pause_s`: how long to wait before the next attempt, see `reconnect_pause_s`.
        `state`: folder in which events wait on disk for the broker; without one they wait in memory.

        Raises ConfigError.
        """
        self._access = read_access(settings)
        self._topics = Topics(device_id)
        self._version = version
        self._on_command = on_command
        self._on_refused = on_refused
        self._publish_text = publish_text
        self._free_slots = free_slots
        self._gate = CommandGate(time.monotonic, self._tell_refused)
        self._health = BrokerHealth(self._access.address)
        journal = Journal(state / f"outbox-{device_id}.sqlite") if state else None
        self._outgoing = Outgoing(journal, None if publish_text else partial(blank_text, free_slots=free_slots))
        self._retain(self._topics.availability, ONLINE.encode())
        self._retain(self._topics.state, State.IDLE.value.encode())
        self._announcer = announcer
        self._ears = tuple(ears)
        self._pause_s = pause_s
        for topic, payload in announcer.messages.items() if announcer else ():
            self._retain(topic, payload)
        self._repeat: threading.Timer | None = None
        self._closing = threading.Event()
        # A daemon thread, against the rule: the look-up of a name cannot be interrupted and must not hold up the exit.
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    @property
    def status(self) -> str:
        """Whether the broker is there, and if not why and what to do, in one sentence."""
        problem = self._outgoing.events.problem
        return f"{self._health.status}; {problem}" if problem else self._health.status

    @property
    def dropped_events(self) -> int:
        """Events lost since the start because too many waited for the broker."""
        return self._outgoing.events.dropped

    @property
    def waiting_events(self) -> int:
        """Events that the broker has not confirmed yet."""
        return len(self._outgoing.events)

    @property
    def unsaved_events(self) -> int:
        """Events that would be lost if the power failed now."""
        return self._outgoing.events.in_memory

    @property
    def accepted_commands(self) -> int:
        """Messages since the start that were commands; some of them may have been refused later."""
        return self._gate.admitted

    @property
    def refused_commands(self) -> int:
        """Messages refused since the start: malformed, unknown, too large, retained, or too many."""
        return self._gate.refused

    def start(self) -> "MqttClient":
        """Begin to connect, and return at once."""
        self._outgoing.events.start()
        self._thread.start()
        return self

    def publish_event(self, event: Event, at: str, event_id: str) -> None:
        """Publish one event, now or when the broker is back; a change of state also on the retained topic `state`.

        `at`: RFC 3339 in UTC; `event_id`: unique, by which a subscriber knows an event that arrives twice.
        """
        if isinstance(event, StateChanged):
            self._retain(self._topics.state, event.to.value.encode())
        if isinstance(event, SettingsChanged):
            self.publish_settings(event)
        if isinstance(event, UpdateProgressed):
            self.publish_update(event)
        public = event if self._publish_text else without_text(event, free_slots=self._free_slots)
        if public is None:
            return
        kind = event_type(public)
        topic, payload = self._topics.event(kind), to_json(public, at=at, event_id=event_id)
        if kind in UNQUEUED:
            self._outgoing.put_at_once(Message(topic=topic, payload=payload, qos=0))
        else:
            self._outgoing.put_event(Message(topic=topic, payload=payload, qos=1, rank=rank_of(kind)))

    def publish_settings(self, settings: SettingsChanged) -> None:
        """Publish volume, threshold and wake words as retained JSON, in place of the ones before."""
        told = {"volume": settings.volume, "threshold": settings.threshold, "wake_words": settings.wake_words}
        self._retain(self._topics.settings, msgspec.json.encode(told))

    def publish_update(self, update: UpdateProgressed) -> None:
        """Publish the version in use and the newest one as retained JSON, in Home Assistant's own form."""
        told = {
            "installed_version": update.installed,
            "latest_version": update.latest,
            "release_summary": update.notes[:SUMMARY_CHARACTERS],
            "in_progress": update.step in UPDATE_UNDER_WAY,
            "update_percentage": update.percent if update.step in UPDATE_UNDER_WAY else None,
        }
        self._retain(self._topics.update, msgspec.json.encode(told))

    def publish_timers(self, waiting: msgspec.Struct) -> None:
        """Publish what will ring as retained JSON, in place of what was told before."""
        self._retain(self._topics.timers, msgspec.json.encode(waiting))

    def publish_metrics(self, metrics: msgspec.Struct) -> None:
        """Publish figures as retained JSON, in place of the ones before."""
        self._retain(self._topics.metrics, msgspec.json.encode(metrics), qos=0)

    def publish(self, topic: str, payload: bytes | str, qos: int, retain: bool) -> None:
        """Publish a message for a device of the home. `qos`: 0 or 1.

        With QoS 1 it waits, at most `PUBACK_WAIT_S`, until the broker has confirmed the message: a connection that died
        silently takes messages until its keep-alive is over. Not for the frame loop, nor for the MQTT thread.

        Raises:
            BrokerError: it cannot be sent now, or the broker did not confirm it. It is not sent again.
        """
        data = payload.encode() if isinstance(payload, str) else payload
        receipt = Future[None]() if qos else None
        message = Message(topic=check(topic), payload=data, qos=qos, retain=retain, receipt=receipt)
        if not self._outgoing.put_at_once(message):
            reason = "too many messages wait for it; try again" if self._outgoing.is_open else self.status
            raise BrokerError(f"{topic} cannot be published: {reason}")
        if receipt is None:
            return
        try:
            receipt.result(PUBACK_WAIT_S)
        except TimeoutError:
            reason = f"broker {self._access.address}: no answer within {PUBACK_WAIT_S:g} s; check it and the network"
            raise BrokerError(f"{topic} was not confirmed: {reason}") from None
        except BrokerError as error:
            raise BrokerError(f"{topic} was not confirmed: {error}") from None

    def close(self) -> None:
        """Send what waits (at most 2 s), say `offline`, disconnect."""
        self._closing.set()
        if self._repeat is not None:
            self._repeat.cancel()
        self._outgoing.ring()
        if self._thread.ident is not None:
            self._thread.join(DRAIN_WAIT_S + 2 * FAREWELL_WAIT_S)
        self._outgoing.events.close()
        if left := self.unsaved_events:
            _LOGGER.warning("MQTT: %d events were neither delivered before the end nor kept on disk", left)
        if not self._thread.is_alive():
            self._outgoing.close()

    def _retain(self, topic: str, payload: bytes, qos: int = 1) -> None:
        self._outgoing.retain(Message(topic=topic, payload=payload, qos=qos, retain=True))

    def _run(self) -> None:
        """The thread: connect, serve, pause, until closed."""
        mqtt5, failures = True, 0
        while not self._closing.is_set():
            began_s = time.monotonic()
            connection = self._connection(mqtt5=mqtt5)
            problem = self._serve(connection)
            if self._closing.is_set():
                return
            if connection.version_refused and mqtt5:
                mqtt5 = False
                continue
            self._health.lost(problem)
            if connection.is_accepted and time.monotonic() - began_s >= STABLE_S:
                failures = 0
            self._closing.wait(self._pause_s(failures, random.random()))
            failures += 1

    def _serve(self, connection: Connection) -> str:
        """One connection, to its end. Returns why it ended."""
        farewell = Message(topic=self._topics.availability, payload=OFFLINE.encode(), qos=1, retain=True)
        try:
            problem = connection.serve(self._closing, farewell)
        except BrokerError as error:
            problem = str(error)
        except Exception as error:  # a packet that paho cannot read must end this connection, not the thread
            _LOGGER.debug("The MQTT library failed", exc_info=True)
            problem = f"broker {self._access.address}: it sent what is not MQTT ({error!r:.100}); check mqtt.port"
        if self._closing.is_set():
            problem = "the appliance is ending"
        connection.drop(problem)
        self._outgoing.closed(problem)
        return problem

    def _connection(self, *, mqtt5: bool) -> Connection:
        """A connection yet to be opened, speaking MQTT 5 or 3.1.1."""
        from paho.mqtt import client as paho
        from paho.mqtt.enums import CallbackAPIVersion
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"voice-{self._topics.device_id}",
            protocol=paho.MQTTv5 if mqtt5 else paho.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = DIAL_WAIT_S
        client.max_inflight_messages_set(2 * WINDOW)
        client.username_pw_set(self._access.username, self._access.password)
        client.will_set(self._topics.availability, OFFLINE, qos=1, retain=True)
        if self._access.tls is not None:
            client.tls_set_context(self._access.tls)
        properties = None
        if mqtt5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = LARGEST_HEARD_BYTES if self._ears else LARGEST_PACKET_BYTES
            properties.UserProperty = ("appliance", self._version)
        # A session of its own each time: a command that nobody was there to hear is stale. paho gives a connection up
        # after two keep-alives without a sign of life; 3/4 of ours makes that the 1.5 that the configuration promises.
        client.connect_async(
            self._access.host, self._access.port, max(1, self._access.keepalive_s * 3 // 4), properties=properties
        )
        return Connection(
            client, self._health, self._outgoing, lambda: self._accepted(client, mqtt5=mqtt5), self._heard
        )

    def _accepted(self, client: Any, *, mqtt5: bool) -> None:
        """Subscribe before `online` is said, so that whoever waits for it can command at once."""
        from paho.mqtt.subscribeoptions import SubscribeOptions

        heard = (topics for ear in self._ears for topics in ear.filters)
        for topics in (self._topics.commands, *(self._announcer.filters if self._announcer else ()), *heard):
            if mqtt5:
                client.subscribe(topics, options=SubscribeOptions(qos=1, retainAsPublished=True))
            else:
                client.subscribe(topics, qos=1)
        self._health.connected("MQTT 5" if mqtt5 else "MQTT 3.1.1", waiting=len(self._outgoing.events))
        self._outgoing.opened()

    def _heard(self, topic: str, payload: bytes, retained: bool) -> None:
        listening = [ear for ear in self._ears if ear.concerns(topic)]
        for ear in listening:
            ear.hear(topic, payload, retained)
        if self._announcer is not None and self._announcer.concerns(topic):
            self._heard_home_assistant(self._announcer, topic, payload)
            return
        if listening:
            return
        command = self._gate.admit(topic.rpartition("/")[2], payload, retained=retained)
        if command is None:
            return
        try:
            self._on_command(command)
        except CommandRefused as refusal:
            self._gate.refuse(str(refusal))

    def _heard_home_assistant(self, announcer: Announcer, topic: str, payload: bytes) -> None:
        if announcer.is_birth(topic, payload) and not (self._repeat and self._repeat.is_alive()):
            self._repeat = threading.Timer(random.uniform(0, BIRTH_PAUSE_S), self._outgoing.repeat)
            self._repeat.daemon = True
            self._repeat.start()
        elif announcer.is_outdated(topic, payload):
            self._outgoing.put_at_once(Message(topic=topic, payload=b"", qos=1, retain=True))

    def _tell_refused(self, reason: str, count: int) -> None:
        _LOGGER.warning("MQTT command refused (%d since last told): %s", count, reason)
        self._on_refused(reason, count)
