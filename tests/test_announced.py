"""What announcements to Home Assistant are understood as, and what is refused. Forms as their makers document them."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.home.announced import AnnouncementError, Thing, platform_of, read
from appliance.home.device_actions import COLORS, color_values, filled, level_of

ZIGBEE2MQTT = {
    "availability": [{"topic": "zigbee2mqtt/bridge/state"}],
    "brightness": True,
    "brightness_scale": 254,
    "command_topic": "zigbee2mqtt/kitchen_light/set",
    "device": {"identifiers": ["zigbee2mqtt_0x0017880103f9a4b1"], "name": "kitchen_light", "model": "Hue bulb"},
    "name": None,
    "object_id": "kitchen_light",
    "schema": "json",
    "state_topic": "zigbee2mqtt/kitchen_light",
    "supported_color_modes": ["xy", "color_temp"],
    "unique_id": "0x0017880103f9a4b1_light_zigbee2mqtt",
}
TASMOTA = {
    "name": "Desk Lamp",
    "cmd_t": "~cmnd/POWER",
    "stat_t": "~tele/STATE",
    "pl_off": "OFF",
    "pl_on": "ON",
    "bri_cmd_t": "~cmnd/Dimmer",
    "bri_scl": 100,
    "rgb_cmd_t": "~cmnd/Color2",
    "~": "tasmota/desk/",
    "dev": {"ids": ["A1B2C3"], "name": "tasmota-desk"},
}
ESPHOME = {
    "schema": "json",
    "brightness": True,
    "color_mode": True,
    "supported_color_modes": ["rgb"],
    "name": "Ceiling",
    "stat_t": "study/light/ceiling/state",
    "cmd_t": "study/light/ceiling/command",
    "avty_t": "study/status",
    "uniq_id": "ESPlightceiling",
    "dev": {"ids": "240ac4", "name": "study", "sa": "Study", "mf": "espressif"},
}


def one(platform: str, **fields: Any) -> Thing:
    topic = f"homeassistant/{platform}/node/thing/config"
    (thing,) = read(topic, json.dumps(fields).encode(), "homeassistant")
    return thing


def test_zigbee2mqtt() -> None:
    thing = one("light", **ZIGBEE2MQTT)
    assert (thing.entity, thing.owner, thing.area) == ("", "kitchen_light", "")
    light = thing.device
    assert (light.kind, light.topic) == ("light", "zigbee2mqtt/kitchen_light/set")
    assert [json.loads(text) for text in (light.payload_on, light.payload_off)] == [{"state": "ON"}, {"state": "OFF"}]
    dimmed = filled(light.brightness_payload, {"level": level_of(light, 30)})
    assert json.loads(dimmed) == {"state": "ON", "brightness": 76}
    colored = json.loads(filled(light.color_payload, color_values(COLORS["red"])))
    assert colored == {"state": "ON", "color": {"x": 0.6401, "y": 0.33}}, "the red corner of sRGB"


def test_tasmota() -> None:
    thing = one("light", **TASMOTA)
    light = thing.device
    assert (thing.entity, thing.owner) == ("Desk Lamp", "tasmota-desk")
    assert (light.topic, light.payload_on, light.payload_off) == ("tasmota/desk/cmnd/POWER", "ON", "OFF")
    assert (light.brightness_topic, level_of(light, 40)) == ("tasmota/desk/cmnd/Dimmer", 40)
    assert light.color_topic == "tasmota/desk/cmnd/Color2"
    assert filled(light.color_payload, color_values(COLORS["orange"])) == "255,120,0"


def test_esphome() -> None:
    thing = one("light", **ESPHOME)
    assert (thing.entity, thing.owner, thing.area) == ("Ceiling", "study", "Study")
    colored = filled(thing.device.color_payload, color_values(COLORS["blue"]))
    assert json.loads(colored) == {"state": "ON", "color": {"r": 0, "g": 0, "b": 255}}
    assert level_of(thing.device, 1) == 3


def test_a_whole_device() -> None:
    message = {
        "dev": {"ids": "ea334450945afc", "name": "Hall", "sa": "hall"},
        "o": {"name": "maker"},
        "~": "hall",
        "cmps": {
            "relay": {"p": "switch", "name": "Fan", "cmd_t": "~/relay/set"},
            "lamp": {"p": "light", "name": "Lamp", "cmd_t": "~/lamp/set"},
            "temperature": {"p": "sensor", "name": "Temperature", "stat_t": "~/t"},
            "gone": {"p": "light"},
            "wrong": {"p": "light", "name": 7, "cmd_t": "x"},
            "junk": 7,
        },
    }
    things = read("homeassistant/device/ea334450945afc/config", json.dumps(message).encode(), "homeassistant")
    assert [(t.key, t.entity, t.owner, t.area, t.device.kind, t.device.topic) for t in things] == [
        ("homeassistant/device/ea334450945afc/config#relay", "Fan", "Hall", "hall", "switch", "hall/relay/set"),
        ("homeassistant/device/ea334450945afc/config#lamp", "Lamp", "Hall", "hall", "light", "hall/lamp/set"),
    ]


def test_scene_cover_climate_and_fan() -> None:
    scene = one("scene", name="Chill", command_topic="zigbee2mqtt/lounge/set", payload_on='{ "scene_recall": 3 }')
    assert (scene.device.kind, scene.device.payload_on) == ("scene", '{ "scene_recall": 3 }')
    cover = one(
        "cover",
        name="Blind",
        command_topic="z/blind/set",
        set_position_topic="z/blind/set",
        set_position_template='{ "position": {{ position }} }',
        device_class="garage",
    ).device
    assert (cover.payload_open, cover.position_topic, cover.risky) == ("OPEN", "z/blind/set", True)
    assert json.loads(filled(cover.position_payload, {"position": 40})) == {"position": 40}
    climate = one(
        "climate",
        name="Heating",
        mode_command_topic="z/trv/set/mode",
        modes=["off", "heat"],
        temperature_command_topic="z/trv/set/temperature",
    ).device
    assert (climate.topic, climate.payload_on, climate.payload_off) == ("z/trv/set/mode", "heat", "off")
    assert filled(climate.temperature_payload, {"temperature": 21.5}) == "21.5"
    fan = one("fan", name="Fan", cmd_t="fan/set", cmd_tpl='{"state": "{{ value }}"}', pl_on=1, pl_off=0).device
    assert (fan.kind, fan.payload_on, fan.payload_off) == ("switch", '{"state": "1"}', '{"state": "0"}')


@pytest.mark.parametrize(
    ("template", "payload"),
    [
        ("{{ value }}", "{level}"),
        ("{{value|int}}", "{level}"),
        ('{"bri": {{ value }}}', '{"bri": {level}}'),
        ("{{ value * 2 }}", None),
        ("{{ states('light.x') }}", None),
        ("{% for x in range(9**9) %}{% endfor %}", None),
        ("{{ other }}", None),
        ("{# #}{{ value }}", None),
    ],
)
def test_templates_put_values_in_and_are_never_carried_out(template: str, payload: str | None) -> None:
    light = one(
        "light", name="x", cmd_t="x", brightness_command_topic="x/b", brightness_command_template=template
    ).device
    assert (light.brightness_topic, light.brightness_payload) == (("x/b", payload) if payload else (None, ""))


GOOD = {"name": "lamp", "command_topic": "lamp/set"}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (GOOD | {"command_topic": "lamp/+"}, "no topic"),
        (GOOD | {"command_topic": "#"}, "no topic"),
        (GOOD | {"command_topic": "$SYS/x"}, "no topic"),
        (GOOD | {"command_topic": "voice/bath/command/say"}, "no topic"),
        (GOOD | {"command_topic": "a\u0000b"}, "no topic"),
        (GOOD | {"command_topic": "\ud800"}, "no topic|JSON"),
        (GOOD | {"command_topic": "x" * 300}, "command_topic"),
        (GOOD | {"command_topic": 7}, "command_topic"),
        ({"name": "lamp"}, "no topic"),
        (GOOD | {"command_topic": "homeassistant/device/kitchen/config"}, "by announcements"),
        (GOOD | {"rgb_command_topic": "homeassistant/status"}, "by announcements"),
        (GOOD | {"name": ["x"]}, "name"),
        (GOOD | {"name": "x" * 200}, "name"),
        (GOOD | {"brightness_scale": 0}, "brightness_scale"),
        (GOOD | {"brightness_scale": 1e300}, "brightness_scale"),
        (GOOD | {"device": "x"}, "device"),
        (GOOD | {"entity_category": "config"}, "adjusts"),
        (GOOD | {"enabled_by_default": False}, "adjusts"),
        (GOOD | {"schema": "template", "command_on_template": "{{ x }}"}, "calculate"),
        (GOOD | {"on_command_type": "brightness"}, "brightness alone"),
    ],
)
def test_what_is_refused_and_why(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(AnnouncementError, match=reason):
        one("light", **fields)


@pytest.mark.parametrize("payload", [b"", b"7", b"[]", b"\xff", b"[" * 60_000, b'{"device": ' * 5_000])
def test_what_is_no_object_is_refused(payload: bytes) -> None:
    for topic in ("homeassistant/light/x/config", "homeassistant/device/x/config"):
        with pytest.raises(AnnouncementError):
            read(topic, payload, "homeassistant")


def test_topics_of_announcements() -> None:
    assert platform_of("homeassistant/light/x/config", "homeassistant") == "light"
    assert platform_of("house/ha/device/node/x/config", "house/ha") == "device"
    for other in ("homeassistant/status", "homeassistant/sensor/x/config", "light/x/config", "homeassistant/light/x"):
        assert platform_of(other, "homeassistant") == ""


KEYS = st.sampled_from([*ZIGBEE2MQTT, *TASMOTA, "components", "modes", "set_position_template", "entity_category"])
PLAIN = st.sampled_from([None, True, 7, -1, 2**70, 0.5, 1e300, "", "x", "a/b", "a/#", "{{ value }}", "\0", "é" * 300])
VALUE = PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(KEYS, PLAIN, max_size=4)
COMPONENTS = st.dictionaries(KEYS, st.dictionaries(KEYS, VALUE, max_size=4) | PLAIN, max_size=3)
MESSAGE = st.dictionaries(KEYS, VALUE | COMPONENTS, max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["light", "switch", "fan", "scene", "cover", "climate", "device"]), MESSAGE)
def test_nothing_else_is_ever_raised(platform: str, fields: dict[str, Any]) -> None:
    try:
        things = read(f"homeassistant/{platform}/x/config", json.dumps(fields).encode(), "homeassistant")
    except AnnouncementError:
        return
    assert all(not set("+#\0") & set(thing.device.topic) for thing in things)
