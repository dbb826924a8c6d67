"""How well just any talk explains a sound: the filler model of keyword spotting (Rose and Paul, 1990).

A recognizer of sentences finds one in everything. A second one, of a few hundred common words in any order, hears the
same sound: speech that was meant for somebody else it explains as well or better, a command much worse. It takes a
quarter of what free dictation takes, and is done when the recognizer is.
"""

import json
from collections.abc import Sequence

from appliance.audio.format import Pcm
from appliance.runtimes.vosk import UNKNOWN, Recognizer, VoskModel
from appliance.speech.pieces import Pieces


class Filler:
    """Hears one utterance at a time, the same samples as the recognizer of sentences."""

    def __init__(self, model: VoskModel, wake_phrases: Sequence[str]) -> None:
        """Of the model's common words; `wake_phrases`, all known, are talk as well, for they may begin the sound."""
        common = [word for word in model.common_words if model.knows(word)]
        self._model = model
        self._words = [*wake_phrases, *common, UNKNOWN] if common else []
        self._recognizer: Recognizer | None = None
        self._pieces = Pieces()
        self._likelihood = 0.0

    def begin(self) -> None:
        """Forget the utterance before."""
        self._recognizer = None

    def accept(self, pcm: Pcm) -> None:
        """Eat the next samples (int16, 16 kHz, any length)."""
        if self._recognizer is None and self._words:
            self._recognizer = self._model.recognizer(self._words)
            self._recognizer.SetMaxAlternatives(1)
            self._pieces = Pieces()
            self._likelihood = 0.0
        if self._recognizer is not None:
            for piece in self._pieces.cut(pcm):
                self._hear(self._recognizer, piece)

    def finish(self) -> float | None:
        """Log likelihood of all that was heard; None where the language has no list of common words."""
        if self._recognizer is None:
            return None
        self._hear(self._recognizer, self._pieces.rest)
        return self._likelihood + _likelihood(self._recognizer.FinalResult())

    def _hear(self, recognizer: Recognizer, pcm: Pcm) -> None:
        if recognizer.AcceptWaveform(pcm.tobytes()):  # Vosk ended a segment on its own
            self._likelihood += _likelihood(recognizer.Result())


def _likelihood(result: str) -> float:
    return sum(float(one.get("confidence", 0.0)) for one in json.loads(result).get("alternatives", [])[:1])
