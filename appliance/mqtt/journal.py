"""Events on disk until the broker has confirmed them: one table of SQLite, the only file that knows it.

One thread uses a journal. What `write` has returned for survives the death of the process and of the power: it is
SQLite's write-ahead log with a sync for each commit. A full disk refuses even a deletion, since that is written to the
log first; so a little room is kept in a file beside it, and given up when the disk is full.
"""

import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from appliance.mqtt.message import Message, Rank

LIMIT_EVENTS: Final = 20_000
"""About 1,500 turns of 13 events: a week without a broker in a busy home."""

LIMIT_BYTES: Final = 8 * 1024 * 1024
LIMIT_AGE_S: Final = 7 * 24 * 3600.0
"""What happened a week ago starts no automation any more."""

SLAB: Final = 20
"""So many go at once when there is no room: one search for twenty events, not one for each."""

LOCKED_S: Final = 0.2
"""Longest wait for another process that has the file; the outbox tries again later."""

HEADROOM_BYTES: Final = 256 * 1024
"""Enough for the log of a deletion of many events."""

NO_CLOCK_BEFORE_S: Final = 1_704_067_200.0
"""A wall clock before 2024 was not set yet (a Pi has none of its own): such events have no age."""

DatabaseError = sqlite3.Error
"""What the methods raise beside OSError."""

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stored:
    """One event on disk and its place in the order."""

    row: int
    message: Message


class Journal:
    """A bounded, ordered store of events.

    Every method raises OSError or sqlite3.Error where the disk refuses; nothing that was written before is lost then.
    """

    def __init__(self, path: Path, *, limit_events: int = LIMIT_EVENTS, limit_bytes: int = LIMIT_BYTES) -> None:
        """`path`: the database, made with its folder when it is opened."""
        self.path = path
        self._limit_events, self._limit_bytes = limit_events, limit_bytes
        self._headroom = path.with_suffix(".headroom")
        self._database: sqlite3.Connection | None = None
        self._next = 1
        self._events = self._bytes = 0

    def __len__(self) -> int:
        """Events on disk."""
        return self._events

    def open(self) -> None:
        """Open or make the database; a damaged one is put aside, told in the log, and begun anew."""
        if self._database is not None:
            return
        try:
            self._database = self._opened()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter: its complaint quotes the damage
            # No room, no right, or in use: not damaged. "Unsupported file format" and the like are SQLITE_ERROR.
            if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            aside = self.path.with_suffix(".damaged")
            _LOGGER.error("%s: damaged (%s); kept as %s, and begun anew", self.path, error, aside.name)
            self.path.replace(aside)
            for rest in ("-wal", "-shm"):
                Path(f"{self.path}{rest}").unlink(missing_ok=True)
            self._database = self._opened()

    def _opened(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        database = sqlite3.connect(self.path, isolation_level=None, timeout=LOCKED_S)
        try:
            database.execute("PRAGMA locking_mode = EXCLUSIVE")  # a second daemon must not send what is ours
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.execute("PRAGMA secure_delete = ON")
            database.execute(
                "CREATE TABLE IF NOT EXISTS events"
                " (row INTEGER PRIMARY KEY, rank INTEGER, at_s REAL, topic TEXT, payload BLOB)"
            )
            if (damage := database.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(damage)
            found = database.execute("SELECT count(*), total(length(payload)), max(row) FROM events").fetchone()
        except BaseException:
            database.close()
            raise
        self._events, self._bytes, self._next = found[0], int(found[1]), (found[2] or 0) + 1
        return database

    def rewrite(self, change: Callable[[bytes], bytes]) -> None:
        """Replace every payload by what `change` makes of it."""
        changed = [
            (after, row)
            for row, payload in self._open_one().execute("SELECT row, payload FROM events")
            if (after := change(payload)) != payload
        ]
        if changed:
            with self._transaction() as database:
                database.executemany("UPDATE events SET payload = ? WHERE row = ?", changed)
            self._open_one().execute("PRAGMA wal_checkpoint(TRUNCATE)")  # else the file keeps the old ones for a while

    def write(self, messages: Sequence[Message], confirmed: Iterable[int], *, now_s: float, loaded: int) -> int:
        """Append `messages` and forget the rows `confirmed`, both or neither.

        `now_s`: wall clock. Where there is no room, the oldest of the lowest rank go, but none up to row `loaded`,
        which are in memory on their way. Returns how many had to go.
        """
        stored = [Stored(self._next + place, message) for place, message in enumerate(messages)]
        try:
            gone = self._written(stored, confirmed, now_s, loaded)
        except sqlite3.OperationalError:
            if not self._headroom.exists():
                raise
            self._headroom.unlink()
            gone = self._written(stored, confirmed, now_s, loaded)
        self._next += len(stored)
        self._make_headroom()
        return gone

    def _written(self, stored: list[Stored], confirmed: Iterable[int], now_s: float, loaded: int) -> int:
        with self._transaction() as database:
            sizes = [size for row in confirmed for size in _delete(database, "row = ?", row)]
            database.executemany(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
                ((one.row, one.message.rank, now_s, one.message.topic, one.message.payload) for one in stored),
            )
            too_old = _delete(
                database, "row > ? AND at_s BETWEEN ? AND ?", loaded, NO_CLOCK_BEFORE_S, now_s - LIMIT_AGE_S
            )
            gone, sizes = len(too_old), sizes + too_old
            events = self._events + len(stored) - len(sizes)
            held = self._bytes + sum(len(one.message.payload) for one in stored) - sum(sizes)
            while events > self._limit_events or held > self._limit_bytes:
                if not (slab := self._evict(database, loaded)):
                    break
                gone, events, held = gone + len(slab), events - len(slab), held - sum(slab)
        self._events, self._bytes = events, held
        return gone

    def _evict(self, database: sqlite3.Connection, loaded: int) -> list[int]:
        """Let a slab go: the lowest rank first, the oldest of it first."""
        slab = min(SLAB, max(1, self._limit_events // 20))
        chosen = "row IN (SELECT row FROM events WHERE row > ? ORDER BY rank, row LIMIT ?)"
        return _delete(database, chosen, loaded, slab)

    def read(self, after: int, count: int) -> list[Stored]:
        """The next events behind the row `after`, in order."""
        found = self._open_one().execute(
            "SELECT row, rank, topic, payload FROM events WHERE row > ? ORDER BY row LIMIT ?", (after, count)
        )
        return [
            Stored(row, Message(topic=topic, payload=payload, qos=1, rank=Rank(rank)))
            for row, rank, topic, payload in found
        ]

    def close(self) -> None:
        """Close the database; what was written stays."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _open_one(self) -> sqlite3.Connection:
        assert self._database is not None, "open() comes first"
        return self._database

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        database = self._open_one()
        database.execute("BEGIN IMMEDIATE")
        try:
            yield database
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    def _make_headroom(self) -> None:
        if self._headroom.exists():
            return
        with contextlib.suppress(OSError), self._headroom.open("wb") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, HEADROOM_BYTES)
            except OSError:
                self._headroom.unlink()
                raise


def _delete(database: sqlite3.Connection, which: str, *values: float) -> list[int]:
    """Delete those rows; returns the sizes of their payloads, bytes."""
    found = database.execute(f"DELETE FROM events WHERE {which} RETURNING length(payload)", values)
    return [size for (size,) in found.fetchall()]
