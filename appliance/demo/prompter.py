"""The demo with a person in front of the machine: it says what to say, and goes on when the answer is over."""

from collections.abc import Callable, Iterator, Sequence

from appliance.audio.format import Frame, frames_of_ms
from appliance.audio.sources import LiveSource
from appliance.demo.person import PAUSE_FRAMES, RING_PATIENCE_FRAMES, Line
from appliance.errors import AudioError
from appliance.events import Event, State, StateChanged
from appliance.status import MicrophoneStatus

NOBODY_HEARS_FRAMES = frames_of_ms(12_000)
"""Without a microphone for so long there is none: every way to it has been tried by then."""

PATIENCE_FRAMES = frames_of_ms(12_000)
"""Time to read a line and to say it; then the next one is asked for, whatever was heard."""


class Prompter:
    """A microphone whose owner is told what to say; the stream ends when all was said."""

    def __init__(self, lines: Sequence[Line], microphone: LiveSource, announce: Callable[[str], None]) -> None:
        """`announce` is told each line when its turn comes."""
        self._lines = list(lines)
        self._microphone = microphone
        self._announce = announce
        self._state = State.IDLE
        self._since = 0
        self._prompted = 0
        self._answered = True

    def start(self) -> None:
        """Begin to capture."""
        self._microphone.start()

    @property
    def waiting(self) -> tuple[int, int] | None:
        """Those of the microphone."""
        return self._microphone.waiting

    def hear(self, event: Event) -> None:
        """Notice what the appliance does; called in the loop's thread."""
        if isinstance(event, StateChanged):
            self._state, self._since, self._answered = event.to, event.frame, True

    def frames(self) -> Iterator[Frame]:
        """The microphone's frames, until the last answer is over. Raises AudioError where there is no microphone."""
        for frame in self._microphone.frames():
            if (fault := self._microphone.status().fault) is not None and self._prompted == 0:
                if frame.index >= NOBODY_HEARS_FRAMES:
                    raise AudioError(fault)
                self._since = frame.index
            elif self._is_time(frame.index):
                if self._prompted == len(self._lines):
                    return
                self._announce(self._lines[self._prompted].text)
                self._prompted += 1
                self._since, self._answered = frame.index, False
            yield frame

    def events(self) -> list[Event]:
        """What happened to the microphone."""
        return self._microphone.events()

    def pause(self, on: bool) -> None:
        """Close the microphone, or open it again."""
        self._microphone.pause(on)

    def status(self) -> MicrophoneStatus:
        """How things stand with the microphone."""
        return self._microphone.status()

    def close(self) -> None:
        """Free the microphone."""
        self._microphone.close()

    def _is_time(self, index: int) -> bool:
        """For the next line, or the end."""
        wanted = self._lines[self._prompted].when if self._prompted < len(self._lines) else State.IDLE
        waited = index - self._since
        patience = RING_PATIENCE_FRAMES if wanted is State.RINGING else PAUSE_FRAMES
        if self._answered:
            return (self._state is wanted and waited >= patience) or waited >= 2 * PATIENCE_FRAMES
        return waited >= PATIENCE_FRAMES
