"""Evaluating a wake word: which recordings, what counts as a hit, and the figures that come of it."""

import argparse
import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.audio.format import FRAME_SAMPLES, SAMPLE_RATE_HZ, Frame, Pcm
from appliance.errors import UsageError
from appliance.models import ModelStore
from appliance.wake.sweep import Sweep
from appliance.wake.trigger import Detection, Trigger
from tools.mixing import active_power
from tools.quantize import evaluate, evaluation, streams, sweeping
from tools.quantize.contestant import Contestant, Reference
from tools.quantize.evaluation import Condition, make_points
from tools.quantize.hearing import Noise
from tools.quantize.intervals import rate_interval, share_interval
from tools.quantize.streams import PAD_SAMPLES, Stream
from tools.quantize.sweeping import Heard

soundfile = pytest.importorskip("soundfile")

CLIP_FRAMES = 100
LENGTH = 50 + CLIP_FRAMES + 50
"""Frames of a clip of two seconds with its padding."""


def heard(peaks: dict[int, float], frames: int = LENGTH) -> Heard:
    """Scores that are 0 but for single frames."""
    scores = np.zeros(frames)
    for frame, score in peaks.items():
        scores[frame] = score
    return Heard(scores=scores, samples=(frames - 100) * FRAME_SAMPLES, starts=(0,))


def stream(name: str = "a.flac") -> Stream:
    return Stream(path=Path(name), clips=(streams.Clip(path=Path(name), label="yes"),))


def write(path: Path, pcm: Pcm, rate_hz: int = SAMPLE_RATE_HZ) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, pcm, rate_hz)
    return path


def tone(samples: int, level: int = 1000) -> Pcm:
    return np.resize(np.array([level, -level], np.int16), samples)


def test_a_share_has_the_interval_of_wilson() -> None:
    assert share_interval(4, 148) == pytest.approx((0.0106, 0.0674), abs=5e-5)
    assert share_interval(0, 100) == pytest.approx((0.0, 0.0370), abs=5e-5)
    assert share_interval(10, 10) == pytest.approx((0.7225, 1.0), abs=5e-5)
    for total in range(1, 200):  # by rounding 0 of 150 was below it, and a report could not be drawn
        for count in (0, 1, total // 2, total - 1, total):
            low, high = share_interval(count, total)
            assert low <= count / total <= high


def test_a_rate_has_the_exact_interval_of_poisson() -> None:
    assert rate_interval(0, 1.0) == pytest.approx((0.0, 3.6889), abs=5e-4)
    assert rate_interval(5, 1.0) == pytest.approx((1.6235, 11.6683), abs=5e-4)
    assert rate_interval(5, 2.0) == pytest.approx((0.8117, 5.8342), abs=5e-4)


@given(
    scores=st.lists(st.one_of(st.none(), st.sampled_from([0.0, 0.001, 0.02, 0.1, 0.3, 0.5, 0.8, 1.0])), max_size=400),
    window=st.integers(1, 5),
)
def test_a_sweep_decides_as_one_trigger_for_each_threshold(scores: list[float | None], window: int) -> None:
    thresholds = [0.05, 0.31, 0.77]
    sweep, triggers = Sweep(thresholds, window), [Trigger(threshold, window) for threshold in thresholds]
    for index, score in enumerate(scores):
        alone = [isinstance(trigger.update(index, score), Detection) for trigger in triggers]
        assert sweep.update(index, score) == [position for position, fired in enumerate(alone) if fired]


def test_thresholds_lie_just_above_each_peak_of_the_negatives() -> None:
    found = sweeping.thresholds(0.61803, [0.9, 0.601], [0.6, 0.2, 0.0])
    assert 0.61803 in found, "the model's own"
    assert pytest.approx(0.6005) in found, "between the negative and the next clip"
    assert pytest.approx(0.4) in found
    assert {0.01, 0.5, 0.99} <= set(found)
    assert list(found) == sorted(found)


def test_thresholds_that_wake_all_the_time_are_left_out() -> None:
    found = sweeping.thresholds(0.3, [0.9], [0.42] * 1000)
    assert min(found) == 0.3, "its own, whatever it is"
    assert min(set(found) - {0.3}) == pytest.approx(0.43)


def test_a_detection_counts_from_the_clips_start_to_a_second_after_its_end() -> None:
    clips = [(stream("early"), heard({49: 0.9})), (stream("first"), heard({50: 0.9})), (stream(), heard({199: 0.9}))]
    missed, scores = sweeping.misses(clips, [0.5, 0.95], window=1)
    assert missed == [1, 3]
    assert [clip.score for clip in scores] == [0.0, 0.5, 0.5]


def test_the_mean_of_a_window_decides() -> None:
    flat = heard({90: 0.9, 91: 0.9, 92: 0.9})
    assert sweeping.firings(flat, [0.5], 3) == [[91]]
    assert sweeping.firings(flat, [0.95], 3) == [[]]


def test_a_moment_is_told_once_with_the_highest_threshold_it_woke() -> None:
    talk = heard({100: 0.3, 101: 0.8, 140: 0.5, 400: 0.6}, frames=600)
    at = [0.2, 0.55, 0.7]
    found = sweeping.moments([(stream(), talk)], [sweeping.firings(talk, at, 1)], at)
    assert [(moment.score, moment.at_s, moment.label) for moment in found] == [(0.7, 1.04, "yes"), (0.55, 7.02, "yes")]


class Ear:
    """Hears nothing."""

    def process(self, frame: Frame) -> float:
        return 0.0

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass


def contestant(threshold: float = 0.5) -> Contestant:
    return Contestant(
        word="yes", engine="int8", threshold=threshold, window=1, runtime="none", size_bytes=9, sha256="", open=Ear
    )


def test_figures_of_scores_made_by_hand(tmp_path: Path) -> None:
    """Ten clips at 0.05, 0.15, ... 0.95; an hour in which 0.9 and 0.42 were reached once each."""
    file = write(tmp_path / "a.wav", tone(2000))
    named = Stream(path=file, clips=(streams.Clip(path=file),))
    clips = [(named, heard({100: step / 10 + 0.05})) for step in range(10)]
    louder = [(named, heard({100: step / 20 + 0.05})) for step in range(10)]
    hour = heard({1000: 0.9, 90_000: 0.42}, frames=180_100)
    noise = Noise(path=Path("hum.wav"), snr_db=10.0)
    found = evaluate.judge(Reference(model="m"), contestant(), [(None, clips), (noise, louder)], [(named, hour)], {})
    clean, noisy = found.conditions
    assert (clean.name, clean.noise, clean.snr_db, clean.positives) == ("clean", None, None, 10)
    assert (noisy.name, noisy.noise, noisy.snr_db) == ("10 dB", "hum.wav", 10.0)
    assert clean.negative_hours == pytest.approx(1.0)
    own = clean.at(0.5)
    assert (own.threshold, own.missed, own.false_accepts, own.false_accepts_per_hour) == (0.5, 5, 1, 1.0)
    assert own.miss_rate == 0.5
    assert own.miss_ci95 == pytest.approx((0.2366, 0.7634), abs=1e-3)
    assert noisy.at(0.5).missed == 9, "the same threshold, other clips"
    assert [point.false_accepts for point in noisy.points] == [point.false_accepts for point in clean.points]
    assert clean.allowing(0.5).missed == 9, "above 0.9 only one clip is left"
    assert clean.allowing(1.0).missed == 4, "just above 0.42"
    assert clean.allowing(2.0).missed == 0
    assert [moment.score for moment in found.moments[:1]] == [pytest.approx(0.9)]
    assert found.trigger.refractory_s == 1.0


def test_allowing_wants_every_higher_threshold_to_be_as_quiet() -> None:
    points = make_points([0.2, 0.4, 0.6], [0, 1, 2], 4, [1, 3, 0], 1.0)
    condition = Condition(name="clean", noise=None, snr_db=None, positives=4, negative_hours=1.0, points=points)
    assert condition.allowing(1.0).threshold == 0.6
    assert condition.allowing(3.0).threshold == 0.2
    assert condition.at(0.5).threshold == 0.4
    assert condition.at(0.1).threshold == 0.2


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A data pack in small."""
    rows = [
        ("word/1.flac", "yes", "dev", "yes"),
        ("word/2.flac", "yes", "train", "yes"),
        ("other/3.flac", "no", "dev", "no"),
        ("other/4.flac", "hey yes", "dev", "hey yes"),
        ("other/5.flac", "several", "dev", None),
        ("other/6.flac", "negative:noise", "dev", None),
    ]
    lines = []
    for number, (path, label, split, text) in enumerate(rows, start=1):
        write(tmp_path / path, tone(1000 * number))
        lines.append(json.dumps({"path": path, "label": label, "split": split, "transcript": text}))
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    pieces = [{"path": path, "start_sample": 0, "end_sample": 0, "label": "no"} for path, *_ in rows[2:4]]
    playlist = {"name": "all", "gap_s": 0.3, "sample_rate": SAMPLE_RATE_HZ, "pieces": pieces}
    (tmp_path / "negatives").mkdir()
    (tmp_path / "negatives" / "all.playlist.json").write_text(json.dumps(playlist))
    return tmp_path


def named(paths: list[Path], *, positive: bool, split: str | None = None) -> list[str]:
    return [found.path.name for found in streams.find(paths, label="yes", split=split, positive=positive)]


def test_a_manifest_gives_positives_by_label_and_negatives_that_are_known_to_be_some(pack: Path) -> None:
    manifest = pack / "manifest.jsonl"
    assert named([manifest], positive=True) == ["1.flac", "2.flac"]
    assert named([manifest], positive=True, split="dev") == ["1.flac"]
    assert named([manifest], positive=False) == ["3.flac", "6.flac"]
    assert named([pack / "word"], positive=True) == ["1.flac", "2.flac"]
    assert named([pack / "word" / "2.flac", pack / "other"], positive=False) == [
        "2.flac",
        *(f"{number}.flac" for number in range(3, 7)),
    ]


def test_a_path_that_names_nothing_is_one_sentence(pack: Path) -> None:
    for path in (pack / "absent", pack / "negatives" / "absent.playlist.json"):
        with pytest.raises(UsageError, match="no such file"):
            streams.find([path], label="yes", split=None, positive=True)
    with pytest.raises(UsageError, match="never"):
        streams.find([pack / "manifest.jsonl"], label="never", split=None, positive=True)


def test_a_playlist_is_one_stream_as_if_it_were_one_file(pack: Path, tmp_path: Path) -> None:
    [found] = streams.find([pack / "negatives" / "all.playlist.json"], label="yes", split=None, positive=False)
    sound = streams.render(found)
    gap = np.zeros(4800, np.int16)
    joined = np.concatenate([tone(3000), gap, tone(4000), gap])
    assert (sound.samples, sound.starts) == (joined.size, (0, 7800))
    assert np.array_equal(sound.pcm[PAD_SAMPLES : PAD_SAMPLES + joined.size], joined)


def test_a_clip_is_padded_with_a_second_of_faint_noise_of_its_own(tmp_path: Path) -> None:
    [first, second] = (
        streams.render(found)
        for found in streams.find(
            [write(tmp_path / "a.wav", tone(12_345)), write(tmp_path / "b.wav", tone(12_345))],
            label="",
            split=None,
            positive=True,
        )
    )
    assert first.pcm.size % FRAME_SAMPLES == 0
    assert first.pcm.size - 2 * PAD_SAMPLES - 12_345 < FRAME_SAMPLES
    for part in (first.pcm[:PAD_SAMPLES], first.pcm[-PAD_SAMPLES:]):
        assert 7 < float(part.astype(float).std()) < 9
    assert not np.array_equal(first.pcm, second.pcm)
    assert np.array_equal(first.pcm[PAD_SAMPLES:][:12_345], tone(12_345))


def test_noise_covers_the_padding_too_at_the_named_ratio(tmp_path: Path) -> None:
    [found] = streams.find([write(tmp_path / "a.wav", tone(16_000, 2000))], label="", split=None, positive=True)
    hum = np.round(np.random.default_rng(1).normal(0, 500, 40_000)).astype(np.int16)
    clean, noisy = streams.render(found).pcm.astype(float), streams.render(found, hum, 10.0).pcm.astype(float)
    power = ((noisy - clean) ** 2).mean()
    assert 10 * np.log10(active_power(streams.render(found).pcm) / power) == pytest.approx(10.0, abs=0.05)
    assert noisy[:PAD_SAMPLES].std() > 300


@pytest.fixture(scope="module")
def speak(store: ModelStore) -> Callable[[str], Pcm]:
    """Says a text with the Piper voice, without its randomness."""
    piper = pytest.importorskip("piper", reason="the voice's package is not installed")
    soxr = pytest.importorskip("soxr")
    voice = piper.PiperVoice.load(next(store.folder("piper-en-us-joe").glob("*.onnx")))
    settings = piper.SynthesisConfig(noise_scale=0.0, noise_w_scale=0.0)

    @lru_cache
    def say(text: str) -> Pcm:
        said = np.concatenate([chunk.audio_int16_array for chunk in voice.synthesize(text, settings)])
        pcm: Pcm = soxr.resample(said, voice.config.sample_rate, SAMPLE_RATE_HZ).astype(np.int16)
        return pcm

    return say


@pytest.mark.model
def test_a_real_model_on_synthesized_speech(
    speak: Callable[[str], Pcm], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, text in enumerate(["Alexa.", "Alexa!", "Hey, Alexa."]):
        write(tmp_path / "yes" / f"{number}.wav", speak(text))
    stereo = np.repeat(np.stack([speak("Alexa.")] * 2, axis=1), 3, axis=0)
    write(tmp_path / "yes" / "stereo.wav", stereo, 48_000)
    (tmp_path / "yes" / "broken.flac").write_bytes(b"fLaC and no more")
    write(tmp_path / "yes" / "empty.wav", np.zeros(0, np.int16))
    write(tmp_path / "no" / "1.wav", speak("Turn on the light in the kitchen, and set a timer for ten minutes."))
    noise = np.round(np.random.default_rng(2).normal(0, 300, 16_000)).astype(np.int16)
    words = f"--model alexa --positives {tmp_path}/yes --negatives {tmp_path}/no --jobs 1 --json {tmp_path}/out.json"
    words += f" --noise {write(tmp_path / 'hum.wav', noise)} --snr-db 30"
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    assert evaluate.run(parser.parse_args(words.split())) == 0
    told = capsys.readouterr()
    assert "broken.flac" in told.err
    assert "missed 0 of 4" in told.out
    out = json.loads((tmp_path / "out.json").read_text())
    assert {"model", "word", "runtime", "trigger", "us_per_frame", "bytes", "conditions"} <= out.keys()
    assert (out["model"], out["word"]) == ("alexa", "alexa")
    assert 1 < out["us_per_frame"] < 10_000
    assert {Path(left["path"]).name for left in out["left_out"]} == {"broken.flac", "empty.wav"}
    clean, noisy = out["conditions"]
    assert (noisy["name"], noisy["noise"], noisy["snr_db"], noisy["positives"]) == ("30 dB", "hum.wav", 30.0, 4)
    own = next(point for point in clean["points"] if point["threshold"] == out["trigger"]["threshold"])
    assert (own["missed"], own["false_accepts"]) == (0, 0)
    assert own.keys() == {
        "threshold",
        "missed",
        "miss_rate",
        "miss_ci95",
        "false_accepts",
        "false_accepts_per_hour",
        "fa_ci95",
    }
    assert evaluation.read(tmp_path / "out.json").clean.positives == 4


@pytest.mark.model
def test_nothing_that_can_be_read_is_one_sentence(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "broken.flac").write_bytes(b"fLaC and no more")
    paths = [tmp_path / "broken.flac"]
    found = streams.find(paths, label="", split=None, positive=True)
    reference = Reference(model="alexa")
    with pytest.raises(evaluate.AudioError, match=r"no negative can be read; .*broken\.flac"):
        evaluate.evaluate(reference, evaluate.contestant.find(reference), found, found)
