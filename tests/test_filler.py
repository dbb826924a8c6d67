"""How well just any talk explains a sound: segments added up, utterances kept apart. No model."""

import numpy as np
import pytest

from appliance.runtimes.vosk import UNKNOWN
from appliance.speech.filler import Filler
from appliance.speech.pieces import PIECE_SAMPLES, Pieces
from tests.test_recognizer import FakeModel, FakeRecognizer, alternatives

PIECE = np.arange(PIECE_SAMPLES).astype(np.int16)


class Talk(FakeModel):
    """A model of a language with two common words that it knows and one that it does not."""

    common_words = ("house", "xylophone", "the")


def filler(*recognizers: FakeRecognizer, wake: tuple[str, ...] = ()) -> tuple[Filler, Talk]:
    model = Talk(*recognizers)
    return Filler(model, wake), model  # type: ignore[arg-type]


def test_it_hears_common_words_that_are_known_in_any_order_and_the_wake_word() -> None:
    talk, model = filler(wake=("hey jarvis",))
    talk.accept(PIECE)
    assert model.asked == [["hey jarvis", "house", "the", UNKNOWN]]


def test_the_segments_of_an_utterance_add_up() -> None:
    talk, _ = filler(FakeRecognizer([("the",), "", ("house",)], alternatives("the")))
    for _ in range(3):
        talk.accept(PIECE)
    assert talk.finish() == 27.0


def test_an_utterance_knows_nothing_of_the_one_before() -> None:
    talk, model = filler(FakeRecognizer([("the",)], alternatives("")), FakeRecognizer([], alternatives("the")))
    talk.accept(PIECE)
    talk.begin()
    talk.accept(PIECE)
    assert talk.finish() == 9.0
    assert len(model.made) == 2


@pytest.mark.parametrize("chunk", [320, 1600, 7777])
def test_what_it_hears_is_whole_and_in_the_same_pieces_in_any_chunks(chunk: int) -> None:
    recognizer = FakeRecognizer([], alternatives(""))
    talk, _ = filler(recognizer)
    sound = np.tile(PIECE, 4)[:-100]
    for start in range(0, sound.size, chunk):
        talk.accept(sound[start : start + chunk])
        assert len(recognizer.heard) % PIECE.nbytes == 0
    talk.finish()
    assert recognizer.heard == sound.tobytes()


def test_without_common_words_nothing_is_told() -> None:
    talk = Filler(FakeModel(), ())  # type: ignore[arg-type]
    talk.accept(PIECE)
    assert talk.finish() is None


def test_nothing_heard_is_nothing_told() -> None:
    talk, _ = filler()
    assert talk.finish() is None


def test_pieces_begin_anew_with_each_utterance() -> None:
    pieces = Pieces()
    assert list(pieces.cut(PIECE[:100])) == []
    assert pieces.rest.size == 100
    assert [piece.tolist() for piece in pieces.cut(PIECE[100:])] == [PIECE.tolist()]
    assert pieces.rest.size == 0
