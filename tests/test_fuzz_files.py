"""A few of the damaged files that `make fuzz` throws at every reader, and those that one of them once stumbled over."""

import logging
import random
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from appliance.errors import ModelError
from appliance.events import from_json
from appliance.mqtt.journal import Journal
from appliance.runtimes.tflite import TfliteFile
from appliance.wake.card import card_of
from tools.fuzz_files import Outcome, damaged, read_one, targets

INPUTS = 12

NAMES = (
    *("audio", "configuration", "home file", "event", "saved state", "outbox", "update's manifest"),
    *("update's progress", "models' manifest", "model behind its hash", "model's card"),
)


@pytest.fixture
def alarm() -> Iterator[None]:
    """What ends a reader that hangs."""

    def hang(_number: int, _frame: object) -> None:
        raise TimeoutError("no end")

    before = signal.signal(signal.SIGALRM, hang)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarm")
@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_are_taken_or_refused(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    (target,) = [target for target in targets(tmp_path) if target.name == name]
    outcome = Outcome()
    for number in range(INPUTS):
        path = tmp_path / target.file
        path.write_bytes(damaged(target.seeds, random.Random(number)))
        read_one(target, path, number, outcome)
    assert outcome.complaints == []
    assert outcome.taken + outcome.refused == INPUTS


def test_no_target_is_left_out(tmp_path: Path) -> None:
    assert tuple(target.name for target in targets(tmp_path)) == NAMES


@pytest.mark.parametrize("line", [b'{"typ\xe8": 1}', b'{"type":' * 5000, b"[" * 5000, b"\xff"])
def test_what_is_no_event_is_a_decode_error(line: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        from_json(line)


def test_an_outbox_of_another_format_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE events (x)")
    database.close()
    journal = Journal(path)
    journal.open()
    journal.close()
    assert path.with_suffix(".damaged").exists()


def test_an_outbox_whose_damage_sqlite_cannot_quote_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    journal = Journal(path)
    journal.open()
    journal.close()
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE", b"CREAT\xff\xff\xff\xff\xff\xff\xff"))
    again = Journal(path)
    again.open()
    again.close()
    assert path.with_suffix(".damaged").exists()


@pytest.mark.parametrize("content", [b'{"wake_word": "\xe8"}', b'{"x":' * 5000])
def test_a_card_that_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "word.json").write_bytes(content)
    with pytest.raises(ModelError, match="not a description"):
        card_of(TfliteFile(tmp_path / "word.tflite", b""))
