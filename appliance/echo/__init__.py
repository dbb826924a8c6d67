"""Takes the device's own sound out of what the microphone hears, so that a person is heard while it speaks."""
