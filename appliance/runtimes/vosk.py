"""Vosk: a speech model in memory, and recognizers made from it.

Traps that this file keeps from the others: the library writes to stderr unless told not to; changing the grammar of a
recognizer that was fed aborts the process, so there is no way to do that here: make a new one (1 ms for short lists,
20 ms for 3,000 sentences); words outside the vocabulary are dropped silently, so ask `knows` first.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from appliance.audio.format import SAMPLE_RATE_HZ
from appliance.errors import ModelError

UNKNOWN = "[unk]"
"""Sentence that stands for everything else; without it the recognizer must choose one of the sentences."""

_PARTS = ("am/final.mdl", "conf/model.conf", "conf/mfcc.conf")


class Recognizer(Protocol):
    """What we use of Vosk's KaldiRecognizer. Results are JSON; audio is 16 kHz mono int16, as bytes."""

    def AcceptWaveform(self, data: bytes) -> int:
        """Feed any number of samples; 1 when the utterance ended, so that `Result` is due."""

    def Result(self) -> str:
        """The utterance that ended; the recognizer begins a new one."""

    def PartialResult(self) -> str:
        """What was understood so far."""

    def FinalResult(self) -> str:
        """End the utterance now."""

    def Reset(self) -> None:
        """Forget the utterance."""

    def SetWords(self, enable_words: bool) -> None:
        """Results list each word with its times and confidence."""

    def SetPartialWords(self, enable_partial_words: bool) -> None:
        """Partial results do, too."""

    def SetMaxAlternatives(self, max_alternatives: int) -> None:
        """Results list this many readings; 0: one, with word confidences."""


class VoskModel:
    """A speech model, loaded once (0.4 s, 125 MB) and shared by every recognizer made from it."""

    def __init__(self, path: Path) -> None:
        """Load the model in this folder.

        Raises:
            ModelError: the folder holds no Vosk model, or the library refuses it.
        """
        missing = [part for part in _PARTS if not (path / part).is_file()]
        if missing:
            raise ModelError(
                f"{path}: no Vosk model, {missing[0]} is missing; install it with appliance models install"
            )
        import vosk  # type: ignore[import-untyped]

        vosk.SetLogLevel(-1)
        self._recognizer_class: Any = vosk.KaldiRecognizer
        try:
            self._model: Any = vosk.Model(str(path))
        except Exception as error:  # the library raises nothing narrower
            raise ModelError(f"{path}: Vosk cannot load the model ({error}); install it again") from None

    def knows(self, word: str) -> bool:
        """Whether a single word, in lower case, is in the vocabulary."""
        return bool(self._model.vosk_model_find_word(word) >= 0)

    def recognizer(self, sentences: Sequence[str] | None) -> Recognizer:
        """A fresh recognizer of these sentences (all their words must be known), or of free speech for None."""
        if sentences is None:
            return cast(Recognizer, self._recognizer_class(self._model, SAMPLE_RATE_HZ))
        grammar = json.dumps(list(sentences))
        return cast(Recognizer, self._recognizer_class(self._model, SAMPLE_RATE_HZ, grammar))
