"""A thousand times the microphone goes: unplugged, stalled, refused, overrun, silent; and comes back under any number.

The real microphone, capture thread and PortAudio adapter in front of a real frame loop, around an imagined USB device.
Its time is imagined, too: pauses, listing the devices and reading take as long as they would, and nobody waits.
"""

import gc
import itertools
import os
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from appliance.audio.capture import FAILURES_PER_WAY, Way
from appliance.audio.format import FRAME_MS
from appliance.audio.hardware import Hardware
from appliance.audio.health import SILENT_AFTER_FRAMES
from appliance.audio.microphone import PAUSES_S, QUEUE_FRAMES, Microphone, Patience
from appliance.audio.portaudio_stream import PortAudioStream
from appliance.bench.stages import resident_mb
from appliance.errors import AudioError
from appliance.events import (
    AudioDropped,
    AudioProblem,
    Failed,
    MicrophoneLost,
    MicrophoneRestored,
    TimerFired,
    TimerSet,
    TurnFinished,
)
from appliance.runtimes.portaudio import PortAudio
from tests.fakes import Bench, Heard

TIMES = 1000
BACK_WITHIN_S = 2.0

LISTING_S = 0.5
"""PortAudio takes so long to be initialised anew."""

REFUSED_BACK_WITHIN_S = sum(PAUSES_S) + PAUSES_S[-1] + FAILURES_PER_WAY * LISTING_S
"""Through another way, after three attempts by the usual one."""

STALLED_S = 0.25
"""Really: a stall is noticed by nothing else than waiting."""

LIMIT_S = 60.0

KINDS = {"unplugged": 80, "refused": 8, "overrun": 6, "muted": 3, "stalled": 3}
"""What it does, and how often: it only is unplugged later; PortAudio refuses it; each read tells of lost samples; it
sends digital silence; a read does not return."""

GONE = "microphone: arecord ended (No such device)"

TIMER = Heard(texts=("set a timer for ten seconds",), partials={16: "set a timer"})
NOON = Heard(texts=("what time is it",), partials={16: "what time is it"})


@dataclass(frozen=True, kw_only=True)
class Plug:
    """One life of the device: what it does, and for how long it is gone then."""

    kind: str
    gone_s: float
    frames: int = 10


STAYS = Plug(kind="stays", gone_s=0.0, frames=1_000_000_000)


class Pauses(Sequence[float]):
    """Pauses of the usual length on the device's clock, and none on ours."""

    def __init__(self, device: "Device") -> None:
        self._device = device

    def __len__(self) -> int:
        return len(PAUSES_S)

    def __getitem__(self, index: Any) -> Any:
        self._device.now_s += PAUSES_S[index]
        return 0.0


class Device:
    """A USB microphone with its lives, as `sounddevice` and as a recording program see it."""

    class PortAudioError(Exception):
        """As PortAudio's."""

    def __init__(self, plugs: Sequence[Plug]) -> None:
        self.now_s = 0.0
        self.back_s: dict[str, list[float]] = defaultdict(list)
        """From the device's return to its first frame, by what it did then."""
        self.ways = Counter[tuple[str, str]]()
        """How often it was heard, by what it did and through which way."""
        self.stalled, self.go_on, self.ending = threading.Event(), threading.Event(), threading.Event()
        self.full = lambda: False
        self._dice = random.Random(2)
        self._plugs = iter(plugs)
        self._plug, self.number = next(self._plugs), 1
        self._heard = 0
        self._returns_s = 0.0
        self._initialize()

    @property
    def is_there(self) -> bool:
        return self.now_s >= self._returns_s

    @property
    def is_refused(self) -> bool:
        """By PortAudio."""
        return self._plug.kind == "refused"

    def sound(self, way: str, samples: int) -> tuple[npt.NDArray[Any], bool] | None:
        """The next 20 ms through this way, and whether something was lost before; None: it was pulled out."""
        while self.full() and not self.ending.wait(0.001):
            pass
        plug = self._plug
        if not self._heard:
            self.back_s[plug.kind].append(self.now_s - self._returns_s)
            self.ways[plug.kind, way] += 1
        self._heard += 1
        self.now_s += FRAME_MS / 1000
        if self._heard > plug.frames:
            if plug.kind == "stalled":
                self.stalled.set()
                self.go_on.wait(LIMIT_S)
                self.go_on.clear()
            self._pull(plug.gone_s)
            return None
        level = 0 if plug.kind == "muted" else 300
        return np.resize(np.array([level, -level], np.int16), (samples, 1)), plug.kind == "overrun"

    def _pull(self, gone_s: float) -> None:
        """It comes back under another number."""
        self._returns_s = self.now_s + gone_s
        self._plug, self.number = next(self._plugs, STAYS), self.number % 9 + self._dice.randrange(1, 9)
        self._heard = 0

    # What `sounddevice` has; it knows the devices that were there when it was initialised.

    def _terminate(self) -> None:
        self._listed = None

    def _initialize(self) -> None:
        self.now_s += LISTING_S
        self._listed = self.number if self.is_there else None

    def query_devices(self, kind: str | None = None) -> Any:
        if kind is not None:
            raise self.PortAudioError("Error querying device -1")
        form = {"max_input_channels": 1, "default_samplerate": 16_000.0}
        return [] if self._listed is None else [{"name": "USB Microphone", "index": self._listed, **form}]

    def check_input_settings(self, **_: object) -> None:
        pass

    def InputStream(self, *, device: int, **_: object) -> "Stream":
        if not self.is_there or self.is_refused or device != self.number:
            raise self.PortAudioError("Device unavailable")
        return Stream(self, "PortAudio", self.PortAudioError("Unanticipated host error"))

    def record(self) -> "Stream":
        """What a recording program does."""
        if not self.is_there:
            raise AudioError(GONE)
        return Stream(self, "arecord", AudioError(GONE))


class Stream:
    """An open device, of `sounddevice` or of a program."""

    device, rate_hz, channels = "USB Microphone", 16_000, 1
    channel: int | None = None

    def __init__(self, source: Device, way: str, failure: Exception) -> None:
        self._source, self._way, self._failure = source, way, failure
        self._number = source.number

    def start(self) -> None:
        pass

    def read(self, samples: int = 320) -> tuple[npt.NDArray[Any], bool]:
        sound = self._source.sound(self._way, samples) if self._number == self._source.number else None
        if sound is None:
            raise self._failure
        return sound

    def close(self, ignore_errors: bool = True) -> None:
        pass


def lives(count: int) -> list[Plug]:
    """So many, the same in each run."""
    dice, plugs = random.Random(1), []
    for _ in range(count):
        (kind,) = dice.choices(list(KINDS), list(KINDS.values()))
        gone_s = dice.choice((0.0, dice.uniform(0.0, 3.0), dice.uniform(0.0, 60.0)))
        plugs.append(Plug(kind=kind, gone_s=gone_s, frames=SILENT_AFTER_FRAMES + 5 if kind == "muted" else 10))
    return plugs


class Home:
    """A frame loop behind the microphone of such a device."""

    def __init__(self, plugs: Sequence[Plug]) -> None:
        self.device = Device(plugs)
        audio = PortAudio(self.device)
        hardware = Hardware(microphone="usb")
        first = Way("PortAudio", lambda: PortAudioStream(hardware, audio=audio), audio.refresh)
        patience = Patience(
            lost_after_s=STALLED_S,
            first_after_s=STALLED_S,
            hung_after_s=LIMIT_S,
            pauses_s=Pauses(self.device),  # type: ignore[arg-type]
            steady_frames=5,
        )
        self.microphone = Microphone("usb", [first, Way("arecord", self.device.record)], patience=patience)
        self.device.full = lambda: self.microphone.waiting[0] > QUEUE_FRAMES // 2
        self.bench = Bench(heard=[TIMER, NOON])
        self._frames = self.microphone.start().frames()
        self.sizes: list[tuple[int, int, float]] = []
        """Threads, descriptors and memory (MB), now and then."""

    def live(self, frames: int) -> int:
        """Go on for so many frames; the index of the next."""
        for frame in itertools.islice(self._frames, frames):
            self.bench.loop.process(frame)
            for event in self.microphone.events():
                self.bench.loop.emit(event)
                if isinstance(event, MicrophoneLost) and self.device.stalled.is_set():
                    self.device.stalled.clear()
                    self.device.go_on.set()
            index = frame.index
        for kept in (self.bench.spotter.heard, self.bench.spotter.played, self.bench.spotter.silent):
            kept.clear()  # what the fake remembers is no leak
        return index + 1

    def ask(self) -> None:
        """A whole turn."""
        at = self.live(1)
        self.bench.spotter.frames.add(at + 5)
        self.bench.detector.speech = (range(at + 55, at + 85),)
        self.live(250)

    def note_size(self) -> None:
        gc.collect()
        self.sizes.append((threading.active_count(), len(os.listdir("/proc/self/fd")), resident_mb()))

    def close(self) -> None:
        self.device.ending.set()
        self.microphone.close()


@pytest.mark.live
def test_a_thousand_replugs() -> None:
    plugs = lives(TIMES)
    home = Home([replace(STAYS, frames=300), *plugs])
    device, told = home.device, home.bench.events
    home.ask()
    while sum(map(len, device.back_s.values())) < TIMES + 2:
        home.live(100)
        if len(home.bench.of(MicrophoneRestored)) >= TIMES // 5 * (len(home.sizes) + 1):
            home.note_size()
    home.ask()
    home.note_size()
    home.close()
    lost, restored = home.bench.of(MicrophoneLost), home.bench.of(MicrophoneRestored)
    assert len(lost) == len(restored) >= TIMES
    for kind, times in device.back_s.items():
        assert max(times) <= (REFUSED_BACK_WITHIN_S if kind == "refused" else BACK_WITHIN_S), kind
    assert {way for kind, way in device.ways if kind == "refused"} == {"arecord"}
    assert {way for kind, way in device.ways if kind == "unplugged"} == {"PortAudio", "arecord"}
    count = Counter(plug.kind for plug in plugs)
    assert sum(event.frames for event in home.bench.of(AudioDropped)) >= 8 * count["overrun"]
    silent = [event for event in told if isinstance(event, AudioProblem) and event.kind == "silent"]
    assert 0.8 * count["muted"] <= len(silent) <= count["muted"], "silence goes on from one life to the next"
    assert home.bench.of(Failed) == []
    (timer,), (rang,) = home.bench.of(TimerSet), home.bench.of(TimerFired)
    assert timer.frame + 500 <= rang.frame <= timer.frame + 520
    assert len(home.bench.of(TurnFinished)) == 2
    threads, descriptors, memory_mb = zip(*home.sizes, strict=True)
    assert len(set(threads)) == len(set(descriptors)) == 1
    assert memory_mb[-1] - memory_mb[0] < 1.0
