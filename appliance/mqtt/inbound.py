"""What stands between a subscriber's bytes and the daemon: nothing stale, nothing huge, no flood.

Pure: the clock is a parameter. Refusals are counted, and told at most once a minute.
"""

from collections.abc import Callable
from typing import Final

from appliance.commands import Command, CommandRefused, parse
from appliance.refusals import Refusals

RATE_PER_S: Final = 20
"""Commands let through a second, and as many at once: more than a person or an automation means, cheap to serve."""


class TokenBucket:
    """Lets `rate_per_s` things through a second, and at most that many at once."""

    def __init__(self, rate_per_s: int, clock: Callable[[], float]) -> None:
        """`clock`: seconds that only grow."""
        self._rate_per_s = rate_per_s
        self._clock = clock
        self._tokens = float(rate_per_s)
        self._filled_s = clock()

    def take(self) -> bool:
        """One more; False when there were too many."""
        now_s = self._clock()
        self._tokens = min(float(self._rate_per_s), self._tokens + (now_s - self._filled_s) * self._rate_per_s)
        self._filled_s = now_s
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class CommandGate:
    """Turns messages into commands, or counts them as refused."""

    def __init__(self, clock: Callable[[], float], tell: Callable[[str, int], None]) -> None:
        """`clock`: seconds that only grow. `tell` gets the newest reason, and how many were refused since last told."""
        self._bucket = TokenBucket(RATE_PER_S, clock)
        self._refusals = Refusals(clock, tell)
        self._admitted = 0

    @property
    def admitted(self) -> int:
        """How many commands were let through since the start."""
        return self._admitted

    @property
    def refused(self) -> int:
        """How many messages were refused since the start."""
        return self._refusals.count

    def admit(self, name: str, payload: bytes, *, retained: bool) -> Command | None:
        """The command, or None when it is refused. `name`: last level of the topic. Never raises."""
        try:
            if not self._bucket.take():
                raise CommandRefused(f"more than {RATE_PER_S} commands a second; send fewer")
            if retained:
                raise CommandRefused("a retained command would be carried out again and again; send it unretained")
            command = parse(name, payload)
            self._admitted += 1
            return command
        except CommandRefused as refusal:
            self.refuse(str(refusal))
            return None

    def refuse(self, reason: str) -> None:
        """Count one more that is not carried out."""
        self._refusals.add(reason)
