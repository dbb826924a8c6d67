"""Altering recordings: seeded, placed to the sample, in range, and never without the word where it must be."""

from pathlib import Path

import numpy as np
import pytest

from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from appliance.errors import AudioError, UsageError
from appliance.models import ModelStore
from appliance.wake.features import MicroFeatures
from tools.mixing import active_power
from tools.quantize.alter import (
    EXAMPLE_SAMPLES,
    LEAD_IN_SAMPLES,
    WORD_END_S,
    Word,
    fragment,
    negative,
    nothing,
    positive,
    room,
    stretched,
)
from tools.quantize.augment import TEACHER, align_words, read_material
from tools.quantize.clips import Clip, append, write_clip
from tools.quantize.examples import ROWS, SHARES, Examples, Kind, features_of, read_examples, stored
from tools.quantize.material import find_word
from tools.quantize.noises import Sounds, babble, clatter, coloured, hum, noise
from tools.quantize.teacher import Embedding


def tone(seconds: float, hz: float = 440.0, level: float = 8000.0) -> Pcm:
    time_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return np.round(level * np.sin(2 * np.pi * hz * time_s)).astype(np.int16)


def spoken(before_s: float = 0.5, word_s: float = 0.6, after_s: float = 0.5) -> Word:
    silence = [np.zeros(round(s * SAMPLE_RATE_HZ), np.int16) for s in (before_s, after_s)]
    start = silence[0].size
    pcm = np.concatenate([silence[0], tone(word_s), silence[1]])
    return Word(pcm, start, start + round(word_s * SAMPLE_RATE_HZ))


SOUNDS = Sounds(speech=(tone(6.0, 300.0), tone(3.0, 200.0)), noises=(tone(2.0, 3000.0),), music=(tone(9.0, 700.0),))
NO_SOUNDS = Sounds()


def loud_samples(pcm: Pcm, share: float = 0.3) -> np.ndarray:
    return np.flatnonzero(np.abs(pcm.astype(np.int32)) > share * np.abs(pcm.astype(np.int32)).max())


@pytest.mark.parametrize("make", [positive, fragment], ids=lambda make: make.__name__)
def test_the_same_seed_makes_the_same_example(make) -> None:
    first, second, other = (make(np.random.default_rng(seed), spoken(), SOUNDS) for seed in (1, 1, 2))
    if make is positive:
        assert first[1] == second[1]
        first, second, other = first[0], second[0], other[0]
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("seed", range(12))
def test_a_word_ends_where_it_says(seed: int) -> None:
    pcm, end = positive(np.random.default_rng(seed), spoken(), SOUNDS)
    assert (pcm.dtype, pcm.shape) == (np.int16, (EXAMPLE_SAMPLES,))
    assert WORD_END_S[0] <= (end - LEAD_IN_SAMPLES) / SAMPLE_RATE_HZ <= WORD_END_S[1]


def test_the_sound_of_the_word_ends_there() -> None:
    """In the quiet ones, one of seven at least: others have noise, rooms and other speech behind it."""
    late_s = []
    for seed in range(40):
        pcm, end = positive(np.random.default_rng(seed), spoken(), NO_SOUNDS)
        late_s.append(abs(int(loud_samples(pcm, 0.5)[-1]) - end) / SAMPLE_RATE_HZ)
    assert np.quantile(late_s, 0.15) < 0.05


def test_negatives_may_be_shorter_than_an_example() -> None:
    for seed in range(10):
        assert negative(np.random.default_rng(seed), tone(0.2), SOUNDS).shape == (EXAMPLE_SAMPLES,)
        assert negative(np.random.default_rng(seed), tone(30.0), NO_SOUNDS).shape == (EXAMPLE_SAMPLES,)


def test_nothing_still_sounds() -> None:
    assert all(nothing(np.random.default_rng(seed), SOUNDS).any() for seed in range(20))


def test_fragments_are_shorter_than_the_word() -> None:
    """In the quiet ones; 0.6 of it at most, said as slowly as it gets."""
    lengths_s = []
    for seed in range(40):
        loud = loud_samples(fragment(np.random.default_rng(seed), spoken(word_s=0.8), NO_SOUNDS), 0.5)
        lengths_s.append((loud[-1] - loud[0]) / SAMPLE_RATE_HZ)
    assert 0.1 < np.quantile(lengths_s, 0.15) < 0.6 * 0.8 / 0.85 / 0.85


def test_some_examples_clip_and_some_are_faint() -> None:
    peaks = [
        int(np.abs(positive(np.random.default_rng(seed), spoken(), NO_SOUNDS)[0].astype(np.int32)).max())
        for seed in range(40)
    ]
    assert max(peaks) >= 32767
    assert min(peaks) < 3000


@pytest.mark.parametrize("ratio", [0.8, 1.0, 1.25])
def test_stretching_changes_the_length_not_the_pitch(ratio: float) -> None:
    wave = tone(1.0, 400.0).astype(np.float32)
    out = stretched(wave, ratio)
    assert out.size == pytest.approx(wave.size / ratio, rel=0.12)
    middle = out[2000 : 2000 + 8000]
    strongest = np.argmax(np.abs(np.fft.rfft(middle))) * SAMPLE_RATE_HZ / 8000
    assert strongest == pytest.approx(400.0, abs=8.0)


def test_a_room_begins_with_the_direct_sound_and_fades() -> None:
    for seed in range(20):
        response = room(np.random.default_rng(seed))
        assert response[0] == 1.0
        third = response.size // 3
        assert (response[-third:] ** 2).sum() < (response[:third] ** 2).sum()


@pytest.mark.parametrize("sounds", [SOUNDS, NO_SOUNDS], ids=["recordings", "none"])
def test_noise_of_every_kind_is_finite_and_sounds(sounds: Sounds) -> None:
    for seed in range(30):
        wave = noise(np.random.default_rng(seed), 16_000, sounds)
        assert wave.shape == (16_000,)
        assert np.isfinite(wave).all()
        assert (wave**2).mean() > 0.0


@pytest.mark.parametrize("make", [coloured, hum, clatter])
def test_made_up_noises_are_seeded(make) -> None:
    np.testing.assert_array_equal(make(np.random.default_rng(3), 4000), make(np.random.default_rng(3), 4000))


def test_babble_needs_no_speech_to_work() -> None:
    assert active_power(babble(np.random.default_rng(1), 8000, NO_SOUNDS).astype(np.int16)) >= 0.0


def test_a_word_is_found_by_level_within_what_the_manifest_tells() -> None:
    word = spoken()
    found = find_word(Clip(path=Path("a.flac")), word.pcm)
    assert found is not None
    assert abs(found.end - word.end) < 400
    assert abs(found.start - word.start) < 400


def test_a_word_that_is_long_noise_is_not_found() -> None:
    assert find_word(Clip(path=Path("a.flac")), tone(2.5)) is None
    assert find_word(Clip(path=Path("a.flac")), np.zeros(16_000, np.int16)) is None


def test_features_are_stored_as_the_network_is_given_them() -> None:
    values = np.array([[0.0, 26.0, 13.0, -1.0, 30.0]], np.float32)
    np.testing.assert_array_equal(stored(values), [[0, 255, 128, 0, 255]])


def test_rows_of_features_end_where_their_samples_end() -> None:
    pytest.importorskip("pymicro_features")
    pcm = np.concatenate([np.zeros(16_000, np.int16), tone(1.0)])
    rows = features_of(pcm, MicroFeatures())
    assert rows.shape == (200, 40)
    first = int(np.flatnonzero(rows.any(axis=1))[0])
    assert 99 <= first <= 103


def test_shards_are_read_back_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name, value in (("b.npz", 2), ("a.npz", 1)):
        Examples(
            features=np.full((2, ROWS, 40), value, np.uint8),
            word_end_row=np.array([-1, 200], np.int32),
            weight=np.ones(2, np.float32),
            clip=np.array([0, 1], np.int32),
            embedding=np.zeros((2, 41, 96), np.float16),
        ).save(tmp_path / name)
    examples = read_examples(tmp_path)
    assert list(examples.features[:, 0, 0]) == [1, 1, 2, 2]
    assert list(examples.word_end_row) == [-1, 200, -1, 200]


def test_no_shards_and_damaged_shards_are_told(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="holds no examples"):
        read_examples(tmp_path)
    (tmp_path / "a.npz").write_bytes(b"nothing of the kind")
    with pytest.raises(AudioError, match=r"a\.npz: not a shard"):
        read_examples(tmp_path)


def test_shares_are_of_one_whole() -> None:
    assert sum(SHARES.values()) == pytest.approx(1.0)


def test_only_clips_for_training_become_material(tmp_path: Path) -> None:
    kinds = {
        "word": ("computer", "train", spoken().pcm),
        "long": ("computer", "train", tone(2.5)),
        "dev": ("computer", "dev", spoken().pcm),
        "talk": ("negative:speech", "train", tone(1.0, 300.0)),
        "dev_talk": ("negative:speech", "dev", tone(1.0, 300.0)),
        "rain": ("negative:noise", "train", tone(1.0, 3000.0)),
        "commuter": ("negative:confusable", "train", tone(1.0, 350.0)),
    }
    clips = [
        write_clip(tmp_path, Clip(path=Path(f"{name}.flac"), label=label, split=split), pcm)
        for name, (label, split, pcm) in kinds.items()
    ]
    append(tmp_path, clips)
    read = read_material("computer", (tmp_path,))
    assert sorted(clip.path.stem for clip in read.words) == ["long", "word"]
    assert [clip.path.stem for clip in read.unclear] == ["long"]
    assert len(read.material.words) == 1
    assert {kind: len(streams) for kind, streams in read.material.streams.items()} == {
        Kind.SPEECH: 1,
        Kind.CONFUSABLE: 1,
    }
    assert len(read.material.sounds.noises) == 1


def test_a_word_that_no_clip_holds_is_told(tmp_path: Path) -> None:
    append(tmp_path, [write_clip(tmp_path, Clip(path=Path("a.flac"), label="negative:speech"), tone(1.0))])
    with pytest.raises(UsageError, match='none of the clips is labelled "jarvis"'):
        read_material("jarvis", (tmp_path,))


@pytest.mark.model
def test_the_word_is_found_by_its_sound_and_wrong_labels_are_told(store: ModelStore, tmp_path: Path, capsys) -> None:
    """Tones for a word: 'up' is the word, 'down' is not; noise hides both from the level."""
    pytest.importorskip("soxr")
    rng = np.random.default_rng(1)

    def said(rising: bool, noisy: bool) -> Pcm:
        sweep_hz = np.linspace(300.0, 1800.0, round(0.6 * SAMPLE_RATE_HZ))[:: 1 if rising else -1]
        pcm = np.concatenate([np.zeros(8000), 6000.0 * np.sin(2 * np.pi * np.cumsum(sweep_hz) / SAMPLE_RATE_HZ)])
        pcm = np.concatenate([pcm, np.zeros(8000)])
        return np.round(pcm + rng.normal(0.0, 1500.0 if noisy else 5.0, pcm.size)).astype(np.int16)

    def store_clip(name: str, label: str, pcm: Pcm) -> None:
        append(tmp_path, [write_clip(tmp_path, Clip(path=Path(name), label=label, split="train"), pcm)])

    for number in range(14):
        store_clip(f"up{number}.flac", "up", said(rising=True, noisy=False))
    store_clip("hidden.flac", "up", said(rising=True, noisy=True))
    store_clip("wrong.flac", "up", said(rising=False, noisy=False))
    for number in range(6):
        store_clip(f"other{number}.flac", "negative:speech", said(rising=False, noisy=bool(number % 2)))
    align_words(read_material("up", (tmp_path,)), Embedding(store.folder(TEACHER)), tmp_path / "spans.json")
    told = capsys.readouterr().err
    assert "wrong.flac: does not sound like the others" in told
    assert "up3.flac" not in told
    with_spans = read_material("up", (tmp_path,), tmp_path / "spans.json")
    assert not with_spans.unclear
    hidden = next(
        word
        for clip, word in zip(with_spans.clear, with_spans.material.words, strict=True)
        if clip.path.name == "hidden.flac"
    )
    assert hidden.end == pytest.approx(8000 + 9600, abs=3200)
