"""The names of the topics, all below `voice/<device_id>/`."""

from dataclasses import dataclass

from appliance.errors import BrokerError

ONLINE = "online"
OFFLINE = "offline"

TOPIC_LIMIT_BYTES = 65_535
"""Longest topic the protocol can carry (MQTT 5, section 1.5.4: a string's length is two bytes)."""


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one appliance; the configuration lets only letters, digits, - and _ into its id."""

    device_id: str

    @property
    def base(self) -> str:
        """What all of them begin with, without the last slash."""
        return f"voice/{self.device_id}"

    @property
    def availability(self) -> str:
        """Retained `online` or `offline`; the last will."""
        return f"{self.base}/availability"

    @property
    def state(self) -> str:
        """Retained state, as a plain word."""
        return f"{self.base}/state"

    @property
    def metrics(self) -> str:
        """Retained figures, as JSON."""
        return f"{self.base}/metrics"

    @property
    def settings(self) -> str:
        """Retained volume, threshold and wake words, as JSON."""
        return f"{self.base}/settings"

    @property
    def timers(self) -> str:
        """Retained numbers of timers and alarms, and when the next ones ring, as JSON."""
        return f"{self.base}/timers"

    @property
    def wake(self) -> str:
        """How well it heard a wake word, for the other appliances; see arbitration.py."""
        return f"{self.base}/wake"

    @property
    def update(self) -> str:
        """Retained version in use and newest version, as JSON."""
        return f"{self.base}/update"

    @property
    def commands(self) -> str:
        """The filter that matches every command."""
        return f"{self.base}/command/+"

    def command(self, name: str) -> str:
        """Where one command is heard."""
        return f"{self.base}/command/{name}"

    def event(self, event_type: str) -> str:
        """Where events of one type go."""
        return f"{self.base}/event/{event_type}"


def check(topic: str) -> str:
    """A topic that can be published on, unchanged. Raises BrokerError for wildcards, controls, and wrong lengths."""
    if not 0 < len(topic.encode("utf-8", "replace")) <= TOPIC_LIMIT_BYTES:
        raise BrokerError(f"a topic of {len(topic)} characters cannot be published on; name one of 1..65535 bytes")
    if not topic.isprintable() or "+" in topic or "#" in topic:
        raise BrokerError(f"{topic[:80]!a} cannot be published on; name a topic without +, # and control characters")
    return topic
