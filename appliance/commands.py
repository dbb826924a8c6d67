"""Commands from outside: what a subscriber may ask of the appliance, and how its bytes become one of twelve facts.

A command arrives as a name (`volume`) and a payload: a bare scalar (`50`) or a JSON object (`{"percent": 50}`), as
`command_schema` publishes it. Whatever is not exactly that is refused in one sentence and changes nothing. No sentence
repeats the payload: what is to be said stays out of the logs.
"""

import json
import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from appliance.errors import ApplianceError

PAYLOAD_LIMIT_BYTES: Final = 4096
"""Checked before anything is parsed. The longest good payload is a text of 1,000 characters: 4,000 bytes of UTF-8."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters but tab and newline, and halves of surrogate pairs: nothing of this can be said aloud."""


class CommandRefused(ApplianceError):
    """A command is not one of ours, or not of the published form."""


class _Command(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Say(_Command, frozen=True):
    """Say a text aloud."""

    text: Annotated[str, Meta(min_length=1, max_length=1000, description="What to say.")]

    def __post_init__(self) -> None:
        """Refuse, by ValueError, what cannot be said aloud."""
        if not self.text.strip():
            raise ValueError("nothing to say")
        if _CONTROL.search(self.text):
            raise ValueError("control characters cannot be said")


class Listen(_Command, frozen=True):
    """Listen for a command now, as if the wake word had been said."""


class Stop(_Command, frozen=True):
    """Be silent: speech and rings end."""


class Mute(_Command, frozen=True):
    """Stop hearing, or hear again. What is being said, and a ring, end with it."""

    on: Annotated[bool, Meta(description="true: the microphone is ignored.")]


class Volume(_Command, frozen=True):
    """Set the loudness of answers and rings."""

    percent: Annotated[int, Meta(ge=0, le=100, description="Loudness, percent, 0..100.")]


class Threshold(_Command, frozen=True):
    """Set the score that wakes."""

    score: Annotated[float, Meta(ge=0.0, le=1.0, description="Wake score, 0..1; 0: each model's own.")]


class WakeWord(_Command, frozen=True):
    """Listen for this wake word instead of those before."""

    word: Annotated[
        str,
        Meta(
            pattern=r"^[^\W_](?:[ '_-]?[^\W_]){0,63}\Z",
            description="Name of an installed wake word, or a phrase of words that the recognizer knows; no path.",
        ),
    ]


class FalseWake(_Command, frozen=True):
    """Tell that the newest wake was not meant for the appliance; it is counted, and what it led to ends."""


class SaveRecord(_Command, frozen=True):
    """Write the flight recorder's last seconds, where flight_recorder.seconds is above 0."""


class Reload(_Command, frozen=True):
    """Read the configuration and the home file again; the old ones stay where the new ones are wrong."""


class Restart(_Command, frozen=True):
    """End, and start anew."""


class Update(_Command, frozen=True):
    """Install the newest version that the owner's place for updates has, and use it."""


Command = (
    Say | Listen | Stop | Mute | Volume | Threshold | WakeWord | FalseWake | SaveRecord | Reload | Restart | Update
)
"""Every command there is."""

_FORMS: Final[dict[str, tuple[type[Command], str]]] = {
    "say": (Say, 'a text of 1..1000 characters, or {"text": "dinner is ready"}'),
    "listen": (Listen, "an empty payload"),
    "stop": (Stop, "an empty payload"),
    "mute": (Mute, 'on, off, or {"on": true}'),
    "volume": (Volume, '0..100, or {"percent": 50}'),
    "threshold": (Threshold, '0..1, or {"score": 0.8}'),
    "wake_word": (WakeWord, 'the name of a wake word, or {"word": "hey_jarvis"}'),
    "false_wake": (FalseWake, "an empty payload"),
    "save_record": (SaveRecord, "an empty payload"),
    "reload": (Reload, "an empty payload"),
    "restart": (Restart, "an empty payload"),
    "update": (Update, "an empty payload"),
}
"""Name on the wire: the class, and the remedy that a refusal names."""

_SWITCH: Final = {"on": True, "true": True, "off": False, "false": False}


def parse(name: str, payload: bytes) -> Command:
    """Read one command.

    `name` is the last level of its topic, `payload` its bytes, untrusted. Raises CommandRefused, and nothing else.
    """
    if name not in _FORMS:
        raise CommandRefused(f"command {name[:32]!a} is unknown; this version knows {', '.join(_FORMS)}")
    form, remedy = _FORMS[name]
    if len(payload) > PAYLOAD_LIMIT_BYTES:
        raise CommandRefused(f"command {name}: {len(payload)} bytes are more than {PAYLOAD_LIMIT_BYTES}; send {remedy}")
    try:
        text = payload.decode("utf-8").strip()
        fields = _object(text) if text.startswith("{") else _scalar(form, text)
        return msgspec.convert(fields, type=form)
    except UnicodeError:
        reason = "not UTF-8"
    except (RecursionError, json.JSONDecodeError):
        reason = "not a flat JSON value"
    except (msgspec.ValidationError, ValueError) as error:
        reason = _plain(str(error))
    raise CommandRefused(f"command {name}: {reason}; send {remedy}")


def name_of(command: Command) -> str:
    """The last level of its topic."""
    return next(name for name, (form, _) in _FORMS.items() if form is type(command))


def command_schema() -> dict[str, Any]:
    """The published JSON Schema: one property a command, named like the last level of its topic."""
    names = list(_FORMS)
    references, definitions = msgspec.json.schema_components([_FORMS[name][0] for name in names])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Commands of the appliance: the JSON object that each topic command/<name> takes",
        "type": "object",
        "properties": dict(zip(names, references, strict=True)),
        "$defs": definitions,
    }


def _object(text: str) -> object:
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)


def _scalar(form: type[Command], text: str) -> dict[str, object]:
    """A bare payload as the fields of its command; an empty one as no field at all."""
    if not text:
        return {}
    if form in (Say, WakeWord):
        return {form.__struct_fields__[0]: text}
    if form is Mute:
        if text.lower() not in _SWITCH:
            raise ValueError("neither on nor off")
        return {"on": _SWITCH[text.lower()]}
    if not form.__struct_fields__:
        raise ValueError("it takes no value")
    return {form.__struct_fields__[0]: json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)}


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key stands there twice")
    return fields


def _no_number(_name: str) -> object:
    raise ValueError("NaN and infinity are no numbers")


def _plain(reason: str) -> str:
    """A validation error without what the sender wrote, which a log must not repeat."""
    if "unknown field" in reason:
        return "an unknown field"
    if "matching regex" in reason:
        return "not a name"
    return reason.replace(" - at `$.", " at `")
