"""Announces the appliance to Home Assistant, again after its birth message, and takes back what is outdated."""

from typing import Final

from appliance.config import HomeAssistant
from appliance.mqtt.discovery import Appearance, announcements, filters, is_ours
from appliance.mqtt.topics import ONLINE

BIRTH_PAUSE_S: Final = 5.0
"""After its start, Home Assistant hears from all devices at once; each waits up to so long, at random."""


class Announcer:
    """What is retained below Home Assistant's prefix, and what must not be."""

    def __init__(self, settings: HomeAssistant, shown: Appearance) -> None:
        """`shown`: how the appliance appears there."""
        self._birth = f"{settings.prefix}/status"
        self._prefix = settings.prefix + "/"
        self.filters = (self._birth, *filters(shown.topics, settings.prefix))
        """What to subscribe to."""

        style = settings.discovery
        self.messages = {} if style == "off" else announcements(shown, settings.prefix, style)
        """What to retain: topic to payload."""

    def concerns(self, topic: str) -> bool:
        """Whether a message is Home Assistant's and no command."""
        return topic.startswith(self._prefix)

    def is_birth(self, topic: str, payload: bytes) -> bool:
        """Whether Home Assistant says that it has started, and so has forgotten what is not retained."""
        return topic == self._birth and payload == ONLINE.encode()

    def is_outdated(self, topic: str, payload: bytes) -> bool:
        """Whether this is retained for us by another setting or version, and is to be taken back."""
        return topic != self._birth and is_ours(payload) and topic not in self.messages
