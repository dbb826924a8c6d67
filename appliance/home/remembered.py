"""What the home's part of the appliance remembers when the power is gone, as one value."""

import msgspec

from appliance.home.alarms import Alarm
from appliance.home.timers import Timer


class Remembered(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Timers, alarms, reminders and the shopping list at one moment."""

    version: int = 1
    boot: str = ""
    """Of which start of the machine the timers' steady clock tells."""

    timers: tuple[Timer, ...] = ()
    timers_given: int = 0
    """How many there have been: an id is never given twice."""

    alarms: tuple[Alarm, ...] = ()
    alarms_given: int = 0
    shopping: tuple[str, ...] = ()
