"""Sound files and raw PCM of any form become frames; what cannot is told in one sentence."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from appliance.audio.files import SAMPLE_TYPES, FileSource, RawFormat, RawSource, read_pcm
from appliance.audio.format import Pcm, level_dbfs
from appliance.errors import AudioError, UsageError
from appliance.events import Event

soundfile = pytest.importorskip("soundfile")


def _tone(rate_hz: int, channels: int = 1, seconds: float = 0.5) -> npt.NDArray[np.float64]:
    """1 kHz at half of full scale, the same in all channels."""
    samples = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(round(seconds * rate_hz)) / rate_hz)
    return np.repeat(samples[:, np.newaxis], channels, axis=1)


def _is_the_tone(pcm: Pcm) -> bool:
    middle = pcm[1600:6400]
    spectrum = np.abs(np.fft.rfft(middle))
    return bool(np.argmax(spectrum) == 300 and abs(level_dbfs(middle) + 9.03) < 0.1)


class TestFiles:
    @pytest.mark.parametrize(
        ("name", "subtype", "rate_hz", "channels"),
        [
            ("a.wav", "PCM_U8", 16_000, 1),
            ("a.wav", "PCM_16", 16_000, 1),
            ("a.wav", "PCM_24", 16_000, 2),
            ("a.wav", "PCM_32", 48_000, 5),
            ("a.wav", "FLOAT", 44_100, 1),
            ("a.wav", "DOUBLE", 96_000, 2),
            ("a.wav", "ULAW", 8000, 1),
            ("a.flac", "PCM_S8", 16_000, 1),
            ("a.flac", "PCM_16", 44_100, 2),
            ("a.flac", "PCM_24", 22_050, 5),
            ("a.ogg", "VORBIS", 48_000, 2),
            ("a.aiff", "PCM_16", 16_000, 1),
        ],
    )
    def test_any_form_is_read(self, tmp_path: Path, name: str, subtype: str, rate_hz: int, channels: int) -> None:
        soundfile.write(tmp_path / name, _tone(rate_hz, channels), rate_hz, subtype=subtype)
        pcm = read_pcm(tmp_path / name)
        assert pcm.dtype == np.int16
        assert pcm.size == 8000
        assert _is_the_tone(pcm)

    def test_our_own_form_is_read_bit_by_bit(self, tmp_path: Path) -> None:
        samples = np.random.default_rng(5).integers(-32_768, 32_767, 70_000, np.int16, endpoint=True)
        soundfile.write(tmp_path / "a.wav", samples, 16_000)
        source = FileSource(tmp_path / "a.wav")
        frames = list(source.frames())
        source.close()
        assert [frame.index for frame in frames] == list(range(219))
        assert np.array_equal(np.concatenate([frame.pcm for frame in frames])[:70_000], samples)
        assert source.events() == []

    def test_channels_are_averaged(self, tmp_path: Path) -> None:
        soundfile.write(tmp_path / "a.wav", np.repeat([[3000, -1000]], 640, axis=0).astype(np.int16), 16_000)
        assert np.all(read_pcm(tmp_path / "a.wav") == 1000)

    def test_values_that_are_no_numbers_are_silence_and_told_once(self, tmp_path: Path) -> None:
        samples = np.full(16_000, 0.25, np.float32)
        samples[8000] = np.nan
        samples[8001] = np.inf
        soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
        source = FileSource(tmp_path / "a.wav")
        told: list[Event] = []
        pcm = []
        for frame in source.frames():
            pcm.append(frame.pcm)
            told += source.events()
        source.close()
        assert [(event.kind, event.level_dbfs) for event in told] == [("nan", -120.0)]  # type: ignore[attr-defined]
        assert np.flatnonzero(np.concatenate(pcm) == 0).tolist() == [8000, 8001]

    def test_a_single_sample_at_a_high_rate_is_hardly_a_sound(self, tmp_path: Path) -> None:
        soundfile.write(tmp_path / "a.wav", np.zeros(1), 192_000)
        assert read_pcm(tmp_path / "a.wav").size in (0, 320)

    def test_a_cut_off_wav_is_read_as_far_as_it_goes(self, tmp_path: Path) -> None:
        soundfile.write(tmp_path / "a.wav", np.full(3200, 5, np.int16), 16_000)
        whole = (tmp_path / "a.wav").read_bytes()
        (tmp_path / "b.wav").write_bytes(whole[: 44 + 2 * 1600 + 1])
        assert read_pcm(tmp_path / "b.wav").tolist() == [5] * 1600

    def test_a_wav_from_a_pipe_does_not_know_its_length(self, tmp_path: Path) -> None:
        soundfile.write(tmp_path / "a.wav", np.full(640, 5, np.int16), 16_000)
        data = bytearray((tmp_path / "a.wav").read_bytes())
        data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
        (tmp_path / "a.wav").write_bytes(data)
        assert read_pcm(tmp_path / "a.wav").tolist() == [5] * 640


def _nothing(path: Path) -> None:
    """There is no such file."""


def _flac(path: Path, damage: Callable[[bytearray], bytes]) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 40_000)
    soundfile.write(path, noise, 16_000, format="FLAC")
    path.write_bytes(damage(bytearray(path.read_bytes())))


def _broken_in_the_middle(data: bytearray) -> bytes:
    half = len(data) // 2
    data[half : half + 3000] = bytes(3000)
    return bytes(data)


UNREADABLE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing": ("absent.wav", _nothing, "no such file"),
    "a name too long": ("x" * 300 + ".wav", _nothing, "no such file"),
    "folder": ("folder.wav", Path.mkdir, "is a folder"),
    "empty": ("empty.wav", lambda path: path.write_bytes(b""), "not a sound file"),
    "text": ("notes.txt", lambda path: path.write_text("remember the milk\n" * 100), "not a sound file"),
    "text called wav": ("notes.wav", lambda path: path.write_text("remember the milk\n"), "not a sound file"),
    "raw": ("sound.raw", lambda path: path.write_bytes(bytes(3200)), "not a sound file"),
    "half a header": ("half.wav", lambda path: path.write_bytes(b"RIFF\x24\x08\0\0WAVEfmt "), "not a sound file"),
    "no samples": ("none.wav", lambda path: soundfile.write(path, np.zeros(0), 16_000), "holds no audio"),
    "cut off": ("cut.flac", lambda path: _flac(path, lambda data: bytes(data[: len(data) // 2])), "damaged"),
    "broken": ("broken.flac", lambda path: _flac(path, _broken_in_the_middle), "damaged"),
    "a rate of no device": ("slow.wav", lambda path: soundfile.write(path, np.zeros(99), 1000), "sample rate 1000 Hz"),
    "too many channels": ("65.wav", lambda path: soundfile.write(path, np.zeros((9, 65)), 16_000), "65 channels"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_is_told_in_one_sentence_with_its_name(tmp_path: Path, case: str) -> None:
    name, make, why = UNREADABLE[case]
    make(tmp_path / name)
    with pytest.raises(AudioError) as caught:
        read_pcm(tmp_path / name)
    sentence = str(caught.value)
    assert sentence.startswith(f"{tmp_path / name}: ")
    assert why in sentence
    assert "\n" not in sentence


class ReadableInPieces(io.BytesIO):
    """A pipe that gives a few bytes at a time."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(7)


def _raw(data: bytes, stream: type[io.BytesIO] = io.BytesIO, **layout: Any) -> tuple[Pcm, list[Event]]:
    source = RawSource(stream(data), RawFormat(**({"rate_hz": 16_000, "channels": 1, "sample_type": "s16"} | layout)))
    pcm, told = [], []
    for frame in source.frames():
        pcm.append(frame.pcm)
        told += source.events()
    source.close()
    return np.concatenate([np.zeros(0, np.int16), *pcm]), told + source.events()


def _bytes(values: npt.NDArray[np.float64], sample_type: str, *, big_endian: bool) -> bytes:
    """Values in -1..1 as raw samples of a type."""
    order = ">" if big_endian else "<"
    if sample_type.startswith("f"):
        return values.astype(f"{order}f{int(sample_type[1:]) // 8}").tobytes()
    if sample_type == "u8":
        return (values * 128 + 128).astype(np.uint8).tobytes()
    bits = int(sample_type[1:])
    whole = (values * 2.0 ** (bits - 1)).astype(np.int64)
    name = "big" if big_endian else "little"
    return b"".join(int(value).to_bytes(bits // 8, name, signed=True) for value in whole.reshape(-1))


STEPS = np.array([[0.5, 0.25], [-0.5, -1.0], [0.0, 0.125], [-0.25, 0.75]])
"""Four samples of two channels, whose values every type can hold."""

MIXED = [12_288, -24_576, 2048, 8192]


class TestRaw:
    @pytest.mark.parametrize("planar", [False, True], ids=["interleaved", "planar"])
    @pytest.mark.parametrize("big_endian", [False, True], ids=["little", "big"])
    @pytest.mark.parametrize("sample_type", SAMPLE_TYPES)
    def test_every_layout(self, sample_type: str, big_endian: bool, planar: bool) -> None:
        data = _bytes(STEPS.T if planar else STEPS, sample_type, big_endian=big_endian)
        pcm, told = _raw(data, channels=2, sample_type=sample_type, big_endian=big_endian, planar=planar)
        assert pcm[:4].tolist() == MIXED
        assert not pcm[4:].any()
        assert pcm.size == 320
        assert told == []

    @pytest.mark.parametrize("sample_type", SAMPLE_TYPES)
    def test_a_pipe_may_give_less_than_a_sample_at_a_time(self, sample_type: str) -> None:
        data = _bytes(STEPS, sample_type, big_endian=False)
        pcm, told = _raw(data, ReadableInPieces, channels=2, sample_type=sample_type)
        assert pcm[:4].tolist() == MIXED
        assert told == []

    @pytest.mark.parametrize("rate_hz", [8000, 44_100, 48_000])
    def test_any_rate(self, rate_hz: int) -> None:
        pcm, _ = _raw(_bytes(_tone(rate_hz, 2), "s16", big_endian=False), rate_hz=rate_hz, channels=2)
        assert _is_the_tone(pcm)

    @pytest.mark.parametrize(("channels", "sample_type", "torn"), [(1, "s16", 1), (2, "s24", 5), (1, "f64", 7)])
    def test_a_torn_end_is_told_and_the_rest_is_kept(self, channels: int, sample_type: str, torn: int) -> None:
        data = _bytes(np.full((320, channels), 0.5), sample_type, big_endian=False)
        pcm, told = _raw(data + bytes(torn), channels=channels, sample_type=sample_type)
        assert pcm.tolist() == [16_384] * 320
        assert [(event.kind, event.frame) for event in told] == [("format", 0)]  # type: ignore[attr-defined]

    def test_values_that_are_no_numbers_are_told(self) -> None:
        values = np.full((640, 1), 0.5)
        values[400] = np.nan
        pcm, told = _raw(_bytes(values, "f32", big_endian=False), sample_type="f32")
        assert np.flatnonzero(pcm == 0).tolist() == [400]
        assert [event.kind for event in told] == ["nan"]  # type: ignore[attr-defined]

    @pytest.mark.parametrize("data", [b"", b"\0"], ids=["nothing", "half a sample"])
    @pytest.mark.parametrize("planar", [False, True])
    def test_empty_input_is_told(self, data: bytes, planar: bool) -> None:
        with pytest.raises(AudioError, match="standard input: holds no audio"):
            _raw(data, planar=planar)

    def test_an_unknown_sample_type_is_refused(self) -> None:
        with pytest.raises(UsageError, match=r"sample type 's12': must be one of s16, s24, s32, u8, f32, f64"):
            _raw(bytes(2), sample_type="s12")

    def test_a_rate_of_no_device_is_refused(self) -> None:
        with pytest.raises(AudioError, match="sample rate 10 Hz"):
            _raw(bytes(2), rate_hz=10)

    def test_a_long_stream_is_read_in_blocks(self) -> None:
        samples = np.random.default_rng(2).integers(-32_768, 32_767, 200_001, np.int16, endpoint=True)
        pcm, told = _raw(samples.astype("<i2").tobytes())
        assert np.array_equal(pcm[:200_001], samples)
        assert told == []
