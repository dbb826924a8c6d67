"""What an action sees and returns: the situation, the way out into the world, the outcome, and the changes it orders.

All immutable, so that it may travel between the frame loop and the worker that acts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from appliance.errors import StageError
from appliance.events import AlarmKind
from appliance.home.alarms import Alarm
from appliance.home.phrases import Phrases
from appliance.home.timers import Timer
from appliance.intent import Intent, Outcome
from appliance.understanding.home_file import HomeConfig

Answer = Callable[..., str]
"""`answer(key, **values)`: a sentence of the language, with its values put in."""


class Effects(Protocol):
    """What actions can do to the world. `appliance/home/effects.py` does it."""

    def publish(self, topic: str, payload: str, qos: int, retain: bool) -> None:
        """Send an MQTT message. Raises BrokerError."""

    def run_program(self, command: Sequence[str], timeout_s: float) -> str:
        """Run a program to its end; return what it printed. Raises StageError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What an action may look at, as it was when the intent was understood."""

    now: datetime
    """The wall clock, aware, in the zone of the home: for answers about the time."""

    steady_s: float
    """The same moment on the steady clock: for how long a timer still runs."""

    timers: tuple[Timer, ...]
    """What runs; what ends first comes first."""

    volume: int
    """Percent, 0..100."""

    last_reply: str | None
    area: str
    """Id of the area in which the appliance stands; empty: none."""

    dry_run: bool
    """Nothing leaves the process; the outcome is as if it had."""

    alarms: tuple[Alarm, ...] = ()
    """Alarms and reminders that wait; what is due first comes first."""

    rung: Alarm | None = None
    """The alarm or reminder that rang last."""

    last: Intent | None = None
    """What was done before."""

    ringing: bool = False
    """A timer, an alarm or a reminder rings, or waits to ring until this turn is over."""

    shopping: tuple[str, ...] = ()
    """The shopping list, in the order in which it was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTimer:
    """Start a timer."""

    duration_s: int
    label: str | None


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Take a timer back."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeTimer:
    """Let a timer run so much longer; shorter for less than nothing."""

    id: str
    by_s: int


@dataclass(frozen=True, slots=True)
class PauseTimer:
    """Hold a timer."""

    id: str


@dataclass(frozen=True, slots=True)
class ResumeTimer:
    """Let a held timer run."""

    id: str


@dataclass(frozen=True, slots=True)
class RestartTimer:
    """Begin the time of a timer anew."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAlarm:
    """Ring at a moment of the wall clock, see `Alarm`."""

    kind: AlarmKind
    due: datetime
    weekdays: tuple[int, ...] = ()
    label: str | None = None
    says: str | None = None


@dataclass(frozen=True, slots=True)
class CancelAlarm:
    """Take an alarm or a reminder back."""

    id: str


@dataclass(frozen=True, slots=True)
class KeepShopping:
    """What is on the shopping list from now on."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetVolume:
    """Make answers and rings so loud."""

    percent: int


@dataclass(frozen=True, slots=True)
class StopRinging:
    """Silence timers and alarms that ring."""


Change = (
    SetTimer
    | CancelTimer
    | ChangeTimer
    | PauseTimer
    | ResumeTimer
    | RestartTimer
    | SetAlarm
    | CancelAlarm
    | KeepShopping
    | SetVolume
    | StopRinging
)
"""An order that the frame loop carries out."""


@dataclass(frozen=True, slots=True)
class Done:
    """What an action did, and what is to change because of it."""

    outcome: Outcome
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Everything an action looks at."""

    home: HomeConfig
    effects: Effects
    answer: Answer
    intent: Intent
    situation: Situation
    phrases: Phrases

    def says(self, key: str, *changes: Change, **values: str) -> Done:
        """It is done: the answer of that key, and the changes."""
        return Done(Outcome(ok=True, reply=self._sentence(key, values)), changes)

    def regrets(self, key: str, detail: str, **values: str) -> Done:
        """It is not done: the answer of that key; `detail` is the reason for those who look after the appliance."""
        return Done(Outcome(ok=False, detail=detail, reply=self._sentence(key, values)))

    def text(self, slot: str) -> str | None:
        """The value of a slot as text; None when it was not said."""
        value = self.intent.values.get(slot, self.intent.slots.get(slot))
        return None if value is None else str(value)

    def number(self, slot: str) -> float:
        """The value of a slot that the language fills with a number. Raises StageError when it did not."""
        value = self.intent.values.get(slot)
        if not isinstance(value, int | float):
            raise StageError(f"intent {self.intent.name}: slot {slot} is {value!r}; the language must give a number")
        return value

    def whole(self, slot: str) -> int:
        """The same as a whole number. Raises StageError."""
        return round(self.number(slot))

    def _sentence(self, key: str, values: dict[str, str]) -> str:
        sentence = self.answer(key, **values)
        return sentence[:1].upper() + sentence[1:]
