"""The parts of MQTT by themselves, and the client against servers of a few bytes. Nothing here needs a broker."""

import contextlib
import logging
import queue
import resource
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.commands import Command, Mute, Volume
from appliance.config import Mqtt
from appliance.errors import BrokerError, ConfigError
from appliance.events import AnyEvent, State, StateChanged, WakeDetected, event_type
from appliance.mqtt.broker_access import read_access, reconnect_pause_s, why_not, why_refused
from appliance.mqtt.client import MqttClient
from appliance.mqtt.health import BrokerHealth
from appliance.mqtt.inbound import RATE_PER_S, CommandGate
from appliance.mqtt.message import CHATTER, LASTING, Message, Rank
from appliance.mqtt.outbox import Outbox
from appliance.mqtt.outgoing import AT_ONCE_LIMIT, Outgoing
from appliance.mqtt.topics import Topics, check

WAIT_S = 5.0
ACCEPT = bytes([0x20, 3, 0, 0, 0])
"""CONNACK of MQTT 5: welcome, no properties."""
ACCEPT_OLD = bytes([0x20, 2, 0, 0])
"""CONNACK of MQTT 3.1.1: welcome."""
LAMP = b"home/lamp"


def message(number: int, *, chatter: bool = False) -> Message:
    rank = Rank.CHATTER if chatter else Rank.ORDINARY
    return Message(topic="t", payload=str(number).encode(), qos=1, rank=rank)


def drain(events: Outbox) -> list[int]:
    """Everything in the queue, confirmed as it comes."""
    numbers = []
    while (taken := events.take()) is not None:
        numbers.append(int(taken[1].payload))
        events.acknowledge(taken[0])
    return numbers


class TestOutboxInMemory:
    def test_no_more_than_the_window_is_under_way(self) -> None:
        events = Outbox(window=2)
        for number in range(3):
            events.put(message(number))
        first, second = events.take(), events.take()
        assert first is not None
        assert second is not None
        assert events.take() is None
        events.acknowledge(first[0])
        third = events.take()
        assert third is not None
        assert third[1].payload == b"2"

    def test_what_was_not_confirmed_goes_again_in_its_old_order(self) -> None:
        events = Outbox(window=3)
        for number in range(5):
            events.put(message(number))
        tickets = [taken[0] for taken in (events.take(), events.take(), events.take()) if taken is not None]
        events.acknowledge(tickets[1])
        events.rewind()
        events.acknowledge(tickets[0])  # too late: it was taken back
        assert len(events) == 4
        assert drain(events) == [0, 2, 3, 4]

    def test_when_full_the_oldest_chatter_goes_and_then_the_oldest(self) -> None:
        events = Outbox(capacity=4)
        for number, chatter in enumerate((False, True, True, False, False, False, False)):
            events.put(message(number, chatter=chatter))
        assert events.dropped == 3
        assert drain(events) == [3, 4, 5, 6]

    @given(st.lists(st.sampled_from(["put", "chat", "take", "acknowledge", "rewind"]), max_size=60))
    def test_order_and_bound_hold_whatever_happens(self, steps: list[str]) -> None:
        events, under_way, put, confirmed = Outbox(capacity=5, window=2), list[int](), 0, 0
        for step in steps:
            if step in ("put", "chat"):
                events.put(message(put, chatter=step == "chat"))
                put += 1
            elif step == "take" and (taken := events.take()) is not None:
                under_way.append(taken[0])
            elif step == "acknowledge" and under_way:
                events.acknowledge(under_way.pop(0))
                confirmed += 1
            elif step == "rewind":
                events.rewind()
                under_way.clear()
            assert len(events) <= 5
            assert len(events) == put - confirmed - events.dropped
        events.rewind()
        left = drain(events)
        assert left == sorted(left)

    def test_chatter_are_types_that_exist(self) -> None:
        assert {event_type(kind) for kind in AnyEvent.__args__} >= CHATTER | LASTING


class TestOutgoing:
    @pytest.fixture
    def outgoing(self) -> Iterator[Outgoing]:
        with closing(Outgoing()) as outgoing:
            yield outgoing

    def test_without_a_broker_events_wait_and_the_rest_is_refused(self, outgoing: Outgoing) -> None:
        outgoing.put_event(message(1))
        assert not outgoing.put_at_once(message(2))
        outgoing.opened()
        taken = outgoing.take()
        assert taken is not None
        assert taken[1].payload == b"1"
        assert not outgoing.is_drained

    def test_a_connection_begins_with_what_is_retained_newest_only(self, outgoing: Outgoing) -> None:
        for topic, payload in (("availability", b"online"), ("state", b"idle"), ("state", b"listening")):
            outgoing.retain(Message(topic=topic, payload=payload, qos=1, retain=True))
        outgoing.put_event(message(7))
        for _ in range(2):
            outgoing.opened()
            payloads = [taken[1].payload for taken in iter(outgoing.take, None)]
            assert payloads == [b"online", b"listening", b"7"]
            outgoing.closed("gone")

    def test_a_slow_broker_fills_no_memory(self, outgoing: Outgoing) -> None:
        outgoing.opened()
        assert all(outgoing.put_at_once(message(number)) for number in range(AT_ONCE_LIMIT))
        assert not outgoing.put_at_once(message(0))
        for number in range(1000):
            outgoing.retain(Message(topic="state", payload=str(number).encode(), qos=1, retain=True))
        assert [taken[1].payload for taken in iter(outgoing.take, None)][-2:] == [b"255", b"999"]

    def test_who_waits_for_a_confirmation_is_told_of_the_end(self, outgoing: Outgoing) -> None:
        receipt = Future[None]()
        outgoing.opened()
        assert outgoing.put_at_once(Message(topic="lamp", payload=b"on", qos=1, receipt=receipt))
        outgoing.closed("the connection broke")
        with pytest.raises(BrokerError, match="the connection broke"):
            receipt.result(0)


class TestCommandGate:
    def gate(self) -> CommandGate:
        self.now_s = 1000.0
        self.told: list[tuple[str, int]] = []
        return CommandGate(lambda: self.now_s, lambda reason, count: self.told.append((reason, count)))

    def test_a_good_command_passes(self) -> None:
        assert self.gate().admit("volume", b"30", retained=False) == Volume(percent=30)

    def test_retained_malformed_and_unknown_ones_are_counted(self) -> None:
        gate = self.gate()
        for name, payload, retained in (("volume", b"30", True), ("volume", b"x", False), ("x", b"", False)):
            assert gate.admit(name, payload, retained=retained) is None
        assert gate.refused == 3

    def test_a_flood_is_cut_and_the_gate_opens_again(self) -> None:
        gate = self.gate()
        passed = [gate.admit("mute", b"on", retained=False) for _ in range(100)]
        assert passed.count(Mute(on=True)) == RATE_PER_S
        self.now_s += 0.5
        passed = [gate.admit("mute", b"on", retained=False) for _ in range(100)]
        assert passed.count(Mute(on=True)) == RATE_PER_S // 2
        assert gate.refused == 200 - RATE_PER_S - RATE_PER_S // 2

    def test_refusals_are_told_once_a_minute(self) -> None:
        gate = self.gate()
        for _ in range(5):
            gate.admit("volume", b"loud", retained=False)
        assert [count for _, count in self.told] == [1]
        self.now_s += 61
        gate.refuse("it cannot be done")
        assert self.told[1:] == [("it cannot be done", 5)]
        assert "loud" not in str(self.told)
        assert gate.refused == 6


class TestAccess:
    def test_the_password_is_read_without_its_line_end_and_not_shown(self, tmp_path: Path) -> None:
        file = tmp_path / "password"
        file.write_text("canary pass\n")
        file.chmod(0o600)
        access = read_access(Mqtt(host="h", username="u", password_file=str(file)))
        assert access.password == "canary pass"
        assert "canary" not in repr(access)

    def test_a_password_that_everyone_can_read_is_told(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        file = tmp_path / "password"
        file.write_text("canary")
        file.chmod(0o644)
        read_access(Mqtt(host="h", username="u", password_file=str(file)))
        assert "every user" in caplog.text
        assert "canary" not in caplog.text

    def test_wrong_files_stop_the_start_in_one_sentence(self, tmp_path: Path) -> None:
        empty, binary = tmp_path / "empty", tmp_path / "binary"
        empty.write_text("\n")
        binary.write_bytes(b"\xff\xfe")
        for settings, reason in (
            (Mqtt(host="h", username="u", password_file=str(tmp_path / "none")), "No such file"),
            (Mqtt(host="h", username="u", password_file=str(empty)), "is empty"),
            (Mqtt(host="h", username="u", password_file=str(binary)), "UTF-8"),
            (Mqtt(host="h", password_file=str(empty)), "mqtt.username is empty"),
            (Mqtt(host="h", tls=True, ca_file=str(tmp_path / "none")), "mqtt.ca_file"),
            (Mqtt(host="h", tls=True, ca_file=str(empty)), "mqtt.ca_file"),
            (Mqtt(host="h", tls=True, cert_file=str(empty)), "no certificate and its key"),
            (Mqtt(host="h", tls=True, key_file=str(empty)), "mqtt.cert_file is empty"),
            (Mqtt(host="h", cert_file=str(empty)), "mqtt.tls = true"),
        ):
            with pytest.raises(ConfigError, match=reason):
                MqttClient(settings, "id", "1", on_command=lambda _: None, publish_text=False, free_slots=frozenset())

    def test_tls_verifies_names_and_certificates_from_version_1_2(self) -> None:
        context = read_access(Mqtt(host="h", tls=True)).tls
        assert context is not None
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert read_access(Mqtt(host="h")).tls is None

    def test_pauses_grow_from_one_second_to_a_minute(self) -> None:
        assert [reconnect_pause_s(failures, 0.0) for failures in range(8)] == [1, 2, 4, 8, 16, 30, 30, 30]
        assert [reconnect_pause_s(failures, 1.0) for failures in range(8)] == [2, 4, 8, 16, 32, 60, 60, 60]
        assert reconnect_pause_s(100_000, 1.0) == 60

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (socket.gaierror(-2, "Name or service not known"), "name cannot be resolved"),
            (ConnectionRefusedError(111, "Connection refused"), "nothing listens"),
            (TimeoutError("timed out"), "does not answer"),
            (ssl.SSLCertVerificationError(1, "certificate verify failed"), "certificate is not accepted"),
            (ssl.SSLError(1, "wrong version number"), "no TLS connection"),
            (ConnectionResetError(104, "Connection reset by peer"), "hung up"),
            (OSError(113, "No route to host"), "No route to host"),
            (UnicodeError("label empty or too long"), "no address"),
        ],
    )
    def test_every_failure_names_the_broker_and_what_to_check(self, error: Exception, reason: str) -> None:
        sentence = why_not(error, "hall:1883")
        assert sentence.startswith("broker hall:1883: ")
        assert reason in sentence
        assert "; check " in sentence

    def test_refusals_have_words(self) -> None:
        assert "mqtt.password_file" in why_refused(0x86, "hall:1883")
        assert "device.id" in why_refused(0x8E, "hall:1883")
        assert "0xa2" in why_refused(0xA2, "hall:1883")

    def test_an_outage_is_told_once_and_its_end_once(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        health = BrokerHealth("hall:1883")
        health.connected("MQTT 5", 0)
        for _ in range(100):
            health.lost("broker hall:1883: nothing listens there")
        health.lost("broker hall:1883: it does not accept the password")
        health.lost("broker hall:1883: nothing listens there")
        assert "password" not in health.status
        health.connected("MQTT 5", 12)
        health.limited("broker hall:1883: it does not let us read commands")
        health.limited("broker hall:1883: it does not let us read commands")
        assert "read commands" in health.status
        heads = [record.getMessage().partition(":")[0] for record in caplog.records]
        assert heads == ["Broker", "Broker lost", "Broker still away", "Broker back", "Broker"]


def test_topics_are_those_of_the_contract() -> None:
    topics = Topics("kitchen")
    assert (topics.availability, topics.state) == ("voice/kitchen/availability", "voice/kitchen/state")
    assert (topics.metrics, topics.commands) == ("voice/kitchen/metrics", "voice/kitchen/command/+")
    assert topics.event("wake_detected") == "voice/kitchen/event/wake_detected"


@pytest.mark.parametrize("topic", ["", "a/+/b", "a/#", "a\0b", "a\nb", "x" * 70_000, "a\ud800"])
def test_a_topic_that_no_broker_takes_is_refused(topic: str) -> None:
    assert check("zigbee2mqtt/lämp 1/set") == "zigbee2mqtt/lämp 1/set"
    with pytest.raises(BrokerError):
        check(topic)


class Server:
    """Accepts one connection for each answer, reads CONNECT, answers, and hands over what else it is sent.

    `on_lamp` is given the packet id of a message on `home/lamp` and returns what to send back; nothing: hang up.
    """

    def __init__(self, *answers: bytes, on_lamp: Callable[[bytes], bytes] = lambda _: b"") -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(WAIT_S)
        self.port = int(self._socket.getsockname()[1])
        self.versions: queue.Queue[int] = queue.Queue()
        self.heard: queue.Queue[bytes] = queue.Queue()
        self._answers = answers
        self._on_lamp = on_lamp
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for answer in self._answers:
            connection, _ = self._socket.accept()
            with connection:
                connection.settimeout(WAIT_S)
                connect = connection.recv(4096)
                self.versions.put(connect[connect.index(b"MQTT") + 4])
                connection.sendall(answer)
                while answer in (ACCEPT, ACCEPT_OLD) and (data := connection.recv(65_536)):
                    self.heard.put(data)
                    if LAMP in data:
                        id_at = data.index(LAMP) + len(LAMP)
                        if not (reply := self._on_lamp(data[id_at : id_at + 2])):
                            break
                        with contextlib.suppress(ConnectionError):  # hung up on, within a reply that was too large
                            connection.sendall(reply)

    def close(self) -> None:
        self._thread.join()
        self._socket.close()


class LogLines(logging.Handler):
    """Log lines as a queue, so that a test can wait for one."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: queue.Queue[str] = queue.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.put(record.getMessage())


@pytest.fixture
def log_lines() -> Iterator[queue.Queue[str]]:
    handler, logger = LogLines(), logging.getLogger("appliance.mqtt")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler.lines
    logger.removeHandler(handler)
    logger.setLevel(before)


def client_of(port: int, host: str = "127.0.0.1") -> MqttClient:
    commands: queue.Queue[Command] = queue.Queue()
    settings = Mqtt(host=host, port=port, username="kitchen")
    return MqttClient(settings, "kitchen", "1.0", on_command=commands.put, publish_text=False, free_slots=frozenset())


@pytest.mark.parametrize("refusal", [bytes([0x20, 3, 0, 0x84, 0]), bytes([0x20, 2, 0, 1])], ids=["0x84", "old 1"])
def test_a_broker_that_refuses_mqtt_5_is_spoken_to_in_3_1_1(refusal: bytes, log_lines: queue.Queue[str]) -> None:
    with closing(Server(refusal, ACCEPT_OLD)) as server, closing(client_of(server.port).start()) as client:
        assert log_lines.get(timeout=WAIT_S).startswith(f"Broker: 127.0.0.1:{server.port}, MQTT 3.1.1")
        assert [server.versions.get(timeout=WAIT_S) for _ in range(2)] == [5, 4]
        assert "connected (MQTT 3.1.1)" in client.status
        assert b"voice/kitchen/command/+" in server.heard.get(timeout=WAIT_S)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (bytes([0x20, 3, 0, 0x86, 0]), "does not accept the user or password"),
        (bytes([0x20, 3, 0, 0x87, 0]), "does not authorize us"),
        (bytes([0x20, 3, 0, 0x89, 0]), "busy"),
        (b"", "hung up without an answer"),
        (ACCEPT + bytes([0xE0, 2, 0x8E, 0]), "device.id of its own"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "check mqtt.port"),
        (bytes([0x20, 3, 0, 0xEE, 0]), "check mqtt.port"),
        (bytes([0x20, 0]), "check mqtt.port"),
        (bytes([0x20, 5, 0, 0, 2, 0x99, 0x99]), "check mqtt.port"),
    ],
)
def test_a_refusal_is_told_once_and_the_status_says_it(
    answer: bytes, sentence: str, log_lines: queue.Queue[str]
) -> None:
    with closing(Server(answer)) as server, closing(client_of(server.port).start()) as client:
        while (line := log_lines.get(timeout=WAIT_S)).startswith("Broker: "):  # let in at first
            pass
        assert line.startswith("Broker lost: broker 127.0.0.1:")
        assert sentence in line
        assert client.status in line


def test_a_broker_that_speaks_no_version_of_ours_is_told(log_lines: queue.Queue[str]) -> None:
    refusals = (bytes([0x20, 3, 0, 0x84, 0]), bytes([0x20, 2, 0, 1]))
    with closing(Server(*refusals)) as server, closing(client_of(server.port).start()):
        assert "neither MQTT 5 nor 3.1.1" in log_lines.get(timeout=WAIT_S)


@pytest.mark.parametrize("host", ["a..b", "x" * 300])
def test_a_host_that_is_none_ends_in_a_sentence(host: str, log_lines: queue.Queue[str]) -> None:
    with closing(client_of(1883, host).start()):
        assert "; check mqtt.host" in log_lines.get(timeout=WAIT_S)


def test_without_a_broker_the_caller_goes_on(log_lines: queue.Queue[str]) -> None:
    with socket.socket() as unheard:  # bound and not listening: connections are refused
        unheard.bind(("127.0.0.1", 0))
        with closing(client_of(int(unheard.getsockname()[1])).start()) as client:
            assert "nothing listens there" in log_lines.get(timeout=WAIT_S)
            for frame in range(3000):
                client.publish_event(
                    WakeDetected(frame=frame, word="alexa", engine="int8", score=0.9), "2026-01-01T00:00:00.000Z", "x"
                )
            client.publish_event(
                StateChanged(frame=1, from_=State.IDLE, to=State.LISTENING), "2026-01-01T00:00:00.000Z", "y"
            )
            assert client.dropped_events == 1001
            with pytest.raises(BrokerError, match="nothing listens there"):
                client.publish("home/lamp", "on", 1, False)
            with pytest.raises(BrokerError, match="without \\+"):
                client.publish("home/+/set", b"on", 1, False)
    assert "2000 events were neither delivered" in log_lines.get(timeout=WAIT_S)


def until_open(server: Server) -> None:
    """Wait until the client takes messages: what is retained comes first."""
    while b"/availability" not in server.heard.get(timeout=WAIT_S):
        pass


def test_a_message_for_a_device_returns_when_the_broker_has_confirmed_it() -> None:
    confirmed = []

    def confirm(packet_id: bytes) -> bytes:
        confirmed.append(packet_id)
        return b"\x40\x02" + packet_id

    with closing(Server(ACCEPT, on_lamp=confirm)) as server, closing(client_of(server.port).start()) as client:
        until_open(server)
        for number in (1, 2):
            client.publish("home/lamp", "on", 1, False)
            assert len(confirmed) == number


@pytest.mark.parametrize(
    ("reply", "reason"),
    [(lambda packet_id: b"\x40\x03" + packet_id + b"\x87", "let us publish"), (lambda _: b"", "connection broke")],
    ids=["refused", "hung up"],
)
def test_a_message_that_is_not_confirmed_raises(reply: Callable[[bytes], bytes], reason: str) -> None:
    with closing(Server(ACCEPT, on_lamp=reply)) as server, closing(client_of(server.port).start()) as client:
        until_open(server)
        with pytest.raises(BrokerError, match=rf"home/lamp was not confirmed: broker .*{reason}"):
            client.publish("home/lamp", "on", 1, False)


def test_a_packet_of_256_mb_is_not_taken_into_memory() -> None:
    """As a broker of MQTT 3.1.1 would hand it over, which cannot be asked for less."""

    def memory_mb() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20

    huge = b"\x30\xff\xff\xff\x7f" + bytes(100 << 20)
    with closing(Server(ACCEPT, on_lamp=lambda _: huge)) as server, closing(client_of(server.port).start()) as client:
        until_open(server)
        before = memory_mb()
        with pytest.raises(BrokerError, match=r"it sends a packet of 268435455 bytes; look for what is retained"):
            client.publish("home/lamp", "on", 1, False)
        assert memory_mb() - before < 40


def test_a_message_that_needs_no_confirmation_is_not_waited_for() -> None:
    with closing(Server(ACCEPT)) as server, closing(client_of(server.port).start()) as client:
        until_open(server)
        client.publish("home/lamp", "on", 0, False)


def test_a_client_that_was_never_started_closes() -> None:
    client = client_of(1883)
    client.close()
    assert client.dropped_events == 0
