"""Free dictation of an utterance beside its recognition, so that it is done when the utterance is.

Dictation takes many times as long as recognizing sentences of the language, and only at the end of a command it shows
which ones need it. So it has a worker of its own: it begins with the first words, goes on with what follows, and is
waited for only where it is needed; by then little is left to do.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from appliance.audio.format import Pcm
from appliance.speech.recognizer import FreeSpeech
from appliance.worker import Worker, ahead

LONGEST_WAIT_S: Final = 10.0
"""Whoever waits for a dictation that hangs does without it after so long; one of 8 s takes 4 s on a desktop."""


@dataclass(slots=True)
class _Utterance:
    """One dictation on its way; the worker's, but for `dropped` and `ended`."""

    dropped: threading.Event = field(default_factory=threading.Event)
    speech: FreeSpeech | None = None
    whole: bool = True
    """Nothing that was to be heard failed."""

    ended: bool = False
    """No more is said."""

    text: queue.SimpleQueue[str | None] = field(default_factory=queue.SimpleQueue)
    """Takes one text at the end."""


class Dictating:
    """Owned by the thread that recognizes; what it dictates with, by the worker."""

    def __init__(self, new: Callable[[], FreeSpeech], worker: Worker) -> None:
        """`new`: makes what dictates one utterance, on the worker."""
        self._new = new
        self._worker = worker
        self._ready: FreeSpeech | None = None
        self._utterance: _Utterance | None = None

    @property
    def goes_on(self) -> bool:
        """An utterance is being dictated."""
        return self._utterance is not None

    def prepare(self) -> None:
        """Have what the next utterance needs made now."""
        self._worker.submit(ahead(self._get_ready))

    def begin(self, said: Pcm) -> None:
        """Dictate a new utterance, of which so much was said (int16, 16 kHz, any length)."""
        self.drop()
        self._utterance = _Utterance()
        self.feed(said)

    def feed(self, pcm: Pcm) -> None:
        """What was said next; nothing, unless an utterance is being dictated."""
        utterance = self._utterance
        if utterance is not None and not self._worker.submit(ahead(lambda: self._hear(utterance, pcm))):
            self.drop()

    def drop(self) -> None:
        """The utterance is not needed."""
        if self._utterance is not None:
            self._utterance.dropped.set()
        self._utterance = None

    def end(self) -> None:
        """No more is said: the words may be made ready."""
        utterance = self._utterance
        if utterance is not None and not utterance.ended:
            utterance.ended = True
            if not self._worker.submit(ahead(lambda: _end(utterance))):
                self.drop()

    def text(self) -> str | None:
        """End the utterance, and wait for its words; None: none was dictated as a whole."""
        self.end()
        utterance, self._utterance = self._utterance, None
        if utterance is None:
            return None
        try:
            return utterance.text.get(timeout=LONGEST_WAIT_S)
        except queue.Empty:
            utterance.dropped.set()
            return None

    # The worker's part.

    def _get_ready(self) -> None:
        if self._ready is None:
            self._ready = self._new()

    def _hear(self, utterance: _Utterance, pcm: Pcm) -> None:
        if utterance.dropped.is_set() or not utterance.whole:
            return
        utterance.whole = False
        if utterance.speech is None:
            self._get_ready()
            utterance.speech, self._ready = self._ready, None
        assert utterance.speech is not None
        utterance.speech.accept(pcm)
        utterance.whole = True


def _end(utterance: _Utterance) -> None:
    text = None
    try:
        if utterance.whole and utterance.speech is not None and not utterance.dropped.is_set():
            text = utterance.speech.finish()
    finally:  # somebody waits for it
        utterance.text.put(text)
