"""One utterance, from the wake word to its intent: the loop's side of detector, endpointing, recognizer and language.

The loop's thread looks at each frame (detector, endpointing: 0.1 ms); the recognizer and the language work on a worker
that gets the audio in chunks, beginning before the wake word, and posts what it heard.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from appliance.audio.format import FRAME_SAMPLES, SILENT_DBFS, Frame, frames_of_ms, level_dbfs
from appliance.audio.ring import Ring
from appliance.dialog_handlers import PRE_ROLL_FRAMES
from appliance.facts import CommandBegan, CommandEnded, Fact, Foreseen, Listen, PartlyHeard, StageFailed, Understood
from appliance.inbox import Post
from appliance.intent import Completion, Intent
from appliance.speech.detector import SpeechDetector
from appliance.speech.endpoint import BACKGROUND_FRAMES, Began, Ended, Endpointer, background_dbfs, person_dbfs
from appliance.trace import Tracer
from appliance.understander import Understander
from appliance.worker import Worker, ahead

CHUNK_FRAMES = frames_of_ms(40)
"""The recognizer is fed 40 ms at a time, for the end of a command hangs on what it understood: a fifth more processor
time than with 100 ms."""

LONG_CHUNK_FRAMES = frames_of_ms(200)
"""Where the processor is short, the recognizer gets so much at a time, which saves it a third of its time, most of it
partial results."""

BEHIND_JOBS = 4
"""So many chunks that wait show that the recognizer does not keep up: 160 ms."""

CATCHING_UP_FRAMES = frames_of_ms(1000)
"""While a command is heard anew, chunks wait, which does not show that the recognizer is too slow."""

RECOGNITION_INBOX = 256
"""Jobs that may wait for the recognizer: the longest command (8 s) with its pre-roll, and room to spare."""

WARM_UP_FRAMES = frames_of_ms(500)
"""The speech detector is recurrent: it hears the half second up to the wake word's detection first."""


@dataclass(slots=True, kw_only=True)
class _Utterance:
    turn: int
    at_frame: int
    fed_to: int
    """Index after the last frame that the recognizer was given."""

    whole: bool = True
    """The recognizer's inbox had room for all of it."""

    background_dbfs: float = SILENT_DBFS
    """What is louder is the person."""

    text: str = ""
    intent: Intent | None = None
    """What was understood so far, and what it means when nothing more is said."""

    foreseen: Intent | None = None
    """What was prepared."""

    concluding: bool = False
    """The recognizer was told to end with what was fed, for no more may follow."""

    concluded: Understood | None = None
    """What it was then."""


class Listening:
    """Owned by the frame loop. `process` is called for each frame while the dialog listens."""

    def __init__(
        self,
        *,
        ring: Ring,
        detector: SpeechDetector,
        endpointer: Endpointer,
        understander: Callable[[], Understander],
        post: Post,
        worker: Worker,
        tracer: Tracer | None,
        chunk_frames: int = CHUNK_FRAMES,
    ) -> None:
        """`understander`: called on the worker alone, and may take long at first. `post`: takes what cannot be done.

        `chunk_frames`: so much the recognizer is fed at a time.
        """
        self._chunk_frames = chunk_frames
        self._ring = ring
        self._detector = detector
        self._endpointer = endpointer
        self._understander = understander
        self._post = post
        self._worker = worker
        self._tracer = tracer
        self._utterance: _Utterance | None = None
        self._person_dbfs = SILENT_DBFS
        """What the person of the newest wake word reaches when he goes on."""

        self._patient_to = 0
        """Until this frame the recognizer may be behind."""

        self.shed_since: int | None = None
        """First frame of the newest utterance that the recognizer could not take whole: its inbox was full."""

        self.slow_since: int | None = None
        """Since this frame the recognizer is fed longer chunks, for it does not keep up; None: it does."""

    def begin(self, order: Listen, *, command_from: int, background_from: int = 0) -> None:
        """Start an utterance; the recognizer gets the ring from `from_frame` on.

        Args:
            order: of the dialog.
            command_from: first frame after the wake word.
            background_from: what was heard before this frame is no background, but an earlier turn.
        """
        first = max(order.from_frame, self._ring.oldest)
        utterance = _Utterance(
            turn=order.turn,
            at_frame=order.at_frame,
            fed_to=first,
        )
        self._utterance = utterance
        self._detector.reset()
        for frame in self._ring.frames(order.at_frame - WARM_UP_FRAMES + 1, order.at_frame):
            self._detector.process(frame)
        self._endpointer.begin(order.at_frame, order.patience_frames, loud_only=order.goes_on)
        utterance.background_dbfs = (
            self._person_dbfs if order.goes_on else self._measure(order.at_frame, background_from)
        )
        work, after_wake, last, called = self._understander, order.after_wake, order.last, order.called
        before = max(0, command_from - first) * FRAME_SAMPLES

        def job() -> None:
            work().begin(after_wake, last, called=called, before=before)
            work().prepare()

        utterance.whole = self._worker.submit(job)

    def get_ready(self) -> None:
        """Nothing goes on: have ready what the next utterance needs."""
        self._worker.submit(ahead(lambda: self._understander().prepare()))

    def _measure(self, at_frame: int, background_from: int) -> float:
        """How loud is the background, and the person who said the wake word?"""
        word_from = at_frame - PRE_ROLL_FRAMES + 1
        word = self._levels(word_from, at_frame)
        before = self._levels(max(background_from, word_from - BACKGROUND_FRAMES), word_from - 1)
        background = background_dbfs(before, word)
        self._person_dbfs = person_dbfs(background, word)
        return background

    def process(self, frame: Frame) -> list[Fact]:
        """Look at the next frame; returns that the command began or ended."""
        utterance = self._utterance
        if utterance is None or frame.index <= utterance.at_frame:
            return []
        probability = self._detector.process(frame)
        if self._tracer:
            self._tracer.hand_off("detector", "endpointing", frame.index, round(probability, 4))
        self._ease(frame.index)
        loud = level_dbfs(frame.pcm) >= utterance.background_dbfs
        result = self._endpointer.update(frame.index, probability, loud=loud)
        if not isinstance(result, Ended):
            self._hand_on(utterance, frame.index)
        if result is None:
            return self._foresee(utterance, frame.index)
        if isinstance(result, Began):
            return [CommandBegan(frame=frame.index)]
        return [CommandEnded(frame=frame.index, reason=result.reason, last_speech=result.last_speech)]

    def heard(self, fact: PartlyHeard) -> list[Fact]:
        """The recognizer has words: a command has begun, whatever the speech detector thinks of it.

        Returns that it began, where it had not yet, and the words themselves where they are new.
        """
        utterance = self._utterance
        if utterance is None or fact.turn != utterance.turn:
            return []
        began = self._endpointer.hear_words(fact.frame, fact.completion, fact.heard_to)
        facts: list[Fact] = [CommandBegan(frame=fact.frame)] if began else []
        if fact.text != utterance.text:
            utterance.text, utterance.intent = fact.text, fact.intent
            facts.append(fact)
        return facts

    def finish(self, frame: int) -> None:
        """The utterance is complete."""
        utterance, self._utterance = self._utterance, None
        if utterance is None:
            return
        understood = utterance.concluded
        if understood is not None:
            self._post(lambda now: replace(understood, frame=now))
            self._worker.submit(lambda: self._understander().begin(True))
            return
        if not utterance.concluding:
            self._feed(utterance, frame)
        if not (utterance.whole and self._worker.submit(lambda: self._understander().finish(utterance.turn))):
            self._give_up()

    def cancel(self) -> None:
        """Drop the utterance."""
        self._utterance = None
        self._worker.submit(lambda: self._understander().begin(True))

    def _give_up(self) -> None:
        """The worker cannot take an utterance: nobody shall wait for its text."""
        error = "the recognizer is too busy to take an utterance; use a faster machine or end other programs"
        self._post(lambda frame: StageFailed(frame=frame, stage="recognition", error=error))

    def _ease(self, index: int) -> None:
        """Longer chunks while the recognizer does not keep up, the usual ones when nothing waits any more."""
        waiting = self._worker.waiting
        if self.slow_since is None and waiting >= BEHIND_JOBS and index >= self._patient_to:
            self.slow_since = index
        elif not waiting:
            self.slow_since = None

    def _foresee(self, utterance: _Utterance, index: int) -> list[Fact]:
        """The person may be done: get ready for what was said so far. Once for each meaning."""
        if self.slow_since is not None or not self._endpointer.pauses:
            return []
        intent = utterance.intent
        if intent is None or intent == utterance.foreseen:
            return []
        utterance.foreseen = intent
        return [Foreseen(frame=index, turn=utterance.turn, intent=intent)]

    def _levels(self, first: int, last: int) -> list[float]:
        return [level_dbfs(frame.pcm) for frame in self._ring.frames(first, last)]

    def _hand_on(self, utterance: _Utterance, index: int) -> None:
        """Let the recognizer hear what is new, when it is enough; where a silence may be the end, let it end."""
        if self._endpointer.nears_end(index) and (utterance.concluding or self.slow_since is None):
            if not utterance.concluding:
                utterance.concluding = True
                self._feed(utterance, index)
                self._conclude(utterance, index)
            return
        if utterance.concluding:
            utterance.concluding, utterance.concluded = False, None
            self._patient_to = index + CATCHING_UP_FRAMES
        chunk_frames = self._chunk_frames if self.slow_since is None else LONG_CHUNK_FRAMES
        if index + 1 - utterance.fed_to >= chunk_frames:
            self._feed(utterance, index)

    def _conclude(self, utterance: _Utterance, last: int) -> None:
        """Find out what was said up to this frame, should no more follow."""

        def job() -> None:
            understood, completion = self._understander().conclude(utterance.turn)
            self._post(lambda frame: take(understood, completion, frame))

        def take(understood: Understood, completion: Completion | None, frame: int) -> None:
            if self._utterance is utterance and utterance.concluding and utterance.fed_to == last + 1:
                utterance.concluded = understood
                if completion is not None:
                    utterance.intent = understood.intent
                    self._endpointer.hear_words(frame, completion, last)

        self._worker.submit(ahead(job))

    def _feed(self, utterance: _Utterance, last: int) -> None:
        pcm = self._ring.pcm(utterance.fed_to, last)
        utterance.fed_to = last + 1
        if self._tracer:
            self._tracer.hand_off("ring", "recognizer", last, pcm)
        has_time = self.slow_since is None

        def job() -> None:
            self._understander().accept(utterance.turn, pcm, last, ahead=has_time)

        if not self._worker.submit(job) and utterance.whole:
            utterance.whole = False
            self.shed_since = last


def word_end(levels_dbfs: list[float], index: int) -> int:
    """Estimate where the wake word ended: the last of the newest frames within 20 dB of the loudest.

    Args:
        levels_dbfs: levels of the frames up to and with `index`, oldest first; about 1.5 s.
        index: frame of the detection.

    Returns:
        A frame index <= `index`. With noise or further speech right behind the word it is `index` itself.
    """
    loud = np.flatnonzero(np.asarray(levels_dbfs) >= max(levels_dbfs) - WORD_RANGE_DB)
    return index - (len(levels_dbfs) - 1 - int(loud[-1]))


WORD_RANGE_DB = 20.0
"""Speech frames lie within 20 dB of the loudest (the range by which speech power is defined for mixing, too)."""
