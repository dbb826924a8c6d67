"""Everything on its way out, and the bell that wakes the MQTT thread for it.

Callers of any thread put; the MQTT thread alone takes. Nothing here waits.
"""

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from appliance.mqtt.journal import Journal
from appliance.mqtt.message import Message
from appliance.mqtt.outbox import Outbox

AT_ONCE_LIMIT: Final = 256
"""Messages of the moment kept for a connection that is there but slow: seconds of the busiest home."""


class Outgoing:
    """Events, which wait for the broker; messages of the moment, which do not; and what is retained."""

    def __init__(self, journal: Journal | None = None, clean: Callable[[bytes], bytes] | None = None) -> None:
        """Begin without a broker, and with the events that an earlier run left in `journal`; see `Outbox`."""
        self.events = Outbox(journal, ring=self.ring, clean=clean)
        self._at_once: deque[Message] = deque()
        self._retained: dict[str, Message] = {}
        self._is_open = False
        self._lock = threading.Lock()
        self.bell, self._rope = socket.socketpair()
        """`bell` becomes readable when something was put; poll it and call `quiet`."""
        self.bell.setblocking(False)
        self._rope.setblocking(False)

    @property
    def is_open(self) -> bool:
        """Whether a broker takes messages now."""
        return self._is_open

    def put_event(self, message: Message) -> None:
        """Queue an event until the broker has confirmed it."""
        self.events.put(message)
        if not self.events.is_durable:
            self.ring()

    def put_at_once(self, message: Message) -> bool:
        """Send now; False, and not sent, when no broker is there or too much waits already."""
        with self._lock:
            taken = self._is_open and len(self._at_once) < AT_ONCE_LIMIT
            if taken:
                self._at_once.append(message)
        self.ring()
        return taken

    def retain(self, message: Message) -> None:
        """Send now, and again at each new connection, until another message for its topic replaces it."""
        with self._lock:
            self._retained[message.topic] = message
            if self._is_open:
                self._at_once = deque(waiting for waiting in self._at_once if waiting.topic != message.topic)
                self._at_once.append(message)
        self.ring()

    def opened(self) -> None:
        """A connection stands: begin with what is retained, in the order in which its topics first came."""
        with self._lock:
            self._is_open = True
            self._at_once = deque(self._retained.values())

    def repeat(self) -> None:
        """Say again what is retained: somebody came who may not have heard it."""
        with self._lock:
            if self._is_open:
                waiting = [message for message in self._at_once if message.topic not in self._retained]
                self._at_once = deque([*self._retained.values(), *waiting])
        self.ring()

    def closed(self, problem: str) -> None:
        """The connection is gone, `problem` says why: events wait again, messages of the moment are dropped."""
        with self._lock:
            self._is_open = False
            given_up = list(self._at_once)
            self._at_once.clear()
        for message in given_up:
            message.answer(problem)
        self.events.rewind()

    def take(self) -> tuple[int | None, Message] | None:
        """The next message, with a ticket when it is an event; None when there is nothing to send now."""
        with self._lock:
            if self._at_once:
                return None, self._at_once.popleft()
        return self.events.take()

    @property
    def is_drained(self) -> bool:
        """Whether the broker has confirmed all events and nothing else waits."""
        return not self._at_once and not len(self.events)

    def ring(self) -> None:
        """Wake the MQTT thread. A full bell wakes it as well; a closed one has nobody to wake."""
        with contextlib.suppress(OSError):
            self._rope.send(b"!")

    def quiet(self) -> None:
        """Empty the bell."""
        with contextlib.suppress(BlockingIOError):
            while self.bell.recv(4096):
                pass

    def close(self) -> None:
        """Take the bell down."""
        self.bell.close()
        self._rope.close()
