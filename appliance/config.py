"""The owner's configuration: one TOML file, read once into frozen classes.

Every key has a default, a unit, a range and a meaning, all of which stand here and nowhere else: the annotated file
`firmware_config/appliance.toml` is written from these classes by `python -m appliance.config`, and a test holds it to
them. An unknown key is an error. There is no second source: no environment variables, no hidden defaults.
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct, field

from appliance.errors import ConfigError

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]


class Device(Struct, frozen=True, forbid_unknown_fields=True):
    """Who this appliance is in the house."""

    id: Annotated[
        Name,
        Meta(description="Name in MQTT topics, voice/<id>/...; letters, digits, - and _, at most 64 characters."),
    ] = "appliance"
    area: Annotated[
        str, Meta(description="Area of the home it stands in; 'turn on the light' means the light there.")
    ] = ""


class Audio(Struct, frozen=True, forbid_unknown_fields=True):
    """Microphone and loudspeaker."""

    hardware: Annotated[
        str,
        Meta(
            description=(
                "Profile of hardware.toml, which names microphone, channel and speaker; empty: recognized by itself."
            )
        ),
    ] = ""
    microphone: Annotated[
        str, Meta(description="Part of the capture device's name; empty: the profile's, else the system's default.")
    ] = ""
    microphone_channel: Annotated[
        int,
        Meta(ge=0, le=64, description="The channel that is heard, 1..64; 0: the profile's, else the mean of all."),
    ] = 0
    speaker: Annotated[
        str,
        Meta(
            description=(
                "Part of the playback device's name; empty: the profile's, else the system's default; "
                "'none': answers are silent."
            )
        ),
    ] = ""
    echo_cancellation: Annotated[
        bool,
        Meta(
            description=(
                "Take the appliance's own sound out of what the microphone hears, so that a person is heard while it "
                "speaks; false: only where the hardware does that already."
            )
        ),
    ] = True
    ducking_percent: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description=(
                "Other sound of this machine is lowered to so much of its volume while the appliance listens and "
                "speaks, percent, 0..100; 100: it is left alone."
            ),
        ),
    ] = 40
    ducking_mixer: Annotated[
        str,
        Meta(
            description=(
                "Where no sound server runs: ALSA mixer control that other players go through, but not the answers, "
                "such as 'Music'; empty: none."
            )
        ),
    ] = ""
    volume: Annotated[int, Meta(ge=0, le=100, description="Loudness of answers and rings, percent, 0..100.")] = 70


class Wake(Struct, frozen=True, forbid_unknown_fields=True):
    """The words that wake it."""

    words: Annotated[
        list[str],
        Meta(
            min_length=1,
            max_length=8,
            description=(
                "Wake words, 1..8: a name from `appliance models list` or the path of a model. Any other phrase is "
                "spotted by the recognizer, at ten times the processor time."
            ),
        ),
    ] = field(default_factory=lambda: ["computer"])
    threshold: Annotated[
        Share,
        Meta(
            description=(
                "Score that wakes, 0..1; lower hears more and wakes falsely more often; 0: each model's own. Four "
                "fifths of it are enough while the appliance plays."
            )
        ),
    ] = 0.0
    stop_word: Annotated[
        str,
        Meta(
            description=(
                "Ends an answer or a ring without a wake word, and means nothing else: the name of an installed wake "
                "model or its path, at the model's own threshold; empty: none."
            )
        ),
    ] = "stop"
    one_answers: Annotated[
        bool,
        Meta(
            description=(
                "Of several appliances at one broker that hear the same word, the one that hears it best answers; "
                "false: this one always does."
            )
        ),
    ] = True
    report_near_misses: Annotated[
        bool, Meta(description="Publish wake_near_missed for scores just below the threshold, for tuning.")
    ] = False
    keep_near_misses: Annotated[
        int,
        Meta(
            ge=0,
            le=1000,
            description=(
                "Keep the sound of so many of the newest near misses, and of wakes that no speech followed, 3 s each, "
                "in near-misses/ below /var/lib/appliance, or below ~/.local/state/appliance without the service; "
                "0..1000."
            ),
        ),
    ] = 0


class Listening(Struct, frozen=True, forbid_unknown_fields=True):
    """When a command begins and ends."""

    no_speech_ms: Annotated[
        int, Meta(ge=1000, le=30_000, description="Go back to sleep when nothing is said, ms, 1000..30000.")
    ] = 5000
    silence_ms: Annotated[
        int,
        Meta(
            ge=100,
            le=3000,
            description="Silence that ends what is no whole command so far, ms, 100..3000.",
        ),
    ] = 800
    open_silence_ms: Annotated[
        int, Meta(ge=100, le=3000, description="Silence that ends a whole command that may go on, ms, 100..3000.")
    ] = 400
    wide_open_silence_ms: Annotated[
        int,
        Meta(
            ge=100,
            le=3000,
            description="Silence that ends a whole command to which several parts can still be added, or what no "
            "command begins with, ms, 100..3000.",
        ),
    ] = 600
    closed_silence_ms: Annotated[
        int,
        Meta(ge=100, le=3000, description="Silence that ends a command to which nothing can be added, ms, 100..3000."),
    ] = 120
    follow_up_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            description=(
                "Listen so long after an answer for another command, without the wake word, ms, 0..10000; 0: after "
                "questions only. What is not surely a command is passed over in silence."
            ),
        ),
    ] = 3000
    longest_ms: Annotated[int, Meta(ge=1000, le=60_000, description="Longest command, ms, 1000..60000.")] = 8000
    speech_threshold: Annotated[Share, Meta(description="Speech probability that counts as speech, 0..1.")] = 0.5


class Models(Struct, frozen=True, forbid_unknown_fields=True):
    """Which models are used; `appliance models list` names them."""

    directory: Annotated[
        str, Meta(description="Folder of the installed models; empty: models/ beside the program.")
    ] = ""
    recognizer: Annotated[str, Meta(description="Speech recognizer; empty: the language's.")] = ""
    pronunciations: Annotated[
        str,
        Meta(
            description=(
                "How words sound, for what is heard not quite right; empty: the language's; 'none': every word counts."
            )
        ),
    ] = ""
    speech_detector: Annotated[str, Meta(description="Speech detector (VAD).")] = "silero-vad"
    voice: Annotated[str, Meta(description="Voice of the answers; empty: the language's; 'none': a simple one.")] = ""


class Home(Struct, frozen=True, forbid_unknown_fields=True):
    """What can be commanded."""

    language: Annotated[
        str,
        Meta(
            description=(
                "What is spoken: the name of a folder of appliance/languages, or the path of a folder of your own, "
                "relative to this file, with a / in it."
            )
        ),
    ] = "en"
    file: Annotated[
        str,
        Meta(
            description=(
                "YAML file with this home's areas, devices, scenes and own sentences; relative to this file; "
                "empty: none."
            )
        ),
    ] = "home.yaml"
    learn: Annotated[
        bool,
        Meta(
            description=(
                "Learn lights, switches, scenes, covers and climate from what they announce to Home Assistant through "
                "the broker of [mqtt]; `appliance home` lists them."
            )
        ),
    ] = True
    refuse: Annotated[
        list[str],
        Meta(max_length=200, description="Learned devices that are not wanted, by name or id, such as 'permit join'."),
    ] = field(default_factory=list)
    ring_s: Annotated[
        int, Meta(ge=5, le=3600, description="How long a timer rings when nobody stops it, s, 5..3600.")
    ] = 60


class Mqtt(Struct, frozen=True, forbid_unknown_fields=True):
    """The broker that gets the events and brings commands."""

    host: Annotated[str, Meta(description="Host name or address of the broker; empty: no broker.")] = ""
    port: Annotated[int, Meta(ge=1, le=65_535, description="Port, 1..65535; 8883 is usual with TLS.")] = 1883
    username: Annotated[str, Meta(description="User name; empty: none.")] = ""
    password_file: Annotated[
        str, Meta(description="File that holds the password, readable by the service only; empty: none.")
    ] = ""
    tls: Annotated[bool, Meta(description="Encrypt, and verify the broker's certificate.")] = False
    ca_file: Annotated[str, Meta(description="Certificate authority to trust (PEM); empty: the system's.")] = ""
    cert_file: Annotated[
        str, Meta(description="Certificate by which the broker knows this appliance (PEM); empty: none.")
    ] = ""
    key_file: Annotated[
        str, Meta(description="Its private key (PEM), readable by the service only; empty: in cert_file.")
    ] = ""
    keepalive_s: Annotated[
        int, Meta(ge=5, le=600, description="A dead connection is noticed after 1.5 times this, s, 5..600.")
    ] = 30


class HomeAssistant(Struct, frozen=True, forbid_unknown_fields=True):
    """How the appliance appears in Home Assistant, by itself, through the broker of [mqtt]."""

    discovery: Annotated[
        Literal["device", "entity", "off"],
        Meta(description="device: Home Assistant 2024.12 or newer; entity: older; off: not at all, and taken back."),
    ] = "device"
    prefix: Annotated[
        str, Meta(pattern=r"^[\w-]+(/[\w-]+)*\Z", description="Topic below which Home Assistant looks for devices.")
    ] = "homeassistant"


class Hermes(Struct, frozen=True, forbid_unknown_fields=True):
    """The messages of Rhasspy and Snips, through the broker of [mqtt]; no audio."""

    enabled: Annotated[
        bool, Meta(description="Tell and obey them; they hold what is said, so privacy.publish_text must be true.")
    ] = False
    site_id: Annotated[
        Name, Meta(description="Which site of theirs this is; letters, digits, - and _, at most 64 characters.")
    ] = "default"


class Service(Struct, frozen=True, forbid_unknown_fields=True):
    """How long people may have to wait for an answer; when it is often longer, a warning is published."""

    target_ms: Annotated[
        int, Meta(ge=100, le=10_000, description="From the end of speech to the first sound, ms, 100..10000.")
    ] = 500
    allowed_share: Annotated[Share, Meta(description="So many of the newest 100 turns may take longer, 0..1.")] = 0.05


Pin = Annotated[int, Meta(ge=0, le=27)]


class Signals(Struct, frozen=True, forbid_unknown_fields=True):
    """Short sounds, and an LED, a button and a mute switch on the pins of a Raspberry Pi; pins by their BCM numbers."""

    earcons: Annotated[
        bool, Meta(description="Short sounds tell when it listens, gives up, is muted or in trouble.")
    ] = False
    led_pins: Annotated[
        list[Pin],
        Meta(
            max_length=3,
            description="An LED, or red, green and blue of one, lit by high; empty: those of audio.hardware's profile.",
        ),
    ] = field(default_factory=list)
    button_pin: Annotated[
        Pin,
        Meta(
            description=(
                "A button to ground: pressed, it listens or ends what goes on; held for 1.5 s, it mutes or hears "
                "again; 0: that of audio.hardware's profile."
            )
        ),
    ] = 0
    mute_pin: Annotated[
        Pin, Meta(description="A switch to ground that mutes; 0: that of audio.hardware's profile.")
    ] = 0

    def __post_init__(self) -> None:
        """Refuse, by ValueError, two LEDs."""
        if len(self.led_pins) == 2:
            raise ValueError("led_pins: one pin, or three")


class FlightRecorder(Struct, frozen=True, forbid_unknown_fields=True):
    """Keeps the last seconds of sound, and writes them when a stage fails, or by command/save_record."""

    seconds: Annotated[int, Meta(ge=0, le=60, description="How many, 0..60; 0: off, no sound is kept.")] = 0
    directory: Annotated[
        str,
        Meta(
            description=(
                "Folder for the newest 5 records; empty: in memory, /run/appliance/flight-records, gone when the "
                "service ends (without the service: flight-records in the state directory)."
            )
        ),
    ] = ""


class Metrics(Struct, frozen=True, forbid_unknown_fields=True):
    """Figures for Prometheus, and for what reads its format."""

    port: Annotated[
        int,
        Meta(
            ge=0,
            le=65_535,
            description="Read at http://127.0.0.1:PORT/metrics, from this machine alone, 1..65535; 0: nowhere.",
        ),
    ] = 0


class Privacy(Struct, frozen=True, forbid_unknown_fields=True):
    """What may leave the device. Audio never does."""

    publish_text: Annotated[
        bool, Meta(description="Publish, store and log what was said and answered; false: those fields are null.")
    ] = False


class Update(Struct, frozen=True, forbid_unknown_fields=True):
    """Newer versions: where they come from, and who must have signed them."""

    source: Annotated[
        str, Meta(description="Path, file:///path or https://host/path of an update; empty: only what --from names.")
    ] = ""
    key_file: Annotated[
        str, Meta(description="Public Ed25519 key (PEM) of whoever makes the updates, beside this file.")
    ] = "update-key.pem"


class Log(Struct, frozen=True, forbid_unknown_fields=True):
    """The journal."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="debug, info, warning or error.")
    ] = "info"


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration; `Config()` is the defaults."""

    device: Device = Device()
    audio: Audio = Audio()
    wake: Wake = field(default_factory=Wake)
    listening: Listening = Listening()
    models: Models = Models()
    home: Home = field(default_factory=Home)
    mqtt: Mqtt = Mqtt()
    home_assistant: HomeAssistant = HomeAssistant()
    hermes: Hermes = Hermes()
    service: Service = Service()
    signals: Signals = field(default_factory=Signals)
    flight_recorder: FlightRecorder = FlightRecorder()
    metrics: Metrics = Metrics()
    privacy: Privacy = Privacy()
    update: Update = Update()
    log: Log = Log()


def load(path: Path) -> Config:
    """Read a configuration file.

    Raises:
        ConfigError: one sentence with file, line, key and what to do.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors of Windows put a mark before the first line
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file; copy firmware_config/appliance.toml there, or name one with --config"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: cannot be read as UTF-8 text ({error}); check its permissions and encoding"
        ) from None
    return parse(text, str(path))


def parse(text: str, origin: str) -> Config:
    """Read a configuration from its text; `origin` names it in errors. Raises ConfigError."""
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of 5000 digits, brackets in brackets in brackets
        raise ConfigError(
            f"{origin}: not valid TOML: {error}; see firmware_config/appliance.toml for the form"
        ) from None
    try:
        config = msgspec.convert(raw, type=Config)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error), text, origin)) from None
    if config.hermes.enabled and not config.privacy.publish_text:
        line = _line_of(["hermes", "enabled"], text)
        reason = "Hermes messages hold what was said; set privacy.publish_text = true as well, or leave them off"
        raise ConfigError(f"{origin}:{line}: hermes.enabled: {reason}")
    return config


def render(config_type: type[Config] = Config) -> str:
    """The annotated configuration file: every key with meaning, unit, range and default."""
    lines = [
        "# Configuration of the appliance. Every key stands here with its default; delete what you do not change.",
        "# Check it with: appliance --config FILE run --check",
    ]
    defaults = config_type()
    for section, section_type in get_type_hints(config_type).items():
        lines += ["", f"# {section_type.__doc__}", f"[{section}]"]
        for key, hint in get_type_hints(section_type, include_extras=True).items():
            lines += [f"# {_description(hint)}", f"{key} = {_toml(getattr(getattr(defaults, section), key))}"]
    return "\n".join(lines) + "\n"


def _description(hint: Any) -> str:
    if get_origin(hint) is not Annotated:
        return ""
    texts = [part.description for part in get_args(hint)[1:] if isinstance(part, Meta) and part.description]
    return " ".join(texts)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _explain(message: str, text: str, origin: str) -> str:
    """Turn msgspec's message, which names a path such as `$.wake.threshold`, into file, line, key and remedy."""
    reason, _, path = message.partition(" - at `$.")
    keys = re.sub(r"\[.*", "", path.rstrip("`")).split(".") if path else []
    unknown = re.search(r"unknown field `([^`]+)`", message)
    if unknown:
        section = getattr(Config(), keys[0], None) if keys else Config()
        reason = (
            f"unknown key; known here: {', '.join(section.__struct_fields__ if isinstance(section, Struct) else ())}"
        )
        keys = [*keys, unknown.group(1)]
    where = f"{origin}:{_line_of(keys, text)}" if keys else origin
    meaning = "" if unknown else _meaning(keys)
    return f"{where}: {'.'.join(keys) or 'file'}: {reason}; {meaning}see firmware_config/appliance.toml"


def _meaning(keys: list[str]) -> str:
    """What a key of a section is for, with its range, as part of a sentence; nothing for what is no such key."""
    if len(keys) != 2:
        return ""
    hints = get_type_hints(get_type_hints(Config)[keys[0]], include_extras=True)
    return f"it is: {_description(hints[keys[1]]).rstrip('.')}; "


def _line_of(keys: list[str], text: str) -> int:
    """1-based line on which a key stands, or its section where the key itself is not found, as in an inline table."""
    wanted = _plain(".".join(keys))
    table, section_line = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if head := re.match(r"\s*\[+([^\]]+)\]", line):
            table = here = _plain(head.group(1))
        elif item := re.match(r"([^=#]+)=", line):
            here = _plain(f"{table}.{item.group(1)}").lstrip(".")
        else:
            continue
        if f"{here}.".startswith(f"{wanted}."):
            return number
        if here.split(".")[0] == keys[0]:
            section_line = section_line or number
    return section_line or 1


def _plain(key: str) -> str:
    """A dotted key without quotes and spaces."""
    return re.sub(r"[\s\"']", "", key)


if __name__ == "__main__":
    print(render(), end="")
