"""Makes one recording sound like many: other speed, pitch, room, noise, microphone and level. On the fly and seeded.

Every example is 4 s of int16 at 16 kHz: 1 s in which the front end adapts, then the 3 s that become features.

    speech --speed, pitch--> placed among other speech --room--> + noise --device, level--> int16

Ranges are choices: noise from -5 to 25 dB (by the method of tools/mixing.py), rooms of 0.1 to 0.8 s, levels from
-36 dBFS to clipping.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from tools.mixing import active_power
from tools.quantize.noises import Sounds, noise

Wave = npt.NDArray[np.float32]
"""Samples on the scale of int16, not limited to it."""

LEAD_IN_S = 1.0
STORED_S = 3.0
LEAD_IN_SAMPLES = int(LEAD_IN_S * SAMPLE_RATE_HZ)
EXAMPLE_SAMPLES = int((LEAD_IN_S + STORED_S) * SAMPLE_RATE_HZ)

SPEED = (0.85, 1.18)
SNR_DB = (-5.0, 25.0)
ROOM_S = (0.1, 0.8)
PEAK_DBFS = (-36.0, 0.0)
WORD_END_S = (1.6, 2.7)
"""When in the stored part a word ends: late enough that a network which hears 1.3 s has heard all of it."""
_FADE_SAMPLES = 160


@dataclass(frozen=True, slots=True)
class Word:
    """A recording of the word and where in it the word is."""

    pcm: Pcm
    start: int
    end: int
    """Samples; the word's sound ends before `end`."""

    recorded: bool = True
    """Of a person; else of a synthetic voice."""


def positive(rng: np.random.Generator, word: Word, sounds: Sounds) -> tuple[Pcm, int]:
    """An example with the word in it: int16 (EXAMPLE_SAMPLES,) and the sample at which the word ends."""
    wave, start, end = _other_voice(rng, word)
    at = LEAD_IN_SAMPLES + int(rng.uniform(*WORD_END_S) * SAMPLE_RATE_HZ)
    speech = np.zeros(EXAMPLE_SAMPLES, np.float32)
    first = max(0, start - int(rng.uniform(0.02, 1.5) * SAMPLE_RATE_HZ))
    last = end + int(rng.uniform(0.02, 1.0) * SAMPLE_RATE_HZ)
    _put(speech, _faded(wave[first:last]), at - (end - first))
    if rng.random() < 0.3:
        _put_before(rng, speech, at - (end - start), sounds)
    if rng.random() < 0.35:
        _put_after(rng, speech, at, sounds)
    return _recorded(rng, speech, sounds, noisy=0.75), at


def negative(rng: np.random.Generator, speech: Pcm, sounds: Sounds) -> Pcm:
    """An example without the word, int16 (EXAMPLE_SAMPLES,), from a random part of a recording of any length."""
    ratio = rng.uniform(*SPEED) if rng.random() < 0.6 else 1.0
    part = _part(rng, speech, int(EXAMPLE_SAMPLES * ratio) + 1)
    wave = _resampled(part, ratio)
    example = np.zeros(EXAMPLE_SAMPLES, np.float32)
    _put(example, wave, 0 if wave.size >= EXAMPLE_SAMPLES else int(rng.integers(EXAMPLE_SAMPLES - wave.size + 1)))
    return _recorded(rng, example, sounds, noisy=0.5)


def nothing(rng: np.random.Generator, sounds: Sounds) -> Pcm:
    """An example of noise alone, int16 (EXAMPLE_SAMPLES,)."""
    return _recorded(rng, np.zeros(EXAMPLE_SAMPLES, np.float32), sounds, noisy=1.0)


def fragment(rng: np.random.Generator, word: Word, sounds: Sounds) -> Pcm:
    """An example with only the beginning or the end of the word, alone or with other speech where the rest was."""
    wave, start, end = _other_voice(rng, word)
    length = end - start
    if rng.random() < 0.5:
        first, last = start, start + int(length * rng.uniform(0.3, 0.6))
    else:
        first, last = start + int(length * rng.uniform(0.45, 0.7)), end
    speech = np.zeros(EXAMPLE_SAMPLES, np.float32)
    at = LEAD_IN_SAMPLES + int(rng.uniform(*WORD_END_S) * SAMPLE_RATE_HZ)
    _put(speech, _faded(wave[first:last]), at - (last - first))
    if rng.random() < 0.6:
        _put_before(rng, speech, at - (last - first), sounds, gap_s=0.02)
    if rng.random() < 0.6:
        _put_after(rng, speech, at, sounds, gap_s=0.02)
    return _recorded(rng, speech, sounds, noisy=0.6)


def stretched(wave: Wave, ratio: float) -> Wave:
    """The same pitch, `ratio` times as fast: 40 ms pieces, each laid where it continues the last best (WSOLA)."""
    piece, hop, reach = 640, 320, 160
    count = int((wave.size - piece - 2 * reach) / (hop * ratio))
    if count < 2:
        return wave
    window = np.hanning(piece + 1)[:-1].astype(np.float32)
    out = np.zeros(count * hop + piece, np.float32)
    position = reach
    for index in range(count):
        out[index * hop : index * hop + piece] += wave[position : position + piece] * window
        natural = wave[position + hop : position + hop + piece]
        wanted = int((index + 1) * hop * ratio) + reach
        region = wave[wanted - reach : wanted + reach + piece]
        if natural.size < piece or region.size < piece:
            return out[: index * hop + piece]
        position = wanted - reach + int(np.argmax(np.correlate(region, natural, "valid")))
    return out


def room(rng: np.random.Generator) -> Wave:
    """A synthetic room response, float32: the direct sound, a few reflections and a tail that decays by 60 dB."""
    decay_s = np.exp(rng.uniform(*np.log(ROOM_S)))
    size = int(decay_s * SAMPLE_RATE_HZ)
    tail = rng.standard_normal(size, np.float32) * np.power(10.0, -3.0 * np.arange(size) / size, dtype=np.float32)
    dulled = np.convolve(tail, np.array([1.0, rng.uniform(0.0, 0.9)], np.float32))[:size]
    quiet = int(rng.uniform(0.001, 0.02) * SAMPLE_RATE_HZ)
    dulled[:quiet] = 0.0
    for _ in range(int(rng.integers(2, 8))):
        dulled[int(rng.integers(16, max(17, min(size, 800))))] += rng.uniform(-3.0, 3.0)
    energy = float((dulled**2).sum()) + 1e-9
    response: Wave = dulled * np.float32(np.sqrt(10 ** (-rng.uniform(-4.0, 14.0) / 10) / energy))
    response[0] = 1.0
    return response


def _other_voice(rng: np.random.Generator, word: Word) -> tuple[Wave, int, int]:
    """The word at another speed and pitch, and where it starts and ends now."""
    pitch = rng.uniform(*SPEED) if rng.random() < 0.8 else 1.0
    wave, scale = _resampled(word.pcm, pitch), 1.0 / pitch
    if rng.random() < 0.4:
        before = wave.size
        wave = stretched(wave, rng.uniform(0.85, 1.2) / pitch ** rng.uniform(0.0, 1.0))
        scale *= wave.size / before
    return wave, int(word.start * scale), min(wave.size, int(word.end * scale))


def _recorded(rng: np.random.Generator, speech: Wave, sounds: Sounds, *, noisy: float) -> Pcm:
    """Speech in a room with noise, through a microphone, at some level."""
    power = active_power(speech)  # type: ignore[arg-type]  # it takes any numbers
    if rng.random() < 0.4:
        speech = _filtered(speech, room(rng))
    mixed = speech
    if power == 0.0 or rng.random() < noisy:
        disturbance = noise(rng, EXAMPLE_SAMPLES, sounds)
        target = power / 10 ** (rng.uniform(*SNR_DB) / 10) if power > 0.0 else 1.0
        mixed = speech + disturbance * np.float32(np.sqrt(target / (float((disturbance**2).mean()) + 1e-9)))
    if rng.random() < 0.5:
        mixed = _through_device(rng, mixed)
    return _at_level(rng, mixed)


def _through_device(rng: np.random.Generator, wave: Wave) -> Wave:
    """A microphone's or a telephone's frequency response; sometimes the steps of 8 bit mu-law."""
    spectrum = np.fft.rfft(wave)
    hz = np.linspace(1.0, SAMPLE_RATE_HZ / 2, spectrum.size)
    knots = np.log([60, 200, 600, 1800, 4000, 8000])
    gain_db = np.interp(np.log(hz), knots, rng.normal(0.0, 3.0, knots.size))
    gain_db -= 12.0 * np.maximum(0.0, np.log2(rng.uniform(40.0, 300.0) / hz))
    if rng.random() < 0.4:
        gain_db -= 48.0 * np.maximum(0.0, np.log2(hz / rng.choice([3400.0, 3800.0, 5500.0, 7000.0])))
    shaped: Wave = np.fft.irfft(spectrum * (10 ** (gain_db / 20)), wave.size).astype(np.float32)
    if rng.random() < 0.08:
        peak = float(np.abs(shaped).max()) + 1e-9
        curve = np.sign(shaped) * np.log1p(255.0 * np.abs(shaped) / peak) / np.log(256.0)
        steps = np.round(curve * 127.0) / 127.0
        shaped = (np.sign(steps) * (np.power(256.0, np.abs(steps)) - 1.0) / 255.0 * peak).astype(np.float32)
    return shaped


def _at_level(rng: np.random.Generator, wave: Wave) -> Pcm:
    """To int16 at a random peak level, often over a faint floor; one in twelve is too loud and clips."""
    peak = float(np.abs(wave).max()) + 1e-9
    level_db = rng.uniform(*PEAK_DBFS)
    if rng.random() < 1 / 12:
        level_db = rng.uniform(2.0, 14.0)
    scaled = wave * np.float32(32767.0 * 10 ** (level_db / 20) / peak)
    if rng.random() < 0.6:
        scaled += rng.standard_normal(wave.size, np.float32) * np.float32(np.exp(rng.uniform(-1.0, 3.0)))
    limited: Pcm = np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)
    return limited


def _put_before(rng: np.random.Generator, speech: Wave, at: int, sounds: Sounds, gap_s: float = 0.4) -> None:
    """Other speech that stops up to `gap_s` before `at`."""
    stop = at - int(rng.uniform(0.0, gap_s) * SAMPLE_RATE_HZ)
    other = _part(rng, sounds.pick_speech(rng), int(rng.uniform(0.5, 2.5) * SAMPLE_RATE_HZ))
    speech[: max(0, stop)] = 0.0
    _put(speech, _as_loud(rng, _faded(other), speech), stop - other.size)


def _put_after(rng: np.random.Generator, speech: Wave, at: int, sounds: Sounds, gap_s: float = 0.5) -> None:
    """Other speech that begins up to `gap_s` after `at`."""
    begin = at + int(rng.uniform(0.0, gap_s) * SAMPLE_RATE_HZ)
    other = _part(rng, sounds.pick_speech(rng), EXAMPLE_SAMPLES)
    speech[begin:] = 0.0
    _put(speech, _as_loud(rng, _faded(other), speech), begin)


def _as_loud(rng: np.random.Generator, other: Wave, speech: Wave) -> Wave:
    powers = [active_power(wave) for wave in (speech, other)]  # type: ignore[arg-type]  # as above
    ratio = powers[0] / (powers[1] + 1e-9)
    return other * np.float32(np.sqrt(ratio * 10 ** (rng.uniform(-6.0, 6.0) / 10)))


def _part(rng: np.random.Generator, pcm: Pcm, size: int) -> Wave:
    """A random part of at most `size` samples."""
    start = int(rng.integers(max(1, pcm.size - size + 1)))
    return pcm[start : start + size].astype(np.float32)


def _put(example: Wave, wave: Wave, at: int) -> None:
    """Add a wave at a sample, which may be negative; what does not fit is left out."""
    first = max(0, -at)
    begin = max(0, at)
    fits = wave[first : first + max(0, example.size - begin)]
    example[begin : begin + fits.size] += fits


def _faded(wave: Wave) -> Wave:
    size = min(_FADE_SAMPLES, wave.size // 2)
    faded = wave.astype(np.float32)
    ramp = np.linspace(0.0, 1.0, size, dtype=np.float32)
    faded[:size] *= ramp
    faded[faded.size - size :] *= ramp[::-1]
    return faded


def _resampled(pcm: npt.NDArray[np.generic], ratio: float) -> Wave:
    """`ratio` times as fast and as high."""
    import soxr  # type: ignore[import-untyped]

    wave = pcm.astype(np.float32)
    if ratio == 1.0:
        return wave
    resampled: Wave = soxr.resample(wave, SAMPLE_RATE_HZ * ratio, SAMPLE_RATE_HZ, quality="MQ")
    return resampled


def _filtered(wave: Wave, response: Wave) -> Wave:
    """The wave through a linear response, same length."""
    size = 1 << (wave.size + response.size - 2).bit_length()
    product = np.fft.rfft(wave, size) * np.fft.rfft(response, size)
    filtered: Wave = np.fft.irfft(product, size)[: wave.size].astype(np.float32)
    return filtered
