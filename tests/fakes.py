"""Stand-ins for models and devices, shared by the tests of the core: each does what its script says, frame by frame."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

import numpy as np

from appliance.acting import Acting, ActingRules
from appliance.arbitration import Arbiter
from appliance.assembly import Workers, inline_workers
from appliance.audio.clip_folder import ClipFolder
from appliance.audio.format import Frame, Pcm, freeze
from appliance.audio.player import Player
from appliance.audio.ring import Ring
from appliance.clock import FrameClock
from appliance.dialog import Dialog
from appliance.echo.canceller import EchoCanceller, HalfDuplex
from appliance.errors import BrokerError
from appliance.events import Event, StopDetected, WakeDetected, WakeNearMissed, event_type
from appliance.facts import Fact
from appliance.home.actions import Actions
from appliance.home.phrases import Phrases
from appliance.inbox import Inbox
from appliance.keeping import Keeping
from appliance.listening import Listening
from appliance.loop import FrameLoop, Rules, Stages
from appliance.speaking import Reference, Speaking
from appliance.speech.endpoint import Endpointer, Limits
from appliance.speech.recognizer import Hypotheses
from appliance.understander import Understander
from appliance.understanding.home_file import HomeConfig
from appliance.understanding.language import Language
from appliance.voice.voice import Cancelled, never
from appliance.worker import Failure, Job

NOON = datetime.fromisoformat("2026-01-01T12:00:00+00:00")

LIMITS = Limits(
    threshold=0.5,
    no_speech_frames=250,
    silence_frames=25,
    open_frames=25,
    wide_open_frames=25,
    closed_frames=25,
    longest_frames=400,
)
"""5 s, 500 ms and 8 s. The same silence ends every command; see test_endpoint.py for the shorter ones."""

CHUNK_FRAMES = 5
"""The recognizer is fed 100 ms at a time."""


@cache
def language() -> Language:
    """The real, built-in language of a home without devices."""
    return Language.built_in("en", HomeConfig())


def quiet(index: int) -> Frame:
    """A frame of a quiet room: one step of hiss, so that it is not a dead microphone."""
    return Frame(index, HISS)


HISS = freeze(np.resize(np.array([3, -3], np.int16), 320))


def loud(index: int, level: int = 8000) -> Frame:
    """A frame of sound, the same in every frame."""
    return Frame(index, freeze(np.resize(np.array([level, -level], np.int16), 320)))


def numbered(index: int) -> Frame:
    """A frame whose samples are its index, so that one sees where it went."""
    return Frame(index, freeze(np.full(320, index, np.int16)))


class ScriptedSpotter:
    """Hears the wake word in the given frames; fails while `error` is set."""

    def __init__(self, *frames: int, near_misses: Sequence[int] = (), stops: Sequence[int] = ()) -> None:
        self.frames = set(frames)
        self.near_misses = set(near_misses)
        self.stops = set(stops)
        """Frames in which it hears the stop word, where that counts."""
        self.played: dict[int, Pcm | None] = {}
        """What it was given as the own voice, by frame; its keys are the frames that it saw."""
        self.error: Exception | None = None
        self.heard: dict[int, Frame] = {}
        self.silent: dict[int, bool] = {}
        """Which frames were digital silence."""
        self.own_for_frames = 0
        self.nobody = False
        self.resets = 0
        self.closed = False

    def process(
        self,
        frame: Frame,
        played: Pcm | None = None,
        *,
        stoppable: bool = False,
        own_for_frames: int = 0,
        nobody: bool = False,
    ) -> list[WakeDetected | StopDetected | WakeNearMissed]:
        self.played[frame.index] = played
        self.heard[frame.index] = frame
        self.own_for_frames, self.nobody = own_for_frames, nobody
        self.silent[frame.index] = not np.any(frame.pcm)
        if self.error:
            raise self.error
        if frame.index in self.near_misses:
            return [WakeNearMissed(frame=frame.index, word="alexa", engine="int8", score=0.5)]
        if frame.index in self.frames:
            return [WakeDetected(frame=frame.index, word="alexa", engine="int8", score=0.95)]
        if frame.index in self.stops and stoppable:
            return [StopDetected(frame=frame.index, word="stop", score=0.95)]
        return []

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        self.closed = True


class ScriptedDetector:
    """Speech in the given ranges of frames (probability 0.9, else 0.01); fails while `error` is set."""

    def __init__(self, *speech: range) -> None:
        self.speech = speech
        self.seen: list[int] = []
        """Frames since the latest reset."""
        self.error: Exception | None = None

    def process(self, frame: Frame) -> float:
        self.seen.append(frame.index)
        if self.error:
            raise self.error
        return 0.9 if any(frame.index in frames for frames in self.speech) else 0.01

    def reset(self) -> None:
        self.seen = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the recognizer makes of one utterance."""

    texts: tuple[str, ...] = ()
    wake_heard: bool = True
    partials: Mapping[int, str] = field(default_factory=dict)
    """Number of chunks accepted so far -> what is understood by then."""

    dictated: str = ""
    said: tuple[tuple[float, float], ...] = ()
    """Of each text, from when to when, in seconds; empty: all the time."""

    beyond_filler: float = 2.0
    """For each letter: how much likelier a text is than just any talk."""

    error: Exception | None = None
    """Raised when the utterance ends."""


class ScriptedRecognizer:
    """Hears the utterances of its script one after the other; then nothing."""

    def __init__(self, *script: Heard) -> None:
        self._script = deque(script)
        self._now = Heard()
        self.fed: list[Pcm] = []
        """Of the current utterance."""
        self.log: list[str] = []

    def begin(self, *, after_wake: bool) -> None:
        if not self.log or self.fed:
            self._now = self._script.popleft() if self._script else Heard()
        self.fed = []
        self.log.append(f"begin {'after wake' if after_wake else 'alone'}")

    def accept(self, pcm: Pcm) -> str:
        self.fed.append(pcm)
        known = [count for count in self._now.partials if count <= len(self.fed)]
        return self._now.partials[max(known)] if known else ""

    def finish(self) -> Hypotheses:
        self.log.append(f"finish {sum(pcm.size for pcm in self.fed)}")
        if self._now.error:
            raise self._now.error
        words = tuple((span,) for span in self._now.said or [(0.0, 1000.0)] * len(self._now.texts))
        filler = -self._now.beyond_filler * len(self._now.texts[0].replace(" ", "")) if self._now.texts else 0.0
        return Hypotheses(self._now.texts, (0.0,) * len(self._now.texts), self._now.wake_heard, words, filler)

    def dictation(self) -> "ScriptedSpeech":
        return ScriptedSpeech(self)

    def dictated(self, samples: int) -> str:
        """Of the current utterance."""
        self.log.append(f"dictate {samples}")
        return self._now.dictated


class ScriptedSpeech:
    """Hears what the recognizer's script says when the utterance is over."""

    def __init__(self, recognizer: ScriptedRecognizer) -> None:
        self._recognizer = recognizer
        self._samples = 0

    def accept(self, pcm: Pcm) -> None:
        self._samples += pcm.size

    def finish(self) -> str:
        return self._recognizer.dictated(self._samples)


class ToneVoice:
    """Says each sentence as `frames` frames of a constant that counts the sentences from 1; raises what it is told."""

    rate_hz = 16_000
    identity: str | None = "tone"

    def __init__(self, frames: int = 3) -> None:
        self.frames = frames
        self.said: list[str] = []
        self.errors: dict[str, Exception] = {}
        """Sentence -> what saying it raises."""

    def start(self) -> None:
        pass

    def stream(self, sentence: str, cancelled: Cancelled = never) -> Iterator[Pcm]:
        if not cancelled():
            yield self.synthesize(sentence)

    def synthesize(self, sentence: str) -> Pcm:
        self.said.append(sentence)
        if sentence in self.errors:
            raise self.errors[sentence]
        return np.full(320 * self.frames, len(self.said), np.int16)

    def close(self) -> None:
        pass


class RecordingSpeaker:
    """Remembers what is played; 'open 16000' and 'abort' stand in the log beside the constants of the chunks."""

    def __init__(self) -> None:
        self.log: list[str | int] = []

    @property
    def heard(self) -> list[int]:
        return [entry for entry in self.log if isinstance(entry, int)]

    def open(self, rate_hz: int) -> None:
        self.log.append(f"open {rate_hz}")

    def write(self, pcm: Pcm) -> None:
        self.log.append(int(pcm[0]))

    def abort(self) -> None:
        self.log.append("abort")

    def close(self) -> None:
        pass


class Effects:
    """The way out into the world; nobody is there."""

    def publish(self, topic: str, payload: str, qos: int, retain: bool) -> None:
        raise BrokerError(f"{topic}: nobody is there")

    def run_program(self, command: Sequence[str], timeout_s: float) -> str:
        raise BrokerError("no programs here")


class HeldWorker:
    """Keeps jobs until it is told to do them, as a thread that is busy; takes `room` at most."""

    def __init__(self, name: str = "held") -> None:
        self.jobs: deque[Job] = deque()
        self.room = 1000
        self.failed: Failure | None = None
        """Gets what a job raises; None: it is raised here."""
        self._name = name

    def start(self) -> None:
        pass

    @property
    def waiting(self) -> int:
        return len(self.jobs)

    def submit(self, job: Job) -> bool:
        if len(self.jobs) >= self.room:
            return False
        self.jobs.append(job)
        return True

    def work(self, count: int = 1000) -> None:
        """Do the oldest jobs."""
        for _ in range(min(count, len(self.jobs))):
            try:
                self.jobs.popleft()()
            except Exception as error:
                if self.failed is None:
                    raise
                self.failed(self._name, error)

    def close(self) -> None:
        pass


def received(inbox: Inbox, frame: int) -> list[Fact]:
    """Take everything out of an inbox, as the loop does in that frame; the facts among it."""
    facts = []
    while (result := inbox.take()) is not None:
        fact = result(frame)
        if fact is not None:
            facts.append(fact)
    return facts


TURN_FRAMES = 1000
"""A turn without a result is given up after 20 s."""


class Bench:
    """A frame loop of fakes around the real dialog, endpointing, language, actions and player."""

    def __init__(
        self,
        *,
        spotter: ScriptedSpotter | None = None,
        speech: Sequence[range] = (),
        heard: Sequence[Heard] = (),
        voice: ToneVoice | None = None,
        reference: Reference | None = None,
        dry_run: bool = False,
        actions: Actions | None = None,
        workers: Callable[[Inbox], Workers] = inline_workers,
        events: list[Event] | None = None,
        heard_words: frozenset[str] = frozenset({"alexa"}),
        keep: ClipFolder | None = None,
        report_near_misses: bool = True,
        canceller: EchoCanceller | None = None,
        arbiter: Arbiter | None = None,
        earcons: bool = False,
    ) -> None:
        self.events: list[Event] = [] if events is None else events
        self.inbox = Inbox()
        self.spotter = spotter or ScriptedSpotter()
        self.detector = ScriptedDetector(*speech)
        self.recognizer = ScriptedRecognizer(*heard)
        self.voice = voice or ToneVoice()
        self.speaker = RecordingSpeaker()
        self.workers = workers(self.inbox)
        self.dialog = Dialog(apology=language().answer("not_understood"))
        self.next = 0
        ring = Ring()
        listening = Listening(
            ring=ring,
            detector=self.detector,
            endpointer=Endpointer(LIMITS),
            understander=cache(lambda: Understander(self.recognizer, language(), self.inbox.post)),
            post=self.inbox.post,
            worker=self.workers.recognition,
            tracer=None,
            chunk_frames=CHUNK_FRAMES,
        )
        speaking = Speaking(
            voice=self.voice,
            player=Player(self.speaker, lead_frames=0),
            worker=self.workers.voice,
            post=self.inbox.post,
            reference=reference,
        )
        acting = Acting(
            actions=actions or Actions(HomeConfig(), Effects(), language().answer, Phrases.of("en")),
            worker=self.workers.action,
            post=self.inbox.post,
            clock=FrameClock(NOON),
            rules=ActingRules(ring_frames=100, area="", dry_run=dry_run),
        )
        stages = Stages(
            ring=ring,
            spotter=self.spotter,  # type: ignore[arg-type]  # it stands in for the class
            listening=listening,
            speaking=speaking,
            acting=acting,
            dialog=self.dialog,
            inbox=self.inbox,
            canceller=canceller or HalfDuplex(),
            keeping=None if keep is None else self._keeping(ring, keep),
            arbiter=arbiter,
        )
        rules = Rules(
            turn_frames=TURN_FRAMES,
            volume=100,
            wake_words=("alexa",),
            heard_words=lambda: heard_words,
            report_near_misses=report_near_misses,
            earcons=earcons,
        )
        self.loop = FrameLoop(stages, rules, self.events.append)

    def _keeping(self, ring: Ring, folder: ClipFolder) -> Keeping:
        worker, clock = self.workers.clips, FrameClock(NOON)
        return Keeping(ring=ring, folder=folder, worker=worker, post=self.inbox.post, clock=clock)

    def run(self, until: int, frame: Callable[[int], Frame] = quiet, *, from_device: bool = True) -> "Bench":
        """Feed frames up to, but without, this index."""
        for index in range(self.next, until):
            self.loop.process(frame(index), from_device=from_device)
        self.next = max(self.next, until)
        return self

    def ask(self, fact: Callable[[int], Fact | None]) -> None:
        """A command from outside; it is seen in the next frame."""
        self.inbox.post(fact)

    def told(self, *leave_out: str) -> list[tuple[int, str]]:
        """(frame, type) of each event."""
        return [(event.frame, event_type(event)) for event in self.events if event_type(event) not in leave_out]

    def of(self, kind: type[Event]) -> list[Event]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]
