"""LED, button and mute switch on the pins of a Raspberry Pi, through gpiozero.

All of it is optional: whatever is wrong with a pin is told once, in the log, and the appliance goes on without. Inputs
are read once a frame and outputs are only switched, so that no thread of a library runs beside the frame loop.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from appliance.lights import Light

_LOGGER = logging.getLogger(__name__)

REMEDY: Final = "see firmware_config/README.md, or take its pins out of [signals]"


@dataclass(frozen=True, slots=True)
class Pins:
    """BCM numbers."""

    led: tuple[int, ...] = ()
    """One LED, or red, green and blue of one; empty: none."""

    button: int = 0
    """A contact to ground; 0: none."""

    mute: int = 0
    """A switch to ground; 0: none."""


class Panel:
    """What is on the pins."""

    def __init__(self, pins: Pins, *, factory: Callable[[], Any] | None = None) -> None:
        """`factory` makes the pin factory of gpiozero; that of lgpio unless given."""
        self._leds: list[Any] = []
        self._button: Any = None
        self._switch: Any = None
        self._guarded(lambda: self._open(pins, factory or _lgpio))

    def show(self, light: Light) -> None:
        """Switch the LED."""
        lit = (light.single,) if len(self._leds) == 1 else (light.red, light.green, light.blue)
        for led, on in zip(self._leds, lit, strict=False):
            self._guarded(led.on if on else led.off)

    @property
    def button(self) -> bool:
        """It is down."""
        return self._button is not None and bool(self._guarded(lambda: self._button.is_active))

    @property
    def switch(self) -> bool:
        """It is closed: the microphone is to be off."""
        return self._switch is not None and bool(self._guarded(lambda: self._switch.is_active))

    def close(self) -> None:
        """Dark, and free."""
        for device in filter(None, (*self._leds, self._button, self._switch)):
            self._guarded(device.close)

    def _open(self, pins: Pins, make: Callable[[], Any]) -> None:
        from gpiozero import DigitalOutputDevice, InputDevice

        factory = make()
        self._leds = [DigitalOutputDevice(pin, pin_factory=factory) for pin in pins.led]
        if pins.button:
            self._button = InputDevice(pins.button, pull_up=True, pin_factory=factory)
        if pins.mute:
            self._switch = InputDevice(pins.mute, pull_up=True, pin_factory=factory)

    def _guarded(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Exception as error:  # gpiozero and what it stands on have no kind of error in common
            _LOGGER.warning("LED and button: %s: %s; %s", type(error).__name__, error, REMEDY)
            self._leds, self._button, self._switch = [], None, None
            return None


def _lgpio() -> Any:
    """The factory that works on every Raspberry Pi, also the fifth."""
    from gpiozero.pins.lgpio import LGPIOFactory

    return LGPIOFactory()
