"""The frame loop: what happens to each frame, in the order in which it happens.

One thread owns everything here: ring, wake engines, speech detector, dialog, timers and playback. Slow work runs on
workers that post into one inbox, which is emptied once for each frame. The live daemon and a replay are this loop with
another source and other workers.
"""

import dataclasses
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from appliance import __version__
from appliance.acting import Acting, ActingRules
from appliance.arbitration import Arbiter
from appliance.audio.format import SILENT_DBFS, Frame, Pcm, frames_of_ms, level_dbfs, silent_pcm
from appliance.audio.health import AudioHealth
from appliance.audio.noise_floor import RoomNoise, speech_level_dbfs
from appliance.audio.ring import Ring as FrameRing
from appliance.dialog import Dialog
from appliance.dialog_handlers import PRE_ROLL_FRAMES
from appliance.earcons import earcon_of
from appliance.echo.canceller import EchoCanceller
from appliance.events import (
    AudioProblem,
    Event,
    Failed,
    LoadShed,
    MicrophoneLost,
    MicrophoneRestored,
    Started,
    State,
    StopDetected,
    WakeNearMissed,
)
from appliance.facts import (
    Act,
    Fact,
    Hush,
    Listen,
    Order,
    PartlyHeard,
    Prepare,
    Recognize,
    Ring,
    Say,
    StopHeard,
    StopListening,
    TurnTimedOut,
    Woken,
)
from appliance.home.actions import Actions, SetVolume
from appliance.inbox import Inbox, one_line
from appliance.keeping import Keeping
from appliance.listening import Listening, word_end
from appliance.preparing import Preparing
from appliance.speaking import Speaking
from appliance.status import Waiting
from appliance.trace import Tracer
from appliance.wake.spotter import Detected, Spotter

LEVELS_KEPT = PRE_ROLL_FRAMES
PAUSE_AFTER_FAILURE_FRAMES = frames_of_ms(1000)
"""A stage that failed is left alone for a second, so that a lasting fault is told once a second and not 50 times."""

RESTED_FRAMES = frames_of_ms(1000)
"""So long after the start, or a turn, the next turn is prepared."""

Publisher = Callable[[Event], None]
"""Gets every event, in order, in the loop's thread; must not block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """What the loop is made of."""

    ring: FrameRing
    spotter: Spotter
    listening: Listening
    speaking: Speaking
    acting: Acting
    dialog: Dialog
    inbox: Inbox
    canceller: EchoCanceller
    keeping: Keeping | None = None
    """None: no sound is kept."""

    preparing: Preparing | None = None
    """None: no answer is made beforehand."""

    arbiter: Arbiter | None = None
    """None: it answers whoever calls, whatever other appliances hear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Settings of the loop itself."""

    turn_frames: int
    """How long a turn may listen and think before it is given up."""

    volume: int
    wake_words: tuple[str, ...]

    heard_words: Callable[[], frozenset[str]]
    """Wake words that the recognizer is known to know: it can be fed from before them, and cut them off."""

    report_near_misses: bool

    earcons: bool = False
    """Short sounds tell what it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """What of a loop comes from configuration and models; it can be exchanged while the loop rests."""

    ring: FrameRing
    spotter: Spotter
    listening: Listening
    actions: Actions
    acting_rules: ActingRules
    apology: str
    follow_up_frames: int
    rules: Rules
    keeping: Keeping | None = None
    frequent_answers: tuple[str, ...] = ()
    """To be made beforehand."""


class FrameLoop:
    """Feed frames to `process`; events go to the publisher."""

    def __init__(self, stages: Stages, rules: Rules, publish: Publisher, tracer: Tracer | None = None) -> None:
        self._s = stages
        self._spotter = stages.spotter
        self._rules = rules
        self._publish = publish
        self._tracer = tracer
        self._health = AudioHealth()
        self._room = RoomNoise()
        self._volume = rules.volume
        self._levels: deque[float] = deque(maxlen=LEVELS_KEPT)
        self._newest: int | None = None
        self._command_from = 0
        self._word_is_heard = True
        self._paused: dict[str, int] = {}
        self._failed: dict[str, tuple[str, int]] = {}
        """Stage -> what it failed by, and when that was told."""
        self._shed_since: int | None = None
        self._slow_since: int | None = None
        self._started = False
        self._microphone_lost = False
        self._reference: Pcm | None = None
        self._busy_since = 0
        self._busy_turn = 0
        self._rests_from = 0
        self._unready = True
        """The next turn was not prepared yet."""
        self._unpublished: Exception | None = None
        stages.speaking.set_volume(rules.volume)

    @property
    def state(self) -> State:
        """What the dialog is doing."""
        return self._s.dialog.state

    @property
    def volume(self) -> int:
        """Percent."""
        return self._volume

    @property
    def muted(self) -> bool:
        """The microphone is to be off."""
        return self._s.dialog.muted

    @property
    def played(self) -> Pcm | None:
        """What the loudspeaker plays in the newest frame, int16 (320,) at 16 kHz; None: nothing."""
        return self._reference

    @property
    def scores(self) -> tuple[float | None, ...]:
        """What the wake words scored in the newest frame."""
        return self._spotter.scores

    @property
    def timers(self) -> int:
        """How many run."""
        return self._s.acting.timers

    def waiting(self) -> Waiting:
        """What will ring."""
        return self._s.acting.waiting()

    @property
    def rests(self) -> bool:
        """Nothing goes on, and no answer is awaited."""
        return self._s.dialog.rests

    def process(self, frame: Frame, *, from_device: bool = True) -> None:
        """Take one frame through all stages. `from_device` is False for silence that only keeps the time.

        Raises only what the publisher raised, after the whole frame.
        """
        index = frame.index
        if not self._started:
            self._started = True
            self.emit(Started(frame=index, version=__version__, wake_words=self._rules.wake_words))
        if not self.rests:
            self._rests_from, self._unready = index + 1, True
        elif self._unready and index >= self._rests_from + RESTED_FRAMES:
            self._unready = False
            self._attempt("listening", index, self._s.listening.get_ready)
        hears = from_device and not self._microphone_lost and not self.muted
        if hears:
            self._guard("audio health", index, lambda: self._tell(self._health.update(frame)))
        self._reference, played = None, []
        self._guard("speaker", index, lambda: played.extend(self._advance(index)))
        heard = Frame(index, silent_pcm()) if self._s.dialog.muted else frame
        if hears:
            cleaned = [heard]
            self._guard("echo", index, lambda: cleaned.append(self._without_echo(heard)))
            heard = cleaned[-1]
        self._s.ring.append(heard)
        lost = 0 if self._newest is None else index - self._newest - 1
        self._levels.extend([SILENT_DBFS] * min(lost, LEVELS_KEPT))
        level = level_dbfs(heard.pcm)
        self._levels.append(level)
        self._newest = index
        self._take(played, index)
        if hears and self._reference is None:
            self._guard("noise floor", index, lambda: self._tell(self._room.update(index, level)))
        self._guard("wake", index, lambda: self._take(self._spot(heard, self._reference), index))
        if self._s.dialog.listens:
            self._guard("listening", index, lambda: self._take(self._s.listening.process(heard), index))
        self._attempt("timers", index, lambda: self._take(self._s.acting.due(index), index))
        self._take(self._overdue(index), index)
        if (keeping := self._s.keeping) is not None:
            self._attempt("near misses", index, lambda: keeping.step(index))
        if (preparing := self._s.preparing) is not None:
            self._attempt("preparing", index, lambda: preparing.step(index, rests=self.rests))
        while (result := self._s.inbox.take()) is not None:
            self._attempt("dialog", index, lambda result=result: self._receive(result(index)))  # type: ignore[misc]
        if (arbiter := self._s.arbiter) is not None:
            self._attempt("arbitration", index, lambda: self._take(arbiter.step(index), index))
        self._tell_shed(index)
        if self._unpublished is not None:
            raise self._unpublished

    def emit(self, event: Event) -> None:
        """Publish an event of a stage or of the source, stamped with the current session unless it has its own."""
        if isinstance(event, MicrophoneLost | MicrophoneRestored):
            self._microphone_lost = isinstance(event, MicrophoneLost)
        self._send(event if event.session is not None else self._s.dialog.in_session(event))

    def close(self) -> None:
        """Free the wake models, and put on disk what is to be remembered."""
        self._spotter.close()
        self._s.acting.close()

    @property
    def noise_floor_dbfs(self) -> float | None:
        """Of the room; None while it is not known."""
        return self._room.floor_dbfs

    @property
    def too_loud(self) -> bool:
        """A command can hardly be told from the noise of the room."""
        return self._room.too_loud

    def renew(self, renewal: Renewal) -> None:
        """Go on with other words, sentences or limits from the next frame on; to be called while it rests.

        Session, timers, volume and the newest seconds of sound are kept.
        """
        for frame in self._s.ring.frames(self._s.ring.oldest, self._s.ring.newest):
            renewal.ring.append(frame)
        self._spotter.close()
        self._spotter, self._rules = renewal.spotter, renewal.rules
        self._s.acting.renew(renewal.actions, renewal.acting_rules)
        self._s.dialog.renew(apology=renewal.apology, follow_up_frames=renewal.follow_up_frames)
        self._s = dataclasses.replace(
            self._s,
            ring=renewal.ring,
            spotter=renewal.spotter,
            listening=renewal.listening,
            keeping=renewal.keeping,
        )
        if self._s.preparing is not None:
            self._s.preparing.renew(renewal.frequent_answers)

    def set_volume(self, percent: int) -> None:
        """Make answers and rings so loud, 0..100 percent."""
        self._volume = percent
        self._s.speaking.set_volume(percent)

    # The way of a frame.

    def _take(self, facts: Sequence[Fact], index: int) -> None:
        for fact in facts:
            self._attempt("dialog", index, lambda fact=fact: self._step(fact))  # type: ignore[misc]

    def _advance(self, index: int) -> list[Fact]:
        """Play 20 ms. The facts are to be taken once the frame is in the ring."""
        now = self._s.speaking.advance(index)
        self._reference = now.reference
        if self._tracer and now.reference is not None:
            self._tracer.hand_off("player", "speaker", index, now.reference)
        return now.facts

    def _without_echo(self, frame: Frame) -> Frame:
        """What the microphone hears but for our own sound."""
        cancelled = self._s.canceller.process(frame, self._reference)
        for event in cancelled.told:
            self.emit(event)
        if self._tracer and cancelled.frame is not frame:
            self._tracer.hand_off("canceller", "ring", frame.index, cancelled.frame.pcm)
        return cancelled.frame

    def _tell(self, problems: Sequence[AudioProblem]) -> None:
        for problem in problems:
            self.emit(problem)

    def _spot(self, frame: Frame, played: Pcm | None) -> list[Fact]:
        if self._tracer:
            self._tracer.hand_off("source", "wake", frame.index, frame.pcm)
        facts: list[Fact] = []
        canceller = self._s.canceller
        for heard in self._spotter.process(
            frame,
            played,
            stoppable=self._s.dialog.sounds,
            own_for_frames=canceller.own_word_frames,
            nobody=canceller.hears_nobody,
        ):
            if self._tracer:
                self._tracer.hand_off("wake", "dialog", frame.index, round(heard.score, 4))
            if isinstance(heard, WakeNearMissed):
                self._near_missed(heard)
            else:
                facts.append(self._heard(heard, frame.index))
        return facts

    def _near_missed(self, event: WakeNearMissed) -> None:
        """Spotted because it is to be told, or kept."""
        if self._rules.report_near_misses:
            self.emit(event)
        elif self._s.keeping is not None:
            self._s.keeping.take(event)

    def _heard(self, heard: Detected, index: int) -> Fact:
        score = round(heard.score, 4)
        if isinstance(heard, StopDetected):
            return StopHeard(frame=index, word=heard.word, score=score)
        end = word_end(list(self._levels), index)
        return Woken(frame=index, word=heard.word, engine=heard.engine, score=score, word_end=end)

    def _overdue(self, index: int) -> list[Fact]:
        """Nothing may hang: a turn that listens and thinks for too long is given up."""
        if self._busy_turn != self._s.dialog.turn:
            self._busy_turn, self._busy_since = self._s.dialog.turn, index
        busy = self._s.dialog.listens or self.state is State.THINKING
        return [TurnTimedOut(frame=index)] if busy and index - self._busy_since >= self._rules.turn_frames else []

    def _receive(self, fact: Fact | None) -> None:
        """Take a worker's result or a command; None: it did what it came for."""
        if isinstance(fact, PartlyHeard):
            self._take(self._s.listening.heard(fact), fact.frame)
        elif fact is not None:
            self._step(fact)

    def _step(self, fact: Fact) -> None:
        if isinstance(fact, Woken) and self.state is not State.LISTENING:
            if self._reference is None:  # else the newest levels of the room are older than the word
                self._room.heard()
            self._command_from = fact.word_end + 1
            self._word_is_heard = fact.word in self._rules.heard_words()
            self._attempt("arbitration", fact.frame, lambda: self._contend(fact))
        for result in self._s.dialog.step(fact):
            if isinstance(result, Event):
                self._send(result)
            else:
                self._carry_out(result, fact.frame)

    def _contend(self, fact: Woken) -> None:
        """Let the other appliances know how well the word was heard; the turn begins meanwhile."""
        if self._s.arbiter is None or self.muted:
            return
        floor = self.noise_floor_dbfs
        snr_db = speech_level_dbfs(self._levels) - (min(self._levels) if floor is None else floor)
        turn = self._s.dialog.turn + 1
        self._s.arbiter.woken(fact.word, snr_db, fact.frame, engaged=not self.rests, turn=turn)

    def _send(self, event: Event) -> None:
        """Publish; a publisher that fails must not keep the orders that follow from being carried out."""
        if isinstance(event, Failed) and self._was_told(event):
            return
        if self._s.keeping is not None:
            self._s.keeping.take(event)
        if self._rules.earcons and (earcon := earcon_of(event)) is not None:
            self._s.speaking.blip(earcon)
        try:
            self._publish(event)
        except Exception as error:  # raised at the end of the frame
            self._unpublished = error

    def _was_told(self, failed: Failed) -> bool:
        """The same went wrong within the last second: each chunk of an utterance may fail in the same way."""
        error, frame = self._failed.get(failed.stage, ("", 0))
        if error == failed.error and failed.frame < frame + PAUSE_AFTER_FAILURE_FRAMES:
            return True
        self._failed[failed.stage] = failed.error, failed.frame
        return False

    # Orders.

    def _carry_out(self, order: Order, frame: int) -> None:
        match order:
            case Listen():
                if not order.after_wake:
                    self._command_from = order.at_frame
                elif not self._word_is_heard:
                    first = min(self._command_from, order.at_frame)
                    order = dataclasses.replace(order, from_frame=first, after_wake=False)
                self._s.listening.begin(order, command_from=self._command_from, background_from=self._rests_from)
            case Prepare(act):
                self._s.acting.prepare(act, frame, volume=self._volume, ready=self._s.speaking.prepare)
            case Recognize():
                self._s.listening.finish(frame)
            case StopListening():
                self._s.listening.cancel()
            case Act():
                self._s.acting.act(order, frame, volume=self._volume, changed=self._changed)
            case Say(text):
                self._s.speaking.say(text)
            case Ring():
                self._s.speaking.ring()
            case Hush():
                self._s.speaking.hush()

    def _changed(self, change: Event | SetVolume) -> None:
        """An action set a timer, or the volume."""
        if isinstance(change, SetVolume):
            self.set_volume(change.percent)
        else:
            self.emit(change)

    # Faults.

    def _guard(self, stage: str, frame: int, work: Callable[[], object]) -> None:
        """Run a stage; what it raises becomes one `failed` event, and the stage rests for a second."""
        if self._paused.get(stage, 0) <= frame and not self._attempt(stage, frame, work):
            self._paused[stage] = frame + PAUSE_AFTER_FAILURE_FRAMES
            if stage == "wake":
                self._attempt("wake", frame, self._spotter.reset)

    def _attempt(self, stage: str, frame: int, work: Callable[[], object]) -> bool:
        """Do something; an exception becomes a `failed` event and the loop goes on."""
        try:
            work()
        except Exception as error:  # the loop is one of the two places that catch everything (see worker.py)
            self.emit(Failed(frame=frame, stage=stage, error=one_line(error)))
            return False
        return True

    def _tell_shed(self, index: int) -> None:
        since = self._s.listening.shed_since
        if since is not None and since != self._shed_since:
            self._shed_since = since
            self.emit(LoadShed(frame=index, what="recognition", since=since))
        slow_since = self._s.listening.slow_since
        if slow_since is not None and slow_since != self._slow_since:
            self.emit(LoadShed(frame=index, what="partial results, answers made ahead", since=slow_since))
        self._slow_since = slow_since
