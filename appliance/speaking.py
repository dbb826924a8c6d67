"""Answers and rings: the loop's side of voice and playback.

Sentences are synthesized on a worker and handed over one by one; the frame loop itself is the metronome of playback, so
it knows in each frame what the loudspeaker plays: the reference by which the appliance tells its own voice.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from appliance.audio.format import INT16_FULL_SCALE, Frame, Pcm
from appliance.audio.player import Played, Player
from appliance.audio.tones import ring_tone
from appliance.facts import Fact, PlaybackEnded, PlaybackStarted, StageFailed
from appliance.inbox import Post
from appliance.trace import Tracer
from appliance.voice.utterance import NOTHING, Chunk, Cutter, chunks_of
from appliance.voice.voice import Voice, split_sentences
from appliance.worker import Worker, ahead


class Reference:
    """A recording of what another loudspeaker plays while a replay runs; frame 0 is the stream's frame 0."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        loud = [frame.index for frame in frames if np.any(frame.pcm)]
        self._frames = frames
        self.first, self.last = (loud[0], loud[-1]) if loud else (-1, -2)

    def pcm(self, index: int) -> Pcm | None:
        """What is played in this frame, int16 (320,); None before its first and after its last sound."""
        return self._frames[index].pcm if self.first <= index <= self.last else None


@dataclass(frozen=True, slots=True)
class Now:
    """What is heard from our side in this frame."""

    reference: Pcm | None
    """int16 (320,) at 16 kHz; None: nothing is played."""

    facts: list[Fact]


class Speaking:
    """Owned by the frame loop; `advance` is called once for each frame."""

    def __init__(
        self,
        *,
        voice: Voice,
        player: Player,
        worker: Worker,
        post: Post,
        reference: Reference | None = None,
        tracer: Tracer | None = None,
        abbreviations: Sequence[str] = (),
    ) -> None:
        """`reference`: what is played beside our own answers (a replay's second track). `abbreviations`: as for
        `split_sentences`.
        """
        self._abbreviations = abbreviations
        self._voice = voice
        self._player = player
        self._worker = worker
        self._post = post
        self._reference = reference
        self._tracer = tracer
        self._utterance = 0
        self._cancelled = threading.Event()
        self._ringing = False
        self._ready: dict[str, Pcm] = {}
        """The worker's: the first sentence of what may be said soon."""
        self._failed: int | None = None
        """The utterance of which a part is missing."""

    def set_volume(self, percent: int) -> None:
        """Loudness of what is played from now on, 0..100 percent."""
        self._player.volume = percent

    def say(self, text: str) -> None:
        """Speak a text instead of what is being said, sentence by sentence as they are ready."""
        utterance, cancelled = self._begin(), self._cancelled
        self._player.begin(utterance)
        if not self._worker.submit(lambda: self._synthesize(utterance, text, cancelled)):
            self._complete(utterance, failed=True)
            error = "too many answers wait for the voice; use a faster machine or end other programs"
            self._post(lambda frame: StageFailed(frame=frame, stage="voice", error=error))

    def prepare(self, text: str) -> None:
        """Make the first sentence of a text that may be said soon; it takes the place of what was prepared before."""
        self._worker.submit(ahead(lambda: self._make_ready(text)))

    def ring(self) -> None:
        """Ring until hushed."""
        utterance = self._begin()
        self._ringing = True
        # At the voice's rate, so that the loudspeaker need not be opened anew between an answer and a ring.
        rate_hz = self._voice.rate_hz
        self._player.begin(utterance, repeat=chunks_of(ring_tone(rate_hz), rate_hz))

    def hush(self) -> None:
        """Be silent at once."""
        self._cancelled.set()
        self._ringing = False
        self._player.interrupt()

    def advance(self, index: int) -> Now:
        """Play the next 20 ms; returns what sounds now and whether an answer began or ended with it."""
        played = self._player.advance(index)
        if self._player.broken:
            self._failed = self._utterance
        facts: list[Fact] = [] if self._ringing else self._facts(played, index)
        if played.failed:
            facts.append(StageFailed(frame=index, stage="speaker", error=played.failed))
        if self._reference is None:
            return Now(played.reference, facts)
        if not self._player.playing:  # while an answer of our own is heard, its begin and end are what counts
            if index == self._reference.first:
                facts.append(PlaybackStarted(frame=index))
            if index == self._reference.last + 1:
                facts.append(PlaybackEnded(frame=index))
        return Now(_mixed(played.reference, self._reference.pcm(index)), facts)

    def _begin(self) -> int:
        self._cancelled.set()
        self._cancelled = threading.Event()
        self._ringing = False
        self._utterance += 1
        return self._utterance

    def _facts(self, played: Played, index: int) -> list[Fact]:
        facts: list[Fact] = [PlaybackStarted(frame=index)] if played.started and not self._player.broken else []
        if played.ended:
            facts.append(PlaybackEnded(frame=index, failed=self._failed == self._utterance))
        return facts

    def _complete(self, utterance: int, *, failed: bool) -> None:
        """No more of an answer will come: what there is of it is played, and then its end is told."""
        if failed:
            self._failed = utterance
        self._player.add(utterance, [], last=True)

    # The worker's part.

    def _synthesize(self, utterance: int, text: str, cancelled: threading.Event) -> None:
        """Make the sound of each sentence; runs on the voice worker, which tells what is raised here."""
        failed = True
        try:
            for sentence in split_sentences(text, self._abbreviations):
                cutter = Cutter(self._voice.rate_hz)
                ready = self._ready.pop(sentence, None)
                for pcm in self._voice.stream(sentence, cancelled.is_set) if ready is None else [ready]:
                    if self._tracer:
                        self._tracer.hand_off("voice", "player", -1, pcm)
                    self._post(self._adding(utterance, cutter.feed(pcm)))
                if cancelled.is_set():
                    return
                self._post(self._adding(utterance, cutter.feed(NOTHING, last=True)))
            failed = False
        finally:  # nobody waits for the end of an answer that will not come
            self._post(lambda frame: self._complete(utterance, failed=failed))

    def _make_ready(self, text: str) -> None:
        """The first sentence alone: an answer does not wait for the second one to be made ahead of it."""
        for sentence in split_sentences(text, self._abbreviations)[:1]:
            if sentence not in self._ready:
                self._ready = {sentence: self._voice.synthesize(sentence)}

    def _adding(self, utterance: int, chunks: Sequence[Chunk]) -> Callable[[int], None]:
        return lambda frame: self._player.add(utterance, chunks, last=False)


def _mixed(one: Pcm | None, other: Pcm | None) -> Pcm | None:
    """Two references that sound at the same time."""
    if one is None or other is None:
        return other if one is None else one
    both: Pcm = np.clip(one.astype(np.int32) + other, -INT16_FULL_SCALE, INT16_FULL_SCALE - 1).astype(np.int16)
    return both
