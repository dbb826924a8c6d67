"""Voices: who is there, how one utterance differs from the next, and clips that are made once, the same each time."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from appliance.audio.format import SAMPLE_RATE_HZ
from appliance.errors import StageError
from tools.quantize import speakers, voices
from tools.quantize.__main__ import main
from tools.quantize.clip_checks import check, fault_of
from tools.quantize.clips import read_clips, read_pcm
from tools.quantize.speakers import Recipe, Sound
from tools.quantize.synthesize import BATCH, batches, make, orders
from tools.quantize.voices import ENGINES
from tools.quantize.warp import warp

ESPEAK = {"espeak-ng": ("en-us+m3", "en+f2")}
ALL = {"piper": ("en-us",), "flite": ("slt", "rms"), **ESPEAK}

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


def buzz(pitch_hz: float, resonance_hz: float, seconds: float = 1.0) -> Sound:
    """A pulse train through one resonance: a voice that says one vowel."""
    samples = np.zeros(round(seconds * SAMPLE_RATE_HZ))
    samples[:: round(SAMPLE_RATE_HZ / pitch_hz)] = 1.0
    times_s = np.arange(400) / SAMPLE_RATE_HZ
    ringing = np.exp(-400.0 * times_s) * np.sin(2 * np.pi * resonance_hz * times_s)
    return Sound((0.3 * np.convolve(samples, ringing)[: samples.size]).astype(np.float32), SAMPLE_RATE_HZ)


def pitch_of(samples: np.ndarray, low_hz: float, high_hz: float) -> float:
    middle = samples[samples.size // 4 : -samples.size // 4].astype(np.float64)
    likeness = np.correlate(middle, middle, "full")[middle.size - 1 :]
    lags = slice(round(SAMPLE_RATE_HZ / high_hz), round(SAMPLE_RATE_HZ / low_hz))
    return SAMPLE_RATE_HZ / (lags.start + int(likeness[lags].argmax()))


def resonance_of(samples: np.ndarray) -> float:
    sizes = np.abs(np.fft.rfft(samples[4000:12_000] * np.hanning(8000)))
    smooth = np.convolve(sizes, np.hanning(200), "same")
    return 250 * 2.0 + smooth[250:].argmax() * 2.0


# ---- warping


def test_no_change_changes_nothing() -> None:
    sound = buzz(125, 1500).samples
    same = warp(sound, SAMPLE_RATE_HZ, pitch=1.0, tract=1.0)
    rest = same[2000:13_000] - sound[2000:13_000]
    assert np.sqrt((rest**2).mean() / (sound**2).mean()) < 1e-3


@pytest.mark.parametrize("pitch", [0.75, 1.3, 1.5])
def test_pitch_moves_alone(pitch: float) -> None:
    warped = warp(buzz(125, 1500).samples, SAMPLE_RATE_HZ, pitch=pitch, tract=1.0)
    assert pitch_of(warped, 110 * pitch, 140 * pitch) == pytest.approx(125 * pitch, rel=0.02)
    assert resonance_of(warped) == pytest.approx(1500, rel=0.06)
    assert warped.size == pytest.approx(SAMPLE_RATE_HZ, rel=0.05)


@pytest.mark.parametrize("tract", [0.8, 1.2])
def test_the_tract_moves_alone(tract: float) -> None:
    warped = warp(buzz(125, 1500).samples, SAMPLE_RATE_HZ, pitch=1.0, tract=tract)
    assert pitch_of(warped, 110, 140) == pytest.approx(125, rel=0.02)
    assert resonance_of(warped) == pytest.approx(1500 * tract, rel=0.06)


# ---- who speaks, and how


def test_who_is_missing_is_told_with_what_to_type() -> None:
    told = "\n".join(voices.missing({"flite": ("slt",)}))
    assert "sudo apt-get install -y espeak-ng" in told
    assert "make venv models" in told
    assert "flite is not installed" not in told
    nobody = {name: voices.Engine(
        share=1.0, find=lambda: (), say=speakers.say_with_flite, licence="", remedy=f"install {name}", spread=0.0
    ) for name in ("one", "two")}  # fmt: skip
    with pytest.raises(StageError, match=r"no voice is installed; .*install one; two: install two"):
        voices.installed(nobody)


def test_same_seed_same_recipes_and_all_vary() -> None:
    def draw(seed: int) -> list[Recipe]:
        random = np.random.default_rng(seed)
        return [voices.draw("yes", ALL, random, alone=True) for _ in range(600)]

    recipes = draw(1)
    assert recipes == draw(1) != draw(2)
    shares = [sum(recipe.engine == name for recipe in recipes) for name in ALL]
    assert shares[0] > shares[1] > 50
    assert shares[2] > shares[1]
    assert {recipe.voice for recipe in recipes} == {voice for group in ALL.values() for voice in group}
    assert {recipe.text for recipe in recipes} == {"yes.", "yes!", "yes?", "yes,"}
    for value in ("tempo", "pitch", "tract", "liveliness"):
        assert len({getattr(recipe, value) for recipe in recipes}) > 100
    for recipe in recipes:
        assert 0.6 <= recipe.tempo <= 1.17
        assert 0.5 <= recipe.pitch <= 2.0
        assert 0.75 <= recipe.tract <= 1.3


def test_smaller_people_have_higher_voices() -> None:
    random = np.random.default_rng(0)
    recipes = [voices.draw("yes", {"piper": ("en-us",)}, random, alone=True) for _ in range(300)]
    pitches, tracts = ([np.log(getattr(recipe, name)) for recipe in recipes] for name in ("pitch", "tract"))
    assert 0.6 < np.corrcoef(pitches, tracts)[0, 1] < 0.98


def test_what_is_said_is_trimmed_and_marked() -> None:
    silence = np.zeros(SAMPLE_RATE_HZ, np.float32)
    sound = Sound(np.concatenate([silence, buzz(125, 1500, 0.5).samples, silence]), SAMPLE_RATE_HZ)
    for recipe in (Recipe(text="a", engine="e", voice="v"), Recipe(text="a", engine="e", voice="v", pitch=1.2)):
        said = voices.finish(sound, recipe)
        start, end = said.speech
        assert start == 1600
        assert end - start == pytest.approx(8000, abs=600)
        assert said.pcm.size == end + 1600
    with pytest.raises(StageError, match="e, voice v: says nothing for 'a'"):
        voices.finish(Sound(silence, SAMPLE_RATE_HZ), recipe)
    with pytest.raises(StageError, match="says nothing"):
        voices.finish(Sound(silence[:0], SAMPLE_RATE_HZ), recipe)


def test_too_loud_is_not_clipped() -> None:
    loud = Sound(buzz(125, 1500).samples * 20, 22_050)
    said = voices.finish(loud, Recipe(text="a", engine="e", voice="v"))
    assert fault_of(said.pcm) is None


# ---- the programs


@pytest.mark.model
@pytest.mark.parametrize("name", ENGINES)
def test_each_engine_says_a_word_and_again_the_same(name: str) -> None:
    engine = ENGINES[name]
    found = engine.find()
    if not found:
        pytest.skip(f"{name} is not installed ({engine.remedy})")
    texts = {"computer.": (0.3, 1.2), "please turn on the kitchen light.": (1.0, 3.5)}
    recipes = [Recipe(text=text, engine=name, voice=voice) for voice in found[:3] for text in texts]
    said = [voices.finish(sound, recipe) for sound, recipe in zip(_sounds(name, recipes), recipes, strict=True)]
    again = [voices.finish(sound, recipe) for sound, recipe in zip(_sounds(name, recipes), recipes, strict=True)]
    for one, other, recipe in zip(said, again, recipes, strict=True):
        assert np.array_equal(one.pcm, other.pcm)
        shortest_s, longest_s = texts[recipe.text]
        assert shortest_s < (one.speech[1] - one.speech[0]) / SAMPLE_RATE_HZ < longest_s
    tempos = [Recipe(text="computer.", engine=name, voice=found[-1], tempo=tempo) for tempo in (1.0, 0.6)]
    usual, slow = (voices.finish(sound, recipes[0]).speech for sound in _sounds(name, tempos))
    assert slow[1] - slow[0] > 1.2 * (usual[1] - usual[0])


def _sounds(name: str, recipes: list[Recipe]) -> list[Sound]:
    sounds = list(ENGINES[name].say(recipes, 7))
    assert all(isinstance(sound, Sound) for sound in sounds), sounds
    return [sound for sound in sounds if isinstance(sound, Sound)]


@needs_espeak
def test_a_voice_that_is_not_there_loses_nothing_else() -> None:
    recipes = [Recipe(text="yes", engine="espeak-ng", voice=voice) for voice in ("en-us+m3", "nobody", "en-us+m3")]
    one, other, third = speakers.say_with_espeak(recipes, 0)
    assert isinstance(other, StageError)
    assert "espeak-ng" in str(other) or "voice" in str(other)
    assert isinstance(one, Sound)
    assert isinstance(third, Sound)
    assert np.array_equal(one.samples, third.samples)


# ---- the step


def test_more_clips_begin_with_the_same() -> None:
    few = orders("yes", ALL, count=50, confusables=0, negatives=0, seed=1)
    many = orders("yes", ALL, count=80, confusables=0, negatives=0, seed=1)
    assert many[:50] == few
    assert len({order.name for order in many}) == 80
    assert orders("yes", ALL, count=50, confusables=0, negatives=0, seed=2) != few


def test_batches_are_of_one_engine() -> None:
    wanted = orders("yes", ALL, count=100, confusables=0, negatives=0, seed=1)
    made = list(batches(Path("x"), wanted))
    assert sorted(order.name for batch in made for order in batch.orders) == sorted(order.name for order in wanted)
    assert all(len({order.recipe.engine for order in batch.orders}) == 1 for batch in made)
    assert max(len(batch.orders) for batch in made) == BATCH


@needs_espeak
def test_a_batch_becomes_clips(tmp_path: Path) -> None:
    wanted = orders("open sesame", ESPEAK, count=3, confusables=0, negatives=0, seed=1)
    (batch,) = batches(tmp_path, wanted)
    made = make(batch)
    assert made.failures == ()
    assert made == make(batch)
    for clip, order in zip(made.clips, wanted, strict=True):
        assert clip.path == tmp_path / order.name
        assert (clip.label, clip.text, clip.split) == ("open sesame", "open sesame", "train")
        assert clip.speaker == f"espeak-ng:{order.recipe.voice}"
        assert clip.speech is not None
        assert 0 <= clip.speech[0] < clip.speech[1] <= read_pcm(clip).size
    assert batch.paths == {clip.path for clip in made.clips}


@pytest.mark.model
@pytest.mark.usefixtures("store")
def test_a_store_is_made_and_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["synthesize", "computer", "--out", str(tmp_path), "--jobs", "1", "--seed", "5"]
    command += ["--count", "12", "--confusables", "6", "--negatives", "4"]
    assert main(command) == 0
    clips = read_clips(tmp_path)
    labels = Counter(clip.label for clip in clips)
    assert labels == {"computer": 12, "negative:confusable": 6, "negative:text": 4}
    assert not list(check(clips))
    assert "computer: 12 clips" in capsys.readouterr().out
    clips[0].path.unlink()
    made_s = {clip.path: clip.path.stat().st_mtime_ns for clip in clips[1:]}
    manifest = (tmp_path / "manifest.jsonl").read_text().splitlines()
    assert main(command) == 0
    assert read_pcm(clips[0]).size
    assert (tmp_path / "manifest.jsonl").read_text().splitlines() == manifest
    assert sum(clip.path.stat().st_mtime_ns == made_s.get(clip.path) for clip in clips) > len(clips) // 2
    nothing = ["--count", "0", "--confusables", "0", "--negatives", "0"]
    assert main(["synthesize", "computer", "--out", str(tmp_path), *nothing]) == 2
