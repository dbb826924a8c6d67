"""What happens inside the daemon but is told outside only through the events that the dialog makes of it; and what
the dialog wants done.

A fact is in the past tense, an order in the imperative. Both are immutable and may travel between threads.
"""

from dataclasses import dataclass
from typing import Literal

from appliance.intent import Completion, Intent, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Woken:
    """A wake word was detected by the microphone."""

    frame: int
    word: str
    engine: str
    score: float
    word_end: int
    """Index of the word's last loud frame, as estimated from the levels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Yielded:
    """Another appliance heard the same wake word better, and answers."""

    frame: int
    turn: int
    word: str
    to: str
    """Its `device.id`."""

    snr_db: float
    """How well we heard the word, and how well the other one did."""

    other_snr_db: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StopHeard:
    """The stop word was detected by the microphone."""

    frame: int
    word: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandBegan:
    """Endpointing: the person began to say a command."""

    frame: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEnded:
    """Endpointing: the command is over."""

    frame: int
    reason: Literal["silence", "complete", "too_long", "no_speech"]
    """silence, complete, too_long, or no_speech when none began."""

    last_speech: int
    """Index of the last frame of speech."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartlyHeard:
    """The recognizer understood something so far."""

    frame: int
    turn: int
    text: str
    heard_to: int
    """The last frame that it has heard."""

    completion: Completion = Completion.INCOMPLETE
    intent: Intent | None = None
    """What it means when nothing more is said; None: no whole command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """The person fell silent after a whole command; unless more follows, it is this."""

    frame: int
    turn: int
    intent: Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """The recognizer and the language are done with an utterance."""

    frame: int
    turn: int
    text: str
    """What was said; empty when nothing was."""

    intent: Intent | None = None
    """None: refused."""

    confidence: float | None = None
    question: str | None = None
    """To be asked before anything is done: only if the person says yes. None: act at once."""

    agreed: bool | None = None
    """What was said is yes (True) or no (False), and nothing else; None: neither."""

    sure: bool = False
    """Heard word by word, and dictation left no doubt or was not needed: sure enough where nobody was addressed."""

    doubted: bool = False
    """A sentence of the language, and refused all the same."""

    nearest: str | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """An action was carried out, or failed."""

    frame: int
    turn: int
    session: int | None
    """The session it belongs to, which may be over by now."""

    intent: Intent
    outcome: Outcome
    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackStarted:
    """The first sample of an answer was handed to the loudspeaker."""

    frame: int
    cached: bool = False
    """It was made before it was ordered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackEnded:
    """The answer was played, or the voice failed."""

    frame: int
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rang:
    """A timer is over, or an alarm or a reminder is due."""

    frame: int
    timer: str
    """The id of whichever it is."""

    label: str | None
    due: str
    kind: Literal["timer", "alarm", "reminder"] = "timer"
    late: bool = False
    """It was due while the power was off: told, and not rung for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RingTimedOut:
    """Nobody stopped the ring."""

    frame: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedToSay:
    """Somebody wants a text spoken (a command from outside)."""

    frame: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedToListen:
    """Somebody wants the appliance to listen without a wake word."""

    frame: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedToStop:
    """Somebody wants silence."""

    frame: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedToMute:
    """Somebody switches the microphone off or on."""

    frame: int
    on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeDisowned:
    """Somebody tells that the newest wake was not meant for the appliance."""

    frame: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFailed:
    """A worker's job raised; the worker goes on."""

    frame: int
    stage: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTimedOut:
    """A turn got no result for so long that none will come."""

    frame: int


Fact = (
    Woken
    | Yielded
    | StopHeard
    | CommandBegan
    | CommandEnded
    | PartlyHeard
    | Foreseen
    | Understood
    | Acted
    | PlaybackStarted
    | PlaybackEnded
    | Rang
    | RingTimedOut
    | AskedToSay
    | AskedToListen
    | AskedToStop
    | AskedToMute
    | WakeDisowned
    | StageFailed
    | TurnTimedOut
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Feed the recognizer from this frame on and watch for the end of the command."""

    turn: int
    from_frame: int
    """The recognizer's first frame: before the wake word."""

    at_frame: int
    """Endpointing starts here."""

    after_wake: bool
    """The sound begins before a wake word that the recognizer can tell from the command."""

    patience_frames: int | None = None
    """Nobody is waited for longer; None: as long as after the wake word."""

    called: bool = True
    """By its word or otherwise, or it waits for the answer to a question: what is said now is for the appliance."""

    goes_on: bool = False
    """Somebody spoke to it before, and is expected to speak again: it follows an answer, or a question."""

    last: Intent | None = None
    """What was done last, which 'and the bedroom' may refer to; None: nothing."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Find out what would be answered, and make its sound, so that it is ready when the command is over.

    Nothing is done yet, and nothing is told.
    """

    act: "Act"


@dataclass(frozen=True, slots=True)
class Recognize:
    """The utterance is complete: make text and intent of it."""

    turn: int


@dataclass(frozen=True, slots=True)
class StopListening:
    """Drop the utterance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Carry out an intent."""

    turn: int
    session: int | None
    intent: Intent
    last_reply: str | None
    last: Intent | None = None
    """What was done before, for 'undo'."""

    ringing: bool = False
    """Something rings, or waits to ring until the turn is over."""


@dataclass(frozen=True, slots=True)
class Say:
    """Speak a text."""

    text: str


@dataclass(frozen=True, slots=True)
class Hush:
    """Stop speaking or ringing at once."""


@dataclass(frozen=True, slots=True)
class Ring:
    """Ring until hushed."""


Order = Listen | Prepare | Recognize | StopListening | Act | Say | Hush | Ring
