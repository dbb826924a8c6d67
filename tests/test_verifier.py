"""The second stage of a wake word: when it is asked, what it is given, and what becomes of its score."""

import numpy as np
import pytest

from appliance.audio.format import FRAME_SAMPLES, Pcm
from appliance.errors import ModelError
from appliance.models import ModelStore
from appliance.runtimes.tflite import TfliteFile
from appliance.wake.embedding import FILES, FIRST_END_SAMPLES, SIZE, STEP_SAMPLES, SpeechEmbedding
from appliance.wake.features import MICRO_BANDS, MicroFrame
from appliance.wake.verifier import HEARD_SAMPLES, OPEN_FRAMES, STEP_FRAMES, VerifiedModel, Verifier

GATE = 0.6


class First:
    """Gives the scores that it was made with."""

    def __init__(self, scores: list[float | None]) -> None:
        self._scores = iter(scores)

    def process(self, _rows: np.ndarray) -> float | None:
        return next(self._scores)

    def reset(self) -> None:
        """Nothing to forget."""


class Ears:
    """Notes when it is asked and with what; is sure by 0.1 more each time."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.past = np.zeros(0, np.int16)

    def score(self, past: Pcm) -> float:
        self.asked.append(int(past[-1]))
        self.past = past
        return 0.1 * len(self.asked)


def heard(scores: list[float | None], ears: Ears, window: int = 1) -> list[float | None]:
    """The scores of the two stages; frame n holds samples of the value n."""
    model = VerifiedModel(First(scores), ears, GATE, window)  # type: ignore[arg-type]  # stand-ins
    rows = np.zeros((2, MICRO_BANDS), np.float32)
    return [
        model.process(MicroFrame(rows, np.full(FRAME_SAMPLES, index, np.int16))) for index in range(1, len(scores) + 1)
    ]


def test_below_the_gate_it_is_never_asked() -> None:
    ears = Ears()
    assert heard([0.1, 0.59, 0.0] * 20, ears) == [0.0] * 60
    assert not ears.asked


def test_it_is_asked_at_once_and_each_80_ms_until_the_gate_closes() -> None:
    ears = Ears()
    scores = heard([0.0, 0.7, *[0.0] * 40], ears)
    assert ears.asked == [2 + age for age in range(0, OPEN_FRAMES, STEP_FRAMES)]
    assert scores[:2] == [0.0, pytest.approx(0.1)]
    assert scores[1 + STEP_FRAMES] == pytest.approx(0.2)
    assert scores[OPEN_FRAMES] == pytest.approx(0.1 * len(ears.asked))
    assert scores[1 + OPEN_FRAMES :] == [0.0] * (41 - OPEN_FRAMES)


def test_a_gate_that_is_reached_again_stays_open_longer() -> None:
    ears = Ears()
    scores = heard([0.7, *[0.0] * 9, 0.7, *[0.0] * 30], ears)
    assert ears.asked == [1 + age for age in range(0, 10 + OPEN_FRAMES, STEP_FRAMES)]
    assert scores[9 + OPEN_FRAMES] != 0.0
    assert scores[10 + OPEN_FRAMES] == 0.0


def test_the_gate_takes_the_mean_of_its_window() -> None:
    ears = Ears()
    heard([0.9, 0.9, 0.0, 0.9, 0.9], ears, window=3)
    assert ears.asked == [2]  # (0.9 + 0.9) / 3 = 0.6: scores before the first count as 0


def test_the_past_is_silence_at_first_and_whole() -> None:
    ears = Ears()
    heard([0.0, 0.7], ears)
    assert ears.past.size >= HEARD_SAMPLES
    assert ears.past[-2 * FRAME_SAMPLES :].tolist() == [1] * FRAME_SAMPLES + [2] * FRAME_SAMPLES
    assert not ears.past[: -2 * FRAME_SAMPLES].any()


def test_no_score_where_the_first_has_none_and_nothing_after_a_reset() -> None:
    ears = Ears()
    assert heard([None, 0.7], ears) == [None, pytest.approx(0.1)]
    model = VerifiedModel(First([0.7, 0.0, 0.0]), Ears(), GATE, 1)  # type: ignore[arg-type]  # stand-ins
    frame = MicroFrame(np.zeros((2, MICRO_BANDS), np.float32), np.ones(FRAME_SAMPLES, np.int16))
    assert model.process(frame) == pytest.approx(0.1)
    model.reset()
    assert model.process(frame) == 0.0


@pytest.fixture(scope="module")
def files(store: ModelStore) -> list[TfliteFile]:
    folder = store.folder("oww-features")
    return [TfliteFile.read(folder / name, verified=True) for name in FILES]


@pytest.mark.model
def test_an_embedding_depends_on_its_own_stretch_only(files: list[TfliteFile]) -> None:
    """A sound whose quietest moments are less than 80 dB below its loudest: there the spectrogram ends."""
    rng = np.random.default_rng(1)
    sweep = np.sin(np.cumsum(np.linspace(0.02, 1.2, HEARD_SAMPLES)))
    pcm = np.round(8000 * sweep + rng.normal(0.0, 2000.0, sweep.size)).astype(np.int16)
    at_once = SpeechEmbedding(*files, HEARD_SAMPLES).of(pcm)
    assert at_once.shape == (12, SIZE)
    alone = SpeechEmbedding(*files, FIRST_END_SAMPLES)
    for place, embedding in enumerate(at_once):
        own = pcm[place * STEP_SAMPLES : place * STEP_SAMPLES + FIRST_END_SAMPLES]
        np.testing.assert_allclose(alone.of(own)[0], embedding, atol=1e-2)


@pytest.mark.model
def test_what_is_no_head_is_refused(files: list[TfliteFile]) -> None:
    with pytest.raises(ModelError, match="a verifier's float32"):
        Verifier(files[1], *files)
    with pytest.raises(ModelError):
        SpeechEmbedding(files[1], files[0], HEARD_SAMPLES)
