"""The running daemon with real models and a real broker: what a subscriber sees, commands, and its end."""

import dataclasses
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance import config_files
from appliance.audio.format import FRAME_MS, FRAMES_PER_S, Frame, silent_pcm
from appliance.audio.speakers import SilentSpeaker
from appliance.bench.speech import frames_of, spoken
from appliance.beside import HUNG_FRAMES
from appliance.brains import Brains, Hearing, load_brains, load_voice, reload_brains
from appliance.cli.status import read
from appliance.commands import Command, CommandRefused, Mute, Reload, Restart, Threshold, WakeWord
from appliance.config import Mqtt
from appliance.config_files import LoadedConfig
from appliance.daemon import Daemon
from appliance.errors import ModelError
from appliance.events import (
    ActionDone,
    DevicesLearned,
    Event,
    Failed,
    IntentRecognized,
    LoadShed,
    SettingsChanged,
    SpeechEnded,
    StateChanged,
    event_type,
)
from appliance.later import Later
from appliance.ledger import LEDGER
from appliance.lights import DARK, LIGHTS, Light
from appliance.models import ModelStore
from appliance.notify import Notifier
from appliance.status import MicrophoneStatus, WakeWordStatus
from appliance.status_socket import StatusError, ask_daemon, candidates
from appliance.voice.hurried import HurriedVoice
from tests.broker import Broker, Subscriber, free_port, wait_until
from tests.test_announced import ZIGBEE2MQTT

pytestmark = [pytest.mark.model, pytest.mark.broker]

EVENT = "voice/test/event/"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def brains(store: ModelStore) -> Brains:
    return load_brains(config_files.load(None), wake_words=["alexa"])


@pytest.fixture(scope="module")
def question() -> list[Frame]:
    voice = load_voice(config_files.load(None), deterministic=True)
    try:
        return frames_of(spoken(voice, "Alexa, turn on the kitchen light.", after_s=6.0))
    finally:
        voice.close()


class Paced:
    """Frames at the pace of a microphone."""

    def __init__(self, frames: list[Frame]) -> None:
        self._frames = frames
        self.paused: list[bool] = []

    def frames(self) -> Iterator[Frame]:
        started = time.monotonic()
        for frame in self._frames:
            time.sleep(max(0.0, started + frame.index * FRAME_MS / 1000 - time.monotonic()))
            yield frame

    def events(self) -> list[Event]:
        return []

    def pause(self, on: bool) -> None:
        if self.paused[-1:] != [on]:
            self.paused.append(on)

    def start(self) -> None:
        pass

    @property
    def waiting(self) -> None:
        return None

    def status(self) -> MicrophoneStatus:
        return MicrophoneStatus(name="paced", present=True, muted=False)

    def close(self) -> None:
        pass


def with_broker(brains: Brains, port: int, *, publish_text: bool) -> Brains:
    config = brains.loaded.config
    replace = msgspec.structs.replace
    changed = replace(
        config,
        device=replace(config.device, id="test"),
        mqtt=Mqtt(host="127.0.0.1", port=port),
        privacy=replace(config.privacy, publish_text=publish_text),
    )
    fields = {name: getattr(brains, name) for name in brains.__dataclass_fields__}
    return Brains(**{**fields, "loaded": LoadedConfig(config=changed, folder=brains.loaded.folder)})


WHOLE_TURN = [
    "started",
    "wake_detected",
    "state_changed",
    "speech_started",
    "speech_ended",
    "state_changed",
    "transcript",
    "intent_recognized",
    "action_done",
    "reply",
    "state_changed",
    "speaking_started",
    "speaking_ended",
    "turn_finished",
    "state_changed",
    "state_changed",
]


def test_a_subscriber_sees_a_turn_in_order_without_what_was_said(
    broker: Broker, brains: Brains, question: list[Frame]
) -> None:
    with Subscriber(broker.port) as subscriber:
        daemon = Daemon(
            with_broker(brains, broker.port, publish_text=False),
            Paced(question),
            SilentSpeaker(),
            notifier=Notifier({}),
        )
        daemon.run()
        messages = subscriber.until("voice/test/availability", b"offline")
    events = [(m.topic, json.loads(m.payload)) for m in messages if "/event/" in m.topic]
    told = [topic.removeprefix(EVENT) for topic, _ in events]
    assert [name for name in told if name != "load_shed"] == WHOLE_TURN, "a crowded machine may be short"
    assert all(message.qos == 1 for message in messages if "/event/" in message.topic)
    bodies = [body for _, body in events]
    assert all(body["at"].endswith("Z") and body["id"] for body in bodies)
    assert len({body["id"] for body in bodies}) == len(bodies)
    assert [body["frame"] for body in bodies] == sorted(body["frame"] for body in bodies)
    assert all(body[field] is None for body in bodies for field in ("text", "nearest") if field in body)
    recognized = next(body for body in bodies if body["type"] == "intent_recognized")
    assert recognized["values"] == {"device": "kitchen_light"}
    states = [m.payload.decode() for m in messages if m.topic == "voice/test/state"]
    assert states == ["idle", "listening", "thinking", "speaking", "following_up", "idle"]
    assert [m.payload for m in messages if m.topic == "voice/test/availability"] == [b"online", b"offline"]


def test_without_a_broker_the_voice_works_on(brains: Brains, question: list[Frame]) -> None:
    heard: list[Event] = []
    daemon = Daemon(
        with_broker(brains, free_port(), publish_text=True),
        Paced(question),
        SilentSpeaker(),
        notifier=Notifier({}),
        listeners=[heard.append],
    )
    daemon.run()
    done = {event_type(event): event for event in heard}
    assert "speaking_ended" in done
    assert done["action_done"].ok is False, "the light could not be reached, and that is told"
    assert "could not reach" in str(done["reply"].text).lower().replace("couldn't", "could not")
    assert "nothing listens there" in daemon.mqtt_status


def test_what_is_said_before_the_recognizer_is_there_waits_for_it(
    broker: Broker, brains: Brains, question: list[Frame]
) -> None:
    """A start says that it listens as soon as the wake word is listened for."""
    ended, heard = threading.Event(), list[Event]()
    real = brains.hearing.get()

    def slowly_loaded() -> Hearing:
        assert ended.wait(60), "nobody spoke"
        return real

    def listen(event: Event) -> None:
        heard.append(event)
        if isinstance(event, SpeechEnded):
            ended.set()

    daemon = Daemon(
        dataclasses.replace(with_broker(brains, broker.port, publish_text=False), hearing=Later(slowly_loaded)),
        Paced(question),
        SilentSpeaker(),
        notifier=Notifier({}),
        listeners=[listen],
    )
    daemon.run()
    (recognized,) = [event for event in heard if isinstance(event, IntentRecognized)]
    assert recognized.values == {"device": "kitchen_light"}


def test_what_cannot_be_loaded_in_the_end_ends_it(broker: Broker, brains: Brains, question: list[Frame]) -> None:
    def load() -> Hearing:
        raise ModelError('model "vosk" is damaged; install it again')

    daemon = Daemon(
        dataclasses.replace(with_broker(brains, broker.port, publish_text=False), hearing=Later(load)),
        Paced(question),
        SilentSpeaker(),
        notifier=Notifier({}),
    )
    with pytest.raises(ModelError, match="damaged"):
        daemon.run()


class UntilLearned(Paced):
    """A quiet room until the devices of the house are known; then somebody speaks."""

    def __init__(self, frames: list[Frame]) -> None:
        super().__init__(frames)
        self.learned = threading.Event()

    def frames(self) -> Iterator[Frame]:
        started, index = time.monotonic(), 0
        waiting = iter(lambda: self.learned.is_set() or index > 60 * FRAMES_PER_S, True)
        for pcm in itertools.chain((silent_pcm() for _ in waiting), (frame.pcm for frame in self._frames)):
            time.sleep(max(0.0, started + index * FRAME_MS / 1000 - time.monotonic()))
            yield Frame(index, pcm)
            index += 1


def test_a_light_that_announces_itself_is_switched_with_no_configuration_at_all(
    broker: Broker, brains: Brains, question: list[Frame], tmp_path: Path
) -> None:
    file = tmp_path / "appliance.toml"
    file.write_text(f"[device]\nid = 'test'\n[home]\nfile = ''\n[mqtt]\nhost = '127.0.0.1'\nport = {broker.port}\n")
    loaded = dataclasses.replace(config_files.load(file), state=tmp_path)
    announced = ZIGBEE2MQTT | {"command_topic": "house/light/set"}
    with Subscriber(broker.port, "house/#") as subscriber:
        subscriber.send("homeassistant/light/0x1/light/config", json.dumps(announced), retain=True)
        source, heard = UntilLearned(question), list[Event]()

        def listen(event: Event) -> None:
            heard.append(event)
            if isinstance(event, DevicesLearned):
                source.learned.set()

        empty = reload_brains(loaded, brains)
        assert empty.home.devices == ()
        Daemon(empty, source, SilentSpeaker(), notifier=Notifier({}), listeners=[listen]).run()
        assert json.loads(subscriber.next("house/light/set").payload) == {"state": "ON"}
        subscriber.send("homeassistant/light/0x1/light/config", "", retain=True)
    assert [event.devices for event in heard if isinstance(event, DevicesLearned)] == [1]
    assert [event.ok for event in heard if isinstance(event, ActionDone)] == [True]
    assert [device.id for device in reload_brains(loaded, brains).home.devices] == ["kitchen_light"], "after a restart"


def quietly(seconds: float) -> list[Frame]:
    """Silence for so long."""
    return [Frame(index, silent_pcm()) for index in range(round(seconds * FRAMES_PER_S))]


class Kitchen:
    """A daemon in a quiet room, with a configuration of its own."""

    def __init__(self, brains: Brains, folder: Path, text: str = "", panel: Any = None) -> None:
        self.file = folder / "appliance.toml"
        self.write(text)
        self.source = Paced(quietly(60))
        self.heard: list[Event] = []
        self.daemon = Daemon(
            reload_brains(config_files.load(self.file), brains),
            self.source,
            SilentSpeaker(),
            notifier=Notifier({}),
            listeners=[self._hear],
            panel=panel,
        )
        self._script: list[Command | None] = []

    def write(self, text: str) -> None:
        self.file.write_text(f"[device]\nid = 'kitchen-{os.getpid()}'\n[home]\nfile = ''\n{text}")

    def told(self, *commands: Command, then: Sequence[Command] = ()) -> list[Event]:
        """The events until as many came as commands of `then`, and one more; each event brings the next of these."""
        for command in commands:
            self.daemon.command(command)
        self._script = [*then, None]
        self.daemon.run()
        assert event_type(self.heard[0]) == "started"
        return self.heard[1:]

    def _hear(self, event: Event) -> None:
        self.heard.append(event)
        if len(self.heard) > 1:
            command = self._script.pop(0)
            if command is None:
                self.daemon.stop()
            else:  # some frames later
                threading.Timer(0.1, self.daemon.command, [command]).start()


def test_another_wake_word_and_threshold_are_taken_over(brains: Brains, tmp_path: Path) -> None:
    [changed] = Kitchen(brains, tmp_path).told(WakeWord(word="Hey Jarvis"), Threshold(score=0.7))
    assert isinstance(changed, SettingsChanged)
    assert (changed.wake_words, changed.threshold, changed.volume) == (("hey_jarvis",), 0.7, 70)
    assert changed.restart_needed == ()


def test_a_wake_word_that_is_not_there_is_refused_without_repeating_it(brains: Brains, tmp_path: Path) -> None:
    kitchen = Kitchen(brains, tmp_path)
    with pytest.raises(CommandRefused, match=r"command wake_word: no such wake word") as refusal:
        kitchen.daemon.command(WakeWord(word="xyzzy"))
    assert "xyzzy" not in str(refusal.value)
    kitchen.daemon.close()


def test_a_reload_takes_over_what_it_can_and_names_the_rest(brains: Brains, tmp_path: Path) -> None:
    kitchen = Kitchen(brains, tmp_path)
    kitchen.write("[audio]\nvolume = 20\n[wake]\nthreshold = 0.95\n[mqtt]\nkeepalive_s = 7\n[log]\nlevel = 'error'\n")
    [changed] = kitchen.told(Threshold(score=0.1), Reload())
    assert isinstance(changed, SettingsChanged)
    assert (changed.wake_words, changed.threshold, changed.volume) == (("alexa",), 0.95, 20)
    assert changed.restart_needed == ("mqtt.keepalive_s", "log.level")


def test_a_reload_brings_a_stop_word_that_outlasts_other_wake_words(brains: Brains, tmp_path: Path) -> None:
    kitchen = Kitchen(brains, tmp_path)
    kitchen.write("[wake]\nstop_word = 'hey_jarvis'\nthreshold = 0.5\n")
    told = kitchen.told(Reload(), then=[WakeWord(word="hey_mycroft")])
    settings = [(event.wake_words, event.stop_word) for event in told if isinstance(event, SettingsChanged)]
    assert settings == [(("alexa",), "hey_jarvis"), (("hey_mycroft",), "hey_jarvis")]
    own_threshold = WakeWordStatus(name="hey_jarvis", engine="int8", threshold=0.97)
    assert kitchen.daemon._reporting._now(0).stop_word == own_threshold


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[wake]\nstop_word = 'gone'\n", r'wake.stop_word: no wake model "gone"; there is alexa'),
        ("[wake]\nthreshold = 7\n", r"appliance.toml:6: wake.threshold"),
        ("[audio]\nhardware = 'nothing'\n", r"audio.hardware: no profile 'nothing'"),
        ("[mqtt]\nhost = 'x'\nusername = 'y'\npassword_file = 'gone'\n", r"gone"),
        ("[models]\nvoice = 'gone'\n", r"gone"),
    ],
)
def test_a_wrong_file_is_refused_and_changes_nothing(
    brains: Brains, tmp_path: Path, text: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    kitchen = Kitchen(brains, tmp_path)
    kitchen.write(text)
    kitchen.daemon._reporting._started_s -= 61
    for command in (Reload(), Restart()):
        with pytest.raises(CommandRefused, match="configuration, home file or a model is wrong; see the log"):
            kitchen.daemon.command(command)
    assert re.search(reason, caplog.text)
    kitchen.daemon.close()


@pytest.mark.parametrize("wake", ["[wake]\nwords = ['xyzzy']\n", "[wake]\nstop_word = 'alexa'\n"])
def test_what_only_loading_shows_is_told_and_changes_nothing(brains: Brains, tmp_path: Path, wake: str) -> None:
    kitchen = Kitchen(brains, tmp_path)
    kitchen.write(wake)
    kitchen.daemon.reload()  # as by SIGHUP
    [failed] = kitchen.told()
    assert isinstance(failed, Failed)
    assert failed.stage == "reload"
    assert failed.error.endswith("; the settings stay as they were")


def test_mute_closes_the_microphone_until_it_is_over(brains: Brains, tmp_path: Path) -> None:
    kitchen = Kitchen(brains, tmp_path)
    changed = kitchen.told(Mute(on=True), then=[Mute(on=False)])
    assert [(event.from_, event.to) for event in changed if isinstance(event, StateChanged)] == [
        ("idle", "muted"),
        ("muted", "idle"),
    ]
    assert kitchen.source.paused == [True, False]


def test_a_voice_that_is_too_slow_is_told_and_counted(brains: Brains, tmp_path: Path) -> None:
    kitchen = Kitchen(brains, tmp_path)
    voice = kitchen.daemon._hurried_voice
    if not isinstance(voice, HurriedVoice):
        pytest.skip("no simple voice is installed (apt install flite)")
    voice._slow()
    assert [event.what for event in kitchen.told() if isinstance(event, LoadShed)] == ["the usual voice"]
    assert kitchen.daemon._reporting.metrics(0).load_shed == 1


def test_the_running_daemon_answers_how_it_is(brains: Brains, tmp_path: Path) -> None:
    port = free_port()
    kitchen = Kitchen(brains, tmp_path, f"[metrics]\nport = {port}\n")
    running = threading.Thread(target=kitchen.daemon.run)
    running.start()
    try:
        wait_until(lambda: bool(kitchen.heard), "it hears")
        status = read(ask_daemon(candidates(f"kitchen-{os.getpid()}")))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
            figures = reply.read().decode()
    finally:
        kitchen.daemon.stop()
        running.join()
    assert status.now is not None
    assert (status.problems, status.now.state, status.now.microphone.name) == ((), "idle", "paced")
    assert [word.name for word in status.now.wake_words] == ["alexa"]
    assert "recognition" in {thread.name for thread in status.now.priorities.threads}
    assert {row.where for row in status.now.buffers} == {row.where for row in LEDGER}
    assert 'appliance_state{state="idle"} 1' in figures
    assert "metrics" in {thread.name for thread in status.now.priorities.threads}
    with pytest.raises(StatusError, match="no daemon runs"):
        ask_daemon(candidates(f"kitchen-{os.getpid()}"))


class Hurried(Paced):
    """Frames as fast as they are taken."""

    def frames(self) -> Iterator[Frame]:
        yield from self._frames


def test_a_listener_that_breaks_ends_no_turn(brains: Brains, question: list[Frame]) -> None:
    heard: list[Event] = []

    def broken(event: Event) -> None:
        raise OSError("no lamp")

    daemon = Daemon(
        with_broker(brains, free_port(), publish_text=True),
        Paced(question),
        SilentSpeaker(),
        notifier=Notifier({}),
        listeners=[broken, heard.append],
    )
    daemon.run()
    told = [event_type(event) for event in heard]
    assert {"wake_detected", "intent_recognized", "action_done", "speaking_started"} <= set(told)
    faults = [event for event in heard if isinstance(event, Failed) and event.stage == "listener"]
    assert {event.error for event in faults} == {"OSError: no lamp"}
    assert all(later.frame - one.frame >= FRAMES_PER_S for one, later in itertools.pairwise(faults))


def test_a_state_folder_that_cannot_be_written_costs_no_turn(
    broker: Broker, brains: Brains, question: list[Frame], tmp_path: Path
) -> None:
    """As on a file system that is read-only."""
    (tmp_path / "file").write_text("no folder")
    home = with_broker(brains, broker.port, publish_text=False)
    loaded = dataclasses.replace(home.loaded, state=tmp_path / "file" / "state")
    heard: list[Event] = []
    with Subscriber(broker.port) as subscriber:
        daemon = Daemon(
            dataclasses.replace(home, loaded=loaded),
            Paced(question),
            SilentSpeaker(),
            notifier=Notifier({}),
            listeners=[heard.append],
        )
        daemon.run()
        messages = subscriber.until("voice/test/availability", b"offline")
    assert {"wake_detected", "intent_recognized", "action_done", "speaking_started"} <= set(map(event_type, heard))
    assert EVENT + "action_done" in {message.topic for message in messages}, "from memory, for want of a disk"
    assert (tmp_path / "file").read_text() == "no folder"


def test_a_recognizer_that_does_not_come_back_is_told_and_the_appliance_asks_to_be_started_anew(brains: Brains) -> None:
    heard: list[Event] = []
    go_on = threading.Event()
    quiet = [Frame(index, silent_pcm()) for index in range(HUNG_FRAMES["recognition"] + 5 * FRAMES_PER_S)]
    daemon = Daemon(
        with_broker(brains, free_port(), publish_text=True),
        Hurried(quiet),
        SilentSpeaker(),
        notifier=Notifier({}),
        listeners=[heard.append],
    )

    def hang() -> None:
        go_on.wait(600.0)

    daemon._workers.recognition.submit(hang)
    try:
        daemon.run()
    finally:
        go_on.set()
    assert daemon.restart_asked
    told = [event.error for event in heard if isinstance(event, Failed) and event.stage == "recognition"]
    assert told == ["it has not come back for 300 s; the appliance starts again"]


class Pressed:
    """A panel whose button is pressed for 200 ms; notes what its lamp shows."""

    switch = False

    def __init__(self) -> None:
        self.shown: list[Light] = []
        self._asked = 0

    @property
    def button(self) -> bool:
        self._asked += 1
        return 10 < self._asked <= 20

    def show(self, light: Light) -> None:
        self.shown.append(light)

    def close(self) -> None:
        self.shown.append(DARK)


def test_the_button_lets_it_listen_and_the_lamp_shows_it(brains: Brains, tmp_path: Path) -> None:
    panel = Pressed()
    [changed] = Kitchen(brains, tmp_path, panel=panel).told()
    assert isinstance(changed, StateChanged)
    assert changed.to == "listening"
    assert panel.shown == [DARK, LIGHTS[changed.to], DARK]


def test_a_restart_is_refused_soon_after_the_start(brains: Brains, tmp_path: Path) -> None:
    kitchen = Kitchen(brains, tmp_path)
    with pytest.raises(CommandRefused, match="command restart: it started 0 s ago; ask again after 60 s"):
        kitchen.daemon.command(Restart())
    kitchen.daemon._reporting._started_s -= 61
    assert kitchen.told(Restart()) == []
    assert kitchen.daemon.restart_asked


def test_refusals_become_an_event(broker: Broker, brains: Brains) -> None:
    with Subscriber(broker.port) as subscriber:
        heard: list[Event] = []
        daemon = Daemon(
            with_broker(brains, broker.port, publish_text=False),
            Paced(quietly(20)),
            SilentSpeaker(),
            notifier=Notifier({}),
            listeners=[heard.append],
        )
        running = threading.Thread(target=daemon.run)
        running.start()
        subscriber.until("voice/test/availability", b"online")
        for payload in ("loud", "louder"):
            subscriber.send("voice/test/command/volume", payload)
        told = json.loads(subscriber.next(EVENT + "command_refused").payload)
        subscriber.send("voice/test/command/restart", "")
        wait_until(lambda: daemon._mqtt is not None and daemon._mqtt.refused_commands == 3, "three are counted")
        daemon.stop()
        running.join()
        metrics = [
            json.loads(m.payload)
            for m in subscriber.until("voice/test/availability", b"offline")
            if m.topic.endswith("metrics")
        ]
    assert (told["reason"], told["count"]) == (
        'command volume: not a flat JSON value; send 0..100, or {"percent": 50}',
        1,
    )
    assert [event_type(event) for event in heard].count("command_refused") == 1
    assert metrics[-1]["commands_refused"] == 3


@pytest.fixture
def running(broker: Broker, tmp_path: Path, store: ModelStore) -> Iterator["subprocess.Popen[str]"]:
    """`appliance run` on a machine without microphone and loudspeaker."""
    config = tmp_path / "appliance.toml"
    config.write_text(
        f'[device]\nid = "test"\n[audio]\nmicrophone = "no such device"\nspeaker = "none"\n'
        f'[home]\nfile = ""\n[models]\ndirectory = "{store.directory}"\n'
        f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'
    )
    command = [sys.executable, "-m", "appliance", "--config", str(config), "run"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def event(subscriber: Subscriber, name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(subscriber.next(EVENT + name).payload)
    return body


def test_without_a_microphone_it_runs_says_so_and_obeys(broker: Broker, running: "subprocess.Popen[str]") -> None:
    with Subscriber(broker.port) as subscriber:
        assert subscriber.next("voice/test/availability").payload == b"online"
        assert "no such device" in event(subscriber, "microphone_lost")["device"]
        subscriber.send("voice/test/command/volume", "40")
        subscriber.send("voice/test/command/say", "Dinner is ready.")
        assert event(subscriber, "state_changed")["to"] == "speaking"
        assert event(subscriber, "speaking_ended")["reason"] == "done"
        subscriber.send("voice/test/command/mute", "on")
        subscriber.until("voice/test/state", b"muted")
        subscriber.send("voice/test/command/mute", "off")
        subscriber.send("voice/test/command/listen", "")
        subscriber.until("voice/test/state", b"listening")
        assert event(subscriber, "intent_rejected")["reason"] == "no_speech"
        running.send_signal(signal.SIGTERM)
        subscriber.until("voice/test/availability", b"offline")
    assert running.wait(timeout=5) == 0


def test_killed_it_is_offline_and_leaves_no_voice_behind(broker: Broker, running: "subprocess.Popen[str]") -> None:
    with Subscriber(broker.port) as subscriber:
        assert subscriber.next("voice/test/availability").payload == b"online"
        tasks = Path(f"/proc/{running.pid}/task").iterdir()
        voices = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
        assert voices, "the voice runs in a process of its own"
        running.kill()
        subscriber.until("voice/test/availability", b"offline")
    wait_until(lambda: not any(_alive(pid) for pid in voices), "the voice ends with the daemon")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z" and os.getpgid(pid) >= 0
    except OSError:
        return False
