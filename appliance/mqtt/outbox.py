"""Events on their way to the broker, in order, until it has confirmed them; on disk before any of them leaves.

Three threads meet here and none waits for another: the loop puts, the thread `outbox` writes to the journal, the MQTT
thread takes and confirms. An event goes from `_new` through `_writing` (the journal is at it) to `_ready` (committed,
and in memory) and to `_under_way` (sent). More may wait on disk alone; they are read when there is room.

Where the disk refuses, nothing stands still: what is on disk is delivered, then events go straight from `_new`, which
is bounded, until the disk takes them again.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from appliance.mqtt.journal import DatabaseError, Journal
from appliance.mqtt.message import Message

CAPACITY: Final = 2000
"""Events kept in memory where the disk takes none: about 150 turns of 13 events, under 1 MB."""

READ_AHEAD: Final = 256
"""Committed events held in memory, ready to be sent: about 100 kB."""

WINDOW: Final = 8
"""Events under way at once. Brokers may close the connection of a sender that exceeds what they announced; mosquitto
announces 20, others as few as 10, and availability, state and device messages need room beside the events."""

FORGET_S: Final = 5.0
"""What the broker has confirmed is taken off the disk with the next events, or after so long: half the writes."""

RETRY_S: Final = 10.0
"""A disk that refuses is tried again so often."""

_LOGGER = logging.getLogger(__name__)

TROUBLE: Final = (OSError, DatabaseError)
"""What a disk that refuses raises."""


class Outbox:
    """A bounded queue whose head stays until it is acknowledged. Its lock is held for microseconds, never over I/O."""

    def __init__(
        self,
        journal: Journal | None = None,
        *,
        ring: Callable[[], None] = lambda: None,
        clean: Callable[[bytes], bytes] | None = None,
        capacity: int = CAPACITY,
        window: int = WINDOW,
    ) -> None:
        """Begin empty; `start` opens the journal. Without one, events live in memory only.

        `ring` is called in the outbox's thread when something can be taken. `clean` is applied to what an earlier run
        left on disk: it takes out what may not be published now. `capacity`: events kept in memory while the disk takes
        none. `window`: at most so many under way.
        """
        self._journal = journal
        self._ring = ring
        self._clean = clean
        self._capacity, self._window = capacity, window
        self._new: deque[Message] = deque()
        self._writing: list[Message] = []
        self._ready: deque[tuple[int | None, Message]] = deque()
        self._under_way: dict[int, tuple[int | None, Message]] = {}
        self._confirmed: list[int] = []
        self._taken = self._loaded = self._behind = self._dropped = 0
        self._is_open = self._closing = False
        self._refused = journal is None
        self._retry_s = 0.0
        self._problem: str | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    @property
    def dropped(self) -> int:
        """How many events were lost for want of room."""
        return self._dropped

    @property
    def problem(self) -> str | None:
        """Why events are in memory only; None while the disk takes them."""
        return self._problem

    @property
    def is_durable(self) -> bool:
        """Whether events go to disk before they leave; the bell rings when they are there."""
        return not self._refused

    @property
    def in_memory(self) -> int:
        """Events that would be lost if the process died now."""
        with self._changed:
            loose = sum(row is None for row, _ in (*self._ready, *self._under_way.values()))
            return len(self._new) + len(self._writing) + loose

    def __len__(self) -> int:
        """Events not yet confirmed, wherever they are."""
        with self._changed:
            known = len(self._new) + len(self._writing) + len(self._ready) + len(self._under_way)
            return known + self._behind

    def start(self) -> None:
        """Begin to write to disk, where there is a journal."""
        if self._journal is not None:
            self._thread.start()

    def put(self, message: Message) -> None:
        """Append. Where neither disk nor memory has room, the oldest of the lowest rank goes."""
        with self._changed:
            self._new.append(message)
            held = len(self._ready) + len(self._under_way) if self._refused else 0
            if len(self._new) + held > self._capacity:
                lowest = min(range(len(self._new)), key=lambda place: (self._new[place].rank, place))
                del self._new[lowest]
                self._dropped += 1
            self._changed.notify_all()

    def take(self) -> tuple[int, Message] | None:
        """The next message to send and its ticket; None when nothing is ready or enough is under way."""
        with self._changed:
            if len(self._under_way) >= self._window:
                return None
            if self._ready:
                row, message = self._ready.popleft()
                if self._needs_reading():
                    self._changed.notify_all()
            elif self._new and self._refused and not (self._writing or self._behind):
                row, message = None, self._new.popleft()
            else:
                return None
            self._taken += 1
            self._under_way[self._taken] = (row, message)
            return self._taken, message

    def acknowledge(self, ticket: int) -> None:
        """The broker has it: forget it. An unknown ticket is one that `rewind` took back."""
        with self._changed:
            row, _ = self._under_way.pop(ticket, (None, None))
            if row is not None:
                self._confirmed.append(row)
                self._changed.notify_all()

    def rewind(self) -> None:
        """The connection is gone: what was not acknowledged is sent again, in its old order, before the rest."""
        with self._changed:
            self._ready.extendleft(reversed(self._under_way.values()))
            self._under_way.clear()

    def close(self) -> None:
        """Put everything on disk and end; waits at most 2 s for a slow disk."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(2.0)
        elif self._journal is not None:
            self.step(time.monotonic())
            self._journal.close()

    def _run(self) -> None:
        """The thread: commit what is new as it comes, read ahead, forget what was confirmed."""
        assert self._journal is not None
        closing = False
        while not closing:
            self._wait()
            closing = self._closing
            self.step(time.monotonic())
        self._journal.close()

    def step(self, now_s: float) -> None:
        """One round of the thread's work; never raises for the disk. `now_s`: seconds that only grow."""
        journal = self._journal
        assert journal is not None
        try:
            self._open(journal)
            self._read_ahead(journal)
            if not self._refused or self._closing or now_s >= self._retry_s:
                self._commit(journal)
                self._read_ahead(journal)
        except TROUBLE as error:
            self._refuse(error, journal)
            self._retry_s = now_s + RETRY_S

    def _wait(self) -> None:
        """Until there is something to do: at once for what is new, in `FORGET_S` for what was confirmed."""
        with self._changed:
            if not (self._is_open or self._refused):
                return  # what an earlier run left is sent without waiting for anything new
            if self._refused:
                pause_s = 1.0 if self._behind else self._retry_s - time.monotonic()
                self._changed.wait_for(lambda: self._closing, pause_s)
                return
            self._changed.wait_for(lambda: self._closing or self._new or self._confirmed or self._needs_reading())
            if not self._new:
                self._changed.wait_for(lambda: self._closing or self._new or self._needs_reading(), FORGET_S)

    def _needs_reading(self) -> bool:
        return self._behind > 0 and len(self._ready) < READ_AHEAD // 2

    def _open(self, journal: Journal) -> None:
        if self._is_open:
            return
        journal.open()
        if self._clean is not None:
            journal.rewrite(self._clean)
        with self._changed:
            self._behind, self._is_open = len(journal), True

    def _commit(self, journal: Journal) -> None:
        """Put what is new on disk, take off what was confirmed."""
        with self._changed:
            self._writing, confirmed = list(self._new), self._confirmed
            self._new.clear()
            self._confirmed = []
        if self._writing or confirmed:
            try:
                gone = journal.write(self._writing, confirmed, now_s=time.time(), loaded=self._loaded)
            except TROUBLE:
                with self._changed:
                    self._new.extendleft(reversed(self._writing))
                    self._writing, self._confirmed = [], confirmed + self._confirmed
                raise
            with self._changed:
                self._behind += len(self._writing) - gone
                self._writing = []
                self._dropped += gone
        if self._refused:
            _LOGGER.info("%s: the disk takes events again", journal.path)
        self._refused, self._problem = False, None

    def _read_ahead(self, journal: Journal) -> None:
        """Bring committed events to memory, in order, as far as there is room."""
        room = READ_AHEAD - len(self._ready)
        if not self._behind or room <= 0:
            return
        found = journal.read(self._loaded, room)
        with self._changed:
            self._ready.extend((one.row, one.message) for one in found)
            self._behind -= len(found)
            self._loaded = found[-1].row if found else self._loaded
        self._ring()

    def _refuse(self, error: Exception, journal: Journal) -> None:
        """The disk refuses: say so once, and let events leave from memory."""
        problem = f"{journal.path}: {error}; events are kept in memory only, make room or check the disk"
        if problem != self._problem:
            _LOGGER.warning("%s", problem)
        self._refused, self._problem = True, problem
        self._ring()
