"""Does the microphone hear the loudspeaker, how late, how loud, and how much of it can be taken out again?

A pulse of 1 kHz, a sweep and noise in syllables are played and heard as an answer would be: by the same player and the
same echo canceller, which needs something like speech to learn from.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.audio.format import (
    FRAME_SAMPLES,
    INT16_FULL_SCALE,
    SAMPLE_RATE_HZ,
    Frame,
    Pcm,
    frames_of_ms,
    int16_from_float,
    level_dbfs,
)
from appliance.audio.health import CLIPPED_SHARE
from appliance.audio.player import Player
from appliance.echo.canceller import AdaptiveCanceller
from appliance.errors import AudioError
from appliance.voice.utterance import chunks_of

QUIET_S: Final = 0.5
PULSE_S: Final = 0.2
PULSE_HZ: Final = 1000
SWEEP_S: Final = 1.5
SWEEP_HZ: Final = (150.0, 7000.0)
NOISE_S: Final = 6.0
JUDGED_S: Final = 2.0
"""The canceller learns from the noise and is judged by its end."""

SYLLABLE_S: Final = 0.2
NOISE_RMS: Final = 0.1
"""Of full scale: -20 dBFS, as an answer."""

PEAK: Final = 0.4
"""Of full scale: -8 dBFS, as an answer at its loudest."""

FADE_S: Final = 0.01
SURE: Final = 12.0
"""The correlation with what was played stands so many times above its root mean square where it is heard."""

LONGEST_S: Final = 2.0
AFTER_FRAMES: Final = frames_of_ms(LONGEST_S * 1000)
GOOD_LOSS_DB: Final = 6.0
"""The canceller's own limit."""


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """What was played, heard, and left by the canceller: int16 of the same length, 16 kHz."""

    played: Pcm
    heard: Pcm
    left: Pcm
    delay_ms: float | None
    """That the canceller found."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Levels in dBFS, losses in dB."""

    round_trip_ms: float
    """From the hand-over to the loudspeaker to the microphone's frame."""

    delay_ms: float | None
    """That the canceller will assume; null: it did not find one."""

    level_dbfs: float
    """Of the noise, as heard."""

    floor_dbfs: float
    """Before anything was played."""

    clipped_share: float
    """Share of the samples at full scale, 0..1."""

    distortion_share: float
    """Power of the pulse's overtones, as a share of its own, 0..1."""

    return_loss_db: float
    """How much quieter the noise is heard than it was played."""

    return_loss_cancelled_db: float
    """The same behind the canceller."""

    def advice(self) -> list[str]:
        """What to do, a sentence each; nothing where all is well."""
        said = []
        if self.clipped_share > CLIPPED_SHARE:
            said.append("the microphone is overdriven by the loudspeaker: lower audio.volume or the capture level")
        if self.level_dbfs < self.floor_dbfs + 10:
            said.append("the loudspeaker is hardly heard: raise its volume, or the capture level")
        elif self.return_loss_cancelled_db - self.return_loss_db < GOOD_LOSS_DB:
            said.append(
                "the echo cannot be taken out, so nobody is heard while it speaks: move the loudspeaker away from "
                "the microphone, lower its volume, and use no wireless loudspeaker"
            )
        return said


def sound_of_the_test() -> Pcm:
    """The pulse, the sweep and the noise, with silence before each: int16, 16 kHz; the same each time."""
    quiet = np.zeros(round(QUIET_S * SAMPLE_RATE_HZ))
    pulse = np.sin(2 * np.pi * PULSE_HZ * np.arange(round(PULSE_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ)
    time_s = np.arange(round(SWEEP_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    low, high = SWEEP_HZ
    rate = np.log(high / low) / SWEEP_S
    sweep = np.sin(2 * np.pi * low * (np.exp(rate * time_s) - 1) / rate)
    random = np.random.default_rng(1)
    noise = np.convolve(random.normal(size=round(NOISE_S * SAMPLE_RATE_HZ)), 0.8 ** np.arange(40), "same")
    syllables = np.repeat(random.random(round(NOISE_S / SYLLABLE_S)) > 0.3, round(SYLLABLE_S * SAMPLE_RATE_HZ))
    syllables[-1] = True  # where the sound ends
    noise *= NOISE_RMS * syllables / noise.std()
    return int16_from_float(np.concatenate([quiet, PEAK * _faded(pulse), quiet, PEAK * _faded(sweep), quiet, noise]))


def pass_through(frames: Iterable[Frame], player: Player) -> Passage:
    """Play the test sound while these frames come from the microphone, as long as it lasts and 2 s more.

    Raises:
        AudioError: the loudspeaker fails, or the frames end before.
    """
    canceller = AdaptiveCanceller()
    player.begin(1)
    player.add(1, chunks_of(sound_of_the_test(), SAMPLE_RATE_HZ), last=True)
    played, heard, left, over = list[Pcm](), list[Pcm](), list[Pcm](), 0
    for frame in frames:
        now = player.advance(frame.index)
        if now.failed:
            raise AudioError(now.failed)
        over += now.reference is None
        played.append(np.zeros(FRAME_SAMPLES, np.int16) if now.reference is None else now.reference)
        heard.append(frame.pcm)
        left.append(canceller.process(frame, now.reference).frame.pcm)
        if over > AFTER_FRAMES:
            return Passage(
                played=np.concatenate(played),
                heard=np.concatenate(heard),
                left=np.concatenate(left),
                delay_ms=canceller.delay_ms,
            )
    raise AudioError("loopback: the microphone ended before the test sound did; try again")


def report_of(passage: Passage) -> Report:
    """Measure. Raises AudioError where nothing of the sound was heard."""
    sounding = np.flatnonzero(passage.played)
    begin = int(sounding[0])
    trip = _lag(passage.played, passage.heard)
    last = slice(int(sounding[-1]) + 1 - round(JUDGED_S * SAMPLE_RATE_HZ), int(sounding[-1]) + 1)
    late = slice(last.start + trip, last.stop + trip)
    loudest = level_dbfs(passage.played[last])
    return Report(
        round_trip_ms=round(trip * 1000 / SAMPLE_RATE_HZ, 1),
        delay_ms=None if passage.delay_ms is None else round(passage.delay_ms, 1),
        level_dbfs=round(level_dbfs(passage.heard[late]), 1),
        floor_dbfs=round(level_dbfs(passage.heard[:begin]), 1),
        clipped_share=round(float(np.mean(np.abs(passage.heard.astype(int)) >= INT16_FULL_SCALE - 1)), 4),
        distortion_share=round(_distortion(passage.heard[begin + trip :]), 4),
        return_loss_db=round(loudest - level_dbfs(passage.heard[late]), 1),
        return_loss_cancelled_db=round(loudest - level_dbfs(passage.left[late]), 1),
    )


def _lag(played: Pcm, heard: Pcm) -> int:
    """Samples from one to the other. Raises AudioError."""
    size = 1 << (played.size + heard.size).bit_length()
    both = np.fft.rfft(heard.astype(np.float64), size) * np.fft.rfft(played.astype(np.float64), size).conj()
    band = slice(round(200 * size / SAMPLE_RATE_HZ), round(6000 * size / SAMPLE_RATE_HZ))
    whitened = np.zeros_like(both)
    whitened[band] = both[band] / (np.abs(both[band]) + 1e-9)
    likeness = np.fft.irfft(whitened)[: round(LONGEST_S * SAMPLE_RATE_HZ)]
    lag = int(likeness.argmax())
    if likeness[lag] <= SURE * np.sqrt(np.mean(likeness**2)):
        raise AudioError(
            "loopback: nothing of the test sound was heard; check microphone and loudspeaker with appliance devices, "
            "and raise the volume"
        )
    return lag


def _distortion(heard: Pcm) -> float:
    """Overtones of the pulse that begins here: power at 2, 3 and 4 kHz over that at 1 kHz."""
    part = heard[: round(PULSE_S * SAMPLE_RATE_HZ)].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(part * np.hanning(part.size))) ** 2
    per_hz = part.size / SAMPLE_RATE_HZ

    def power(hertz: int) -> float:
        middle = round(hertz * per_hz)
        return float(spectrum[middle - 2 : middle + 3].sum())

    own = power(PULSE_HZ)
    return sum(power(PULSE_HZ * number) for number in (2, 3, 4)) / own if own else 0.0


def _faded(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    edge = np.minimum(np.arange(sound.size), np.arange(sound.size)[::-1]) / (FADE_S * SAMPLE_RATE_HZ)
    faded: NDArray[np.float64] = sound * np.minimum(1.0, edge)
    return faded
