"""The live appliance: microphone and loudspeaker around the frame loop, MQTT and systemd beside it.

Its threads: capture, the loudspeaker's, six workers, and the MQTT client's; all are ended in `Daemon.close`. The
frame loop runs in the main thread; signals only set a flag that it reads once a frame.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from uuid import uuid4

import msgspec

from appliance import __version__, config_files, garbage, prometheus
from appliance.assembly import LEAD_FRAMES, Surroundings, build_loop, thread_workers
from appliance.audio.ducking import ducking_of
from appliance.audio.format import FRAMES_PER_S, Frame
from appliance.audio.sources import LiveSource
from appliance.audio.speakers import Speaker
from appliance.beside import Beside, Hangs
from appliance.brains import Brains, check_files, load_hurried_voice, load_voice
from appliance.clock import SystemClock
from appliance.commands import (
    Command,
    CommandRefused,
    FalseWake,
    Listen,
    Mute,
    Reload,
    Restart,
    SaveRecord,
    Say,
    Stop,
    Threshold,
    Update,
    Volume,
    WakeWord,
    name_of,
)
from appliance.config_files import MANIFEST, state_directory
from appliance.errors import ApplianceError, BrokerError, ConfigError, StageError
from appliance.events import CommandRefused as CommandWasRefused
from appliance.events import Event, LoadShed, without_text
from appliance.facts import AskedToListen, AskedToMute, AskedToSay, AskedToStop, Fact, StageFailed, WakeDisowned
from appliance.flight_recorder import FlightRecorder, records_folder
from appliance.household import Household
from appliance.inbox import Inbox
from appliance.lights import Lights
from appliance.metrics_server import MetricsServer
from appliance.models import Kind, ModelStore, Status
from appliance.mqtt.client import MqttClient
from appliance.mqtt.discovery import Appearance
from appliance.mqtt.ear import Ear
from appliance.mqtt.home_assistant import Announcer
from appliance.mqtt.topics import Topics
from appliance.notify import Notifier
from appliance.presses import Presses
from appliance.renewing import Renewing
from appliance.report import describe
from appliance.reporting import Reporting
from appliance.runtimes.gpio import Panel
from appliance.status import Waiting
from appliance.status_socket import StatusServer, candidates
from appliance.updating import Updating
from appliance.wake import find

_LOGGER = logging.getLogger(__name__)

RESTART_AFTER_S = 60
"""A restart is refused so soon after the start: whoever asks for it again and again would keep the appliance deaf."""

RESTART_WAIT_FRAMES = 30 * FRAMES_PER_S
"""A turn may end first, and is not waited for longer."""

METRICS_EVERY_FRAMES = 60 * FRAMES_PER_S


class Daemon:
    """Runs until the source ends or it is told to stop."""

    def __init__(
        self,
        brains: Brains,
        source: LiveSource,
        speaker: Speaker,
        *,
        notifier: Notifier,
        listeners: Sequence[Callable[[Event], None]] = (),
        panel: Panel | None = None,
    ) -> None:
        """`listeners` get every event, texts included, in the loop's thread. `panel`: LED and button; None: none.

        Raises ConfigError (MQTT settings).
        """
        self._brains = brains
        self._source = source
        self._notifier = notifier
        self._panel, self._presses = panel, Presses()
        self._listeners = (*listeners, Lights(panel.show).take) if panel else tuple(listeners)
        self._stopping = self._restarting = self._reloading = False
        self._broken: ApplianceError | None = None
        self._restart_by: int | None = None
        self._inbox = Inbox()
        self._beside = Beside(self._inbox.failed)
        self._voice = load_voice(
            brains.loaded,
            deterministic=False,
            lost=lambda reason: self.tell_failed("voice", reason),
        )
        self._hurried_voice = load_hurried_voice(
            brains.loaded, self._voice, lambda: self._inbox.post(self._tell_slow_voice)
        )
        self._speaker = speaker
        self._household = Household(
            brains.loaded, self._inbox.post, self._to_broker, lambda things, frame: self._renewing.learn(things, frame)
        )
        self._mqtt = None
        if brains.loaded.config.mqtt.host:
            self._mqtt = build_mqtt(brains, self.command, self._refused, self._household.ears)
        self._workers = thread_workers(self._inbox)
        loaded = brains.loaded
        self._ducking = ducking_of(loaded.config.audio, loaded.state, self._workers.ducking)
        self._recorder = self._build_recorder()
        around = self._surroundings()
        self._loop = build_loop(brains, around)
        self._renewing = Renewing(brains, around, self._loop)
        self._reporting = Reporting(lambda: self._renewing.brains, self._loop, source, self._workers, self._mqtt)
        self._status = StatusServer(
            candidates(brains.loaded.config.device.id),
            lambda: msgspec.json.encode(self._reporting.status(self._inbox)),
        )
        port = brains.loaded.config.metrics.port
        self._metrics = MetricsServer(port, self._metrics_page) if port else None
        self._updating = Updating(brains.loaded)
        self._hangs = Hangs(self._workers.running)
        self._frame = self._waiting_at = self._metrics_at = 0
        self._told_waiting: Waiting | None = None

    @property
    def mqtt_status(self) -> str:
        """Whether the broker is there, in one sentence."""
        return self._mqtt.status if self._mqtt else "no broker is configured"

    @property
    def restart_asked(self) -> bool:
        """It ended to be started anew."""
        return self._restarting

    def run(self) -> None:
        """Feed the source's frames to the loop; returns after everything is closed.

        Raises:
            ConfigError, ModelError: what was left to load cannot be.
        """
        try:
            self._status.start()
            if self._metrics:
                self._metrics.start()
            self._workers.start()
            self._warm_up()
            if self._mqtt:
                self._mqtt.publish_settings(self._renewing.settings())
                self._mqtt.publish_update(self._updating.told(0))
                self._mqtt.start()
            self._source.start()
            self._frames()
        finally:
            self.close()
        if self._broken is not None:
            raise self._broken

    def close(self) -> None:
        """End threads and free devices; said to systemd and, by MQTT, to the house.

        The farewell comes first: a program of the owner's may take longer to end than systemd waits.
        """
        self._notifier.stopping()
        self._source.close()
        if self._mqtt:
            self._mqtt.publish_metrics(self._reporting.metrics(self._frame))
            self._mqtt.close()
        self._status.close()
        if self._metrics:
            self._metrics.close()
        self._workers.close()
        if self._ducking:
            self._ducking.close()
        self._loop.close()
        self._hurried_voice.close()
        self._speaker.close()
        if self._panel:
            self._panel.close()

    def _tell_slow_voice(self, frame: int) -> None:
        self._loop.emit(LoadShed(frame=frame, what="the usual voice", since=frame))

    def _warm_up(self) -> None:
        """What the first turn needs is done by the threads that it then belongs to.

        As a service it listens meanwhile: to hear again soon matters more than how quick the first answer is.
        """
        self._workers.recognition.submit(self._learn_words)
        ready = threading.Event()

        def start() -> None:
            try:
                self._voice.start()
            except StageError as error:  # the start must not fail for want of a voice: each answer tries it again
                _LOGGER.warning("voice: %s", error)
            finally:
                ready.set()

        self._workers.voice.submit(start)
        if self._notifier.watchdog_interval_s is None:
            ready.wait()

    def _learn_words(self) -> None:
        """In the recognition worker's thread: what was said meanwhile waits in its inbox."""
        try:
            with garbage.put_off():
                self._brains.make_the_rest()
            garbage.settle()
            _LOGGER.info("understands what is said, %d s after the start", self._reporting.uptime_s)
        except ApplianceError as error:  # as wrong as if the start had waited for it
            self._broken = error
            self.stop()

    def stop(self) -> None:
        """End after the current frame; may be called from a signal handler or another thread."""
        self._stopping = True

    def reload(self) -> None:
        """Read the configuration and the home file again, soon; may be called from a signal handler."""
        self._reloading = True

    def tell_failed(self, stage: str, error: str) -> None:
        """From any thread: something is wrong that no stage of its own can tell."""
        self._inbox.post(lambda frame: StageFailed(frame=frame, stage=stage, error=error))

    def command(self, command: Command) -> None:
        """From any thread: hand a command to the loop. Raises CommandRefused for what cannot be done."""
        if (reason := self._refusal(command)) is not None:
            raise CommandRefused(f"command {name_of(command)}: {reason}")
        self._inbox.post(lambda frame: self._carry_out(command, frame))

    def _refusal(self, command: Command) -> str | None:
        """Why a command cannot be carried out, whatever the frame loop is doing; without what the sender wrote."""
        match command:
            case WakeWord():
                try:
                    store = ModelStore(MANIFEST, self._brains.loaded.models_directory)  # as new: one may have come
                    find(command.word, store=store, phrases=self._brains.vosk)
                except ApplianceError:
                    return "no such wake word is installed, and no such phrase known; see appliance models list"
            case SaveRecord():
                return None if self._recorder else "the flight recorder is off; set flight_recorder.seconds"
            case Reload():
                return self._wrong_files()
            case Restart():
                uptime_s = self._reporting.uptime_s
                if uptime_s < RESTART_AFTER_S:
                    return f"it started {uptime_s:.0f} s ago; ask again after {RESTART_AFTER_S} s"
                return self._wrong_files()
            case Update():
                return self._updating.refusal()
        return None

    def _wrong_files(self) -> str | None:
        """Whether a start would fail; the reason itself stays in the log."""
        try:
            check_files(config_files.load(self._file))
        except ApplianceError as error:
            _LOGGER.warning("%s", error)
            return "configuration, home file or a model is wrong; see the log, or appliance doctor"
        return None

    @property
    def _file(self) -> Path:
        path = self._brains.loaded.path
        if path is None:
            raise ConfigError("it runs without a configuration file; start it with --config FILE")
        return path

    def _refused(self, reason: str, count: int) -> None:
        """From the MQTT thread: commands were refused."""

        def tell(frame: int) -> None:
            self._loop.emit(CommandWasRefused(frame=frame, reason=reason, count=count))

        self._inbox.post(tell)

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            clock=SystemClock(),
            voice=self._hurried_voice,
            patient_voice=self._voice,
            speaker=self._speaker,
            workers=self._workers,
            publish=self._publish,
            publish_mqtt=self._to_broker,
            dry_run=False,
            inbox=self._inbox,
            lead_frames=LEAD_FRAMES,
            state=self._brains.loaded.state,
            arbiter=self._household.arbiter,
        )

    def _metrics_page(self) -> bytes:
        """In the thread `metrics`."""
        return prometheus.page(self._reporting.status(self._inbox), processor_s=time.process_time())

    def _frames(self) -> None:
        """The metronome. The watchdog is fed by frames that flowed through the whole loop, by nothing else."""
        alive_every = max(1, int((self._notifier.watchdog_interval_s or 1.0) * FRAMES_PER_S))
        alive_at = 0
        for frame in self._source.frames():
            if self._stopping or self._restart_is_due(frame.index):
                return
            self._frame = frame.index
            self._loop.process(frame)
            self._source.pause(self._loop.muted)
            for event in self._source.events():
                self._loop.emit(event)
            self._go_on_beside(frame)
            if frame.index == 0:
                words = ", ".join(word.name for word in self._brains.words)
                self._notifier.ready(f"listening for {words}")
                _LOGGER.info("ready: listening for %s; broker: %s", words, self.mqtt_status)
            # Indices jump where frames were lost, so what is due is compared and not counted.
            if frame.index >= alive_at:
                alive_at = frame.index + alive_every
                self._notifier.watchdog()

    def _go_on_beside(self, frame: Frame) -> None:
        """All that must not end the loop."""
        run, index = self._beside.run, frame.index
        if (recorder := self._recorder) is not None:
            run("flight recorder", index, lambda: recorder.take(frame, self._loop.played, self._loop.scores))
        run("settings", index, lambda: self._renew(index))
        if (panel := self._panel) is not None:
            run("button", index, lambda: self._press(panel, index))
        if (ducking := self._ducking) is not None:
            run("ducking", index, lambda: ducking.step(index, lower=not self._loop.rests))
        run("workers", index, lambda: self._look_for_hangs(index))
        run("reporting", index, lambda: self._report(index))

    def _look_for_hangs(self, frame: int) -> None:
        for hung in self._hangs.step(frame):
            _LOGGER.error("%s: %s", hung.stage, hung)
            self.tell_failed(hung.stage, str(hung))
            if hung.fatal:
                self._inbox.post(lambda at: self._carry_out(Restart(), at))

    def _report(self, frame: int) -> None:
        """What the house and systemd are told again and again."""
        if self._mqtt and frame >= self._waiting_at:
            self._waiting_at = frame + FRAMES_PER_S
            if (waiting := self._loop.waiting()) != self._told_waiting:
                self._told_waiting = waiting
                self._mqtt.publish_timers(waiting)
        if frame >= self._metrics_at:
            self._metrics_at = frame + METRICS_EVERY_FRAMES
            if self._mqtt:
                self._mqtt.publish_metrics(self._reporting.metrics(frame))
            self._notifier.status(f"{self._loop.state}; {self.mqtt_status}")

    def _build_recorder(self) -> FlightRecorder | None:
        loaded, free_slots = self._brains.loaded, self._brains.language.free_slots
        wanted, texts = loaded.config.flight_recorder, loaded.config.privacy.publish_text
        if not wanted.seconds:
            return None
        return FlightRecorder(
            wanted.seconds,
            records_folder(wanted.directory, loaded.state or state_directory()),
            worker=self._workers.clips,
            post=self._inbox.post,
            clock=SystemClock(),
            shown=lambda event: event if texts else without_text(event, free_slots=free_slots),
        )

    def _press(self, panel: Panel, frame: int) -> None:
        """The button, or the mute switch."""
        command = self._presses.update(
            frame, button=panel.button, switch=panel.switch, rests=self._loop.rests, muted=self._loop.muted
        )
        if command is not None:
            self.command(command)

    def _restart_is_due(self, frame: int) -> bool:
        """Nobody is interrupted, unless it takes too long."""
        if self._restart_by is not None and (self._loop.rests or frame >= self._restart_by):
            self._restarting = True
        return self._restarting

    def _renew(self, frame: int) -> None:
        if self._reloading:
            self._reloading = False
            self._inbox.post(lambda at: self._carry_out(Reload(), at))
        self._household.step(frame)
        for changed in (self._renewing.step(frame), self._updating.step(frame)):
            if changed is not None:
                self._loop.emit(changed)

    def _to_broker(self, topic: str, payload: str, qos: int, retain: bool) -> None:
        """Publish for a device of the home, or for another appliance. Raises BrokerError."""
        if self._mqtt is None:
            raise BrokerError(f"{topic} cannot be published: no broker is configured; set mqtt.host")
        self._mqtt.publish(topic, payload, qos, retain)

    def _publish(self, event: Event) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        run = self._beside.run
        if (mqtt := self._mqtt) is not None:
            run("mqtt", self._frame, lambda: mqtt.publish_event(event, at, uuid4().hex))
        run("household", self._frame, lambda: self._household.take(event))
        for listener in self._listeners:
            run("listener", self._frame, lambda listener=listener: listener(event))  # type: ignore[misc]
        if (recorder := self._recorder) is not None:
            run("flight recorder", self._frame, lambda: recorder.hear(event))
        if (follows := self._reporting.take(event, at)) is not None:
            self._loop.emit(follows)

    def _carry_out(self, command: Command, frame: int) -> Fact | None:
        """A command as a fact for the dialog; None: it is under way without one. Runs in the loop."""
        match command:
            case Say():
                return AskedToSay(frame=frame, text=command.text)
            case Listen():
                return AskedToListen(frame=frame)
            case Stop():
                return AskedToStop(frame=frame)
            case Mute():
                return AskedToMute(frame=frame, on=command.on)
            case FalseWake():
                return WakeDisowned(frame=frame)
            case SaveRecord():
                if self._recorder:
                    self._recorder.save()
            case Volume():
                self._loop.set_volume(command.percent)
            case Threshold():
                return self._renewing.change_threshold(command.score, frame)
            case WakeWord():
                return self._renewing.change_words((command.word,), frame)
            case Reload():
                return self._renewing.reload(self._file, frame)
            case Restart():
                self._restart_by = frame + RESTART_WAIT_FRAMES
            case Update():
                return self._updating.ask(frame)
        return None


def build_mqtt(
    brains: Brains,
    on_command: Callable[[Command], None],
    on_refused: Callable[[str, int], None] = lambda reason, count: None,
    ears: Sequence[Ear] = (),
) -> MqttClient:
    """The client of the configured broker, not yet started. Raises ConfigError."""
    config = brains.loaded.config
    store = brains.store
    installed = (name for name in store.names(Kind.WAKE) if store.status(name) is Status.INSTALLED)
    shown = Appearance(
        topics=Topics(config.device.id),
        version=__version__,
        name=config.device.id.replace("_", " ").replace("-", " ").capitalize(),
        area=config.device.area,
        updates=bool(config.update.source),
        wake_words=tuple(dict.fromkeys((*(word.name for word in brains.words), *installed))),
    )
    return MqttClient(
        brains.loaded.mqtt,
        config.device.id,
        __version__,
        on_command=on_command,
        on_refused=on_refused,
        publish_text=config.privacy.publish_text,
        free_slots=brains.language.free_slots,
        state=brains.loaded.state,
        announcer=Announcer(config.home_assistant, shown),
        ears=ears,
    )


def handle_signals(daemon: Daemon) -> None:
    """SIGTERM and SIGINT end it, SIGHUP lets it read its configuration again."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        daemon.stop()

    def reload(_number: int, _frame: FrameType | None) -> None:
        daemon.reload()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.signal(signal.SIGHUP, reload)


def event_logger(publish_text: bool, free_slots: frozenset[str]) -> Callable[[Event], None]:
    """Writes events to the journal, without what was said unless the owner publishes texts."""

    def log(event: Event) -> None:
        shown = event if publish_text else without_text(event, free_slots=free_slots)
        if shown is not None:
            _LOGGER.info("%s", describe(shown), extra={"event": shown})

    return log
