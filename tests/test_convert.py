"""Any audio becomes frames, and nothing of it is lost or distorted on the way."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from appliance.audio.convert import Converter, resample
from appliance.audio.format import Frame, Pcm, level_dbfs
from appliance.errors import AudioError

Block = npt.NDArray[Any]

TYPES = ("<i2", ">i2", "<i4", ">i4", "i1", "u1", "u2", "<f4", ">f4", "<f8", "f2")
RATES = (8000, 11_025, 16_000, 44_100, 48_000)


def _frames(converter: Converter, blocks: Sequence[Block]) -> list[Frame]:
    """All frames of a stream that ends after these blocks."""
    found = [frame for block in blocks for frame in converter.feed(block)]
    return found + list(converter.feed(blocks[0][:0], last=True))


def _pcm(rate_hz: int, blocks: Sequence[Block]) -> Pcm:
    channels = blocks[0].shape[1] if blocks[0].ndim == 2 else 1
    parts = [frame.pcm for frame in _frames(Converter(rate_hz, channels), blocks)]
    return np.concatenate([np.zeros(0, np.int16), *parts])


def _split(samples: Block, cuts: Sequence[int]) -> list[Block]:
    return np.split(samples, sorted(cuts))


@st.composite
def _streams(draw: st.DrawFn) -> list[Block]:
    """One to four blocks of one type and channel count, of any length and with any values."""
    dtype = np.dtype(draw(st.sampled_from(TYPES)))
    channels = draw(st.integers(1, 5))
    lengths = draw(st.lists(st.integers(0, 700), min_size=1, max_size=4))
    if channels == 1 and draw(st.booleans()):
        shapes: list[tuple[int, ...]] = [(length,) for length in lengths]
    else:
        shapes = [(length, channels) for length in lengths]
    return [draw(arrays.arrays(dtype, shape, elements=_values(dtype), fill=_values(dtype))) for shape in shapes]


def _values(dtype: np.dtype[Any]) -> st.SearchStrategy[Any]:
    width = 8 * dtype.itemsize
    if dtype.kind == "f":
        return st.floats(width=width)  # with NaN, infinities and numbers beyond float32
    limits = np.iinfo(dtype)
    return st.integers(int(limits.min), int(limits.max))


@settings(max_examples=80, deadline=None)
@given(rate_hz=st.sampled_from(RATES), blocks=_streams())
def test_any_samples_become_frames(rate_hz: int, blocks: list[Block]) -> None:
    channels = blocks[0].shape[1] if blocks[0].ndim == 2 else 1
    converter = Converter(rate_hz, channels)
    frames = _frames(converter, blocks)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    for frame in frames:
        assert frame.pcm.dtype == np.int16
        assert frame.pcm.shape == (320,)
        assert not frame.pcm.flags.writeable
    samples = sum(len(block) for block in blocks) * 16_000 / rate_hz
    assert abs(len(frames) * 320 - samples) < 320 + 2
    if blocks[0].dtype.kind == "f":
        values = np.concatenate([block.reshape(-1) for block in blocks])
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
        finite = np.isfinite(values)
        assert converter.repairs.not_a_number == np.count_nonzero(~finite)
        assert converter.repairs.out_of_range == np.count_nonzero(np.abs(values[finite]) > 1.0)
    else:
        assert converter.repairs.not_a_number == converter.repairs.out_of_range == 0


@settings(max_examples=40)
@given(arrays.arrays(np.int16, st.integers(1, 1500)), st.lists(st.integers(0, 1500), max_size=5))
def test_our_own_format_passes_bit_by_bit_however_it_is_cut(samples: Pcm, cuts: list[int]) -> None:
    pcm = _pcm(16_000, _split(samples, cuts))
    assert np.array_equal(pcm[: samples.size], samples)
    assert not pcm[samples.size :].any()
    assert np.array_equal(_pcm(16_000, _split(samples[:, np.newaxis], cuts)), pcm)


def test_a_block_may_be_used_again_by_its_owner() -> None:
    converter, block = Converter(16_000, 1), np.full(500, 7, np.int16)
    first = list(converter.feed(block))
    block[:] = 99
    second = list(converter.feed(np.full(140, 7, np.int16)))
    assert all(np.all(frame.pcm == 7) for frame in first + second)
    assert len(first + second) == 2


@pytest.mark.parametrize("rate_hz", [8000, 44_100, 48_000])
def test_the_cuts_are_not_heard_after_resampling(rate_hz: int) -> None:
    samples = (np.random.default_rng(3).normal(0, 0.1, (rate_hz // 2, 2))).astype(np.float32)
    whole = _pcm(rate_hz, [samples])
    for cuts in (range(441, len(samples), 441), [1, 2, 3, 1000], [len(samples) - 1]):
        parts = _pcm(rate_hz, _split(samples, list(cuts)))
        assert np.max(np.abs(parts.astype(np.int32) - whole)) <= 1


def _tone(rate_hz: int, amplitude: float = 0.5) -> npt.NDArray[np.float32]:
    return (amplitude * np.sin(2 * np.pi * 1000 * np.arange(rate_hz) / rate_hz)).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_a_tone_stays_that_tone_at_that_level(rate_hz: int) -> None:
    pcm = _pcm(rate_hz, [_tone(rate_hz)])[1600:14_400]
    assert level_dbfs(pcm) == pytest.approx(-9.03, abs=0.05)
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(pcm.size)))
    assert np.argmax(spectrum) * 16_000 / pcm.size == pytest.approx(1000, abs=2)
    around = spectrum[1000 * pcm.size // 16_000 - 5 : 1000 * pcm.size // 16_000 + 6]
    assert np.sum(around**2) / np.sum(spectrum**2) > 0.9999


@pytest.mark.parametrize("rate_hz", [44_100, 48_000])
def test_resampling_does_not_move_the_sound(rate_hz: int) -> None:
    samples = np.zeros(rate_hz, np.float32)
    samples[rate_hz // 2] = 1.0
    assert np.argmax(_pcm(rate_hz, [samples])) == 8000


@pytest.mark.parametrize("rate_hz", [44_100, 48_000])
def test_resampling_delays_as_much_as_the_ledger_says(rate_hz: int) -> None:
    converter, block, lag_ms, out = Converter(rate_hz, 1), np.zeros(rate_hz // 50, np.int16), [], 0
    for number in range(1, 101):
        out += sum(1 for _ in converter.feed(block))
        lag_ms.append((number - out) * 20)
    assert max(lag_ms) <= 40 + 20
    assert np.mean(lag_ms) <= 20 + 20


@pytest.mark.parametrize(
    ("dtype", "half"),
    [("<i2", 2**14), (">i2", 2**14), ("<i4", 2**30), (">i4", 2**30), ("i1", 2**6), ("u1", 192), ("<f8", 0.5)],
)
def test_half_of_full_scale_is_half_of_full_scale(dtype: str, half: float) -> None:
    block = np.full((640, 2), half, np.dtype(dtype))
    assert np.all(_pcm(16_000, [block]) == 16_384)


def test_silence_of_unsigned_samples_is_their_middle() -> None:
    assert not _pcm(16_000, [np.full(640, 128, np.uint8)]).any()
    assert not _pcm(16_000, [np.full(640, 32_768, np.uint16)]).any()


def test_channels_are_averaged() -> None:
    left, right = np.full(320, 1000, np.int16), np.full(320, -400, np.int16)
    assert np.all(_pcm(16_000, [np.stack([left, right], axis=1)]) == 300)
    assert np.all(_pcm(16_000, [np.stack([left, left, left], axis=1)]) == 1000)


def test_repairs_are_counted_and_the_rest_is_kept() -> None:
    block = np.array([0.5, np.nan, 0.5, np.inf, -np.inf, 2.0, -2.0, 1.0, -1.0, 1e300])
    converter = Converter(16_000, 1)
    pcm = _frames(converter, [block])[0].pcm
    assert pcm[:10].tolist() == [16_384, 0, 16_384, 0, 0, 32_767, -32_768, 32_767, -32_768, 0]
    assert converter.repairs.not_a_number == 4
    assert converter.repairs.out_of_range == 2


@pytest.mark.parametrize(
    ("rate_hz", "channels"), [(0, 1), (3999, 1), (768_001, 1), (-16_000, 1), (16_000, 0), (16_000, 65)]
)
def test_what_no_device_has_is_refused(rate_hz: int, channels: int) -> None:
    with pytest.raises(AudioError, match="must be"):
        Converter(rate_hz, channels)


def test_a_whole_recording_at_another_rate() -> None:
    pcm = np.round(16_384 * _tone(22_050, 1.0)).astype(np.int16)
    there = resample(pcm, 22_050, 16_000)
    assert (there.dtype, there.shape) == (np.int16, (16_000,))
    assert level_dbfs(there) == pytest.approx(level_dbfs(pcm), abs=0.05)
    assert np.array_equal(there, resample(pcm, 22_050, 16_000))
    assert resample(pcm, 16_000, 16_000) is pcm
    assert resample(pcm[:0], 22_050, 16_000).size == 0
