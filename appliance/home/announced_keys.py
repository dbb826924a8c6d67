"""The short forms in which Home Assistant's discovery messages may write their keys, and `~` for what topics share."""

from typing import Any, Final

_KEYS: Final = {
    "cmps": "components",
    "dev": "device",
    "p": "platform",
    "dev_cla": "device_class",
    "ent_cat": "entity_category",
    "en": "enabled_by_default",
    "cmd_t": "command_topic",
    "cmd_tpl": "command_template",
    "pl_on": "payload_on",
    "pl_off": "payload_off",
    "on_cmd_type": "on_command_type",
    "cmd_on_tpl": "command_on_template",
    "cmd_off_tpl": "command_off_template",
    "bri_scl": "brightness_scale",
    "bri_cmd_t": "brightness_command_topic",
    "bri_cmd_tpl": "brightness_command_template",
    "sup_clrm": "supported_color_modes",
    "rgb_cmd_t": "rgb_command_topic",
    "rgb_cmd_tpl": "rgb_command_template",
    "pl_open": "payload_open",
    "pl_cls": "payload_close",
    "pl_stop": "payload_stop",
    "set_pos_t": "set_position_topic",
    "set_pos_tpl": "set_position_template",
    "pos_open": "position_open",
    "pos_clsd": "position_closed",
    "pow_cmd_t": "power_command_topic",
    "mode_cmd_t": "mode_command_topic",
    "mode_cmd_tpl": "mode_command_template",
    "temp_cmd_t": "temperature_command_topic",
    "temp_cmd_tpl": "temperature_command_template",
}
"""Those of the keys that are read here; Home Assistant's documentation lists some 250."""

_DEVICE_KEYS: Final = {"sa": "suggested_area"}


def expanded(message: dict[str, Any]) -> dict[str, Any]:
    """A message with whole keys and whole topics; components of a whole device stay as they are."""
    fields = {_KEYS.get(key, key): value for key, value in message.items()}
    if isinstance(device := fields.get("device"), dict):
        fields["device"] = {_DEVICE_KEYS.get(key, key): value for key, value in device.items() if value is not None}
    base = fields.get("~")
    if isinstance(base, str):
        fields |= {key: _whole(value, base) for key, value in fields.items() if key.endswith("topic")}
    return fields


def _whole(topic: Any, base: str) -> Any:
    """`~` at the beginning or the end of a topic stands for `base`."""
    if not isinstance(topic, str) or not topic:
        return topic
    topic = base + topic[1:] if topic.startswith("~") else topic
    return topic[:-1] + base if topic.endswith("~") else topic
