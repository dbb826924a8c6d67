"""The worker's side of listening: what was said, what it means, and how sure that is."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from appliance.audio.format import SAMPLE_RATE_HZ, Pcm, freeze
from appliance.dictating import Dictating
from appliance.facts import PartlyHeard, Understood
from appliance.inbox import Post
from appliance.intent import Completion, Intent
from appliance.runtimes.vosk import UNKNOWN
from appliance.speech.detector import SpeechDetector, surely_speech
from appliance.speech.missed import missed_s
from appliance.speech.pieces import PIECE_SAMPLES
from appliance.speech.recognizer import Hypotheses, Recognizer, dictated
from appliance.trace import Tracer
from appliance.understanding.confidence import Decision, Judgement, Spoken, clear, judged
from appliance.understanding.language import Language
from appliance.understanding.reading import Reader, Reading
from appliance.worker import InlineWorker, Worker

NOTHING = freeze(np.zeros(0, np.int16))

SURE = 0.95
"""With this confidence and every word as heard, even speech that may not be meant for us is acted on."""


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
    """Audio in, text and intent out as posted facts. Everything but dictation runs on the worker."""

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
            dictation: dictates from the first words on, while the recognition goes on; None: only what needs it,
                when that was said.
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
        self._before = 0
        """So many samples that are heard first come before the command."""
        self._heard = NOTHING
        """What was heard so far, with them."""
        self._words_from = 0
        """So many of them the recognizer heard before the command when it ended."""
        self._ended = False
        """So has the recognizer, with all of it."""
        self._concluded: Heard | None = None
        """What was said, should no more follow."""
        self._sure: list[bool] = []
        """Of its first frames, whether somebody surely spoke."""
        self._free_text: str | None = None
        """What dictation heard, where the utterance was dictated to its end."""
        self._dictates_beside = dictation is not None
        self._dictating = Dictating(recognizer.dictation, dictation or InlineWorker("dictation", failed=_silently))

    def begin(self, after_wake: bool, last: Intent | None = None, *, called: bool = False, before: int = 0) -> None:
        """Make the recognizer ready for an utterance.

        Args:
            after_wake: a wake word may begin it.
            last: the command before it, which it may refer to.
            called: the appliance was called, by a wake word or otherwise: also a courtesy is meant for it.
            before: so many samples are heard before the command: of the wake word.
        """
        self._after_wake = after_wake
        self._called = after_wake or called
        self._last = last
        self._before = self._words_from = before
        self._heard = NOTHING
        self._ended, self._concluded = False, None
        self._sure = []
        self._free_text = None
        self._dictating.drop()
        self._recognizer.begin(after_wake=after_wake)

    def prepare(self) -> None:
        """Get ready for dictation, while nobody speaks, or the person begins to."""
        self._dictating.prepare()

    def hear(self, pcm: Pcm, *, ahead: bool = True) -> str:
        """Feed it; returns what was understood so far. `ahead`: there is time for what may turn out to be needed."""
        if self._ended:
            self._hear_anew()
        heard_before = max(self._heard.size, self._before)
        self._heard = np.concatenate([self._heard, pcm])
        text = self._recognizer.accept(pcm)
        if self._dictating.goes_on:
            self._dictating.feed(self._heard[heard_before:])
        elif text and ahead and self._dictates_beside:
            self._dictating.begin(self._said)
        if ahead:
            self._surely_speech()
        return text

    def accept(self, turn: int, pcm: Pcm, last: int, *, ahead: bool = True) -> None:
        """Feed it samples that end with frame `last`; what was understood so far is posted, unless it is nothing."""
        text = self.hear(pcm, ahead=ahead)
        if not text:
            return
        hesitates = UNKNOWN in text.split()
        completion = Completion.INCOMPLETE if hesitates else self._language.completion(text)
        intent = self._language.match_any([text]) if completion.is_whole else None
        self._post(
            lambda frame: PartlyHeard(
                frame=frame, turn=turn, text=text, heard_to=last, completion=completion, intent=intent
            )
        )

    def conclude(self, turn: int) -> tuple[Understood, Completion | None]:
        """What was said if no more follows, and how far that has come; None: it is no command to be acted on at once.

        If more does follow, everything is heard once more.
        """
        understood = self._result(turn)
        acts = understood.intent if understood.question is None else None
        return understood, self._language.completion(acts.text) if acts else None

    def finish(self, turn: int) -> None:
        """Make text and intent of the utterance of this turn, post them, and be ready for the next one."""
        understood = self._result(turn)
        self._post(lambda frame: replace(understood, frame=frame))
        self.begin(True)

    def understand(self) -> Heard:
        """End the recognizer's utterance, unless that was done, and say what it was."""
        if self._concluded is None:
            if self._ended:  # and failed
                self._hear_anew()
            heard, spelled = self._for_us(self._understand()), self._language.spelled
            nearest = spelled(heard.nearest) if heard.nearest else None
            self._concluded = replace(heard, text=spelled(heard.text), nearest=nearest)
            if self._tracer:
                self._tracer.hand_off("recognizer", "language", -1, heard.text)
                self._tracer.hand_off("language", "dialog", -1, heard.intent.name if heard.intent else None)
        return self._concluded

    def _result(self, turn: int) -> Understood:
        """What was said, as a fact of no frame yet."""
        heard = self.understand()
        return Understood(
            frame=-1,
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

    @property
    def _said(self) -> Pcm:
        """The command so far."""
        return self._heard[self._before :]

    def _hear_anew(self) -> None:
        """The command was not over: go back to where it seemed to be."""
        self._ended, self._concluded, self._free_text = False, None, None
        self._words_from = self._before
        self._dictating.drop()
        self._recognizer.begin(after_wake=self._after_wake)
        for start in range(0, self._heard.size, PIECE_SAMPLES):
            self._recognizer.accept(self._heard[start : start + PIECE_SAMPLES])

    def _understand(self) -> Heard:
        self._ended = True
        self._dictating.end()
        hypotheses = self._recognizer.finish()
        agreed = self._language.agrees(hypotheses.texts[0]) if hypotheses.texts else None
        if agreed is not None:
            return self._agreed(hypotheses.texts[0], agreed)
        if self._last is not None and (more := self._more(hypotheses, self._last)):
            return more
        heard = self._clear(hypotheses)
        if heard is None and self._after_wake and not hypotheses.wake_heard:
            # The wake word itself was misheard, perhaps together with the command: listen to the command alone.
            self._recognizer.begin(after_wake=False)
            self._words_from = 0
            self._recognizer.accept(self._said)
            hypotheses = self._recognizer.finish()
            heard = self._clear(hypotheses)
        if heard is not None:
            return heard
        free_text = self._dictated() if hypotheses.texts else ""
        if not free_text:
            return Heard(text="", reason="no_speech")
        return self._second_look(hypotheses, free_text)

    def _for_us(self, heard: Heard) -> Heard:
        """A greeting, thanks and the like are said to everybody: refused unless the appliance was called."""
        if self._called or heard.intent is None or not all(one.courtesy for one in heard.intent.commands):
            return heard
        return replace(heard, intent=None, decision=Decision.REFUSE, sure=False, reason="low_confidence")

    def _agreed(self, text: str, agreed: bool) -> Heard:
        """A yes or a no; without a question 'no' may be a command of its own, if dictation heard it, too."""
        intent = self._language.match(text)
        if intent is None or self._language.agrees(self._dictated()) is not agreed:
            return Heard(text=text, agreed=agreed, reason="not_understood")
        return replace(Heard.literally(intent), agreed=agreed, sure=True)

    def _more(self, hypotheses: Hypotheses, last: Intent) -> Heard | None:
        """'And the bedroom': the command before with other words in a slot, if dictation heard the same."""
        for text in hypotheses.texts:
            intent = self._language.continued(text, last)
            if intent is not None:
                same = self._language.continued(self._dictated(), last)
                if same is None or (same.name, same.values) != (intent.name, intent.values):
                    return None
                return replace(Heard.literally(intent), sure=True)
        return None

    def _dictated(self) -> str:
        """Free dictation of the utterance, heard once."""
        if self._free_text is None:
            if not self._dictating.goes_on:
                self._dictating.begin(self._said)
            text = self._dictating.text()
            # Where there was no room for it, or it failed: what fails again is told.
            self._free_text = dictated(self._recognizer, self._said) if text is None else text
        return self._free_text

    def _question(self, heard: Heard) -> str | None:
        if heard.intent is not None and heard.decision is not Decision.REFUSE and self._risky(heard.intent):
            return self._language.answer("really", sentence=heard.text)
        if heard.decision is not Decision.CONFIRM:
            return None
        return self._language.answer("did_you_mean", sentence=heard.text)

    def _spoken(self, hypotheses: Hypotheses, reading: Reading) -> Spoken:
        begun_s = self._words_from / SAMPLE_RATE_HZ
        return Spoken(
            missed_s=missed_s(self._surely_speech(), hypotheses.words[reading.text], begun_s),
            beyond_filler=hypotheses.beyond_filler(reading.text),
        )

    def _surely_speech(self) -> list[bool]:
        """Of each frame of the command so far, whether somebody surely spoke."""
        if self._detector is not None:
            self._sure = surely_speech(self._detector, self._said, self._sure)
        return self._sure

    def _clear(self, hypotheses: Hypotheses) -> Heard | None:
        """What can be acted on without a second look."""
        if self._reader is None:
            intent = self._language.match_any(hypotheses.texts)
            return Heard.literally(intent) if intent else None
        reading = self._reader.read(hypotheses.texts, hypotheses.likelihoods)
        if reading is None:
            return None
        judgement = clear(reading, self._spoken(hypotheses, reading))
        if judgement is None:
            return None
        return _understood(reading, judgement, sure=reading.cost == 0.0 and judgement.confidence >= SURE)

    def _second_look(self, hypotheses: Hypotheses, free_text: str) -> Heard:
        """What is not clear is held against free dictation."""
        reading = self._reader.read(hypotheses.texts, hypotheses.likelihoods) if self._reader else None
        judgement = None
        if self._reader and reading:
            apart = self._reader.apart(free_text, reading.intent)
            judgement = judged(reading, self._spoken(hypotheses, reading), apart)
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
