"""The other appliances at the broker: who is there, and how well each heard a wake word."""

import logging
from collections.abc import Callable
from typing import Final

import msgspec

from appliance.arbitration import Bid
from appliance.mqtt.ear import Ear
from appliance.mqtt.inbound import TokenBucket
from appliance.mqtt.topics import ONLINE, Topics

LARGEST_BYTES: Final = 512
RATE_PER_S: Final = 50
"""Messages of all the others together that are read; a house has some when somebody says a wake word, and then none."""

_LOGGER = logging.getLogger(__name__)


class Peers:
    """Reads what the others say, in the MQTT thread."""

    def __init__(
        self,
        present: Callable[[str, bool], None],
        heard: Callable[[str, Bid], None],
        clock: Callable[[], float],
    ) -> None:
        """`present`, `heard`: see `Arbiter`, without the frame. `clock`: seconds that only grow."""
        self._present = present
        self._heard = heard
        self._bucket = TokenBucket(RATE_PER_S, clock)
        every = Topics("+")
        self.ear = Ear(filters=(every.availability, every.wake), concerns=_concerns, hear=self._hear)

    def _hear(self, topic: str, payload: bytes, retained: bool) -> None:
        if not self._bucket.take() or len(payload) > LARGEST_BYTES:
            return
        _, device_id, last = topic.split("/")
        if last == "availability":
            self._present(device_id, payload == ONLINE.encode())
        elif not retained:
            try:
                self._heard(device_id, msgspec.json.decode(payload, type=Bid))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                _LOGGER.debug("%s: no bid of this version", topic[:200])


def _concerns(topic: str) -> bool:
    levels = topic.split("/")
    return len(levels) == 3 and levels[0] == "voice" and levels[2] in ("availability", "wake")
