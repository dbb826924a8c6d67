"""Answers and rings: the loop's side of voice and playback.

What is there already sounds at once; the rest is synthesized on a worker and handed over in parts. The frame loop
itself is the metronome of playback, so it knows in each frame what the loudspeaker plays: the reference by which the
appliance tells its own voice.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile

import numpy as np

from appliance.audio.format import INT16_FULL_SCALE, Frame, Pcm
from appliance.audio.player import Played, Player
from appliance.audio.tones import Earcon, earcon_tone, ring_tone
from appliance.facts import Fact, PlaybackEnded, PlaybackStarted, StageFailed
from appliance.inbox import Post
from appliance.trace import Tracer
from appliance.voice.answer_cache import AnswerCache
from appliance.voice.utterance import NOTHING, Chunk, Cutter, chunks_of
from appliance.voice.voice import Sentences, Voice, split_sentences
from appliance.worker import Worker, ahead


class Reference:
    """A recording of what another loudspeaker plays while a replay runs; frame 0 is the stream's frame 0."""

    def __init__(self, frames: Sequence[Frame], *, whole: bool = False) -> None:
        """`whole`: it is all that was heard, our own answers included; else these come on top."""
        self.whole = whole
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


@dataclass(slots=True, kw_only=True)
class _Rendering:
    """An answer on its way from the voice to the player; the loop's."""

    text: str
    chunks: list[Chunk]
    """What came before anybody wanted to hear it."""

    complete: bool
    ahead: bool
    """It was made before it was ordered."""

    failed: bool = False
    utterance: int | None = None
    """What the player calls it; None: nobody wants to hear it yet."""

    cancelled: threading.Event = field(default_factory=threading.Event)


class Speaking:
    """Owned by the frame loop; `advance` is called once for each frame."""

    def __init__(
        self,
        *,
        voice: Voice,
        player: Player,
        worker: Worker,
        post: Post,
        cache: AnswerCache | None = None,
        reference: Reference | None = None,
        tracer: Tracer | None = None,
        sentences: Sentences = split_sentences,
    ) -> None:
        """`cache`: answers that are there; `reference`: what is played beside our own (a replay's second track);
        `sentences`: makes of a text what the voice is given.
        """
        self._sentences = sentences
        self._voice = voice
        self._player = player
        self._worker = worker
        self._post = post
        self._cache = cache or AnswerCache(beforehand_bytes=0, said_bytes=0)
        self._reference = reference
        self._tracer = tracer
        self._utterance = 0
        self._cancelled = threading.Event()
        self._answers = True
        """What plays is an answer, whose begin and end are told; else a ring or a short sound."""
        self._ahead: _Rendering | None = None
        """What may be said soon."""
        self._cached = False
        """The beginning of the current utterance was there when it was ordered."""
        self._failed: int | None = None
        """The utterance of which a part is missing."""

    def set_volume(self, percent: int) -> None:
        """Loudness of what is played from now on, 0..100 percent."""
        self._player.volume = percent

    def say(self, text: str) -> None:
        """Speak a text instead of what is being said, in parts as they are ready."""
        utterance = self._begin()
        rendering, self._ahead = self._ahead, None
        if rendering is None or rendering.text != text or rendering.failed:
            if rendering is not None:
                rendering.cancelled.set()
            rendering = self._render(text)
        rendering.utterance, self._cancelled = utterance, rendering.cancelled
        self._cached = bool(rendering.chunks)
        if rendering.failed:
            self._failed = utterance
        self._player.begin(utterance)
        self._player.add(utterance, rendering.chunks, last=rendering.complete)

    def prepare(self, text: str) -> None:
        """Begin to make what may be said soon; it takes the place of what was prepared before."""
        if self._ahead is not None:
            if self._ahead.text == text:
                return
            self._ahead.cancelled.set()
        self._ahead = self._render(text, is_ahead=True)

    def ring(self) -> None:
        """Ring until hushed."""
        utterance = self._begin(answers=False)
        # At the voice's rate, so that the loudspeaker need not be opened anew between an answer and a ring.
        rate_hz = self._voice.rate_hz
        self._player.begin(utterance, repeat=chunks_of(ring_tone(rate_hz), rate_hz))

    def blip(self, earcon: Earcon) -> None:
        """Make a short sound, unless something else is heard or awaited."""
        if self._player.playing:
            return
        utterance, rate_hz = self._begin(answers=False), self._voice.rate_hz
        self._player.begin(utterance)
        self._player.add(utterance, chunks_of(earcon_tone(earcon, rate_hz), rate_hz), last=True)

    def hush(self) -> None:
        """Be silent at once."""
        self._cancelled.set()
        self._answers = True
        self._player.interrupt()

    def advance(self, index: int) -> Now:
        """Play the next 20 ms; returns what sounds now and whether an answer began or ended with it."""
        played = self._player.advance(index)
        if self._player.broken:
            self._failed = self._utterance
        facts: list[Fact] = self._facts(played, index) if self._answers else []
        if played.failed:
            facts.append(StageFailed(frame=index, stage="speaker", error=played.failed))
        if self._reference is None:
            return Now(played.reference, facts)
        if self._reference.whole:
            return Now(self._reference.pcm(index), facts)
        if not self._player.playing:  # while an answer of our own is heard, its begin and end are what counts
            if index == self._reference.first:
                facts.append(PlaybackStarted(frame=index))
            if index == self._reference.last + 1:
                facts.append(PlaybackEnded(frame=index))
        return Now(_mixed(played.reference, self._reference.pcm(index)), facts)

    def _begin(self, *, answers: bool = True) -> int:
        self._cancelled.set()
        self._cancelled = threading.Event()
        self._answers = answers
        self._utterance += 1
        return self._utterance

    def _facts(self, played: Played, index: int) -> list[Fact]:
        facts: list[Fact] = []
        if played.started and not self._player.broken:
            facts.append(PlaybackStarted(frame=index, cached=self._cached))
        if played.ended:
            facts.append(PlaybackEnded(frame=index, failed=self._failed == self._utterance))
        return facts

    def _render(self, text: str, *, is_ahead: bool = False) -> _Rendering:
        """Have the sound of a text made, but for what is there already."""
        plan = [self._cache.get(sentence) or sentence for sentence in self._sentences(text)]
        ready = [part for part in takewhile(lambda part: not isinstance(part, str), plan) if not isinstance(part, str)]
        rest = plan[len(ready) :]
        chunks = [chunk for part in ready for chunk in part]
        rendering = _Rendering(text=text, chunks=chunks, complete=not rest, ahead=is_ahead)

        def job() -> None:
            self._synthesize(rendering, rest)

        if rest and not self._worker.submit(ahead(job) if is_ahead else job):
            rendering.complete = rendering.failed = True
            error = "too many answers wait for the voice; use a faster machine or end other programs"
            if not is_ahead:
                self._post(lambda frame: StageFailed(frame=frame, stage="voice", error=error))
        return rendering

    def _receive(
        self, rendering: _Rendering, chunks: Sequence[Chunk], frame: int, *, last: bool = False, failed: bool = False
    ) -> Fact | None:
        """A part of an answer came, or nothing more will: what there is of it is played, and then its end is told."""
        rendering.complete, rendering.failed = last, failed
        if rendering.utterance is None:
            rendering.chunks.extend(chunks)
            return None
        self._player.add(rendering.utterance, chunks, last=last)
        if not failed or rendering.utterance != self._utterance:
            return None
        self._failed = rendering.utterance
        error = "an answer that was being prepared broke off"
        return StageFailed(frame=frame, stage="voice", error=error) if rendering.ahead else None

    # The worker's part.

    def _synthesize(self, rendering: _Rendering, plan: Sequence[str | Sequence[Chunk]]) -> None:
        """Make the sound of each sentence that is not there; runs on the voice worker, which tells what is raised."""
        failed = True
        try:
            for part in plan:
                if rendering.cancelled.is_set():
                    return
                if isinstance(part, str):
                    self._make(rendering, part)
                else:
                    self._hand_over(rendering, part)
            failed = False
        finally:  # nobody waits for the end of an answer that will not come
            self._post(lambda frame: self._receive(rendering, (), frame, last=True, failed=failed))

    def _make(self, rendering: _Rendering, sentence: str) -> None:
        cutter, made = Cutter(self._voice.rate_hz), list[Chunk]()
        for pcm in self._voice.stream(sentence, rendering.cancelled.is_set):
            if self._tracer:
                self._tracer.hand_off("voice", "player", -1, pcm)
            made += self._hand_over(rendering, cutter.feed(pcm))
        if not rendering.cancelled.is_set():
            made += self._hand_over(rendering, cutter.feed(NOTHING, last=True))
            if self._voice.identity is not None:
                self._post(lambda frame: self._cache.said(sentence, made))

    def _hand_over(self, rendering: _Rendering, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        self._post(lambda frame: self._receive(rendering, chunks, frame))
        return chunks


def _mixed(one: Pcm | None, other: Pcm | None) -> Pcm | None:
    """Two references that sound at the same time."""
    if one is None or other is None:
        return other if one is None else one
    both: Pcm = np.clip(one.astype(np.int32) + other, -INT16_FULL_SCALE, INT16_FULL_SCALE - 1).astype(np.int16)
    return both
