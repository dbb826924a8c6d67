"""Targets, judging, mining, choosing between ways to INT8, and one very small training."""

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from appliance.errors import StageError
from tests.test_quantize_net import random_weights
from tools.quantize import mine
from tools.quantize.clips import Clip, write_clip
from tools.quantize.convert import Candidate, best_first, differences, refuse_lossy
from tools.quantize.examples import ROWS, Examples
from tools.quantize.fit import Mean
from tools.quantize.net import Shape
from tools.quantize.quantize import calibration, card
from tools.quantize.streams import find
from tools.quantize.targets import SAID_SHARE, Targets
from tools.quantize.teacher import HOPS as HOPS_OF_TEACHER
from tools.quantize.teacher import SCORES, Lessons
from tools.quantize.train import figures
from tools.quantize.validate import (
    Recording,
    Scores,
    Validation,
    Verdict,
    judge,
    means,
    peaks,
    read_validation,
    span_of,
)

HOPS = np.arange(62, 150)


def loudness(features: npt.NDArray[np.uint8]) -> Scores:
    """A scorer that takes any hop whose features are above 128 for the word."""
    hops = features.reshape(-1, 2, features.shape[1]).astype(np.float32).mean(axis=(1, 2))
    scores: Scores = (hops - 128.0).astype(np.float32)
    return scores


def recording(hops: int, loud: range = range(0), span: tuple[int, int] = (0, 0)) -> Recording:
    features = np.zeros((2 * hops, 40), np.uint8)
    features[2 * loud.start : 2 * loud.stop] = 200
    return Recording(features=features, span=span)


def verdict(hours: float, accepted: tuple[float, ...], **heard: list[float]) -> Verdict:
    names = {"clean": heard.get("clean", [0.9]), "10 dB": heard.get("noisy", [0.9])}
    return Verdict(
        hours=hours, accepted=accepted, heard={name: np.array(peaks, np.float32) for name, peaks in names.items()}
    )


def test_a_word_is_wanted_about_its_end_and_not_well_before_or_after() -> None:
    targets = Targets.of(np.array([200, -1], np.int32), HOPS)
    assert list(targets.said) == [True, False]
    assert list(HOPS[targets.at_end[0]]) == list(range(97, 118))
    assert not targets.elsewhere[0][(HOPS >= 80) & (HOPS <= 130)].any()
    assert targets.elsewhere[0][(HOPS < 80) | (HOPS > 130)].all()
    assert not targets.at_end[1].any()


def test_a_batch_has_its_share_of_words_and_is_seeded() -> None:
    targets = Targets.of(np.array([-1] * 50 + [200] * 3, np.int32), HOPS)
    first = targets.batch(np.random.default_rng(1), 100)
    np.testing.assert_array_equal(first, targets.batch(np.random.default_rng(1), 100))
    assert targets.said[first].sum() == round(100 * SAID_SHARE)


@pytest.mark.parametrize("rows", [[200] * 4, [-1] * 4], ids=["only words", "no words"])
def test_a_batch_of_one_kind_is_whole(rows: list[int]) -> None:
    assert Targets.of(np.array(rows, np.int32), HOPS).batch(np.random.default_rng(1), 10).size == 10


def test_the_decision_takes_the_mean_of_three() -> None:
    found = means(loudness, recording(20, range(10, 11)).features)
    assert found.max() == pytest.approx(1 / 3, abs=1e-3)
    assert means(loudness, recording(20, range(10, 14)).features).max() == pytest.approx(1.0, abs=1e-3)


def test_scores_of_a_network_that_needs_a_past_stand_at_the_end() -> None:
    found = means(lambda features: np.full(5, 9.0, np.float32), recording(20).features)
    assert not found[:15].any()
    assert found[-1] > 0.9


def test_peaks_are_a_second_apart_the_highest_first() -> None:
    scores = np.zeros(300, np.float32)
    scores[[20, 60, 200]] = 0.5, 0.9, 0.3
    assert peaks(scores) == [(pytest.approx(0.9), 60), (pytest.approx(0.3), 200)]


def test_a_clip_is_heard_until_a_second_after_its_end() -> None:
    assert span_of(16_000, 32_000) == (50, 200)
    span = (10, 20)
    validation = Validation(
        positives={"clean": (recording(60, range(15, 19), span), recording(60, range(40, 44), span))},
        negatives=(recording(60, range(30, 36)),),
    )
    found = judge(loudness, validation)
    assert found.heard["clean"] == pytest.approx([1.0, 0.0], abs=1e-3)
    assert found.accepted == (pytest.approx(1.0, abs=1e-3),)
    assert found.hours == pytest.approx(60 / 50 / 3600)


def test_hours_of_negatives_do_not_count_their_padding(tmp_path: Path) -> None:
    for number in range(3):
        write_clip(tmp_path, Clip(path=Path(f"{number}.flac")), np.full(8000, 9, np.int16))
    clips = find([tmp_path], label="computer", split=None, positive=False)
    found = read_validation(clips, clips, np.zeros(0, np.int16), ())
    assert found.hours == pytest.approx(3 * 0.5 / 3600)


def test_the_threshold_allows_so_many_false_accepts() -> None:
    found = verdict(2.0, (0.8, 0.6, 0.4))
    assert found.threshold(0.0) == pytest.approx(0.9)
    assert found.threshold(0.5) == pytest.approx(0.7)
    assert found.threshold(1.0) == pytest.approx(0.5)
    assert found.threshold(9.0) < 0.1


def test_cost_is_less_for_who_misses_less() -> None:
    good = verdict(1.0, (0.5,), clean=[0.9] * 4, noisy=[0.9] * 4)
    clean_missed = verdict(1.0, (0.5,), clean=[0.9, 0.9, 0.9, 0.0], noisy=[0.9] * 4)
    noisy_missed = verdict(1.0, (0.5,), clean=[0.9] * 4, noisy=[0.9, 0.9, 0.9, 0.0])
    assert good.cost == 0.0
    assert clean_missed.cost > noisy_missed.cost > 0.0


def test_figures_tell_every_rate() -> None:
    told = figures(verdict(2.0, (0.8, 0.6, 0.4), clean=[0.9, 0.65]))
    assert told["operating_points"][0]["missed"]["clean"] == 0.5
    assert [point["false_accepts_per_hour"] for point in told["operating_points"]] == [0.5, 2.0, 8.0, 30.0, 60.0]


def test_mining_finds_the_worst_moments_with_the_sound_around_them() -> None:
    pytest.importorskip("pymicro_features")
    stream = np.zeros(10 * 16_000, np.int16)
    stream[6 * 16_000 : 6 * 16_000 + 1600] = np.random.default_rng(1).normal(0, 8000, 1600).astype(np.int16)

    def sound(features: npt.NDArray[np.uint8]) -> Scores:
        any_sound: Scores = np.where(features.reshape(-1, 2 * 40).any(axis=1), 5.0, -20.0).astype(np.float32)
        return any_sound

    moments = mine.hardest(sound, [np.zeros(16_000, np.int16), stream], 5)
    assert len(moments) == 1
    assert moments[0].pcm.any()
    assert moments[0].pcm.size >= 4 * 16_000
    assert mine.hardest(sound, [stream], 0) == []


def test_the_best_way_to_int8_comes_first_then_the_simplest() -> None:
    found = best_first(
        Candidate(name=name, contents=b"", verdict=verdict(1.0, (0.5,), clean=heard))
        for name, heard in (("deaf", [0.1]), ("simple", [0.9]), ("other", [0.9]))
    )
    assert [candidate.name for candidate in found] == ["simple", "other", "deaf"]


def test_int8_that_hears_less_is_refused() -> None:
    """A network that hears the word all the time, and four clips of it; of so few, one may be lost by chance."""
    weights = dataclasses.replace(random_weights(Shape()), last_bias=np.array([9.0], np.float32))
    clips = (recording(100, range(70, 74), (62, 90)),) * 4
    validation = Validation(positives={"clean": clips, "10 dB": clips}, negatives=())
    for heard in ([0.9] * 4, [0.0, *[0.9] * 3]):
        refuse_lossy(weights, Candidate(name="same", contents=b"", verdict=verdict(1.0, (), clean=heard)), validation)
    deaf = Candidate(name="deaf", contents=b"", verdict=verdict(1.0, (0.9,), clean=[0.0] * 4, noisy=[0.0] * 4))
    with pytest.raises(StageError, match=r"100\.0 points more of the clean words"):
        refuse_lossy(weights, deaf, validation)


def test_differences_compare_the_hops_that_both_have() -> None:
    short, long = np.array([0.0, 9.0], np.float32), np.array([5.0, 0.0, 9.0], np.float32)
    assert differences(short, long).tolist() == [0.0, 0.0]


def test_the_teacher_scores_the_hops_that_training_knows() -> None:
    assert tuple(range(65, 150, 4)) == HOPS_OF_TEACHER


def test_the_teacher_is_trusted_where_it_hears_the_word() -> None:
    scores = np.full((3, SCORES), -9.0, np.float32)
    scores[1, 8:14] = 9.0  # about hop 105
    lessons = Lessons(scores=scores, embeddings=np.zeros((3, SCORES, 96), np.float16))
    trust = lessons.trust(np.array([200, 200, -1], np.int32))
    assert trust == pytest.approx([0.0, 1.0, 1.0], abs=1e-3)


def test_the_mean_of_the_weights_follows_slowly_and_gives_back_the_newest() -> None:
    class Model:
        def __init__(self) -> None:
            self.weights = [np.zeros(2)]

        def get_weights(self) -> list[npt.NDArray[np.float64]]:
            return [array.copy() for array in self.weights]

        def set_weights(self, weights: list[npt.NDArray[np.float64]]) -> None:
            self.weights = [array.copy() for array in weights]

    model = Model()
    mean = Mean(model)
    model.weights[0][:] = 1.0
    for step in range(400, 440):
        mean.add(step)
    newest = mean.take()
    assert newest[0].tolist() == [1.0, 1.0]
    assert 0.3 < model.weights[0][0] < 0.9


def some_examples(count: int) -> Examples:
    random = np.random.default_rng(3)
    rows = np.where(np.arange(count) % 2 == 0, 200, -1).astype(np.int32)
    features = random.integers(0, 60, (count, ROWS, 40)).astype(np.uint8)
    features[::2, 170:200] = 220
    return Examples(
        features=features,
        word_end_row=rows,
        weight=np.ones(count, np.float32),
        clip=np.zeros(count, np.int32),
        embedding=random.normal(size=(count, 41, 96)).astype(np.float16),
    )


def test_calibration_takes_both_kinds_from_everywhere() -> None:
    examples = some_examples(400)
    places = calibration(examples)
    assert len(places) == 60
    assert (examples.word_end_row[places] >= 0).sum() == 24
    assert min(places) < 4
    assert max(places) > 395
    assert len(calibration(some_examples(10))) == 10


def test_the_card_has_what_the_device_reads(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "computer.tflite"
    path.write_bytes(b"model")
    path.with_name("computer.verifier.tflite").write_bytes(b"head")
    fields = card("computer", path, verdict(2.0, (0.8, 0.6)))
    assert fields["wake_word"] == "computer"
    assert fields["micro"]["probability_cutoff"] == pytest.approx(0.7)
    assert fields["micro"]["sliding_window_size"] == 3
    assert fields["verifier"]["model"] == "computer.verifier.tflite"
    assert fields["verifier"]["gate"] == 0.05  # nothing of these negatives is so high that it is asked 60 times an hour


@pytest.mark.slow
def test_a_small_training_learns_and_repeats_itself() -> None:
    """A loud stretch is told from quiet; two trainings with one seed agree; rounding changes little."""
    pytest.importorskip("tensorflow", reason="TensorFlow is only in the tools' environment (make venv-tools)")
    from tools.quantize.fit import Settings, fit
    from tools.quantize.net import scores
    from tools.quantize.rounding import train_rounded
    from tools.quantize.teacher import Lessons, train_head

    examples = some_examples(64)
    validation = Validation(
        positives={"clean": tuple(Recording(features=rows, span=(90, 140)) for rows in examples.features[::2])},
        negatives=tuple(Recording(features=rows) for rows in examples.features[1::2]),
    )
    head = train_head(examples.embedding, examples.word_end_row, seed=1, epochs=1)
    lessons = Lessons.of([head], examples.embedding)
    assert lessons.scores.shape == (64, 22)
    settings = Settings(seed=1, epochs=20, batch=16, judgements=2)
    first = fit(examples, None, validation, settings)
    second = fit(examples, None, validation, settings)
    assert first.verdict.cost < 0.2
    rows = examples.features[0].astype(np.float32) / 255
    np.testing.assert_allclose(scores(first.weights, rows), scores(second.weights, rows), atol=0.05)
    taught = fit(examples, lessons, validation, Settings(seed=1, epochs=1, batch=16, judgements=1))
    assert np.isfinite(taught.verdict.cost)
    rounded = train_rounded(first.weights, examples, seed=1, steps=2)
    assert np.abs(scores(rounded, rows) - scores(first.weights, rows)).max() < 3.0
