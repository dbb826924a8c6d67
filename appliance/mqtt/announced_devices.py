"""Hears what the devices of the house announce of themselves; hands over what can be commanded, and nothing else."""

import logging
from collections.abc import Callable
from typing import Final

from appliance.home.announced import PLATFORMS, WHOLE_DEVICE, AnnouncementError, Thing, platform_of, read
from appliance.mqtt.discovery import is_ours
from appliance.mqtt.ear import Ear
from appliance.mqtt.inbound import TokenBucket

LARGEST_BYTES: Final = 65_536
"""Of one announcement; those of single entities have 1 to 3 kB, of a whole device up to some 20 kB."""

RATE_PER_S: Final = 500
"""As many are read in a second, and as many at once: a large house's at a connection; more are passed over."""

_LOGGER = logging.getLogger(__name__)

Heard = Callable[[str, tuple[Thing, ...]], None]
"""A topic, and all that it announces now; nothing: it takes back what it announced before."""


class AnnouncedDevices:
    """Reads announcements in the MQTT thread."""

    def __init__(self, prefix: str, heard: Heard, clock: Callable[[], float]) -> None:
        """`prefix`: of Home Assistant's topics. `clock`: seconds that only grow."""
        self._prefix = prefix
        self._heard = heard
        self._bucket = TokenBucket(RATE_PER_S, clock)
        self._flooded = False
        kinds = (*PLATFORMS, WHOLE_DEVICE)
        levels = ("+", "+/+")
        self.ear = Ear(
            filters=tuple(f"{prefix}/{kind}/{level}/config" for kind in kinds for level in levels),
            concerns=lambda topic: bool(platform_of(topic, prefix)),
            hear=self._hear,
        )

    def _hear(self, topic: str, payload: bytes, _retained: bool) -> None:
        if is_ours(payload):
            return
        if not self._bucket.take():
            if not self._flooded:
                _LOGGER.warning("more than %d announcements of devices a second: some are passed over", RATE_PER_S)
            self._flooded = True
            return
        self._heard(topic, self._read(topic, payload) if payload else ())

    def _read(self, topic: str, payload: bytes) -> tuple[Thing, ...]:
        """Nothing where the announcement is no use; the reason is for whoever looks for it."""
        try:
            if len(payload) > LARGEST_BYTES:
                raise AnnouncementError(f"it has more than {LARGEST_BYTES} bytes")
            return read(topic, payload, self._prefix)
        except AnnouncementError as error:
            _LOGGER.debug("%s is not learned: %s", topic[:200], error)
            return ()
