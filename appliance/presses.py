"""What pressing the button and moving the mute switch of the appliance mean. Pure: time is the frame index."""

from typing import Final

from appliance.audio.format import frames_of_ms
from appliance.commands import Command, Listen, Mute, Stop

HOLD_FRAMES: Final = frames_of_ms(1500)
"""Held for so long, the button mutes, or hears again; pressed for a shorter time, it begins or ends a turn."""

STEADY_FRAMES: Final = 2
"""Contacts bounce for some milliseconds: what is the same in so many frames, 40 ms, counts."""


class Contact:
    """A contact without its bouncing."""

    def __init__(self, closed: bool = False) -> None:
        """`closed`: as it counts until it is otherwise for long enough."""
        self.closed = closed
        self._otherwise = 0

    def update(self, closed: bool) -> bool:
        """Take its state of one frame; True where it changed with it."""
        self._otherwise = self._otherwise + 1 if closed is not self.closed else 0
        if self._otherwise < STEADY_FRAMES:
            return False
        self.closed, self._otherwise = closed, 0
        return True


class Presses:
    """Turns what is pressed into commands; called once for each frame."""

    def __init__(self) -> None:
        self._button = Contact()
        self._switch = Contact()
        self._since: int | None = None
        """The frame in which the button went down; None: it is up, or was held for long enough."""

    def update(self, frame: int, *, button: bool, switch: bool, rests: bool, muted: bool) -> Command | None:
        """The command that is given in this frame.

        Args:
            frame: its index.
            button: it is down.
            switch: the mute switch is closed.
            rests: nothing goes on.
            muted: the microphone is off.
        """
        if self._switch.update(switch):
            return Mute(on=self._switch.closed)
        if self._button.update(button):
            pressed, self._since = self._since, frame if self._button.closed else None
            if self._button.closed or pressed is None:
                return None
            return Listen() if rests else Stop()
        if self._since is not None and frame - self._since >= HOLD_FRAMES:
            self._since = None
            return Mute(on=not muted)
        return None
