"""A subscriber as any home-automation system is one: it knows the broker and the topics, nothing else."""

import queue
import time
from dataclasses import dataclass
from typing import Any

from appliance.errors import BrokerError

CONNECT_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message as it came in."""

    topic: str
    payload: bytes


class Subscriber:
    """Collects every message of the broker, in the order of arrival."""

    def __init__(self, port: int) -> None:
        """Connect to the loopback. Raises BrokerError."""
        import paho.mqtt.client as paho
        from paho.mqtt.enums import CallbackAPIVersion

        self.messages: queue.SimpleQueue[Arrived] = queue.SimpleQueue()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._take
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        deadline = time.monotonic() + CONNECT_WAIT_S
        while not self._client.is_connected():
            if time.monotonic() > deadline:
                raise BrokerError(f"demo: the subscriber got no answer from the broker on port {port}")
            time.sleep(0.02)
        self._client.subscribe("#", qos=1)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _take(self, _client: Any, _userdata: Any, message: Any) -> None:
        self.messages.put(Arrived(message.topic, bytes(message.payload)))
