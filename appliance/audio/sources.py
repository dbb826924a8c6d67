"""Where frames come from: one protocol for microphone, file and standard input."""

from collections.abc import Iterator
from typing import Protocol

from appliance.audio.format import Frame
from appliance.events import Event
from appliance.status import MicrophoneStatus


class Source(Protocol):
    """A stream of frames with running indices. What happens to the device on the way is told as events."""

    def frames(self) -> Iterator[Frame]:
        """Yield frames, 20 ms apart where the source is live; ends with the recording."""

    def events(self) -> list[Event]:
        """What happened since the last call: dropped frames, problems, a lost or restored device."""

    def close(self) -> None:
        """Free the device; `frames` ends soon after."""


class LiveSource(Source, Protocol):
    """A source with a device behind it."""

    def start(self) -> object:
        """Begin to capture; called once, when all is warm: frames that came earlier would have to be dropped."""

    @property
    def waiting(self) -> tuple[int, int] | None:
        """Frames that wait for the loop, and how many may; None where none can."""

    def status(self) -> MicrophoneStatus:
        """How things stand with the device."""

    def pause(self, on: bool) -> None:
        """Close the device, and yield silence at its pace, or open it again."""
