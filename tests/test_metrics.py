"""The figures for Prometheus: what the page says, who may read it, and that nobody holds it up."""

import logging
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import msgspec
import pytest

from appliance.metrics_server import LARGEST_REQUEST_BYTES, MetricsServer
from appliance.prometheus import page
from appliance.status import Metrics, SelfTest
from tests.test_status import NOW, lost, with_now

WAIT_S = 5.0

SAMPLE = re.compile(r'appliance_[a-z_]+(?:\{[a-z]+="(?:[^"\\\n]|\\.)*"(?:,[a-z]+="(?:[^"\\\n]|\\.)*")*\})? -?[0-9.e+]+')
"""A line of the text format that is no comment."""


def samples(text: bytes) -> dict[str, float]:
    """Name with labels, and value, of each line; in the text format a line that is no comment has nothing else."""
    found = {}
    for line in text.decode().splitlines():
        if not line.startswith("# "):
            assert SAMPLE.fullmatch(line), line
            name, _, value = line.rpartition(" ")
            assert name not in found, f"{name} stands there twice"
            found[name] = float(value)
    return found


class TestPage:
    def test_it_tells_state_counts_and_times(self) -> None:
        counted = Metrics(wakes=14, frames_dropped=7, xruns=2, failures=1, memory_mb=250)
        now = msgspec.structs.replace(NOW, metrics=counted)
        told = samples(page(with_now(now), processor_s=12.5))
        assert told['appliance_info{version="1.2",device="kitchen"}'] == 1
        assert (told["appliance_uptime_seconds"], told["appliance_processor_seconds_total"]) == (11_520, 12.5)
        assert (told['appliance_state{state="idle"}'], told['appliance_state{state="muted"}']) == (1, 0)
        assert (told["appliance_wakes_total"], told["appliance_xruns_total"]) == (14, 2)
        assert (told["appliance_frames_dropped_total"], told["appliance_failures_total"]) == (7, 1)
        assert told["appliance_memory_bytes"] == 250e6
        assert told['appliance_buffer_waiting{buffer="audio.microphone: _queue"}'] == 3
        assert told["appliance_problems"] == 0

    def test_times_are_a_histogram(self) -> None:
        told = samples(page(with_now(NOW), processor_s=0))
        bucket = 'appliance_turn_seconds_bucket{{part="first_audio",le="{}"}}'
        assert [told[bucket.format(bound)] for bound in ("0.2", "0.3", "10", "+Inf")] == [0, 1, 1, 2]
        assert told['appliance_turn_seconds_count{part="first_audio"}'] == 2
        assert told['appliance_turn_seconds_sum{part="first_audio"}'] == 40.3

    def test_every_sample_has_its_kind_and_help(self) -> None:
        text = page(with_now(NOW), processor_s=0).decode()
        kinds = dict(re.findall(r"^# TYPE (\S+) (counter|gauge|histogram)$", text, re.M))
        assert re.findall(r"^# HELP (\S+) .+\.$", text, re.M) == list(kinds)
        for name in samples(text.encode()):
            family = re.sub(r"\{.*", "", name)
            assert family in kinds or re.sub(r"_(bucket|sum|count)$", "", family) in kinds
            assert family.endswith("_total") == (kinds.get(family) == "counter")

    def test_what_is_wrong_is_told_also_when_the_loop_is_silent(self) -> None:
        assert samples(page(with_now(lost()), processor_s=0))["appliance_problems"] == 1
        silent = samples(page(with_now(None), processor_s=0))
        assert silent["appliance_problems"] == 1
        assert not any(name.startswith("appliance_wakes") for name in silent), "no zeros that were not counted"

    @pytest.mark.parametrize("problem", [None, "self-test: no wake"])
    def test_the_newest_self_test_is_told(self, problem: str | None) -> None:
        found = SelfTest(version="1.3", at="2026-01-01T12:00:00Z", passed=problem is None, problem=problem)
        told = samples(page(msgspec.structs.replace(with_now(None), self_test=found), processor_s=0))
        assert told['appliance_self_test_passed{version="1.3"}'] == (problem is None)
        assert "appliance_self_test_passed" not in page(with_now(None), processor_s=0).decode()

    def test_a_name_cannot_break_out_of_its_label(self) -> None:
        odd = msgspec.structs.replace(with_now(None), device_id='a"} 1\nb\\')
        assert 'device="a\\"} 1\\nb\\\\"' in page(odd, processor_s=0).decode()


@pytest.fixture
def start() -> Iterator[Callable[..., MetricsServer]]:
    """Starts servers, and ends them."""
    running: list[MetricsServer] = []

    def begin(**settings: float) -> MetricsServer:
        running.append(MetricsServer(0, lambda: b"well\n", **settings))
        running[-1].start()
        return running[-1]

    yield begin
    for server in running:
        server.close()


Start = Callable[..., MetricsServer]


def answer(port: int, request: bytes) -> bytes:
    """What comes back until the other side closes; nothing where it closes without a word."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as connection, connection.makefile("rb") as back:
        connection.sendall(request)
        return back.read()


class TestServer:
    def test_prometheus_reads_it(self, start: Start) -> None:
        url = f"http://localhost:{start().port}/metrics?x=1"
        for _ in range(3):
            with urllib.request.urlopen(url, timeout=WAIT_S) as reply:
                assert (reply.status, reply.read()) == (200, b"well\n")
                assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")

    def test_it_listens_on_the_loopback_address_alone(self, start: Start) -> None:
        server = start()
        assert server._listener.getsockname()[0] == "127.0.0.1"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/", timeout=WAIT_S)

    @pytest.mark.parametrize(
        ("request_", "status"),
        [
            (b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"403"),
            (b"GET /metrics HTTP/1.1\r\n\r\n", b"403"),
            (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", b"403"),
            (b"GET /../metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", b"404"),
            (b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n", b"405"),
            (b"GET /metrics\r\n\r\n", b"400"),
            (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"400"),
            (b"x" * LARGEST_REQUEST_BYTES, b"400"),
        ],
    )
    def test_anything_else_is_refused(self, start: Start, request_: bytes, status: bytes) -> None:
        reply = answer(start().port, request_)
        assert reply.split(b" ")[1] == status
        assert b"well" not in reply

    def test_who_does_not_ask_holds_nobody_up_for_long(self, start: Start) -> None:
        server = start(patience_s=0.05)
        with socket.create_connection(("127.0.0.1", server.port)) as idle:
            idle.sendall(b"GET /metrics HTTP/1.1\r\n")
            assert answer(server.port, b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n").endswith(b"well\n")

    def test_closing_ends_the_thread(self, start: Start) -> None:
        start().close()
        assert "metrics" not in {thread.name for thread in threading.enumerate()}

    def test_a_port_that_is_taken_is_told_and_done_without(
        self, start: Start, caplog: pytest.LogCaptureFixture
    ) -> None:
        port = start().port
        with caplog.at_level(logging.WARNING):
            second = MetricsServer(port, lambda: b"")
            second.start()
        second.close()
        assert re.search(rf"metrics.port = {port}: .*; name another port", caplog.text)
