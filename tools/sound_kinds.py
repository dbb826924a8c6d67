"""The sound servers that a virtual room can be made of: how each is started, spoken into, recorded and asked.

Each gets a virtual microphone and a virtual loudspeaker `spk`; what is played to `mic` is said into the microphone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from appliance.audio.format import SAMPLE_RATE_HZ

_PULSE_START: Final = """\
load-module module-null-sink sink_name=mic rate=16000 channels=1 norewinds=1
load-module module-null-sink sink_name=spk rate=48000 channels=1 norewinds=1
set-default-source mic.monitor
set-default-sink spk
load-module module-native-protocol-unix
"""
"""The protocol comes last: who gets an answer finds everything. Without rewinds a null sink works in steps of 50 ms,
with them in steps of 2 s."""

_PIPEWIRE_START: Final = """\
context.modules = [ { name = libpipewire-module-loopback args = {
  audio.position = [ MONO ]
  capture.props = { node.name = mic media.class = Audio/Sink }
  playback.props = { node.name = microphone media.class = Audio/Source priority.session = 3000 }
} } ]
context.objects = [ { factory = adapter args = {
  factory.name = support.null-audio-sink node.name = spk media.class = Audio/Sink
  audio.position = [ MONO ] object.linger = true priority.session = 2000
} } ]
context.exec = [ { path = wireplumber args = "" } ]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How one sound server is started and used. Its programs get the name of a WAV file as their last argument."""

    name: str
    packages: str
    programs: tuple[str, ...]
    plugin: str
    """What leads ALSA's programs to it."""

    start: tuple[str, ...]
    socket: str
    """Where it answers, below the run-time folder."""

    files: Mapping[str, str]
    """What stands in its home folder."""

    speak: tuple[str, ...]
    record: tuple[str, ...]
    captures: tuple[str, ...]
    """Lists what is open; a line that holds the mark is somebody who listens to a source."""

    capture_mark: str


KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind(
            name="pulseaudio",
            packages="pulseaudio pulseaudio-utils libasound2-plugins",
            programs=("pulseaudio", "paplay", "parecord", "pactl"),
            plugin="libasound_module_pcm_pulse.so",
            start=("pulseaudio", "--daemonize=no", "--exit-idle-time=-1", "-n", "--file=start.pa"),
            socket="pulse/native",
            files={
                "start.pa": _PULSE_START,
                ".config/pulse/client.conf": "autospawn = no\n",  # else a client starts the server that was killed
                ".asoundrc": "pcm.!default { type pulse }\nctl.!default { type pulse }\n",
            },
            speak=("paplay", "--device=mic"),
            record=(
                *("parecord", "--device=spk.monitor", f"--rate={SAMPLE_RATE_HZ}", "--channels=1"),
                "--latency-msec=20",
            ),
            captures=("pactl", "list", "short", "source-outputs"),
            capture_mark="protocol-native.c",
        ),
        Kind(
            name="pipewire",
            packages="pipewire pipewire-alsa pipewire-bin wireplumber dbus",
            programs=("pipewire", "wireplumber", "pw-cat", "pw-cli", "dbus-run-session"),
            plugin="libasound_module_pcm_pipewire.so",
            start=("dbus-run-session", "--", "pipewire"),
            socket="pipewire-0",
            files={
                ".config/pipewire/pipewire.conf.d/room.conf": _PIPEWIRE_START,
                ".asoundrc": "pcm.!default { type pipewire }\nctl.!default { type pipewire }\n",
            },
            speak=("pw-cat", "--playback", "--target=mic"),
            record=(
                *("pw-cat", "--record", "--target=spk", "--properties={ stream.capture.sink = true }"),
                *(f"--rate={SAMPLE_RATE_HZ}", "--channels=1", "--format=s16"),
            ),
            captures=("pw-cli", "ls", "Node"),
            capture_mark="Stream/Input/Audio",
        ),
    )
}
"""PulseAudio is what Debian without a desktop offers; PipeWire is what the desktop of Raspberry Pi OS runs."""
