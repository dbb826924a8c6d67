"""The printed forms of what others rely on, written from the code: `python -m tools.contracts` renews them all.

The JSON Schemas of events and commands, the event table in `docs/contracts.md`, the state table in `README.md`. A test
holds each against the code, so that none can fall behind.
"""

import inspect
import json
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
from msgspec import inspect as kinds

from appliance.commands import command_schema
from appliance.dialog import TABLE
from appliance.events import AnyEvent, Event, State

PROJECT: Final = Path(__file__).resolve().parents[1]
EVENTS: Final[tuple[type[Event], ...]] = get_args(AnyEvent)
"""Every event class, in the order of the table."""

_COMMON: Final = ("frame", "session")
_STAMPS: Final = {
    "audio_s": {"type": "number", "description": "Seconds of audio heard up to and with this frame."},
    "at": {"type": "string", "format": "date-time", "description": "RFC 3339 in UTC, ms; not in a replay."},
    "id": {"type": "string", "description": "Unique for each event; not in a replay."},
}
"""What JSON has beside the fields of a class: derived from the frame, or put on where an event leaves the machine."""


def documents() -> dict[Path, str]:
    """Every file that is written from the code, as it should be. Raises OSError where one to fill in is missing."""
    contracts, readme = PROJECT / "docs" / "contracts.md", PROJECT / "README.md"
    return {
        PROJECT / "docs" / "events.schema.json": _as_text(event_schema()),
        PROJECT / "docs" / "commands.schema.json": _as_text(command_schema()),
        contracts: filled(contracts.read_text(encoding="utf-8"), "events", event_table()),
        readme: filled(readme.read_text(encoding="utf-8"), "states", state_table()),
    }


def filled(text: str, mark: str, content: str) -> str:
    """The text, with `content` between `<!-- mark -->` and `<!-- /mark -->`. Raises ValueError where these are not."""
    first, last = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    start, end = text.index(first) + len(first), text.index(last)
    return f"{text[:start]}\n{content.strip()}\n\n{text[end:]}"


def state_table() -> str:
    """The rules of the dialog as Markdown: a row for each state and fact, with the states it may lead to."""
    order = list(State)
    rows = sorted(TABLE.items(), key=lambda row: order.index(row[0][0]))
    lines = ["| state | fact | leads to |", "| --- | --- | --- |"]
    for (state, kind), (_, targets) in rows:
        lines.append(f"| {state} | {kind.__name__} | {', '.join(dict.fromkeys(targets))} |")
    return "\n".join(lines) + "\n"


def event_table() -> str:
    """The events as a Markdown table: type, own fields with their ranges, meaning."""
    rows = ["| type | own fields | meaning |", "| --- | --- | --- |"]
    for event in EVENTS:
        meaning = inspect.cleandoc(event.__doc__ or "").split("\n\n")[0].replace("\n", " ")
        rows.append(f"| `{_tag(event)}` | {', '.join(_own_fields(event))} | {meaning} |")
    return "\n".join(rows)


def event_schema() -> dict[str, Any]:
    """The JSON Schema of one event: exactly one of the definitions, told apart by `type`.

    Every field but the stamps `at` and `id` is always there, null where it is absent. Fields that are not named may be
    added by later versions, and are to be passed over.
    """
    _, definitions = msgspec.json.schema_components([AnyEvent], ref_template="#/$defs/{name}")
    for event in EVENTS:
        form = definitions[event.__name__]
        for own in form["properties"].values():
            own.pop("default", None)
        form["properties"] |= _STAMPS
        form["required"] = [name for name in form["properties"] if name not in ("at", "id")]
        del form["additionalProperties"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An event of the appliance: one line of a replay, or the payload of event/<type>",
        "oneOf": [{"$ref": f"#/$defs/{event.__name__}"} for event in EVENTS],
        "$defs": definitions,
    }


def _tag(event: type[Event]) -> str:
    return str(event.__struct_config__.tag)


def _own_fields(event: type[Event]) -> list[str]:
    form = kinds.type_info(event)
    assert isinstance(form, kinds.StructType)
    return [
        f"`{field.encode_name}` ({_words(field.type)})" for field in form.fields if field.encode_name not in _COMMON
    ]


def _words(kind: kinds.Type) -> str:
    """What a value may be, in the words of the table."""
    match kind:
        case kinds.UnionType(types=choices):
            return ", ".join(_words(choice) for choice in choices)
        case kinds.LiteralType(values=values):
            return ", ".join(str(value) for value in values)
        case kinds.EnumType(cls=choices):
            return ", ".join(str(choice.value) for choice in choices)
        case kinds.FloatType(ge=0.0, le=1.0):
            return "0..1"
        case kinds.IntType(ge=int() as least):
            return f"{least}.."
        case kinds.IntType() | kinds.FloatType():
            return "number"
        case kinds.BoolType():
            return "true or false"
        case kinds.DictType():
            return "object"
        case kinds.VarTupleType(item_type=item) | kinds.ListType(item_type=item):
            return f"list of {_words(item)}"
        case kinds.NoneType():
            return "null"
        case kinds.StrType():
            return "text"
    raise TypeError(f"{kind}: no words for this in tools/contracts.py; add a case")


def _as_text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(PROJECT)}: written")
