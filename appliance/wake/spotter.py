"""Hears several wake words at once, and not its own voice.

    microphone ─ front end of each engine ─ model of each word ─ trigger ──────────────► WakeDetected
    playback   ─ the same, only while something is played ─ "I said that myself" ─ bars ─┘

A wake word that is in what the device plays is its own: without this, an answer that names the word wakes the device.

The stop word is one more model on the same features. It sleeps where it has nothing to stop, which saves a third
of what hearing costs; woken, it has heard what went before, for a person may say it as soon as a timer rings.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from appliance.audio.format import FRAMES_PER_S, Frame, Pcm, silent_pcm
from appliance.echo.canceller import OWN_VOICE_FRAMES
from appliance.events import StopDetected, WakeDetected, WakeNearMissed
from appliance.wake.engine import ENGINES, FrontEnd, WakeModel, WakeWord
from appliance.wake.sleeper import Sleeper
from appliance.wake.trigger import Detection, Trigger

OWN_VOICE_RATIO = 0.05
"""Share of a word's threshold at which the playback counts as saying it: the room may make the copy clearer, and of
minutes of answers without these words none reaches even that."""
EASE_WHILE_PLAYING = 0.8
"""Share of a wake word's threshold that is enough while the device plays: what is left of the echo costs a person some
of the score, and thresholds are chosen for the hours in which it is silent. The stop word, which its own voice sounds
like far more often, is held to its own."""
LISTEN_ON_FRAMES = 2 * FRAMES_PER_S
"""How long the playback is listened to after its end, on silence: a word is recognized after it ended."""

Detected = WakeDetected | StopDetected


class Spotter:
    """Several wake words, and the stop word where there is one, on one stream of frames."""

    def __init__(
        self, words: Sequence[WakeWord], *, stop_word: WakeWord | None = None, near_misses: bool = False
    ) -> None:
        """Open the words. Raises ModelError when one is not of the form that its engine needs."""
        self._words = (*words, *([stop_word] if stop_word else []))
        self._stop_position = len(words)
        self._near_misses = near_misses
        self._microphone = _Ear(self._words, sleeps=self._stop_position)
        self._triggers = [Trigger(word.threshold, word.window) for word in self._words]
        self._playback: _Playback | None = None
        self._scores: tuple[float | None, ...] = ()
        self._held: dict[int, tuple[int, Detected]] = {}
        self._own_for_frames = OWN_VOICE_FRAMES
        self._nobody = False

    def process(
        self,
        frame: Frame,
        played: Pcm | None = None,
        *,
        stoppable: bool = False,
        own_for_frames: int = OWN_VOICE_FRAMES,
        nobody: bool = False,
    ) -> list[Detected | WakeNearMissed]:
        """Eat one frame.

        played: what the device plays during this frame, int16 (320,), 16 kHz; None while it is silent.
        stoppable: the stop word counts.
        own_for_frames: how long after the device said a word the microphone may hear it.
        nobody: what the microphone hears is the device alone, so no word in it counts.
        Near misses come only when they were asked for.
        """
        self._own_for_frames, self._nobody = own_for_frames, nobody
        self._follow_playback(frame.index, played)
        near_misses: list[Detected | WakeNearMissed] = []
        if not stoppable and self._stop_position < len(self._words):
            self._triggers[self._stop_position].reset()
        self._scores = tuple(self._microphone.process(frame.pcm, awake=stoppable))
        for position, score in enumerate(self._scores):
            ease = EASE_WHILE_PLAYING if self._playback and position < self._stop_position else 1.0
            decision = self._triggers[position].update(frame.index, score, ease)
            if isinstance(decision, Detection):
                self._hold(position, decision)
            elif decision is not None and self._near_misses and not self._is_own_voice(position, frame.index):
                word = self._words[position]
                near_misses.append(
                    WakeNearMissed(frame=frame.index, word=word.name, engine=word.engine, score=decision.score)
                )
        return [*self._release(frame.index), *near_misses]

    @property
    def scores(self) -> tuple[float | None, ...]:
        """Of the newest frame, for each word, the stop word last; None where the frame brought none."""
        return self._scores

    def reset(self) -> None:
        """Forget the sound heard so far, as after a gap. A word that was just detected is not detected again."""
        self._microphone.reset()
        for trigger in self._triggers:
            trigger.reset()
        self._held.clear()
        self._drop_playback()

    def close(self) -> None:
        """Free the models."""
        self._microphone.close()
        self._drop_playback()

    def _hold(self, position: int, detection: Detection) -> None:
        """While the device plays, wait until the same sound must have been scored in the playback, too."""
        word = self._words[position]
        frame, score = detection.frame, detection.score
        event: Detected = WakeDetected(frame=frame, word=word.name, engine=word.engine, score=score)
        if position == self._stop_position:
            event = StopDetected(frame=frame, word=word.name, score=score)
        wait_frames = ENGINES[word.engine].jitter_frames if self._playback else 0
        self._held[position] = (detection.frame + wait_frames, event)

    def _release(self, index: int) -> list[Detected]:
        """The detections whose waiting is over, without those of the own voice."""
        due = [position for position, (until, _) in self._held.items() if index >= until]
        events = [(position, self._held.pop(position)[1]) for position in due]
        return [replace(event, frame=index) for position, event in events if not self._is_own_voice(position, index)]

    def _is_own_voice(self, position: int, index: int) -> bool:
        if self._playback is None:
            return False
        return self._nobody or self._playback.said(position, index, self._own_for_frames)

    def _follow_playback(self, index: int, played: Pcm | None) -> None:
        if played is not None and self._playback is None:
            self._playback = _Playback(self._words)
        if self._playback is not None:
            self._playback.process(index, played)
            if self._playback.is_over(index):
                self._drop_playback()

    def _drop_playback(self) -> None:
        if self._playback is not None:
            self._playback.close()
            self._playback = None


class _Playback:
    """Which wake words the device itself said, and when."""

    def __init__(self, words: Sequence[WakeWord]) -> None:
        self._ear = _Ear(words)
        self._means = [Trigger(word.threshold, word.window) for word in words]
        self._levels = [word.threshold * OWN_VOICE_RATIO for word in words]
        self._said_at: list[int | None] = [None] * len(words)
        self._played_at = 0
        self._silence = silent_pcm()

    def process(self, index: int, played: Pcm | None) -> None:
        if played is not None:
            self._played_at = index
        scores = self._ear.process(self._silence if played is None else played)
        for position, score in enumerate(scores):
            self._means[position].update(index, score)
            if self._means[position].mean >= self._levels[position]:
                self._said_at[position] = index

    def said(self, position: int, index: int, within_frames: int) -> bool:
        """Whether the device said this word a moment ago."""
        said_at = self._said_at[position]
        return said_at is not None and index - said_at <= within_frames

    def is_over(self, index: int) -> bool:
        """Whether nothing was played for so long that nothing of it can be heard any more."""
        return index - self._played_at >= LISTEN_ON_FRAMES

    def close(self) -> None:
        self._ear.close()


class _Ear:
    """The models of all words on one stream; words of the same engine share a front end."""

    def __init__(self, words: Sequence[WakeWord], *, sleeps: int | None = None) -> None:
        """`sleeps`: position of the word that is not always listened for."""
        self._front_ends: dict[str, FrontEnd] = {}
        self._models: list[tuple[str, WakeModel]] = []
        self._sleeper: Sleeper | None = None
        for position, word in enumerate(words):
            if word.engine not in self._front_ends:
                self._front_ends[word.engine] = word.open_front_end()
            model = word.open_model()
            if position == sleeps:
                model = self._sleeper = Sleeper(model)
            self._models.append((word.engine, model))

    def process(self, pcm: Pcm, *, awake: bool = True) -> list[float | None]:
        """The score of each word, in order; None where the frame brought none, or the word sleeps."""
        if self._sleeper is not None:
            self._sleeper.wake(awake)
        features = {engine: front_end.process(pcm) for engine, front_end in self._front_ends.items()}
        return [model.process(features[engine]) for engine, model in self._models]

    def reset(self) -> None:
        for front_end in self._front_ends.values():
            front_end.reset()
        for _, model in self._models:
            model.reset()

    def close(self) -> None:
        for front_end in self._front_ends.values():
            front_end.close()
        for _, model in self._models:
            model.close()
