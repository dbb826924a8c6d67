"""The ways to the microphone that this machine has, the best first."""

from appliance.audio import recorder
from appliance.audio.capture import Way
from appliance.audio.hardware import Hardware
from appliance.audio.portaudio_stream import PortAudioStream
from appliance.runtimes.portaudio import portaudio


def ways_to_microphone(hardware: Hardware) -> list[Way]:
    """PortAudio, then what is installed of `arecord` and `pw-record`; these hear a mix of all channels, and the latter
    the default source only.
    """
    part = hardware.microphone
    ways = [Way("PortAudio", lambda: PortAudioStream(hardware), lambda: portaudio().refresh())]
    if hardware.channel is not None:
        return ways
    if recorder.is_installed("arecord"):
        ways.append(Way("arecord", lambda: recorder.arecord(part)))
    if recorder.is_installed("pw-record") and not part:
        ways.append(Way("pw-record", recorder.pw_record))
    return ways
