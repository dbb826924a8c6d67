"""A simulated room with the device in it: its loudspeaker, its microphone, the way between them, and a person.

Nothing here is a measurement of a real room: the response is noise that fades, the loudspeaker has no bass and
saturates; rooms are drawn anew for each name. Levels are powers of the frames that count as speech (`tools/mixing.py`).
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from tools.mixing import active_power

Samples = NDArray[np.float64]

ECHO_DBFS: Final = -26.0
"""How loud the microphone hears the device; a person at the same distance speaks like this."""

HISS_RMS: Final = 10.0
"""-70 dBFS, a quiet room's microphone."""

BASS_SAMPLES: Final = 100
"""The loudspeaker gives nothing below about 160 Hz."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoRoom:
    """One room, one device, one place of the person."""

    name: str
    """Seeds everything that is drawn."""

    t60_s: float
    """How long sound takes to fade by 60 dB."""

    delay_ms: float
    """Buffers of loudspeaker and microphone, and the air."""

    drive: float = 0.5
    """Of the loudspeaker's saturation, tanh; 0: linear. 0.5 gives 2 % of distortion at the peaks, 1.5 gives 12 %."""

    @staticmethod
    def drawn(name: str, *, drive: float = 0.5) -> "EchoRoom":
        """A living room or an office: 0.2 to 0.5 s, with 40 to 250 ms of buffers."""
        random = _random(name)
        return EchoRoom(name=name, t60_s=random.uniform(0.2, 0.5), delay_ms=random.uniform(40, 250), drive=drive)

    def echo(self, played: Pcm, level_dbfs: float = ECHO_DBFS) -> Samples:
        """What the microphone hears of the device, as long as what is played."""
        sound = played - _filtered(played.astype(np.float64), np.full(BASS_SAMPLES, 1.0 / BASS_SAMPLES))
        peak = float(np.abs(sound).max())
        if self.drive and peak:
            sound = np.tanh(self.drive * sound / peak) * peak / np.tanh(self.drive)
        late = np.concatenate([np.zeros(round(self.delay_ms * SAMPLE_RATE_HZ / 1000)), sound])[: played.size]
        return at_level(_filtered(late, self._response("device", 0.3)), level_dbfs)

    def person(self, said: Pcm, level_dbfs: float) -> Samples:
        """What the microphone hears of a person, some steps away."""
        return at_level(_filtered(said.astype(np.float64), self._response("person", 0.7)), level_dbfs)

    def microphone(self, *sounds: Samples) -> Pcm:
        """All of it, and the hiss."""
        heard = np.sum(sounds, axis=0) + _random(f"{self.name} hiss").normal(0.0, HISS_RMS, sounds[0].size)
        pcm: Pcm = np.clip(np.rint(heard), -32768, 32767).astype(np.int16)
        return pcm

    def _response(self, source: str, direct_share: float) -> Samples:
        random = _random(f"{self.name} {source}")
        time_s = np.arange(round(self.t60_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        response = random.normal(size=time_s.size) * 10 ** (-3 * time_s / self.t60_s)
        response[:40] = 0.0  # the first wall is 1 m away
        response *= np.sqrt((1 - direct_share) / np.sum(response**2))
        response[0] = np.sqrt(direct_share)
        return response


def at_level(sound: Samples, level_dbfs: float) -> Samples:
    """As loud as that, by its active frames; silence stays silence."""
    power = active_power(np.rint(sound).astype(np.int16))
    return sound * (10 ** (level_dbfs / 20) * 32768 / np.sqrt(power)) if power else sound


def speech_for(seconds: float, sentences: Sequence[Pcm], name: str, *, pause_s: float = 0.4) -> Pcm:
    """Sentences in an order drawn from the name, with pauses, cut to so many seconds."""
    random, parts, count = _random(name), list[Pcm](), 0
    while count < seconds * SAMPLE_RATE_HZ:
        sentence = sentences[int(random.integers(len(sentences)))]
        parts += [sentence, np.zeros(round(pause_s * SAMPLE_RATE_HZ), np.int16)]
        count += parts[-2].size + parts[-1].size
    return np.concatenate(parts)[: round(seconds * SAMPLE_RATE_HZ)]


def _filtered(sound: Samples, response: Samples) -> Samples:
    size = 1 << (sound.size + response.size - 2).bit_length()
    filtered: Samples = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(response, size))[: sound.size]
    return filtered


def _random(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))
