"""The owner's home file: what is read, and what is refused with file, line, key and remedy."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config_files import PROJECT
from appliance.errors import ConfigError
from appliance.understanding import home_file
from appliance.understanding.home_file import HomeConfig, Publish, Run
from appliance.understanding.language import Language

SHIPPED = PROJECT / "firmware_config" / "home.yaml"

GOOD = """
areas:
  - {id: kitchen, name: kitchen, aliases: [galley]}
devices:
  - id: lamp
    name: lamp
    kind: light
    topic: home/lamp
    area: kitchen
    payload_on: ON
    payload_off: '{"state": "OFF"}'
    brightness_topic: home/lamp/brightness
  - {id: night, name: good night, kind: scene, topic: scenes, payload_on: night}
sentences:
  - name: play
    sentences: ["play {channel}"]
    publish: {topic: radio, payload: "{channel}", qos: 2, retain: true}
    reply: Playing {channel}.
  - name: backup
    sentences: [start the backup]
    run: {command: [/usr/bin/backup, --quiet], timeout_s: 2.5}
lists:
  - {name: channel, values: [one, {say: the second, value: two}]}
  - {name: level, from: 1, to: 10}
"""


def test_shipped_home() -> None:
    home = home_file.load(SHIPPED)
    assert [area.id for area in home.areas] == ["kitchen", "bedroom", "living_room", "hall"]
    assert {device.kind for device in home.devices} == {"light", "switch", "scene", "cover", "climate", "media"}
    assert {"kitchen light", "bedroom light", "living room lamp"} <= {device.name for device in home.devices}
    assert [own.publish is not None for own in home.sentences] == [True]


def test_commented_example_of_the_shipped_home_is_good() -> None:
    text = SHIPPED.read_text()
    start = text.index("  # - name: backup_start")
    text = text[:start] + text[start:].replace("\n  # ", "\n  ").replace("  # -", "  -", 1)
    home = home_file.parse(text, "home.yaml")
    assert home.sentences[1].run == Run(command=("/usr/local/bin/backup", "--quiet"), timeout_s=30.0)
    assert Language.built_in("en", home).match("start the backup") is not None


def test_everything_is_read() -> None:
    home = home_file.parse(GOOD, "home.yaml")
    lamp = home.device("lamp")
    assert lamp is not None
    assert (lamp.payload_on, lamp.payload_off, lamp.aliases) == ("ON", '{"state": "OFF"}', ())
    assert home.sentences[0].publish == Publish(topic="radio", payload="{channel}", qos=2, retain=True)
    assert home.sentences[1].run == Run(command=("/usr/bin/backup", "--quiet"), timeout_s=2.5)
    assert [(one.say, one.value) for one in home.lists[0].spoken()] == [("one", "one"), ("the second", "two")]
    assert (home.lists[1].from_, home.lists[1].to) == (1, 10)


def test_lights_of_an_area() -> None:
    home = home_file.load(SHIPPED)
    assert [light.id for light in home.lights_in("kitchen")] == ["kitchen_light"]
    assert len(home.lights_in(home_file.ALL_AREAS)) == 3
    assert home.lights_in("hall") == ()
    assert home.device("nothing") is None


@pytest.mark.parametrize("text", ["", "# nothing\n", "areas: []\n"])
def test_empty_home(text: str) -> None:
    assert home_file.parse(text, "home.yaml") == HomeConfig()


def device(**changes: str) -> str:
    """A home of one device, one key per line; the device begins on line 2."""
    keys = {"id": "lamp", "name": "lamp", "kind": "light", "topic": "a/b"} | changes
    return "devices:\n  - " + "\n    ".join(f"{key}: {value}" for key, value in keys.items())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colours: []", r"home.yaml:1: colours: unknown key"),
        (device(colour="red"), r"home.yaml:6: devices\[0\].colour: unknown key"),
        (device(kind="lamp"), r"home.yaml:4: devices\[0\].kind: Invalid enum value 'lamp'"),
        ("devices:\n  - id: a\n    name: b\n", r"home.yaml:2: devices\[0\]: .*missing required field `kind`"),
        ("areas: kitchen", r"home.yaml:1: areas: Expected `array`"),
        ("areas:\n  - {id: Big Room, name: big room}", r"home.yaml:2: areas\[0\].id: .*matching regex"),
        ("areas:\n- {id: a, name: b}\n- {id: a, name: c}", r"home.yaml:3: areas\[1\].id: 'a' is taken by areas\[0\]"),
        ("areas:\n- {id: a, name: b}\n- {id: c, name: B}", r"home.yaml:3: areas\[1\].name: 'B' is the name of 'a' too"),
        (
            "areas:\n- {id: a, name: b}\n- id: c\n  name: d\n  aliases:\n  - e\n  - ' b'",
            r"home.yaml:7: areas\[1\].aliases\[1\]: ' b' is the name of 'a' too",
        ),
        ("areas: [{id: all, name: everything}]", r"areas\[0\].id: 'all' stands for the whole home"),
        ("areas: [{id: a, name: room 2}]", r"areas\[0\].name: 'room 2' cannot be spoken"),
        ("areas: [{id: a, name: ' '}]", r"areas\[0\].name: ' ' cannot be spoken"),
        ("areas: [{id: a, name: '(a|b)'}]", r"cannot be spoken"),
        (device(area="cellar"), r"home.yaml:6: devices\[0\].area: 'cellar' is not the id of an area; known: none"),
        (device(topic='""'), r"home.yaml:5: devices\[0\].topic: empty"),
        (device(topic="a/+/b"), r"devices\[0\].topic: a topic to publish to holds no \+, # or NUL"),
        (device(topic='"a/#"'), r"devices\[0\].topic: a topic to publish to"),
        (device(topic='"a\\0b"'), r"devices\[0\].topic: a topic to publish to"),
        (device(topic="ä" * 32_768), r"devices\[0\].topic: longer than 65535 bytes"),
        (device(topic='"a/{level}"'), r"devices\[0\].topic: a topic cannot hold a \{slot\}"),
        (
            device(kind="switch", brightness_topic="a"),
            r"brightness_topic: only a light can be dimmed, this is a switch",
        ),
        ("sentences: [{name: a, sentences: [b]}]", r"sentences\[0\]: give exactly one action"),
        (
            "sentences: [{name: a, sentences: [b], run: {command: [x]}, publish: {topic: a, payload: b}}]",
            r"sentences\[0\]: give exactly one action",
        ),
        ("sentences: [{name: a, sentences: [], run: {command: [x]}}]", r"sentences\[0\].sentences: .*length >= 1"),
        ("sentences: [{name: a, sentences: [b], run: {command: []}}]", r"sentences\[0\].run.command: .*length >= 1"),
        ("sentences: [{name: a, sentences: [b], run: {command: ls}}]", r"sentences\[0\].run.command: Expected `array`"),
        ("sentences: [{name: a, sentences: [b], run: {command: ['{x}']}}]", r"command\[0\]: the program itself"),
        ("sentences: [{name: a, sentences: [b], run: {command: ['']}}]", r"command\[0\]: the program itself"),
        ('sentences: [{name: a, sentences: [b], run: {command: [x, "\\0"]}}]', r"command: an argument cannot hold NUL"),
        (
            "sentences: [{name: a, sentences: [b], run: {command: [x], timeout_s: 600}}]",
            r"sentences\[0\].run.timeout_s: Expected `float` <= 60",
        ),
        (
            "sentences: [{name: a, sentences: [b], publish: {topic: a, payload: b, qos: 3}}]",
            r"sentences\[0\].publish.qos: Expected `int` <= 2",
        ),
        (
            "sentences: [{name: a, sentences: [b], publish: {topic: a/+, payload: b}}]",
            r"sentences\[0\].publish.topic: a topic to publish to",
        ),
        (
            "sentences: [{name: a, sentences: ['What is on?'], run: {command: [x]}}]",
            r"sentences\[0\].sentences\[0\]: .*'\?'",
        ),
        (
            "sentences: [{name: a, sentences: [channel 5], run: {command: [x]}}]",
            r"sentences\[0\].sentences\[0\]: .*'5'",
        ),
        ("lists: [{name: a}]", r"lists\[0\]: give either `values` or"),
        ("lists: [{name: a, values: [b], from: 1, to: 2}]", r"lists\[0\]: give either `values` or"),
        ("lists: [{name: a, from: 1}]", r"lists\[0\]: `from` and `to` are both needed"),
        ("lists: [{name: a, from: 2, to: 1}]", r"lists\[0\]: `from` and `to` are both needed"),
        ("lists: [{name: a, from: -2, to: 1}]", r"lists\[0\].from: Expected `int` >= 0"),
        ("lists: [{name: a, values: [b, c, b]}]", r"lists\[0\].values\[2\]: 'b' is in the list already"),
        ("lists: [{name: a, values: [b5]}]", r"lists\[0\].values\[0\]: 'b5' cannot be spoken"),
        ("lists: [{name: a, values: [b]}, {name: a, values: [c]}]", r"lists\[1\].name: 'a' is taken by lists\[0\]"),
        ("areas: []\nareas: []", r"home.yaml:2: areas: given twice"),
        (device(name="lamp\n    name: light"), r"home.yaml:4: devices\[0\].name: given twice"),
        ("areas: [", r"home.yaml:1: not valid YAML"),
        ("areas:\n\t- a", r"home.yaml:2: not valid YAML"),
        ("a: &a [b]\nc: *a", r"home.yaml:1: references"),
        ("? [a]\n: b", r"home.yaml:1: a key must be a word"),
        ("- a", r"home.yaml:1: file: Expected `object`, got `array`"),
        ("!!python/object/apply:os.system [ls]", r"home.yaml:1: file: Expected `object`"),
        ("[" * 10_000, r"home.yaml:1: nested more than 20 deep"),
        ("a\0b", r"home.yaml.*not valid YAML"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        home_file.parse(text, "home.yaml")
    assert "\n" not in str(caught.value)


def test_absent_binary_and_huge_file(tmp_path: Path) -> None:
    path = tmp_path / "home.yaml"
    with pytest.raises(ConfigError, match=r"home.yaml: no such file"):
        home_file.load(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"home.yaml: cannot be read as UTF-8 text"):
        home_file.load(path)
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(ConfigError, match=r"home.yaml: 1000001 bytes are more than 1000000"):
        home_file.load(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        home_file.load(tmp_path)


@given(st.text(alphabet="areasidnm:-[]{}'\"#&*!? \n\t\0é5", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        home = home_file.parse(text, "home.yaml")
    except ConfigError:
        return
    assert isinstance(home, HomeConfig)
