"""What the lamp of the appliance shows, from events alone. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from appliance.events import Event, MicrophoneLost, MicrophoneRestored, Started, State, StateChanged


@dataclass(frozen=True, slots=True)
class Light:
    """One of eight colours; what an LED of a single colour shows is the last field."""

    red: bool
    green: bool
    blue: bool
    single: bool


DARK: Final = Light(False, False, False, False)

LIGHTS: Final = {
    State.IDLE: DARK,
    State.LISTENING: Light(False, False, True, True),
    State.FOLLOWING_UP: Light(False, True, True, True),
    State.THINKING: Light(True, True, False, True),
    State.SPEAKING: Light(False, True, False, True),
    State.RINGING: Light(True, True, True, True),
    State.MUTED: Light(True, False, False, False),
}
"""Blue, cyan, yellow, green, white, red. A single LED is lit while something goes on."""

LOST: Final = Light(True, False, True, False)
"""Magenta: at rest, and without a microphone."""


class Lights:
    """Takes the events, in order."""

    def __init__(self, show: Callable[[Light], None]) -> None:
        """`show` is called with what is to be seen from now on."""
        self._show = show
        self._state = State.IDLE
        self._lost = False

    def take(self, event: Event) -> None:
        """Show what an event changes."""
        match event:
            case Started():
                pass
            case StateChanged():
                self._state = event.to
            case MicrophoneLost() | MicrophoneRestored():
                self._lost = isinstance(event, MicrophoneLost)
            case _:
                return
        self._show(LOST if self._lost and self._state is State.IDLE else LIGHTS[self._state])
