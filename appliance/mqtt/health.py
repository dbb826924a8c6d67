"""Whether the broker is there: a sentence for `status`, and one log line for each change."""

import logging

_LOGGER = logging.getLogger(__name__)


class BrokerHealth:
    """Tells each problem of an outage once, and once that it is over.

    The MQTT thread writes; `status` may be read from any thread.
    """

    def __init__(self, address: str) -> None:
        """`address`: host:port of the broker, for messages."""
        self.address = address
        self._status = f"broker {address}: not connected yet"
        self._told: set[str] = set()
        self._limits: set[str] = set()

    @property
    def status(self) -> str:
        """How things stand, in one sentence."""
        return self._status

    def lost(self, problem: str) -> None:
        """The connection ended or did not come about; `problem` says why and what to do."""
        self._status = problem
        if problem not in self._told:
            _LOGGER.warning("%s: %s", "Broker still away" if self._told else "Broker lost", problem)
            self._told.add(problem)

    def connected(self, protocol: str, waiting: int) -> None:
        """The broker accepted us; `waiting` events are about to be sent."""
        self._status = f"broker {self.address}: connected ({protocol})"
        _LOGGER.info(
            "%s: %s, %s, %d events waiting", "Broker back" if self._told else "Broker", self.address, protocol, waiting
        )
        self._told.clear()
        self._limits.clear()

    def limited(self, problem: str) -> None:
        """The broker let us in, but not do everything; `problem` says what and where to look."""
        self._status = problem
        if problem not in self._limits:
            _LOGGER.warning("Broker: %s", problem)
            self._limits.add(problem)
