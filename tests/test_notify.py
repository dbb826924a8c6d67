import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.notify import Notifier

WAIT_S = 5.0


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket as systemd binds it, and the name it gives to the service."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@appliance-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind("\0" + name[1:] if name.startswith("@") else name)
        bound.settimeout(WAIT_S)
        yield bound, name


def test_each_message_is_one_datagram(manager: tuple[socket.socket, str]) -> None:
    bound, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.ready("listening for\nalexa")
    notifier.status("broker away")
    notifier.watchdog()
    notifier.stopping()
    assert [bound.recv(4096) for _ in range(4)] == [
        b"READY=1\nSTATUS=listening for alexa",
        b"STATUS=broker away",
        b"WATCHDOG=1",
        b"STOPPING=1",
    ]
    notifier.close()


def test_a_status_cannot_smuggle_in_another_assignment(manager: tuple[socket.socket, str]) -> None:
    bound, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.status("fine\nREADY=1\r\nWATCHDOG=1")
    assert bound.recv(4096) == b"STATUS=fine READY=1 WATCHDOG=1"
    notifier.close()


def test_without_systemd_nothing_happens() -> None:
    notifier = Notifier({})
    notifier.ready("here")
    notifier.watchdog()
    notifier.stopping()
    assert notifier.watchdog_interval_s is None
    notifier.close()


def test_a_manager_that_went_away_or_does_not_read_stops_nobody(tmp_path: Path) -> None:
    gone = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    gone.watchdog()
    gone.close()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        full = Notifier({"NOTIFY_SOCKET": str(tmp_path / "deaf")})
        for _ in range(2000):
            full.watchdog()
        full.close()


@pytest.mark.parametrize(
    ("environment", "interval_s"),
    [
        ({"WATCHDOG_USEC": "10000000"}, 5.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid())}, 5.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid() + 1)}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_it_asks(
    environment: dict[str, str], interval_s: float | None, manager: tuple[socket.socket, str]
) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager[1], **environment})
    assert notifier.watchdog_interval_s == interval_s
    notifier.close()
