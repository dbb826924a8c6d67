"""Playback, 20 ms at a time: the frame loop is its metronome.

In each frame the player hands chunks to the loudspeaker and says what is heard meanwhile. It keeps the device a few
chunks ahead, so that a late frame of the loop is not heard; what it reports is what sounds now, not what it hands over.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from appliance.audio.format import Pcm, freeze, silent_pcm
from appliance.audio.speakers import Speaker
from appliance.errors import AudioError
from appliance.voice.utterance import Chunk

QUIETEST_DB: Final = -40.0
"""Gain at the lower end of the volume. Steps of equal dB sound equal; 0 percent itself is silence."""

_SILENCE: Final = silent_pcm()


@dataclass(frozen=True, slots=True)
class Played:
    """What the loudspeaker does in one frame."""

    reference: Pcm | None = None
    """What sounds, as int16 at 16 kHz, shape (320,), read-only; zeros while a sentence is awaited; None: idle."""

    started: bool = False
    """The first chunk of the utterance was handed to the device in this frame."""

    ended: bool = False
    """The last chunk sounded in the frame before. True without a `started` for an utterance without sound."""

    failed: str | None = None
    """What is wrong with the loudspeaker, told once until it works again. Time goes on as if it were heard."""


class Player:
    """One utterance at a time. Belongs to the frame loop."""

    def __init__(self, speaker: Speaker, *, lead_frames: int) -> None:
        """`lead_frames`: chunks kept in the device's queue; 0 hands over exactly one in each frame, as replay needs."""
        self._speaker = speaker
        self._window = max(1, lead_frames)
        self._utterance: int | None = None
        self._waiting: deque[Chunk] = deque()
        self._repeat: tuple[Chunk, ...] = ()
        self._sounding: deque[Pcm] = deque()
        """References of what was handed over and has not sounded yet."""
        self._complete = False
        self._handed_any = False
        self._frame: int | None = None
        self._broken = False
        """Nothing more is written in this utterance."""
        self._told = False
        self._gain = np.float32(1.0)
        self._volume = 100

    @property
    def broken(self) -> bool:
        """The loudspeaker does not take the current utterance."""
        return self._broken and self._handed_any

    @property
    def playing(self) -> bool:
        """An utterance was begun and neither ended nor interrupted."""
        return self._utterance is not None

    @property
    def volume(self) -> int:
        """Percent, 0..100; heard after the lead."""
        return self._volume

    @volume.setter
    def volume(self, percent: int) -> None:
        self._volume = min(max(percent, 0), 100)
        decibels = QUIETEST_DB * (1.0 - self._volume / 100.0)
        self._gain = np.float32(10.0 ** (decibels / 20.0) if self._volume else 0.0)

    def begin(self, utterance_id: int, *, repeat: Sequence[Chunk] = ()) -> None:
        """Make room for an utterance; one that still plays is interrupted.

        `repeat`: what is played over and over until it is interrupted, for rings.
        """
        self.interrupt()
        self._utterance = utterance_id
        self._repeat = tuple(repeat)

    def add(self, utterance_id: int, chunks: Sequence[Chunk], last: bool) -> None:
        """The next sentence of an utterance; dropped if that was interrupted meanwhile. `last`: no more will come."""
        if utterance_id == self._utterance:
            self._waiting.extend(chunks)
            self._complete = last

    def advance(self, frame_index: int) -> Played:
        """Called once for each frame, with its index."""
        if self._utterance is None:
            return Played()
        self._skip_lost_frames(frame_index)
        first = not self._handed_any
        failed = self._hand_over()
        if self._sounding:
            return Played(self._sounding.popleft(), started=first, failed=failed)
        if not self._complete:
            return Played(_SILENCE)
        self._forget()
        return Played(ended=True)

    def interrupt(self) -> int | None:
        """Be silent at once; the identifier of what was playing, None when nothing was."""
        interrupted = self._utterance
        if interrupted is not None:
            self._speaker.abort()
            self._forget()
        return interrupted

    def _hand_over(self) -> str | None:
        """Fill the window. Returns what is newly wrong with the loudspeaker."""
        failed = None
        while len(self._sounding) < self._window and (self._waiting or self._repeat):
            if not self._waiting:
                self._waiting.extend(self._repeat)
            chunk = self._waiting.popleft()
            failed = self._write(chunk) or failed
            self._sounding.append(self._quieter(chunk.reference))
        return failed

    def _write(self, chunk: Chunk) -> str | None:
        """Returns what is wrong with the loudspeaker, unless it was told since it last worked."""
        try:
            if not self._handed_any:
                self._handed_any = True
                self._broken = True
                self._speaker.open(chunk.rate_hz)
                self._broken = False
            if not self._broken:
                self._speaker.write(self._quieter(chunk.pcm))
                self._told = False
            return None
        except AudioError as error:
            self._broken = True
            told, self._told = self._told, True
            return None if told else str(error)

    def _quieter(self, pcm: Pcm) -> Pcm:
        """At the volume. The gain is 1 at most, so nothing can clip."""
        return pcm if self._volume == 100 else freeze(np.rint(pcm * self._gain).astype(np.int16))

    def _skip_lost_frames(self, frame_index: int) -> None:
        """Frames that the microphone lost have sounded all the same."""
        lost = 0 if self._frame is None else frame_index - self._frame - 1
        for _ in range(min(lost, len(self._sounding))):
            self._sounding.popleft()
        self._frame = frame_index

    def _forget(self) -> None:
        self._utterance = None
        self._waiting.clear()
        self._repeat = ()
        self._sounding.clear()
        self._complete = False
        self._handed_any = False
        self._frame = None
