"""The sound of other programs on this machine: what plays, how loud it is, and making it louder or quieter.

Asked of the sound server where one runs, else of a control of the ALSA mixer that the owner names. All volumes are on
the scale of a volume slider: half of it is 18 dB less.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

import msgspec

from appliance.errors import AudioError

PATIENCE_S: Final = 1.0
"""A sound server answers within 0.1 s; one that is frozen is not waited for."""

_SYSTEM_WIDE: Final = Path("/run/pulse/native")
"""Where a PulseAudio of the whole machine answers."""

_LEVEL: Final = re.compile(r": (?:Playback )?(\d+) \[(\d+)%\]")


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """Something that plays, or may play."""

    key: str
    """What it is called as long as it lasts: `pulse 12`."""

    name: str
    """Of the program that plays it; stays the same when it plays again."""

    volumes: tuple[int, ...]
    """Of its channels, in units of whoever told them."""

    sounds: bool = True
    """It is neither paused nor muted."""


class Others(Protocol):
    """One way to the sound of other programs."""

    def streams(self) -> list[Stream]:
        """What other programs play where the answers are heard. Raises AudioError where this way leads nowhere."""

    def lower(self, stream: Stream, percent: int) -> None:
        """Leave so much of its volume, 0..100. Raises AudioError."""

    def restore(self, stream: Stream, volumes: tuple[int, ...]) -> None:
        """Give it back these volumes. Raises AudioError."""


class _Volume(msgspec.Struct):
    value: int


class _SinkInput(msgspec.Struct):
    index: int
    sink: int
    volume: dict[str, _Volume] = {}
    corked: bool = False
    mute: bool = False
    properties: dict[str, str] = {}


class ServerStreams:
    """What PulseAudio, or PipeWire in its stead, plays on the default sink, through `pactl`.

    Another sink may sound in another room, or lead into a microphone; the appliance's own streams are left alone.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ, *, patience_s: float = PATIENCE_S) -> None:
        """`environment`: leads to the server. `patience_s`: so long it may take for an answer."""
        self._environment = {**environment, "LC_ALL": "C"}
        self._patience_s = patience_s

    def streams(self) -> list[Stream]:
        if not self._is_there():  # pactl would start a server that nobody asked for
            raise AudioError("other sound: no sound server runs; start one, or set audio.ducking_mixer")
        default = self._pactl("get-default-sink").strip()
        sinks = (line.split("\t") for line in self._pactl("list", "short", "sinks").splitlines())
        number = next((int(sink[0]) for sink in sinks if sink[1:2] == [default]), None)
        try:
            found = msgspec.json.decode(self._pactl("-f", "json", "list", "sink-inputs"), type=list[_SinkInput])
        except (msgspec.MsgspecError, ValueError) as error:
            raise AudioError(f"other sound: pactl is not understood ({error}); version 16 or newer is needed") from None
        others = (one for one in found if one.properties.get(_PROCESS) != str(os.getpid()))
        return [_stream(one) for one in others if one.sink == number]

    def lower(self, stream: Stream, percent: int) -> None:
        self.restore(stream, tuple(round(volume * percent / 100) for volume in stream.volumes))

    def restore(self, stream: Stream, volumes: tuple[int, ...]) -> None:
        self._pactl("set-sink-input-volume", stream.key.split()[1], *map(str, volumes))

    def _is_there(self) -> bool:
        if self._environment.get("PULSE_SERVER"):
            return True
        own = Path(self._environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}") / "pulse" / "native"
        return os.path.exists(own) or os.path.exists(_SYSTEM_WIDE)  # False also where the service may not look

    def _pactl(self, *arguments: str) -> str:
        return _said("pactl", arguments, self._environment, self._patience_s)


class MixerControl:
    """A control of ALSA's mixer that other programs, but not the appliance, go through (softvol), through `amixer`."""

    def __init__(self, control: str, device: str = "default", environment: Mapping[str, str] = os.environ) -> None:
        """`control`: as `amixer scontrols` names it. `environment`: for amixer."""
        self._control = control
        self._device = device
        self._environment = {**environment, "LC_ALL": "C"}

    def streams(self) -> list[Stream]:
        levels = self._levels()
        return [Stream(key=f"mixer {self._control}", name=self._control, volumes=tuple(raw for raw, _ in levels))]

    def lower(self, stream: Stream, percent: int) -> None:
        levels = self._levels()
        mean_percent = sum(share for _, share in levels) / len(levels)
        self._amixer("sset", self._control, f"{round(mean_percent * percent / 100)}%")

    def restore(self, stream: Stream, volumes: tuple[int, ...]) -> None:
        self._amixer("sset", self._control, ",".join(map(str, volumes)))

    def _levels(self) -> list[tuple[int, int]]:
        """Of each channel: as the control counts, and in percent."""
        said = self._amixer("sget", self._control)
        levels = [(int(raw), int(percent)) for raw, percent in _LEVEL.findall(said)]
        if not levels:
            raise AudioError(f'audio.ducking_mixer: "{self._control}" has no volume; name one of amixer scontrols')
        return levels

    def _amixer(self, *arguments: str) -> str:
        return _said("amixer", ("-D", self._device, "-M", *arguments), self._environment)


_PROCESS: Final = "application.process.id"
_NAMES: Final = ("module-stream-restore.id", "application.name", "media.name")
"""By the first of these a server knows a program again, whose volume it remembers."""


def _stream(found: _SinkInput) -> Stream:
    return Stream(
        key=f"pulse {found.index}",
        name=next((found.properties[key] for key in _NAMES if found.properties.get(key)), "a program"),
        volumes=tuple(volume.value for volume in found.volume.values()),
        sounds=bool(found.volume) and not (found.corked or found.mute),
    )


def _said(name: str, arguments: tuple[str, ...], environment: Mapping[str, str], patience_s: float = PATIENCE_S) -> str:
    """Run a program of the sound system; what it said. Raises AudioError."""
    program = shutil.which(name, path=environment.get("PATH"))
    if program is None:
        raise AudioError(f"other sound: {name} is not installed; type: sudo apt-get install -y {_PACKAGES[name]}")
    try:
        done = subprocess.run(
            [program, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=patience_s,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise AudioError(f"other sound: {name} cannot be used ({error}); is the sound server well?") from None
    if done.returncode != 0:
        reason = " ".join(done.stderr.decode("utf-8", "replace").split()) or "no reason given"
        raise AudioError(f"other sound: {name} failed: {reason}")
    return done.stdout.decode("utf-8", "replace")


_PACKAGES: Final = {"pactl": "pulseaudio-utils", "amixer": "alsa-utils"}
