"""Every error this product raises on purpose.

ApplianceError
├── ConfigError      a file that the owner wrote is wrong          exit code 2
├── UsageError       a command was called with wrong arguments     exit code 2
├── AudioError       a file, stream or device gives no usable audio
├── ModelError       a model is missing, broken or not what it says
│   └── UnknownModelError   nobody knows a model of that name           exit code 2
├── StageError       a stage failed while running; it is reset and the daemon goes on
├── UpdateError      an update is not what it must be, or cannot be installed
└── BrokerError      the MQTT broker refused or is not there

A message is one sentence: what, where, and what to do.
"""


class ApplianceError(Exception):
    """Root of all errors that name their cause in one sentence."""

    exit_code = 1


class ConfigError(ApplianceError):
    """Something the owner wrote is wrong: file, line, key and fix stand in the message."""

    exit_code = 2


class UsageError(ApplianceError):
    """A command was called in a way it does not know."""

    exit_code = 2


class AudioError(ApplianceError):
    """A file, stream or device gives no usable audio."""


class ModelError(ApplianceError):
    """A model is missing, damaged, or not of the shape that its engine needs."""


class UnknownModelError(ModelError):
    """The owner named a model or wake word that there is not."""

    exit_code = 2


class StageError(ApplianceError):
    """A stage failed while running; the daemon resets it and goes on."""


class UpdateError(ApplianceError):
    """An update is not what it must be, or cannot be installed; what was used before is used on."""


class BrokerError(ApplianceError):
    """The MQTT broker is unreachable or refuses us."""
