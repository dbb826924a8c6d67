"""Has frequent answers made while nothing goes on, so that they sound at once when they are given.

The work is done on the voice's worker, one sentence after the other, and given up as soon as anything begins. What was
made lies on the disk at the next start.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from appliance.audio.format import frames_of_ms
from appliance.errors import StageError
from appliance.inbox import Post
from appliance.voice.answer_cache import AnswerCache
from appliance.voice.answer_folder import AnswerFolder
from appliance.voice.utterance import Chunk, chunks_of
from appliance.voice.voice import Sentences, Voice, joined, split_sentences
from appliance.worker import Worker

QUIET_FRAMES: Final = frames_of_ms(10_000)
"""Nothing is made so soon after a turn: another may follow."""

PAUSE_FRAMES: Final = frames_of_ms(2000)
"""Between two sentences that are made, each of which takes 0.15 s of a desktop's processor, and 1 s or more of a small
board's."""

PAUSE_AFTER_FAILURE_FRAMES: Final = frames_of_ms(300_000)


class Preparing:
    """Owned by the frame loop; `step` is called once for each frame."""

    def __init__(
        self,
        *,
        voice: Voice,
        cache: AnswerCache,
        folder: AnswerFolder,
        worker: Worker,
        post: Post,
        split: Sentences = split_sentences,
    ) -> None:
        """`split`: makes of a text what the voice is given."""
        self._split = split
        self._voice = voice
        self._cache = cache
        self._folder = folder
        self._worker = worker
        self._post = post
        self._sentences: tuple[str, ...] = ()
        self._next = 0
        self._due = QUIET_FRAMES
        self._cancelled: threading.Event | None = None
        """Of the sentence that is being made; None: none is."""

    def renew(self, answers: Sequence[str]) -> None:
        """Make these, the first first."""
        self._sentences = tuple(dict.fromkeys(chain.from_iterable(map(self._split, answers))))
        self._next = 0

    def step(self, index: int, *, rests: bool) -> None:
        """Begin with the next sentence where it is time; give up the one that is being made where something goes on."""
        if not rests:
            self._due = index + QUIET_FRAMES
            if self._cancelled is not None:
                self._cancelled.set()
        elif self._cancelled is None and self._next < len(self._sentences) and index >= self._due:
            sentences, number, cancelled = self._sentences, self._next, threading.Event()
            if self._worker.submit(lambda: self._work(sentences, number, cancelled)):
                self._cancelled = cancelled

    def _take(self, made: "_Made", at: int) -> None:
        """Back in the loop."""
        self._cancelled = None
        self._due = max(self._due, at + made.pause_frames)
        if made.sentences is self._sentences and made.chunks is not None:
            has_room = self._cache.fix(made.sentences[self._next], made.chunks)
            self._next = self._next + 1 if has_room else len(self._sentences)

    # The worker's part.

    def _work(self, sentences: Sequence[str], number: int, cancelled: threading.Event) -> None:
        made = _Made(sentences)
        try:
            if self._voice.identity is not None:
                if number == 0:
                    self._folder.keep_only(self._voice.identity, sentences)
                made = self._made(sentences, number, cancelled, self._voice.identity)
        except StageError:
            pass  # what is wrong with the voice is told when it is needed
        finally:
            self._post(lambda at: self._take(made, at))

    def _made(self, sentences: Sequence[str], number: int, cancelled: threading.Event, identity: str) -> "_Made":
        """From the disk, or else from the voice. Raises StageError."""
        pcm, pause_frames = self._folder.load(identity, sentences[number]), 0
        if pcm is None:
            pcm, pause_frames = joined(self._voice.stream(sentences[number], cancelled.is_set)), PAUSE_FRAMES
            if cancelled.is_set() or self._voice.identity is None:
                return _Made(sentences, None, PAUSE_FRAMES)
            self._folder.store(identity, sentences[number], pcm)
        return _Made(sentences, chunks_of(pcm, self._voice.rate_hz), pause_frames)


@dataclass(frozen=True, slots=True)
class _Made:
    """What the worker did."""

    sentences: Sequence[str]
    """Those that it was one of."""

    chunks: Sequence[Chunk] | None = None
    """None: it was given up, or failed."""

    pause_frames: int = PAUSE_AFTER_FAILURE_FRAMES
    """How long nothing is made after it."""
