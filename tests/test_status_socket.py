"""The socket of `appliance status`, with real sockets: who answers, who may ask, and what is left behind."""

import argparse
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from appliance.cli import status as cli
from appliance.config import Config, Device
from appliance.config_files import LoadedConfig
from appliance.status import Status
from appliance.status_socket import (
    LONGEST_PATH_BYTES,
    StatusError,
    StatusServer,
    ask_daemon,
    candidates,
)

WAIT_S = 5.0
not_for_root = pytest.mark.skipif(os.getuid() == 0, reason="root may do everything")


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a short name: the path of a socket is."""
    return tmp_path_factory.mktemp("s")


@pytest.fixture
def start() -> Iterator[Callable[..., StatusServer]]:
    """Starts servers, and ends them."""
    running: list[StatusServer] = []

    def begin(*paths: Path, ask: Callable[[], bytes] = lambda: b"well", **patience: float) -> StatusServer:
        running.append(StatusServer(paths, ask, **patience))
        running[-1].start()
        return running[-1]

    yield begin
    for server in running:
        server.close()


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "status"]


Start = Callable[..., StatusServer]


class TestPlaces:
    def test_the_services_folder_comes_first_then_the_users_then_one_for_the_moment(self, folder: Path) -> None:
        environment = {"XDG_RUNTIME_DIR": "/run/user/1000"}
        assert candidates("kitchen", environment=environment, temporary=folder) == [
            Path("/run/appliance/kitchen.sock"),
            Path("/run/user/1000/appliance-kitchen.sock"),
            folder / f"appliance-{os.getuid()}" / "kitchen.sock",
        ]

    def test_without_a_session_there_is_no_users_folder(self) -> None:
        for environment in ({}, {"XDG_RUNTIME_DIR": ""}):
            assert len(candidates("kitchen", environment=environment)) == 2

    def test_the_longest_device_id_fits(self) -> None:
        paths = candidates("x" * 64, environment={"XDG_RUNTIME_DIR": "/run/user/100000"}, temporary=Path("/tmp"))
        assert max(len(str(path)) for path in paths) <= LONGEST_PATH_BYTES


class TestServer:
    def test_everybody_gets_a_document_of_his_own(self, folder: Path, start: Start) -> None:
        numbers = iter(range(100))
        start(folder / "a.sock", ask=lambda: str(next(numbers)).encode())
        assert [ask_daemon([folder / "a.sock"]) for _ in range(50)] == [str(n).encode() for n in range(50)]

    def test_many_at_once_are_served_one_after_the_other(self, folder: Path, start: Start) -> None:
        document = b"x" * 300_000
        asked: list[str] = []

        def ask() -> bytes:
            asked.append(threading.current_thread().name)
            return document

        start(folder / "a.sock", ask=ask)
        answers: list[bytes] = []
        clients = [threading.Thread(target=lambda: answers.append(ask_daemon([folder / "a.sock"]))) for _ in range(4)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(WAIT_S)
        assert answers == [document] * 4
        assert asked == ["status"] * 4

    def test_the_first_place_that_can_be_written_is_taken_and_found(self, folder: Path, start: Start) -> None:
        paths = [folder / "absent" / "a.sock", folder / "a.sock", folder / "b.sock"]
        server = start(*paths)
        assert server.path == paths[1]
        assert not paths[2].exists()
        assert ask_daemon(paths) == b"well"

    def test_who_does_not_read_holds_nobody_up_for_long(self, folder: Path, start: Start) -> None:
        start(folder / "a.sock", ask=lambda: b"x" * 900_000, send_s=0.05)
        with socket.socket(socket.AF_UNIX) as idle:
            idle.connect(str(folder / "a.sock"))
            assert len(ask_daemon([folder / "a.sock"])) == 900_000

    def test_who_hangs_up_harms_nothing(self, folder: Path, start: Start) -> None:
        start(folder / "a.sock")
        for _ in range(20):
            with socket.socket(socket.AF_UNIX) as hasty:
                hasty.connect(str(folder / "a.sock"))
        assert ask_daemon([folder / "a.sock"]) == b"well"

    def test_its_file_is_for_user_and_group(self, folder: Path, start: Start) -> None:
        start(folder / "a.sock")
        assert (folder / "a.sock").stat().st_mode & 0o777 == 0o660

    def test_closing_ends_the_thread_and_removes_the_file(self, folder: Path, start: Start) -> None:
        descriptors = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            server = start(folder / "a.sock")
            assert threads() == ["status"]
            server.close()
            server.close()
        assert threads() == []
        assert list(folder.iterdir()) == []
        assert len(os.listdir("/proc/self/fd")) == descriptors

    def test_an_answer_under_way_is_given_before_the_end(self, folder: Path, start: Start) -> None:
        asked, may_answer = threading.Event(), threading.Event()

        def ask() -> bytes:
            asked.set()
            may_answer.wait(WAIT_S)
            return b"last words"

        server = start(folder / "a.sock", ask=ask)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(folder / "a.sock"))
            assert asked.wait(WAIT_S)
            closer = threading.Thread(target=server.close)
            closer.start()
            may_answer.set()
            assert connection.recv(100) == b"last words"
            closer.join(WAIT_S)
        assert threads() == []

    def test_one_that_was_never_started_closes(self, folder: Path) -> None:
        StatusServer([folder / "a.sock"], lambda: b"").close()
        assert list(folder.iterdir()) == []
        assert threads() == []


class TestWhatIsThereAlready:
    def test_the_socket_of_a_process_that_was_killed_is_replaced(self, folder: Path, start: Start) -> None:
        with socket.socket(socket.AF_UNIX) as killed:
            killed.bind(str(folder / "a.sock"))
            killed.listen()
        assert (folder / "a.sock").is_socket()
        start(folder / "a.sock")
        assert ask_daemon([folder / "a.sock"]) == b"well"

    def test_a_daemon_that_runs_is_named_and_stays(self, folder: Path, start: Start) -> None:
        start(folder / "a.sock")
        told = rf"a.sock: an appliance .* process {os.getpid()}; .* device.id"
        second = StatusServer([folder / "a.sock"], lambda: b"usurper")
        with closing(second), pytest.raises(StatusError, match=told):
            second.start()
        assert ask_daemon([folder / "a.sock"]) == b"well"

    def test_what_is_no_socket_is_left_alone(
        self, folder: Path, start: Start, caplog: pytest.LogCaptureFixture
    ) -> None:
        (folder / "a.sock").write_text("precious")
        assert start(folder / "a.sock").path is None
        assert (folder / "a.sock").read_text() == "precious"
        assert "a.sock: is no socket" in caplog.text


class TestPlacesThatCannotBeUsed:
    def test_none_at_all_is_one_warning_and_the_appliance_does_without(
        self, folder: Path, start: Start, caplog: pytest.LogCaptureFixture
    ) -> None:
        server = start(folder / "absent" / "a.sock", folder / ("x" * 120) / "a.sock")
        assert server.path is None
        assert threads() == []
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "absent/a.sock: No such file or directory" in record.getMessage()
        assert "bytes are more than the 107 of a socket's path" in record.getMessage()

    @not_for_root
    def test_a_folder_that_is_read_only_is_passed_over(self, folder: Path, start: Start) -> None:
        (folder / "closed").mkdir(mode=0o500)
        assert start(folder / "closed" / "a.sock", folder / "a.sock").path == folder / "a.sock"

    def test_the_folder_for_the_moment_is_made_for_this_user_alone(self, folder: Path, start: Start) -> None:
        place = candidates("kitchen", environment={}, runtime=folder / "absent", temporary=folder)
        assert start(*place).path == place[-1]
        assert place[-1].parent.stat().st_mode & 0o777 == 0o700
        assert ask_daemon(place) == b"well"

    def test_the_folder_for_the_moment_of_somebody_else_is_refused(
        self, folder: Path, start: Start, caplog: pytest.LogCaptureFixture
    ) -> None:
        place = folder / f"appliance-{os.getuid()}" / "a.sock"
        place.parent.mkdir()
        place.parent.chmod(0o777)
        assert start(place).path is None
        assert "does not belong to this user alone" in caplog.text
        with socket.socket(socket.AF_UNIX) as false:
            false.bind(str(place))
            false.listen()
            with pytest.raises(StatusError, match="no daemon runs"):
                ask_daemon([place])

    def test_a_link_in_its_place_is_refused(self, folder: Path, start: Start) -> None:
        (folder / "elsewhere").mkdir(mode=0o700)
        (folder / f"appliance-{os.getuid()}").symlink_to(folder / "elsewhere")
        assert start(folder / f"appliance-{os.getuid()}" / "a.sock").path is None


class TestAsking:
    def test_without_a_daemon_it_says_what_to_do(self, folder: Path) -> None:
        with pytest.raises(StatusError, match=r"'kitchen'; look at systemctl status .* or start one: appliance run"):
            ask_daemon([folder / "kitchen.sock", folder / "absent" / "kitchen.sock"])

    def test_the_socket_of_a_dead_daemon_is_none(self, folder: Path) -> None:
        with socket.socket(socket.AF_UNIX) as killed:
            killed.bind(str(folder / "a.sock"))
        with pytest.raises(StatusError, match="no daemon runs"):
            ask_daemon([folder / "a.sock"])

    def test_a_daemon_that_does_not_answer_is_told(self, folder: Path) -> None:
        with socket.socket(socket.AF_UNIX) as hung:
            hung.bind(str(folder / "a.sock"))
            hung.listen(0)
            for _ in range(2):  # the second connection finds no room to wait in, where the system allows none
                with pytest.raises(StatusError, match=r"a.sock: the daemon does not answer within 0.05 s"):
                    ask_daemon([folder / "a.sock"], timeout_s=0.05)

    def test_a_daemon_that_ends_meanwhile_is_told(self, folder: Path, start: Start) -> None:
        start(folder / "a.sock", ask=lambda: b"")
        with pytest.raises(StatusError, match="ended while it was asked"):
            ask_daemon([folder / "a.sock"])

    @not_for_root
    def test_a_daemon_that_this_user_may_not_ask_is_told(self, folder: Path, start: Start) -> None:
        start(folder / "a.sock")
        (folder / "a.sock").chmod(0)
        with pytest.raises(StatusError, match=r"a.sock: you may not ask .* sudo"):
            ask_daemon([folder / "a.sock", folder / "b.sock"])


STATUS = Status(version="1.2", device_id="status-test", pid=1, uptime_s=5, problems=(), now=None)


class TestCommand:
    """`appliance status`, with a server of ours in the place of a daemon."""

    @pytest.fixture(autouse=True)
    def place(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
        return folder / "appliance-status-test.sock"

    def run(self, *flags: str) -> int:
        parser = argparse.ArgumentParser()
        cli.add_arguments(parser)
        config = Config(device=Device(id="status-test"))
        return cli.run(parser.parse_args(flags), LoadedConfig(config=config, folder=Path()))

    def test_a_daemon_that_is_well(self, place: Path, start: Start, capsys: pytest.CaptureFixture[str]) -> None:
        start(place, ask=lambda: msgspec.json.encode(STATUS))
        assert self.run() == 0
        assert capsys.readouterr().out.startswith("appliance 1.2, device.id status-test, process 1, up 5 s\n")

    def test_for_machines_it_is_json(self, place: Path, start: Start, capsys: pytest.CaptureFixture[str]) -> None:
        start(place, ask=lambda: msgspec.json.encode(STATUS))
        assert self.run("--json") == 0
        assert msgspec.json.decode(capsys.readouterr().out, type=Status) == STATUS

    @pytest.mark.parametrize("flags", [(), ("--json",)])
    def test_a_daemon_that_is_not_well(
        self, flags: tuple[str, ...], place: Path, start: Start, capsys: pytest.CaptureFixture[str]
    ) -> None:
        unwell = msgspec.structs.replace(STATUS, problems=("the microphone is lost",))
        start(place, ask=lambda: msgspec.json.encode(unwell))
        assert self.run(*flags) == 1
        assert "the microphone is lost" in capsys.readouterr().out

    def test_no_daemon(self) -> None:
        with pytest.raises(StatusError, match=r"no daemon runs whose device\.id is 'status-test'") as error:
            self.run()
        assert error.value.exit_code == 1
