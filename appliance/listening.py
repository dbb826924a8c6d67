"""One utterance, from the wake word to its intent: the loop's side of detector, endpointing, recognizer and language.

The loop's thread looks at each frame (detector, endpointing: 0.1 ms); the recognizer and the language work on a worker
that gets the audio in chunks, beginning before the wake word, and posts what it heard.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from appliance.audio.format import SAMPLE_RATE_HZ, SILENT_DBFS, Frame, Pcm, frames_of_ms, level_dbfs
from appliance.audio.noise_floor import level_range_db
from appliance.audio.ring import Ring
from appliance.dialog_handlers import PRE_ROLL_FRAMES
from appliance.dictating import Dictating
from appliance.facts import (
    CommandBegan,
    CommandEnded,
    Fact,
    Foreseen,
    Listen,
    PartlyHeard,
    StageFailed,
    Understood,
)
from appliance.inbox import Post
from appliance.intent import Completion, Intent
from appliance.speech.detector import SpeechDetector, surely_speech
from appliance.speech.endpoint import BACKGROUND_FRAMES, Began, Endpointer, background_dbfs, person_dbfs
from appliance.speech.missed import Span, missed_s
from appliance.speech.recognizer import Hypotheses, Recognizer, dictated
from appliance.trace import Tracer
from appliance.understanding.confidence import SHORT_PHONES, Decision, Judgement, Spoken, clear, judged
from appliance.understanding.language import Language
from appliance.understanding.reading import Reader, Reading
from appliance.worker import InlineWorker, Worker

CHUNK_FRAMES = frames_of_ms(40)
"""The recognizer is fed 40 ms at a time, for the end of a command hangs on what it understood: a fifth more processor
time than with 100 ms."""

LONG_CHUNK_FRAMES = frames_of_ms(200)
"""Where the processor is short, the recognizer gets so much at a time, which saves it a third of its time, most of it
partial results."""

BEHIND_JOBS = 4
"""So many chunks that wait show that the recognizer does not keep up: 160 ms."""

RECOGNITION_INBOX = 256
"""Jobs that may wait for the recognizer: the longest command (8 s) with its pre-roll, and room to spare."""

SURE = 0.95
"""With this confidence and every word as heard, even speech that may not be meant for us is acted on."""

WARM_UP_FRAMES = frames_of_ms(500)
"""The speech detector is recurrent: it hears the half second up to the wake word's detection first."""


@dataclass(slots=True, kw_only=True)
class _Utterance:
    turn: int
    from_frame: int
    at_frame: int
    fed_to: int
    """Index after the last frame that the recognizer was given."""

    command_from: int
    """First frame after the wake word."""

    whole: bool = True
    """The recognizer's inbox had room for all of it."""

    background_dbfs: float = SILENT_DBFS
    """What is louder is the person."""

    text: str = ""
    intent: Intent | None = None
    """What was understood so far, and what it means when nothing more is said."""

    looked_at: tuple[str, bool] | None = None
    """The text that was looked ahead at, and whether it was settled."""

    foreseen: Intent | None = None
    """What was prepared."""


class Listening:
    """Owned by the frame loop. `process` is called for each frame while the dialog listens."""

    def __init__(
        self,
        *,
        ring: Ring,
        detector: SpeechDetector,
        endpointer: Endpointer,
        understander: Callable[[], "Understander"],
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
            from_frame=order.from_frame,
            at_frame=order.at_frame,
            fed_to=first,
            command_from=max(order.from_frame, command_from),
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

        def job() -> None:
            work().begin(after_wake, last, called=called)
            work().prepare()

        utterance.whole = self._worker.submit(job)

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
        chunk_frames = self._chunk_frames if self.slow_since is None else LONG_CHUNK_FRAMES
        if frame.index + 1 - utterance.fed_to >= chunk_frames:
            self._feed(utterance, frame.index)
        loud = level_dbfs(frame.pcm) >= utterance.background_dbfs
        result = self._endpointer.update(frame.index, probability, loud=loud)
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
        self._feed(utterance, frame)
        command, turn = self._command(utterance, frame), utterance.turn
        if not (utterance.whole and self._worker.submit(lambda: self._understander().finish(turn, command))):
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
        if self.slow_since is None and waiting >= BEHIND_JOBS:
            self.slow_since = index
        elif not waiting:
            self.slow_since = None

    def _foresee(self, utterance: _Utterance, index: int) -> list[Fact]:
        """The person may be done: get ready for what was said so far. Once for each text, and for each meaning."""
        if self.slow_since is not None or not self._endpointer.pauses:
            return []
        text, settled = utterance.text, self._endpointer.settled
        if (text, settled) != utterance.looked_at:
            utterance.looked_at = (text, settled)
            said = self._command(utterance, utterance.fed_to - 1)
            self._worker.submit(lambda: self._understander().look_ahead(text, said, settled=settled))
        intent = utterance.intent
        if intent is None or intent == utterance.foreseen:
            return []
        utterance.foreseen = intent
        return [Foreseen(frame=index, turn=utterance.turn, intent=intent)]

    def _command(self, utterance: _Utterance, last: int) -> Pcm:
        return self._ring.pcm(utterance.command_from, last)

    def _levels(self, first: int, last: int) -> list[float]:
        return [level_dbfs(frame.pcm) for frame in self._ring.frames(first, last)]

    def _feed(self, utterance: _Utterance, last: int) -> None:
        pcm = self._ring.pcm(utterance.fed_to, last)
        utterance.fed_to = last + 1
        if self._tracer:
            self._tracer.hand_off("ring", "recognizer", last, pcm)
        if not self._worker.submit(lambda: self._understander().accept(utterance.turn, pcm, last)) and utterance.whole:
            utterance.whole = False
            self.shed_since = last


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What was said, what it means, and what follows."""

    text: str
    """The sentence; of what is refused, what free dictation understood; empty: nothing was said."""

    intent: Intent | None = None
    """None: refused."""

    decision: Decision = Decision.REFUSE
    confidence: float | None = None
    """None where it cannot be told: without the dictionary of pronunciations."""

    agreed: bool | None = None
    """What was said is yes or no, and nothing else."""

    sure: bool = False
    """Sure enough to act on where nobody was addressed: see `Understood.sure`."""

    reason: Literal["not_understood", "low_confidence", "no_speech"] | None = None
    """Why it was refused."""

    nearest: str | None = None
    """The sentence that is most like it."""

    score: float | None = None
    """How much it is, 0..1."""

    @staticmethod
    def literally(intent: Intent) -> "Heard":
        """A sentence of the language, word by word."""
        return Heard(text=intent.text, intent=intent, decision=Decision.ACT, nearest=intent.text, score=1.0)


class Understander:
    """The worker's side: audio in, text and intent out as posted facts. Everything but dictation runs on the worker."""

    def __init__(
        self,
        recognizer: Recognizer,
        language: Language,
        post: Post,
        *,
        reader: Reader | None = None,
        detector: SpeechDetector | None = None,
        risky: Callable[[Intent], bool] = lambda intent: False,
        tracer: Tracer | None = None,
        dictation: Worker | None = None,
    ) -> None:
        """Who listens, and to which language.

        Args:
            recognizer: hears the words.
            language: knows what they mean.
            post: takes the results.
            reader: None where there is no dictionary of pronunciations; then sentences must be heard literally.
            detector: tells when somebody spoke, and so whether words were missed; without it much is dictated.
            risky: tells the intents that are asked about before anything is done.
            tracer: is told what was handed on.
            dictation: dictates, while the recognition goes on; None: it waits for it.
        """
        self._recognizer = recognizer
        self._language = language
        self._post = post
        self._reader = reader
        self._detector = detector
        self._risky = risky
        self._tracer = tracer
        self._after_wake = False
        self._called = False
        self._last: Intent | None = None
        self._heard_samples = 0
        self._sure: list[bool] = []
        """Of the command's first frames, whether somebody surely spoke."""
        self._free_text: str | None = None
        """What dictation heard, where the utterance was dictated to its end."""
        self._dictating = Dictating(recognizer.dictation, dictation or InlineWorker("dictation", failed=_silently))

    def begin(self, after_wake: bool, last: Intent | None = None, *, called: bool = False) -> None:
        """Make the recognizer ready for an utterance.

        Args:
            after_wake: a wake word may begin it.
            last: the command before it, which it may refer to.
            called: the appliance was called, by a wake word or otherwise: also a courtesy is meant for it.
        """
        self._after_wake = after_wake
        self._called = after_wake or called
        self._last = last
        self._sure = []
        self._free_text = None
        self._dictating.drop()
        self._heard_samples = 0
        self._recognizer.begin(after_wake=after_wake)

    def prepare(self) -> None:
        """Get ready for dictation, while the person begins to speak."""
        self._dictating.prepare()

    def hear(self, pcm: Pcm) -> str:
        """Feed it; returns what was understood so far."""
        self._dictating.feed(pcm)
        return self._recognize(pcm)

    def accept(self, turn: int, pcm: Pcm, last: int) -> None:
        """Feed it samples that end with frame `last`; what was understood so far is posted, unless it is nothing."""
        text = self.hear(pcm)
        if not text:
            return
        completion = self._language.completion(text)
        intent = self._language.match_any([text]) if completion is not Completion.INCOMPLETE else None
        self._post(
            lambda frame: PartlyHeard(
                frame=frame, turn=turn, text=text, heard_to=last, completion=completion, intent=intent
            )
        )

    def look_ahead(self, text: str, said: Pcm, *, settled: bool) -> None:
        """The person may be done: dictate from now on what will be held against dictation when it is so.

        Args:
            text: what was understood so far.
            said: all samples of the command that the recognizer was fed.
            settled: of this silence there was enough for no further word of what was said before it to be expected.
        """
        self._surely_speech(said)  # which is not done again at the end
        if self._is_clear(text, said):
            self._dictating.drop()
        elif not self._dictating.goes_on and (settled or self._is_short(text)):
            self._dictating.begin(said)

    def finish(self, turn: int, command: Pcm) -> None:
        """Make text and intent of the utterance, post them, and be ready for the next one.

        Args:
            turn: number of the turn that the result belongs to.
            command: the utterance's samples after the wake word, for a second look when the first was not understood.
        """
        heard = self.understand(command)
        if self._tracer:
            self._tracer.hand_off("recognizer", "language", -1, heard.text)
            self._tracer.hand_off("language", "dialog", -1, heard.intent.name if heard.intent else None)
        self._post(
            lambda frame: Understood(
                frame=frame,
                turn=turn,
                text=heard.text,
                intent=heard.intent,
                confidence=heard.confidence,
                question=self._question(heard),
                agreed=heard.agreed,
                sure=heard.sure,
                doubted=heard.reason == "low_confidence",
                nearest=heard.nearest,
                score=heard.score,
            )
        )
        self.begin(True)

    def understand(self, command: Pcm) -> Heard:
        """End the recognizer's utterance and say what it was; `command` as for `finish`."""
        heard, spelled = self._for_us(self._understand(command)), self._language.spelled
        return replace(heard, text=spelled(heard.text), nearest=spelled(heard.nearest) if heard.nearest else None)

    def _understand(self, command: Pcm) -> Heard:
        hypotheses = self._recognizer.finish()
        agreed = self._language.agrees(hypotheses.texts[0]) if hypotheses.texts else None
        if agreed is not None:
            return self._agreed(hypotheses.texts[0], agreed, command)
        if self._last is not None and (more := self._more(hypotheses, self._last, command)):
            return more
        heard = self._clear(hypotheses, command)
        if heard is None and self._after_wake and not hypotheses.wake_heard:
            # The wake word itself was misheard, perhaps together with the command: listen to the command alone.
            self._recognizer.begin(after_wake=False)
            self._heard_samples = 0
            self._recognize(command)
            hypotheses = self._recognizer.finish()
            heard = self._clear(hypotheses, command)
        if heard is not None:
            return heard
        free_text = self._dictated(command) if hypotheses.texts else ""
        if not free_text:
            return Heard(text="", reason="no_speech")
        return self._second_look(hypotheses, free_text)

    def _for_us(self, heard: Heard) -> Heard:
        """A greeting, thanks and the like are said to everybody: refused unless the appliance was called."""
        if self._called or heard.intent is None or not all(one.courtesy for one in heard.intent.commands):
            return heard
        return replace(heard, intent=None, decision=Decision.REFUSE, sure=False, reason="low_confidence")

    def _agreed(self, text: str, agreed: bool, command: Pcm) -> Heard:
        """A yes or a no; without a question 'no' may be a command of its own, if dictation heard it, too."""
        intent = self._language.match(text)
        if intent is None or self._language.agrees(self._dictated(command)) is not agreed:
            return Heard(text=text, agreed=agreed, reason="not_understood")
        return replace(Heard.literally(intent), agreed=agreed, sure=True)

    def _more(self, hypotheses: Hypotheses, last: Intent, command: Pcm) -> Heard | None:
        """'And the bedroom': the command before with other words in a slot, if dictation heard the same."""
        for text in hypotheses.texts:
            intent = self._language.continued(text, last)
            if intent is not None:
                same = self._language.continued(self._dictated(command), last)
                if same is None or (same.name, same.values) != (intent.name, intent.values):
                    return None
                return replace(Heard.literally(intent), sure=True)
        return None

    def _recognize(self, pcm: Pcm) -> str:
        self._heard_samples += pcm.size
        return self._recognizer.accept(pcm)

    def _is_short(self, text: str) -> bool:
        """It takes dictation even where it is a whole sentence of the language."""
        return self._reader is not None and self._reader.phones(text) < SHORT_PHONES

    def _is_clear(self, text: str, said: Pcm) -> bool:
        """It takes no dictation if no more is said. Nothing tells yet when these words were said: they may be all."""
        if self._language.match(text) is None:
            return False
        reading = self._reader.read([text], [0.0]) if self._reader else None
        spoken = Spoken(missed_s=0.0, range_db=level_range_db(said))
        return self._reader is None or (reading is not None and clear(reading, spoken) is not None)

    def _dictated(self, command: Pcm) -> str:
        """Free dictation of the utterance, heard once."""
        if self._free_text is None:
            if not self._dictating.goes_on:
                self._dictating.begin(command)
            text = self._dictating.text()
            # Where there was no room for it, or it failed: what fails again is told.
            self._free_text = dictated(self._recognizer, command) if text is None else text
        return self._free_text

    def _question(self, heard: Heard) -> str | None:
        if heard.intent is not None and heard.decision is not Decision.REFUSE and self._risky(heard.intent):
            return self._language.answer("really", sentence=heard.text)
        if heard.decision is not Decision.CONFIRM:
            return None
        return self._language.answer("did_you_mean", sentence=heard.text)

    def _spoken(self, words: Sequence[Span], command: Pcm) -> Spoken:
        """`words`: of the reading, as the recognizer counts the time."""
        sure = self._surely_speech(command)
        # Both end with the same sample; the recognizer began to hear before the command.
        begun_s = (self._heard_samples - command.size) / SAMPLE_RATE_HZ
        return Spoken(missed_s=missed_s(sure, words, begun_s), range_db=level_range_db(command))

    def _surely_speech(self, said: Pcm) -> list[bool]:
        """Of each frame of the command so far, whether somebody surely spoke."""
        if self._detector is not None:
            self._sure = surely_speech(self._detector, said, self._sure)
        return self._sure

    def _clear(self, hypotheses: Hypotheses, command: Pcm) -> Heard | None:
        """What can be acted on without a second look."""
        if self._reader is None:
            intent = self._language.match_any(hypotheses.texts)
            return Heard.literally(intent) if intent else None
        reading = self._reader.read(hypotheses.texts, hypotheses.likelihoods)
        if reading is None:
            return None
        judgement = clear(reading, self._spoken(hypotheses.words[reading.text], command))
        if judgement is None:
            return None
        return _understood(reading, judgement, sure=reading.cost == 0.0 and judgement.confidence >= SURE)

    def _second_look(self, hypotheses: Hypotheses, free_text: str) -> Heard:
        """What is not clear is held against free dictation."""
        reading = self._reader.read(hypotheses.texts, hypotheses.likelihoods) if self._reader else None
        judgement = None
        if self._reader and reading:
            judgement = judged(reading, self._reader.apart(free_text, reading.intent))
            if judgement.decision is not Decision.REFUSE:
                return _understood(reading, judgement, sure=reading.cost == 0.0)
        nearest = self._language.nearest(free_text)
        return Heard(
            text=free_text,
            confidence=judgement.confidence if judgement else None,
            reason="low_confidence" if reading and reading.cost == 0.0 else "not_understood",
            nearest=nearest[0] if nearest else None,
            score=round(nearest[1], 3) if nearest else None,
        )


def _silently(name: str, error: Exception) -> None:
    """What fails in dictation is done once more, where it is told."""


def _understood(reading: Reading, judgement: Judgement, *, sure: bool) -> Heard:
    return Heard(
        sure=sure and judgement.decision is Decision.ACT,
        text=reading.intent.text,
        intent=reading.intent,
        decision=judgement.decision,
        confidence=judgement.confidence,
        nearest=reading.intent.text,
        score=round(max(0.0, 1 - reading.cost), 3),
    )


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
