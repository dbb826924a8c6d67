"""What a person wants, as understanding hands it to the actions and the dialog."""

from dataclasses import dataclass, field
from enum import StrEnum

from appliance.events import Slots, Values


class Completion(StrEnum):
    """How far a command has come while it is being said."""

    CLOSED = "closed"
    """It is whole, and whatever may follow changes nothing of its meaning."""

    OPEN = "open"
    """It is whole, and may go on."""

    WIDE_OPEN = "wide_open"
    """It is whole, and may go on for long: several parts of it were not said yet."""

    INCOMPLETE = "incomplete"
    """It is no command yet."""

    NONE = "none"
    """No command begins like that: a word of it was misheard, or it is none."""

    @property
    def is_whole(self) -> bool:
        """It is a command."""
        return self in (Completion.CLOSED, Completion.OPEN, Completion.WIDE_OPEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A sentence of the language, recognized with all its slots."""

    name: str
    """Name of the intent: `timer_set`."""

    slots: Slots = field(default_factory=dict)
    """Slot name to the words as spoken."""

    values: Values = field(default_factory=dict)
    """Slot name to its normalised value: a number, seconds, the identifier of an entity."""

    text: str = ""
    """The sentence, as recognized."""

    courtesy: bool = False
    """People say it to each other all day: it means the appliance only when that was called."""

    then: "Intent | None" = None
    """The second command of the same sentence; it has no third."""

    @property
    def commands(self) -> "tuple[Intent, ...]":
        """This one and the second."""
        return (self,) if self.then is None else (self, self.then)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an action did."""

    ok: bool
    detail: str | None = None
    """For logs and subscribers: what went wrong, or what was done; never what was said."""

    reply: str | None = None
    """What to say; None: nothing."""

    ends: bool = False
    """The person wants silence: rings stop, and nothing is said but the reply, if there is one."""

    disowns_wake: bool = False
    """The person tells that he was not talking to the appliance."""

    then: "Outcome | None" = None
    """What came of the second command of the same sentence; its reply is part of this one's."""
