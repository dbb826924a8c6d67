"""MQTT: events out, commands in. `client.MqttClient` is the door; the other files are its parts."""
