"""An offline voice appliance: wake word, speech recognition, intents, actions, voice, MQTT."""

__version__ = "0.1.0"
