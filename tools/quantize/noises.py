"""What disturbs a word: recorded and made-up noises, babble, another talker, music. Nothing of it is ever stored."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from appliance.audio.format import SAMPLE_RATE_HZ, Pcm

Wave = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sounds:
    """Recordings to disturb with; any of the three may be empty."""

    speech: tuple[Pcm, ...] = ()
    """People who do not say the word."""

    noises: tuple[Pcm, ...] = ()
    music: tuple[Pcm, ...] = ()

    def pick_speech(self, rng: np.random.Generator) -> Pcm:
        """A recording of speech, the longer the likelier; faint noise where there is none."""
        if not self.speech:
            return rng.normal(0.0, 8.0, SAMPLE_RATE_HZ).astype(np.int16)
        sizes = np.array([pcm.size for pcm in self.speech], np.float64)
        return self.speech[int(rng.choice(len(sizes), p=sizes / sizes.sum()))]


def noise(rng: np.random.Generator, size: int, sounds: Sounds) -> Wave:
    """A disturbance, float32 (size,) of any level: one kind, or two at once."""
    first = _one(rng, size, sounds)
    if rng.random() < 0.75:
        return first
    second = _one(rng, size, sounds)
    ratio = np.sqrt((float((first**2).mean()) + 1e-9) / (float((second**2).mean()) + 1e-9))
    return first + second * np.float32(ratio * 10 ** (rng.uniform(-10.0, 10.0) / 20))


def coloured(rng: np.random.Generator, size: int) -> Wave:
    """Steady or slowly swelling noise whose power falls by 0 to 9 dB an octave."""
    spectrum = np.fft.rfft(rng.standard_normal(size, np.float32))
    hz = np.maximum(np.linspace(0.0, SAMPLE_RATE_HZ / 2, spectrum.size), 40.0)
    wave = np.fft.irfft(spectrum * hz ** -rng.uniform(0.0, 1.5), size)
    if rng.random() < 0.3:
        knots = np.linspace(0, size, int(rng.integers(3, 12)))
        wave *= 10 ** (np.interp(np.arange(size), knots, rng.uniform(-12.0, 6.0, knots.size)) / 20)
    return wave.astype(np.float32)


def hum(rng: np.random.Generator, size: int) -> Wave:
    """Mains and motors: 50 or 60 Hz, or another tone, and its harmonics."""
    base_hz = float(rng.choice([50.0, 60.0, rng.uniform(80.0, 400.0)]))
    time_s = np.arange(size) / SAMPLE_RATE_HZ
    wave = np.zeros(size)
    for harmonic in range(1, int(rng.integers(3, 15))):
        phase, weight = rng.uniform(0.0, 2 * np.pi), rng.exponential() / harmonic
        wave += weight * np.sin(2 * np.pi * base_hz * harmonic * time_s + phase)
    return wave.astype(np.float32)


def clatter(rng: np.random.Generator, size: int) -> Wave:
    """Dishes, cutlery, keys: sharp starts that ring for up to 0.2 s, over a murmur."""
    wave = np.zeros(size, np.float32)
    for _ in range(int(rng.integers(3, 40))):
        ring = int(rng.uniform(0.01, 0.2) * SAMPLE_RATE_HZ)
        time_s = np.arange(ring) / SAMPLE_RATE_HZ
        blow = rng.standard_normal(ring) * rng.uniform(0.1, 1.0)
        for _ in range(int(rng.integers(1, 5))):
            blow += np.sin(2 * np.pi * rng.uniform(400.0, 7000.0) * time_s) * rng.uniform(0.3, 2.0)
        blow *= np.exp(-time_s * rng.uniform(3.0, 8.0) / time_s[-1]) * rng.exponential()
        at = int(rng.integers(size))
        wave[at : at + ring] += blow[: size - at].astype(np.float32)
    murmur = coloured(rng, size)
    share = rng.uniform(0.02, 0.5) * np.sqrt((float((wave**2).mean())) / (float((murmur**2).mean()) + 1e-12))
    return wave + murmur * np.float32(share)


def babble(rng: np.random.Generator, size: int, sounds: Sounds) -> Wave:
    """Three to eight people at once."""
    wave = np.zeros(size, np.float32)
    for _ in range(int(rng.integers(3, 9))):
        voice = _cut(rng, size, sounds.pick_speech(rng))
        wave += voice / np.float32(np.sqrt(float((voice**2).mean())) + 1.0) * np.float32(rng.uniform(0.4, 1.0))
    return wave


def _one(rng: np.random.Generator, size: int, sounds: Sounds) -> Wave:
    """One kind of noise; kinds of which there are no recordings are made up."""
    kind = rng.random()
    if kind < 0.32 and sounds.noises:
        return _cut(rng, size, sounds.noises[int(rng.integers(len(sounds.noises)))])
    if kind < 0.44 and sounds.music:
        return _cut(rng, size, sounds.music[int(rng.integers(len(sounds.music)))])
    if kind < 0.62 and sounds.speech:
        return babble(rng, size, sounds)
    if kind < 0.70 and sounds.speech:
        return _cut(rng, size, sounds.pick_speech(rng))
    if kind < 0.86:
        return clatter(rng, size)
    return hum(rng, size) if kind < 0.89 else coloured(rng, size)


def _cut(rng: np.random.Generator, size: int, pcm: Pcm) -> Wave:
    """`size` samples from a random place, around the end if need be."""
    start = int(rng.integers(max(1, pcm.size)))
    return np.resize(np.roll(pcm, -start) if pcm.size < 2 * size else _wrapped(pcm, start, size), size).astype(
        np.float32
    )


def _wrapped(pcm: Pcm, start: int, size: int) -> Pcm:
    part = pcm[start : start + size]
    return part if part.size == size else np.concatenate([part, pcm[: size - part.size]])
