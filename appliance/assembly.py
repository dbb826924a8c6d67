"""Puts the stages together: the only place, with the daemon and replay, that knows them all."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from appliance.acting import Acting, ActingRules
from appliance.arbitration import Arbiter
from appliance.audio.format import frames_of_ms
from appliance.audio.player import Player
from appliance.audio.ring import Ring
from appliance.audio.speakers import Speaker
from appliance.brains import Brains, load_sentences
from appliance.clock import Clock
from appliance.dialog import Dialog
from appliance.dialog_handlers import PRE_ROLL_FRAMES
from appliance.echo.canceller import AdaptiveCanceller, HalfDuplex
from appliance.home.actions import Actions
from appliance.home.effects import HomeEffects, Publish
from appliance.home.frequent import frequent_answers
from appliance.home.phrases import Phrases
from appliance.inbox import Inbox
from appliance.keeping import CLIPS_INBOX, Keeping, near_misses_folder
from appliance.listening import RECOGNITION_INBOX, Listening
from appliance.loop import FrameLoop, Publisher, Renewal, Rules, Stages
from appliance.memory import Memory, boot_id
from appliance.preparing import Preparing
from appliance.priority import share_priority
from appliance.speaking import Reference, Speaking
from appliance.speech.endpoint import Endpointer, limits_of
from appliance.trace import Tracer
from appliance.understander import Understander
from appliance.voice.answer_cache import AnswerCache
from appliance.voice.answer_folder import AnswerFolder
from appliance.voice.voice import Sentences, Voice
from appliance.wake.spotter import Spotter
from appliance.worker import InlineWorker, ThreadWorker, Worker

LEAD_FRAMES = frames_of_ms(200)
"""A live loudspeaker's queue is kept so far ahead, so that a late frame of the loop is not heard as a crackle."""

SLOWEST_RESULT_MS = 20_000
"""A turn without a result is given up so long after the longest command: text and action take 0.1 s as a rule. To this
comes the time that the owner's slowest program may take."""

ACTION_INBOX = 8
"""Actions that may wait; a person starts one in some seconds, and each is bounded in time."""

DUCKING_INBOX = 2
"""To lower other sound, and to restore it; what finds no room is asked for again with the next frame."""

LOADING_INBOX = 1
"""Other words and sentences are loaded one after the other; whoever wants more meanwhile waits outside."""

MEMORY_INBOX = 1
"""It writes the newest of what is to be remembered, so one that waits is enough."""

VOICE_INBOX = 8
"""Answers that may wait to be synthesized; all but the newest are cancelled and end at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Who does the slow work."""

    recognition: Worker
    dictation: Worker
    """Given its jobs by recognition, which ends first."""

    action: Worker
    voice: Worker
    clips: Worker
    memory: Worker
    ducking: Worker
    loading: Worker

    def start(self) -> None:
        """Start the threads; all but `loading`, whose jobs take seconds, get their share of the caller's priority."""
        for worker in self._all:
            worker.start()
            if isinstance(worker, ThreadWorker) and worker is not self.loading:
                share_priority(worker.thread)

    def close(self) -> None:
        """End the running jobs and the threads."""
        for worker in self._all:
            worker.close()

    def running(self) -> dict[str, int]:
        """For each thread that is busy, the number of its job."""
        threads = [worker for worker in self._all if isinstance(worker, ThreadWorker)]
        return {worker.name: job for worker in threads if (job := worker.running) is not None}

    @property
    def _all(self) -> tuple[Worker, ...]:
        return (
            self.recognition,
            self.dictation,
            self.action,
            self.voice,
            self.clips,
            self.memory,
            self.ducking,
            self.loading,
        )


def inline_workers(inbox: Inbox) -> Workers:
    """Everything at once in the caller's thread."""
    return Workers(
        recognition=InlineWorker("recognition", failed=inbox.failed),
        dictation=InlineWorker("dictation", failed=inbox.failed),
        action=InlineWorker("action", failed=inbox.failed),
        voice=InlineWorker("voice", failed=inbox.failed),
        clips=InlineWorker("clips", failed=inbox.failed),
        memory=InlineWorker("memory", failed=inbox.failed),
        ducking=InlineWorker("ducking", failed=inbox.failed),
        loading=InlineWorker("loading", failed=inbox.failed),
    )


def thread_workers(inbox: Inbox) -> Workers:
    """A thread for each."""
    return Workers(
        recognition=ThreadWorker("recognition", capacity=RECOGNITION_INBOX, failed=inbox.failed),
        dictation=ThreadWorker("dictation", capacity=RECOGNITION_INBOX, failed=inbox.failed),
        action=ThreadWorker("action", capacity=ACTION_INBOX, failed=inbox.failed),
        voice=ThreadWorker("voice", capacity=VOICE_INBOX, failed=inbox.failed),
        clips=ThreadWorker("clips", capacity=CLIPS_INBOX, failed=inbox.failed),
        memory=ThreadWorker("memory", capacity=MEMORY_INBOX, failed=inbox.failed),
        ducking=ThreadWorker("ducking", capacity=DUCKING_INBOX, failed=inbox.failed),
        loading=ThreadWorker("loading", capacity=LOADING_INBOX, failed=inbox.failed),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What differs between the live daemon and a replay."""

    clock: Clock
    voice: Voice
    speaker: Speaker
    workers: Workers
    publish: Publisher
    publish_mqtt: Publish
    dry_run: bool
    inbox: Inbox
    lead_frames: int = 0
    reference: Reference | None = None
    tracer: Tracer | None = None
    patient_voice: Voice | None = None
    """What nobody waits for is made with this one; None: with the other, too."""

    state: Path | None = None
    """Folder for what it remembers; None: nothing is kept."""

    arbiter: Arbiter | None = None
    """None: no other appliance is asked who heard best."""


def build_loop(brains: Brains, around: Surroundings) -> FrameLoop:
    """A frame loop with its stages as new."""
    parts = build_renewal(brains, around)
    cache, sentences = AnswerCache(), load_sentences(brains.loaded)
    speaking = Speaking(
        voice=around.voice,
        player=Player(around.speaker, lead_frames=around.lead_frames),
        worker=around.workers.voice,
        post=around.inbox.post,
        cache=cache if around.state is not None else None,
        reference=around.reference,
        tracer=around.tracer,
        sentences=sentences,
    )
    acting = Acting(
        actions=parts.actions,
        worker=around.workers.action,
        post=around.inbox.post,
        clock=around.clock,
        rules=parts.acting_rules,
        memory=Memory(around.state / "memory.json", around.workers.memory) if around.state is not None else None,
        boot=boot_id(),
    )
    stages = Stages(
        ring=parts.ring,
        spotter=parts.spotter,
        listening=parts.listening,
        speaking=speaking,
        acting=acting,
        dialog=Dialog(apology=parts.apology, follow_up_frames=parts.follow_up_frames),
        inbox=around.inbox,
        canceller=AdaptiveCanceller() if brains.loaded.config.audio.echo_cancellation else HalfDuplex(),
        keeping=parts.keeping,
        arbiter=around.arbiter,
        preparing=_preparing(parts.frequent_answers, cache, sentences, around),
    )
    return FrameLoop(stages, parts.rules, around.publish, around.tracer)


def build_renewal(brains: Brains, around: Surroundings) -> Renewal:
    """What of a loop comes from configuration and models, as new."""
    config = brains.loaded.config
    limits = limits_of(config.listening)
    ring = Ring(PRE_ROLL_FRAMES + limits.no_speech_frames + limits.longest_frames + limits.silence_frames)
    programs = [own.run.timeout_s for own in brains.home.sentences if own.run is not None]
    slowest_program_ms = max(programs, default=0) * 1000
    actions = Actions(
        brains.home,
        HomeEffects(around.publish_mqtt),
        brains.language.answer,
        Phrases.of(brains.loaded.language),
    )
    frequent = (
        () if around.state is None else frequent_answers(actions, brains.language, brains.home, config.device.area)
    )
    return Renewal(
        ring=ring,
        spotter=_spotter(brains),
        listening=Listening(
            ring=ring,
            detector=brains.detector,
            endpointer=Endpointer(limits),
            understander=cache(lambda: _understander(brains, around)),
            post=around.inbox.post,
            worker=around.workers.recognition,
            tracer=around.tracer,
        ),
        actions=actions,
        acting_rules=ActingRules(
            ring_frames=frames_of_ms(config.home.ring_s * 1000), area=config.device.area, dry_run=around.dry_run
        ),
        apology=brains.language.answer("not_understood"),
        follow_up_frames=frames_of_ms(config.listening.follow_up_ms),
        rules=Rules(
            turn_frames=ring.capacity + frames_of_ms(SLOWEST_RESULT_MS + slowest_program_ms),
            volume=config.audio.volume,
            wake_words=tuple(word.name for word in brains.words),
            heard_words=lambda: brains.hearing.get().wake_words if brains.hearing.is_there else frozenset(),
            report_near_misses=config.wake.report_near_misses,
            earcons=config.signals.earcons,
        ),
        keeping=_keeping(config.wake.keep_near_misses, ring, around),
        frequent_answers=frequent,
    )


def _understander(brains: Brains, around: Surroundings) -> Understander:
    """Waits for the recognizer, where that is still being loaded."""
    return Understander(
        brains.recognizer,
        brains.language,
        around.inbox.post,
        reader=brains.reader,
        detector=brains.detector.another(),
        risky=brains.home.is_risky,
        tracer=around.tracer,
        dictation=around.workers.dictation,
    )


def _preparing(
    answers: Sequence[str], cache: AnswerCache, sentences: Sentences, around: Surroundings
) -> Preparing | None:
    if around.state is None:
        return None
    preparing = Preparing(
        voice=around.patient_voice or around.voice,
        cache=cache,
        folder=AnswerFolder(around.state / "answers"),
        worker=around.workers.voice,
        post=around.inbox.post,
        split=sentences,
    )
    preparing.renew(answers)
    return preparing


def _keeping(limit: int, ring: Ring, around: Surroundings) -> Keeping | None:
    if not limit or around.state is None:
        return None
    return Keeping(
        ring=ring,
        folder=near_misses_folder(around.state, limit),
        worker=around.workers.clips,
        post=around.inbox.post,
        clock=around.clock,
    )


def _spotter(brains: Brains) -> Spotter:
    """Wake words as new; a threshold of the owner's serves them all but the stop word, else each has its own."""
    wake = brains.loaded.config.wake
    words = [dataclasses.replace(word, threshold=wake.threshold or word.threshold) for word in brains.words]
    near_misses = wake.report_near_misses or wake.keep_near_misses > 0
    return Spotter(words, stop_word=brains.stop_word, near_misses=near_misses)
