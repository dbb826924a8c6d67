"""Somebody who talks to the appliance: synthesized sentences in a quiet room, each said when it is their turn.

The person is a source of frames at the pace of a microphone. Like a person it waits until the appliance has answered,
and says the next line; it hears the appliance only through the events.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from appliance.audio.convert import resample
from appliance.audio.format import (
    FRAME_MS,
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    Frame,
    Pcm,
    frames_of_ms,
    freeze,
)
from appliance.events import Event, State, StateChanged
from appliance.status import MicrophoneStatus
from appliance.voice.voice import Voice

ROOM_NOISE_RMS = 20.0
"""About -64 dBFS: a quiet room through an ordinary microphone."""

PAUSE_FRAMES = frames_of_ms(1200)
"""People leave about a second before they ask for the next thing."""

RING_PATIENCE_FRAMES = frames_of_ms(2500)
"""So long a ringing timer is listened to."""

LONGEST_WAIT_FRAMES = frames_of_ms(20_000)
"""A line's turn comes after this in any case, so that the demo ends whatever happens."""


@dataclass(frozen=True, slots=True)
class Line:
    """Something the person says."""

    text: str
    """As it is spoken."""

    when: State = State.IDLE
    """The line's turn comes when the appliance is in this state."""


class Person:
    """A live source of frames that says its lines and then leaves."""

    def __init__(
        self,
        lines: Sequence[Line],
        voice: Voice,
        announce: Callable[[str], None],
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Synthesize the lines with `voice`; `announce` is told each line as it begins; `sleep` paces the frames."""
        self._sleep = sleep
        self._lines = list(lines)
        self._spoken = [_at_16_khz(voice, line.text) for line in lines]
        self._noise = np.random.default_rng(1)
        self._state = State.IDLE
        self._since = 0
        self._closing = threading.Event()
        self._announce = announce

    def hear(self, event: Event) -> None:
        """Notice what the appliance does; called in the loop's thread."""
        if isinstance(event, StateChanged):
            self._state, self._since = event.to, event.frame

    def frames(self) -> Iterator[Frame]:
        """One frame every 20 ms, until all was said and the appliance rests."""
        started = time.monotonic()
        index, position, samples = 0, 0, np.zeros(0, np.int16)
        while not self._closing.is_set():
            if samples.size == 0 and self._may_speak(position, index):
                if position == len(self._lines):
                    return
                samples = self._spoken[position]
                self._announce(self._lines[position].text)
                position += 1
                self._since = index
            said, samples = samples[:FRAME_SAMPLES], samples[FRAME_SAMPLES:]
            self._sleep(max(0.0, started + index * FRAME_MS / 1000 - time.monotonic()))
            yield Frame(index, self._in_the_room(said))
            index += 1

    def events(self) -> list[Event]:
        """A synthesized microphone never fails."""
        return []

    def pause(self, on: bool) -> None:
        """A person talks on, whether the appliance listens or not."""

    def start(self) -> None:
        """Time begins with the first frame."""

    @property
    def waiting(self) -> None:
        """Nobody's words wait."""

    def status(self) -> MicrophoneStatus:
        """Present."""
        return MicrophoneStatus(name="a synthesized person", present=True, muted=False)

    def close(self) -> None:
        """Stop talking."""
        self._closing.set()

    def _may_speak(self, position: int, index: int) -> bool:
        wanted = self._lines[position].when if position < len(self._lines) else State.IDLE
        waited = index - self._since
        patience = RING_PATIENCE_FRAMES if wanted is State.RINGING else PAUSE_FRAMES
        return (self._state is wanted and waited >= patience) or waited >= LONGEST_WAIT_FRAMES

    def _in_the_room(self, said: Pcm) -> Pcm:
        sound = self._noise.normal(0.0, ROOM_NOISE_RMS, FRAME_SAMPLES)
        sound[: said.size] += said
        return freeze(np.clip(sound, -32768, 32767).astype(np.int16))


def _at_16_khz(voice: Voice, text: str) -> Pcm:
    return resample(voice.synthesize(text), voice.rate_hz, SAMPLE_RATE_HZ)
