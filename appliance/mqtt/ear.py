"""Whoever else listens at the broker, beside the commands: which topics, and what is done with a message."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ear:
    """Called in the MQTT thread: it is quick, and raises nothing."""

    filters: tuple[str, ...]
    """What to subscribe to."""

    concerns: Callable[[str], bool]
    """Whether a topic is among them: another subscription may bring messages, too."""

    hear: Callable[[str, bytes, bool], None]
    """Topic, payload, and whether it was retained; also for what is published by ourselves."""
