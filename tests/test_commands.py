import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.commands import (
    PAYLOAD_LIMIT_BYTES,
    Command,
    CommandRefused,
    FalseWake,
    Listen,
    Mute,
    Reload,
    Restart,
    SaveRecord,
    Say,
    Stop,
    Threshold,
    Update,
    Volume,
    WakeWord,
    command_schema,
    name_of,
    parse,
)

NAMES = (
    *("say", "listen", "stop", "mute", "volume", "threshold", "wake_word", "false_wake", "save_record"),
    *("reload", "restart", "update"),
)


@pytest.mark.parametrize(
    ("name", "payload", "command"),
    [
        ("say", b"dinner is ready", Say(text="dinner is ready")),
        ("say", " grüß Gott\n".encode(), Say(text="grüß Gott")),
        ("say", b"50", Say(text="50")),
        ("say", b'{"text": "first\\nsecond"}', Say(text="first\nsecond")),
        ("listen", b"", Listen()),
        ("listen", b"{}", Listen()),
        ("update", b"", Update()),
        ("stop", b" ", Stop()),
        ("mute", b"on", Mute(on=True)),
        ("mute", b"OFF", Mute(on=False)),
        ("mute", b"true", Mute(on=True)),
        ("mute", b'{"on": false}', Mute(on=False)),
        ("volume", b"0", Volume(percent=0)),
        ("volume", b"100", Volume(percent=100)),
        ("volume", b'{"percent": 50}', Volume(percent=50)),
        ("threshold", b"0.85", Threshold(score=0.85)),
        ("threshold", b"1", Threshold(score=1.0)),
        ("threshold", b'{"score": 0}', Threshold(score=0.0)),
        ("wake_word", b"hey_jarvis", WakeWord(word="hey_jarvis")),
        ("wake_word", "Grüß Gott".encode(), WakeWord(word="Grüß Gott")),
        ("wake_word", b'{"word": "o\'clock"}', WakeWord(word="o'clock")),
        ("false_wake", b"", FalseWake()),
        ("save_record", b"", SaveRecord()),
        ("reload", b"", Reload()),
        ("restart", b"{}", Restart()),
    ],
)
def test_a_good_command_is_read(name: str, payload: bytes, command: Command) -> None:
    assert parse(name, payload) == command
    assert name_of(command) == name


@pytest.mark.parametrize(
    ("name", "payload", "reason"),
    [
        ("say", b"", "missing"),
        ("say", b'{"text": " "}', "nothing to say"),
        ("say", b'{"text": "a\\u0000b"}', "control characters"),
        ("say", b'{"text": "\\ud800"}', "control characters"),
        ("say", b"\x1b[31mred", "control characters"),
        ("say", b"a" * 1001, "1000"),
        ("say", b'{"text": 7}', "Expected `str`"),
        ("say", b"\xff\xfe", "UTF-8"),
        ("listen", b"now", "no value"),
        ("listen", b'{"loud": true}', "unknown field"),
        ("mute", b"1", "on"),
        ("mute", b'{"on": 1}', "Expected `bool`"),
        ("mute", b'{"on": null}', "Expected `bool`"),
        ("volume", b"", "missing"),
        ("volume", b"101", "<= 100"),
        ("volume", b"-1", ">= 0"),
        ("volume", b"50.5", "Expected `int`"),
        ("volume", b"true", "Expected `int`"),
        ("volume", b'"50"', "Expected `int`"),
        ("volume", b"9" * 4000, "<= 100"),
        ("volume", b"fifty", "JSON"),
        ("volume", b'{"percent": 50', "JSON"),
        ("volume", b'{"percent": 50} 7', "JSON"),
        ("volume", b'{"percent": 1, "percent": 99}', "twice"),
        ("volume", b'{"percent": 50, "secret": 1}', "unknown field"),
        ("volume", b'{"percent": [50]}', "Expected `int`"),
        ("volume", b"[" * 4000, "flat"),
        ("volume", b'{"percent":' * 370, "flat"),
        ("threshold", b"NaN", "NaN"),
        ("threshold", b"-Infinity", "NaN"),
        ("threshold", b'{"score": NaN}', "NaN"),
        ("threshold", b"1e400", "<= 1"),
        ("threshold", b'{"score": -1e400}', ">= 0"),
        ("wake_word", b"", "missing"),
        ("wake_word", b"../../etc/passwd", "not a name"),
        ("wake_word", b"evil.tflite", "not a name"),
        ("wake_word", b"a\nb", "not a name"),
        ("wake_word", b"two  spaces", "not a name"),
        ("wake_word", b"a" * 65, "not a name"),
        ("wake_word", b'{"word": ["alexa"]}', "Expected `str`"),
        ("reload", b"now", "no value"),
        ("restart", b'{"at": 3}', "unknown field"),
        ("update", b"1.1", "no value"),
        ("explode", b"", "unknown"),
        ("", b"", "unknown"),
    ],
)
def test_anything_else_is_refused_in_one_sentence(name: str, payload: bytes, reason: str) -> None:
    with pytest.raises(CommandRefused, match=reason) as refusal:
        parse(name, payload)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", NAMES)
def test_size_is_checked_before_the_payload_is_read(name: str) -> None:
    with pytest.raises(CommandRefused, match=f"more than {PAYLOAD_LIMIT_BYTES}"):
        parse(name, b"\xff" * (PAYLOAD_LIMIT_BYTES + 1))


def test_a_refusal_repeats_nothing_of_what_was_sent() -> None:
    for payload in (b'{"text": "\\u0007hush", "hush": 1}', b'{"hush": "x"}', b'{"text": ["hush"]}', b"\x07hush"):
        with pytest.raises(CommandRefused) as refusal:
            parse("say", payload)
        assert "hush" not in str(refusal.value)


def test_an_unknown_name_cannot_write_to_the_terminal_or_fill_the_log() -> None:
    with pytest.raises(CommandRefused) as refusal:
        parse("\x1b[2J\n" + "x" * 5000, b"")
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 200


@given(name=st.sampled_from(NAMES), payload=st.binary(max_size=200) | st.text(max_size=60).map(str.encode))
def test_no_bytes_do_more_than_be_refused(name: str, payload: bytes) -> None:
    try:
        command = parse(name, payload)
    except CommandRefused:
        return
    assert isinstance(command, Command)


@given(
    name=st.sampled_from(NAMES),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    ),
    key=st.sampled_from(("text", "on", "percent", "score", "word")) | st.text(max_size=8),
)
def test_no_json_does_more_than_be_refused(name: str, value: object, key: str) -> None:
    for payload in (json.dumps(value), json.dumps({key: value})):
        try:
            command = parse(name, payload.encode())
        except CommandRefused:
            continue
        assert isinstance(command, Command)


def test_the_schema_names_every_command_and_its_ranges() -> None:
    schema = command_schema()
    assert tuple(schema["properties"]) == NAMES
    forms = {name: schema["$defs"][ref["$ref"].rpartition("/")[2]] for name, ref in schema["properties"].items()}
    assert (
        forms["volume"]["properties"]["percent"] | {"minimum": 0, "maximum": 100, "type": "integer"}
        == (forms["volume"]["properties"]["percent"])
    )
    assert forms["mute"]["properties"]["on"]["type"] == "boolean"
    assert forms["listen"]["properties"] == {}
    assert all(form["additionalProperties"] is False for form in forms.values())
    json.dumps(schema)
