"""What Home Assistant is told, so that the appliance appears there as a device without a line of configuration.

One retained message for the whole device (device-based discovery, Home Assistant 2024.12 and newer), or one for each
entity (older ones). Pure: it makes topics and payloads.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from appliance.events import State
from appliance.mqtt.topics import OFFLINE, ONLINE, Topics

Style = Literal["device", "entity"]
"""One message for all, or one for each entity."""

_EVENTS: Final = {
    "wake": ("Woken", "wake_detected", "mdi:ear-hearing"),
    "command": ("Command", "intent_recognized", "mdi:message-check"),
    "not_understood": ("Not understood", "intent_rejected", "mdi:message-question"),
    "timer": ("Timer rang", "timer_fired", "mdi:timer-alert"),
    "alarm": ("Alarm rang", "alarm_fired", "mdi:alarm"),
    "failure": ("Failure", "failed", "mdi:alert"),
}
"""Key: name, type of the event, icon."""

_FIGURES: Final = {
    "uptime": ("Uptime", "{{ value_json.uptime_s }}", {"unit_of_measurement": "s", "device_class": "duration"}),
    "wakes": ("Wakes", "{{ value_json.wakes }}", {"state_class": "total_increasing"}),
    "false_wakes": ("False wakes", "{{ value_json.false_wakes }}", {"state_class": "total_increasing"}),
    "rejected": ("Not understood, count", "{{ value_json.rejected }}", {"state_class": "total_increasing"}),
    "last_turn": ("Last turn", "{{ value_json.last_turn_ms }}", {"unit_of_measurement": "ms"}),
    "latency": (
        "Answer delay, p95",
        "{{ value_json.service_level.p95_ms if value_json.service_level else none }}",
        {"unit_of_measurement": "ms"},
    ),
    "dropped": ("Frames dropped", "{{ value_json.frames_dropped }}", {"state_class": "total_increasing"}),
    "microphone_lost": ("Microphone lost", "{{ value_json.microphone_lost }}", {"state_class": "total_increasing"}),
    "events_dropped": ("Events dropped", "{{ value_json.events_dropped }}", {"state_class": "total_increasing"}),
    "processor": ("Processor", "{{ value_json.cpu_percent }}", {"unit_of_measurement": "%"}),
    "memory": ("Memory", "{{ value_json.memory_mb }}", {"unit_of_measurement": "MB", "device_class": "data_size"}),
}
"""Key: name, where it is in the metrics, more of Home Assistant's keys."""

_WAITING: Final = (
    ("timers", "Timers", "timers", "next_timer", "mdi:timer-outline"),
    ("alarms", "Alarms and reminders", "alarms", "next_alarm", "mdi:alarm"),
)
"""Key, name, where number and next one are in what is told of timers, icon."""

_BUTTONS: Final = {
    "listen": ("Listen", "mdi:microphone-message"),
    "stop": ("Stop", "mdi:stop"),
    "false_wake": ("False wake", "mdi:ear-hearing-off"),
    "reload": ("Reload", "mdi:reload"),
    "restart": ("Restart", "mdi:restart"),
}


@dataclass(frozen=True, slots=True)
class Appearance:
    """How one appliance appears."""

    topics: Topics
    version: str
    name: str
    """Shown to people."""

    area: str
    """Suggested to Home Assistant; empty: none."""

    updates: bool
    """Whether it knows a place where updates come from."""

    wake_words: tuple[str, ...]
    """Those that can be chosen: the installed ones, and those in use."""


def announcements(shown: Appearance, prefix: str, style: Style) -> dict[str, bytes]:
    """Retained messages that announce the appliance: topic to payload. `prefix`: where Home Assistant listens."""
    return {topic: msgspec.json.encode(payload) for topic, payload in _announced(shown, prefix, style)}


def filters(topics: Topics, prefix: str) -> tuple[str, ...]:
    """What matches every topic on which the appliance may have been announced, and perhaps others: see `is_ours`.

    The device's id stands alone in its level, so that a broker's access list can name it as the user (`%u`).
    """
    return f"{prefix}/device/{topics.device_id}/config", f"{prefix}/+/{topics.device_id}/+/config"


def is_ours(payload: bytes) -> bool:
    """Whether one of us announced this: another maker's device may have the same name."""
    return f'"{_ORIGIN}"'.encode() in payload


_ORIGIN: Final = "voice appliance"


def _announced(shown: Appearance, prefix: str, style: Style) -> list[tuple[str, dict[str, Any]]]:
    node = shown.topics.device_id
    thing = f"voice_{node}"
    device = {
        "identifiers": [thing],
        "name": shown.name,
        "manufacturer": "Voice appliance",
        "model": "Offline voice appliance",
        "sw_version": shown.version,
    } | ({"suggested_area": shown.area} if shown.area else {})
    origin = {"name": _ORIGIN, "sw_version": shown.version}
    available = {
        "availability_topic": shown.topics.availability,
        "payload_available": ONLINE,
        "payload_not_available": OFFLINE,
    }
    entities = _entities(shown, style)
    for key, entity in entities.items():
        entity["unique_id"] = f"{thing}_{key}"
    if style == "device":
        whole = {"device": device, "origin": origin, "components": entities, "qos": 1, **available}
        return [(f"{prefix}/device/{node}/config", whole)]
    return [
        (
            f"{prefix}/{entity['platform']}/{node}/voice_{key}/config",
            {"device": device, "origin": origin, "qos": 1, **available, **_without_platform(entity)},
        )
        for key, entity in entities.items()
    ]


def _without_platform(entity: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entity.items() if key != "platform"}


def _entities(shown: Appearance, style: Style) -> dict[str, dict[str, Any]]:
    """All entities by their keys."""
    updates = {"update": _update(shown.topics, style)} if shown.updates else {}
    return _told(shown.topics) | _set(shown) | updates | _diagnostics(shown.topics)


def _update(topics: Topics, style: Style) -> dict[str, Any]:
    """The version in use, and a button for the newest. An older Home Assistant takes only what it knows."""
    known = ("installed_version", "latest_version", "release_summary")
    only_known = "{{ dict(" + ", ".join(f"{key}=value_json.{key}" for key in known) + ") | to_json }}"
    return {
        "platform": "update",
        "name": "Version",
        "device_class": "firmware",
        "entity_category": "config",
        "state_topic": topics.update,
        "command_topic": topics.command("update"),
        "payload_install": "",
    } | ({"value_template": only_known} if style == "entity" else {})


def _told(topics: Topics) -> dict[str, dict[str, Any]]:
    """What it tells: events and its state."""
    told: dict[str, dict[str, Any]] = {
        key: {
            "platform": "event",
            "name": name,
            "icon": icon,
            "state_topic": topics.event(kind),
            "event_types": [kind],
            "value_template": "{{ dict(value_json, event_type=value_json.type) | to_json }}",
        }
        for key, (name, kind, icon) in _EVENTS.items()
    }
    told["state"] = {
        "platform": "sensor",
        "name": "State",
        "icon": "mdi:state-machine",
        "state_topic": topics.state,
        "device_class": "enum",
        "options": [state.value for state in State],
    }
    told["listening"] = {
        "platform": "binary_sensor",
        "name": "Listening",
        "icon": "mdi:microphone",
        "state_topic": topics.state,
        "value_template": "{{ 'ON' if value in ('listening', 'following_up') else 'OFF' }}",
    }
    told["last_command"] = {
        "platform": "sensor",
        "name": "Last command",
        "icon": "mdi:message-text",
        "state_topic": topics.event("intent_recognized"),
        "value_template": "{{ value_json.intent }}",
        "json_attributes_topic": topics.event("intent_recognized"),
    }
    for key, name, count, next_, icon in _WAITING:
        told[key] = {
            "platform": "sensor",
            "name": name,
            "icon": icon,
            "state_topic": topics.timers,
            "value_template": f"{{{{ value_json.{count} }}}}",
        }
        told[f"next_{key}"] = {
            "platform": "sensor",
            "name": f"{name}, next",
            "device_class": "timestamp",
            "state_topic": topics.timers,
            "value_template": f"{{{{ value_json.{next_} }}}}",
        }
    return told


def _set(shown: Appearance) -> dict[str, dict[str, Any]]:
    """What can be set and asked for."""
    topics = shown.topics
    settings = {"state_topic": topics.settings, "entity_category": "config"}
    entities: dict[str, dict[str, Any]] = {
        "mute": {
            "platform": "switch",
            "name": "Mute",
            "icon": "mdi:microphone-off",
            "state_topic": topics.state,
            "value_template": "{{ 'on' if value == 'muted' else 'off' }}",
            "command_topic": topics.command("mute"),
            "payload_on": "on",
            "payload_off": "off",
        },
        "volume": {
            "platform": "number",
            "name": "Volume",
            "icon": "mdi:volume-high",
            "value_template": "{{ value_json.volume }}",
            "command_topic": topics.command("volume"),
            "command_template": "{{ value | int }}",
            "min": 0,
            "max": 100,
            "unit_of_measurement": "%",
            **settings,
        },
        "threshold": {
            "platform": "number",
            "name": "Wake threshold",
            "icon": "mdi:tune",
            "value_template": "{{ value_json.threshold }}",
            "command_topic": topics.command("threshold"),
            "min": 0,
            "max": 1,
            "step": 0.01,
            **settings,
        },
        "wake_word": {
            "platform": "select",
            "name": "Wake word",
            "icon": "mdi:account-voice",
            "value_template": "{{ value_json.wake_words[0] }}",
            "command_topic": topics.command("wake_word"),
            "options": list(shown.wake_words),
            **settings,
        },
        "say": {"platform": "notify", "name": "Say", "command_topic": topics.command("say")},
    }
    for key, (name, icon) in _BUTTONS.items():
        entities[key] = {
            "platform": "button",
            "name": name,
            "icon": icon,
            "command_topic": topics.command(key),
            "payload_press": "",
        }
    entities["restart"] |= {"device_class": "restart", "entity_category": "config"}
    entities["reload"]["entity_category"] = "config"
    return entities


def _diagnostics(topics: Topics) -> dict[str, dict[str, Any]]:
    """Its figures."""
    return {
        key: {
            "platform": "sensor",
            "name": name,
            "state_topic": topics.metrics,
            "value_template": template,
            "entity_category": "diagnostic",
            **more,
        }
        for key, (name, template, more) in _FIGURES.items()
    }
