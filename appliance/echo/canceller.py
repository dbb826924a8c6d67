"""What the frame loop knows of echo cancelling: one protocol, and the two ways there are.

    played ─ line of the newest second ─ delay ─┐
    microphone ─────────────────────────────────┴─ filter ─ a person, and little else ─► wake word, ring, recognizer
                       both ─ delay finder, watch ─ works? ─► no: half duplex, and an event

*Half duplex* is what remains without: the microphone as it is, in which only a person who is about as loud as the
device is heard; and a word that the device said itself does not count for longer.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np

from appliance.audio.format import FRAME_SAMPLES, Frame, Pcm, frames_of_ms, level_dbfs, ms_of_frames, silent_pcm
from appliance.echo.delay import LONGEST_MS, DelayFinder
from appliance.echo.filter import FIRST_REACH, PARTITIONS, EchoFilter
from appliance.echo.remainder import Remainder
from appliance.echo.watch import EchoWatch
from appliance.events import EchoCancellationLost, EchoCancellationRestored, Event

LINE_FRAMES: Final = frames_of_ms(LONGEST_MS) + 1

HEARD_AGAIN_FRAMES: Final = frames_of_ms(2000)
"""So much of what was heard until the delay was found is heard again then: it takes 0.7 to 1.2 s."""

AT_ONCE_FRAMES: Final = 6
"""So many in the time of one, each of which takes as long as a new one."""

OWN_WORD_FRAMES: Final = frames_of_ms(600)
"""How long after a word was played, beside the delay, its echo may be taken for a person: the room's 320 ms and the
difference between two scorings of the same word."""

OWN_VOICE_FRAMES: Final = frames_of_ms(1500)
"""The same where the delay is not known, which it includes."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A frame without the device's own sound."""

    frame: Frame
    told: list[Event] = field(default_factory=list)


class EchoCanceller(Protocol):
    """Owned by the frame loop, and kept from one answer to the next."""

    @property
    def own_word_frames(self) -> int:
        """For so long after the device has said a word, the word that the microphone hears is that one."""

    @property
    def hears_nobody(self) -> bool:
        """Of late there was nothing but the device's own sound: a word heard just now is nobody's."""

    def process(self, frame: Frame, played: Pcm | None) -> Cancelled:
        """Take what is heard, and what is played meanwhile: int16 (320,), 16 kHz; None: nothing is played."""


class HalfDuplex:
    """No cancelling at all."""

    own_word_frames = OWN_VOICE_FRAMES
    hears_nobody = False

    def process(self, frame: Frame, played: Pcm | None) -> Cancelled:
        """The frame as it is."""
        return Cancelled(frame)


class AdaptiveCanceller:
    """Finds the delay and learns the room by itself. Costs nothing while nothing is played."""

    def __init__(self) -> None:
        self._filter = EchoFilter()
        self._finder = DelayFinder()
        self._watch = EchoWatch()
        self._remainder = Remainder()
        self._line: deque[Pcm] = deque(maxlen=LINE_FRAMES + HEARD_AGAIN_FRAMES)
        """What was played in the newest frames, the newest last."""
        self._heard: deque[Pcm] = deque(maxlen=HEARD_AGAIN_FRAMES)
        """The newest of what was heard, until the delay is known; then those that are to be heard again."""
        self._hears_again = False
        self._delay_frames = 0
        self._delay_samples: int | None = None
        self._left = 0
        """So many frames more what was played may be heard."""
        self._next = 0
        self._rest()

    @property
    def delay_ms(self) -> float | None:
        """From the reference to the microphone, as found; None: not yet."""
        return None if self._delay_samples is None else self._delay_samples * 20 / FRAME_SAMPLES

    @property
    def works(self) -> bool:
        """False: half duplex."""
        return self._watch.works

    @property
    def own_word_frames(self) -> int:
        """By the delay, if that is known."""
        if not self.works or self._delay_samples is None:
            return OWN_VOICE_FRAMES
        return self._delay_samples // FRAME_SAMPLES + OWN_WORD_FRAMES

    @property
    def hears_nobody(self) -> bool:
        """By what the filter leaves; not known where it does not work, and while nothing is played."""
        return self.works and self._left > 0 and (self._hears_again or self._remainder.is_empty)

    def process(self, frame: Frame, played: Pcm | None) -> Cancelled:
        """The person, and what the filter cannot explain; the frame as it is while nothing is played, or it fails."""
        if frame.index != self._next:
            self._rest()
        self._next = frame.index + 1
        if played is not None:
            self._left = LINE_FRAMES + PARTITIONS
        if not self._left:
            return Cancelled(frame)
        self._left -= 1
        self._line.append(silent_pcm() if played is None else played)
        self._align(frame.pcm)
        pcm = self._cancel(frame.pcm)
        told = self._judge(frame, pcm)
        if not self._left:
            self._rest()
        return Cancelled(Frame(frame.index, pcm) if self.works else frame, told)

    def _cancel(self, heard: Pcm) -> Pcm:
        """The newest frame without the echo; as it is while there are frames before it to be heard again."""
        if self._delay_samples is None or self._hears_again:
            self._heard.append(heard)
        if not self._hears_again:
            return self._filtered(heard, 0)
        left = heard
        for _ in range(min(AT_ONCE_FRAMES, len(self._heard))):
            left = self._filtered(self._heard.popleft(), len(self._heard))
        self._hears_again = bool(self._heard)
        return heard if self._hears_again else left

    def _filtered(self, heard: Pcm, ago: int) -> Pcm:
        """One frame, so many frames old, without the echo."""
        played = self._line[-1 - ago - self._delay_frames]
        left = self._filter.process(heard.astype(np.float64), played.astype(np.float64))
        pcm: Pcm = np.clip(np.rint(left), -32768, 32767).astype(np.int16)
        pcm.flags.writeable = False
        self._remainder.update(heard, pcm)
        return pcm

    def _align(self, heard: Pcm) -> None:
        """Keep the direct way within the first partitions of the filter."""
        delay = self._finder.update(heard, self._line[-1])
        if delay is None:
            return
        is_first, self._delay_samples = self._delay_samples is None, delay
        into = delay // FRAME_SAMPLES - self._delay_frames
        if not 0 <= into < FIRST_REACH:
            before, self._delay_frames = self._delay_frames, max(0, delay // FRAME_SAMPLES - 1)
            self._filter.shift(self._delay_frames - before)
            if is_first:
                self._filter.reset()
                if self._remainder.is_empty:  # else a person may have been taken for the echo, who is to be heard
                    self._hear_again()

    def _hear_again(self) -> None:
        """Learn the room from all that was heard of it, and what the filter usually leaves, too."""
        self._filter.pause()
        self._remainder = Remainder()
        self._hears_again = True

    def _judge(self, frame: Frame, left: Pcm) -> list[Event]:
        changed = self._watch.update(level_dbfs(self._line[-1]), level_dbfs(frame.pcm), level_dbfs(left))
        if not changed:
            return []
        kind = EchoCancellationRestored if self.works else EchoCancellationLost
        return [kind(frame=frame.index, loss_db=self._watch.loss_db, delay_ms=self._found_ms)]

    @property
    def _found_ms(self) -> int | None:
        return None if self._delay_samples is None else round(ms_of_frames(1) * self._delay_samples / FRAME_SAMPLES)

    def _rest(self) -> None:
        """Nothing more is heard of what was played; the room and the delay are remembered."""
        self._left = 0
        self._line.extend([silent_pcm()] * (LINE_FRAMES + HEARD_AGAIN_FRAMES))
        self._heard.clear()
        self._hears_again = False
        self._filter.pause()
        self._remainder.rest()
