"""The log in the journal's own form: every field as it was, nothing that a text could forge, nothing that waits."""

import logging
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.daemon import event_logger
from appliance.events import Event, Failed, TranscriptReady, WakeDetected
from appliance.system_journal import LARGEST_VALUE_BYTES, JournalHandler, _field, handler

LOGGER = logging.getLogger("appliance.test")


def parsed(datagram: bytes) -> dict[str, str]:
    """As the journal reads it."""
    fields = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, is_plain, value = line.partition(b"=")
        if not is_plain:
            (length,) = struct.unpack("<Q", rest[:8])
            value, rest = rest[8 : 8 + length], rest[8 + length :]
            assert rest[:1] == b"\n"
            rest = rest[1:]
        fields[name.decode()] = value.decode(errors="replace")
        datagram = rest
    return fields


class Journal:
    """What listens in place of systemd's."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "j"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.setblocking(False)

    def messages(self) -> list[dict[str, str]]:
        found = []
        while True:
            try:
                found.append(parsed(self._socket.recv(1 << 20)))
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    listening = Journal(tmp_path_factory.mktemp("j"))
    handling = JournalHandler(listening.path)
    root = logging.getLogger("appliance")
    root.addHandler(handling)
    root.setLevel(logging.INFO)
    yield listening
    root.removeHandler(handling)
    root.setLevel(logging.NOTSET)
    handling.close()
    listening.close()


def test_a_message_has_its_urgency_and_where_it_comes_from(journal: Journal) -> None:
    LOGGER.warning("microphone %s is lost", "USB")
    [message] = journal.messages()
    assert message == {
        "MESSAGE": "microphone USB is lost",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "appliance",
        "LOGGER": "appliance.test",
        "THREAD_NAME": "MainThread",
    }


def test_an_event_has_all_of_its_fields(journal: Journal) -> None:
    log = event_logger(False, frozenset())
    log(WakeDetected(frame=75, session=2, word="alexa", engine="int8", score=0.98))
    log(TranscriptReady(frame=99, session=2, text="secret gin"))
    wake, transcript = journal.messages()
    told = {name: value for name, value in wake.items() if name.startswith("APPLIANCE_")}
    assert told == {
        "APPLIANCE_TYPE": "wake_detected",
        "APPLIANCE_FRAME": "75",
        "APPLIANCE_SESSION": "2",
        "APPLIANCE_WORD": "alexa",
        "APPLIANCE_ENGINE": "int8",
        "APPLIANCE_SCORE": "0.98",
    }
    assert transcript["APPLIANCE_TYPE"] == "transcript"
    assert "secret" not in str(transcript), "what was said is private"


@pytest.mark.parametrize("error", ["two\nPRIORITY=0\nlines", "\x1b[2J", "", "=", "ü" * LARGEST_VALUE_BYTES])
def test_no_text_makes_fields_of_its_own(journal: Journal, error: str) -> None:
    event: Event = Failed(frame=1, stage="x", error=error)
    event_logger(False, frozenset())(event)
    [message] = journal.messages()
    assert message["PRIORITY"] == "6"
    assert message["APPLIANCE_ERROR"].rstrip("�") == error[: LARGEST_VALUE_BYTES // 2]
    assert "\n" not in message["MESSAGE"]


@given(st.dictionaries(st.from_regex(r"\A[A-Z][A-Z_]{0,20}\Z"), st.text(max_size=300), max_size=5))
def test_any_text_comes_through_whole(fields: dict[str, str]) -> None:
    sent = b"".join(_field(name, value) for name, value in fields.items())
    assert parsed(sent) == {name: value.encode(errors="replace").decode() for name, value in fields.items()}


def test_a_journal_that_takes_nothing_holds_nobody_up_and_what_it_missed_is_counted(journal: Journal) -> None:
    for number in range(3000):
        LOGGER.info("message %s", number)
    arrived = journal.messages()
    assert 0 < len(arrived) < 3000
    LOGGER.info("again")
    LOGGER.info("and again")
    first, second = journal.messages()
    assert int(first["MESSAGES_LOST"]) == 3000 - len(arrived)
    assert "MESSAGES_LOST" not in second


def test_without_a_journal_it_goes_to_standard_error(tmp_path: Path) -> None:
    for environment in ({}, {"JOURNAL_STREAM": "0:0"}, connected(2)):
        assert isinstance(handler(journal=tmp_path / "absent", environment=environment), logging.StreamHandler)


def test_standard_error_that_leads_elsewhere_is_kept(journal: Journal) -> None:
    assert isinstance(handler(journal=journal.path, environment={"JOURNAL_STREAM": "0:0"}), logging.StreamHandler)


def connected(descriptor: int) -> dict[str, str]:
    """How systemd tells that this descriptor leads to the journal."""
    here = os.fstat(descriptor)
    return {"JOURNAL_STREAM": f"{here.st_dev}:{here.st_ino}"}


def test_under_systemd_it_goes_to_the_journal(journal: Journal) -> None:
    found = handler(journal=journal.path, environment=connected(2))
    assert isinstance(found, JournalHandler)
    found.close()
