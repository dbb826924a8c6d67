"""What `fuzz_commands` sends: good commands, those with something changed, JSON that is odd, and noise."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from appliance.commands import PAYLOAD_LIMIT_BYTES, command_schema

DELIVERED_BYTES: Final = 12_000
"""No larger payload is delivered: clients ask their broker for packets of 16,384 bytes at most. None is between."""

SIZES: Final = (
    *(PAYLOAD_LIMIT_BYTES + more for more in (-1, 0, 1)),
    2 * PAYLOAD_LIMIT_BYTES,
    DELIVERED_BYTES,
    20_000,
    1_000_000,
)

TEXTS: Final = (
    *("alexa", "hey_jarvis", "hey jarvis", "dinner is ready", "gr\u00fc\u00df Gott", "\u65e5\u672c\u8a9e"),
    *("\U0001f600", 'she said "no"', "50", "on", "true", "null", "{}", "[", "..", "../../etc/passwd"),
    *("", " ", "a\tb\nc", "x" * 1000, "x" * 1001, "\x00", "\x1b[2J", "\x7f", "\u0085", "\u200b", "\u202e"),
    *("\ufeff", "\ud800", "e\u0301"),
)

ODDITIES: Final = (
    *("NaN", "Infinity", "-Infinity", "nan", "1e400", "-1e400", "1e-400", "-0", "-0.0", "0x10", "010", "+5"),
    *("5.", ".5", "1_000", "\u0663", "9" * 4000, "1E2", "50.0", "50.5", "true", "false", "null", "True"),
    *("None", "undefined", '"50"', '"\\ud800"', '"\\u0000"', '"\\x41"', "'50'", '"50', "[50]", "[]", "{}"),
    *("[[[[50]]]]", "50 60", "50,", "50;", "/* */ 50", "50 // ", "\ufeff50", "\u00a050", "$ref", "__proto__"),
    *("[" * 2000, '{"a":' * 600, "[" * 900 + "]" * 900),
)
"""In the place of a value, or of the whole payload."""

NAMES: Final = (
    *("", " ", "update", "SAY", "say ", "volume.", "commands", "\u00fcber", "a" * 300, "..", "__class__", "null"),
)
"""Of no command."""

_SCHEMA: Final = command_schema()
_FORMS: Final[dict[str, dict[str, Any]]] = {
    name: _SCHEMA["$defs"][reference["$ref"].rpartition("/")[2]]["properties"]
    for name, reference in _SCHEMA["properties"].items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One message to a command's topic."""

    kind: str
    name: str
    """What follows `command/` in the topic."""

    payload: bytes
    retain: bool = False

    @property
    def is_delivered(self) -> bool:
        """Whether a client gets it at all."""
        return "/" not in self.name and len(self.payload) <= DELIVERED_BYTES


def shots(count: int, chance: Random) -> Iterator[Shot]:
    """So many, the same for the same seed."""
    kinds, weights = zip(*_KINDS.items(), strict=True)
    for kind in chance.choices(kinds, weights, k=count):
        name = chance.choice(list(_FORMS))
        match kind:
            case "good":
                payload = _good(name, chance)
            case "changed":
                payload = _changed(_good(name, chance), chance)
            case "odd":
                payload = _odd(name, chance)
            case "noise":
                payload = chance.randbytes(chance.randrange(200))
            case "large":
                payload = _large(name, chance)
            case "unknown":
                name, payload = chance.choice(NAMES), _good(name, chance)
            case "below":
                name, payload = f"{name}/{chance.choice(('', 'x', name))}", _good(name, chance)
            case _:
                payload = _good(name, chance)
        yield Shot(kind=kind, name=name, payload=payload, retain=kind == "retained")


_KINDS: Final = {
    "good": 30,
    "changed": 30,
    "odd": 25,
    "noise": 5,
    "large": 3,
    "unknown": 3,
    "below": 2,
    "retained": 2,
}
"""Kind of message, and how often it is chosen."""


def _good(name: str, chance: Random) -> bytes:
    """Of the published form, but for some of the texts: an object, or the bare value of its only field."""
    fields = {field: _value(form, chance) for field, form in _FORMS[name].items()}
    if chance.random() < 0.5:
        return _json(fields, chance)
    bare = [value if isinstance(value, str) else json.dumps(value) for value in fields.values()]
    return "".join(bare).encode("utf-8", "surrogatepass")


def _value(form: dict[str, Any], chance: Random) -> object:
    match form["type"]:
        case "boolean":
            return chance.random() < 0.5
        case "integer":
            return chance.randint(form["minimum"], form["maximum"])
        case "number":
            return chance.uniform(form["minimum"], form["maximum"])
    return chance.choice(TEXTS)


def _json(fields: object, chance: Random) -> bytes:
    text = json.dumps(fields, ensure_ascii=chance.random() < 0.5, indent=chance.choice((None, 0, 3)))
    return text.encode("utf-8", "surrogatepass")


def _changed(payload: bytes, chance: Random) -> bytes:
    """Something flipped, cut out, doubled, put in, or cut off; up to three times."""
    data = bytearray(payload or b"{}")
    for _ in range(chance.randint(1, 3)):
        first = chance.randrange(len(data) + 1)
        piece = slice(first, first + chance.randint(0, 8))
        match chance.randrange(5):
            case 0:
                data[piece] = bytes(byte ^ 1 << chance.randrange(8) for byte in data[piece])
            case 1:
                del data[piece]
            case 2:
                data[first:first] = data[piece] * chance.choice((1, 50))
            case 3:
                data[first:first] = chance.choice(
                    (b'"', b"{", b"}", b"[", b",", b":", b"\\", b"0", b"-", b"\xff", b" ")
                )
            case _:
                del data[first:]
    return bytes(data)


def _odd(name: str, chance: Random) -> bytes:
    """An oddity as the payload, as a value, or as a second or an unknown field."""
    oddity = chance.choice(ODDITIES)
    known = next(iter(_FORMS[name]), "x")
    key = json.dumps(chance.choice((known, known, known.upper(), f"{known} ", "", "\u0000", "type")))
    value = json.dumps(_value(_FORMS[name].get(known, {"type": "boolean"}), chance))
    forms = (
        oddity,
        f"{{{key}: {oddity}}}",
        f'{{"{known}": {value}, {key}: {oddity}}}',
        f'{{"{known}": {value}, "{known}": {value}}}',
        f'[{{"{known}": {value}}}]',
    )
    return chance.choice(forms).encode("utf-8", "surrogatepass")


def _large(name: str, chance: Random) -> bytes:
    """A size about the limits: of noise, of a text, or of a good command with space in it."""
    size = chance.choice(SIZES)
    good = _good(name, chance)
    return chance.choice((bytes([chance.randrange(256)]) * size, (b" " * size)[: max(0, size - len(good))] + good))
