"""The messages of the Hermes protocol (Snips, Rhasspy) that are sent and obeyed: topics, and payloads as JSON objects.

No message of audio is among them. Keys that we do not know are passed over, as the protocol has several dialects.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

Id = Annotated[str, Meta(max_length=256)]
Text = Annotated[str, Meta(max_length=1000)]
Data = Annotated[str, Meta(max_length=4096)]


class Message(Struct, frozen=True, kw_only=True, rename="camel"):
    """Something sent; `topic_of` says where."""


class HotwordDetected(Message, frozen=True, kw_only=True):
    """The wake word was heard."""

    model_id: str
    model_version: str = ""
    model_type: str = "universal"
    current_sensitivity: float
    """The protocol wants a figure; it is the score."""

    site_id: str
    session_id: str


class SessionStarted(Message, frozen=True, kw_only=True):
    """A conversation began."""

    session_id: str
    site_id: str
    custom_data: str | None = None
    lang: str


class TextCaptured(Message, frozen=True, kw_only=True):
    """What was said."""

    text: str
    likelihood: float
    seconds: float
    site_id: str
    session_id: str
    wakeword_id: str | None = None
    lang: str


class IntentName(Message, frozen=True, kw_only=True):
    """Which intent, and how sure."""

    intent_name: str
    confidence_score: float


class Range(Message, frozen=True, kw_only=True):
    """Where a slot stands in the text, in characters."""

    start: int
    end: int
    raw_start: int
    raw_end: int


class Slot(Message, frozen=True, kw_only=True):
    """One value of an intent."""

    entity: str
    slot_name: str
    value: dict[str, Any]
    raw_value: str
    confidence: float
    range: Range | None = None


class Intent(Message, frozen=True, kw_only=True):
    """What is wanted."""

    input: str
    intent: IntentName
    slots: tuple[Slot, ...]
    site_id: str
    id: str
    session_id: str
    custom_data: str | None = None
    asr_confidence: float
    raw_input: str
    wakeword_id: str | None = None
    lang: str


class IntentNotRecognized(Message, frozen=True, kw_only=True):
    """What was said means nothing."""

    input: str
    session_id: str
    site_id: str
    custom_data: str | None = None


class NotRecognized(Message, frozen=True, kw_only=True):
    """The same, of the part that understands."""

    input: str
    site_id: str
    session_id: str


class Termination(Message, frozen=True, kw_only=True):
    """Why a conversation ended."""

    reason: Literal["nominal", "abortedByUser", "intentNotRecognized", "timeout", "error"]


class SessionEnded(Message, frozen=True, kw_only=True):
    """A conversation ended."""

    termination: Termination
    session_id: str
    site_id: str
    custom_data: str | None = None


class SayFinished(Message, frozen=True, kw_only=True):
    """A text that was asked for has been said."""

    site_id: str
    id: str | None = None
    session_id: str | None = None


_TOPICS: Final = {
    SessionStarted: "hermes/dialogueManager/sessionStarted",
    SessionEnded: "hermes/dialogueManager/sessionEnded",
    TextCaptured: "hermes/asr/textCaptured",
    IntentNotRecognized: "hermes/dialogueManager/intentNotRecognized",
    NotRecognized: "hermes/nlu/intentNotRecognized",
    SayFinished: "hermes/tts/sayFinished",
}


def topic_of(message: Message) -> str:
    """Where a message is published; wake word and intent are levels of their topics."""
    if isinstance(message, HotwordDetected):
        return f"hermes/hotword/{_level(message.model_id)}/detected"
    if isinstance(message, Intent):
        return f"hermes/intent/{_level(message.intent.intent_name)}"
    return _TOPICS[type(message)]


def _level(name: str) -> str:
    """A name as one level of a topic."""
    return "".join("_" if sign in "/+#\0" else sign for sign in name)


class _Request(Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class SayRequest(_Request, frozen=True, kw_only=True):
    """Say a text."""

    text: Text
    site_id: Id = "default"
    id: Id | None = None
    session_id: Id | None = None


class Init(_Request, frozen=True, kw_only=True):
    """What a conversation begins with: a text and listening, or a text alone."""

    type: Literal["action", "notification"] = "action"
    text: Text | None = None


class StartSession(_Request, frozen=True, kw_only=True):
    """Begin a conversation without the wake word."""

    init: Init
    site_id: Id = "default"
    custom_data: Data | None = None


class ContinueSession(_Request, frozen=True, kw_only=True):
    """Say something in a conversation and listen for the answer."""

    session_id: Id
    text: Text | None = None
    custom_data: Data | None = None


class EndSession(_Request, frozen=True, kw_only=True):
    """End a conversation, perhaps with a last word."""

    session_id: Id
    text: Text | None = None


class ToggleOn(_Request, frozen=True, kw_only=True):
    """Hear wake words again."""

    site_id: Id = "default"


class ToggleOff(_Request, frozen=True, kw_only=True):
    """Hear no wake words."""

    site_id: Id = "default"


Request = SayRequest | StartSession | ContinueSession | EndSession | ToggleOn | ToggleOff

REQUESTS: Final[dict[str, type[Request]]] = {
    "hermes/tts/say": SayRequest,
    "hermes/dialogueManager/startSession": StartSession,
    "hermes/dialogueManager/continueSession": ContinueSession,
    "hermes/dialogueManager/endSession": EndSession,
    "hermes/hotword/toggleOn": ToggleOn,
    "hermes/hotword/toggleOff": ToggleOff,
}
"""Topic -> what is asked there."""


def read(topic: str, payload: bytes) -> Request:
    """A request. Raises msgspec.DecodeError, UnicodeError, RecursionError for what is none of the known form."""
    return msgspec.json.decode(payload, type=REQUESTS[topic])
