"""Streaming recognition with Vosk.

The recognizer hears in a language model that is made of whole sampled sentences (`language_model.py`). The audio begins
before the wake word, which is part of the model's sentences and cut off the text: a command spoken without a pause is
whole.
"""

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from appliance.audio.format import SAMPLE_RATE_HZ, Pcm, freeze
from appliance.runtimes.vosk import UNKNOWN, VoskModel
from appliance.speech.filler import Filler
from appliance.speech.missed import Span
from appliance.speech.pieces import Pieces

ALTERNATIVES = 5
"""The best so many hypotheses are matched; the right one stands among five far more often than first (at 6 dB
91 % of real drink orders were answered by a literal match of one of five, against 85 % of the first)."""

MORE_THAN_A_WAKE_WORD = 3
"""Where the wake word was not recognized, so many words are more than a wake word that was misheard."""

KEPT_UTTERANCES = 2 * ALTERNATIVES
"""Joined from segments: only the best so many, for a dozen segments of background talk have 5^12 combinations."""

SILENCE = freeze(np.zeros(SAMPLE_RATE_HZ // 2, np.int16))
"""Half a second, which a new recognizer of free speech hears beforehand: 0.35 s of processor time, after which a second
of speech takes 0.25 s of it instead of 0.45 s. A whole second of silence saves no more."""

SENTENCES_PER_NOTHING = 10
"""For so many sentences nothing is said once: else noise is taken for 'hey' or 'hi'."""

PREFIXED_SHARE = 3
"""One sentence in three is also given with a wake word in front."""


@dataclass(frozen=True, slots=True)
class Hypotheses:
    """What an utterance may have been."""

    texts: tuple[str, ...]
    """Best first, without the wake word before the command; empty when nothing was said."""

    likelihoods: tuple[float, ...]
    """Of each text, as logarithms; only their differences mean something."""

    wake_heard: bool
    """The wake word was recognized as well, so what follows it is the command and nothing else."""

    words: tuple[tuple[Span, ...], ...]
    """Of each text, when its words were said, since the first sample; also a wake word's, but no unknown sound's."""

    filler: float | None = None
    """Log likelihood of the same sound as just any talk, see `filler.py`; None: that cannot be told."""

    def beyond_filler(self, text: int) -> float | None:
        """How much likelier a text is than just any talk, as a logarithm; `text`: its index."""
        return None if self.filler is None else self.likelihoods[text] - self.filler


@dataclass(frozen=True, slots=True)
class Alternative:
    """What a part of an utterance may have been."""

    text: str
    likelihood: float
    """Its logarithm."""

    words: tuple[Span, ...]
    """Of each word of the text, also of unknown sounds."""


class Recognizer(Protocol):
    """Turns the audio of one utterance into text."""

    def begin(self, *, after_wake: bool) -> None:
        """Forget the utterance before. `after_wake`: the audio begins before the wake word."""

    def accept(self, pcm: Pcm) -> str:
        """Eat the next samples (int16, 16 kHz, any length); return the command as understood so far, perhaps empty."""

    def finish(self) -> Hypotheses:
        """End the utterance."""

    def dictation(self) -> "FreeSpeech":
        """What dictates one utterance without the language's sentences; may be called and used in another thread."""


class FreeSpeech(Protocol):
    """Free dictation of one utterance."""

    def accept(self, pcm: Pcm) -> object:
        """Eat the next samples (int16, 16 kHz, any length)."""

    def finish(self) -> str:
        """End the utterance; its words, without a wake word before them."""


def dictated(recognizer: Recognizer, pcm: Pcm) -> str:
    """The words of a whole utterance, freely."""
    speech = recognizer.dictation()
    speech.accept(pcm)
    return speech.finish()


class VoskRecognizer:
    """One streaming recognizer over the language's sentences, and free ones made only when they are needed."""

    def __init__(self, model: VoskModel, sentences: Sequence[str], wake_phrases: Sequence[str] = ()) -> None:
        """`sentences` train the language model; `wake_phrases` may stand before a command and are cut off."""
        self._model = model
        self._wake_phrases = [p for p in wake_phrases if all(model.knows(word) for word in p.split())]
        self._sentences = model.of_sentences(_training_text(sentences, self._wake_phrases))
        self._made = self._make()
        self._filler = Filler(model, self._wake_phrases)
        self._fed = False
        self._after_wake = False
        self._parts: list[list[Alternative]] = []

    def begin(self, *, after_wake: bool) -> None:
        self._after_wake = after_wake
        self._parts = []
        if self._fed:
            self._made, self._fed = self._make(), False
            self._filler.begin()

    def accept(self, pcm: Pcm) -> str:
        self._fed = True
        self._filler.accept(pcm)
        if self._made.AcceptWaveform(pcm.tobytes()):
            # Vosk ended a segment on its own, at a pause; the utterance ends when the endpointing says so.
            self._parts.append(_alternatives(self._made.Result()))
            heard = ""
        else:
            heard = str(json.loads(self._made.PartialResult()).get("partial", ""))
        best = [part[0].text for part in self._parts]
        command, wake_heard = self._command(" ".join([*best, heard]))
        sure = wake_heard or not (self._after_wake and self._wake_phrases)
        return command if sure or len(command.split()) >= MORE_THAN_A_WAKE_WORD else ""

    def finish(self) -> Hypotheses:
        self._fed = True
        self._parts.append(_alternatives(self._made.FinalResult()))
        likelihoods: dict[str, float] = {}
        words: dict[str, tuple[Span, ...]] = {}
        any_wake_heard = False
        for whole in _joined(self._parts):
            command, wake_heard = self._command(whole.text)
            any_wake_heard = any_wake_heard or wake_heard
            if command:
                likelihoods.setdefault(command, whole.likelihood)
                said = zip(whole.text.split(), whole.words, strict=False)  # none where the model tells no times
                words.setdefault(command, tuple(span for word, span in said if word != self._model.unknown))
        return Hypotheses(
            tuple(likelihoods),
            tuple(likelihoods.values()),
            any_wake_heard,
            tuple(words.values()),
            self._filler.finish(),
        )

    def dictation(self) -> FreeSpeech:
        # A new one each time: of 24 real recordings 12 gave other words after others were dictated, and it grows by
        # 85 MB. Silence unfolds what every utterance begins with, and is the same each time.
        free = Dictation(self._model)
        free.accept(SILENCE)
        free.finish()
        return _Command(free, lambda text: self._command(text)[0])

    def _make(self) -> Any:
        # A new one for each utterance (1 ms): the adaptation to the last speaker's voice and level, which Vosk's own
        # Reset keeps, does not leak into the next, so the same audio gives the same text.
        made = self._sentences.recognizer()
        made.SetMaxAlternatives(ALTERNATIVES)
        made.SetWords(True)
        return made

    def _command(self, text: str) -> tuple[str, bool]:
        """The text after the last wake phrase, without unknown sounds before it; and was there a wake phrase?"""
        heard = False
        for phrase in self._wake_phrases:
            _, found, after = f" {text} ".rpartition(f" {phrase} ")
            text, heard = (after.strip(), True) if found else (text, heard)
        words = [UNKNOWN if word == self._model.unknown else word for word in text.split()]
        while words and words[0] == UNKNOWN:
            words.pop(0)
        return " ".join(words), heard


class Dictation:
    """Free speech, of any words that the model knows, while it is being said."""

    def __init__(self, model: VoskModel) -> None:
        self._free = model.recognizer(None)

    def accept(self, pcm: Pcm) -> str:
        """Eat the next samples (int16, 16 kHz, any length); the words that a pause has ended with them, mostly none."""
        return _text(self._free.Result()) if self._free.AcceptWaveform(pcm.tobytes()) else ""

    def finish(self) -> str:
        """The words since the last pause."""
        return _text(self._free.FinalResult())


class _Command:
    """A dictated command, as one text; the same in whatever chunks it comes."""

    def __init__(self, free: Dictation, command: Callable[[str], str]) -> None:
        """`command`: a text without the wake word before it."""
        self._free = free
        self._command = command
        self._parts: list[str] = []
        self._pieces = Pieces()

    def accept(self, pcm: Pcm) -> None:
        self._parts += [self._free.accept(piece) for piece in self._pieces.cut(pcm)]

    def finish(self) -> str:
        self._parts += [self._free.accept(self._pieces.rest), self._free.finish()]
        return self._command(" ".join(part for part in self._parts if part))


def _text(result: str) -> str:
    return str(json.loads(result).get("text", ""))


def _training_text(sentences: Sequence[str], wake_phrases: Sequence[str]) -> list[str]:
    phrases = itertools.cycle(wake_phrases)
    prefixed = [f"{phrase} {sentence}" for phrase, sentence in zip(phrases, sentences[::PREFIXED_SHARE], strict=False)]
    nothing = [""] * (1 + len(sentences) // SENTENCES_PER_NOTHING)
    return [*sentences, *prefixed, *wake_phrases, UNKNOWN, *nothing]


def _alternatives(result: str) -> list[Alternative]:
    found: list[dict[str, Any]] = json.loads(result).get("alternatives", [])
    return [
        Alternative(
            str(one.get("text", "")).strip(),
            float(one.get("confidence", 0.0)),
            tuple((float(word["start"]), float(word["end"])) for word in one.get("result", ())),
        )
        for one in found
    ] or [Alternative("", 0.0, ())]


def _joined(parts: Sequence[Sequence[Alternative]]) -> list[Alternative]:
    """Whole utterances out of the alternatives of their segments, the likeliest first."""
    best = [Alternative("", 0.0, ())]
    for part in parts:
        joined = [
            Alternative(f"{one.text} {own.text}".strip(), one.likelihood + own.likelihood, one.words + own.words)
            for one in best
            for own in part
        ]
        best = sorted(joined, key=lambda alternative: -alternative.likelihood)[:KEPT_UTTERANCES]
    return best
