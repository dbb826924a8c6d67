"""A real mosquitto for the tests marked `broker`, and a subscriber that keeps what it hears."""

import contextlib
import math
import os
import pwd
import queue
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

WAIT_S = 15.0
"""Longest wait for anything that should happen at once; a reconnect takes up to 4 s."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(happened: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not happened():
        assert time.monotonic() < deadline_s, f"{what}: not within {WAIT_S} s"
        threading.Event().wait(0.02)


class Broker:
    """mosquitto on a port of its own; `lines` are added to its configuration."""

    def __init__(self, folder: Path, *lines: str, listener: tuple[str, ...] = ()) -> None:
        binary = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        if binary is None:
            pytest.skip("no mosquitto binary (apt install mosquitto)")
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        user = pwd.getpwuid(os.getuid()).pw_name  # else it drops to a user who cannot enter the test's folder
        head = (f"user {user}", f"listener {self.port} 127.0.0.1", *listener, "persistence false")
        head += ("max_queued_messages 0",)  # else it drops what a slow subscriber has not read yet
        settings = (*head, *(lines or ("allow_anonymous true",)))
        self._config.write_text("\n".join(settings) + "\n")
        self._command = [binary, "-c", str(self._config)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Broker":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._answers, "mosquitto listens")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self, *, gently: bool = False) -> None:
        """`gently`: it may write down what it keeps."""
        if self._process is not None:
            (self._process.terminate if gently else self._process.kill)()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "mosquitto ended at once; is its configuration right?"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong with a way to the broker."""

    latency_s: float = 0.0
    """Each piece comes so much later."""

    slice_bytes: int = 65_536
    """What was sent at once comes in pieces of at most this."""

    bytes_per_s: float = math.inf

    reset_after: Callable[[], int] | None = None
    """Called for each connection: after how many bytes to the broker it is reset."""

    hides_the_end: bool = False
    """Who hangs up is not noticed on the other side."""


class Relay:
    """A way to the broker that a test can cut, freeze and open again, and that may be faulty."""

    def __init__(self, broker: Broker, fault: Fault | None = None) -> None:
        self._broker = broker
        self._fault = fault or Fault()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.connections = 0
        self._passable = threading.Event()
        self._passable.set()
        self._open = threading.Event()
        self._open.set()
        self._closing = threading.Event()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads = [threading.Thread(target=self._accept, name="relay")]
        self._threads[0].start()

    def cut(self) -> None:
        """Break what is connected, and hang up on whoever comes."""
        self._open.clear()
        for end in (end for pair in self._pairs for end in pair):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        self._open.set()

    def freeze(self) -> None:
        """Let nothing through any more, without anybody being told."""
        self._passable.clear()

    def thaw(self) -> None:
        """Let through what has waited, and what comes."""
        self._passable.set()

    def close(self) -> None:
        self._closing.set()
        self._passable.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self.cut()
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *(end for pair in self._pairs for end in pair)):
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                if not self._open.is_set():
                    raise ConnectionError
                far = socket.create_connection(("127.0.0.1", self._broker.port))
            except OSError:  # closed by the test, or no broker there
                near.close()
                continue
            self._pairs.append((near, far))
            limit = self._fault.reset_after() if self._fault.reset_after else None
            for job in ((near, far, limit), (far, near, None)):
                self._threads.append(threading.Thread(target=self._pump, args=job, name="relay"))
                self._threads[-1].start()

    def _pump(self, source: socket.socket, sink: socket.socket, limit: int | None) -> None:
        """`limit`: after so many bytes `source` is reset."""
        fault, passed = self._fault, 0
        with contextlib.suppress(OSError):
            while data := source.recv(fault.slice_bytes):
                self._passable.wait()
                if fault.latency_s:
                    self._closing.wait(fault.latency_s)
                if limit is not None and passed + len(data) >= limit:
                    sink.sendall(data[: limit - passed])
                    source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    source.close()  # with this, what the peer gets is a reset
                    break
                sink.sendall(data)
                passed += len(data)
                if fault.bytes_per_s < math.inf:
                    self._closing.wait(len(data) / fault.bytes_per_s)
        if not fault.hides_the_end or self._closing.is_set():
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_RDWR if limit is not None else socket.SHUT_WR)


class Subscriber:
    """Hears everything below `voice/`, and publishes what a test wants to send."""

    def __init__(self, port: int, *further: str) -> None:
        """`further`: topics that it listens to as well."""
        from paho.mqtt import client as paho
        from paho.mqtt.enums import CallbackAPIVersion

        self.messages: queue.Queue[Any] = queue.Queue()
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        topics = [(topic, 1) for topic in ("voice/#", *further)]
        self._client.on_connect = lambda client, *_: client.subscribe(topics)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _client, _userdata, message: self.messages.put(message)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def __enter__(self) -> "Subscriber":
        assert self._subscribed.wait(WAIT_S), "the subscriber got no answer"
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, topic: str, payload: bytes | str, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(WAIT_S)

    def flood(self, topic: str, count: int) -> None:
        """Send many at once, and do not wait."""
        for _ in range(count):
            self._client.publish(topic, b"", qos=1)

    def next(self, topic: str) -> Any:
        """The next message on a topic; others before it are passed over."""
        while True:
            message = self.messages.get(timeout=WAIT_S)
            if message.topic == topic:
                return message

    def until(self, topic: str, payload: bytes | None = None) -> list[Any]:
        """All messages up to and with the first on a topic, or the first with this payload."""
        heard = [self.messages.get(timeout=WAIT_S)]
        while heard[-1].topic != topic or payload not in (None, heard[-1].payload):
            heard.append(self.messages.get(timeout=WAIT_S))
        return heard
