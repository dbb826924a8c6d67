"""Microphone and speaker: there, free, alive, and at a good level."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from appliance.audio.capture import Way
from appliance.audio.convert import Converter
from appliance.audio.format import FRAMES_PER_S, Frame
from appliance.audio.hardware import Hardware
from appliance.audio.health import HINTS
from appliance.audio.speakers import LATENCY_S
from appliance.audio.survey import Survey, survey
from appliance.audio.tones import ring_tone
from appliance.doctor.findings import Finding, Level, ok, problem, told, warning
from appliance.errors import AudioError
from appliance.runtimes.portaudio import Direction, PortAudio

SETTLING_S: Final = 0.5
"""What a device sends first, silence or a click, says nothing."""

PROBE_S: Final = 0.2
"""Silence played to a speaker, to see whether it takes any, and to let a tone out of its buffer."""

TONE_DBFS: Final = -20.0

Read = Callable[[], tuple[npt.NDArray[Any], bool]]
"""The next 20 ms, shape (n, channels), and whether samples were lost. Raises AudioError."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has a sound device of the kernel open."""

    pid: int
    command: tuple[str, ...]

    @property
    def is_appliance(self) -> bool:
        """It is `appliance run`, however it was started."""
        return "run" in self.command and any(Path(word).name == "appliance" for word in self.command)

    def __str__(self) -> str:
        if self.is_appliance:
            return f"the appliance that runs (process {self.pid})"
        return f"process {self.pid} ({Path(self.command[0]).name if self.command else 'gone'})"


def holders(direction: Direction, proc: Path) -> list[Holder]:
    """Who has a capture or playback device open, by what the kernel shows to everyone in /proc."""
    letter = "c" if direction is Direction.INPUT else "p"
    found = set[int]()
    for status in proc.glob(f"asound/card*/pcm*{letter}/sub*/status"):
        found |= {int(pid) for pid in re.findall(r"owner_pid\s*:\s*(\d+)", _text(status))}
    return [Holder(pid, tuple(_text(proc / str(pid) / "cmdline").split("\0")[:-1])) for pid in sorted(found)]


def listen(read: Read, converter: Converter, seconds: float) -> Survey:
    """Measure what a device sends, once it has settled. Takes so long; raises AudioError."""
    frames = islice(_frames(read, converter), round(SETTLING_S * FRAMES_PER_S), None)
    return survey(list(islice(frames, max(1, round(seconds * FRAMES_PER_S)))))


def microphone(way: Way, seconds: float, held_by: Sequence[Holder]) -> list[Finding]:
    """Open it and listen.

    Args:
        way: to the microphone.
        seconds: how long to listen.
        held_by: who has capture devices open before.
    """
    try:
        stream = way.open()
    except AudioError as error:
        return [_closed("microphone", error, held_by)]
    try:
        heard = listen(stream.read, Converter(stream.rate_hz, stream.channels, channel=stream.channel), seconds)
    finally:
        stream.close()
    found = f"{stream.device!r} through {way.name}, {stream.rate_hz} Hz, {heard}"
    findings = []
    for kind in heard.problems():
        what, _, remedy = HINTS[kind].partition(": ")
        findings.append(problem("microphone", f"{found}: {what}", remedy))
    return findings or [ok("microphone", found)]


def other_ways(ways: Sequence[Way], held_by: Sequence[Holder]) -> list[Finding]:
    """Does anything take over when the first way to the microphone fails? `held_by` as for `microphone`."""
    if not ways:
        found = "none: neither arecord nor, for the default microphone, pw-record is installed"
        return [warning("second way", found, "sudo apt-get install -y alsa-utils")]
    failed = []
    for way in ways:
        try:
            stream = way.open()
            try:
                stream.read()
            finally:
                stream.close()
        except AudioError as error:
            failed.append(_closed("second way", error, held_by))
        else:
            return [ok("second way", f"{way.name} takes over when the first one fails")]
    if failed[0].level is Level.OK:
        return failed[:1]
    found = f"none works: {', '.join(finding.found for finding in failed)}"
    return [warning("second way", found, "set audio.microphone to a part of a name that arecord -l shows")]


def speaker(hardware: Hardware, audio: PortAudio, *, aloud: bool, held_by: Sequence[Holder]) -> list[Finding]:
    """Open it and play silence, or a short tone. `held_by`: who has playback devices open before."""
    if hardware.speaker == "none":
        return [ok("speaker", "none, as configured: answers are silent")]
    try:
        with audio.opening():
            device = hardware.find_speaker(audio)
            stream = audio.open(device, rate_hz=device.rate_hz, channels=1, latency_s=LATENCY_S)
    except AudioError as error:
        return [_closed("speaker", error, held_by)]
    try:
        if aloud:
            stream.write(ring_tone(device.rate_hz, TONE_DBFS).tobytes())
        stream.write(np.zeros(round(PROBE_S * device.rate_hz), np.int16).tobytes())
    finally:
        stream.close()
    return [ok("speaker", f"{device.name!r}, {device.rate_hz} Hz, {'a tone was' if aloud else 'silence was'} played")]


def _closed(name: str, error: AudioError, held_by: Sequence[Holder]) -> Finding:
    """Why a device was not opened: whoever has one open is the likely reason."""
    if any(holder.is_appliance for holder in held_by):
        return ok(name, f"used by {', '.join(map(str, held_by))}, so it was not looked at")
    finding = told(Level.PROBLEM, name, error)
    if held_by:
        return problem(name, f"{finding.found}, in use by {', '.join(map(str, held_by))}", finding.remedy)
    return finding


def _frames(read: Read, converter: Converter) -> Iterator[Frame]:
    while True:
        yield from converter.feed(read()[0])


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # it ended meanwhile, or is not shown to us
        return ""
