"""The appliance as a child process in a virtual room, seen from outside: its events over MQTT, and what /proc tells."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Final, TypeVar
from uuid import uuid4

from appliance.bench.stages import resident_mb
from appliance.config_files import PROJECT
from appliance.demo.subscriber import Subscriber
from appliance.demo.table import Turn, Turns
from appliance.errors import ApplianceError
from appliance.events import (
    AnyEvent,
    Event,
    MicrophoneLost,
    MicrophoneRestored,
    Started,
    State,
    StateChanged,
    TurnFinished,
    from_json,
)
from tools.sound_server import SoundServer

START_S: Final = 90.0
"""Longest wait for the first frame: loading the models takes 4 s on an idle machine."""

STOP_S: Final = 10.0

_CONFIG: Final = """\
[device]
id = "{device}"
[home]
file = "{home}"
[mqtt]
host = "127.0.0.1"
port = {port}
[privacy]
publish_text = {publish_text}
[wake]
words = ["alexa"]
{further}"""

Kind = TypeVar("Kind", bound=Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where a live appliance is put."""

    server: SoundServer
    port: int
    """Of the broker."""

    folder: Path
    """For its files."""


class LiveAppliance:
    """`appliance run`, from `with` to its end, with the wake word "alexa"."""

    def __init__(
        self,
        folder: Path,
        port: int,
        environment: Mapping[str, str],
        *,
        home: Path | None = None,
        publish_text: bool = True,
        further: str = "",
    ) -> None:
        """`folder`: for its configuration and log; `port`: of the broker; `environment`: of its room; `further`: more
        sections of the configuration.
        """
        self.device_id = f"live-{uuid4().hex[:8]}"
        self.turns = Turns()
        self.events: list[tuple[float, AnyEvent]] = []
        """Its events, and when each was taken from the broker, by the monotonic clock."""
        self.published: list[tuple[str, bytes]] = []
        """Topics and payloads of everything else."""
        self.state = State.IDLE
        self._log = folder / "appliance.log"
        self._config = folder / "appliance.toml"
        settings = {"device": self.device_id, "home": home or "", "port": port, "further": further}
        config = _CONFIG.format(**settings, publish_text=str(publish_text).lower())
        self._config.write_text(config, encoding="utf-8")
        self._environment = dict(environment)
        self._port = port
        self._subscriber: Subscriber
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> "LiveAppliance":
        self._subscriber = Subscriber(self._port)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                (sys.executable, "-m", "appliance", "--config", str(self._config), "run"),
                cwd=PROJECT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self.wait_for(Started, START_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._subscriber.close()

    def kill(self) -> None:
        """As a crash ends it."""
        self._process.kill()
        self._process.wait()

    def wait_for(self, kind: type[Kind], timeout_s: float = 15.0, **fields: object) -> Kind:
        """The next event of a kind, with these values. Raises ApplianceError with the end of the log where none is."""
        deadline_s = time.monotonic() + timeout_s
        while (event := self._next(deadline_s)) is not None:
            if isinstance(event, kind) and all(getattr(event, name) == value for name, value in fields.items()):
                return event
        ended = "" if self._process.poll() is None else f"; it ended with {self._process.returncode}"
        raise ApplianceError(
            f"the appliance: no {kind.__name__} {fields or ''} within {timeout_s:.0f} s{ended}:\n{self.log}"
        )

    def turn(self, timeout_s: float = 20.0) -> Turn:
        """The next turn that ends. Raises ApplianceError where none does."""
        session = self.wait_for(TurnFinished, timeout_s).session
        assert session is not None
        return self.turns.by_session[session]

    def rest(self) -> None:
        """Wait until it is idle. Raises ApplianceError where it does not come to rest."""
        while self.state is not State.IDLE:
            self.wait_for(StateChanged, 30.0)

    @property
    def log(self) -> str:
        """The end of what it logged."""
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:])

    @property
    def alive(self) -> bool:
        """It still runs."""
        return self._process.poll() is None

    @property
    def threads(self) -> list[str]:
        """The names of its threads."""
        return sorted(path.read_text().strip() for path in self._proc.glob("task/*/comm"))

    @property
    def descriptors(self) -> list[str]:
        """What its file descriptors lead to; numbers of sockets and pipes are left out."""
        return sorted(os.readlink(path).split(":[")[0] for path in (self._proc / "fd").iterdir())

    @property
    def cpu_s(self) -> float:
        """Processor time of its process, without the voice's."""
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def memory_mb(self) -> float:
        """Resident memory of its process."""
        return resident_mb(str(self._process.pid))

    @property
    def _proc(self) -> Path:
        return Path("/proc", str(self._process.pid))

    def _next(self, deadline_s: float) -> AnyEvent | None:
        """The next event over MQTT; None when none came in time, or the process has ended."""
        while (rest_s := deadline_s - time.monotonic()) > 0:
            try:
                message = self._subscriber.messages.get(timeout=min(rest_s, 1.0))
            except Empty:
                if not self.alive:
                    return None
                continue
            if not message.topic.startswith(f"voice/{self.device_id}/event/"):
                self.published.append((message.topic, message.payload))
                continue
            event = from_json(message.payload)
            self.events.append((time.monotonic(), event))
            self.turns.take(event)
            if isinstance(event, StateChanged):
                self.state = event.to
            return event
        return None


def outlive(server: SoundServer, appliance: LiveAppliance, outage_s: float = 0.0) -> float:
    """Kill the sound server; start it so long after the loss was told. Seconds from its return to the microphone's."""
    server.kill()
    appliance.wait_for(MicrophoneLost)
    time.sleep(outage_s)
    server.start()
    back_s = time.monotonic()
    appliance.wait_for(MicrophoneRestored)
    return time.monotonic() - back_s
