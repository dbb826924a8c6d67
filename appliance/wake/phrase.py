"""Any phrase as a wake word, spotted by the speech recognizer: no training, ten times the processor time of a model.

The recognizer chooses between the phrase, common words, and anything else. The common words matter: in 17 minutes of
spoken digits "computer" was heard 41 times against "anything else" alone, and never against the common words; both ways
no recording of the word was missed (60 clips).

What it understood so far shows the phrase before it has ended, and sometimes takes it back. It decodes in steps of
240 ms, so a phrase that stands for more than one step is meant: that is what threshold and window below ask for.
"""

import json

from appliance.audio.format import FRAMES_PER_S, Pcm, frames_of_ms
from appliance.errors import UnknownModelError
from appliance.runtimes.vosk import UNKNOWN, Recognizer, VoskModel

STEP_FRAMES = frames_of_ms(240)
"""How often the decoder's partial result can change."""
WINDOW_FRAMES = 2 * STEP_FRAMES
THRESHOLD = 0.6
"""15 frames of two steps. In 52 minutes of speech "computer" was taken back 7 times, each time after one step."""

_HOLD_FRAMES = FRAMES_PER_S
"""A phrase scores for a second, so that it can be heard again later in the same utterance."""
_RENEW_FRAMES = 60 * FRAMES_PER_S
"""After a minute the next pause brings a new recognizer, so that its memory stays bounded."""


class PhraseModel:
    """Scores samples: 1 while the recognizer stands by the phrase, up to a second, else 0; one score per frame."""

    def __init__(self, model: VoskModel, phrase: str) -> None:
        """Listen for a phrase, one or more words in lower case.

        Raises:
            ModelError: it is empty, or has words that the recognizer does not know.
        """
        self._words = phrase.split()
        unknown = [word for word in self._words if not model.knows(word)]
        if unknown or not self._words:
            raise UnknownModelError(
                f'wake word "{phrase}": the recognizer does not know "{" ".join(unknown)}"; '
                f"choose other words, or a name from appliance models list"
            )
        others = [word for word in model.common_words if word not in self._words and model.knows(word)]
        self._sentences = [phrase, *others, UNKNOWN]
        self._model = model
        self._recognizer: Recognizer = model.recognizer(self._sentences)
        self._counted = 0
        """Times the phrase stands in the present utterance."""
        self._left_frames = 0
        """How long it still scores."""
        self._fed_frames = 0

    def process(self, features: Pcm) -> float | None:
        """Eat samples, int16 (n,)."""
        ended = self._recognizer.AcceptWaveform(features.tobytes())
        answer = self._recognizer.Result() if ended else self._recognizer.PartialResult()
        count = self._count(answer)
        if count > self._counted:
            self._left_frames = _HOLD_FRAMES
        elif count < self._counted:
            self._left_frames = 0  # it was taken back
        self._counted = 0 if ended else count
        self._left_frames = max(0, self._left_frames - 1)
        self._fed_frames += 1
        if ended and count == 0 and self._fed_frames >= _RENEW_FRAMES:
            self.reset()
        return 1.0 if self._left_frames else 0.0

    def reset(self) -> None:
        """Forget the past: a new recognizer (1 ms)."""
        self._recognizer = self._model.recognizer(self._sentences)
        self._counted = 0
        self._left_frames = 0
        self._fed_frames = 0

    def close(self) -> None:
        """Nothing outlives the object."""

    def _count(self, answer: str) -> int:
        """How often the phrase stands in an answer of the recognizer."""
        if self._words[-1] not in answer:
            return 0
        heard = json.loads(answer)
        spoken = (heard.get("text") or heard.get("partial") or "").split()
        size = len(self._words)
        return sum(spoken[start : start + size] == self._words for start in range(len(spoken) - size + 1))
