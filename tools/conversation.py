"""Both sides of a live turn: a person who speaks, and an ear that writes down the answer."""

import re
from typing import Final

import numpy as np

from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from appliance.bench.speech import spoken
from appliance.brains import model_folder
from appliance.models import Kind, ModelStore
from appliance.runtimes.vosk import VoskModel
from appliance.speech.recognizer import VoskRecognizer, dictated
from appliance.voice.piper import PiperVoice

LEAD_S: Final = 1.0
"""Quiet before the words: nobody speaks in the instant in which a device is opened."""

QUIET: Final = np.zeros(SAMPLE_RATE_HZ // 2, np.int16)
"""To be said after an answer, so that what is still in the loudspeaker's buffers is heard."""

_LOUD: Final = 100
_MARGIN: Final = SAMPLE_RATE_HZ // 4


class Person:
    """Says sentences with the installed voice, always in the same way."""

    def __init__(self, store: ModelStore) -> None:
        """Load the default voice. Raises ModelError."""
        self._voice = PiperVoice(model_folder(store, "piper-en-us-joe", Kind.VOICE), deterministic=True)
        self._said: dict[str, Pcm] = {}

    def says(self, text: str) -> Pcm:
        """The sentence in a quiet room, at 16 kHz."""
        if text not in self._said:
            self._said[text] = spoken(self._voice, text, before_s=LEAD_S, after_s=0.1)
        return self._said[text]

    def close(self) -> None:
        """End the voice's process."""
        self._voice.close()


class Ear:
    """Writes down what a loudspeaker said, with the installed recognizer."""

    def __init__(self, store: ModelStore) -> None:
        """Load the default recognizer. Raises ModelError."""
        folder = model_folder(store, "vosk-small-en-us", Kind.RECOGNIZER)
        self._recognizer = VoskRecognizer(VoskModel(folder), ["yes"])

    def heard_share(self, text: str, pcm: Pcm) -> float:
        """How many of the words of a text are heard in a recording, 0..1."""
        loud = np.flatnonzero(np.abs(pcm) > _LOUD)
        if loud.size == 0:
            return 0.0
        heard = _words(dictated(self._recognizer, pcm[max(0, loud[0] - _MARGIN) : loud[-1] + _MARGIN]))
        said = _words(text)
        return sum(word in heard for word in said) / len(said)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())
