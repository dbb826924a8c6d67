"""Prints what a voice appliance does: python3 subscriber.py BROKER[:PORT] [DEVICE_ID]. Needs paho-mqtt 2 alone.

Subscribing with a session of its own (`clean_start=False`, a fixed client id) it also gets what happened while it was
away; an event that comes twice has the same `id`.
"""

import json
import sys
from collections import deque

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import PacketTypes, Properties

broker, device = sys.argv[1], (sys.argv[2:] or ["+"])[0]
seen = deque(maxlen=1000)


def heard(client, userdata, message):
    """Print one event, once."""
    event = json.loads(message.payload)
    if event["id"] in seen:
        return
    seen.append(event["id"])
    what = event.get("intent") or event.get("word") or ""
    print(event["at"], message.topic.split("/")[1], event["type"], what, flush=True)


client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="voice-example", protocol=mqtt.MQTTv5)
client.on_connect = lambda client, *_: client.subscribe(f"voice/{device}/event/+", qos=1)
client.on_message = heard
session = Properties(PacketTypes.CONNECT)
session.SessionExpiryInterval = 24 * 3600
host, _, port = broker.partition(":")
client.connect(host, int(port or 1883), clean_start=False, properties=session)
client.loop_forever()
