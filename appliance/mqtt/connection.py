"""One connection to the broker, from CONNECT to its end, served by the MQTT thread alone.

It is given a paho client that knows whom to connect to, and drives it through paho's interface for foreign event loops:
one `poll` waits for the socket and for the bell of `Outgoing`, so a message leaves within a millisecond and an idle
connection costs one wake-up a second.
"""

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from appliance.errors import BrokerError
from appliance.mqtt.broker_access import VERSION_REFUSED, why_cut, why_not, why_refused
from appliance.mqtt.health import BrokerHealth
from appliance.mqtt.message import Message
from appliance.mqtt.outgoing import Outgoing

CONNACK_WAIT_S: Final = 10.0
"""Longest wait for the broker's answer once it is reached."""

DRAIN_WAIT_S: Final = 2.0
FAREWELL_WAIT_S: Final = 0.5
TICK_S: Final = 1.0
"""How often keep-alives are looked after when nothing happens."""

LARGEST_TAKEN_BYTES: Final = 1 << 20
"""Of one packet. A broker that speaks MQTT 5 was asked for less; an older one hands over up to 256 MB of anybody's."""

RECEIVE_BYTES: Final = 65_536
"""Kept by the system until it is read; paho reads a hundred times as much before anybody can look at it."""

FAILURE: Final = 0x80
"""Reason codes from here on are failures (MQTT 5, section 2.4)."""


class Connection:
    """Serves one paho client until its connection ends."""

    def __init__(
        self,
        client: Any,
        health: BrokerHealth,
        outgoing: Outgoing,
        on_open: Callable[[], None],
        on_message: Callable[[str, bytes, bool], None],
    ) -> None:
        """`on_open`: the broker accepted us. `on_message`: topic, payload, retained."""
        self._client = client
        self._health = health
        self._address = health.address
        self._outgoing = outgoing
        self._on_open = on_open
        self._on_message = on_message
        self._under_way: dict[int, tuple[int | None, Message]] = {}
        self._end = ""
        self.is_accepted = False
        self.version_refused = False
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_message = self._received
        client.on_publish = self._published
        client.on_subscribe = self._subscribed

    def serve(self, closing: threading.Event, farewell: Message) -> str:
        """Connect, and serve until the connection ends or `closing` is set; then send what waits, and `farewell`.

        Returns why it ended, in one sentence. Raises BrokerError for a packet that is too large, and what paho raises.
        """
        try:
            self._client.reconnect()
        except (OSError, ValueError) as error:
            return why_not(error, self._address)
        if (sock := self._client.socket()) is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        deadline_s = time.monotonic() + CONNACK_WAIT_S
        while self._client.socket() is not None and not closing.is_set():
            if not self.is_accepted and time.monotonic() > deadline_s:
                return why_not(TimeoutError(), self._address)
            self._step(TICK_S)
        if closing.is_set() and self.is_accepted:
            self._leave(farewell)
        return self._end

    def drop(self, problem: str) -> None:
        """Close the socket, however things stand; who waits for a confirmation is told the problem.

        Without a DISCONNECT before, the broker publishes the last will.
        """
        if (sock := self._client.socket()) is not None:
            sock.close()
        for _, message in self._under_way.values():
            message.answer(problem)

    def _step(self, timeout_s: float) -> None:
        """Send what can be sent, wait for something to happen, and handle it."""
        if self.is_accepted:
            self._send()
        if (sock := self._client.socket()) is None:
            return
        buffered = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        both = select.poll()  # `select` knows no descriptor above 1,023
        both.register(sock, select.POLLIN | (select.POLLOUT if self._client.want_write() else 0))
        both.register(self._outgoing.bell, select.POLLIN)
        ready = dict(both.poll(0 if buffered else timeout_s * 1000))
        if self._outgoing.bell.fileno() in ready:
            self._outgoing.quiet()
        happened = ready.get(sock.fileno(), 0)
        if buffered or happened & ~select.POLLOUT:
            self._client.loop_read()
            self._refuse_too_large()
        if happened & select.POLLOUT:
            self._client.loop_write()
        self._client.loop_misc()

    def _refuse_too_large(self) -> None:
        """Raises BrokerError for a packet that is under way; paho itself would take any."""
        size_bytes = self._client._in_packet["remaining_length"]
        if size_bytes > LARGEST_TAKEN_BYTES:
            remedy = "look for what is retained below our topics, and remove it"
            raise BrokerError(f"broker {self._address}: it sends a packet of {size_bytes} bytes; {remedy}")

    def _send(self) -> None:
        """Hand messages to paho, which writes them at once, until the socket is full or nothing is left."""
        while self._client.socket() is not None and not self._client.want_write():
            if (taken := self._outgoing.take()) is None:
                return
            _, message = taken
            sent = self._client.publish(message.topic, message.payload, message.qos, message.retain)
            if message.qos:
                self._under_way[sent.mid] = taken

    def _leave(self, farewell: Message) -> None:
        """Drain, say farewell, disconnect. An unconfirmed farewell is left to the last will, which says the same."""
        deadline_s = time.monotonic() + DRAIN_WAIT_S
        while not self._outgoing.is_drained and self._remaining_s(deadline_s):
            self._step(self._remaining_s(deadline_s))
        if self._client.socket() is None:
            return
        said = self._client.publish(farewell.topic, farewell.payload, farewell.qos, farewell.retain)
        deadline_s = time.monotonic() + FAREWELL_WAIT_S
        while said.rc == 0 and not said.is_published() and self._remaining_s(deadline_s):
            self._step(self._remaining_s(deadline_s))
        if said.rc == 0 and said.is_published():
            self._client.disconnect()

    def _remaining_s(self, deadline_s: float) -> float:
        """Time left; 0 as well when the connection is gone."""
        return max(0.0, deadline_s - time.monotonic()) if self._client.socket() is not None else 0.0

    def _connected(self, _client: Any, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.value >= FAILURE:
            self.version_refused = reason.value == VERSION_REFUSED
            self._end = why_refused(reason.value, self._address)
            return
        self.is_accepted = True
        self._on_open()

    def _disconnected(self, _client: Any, _userdata: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if self._end:
            return
        if flags.is_disconnect_packet_from_server:
            self._end = why_refused(reason.value, self._address)
        else:
            self._end = why_cut(reason.value, self._address, was_accepted=self.is_accepted)

    def _received(self, _client: Any, _userdata: Any, message: Any) -> None:
        self._on_message(message.topic, message.payload, message.retain)

    def _published(self, _client: Any, _userdata: Any, mid: int, reason: Any, _properties: Any) -> None:
        refused = reason.value >= FAILURE
        if refused:
            self._limited("publish")
        if (taken := self._under_way.pop(mid, None)) is None:  # of QoS 0, or the farewell
            return
        ticket, message = taken
        if ticket is not None:
            self._outgoing.events.acknowledge(ticket)
        message.answer(self._end if refused else None)

    def _subscribed(self, _client: Any, _userdata: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        if any(reason.value >= FAILURE for reason in reasons):
            self._limited("read commands")

    def _limited(self, what: str) -> None:
        """Some brokers close the connection after this; then it is the reason of the end."""
        self._end = f"broker {self._address}: it does not let us {what}; check its access list"
        self._health.limited(self._end)
