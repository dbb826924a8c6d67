"""The log as systemd's journal keeps it: each message with its fields, so that they can be searched for.

    journalctl -u appliance -p warning                      # by urgency
    journalctl -u appliance APPLIANCE_TYPE=failed -o json   # by event, with all of its fields

The protocol is the journal's own (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram a message, each field as
NAME=value, or with its length where the value has more than one line, so that no text can make fields or lines of its
own. A datagram is sent without waiting: a busy journal never holds up the frame loop. What it did not take is counted,
and the next message tells how many there were.
"""

import logging
import os
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from appliance.events import Event, event_type

JOURNAL: Final = Path("/run/systemd/journal/socket")
LARGEST_VALUE_BYTES: Final = 8192
"""Longer values are cut: a datagram of some 200 KB would no longer fit the socket."""

PLAIN_FORMAT: Final = "%(levelname)s %(name)s: %(message)s"
"""Where there is no journal."""

_PRIORITIES: Final = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
"""Of syslog, by level."""


def handler(*, journal: Path = JOURNAL, environment: Mapping[str, str] = os.environ) -> logging.Handler:
    """Where the log goes: to the journal where systemd connected standard error to it, else to standard error."""
    leads_to = os.fstat(2)
    if environment.get("JOURNAL_STREAM") == f"{leads_to.st_dev}:{leads_to.st_ino}":
        with suppress(OSError):  # hidden by the sandbox of a service or of a container
            return JournalHandler(journal)
    plain = logging.StreamHandler()
    plain.setFormatter(logging.Formatter(PLAIN_FORMAT))
    return plain


class JournalHandler(logging.Handler):
    """Sends each message as one datagram."""

    def __init__(self, journal: Path = JOURNAL) -> None:
        """Raises OSError where there is no journal."""
        super().__init__()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.connect(str(journal))
        except OSError:
            self._socket.close()
            raise
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Called by `logging`, which takes a lock around it."""
        try:
            fields = self._fields(record)
            self._socket.send(b"".join(_field(*field) for field in fields.items()), socket.MSG_DONTWAIT)
        except OSError:  # the journal is full, or starts anew
            self._lost += 1
        except Exception:  # as every handler does: a message that cannot be formatted is told on standard error
            self.handleError(record)
        else:
            self._lost = 0

    def close(self) -> None:
        """Free the socket."""
        self._socket.close()
        super().close()

    def _fields(self, record: logging.LogRecord) -> dict[str, str]:
        fields = {
            "MESSAGE": self.format(record),
            "PRIORITY": str(_PRIORITIES.get(record.levelname, 6)),
            "SYSLOG_IDENTIFIER": "appliance",
            "LOGGER": record.name,
            "THREAD_NAME": str(record.threadName),
        }
        if self._lost:
            fields["MESSAGES_LOST"] = str(self._lost)
        event = getattr(record, "event", None)
        return fields | _fields_of(event) if isinstance(event, Event) else fields


def _fields_of(event: Event) -> dict[str, str]:
    """`APPLIANCE_TYPE` and one field for each of the event that says something: `APPLIANCE_STAGE`."""
    told: dict[str, Any] = msgspec.to_builtins(event) | {"type": event_type(event)}
    return {
        f"APPLIANCE_{name.upper()}": value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in told.items()
        if value is not None
    }


def _field(name: str, value: str) -> bytes:
    data = value.encode(errors="replace")[:LARGEST_VALUE_BYTES]
    if b"\n" not in data:
        return b"%s=%s\n" % (name.encode(), data)
    return b"%s\n%s%s\n" % (name.encode(), struct.pack("<Q", len(data)), data)
