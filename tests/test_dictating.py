"""Free dictation beside the recognition: what it hears, when it is done, and what becomes of it when it is not."""

from collections.abc import Callable

import numpy as np
import pytest

from appliance.audio.format import Pcm
from appliance.dictating import Dictating
from appliance.worker import InlineWorker, ThreadWorker
from tests.fakes import HeldWorker


def pcm(number: int) -> Pcm:
    return np.full(4, number, np.int16)


class Speech:
    """Its words are what it heard; fails at what it is told to."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.heard: list[int] = []
        self._fails_at = fails_at

    def accept(self, pcm: Pcm) -> None:
        if pcm[0] == self._fails_at:
            raise RuntimeError("no memory")
        self.heard.append(int(pcm[0]))

    def finish(self) -> str:
        if self._fails_at == 0:
            raise RuntimeError("no memory")
        return " ".join(map(str, self.heard))


class Scene:
    """Dictations by a worker that is held until it is told to work."""

    def __init__(self, *, fails_at: int | None = None) -> None:
        self.made: list[Speech] = []
        self.worker = HeldWorker()
        self.dictating = Dictating(lambda: self._make(fails_at), self.worker)

    def _make(self, fails_at: int | None) -> Speech:
        self.made.append(Speech(fails_at))
        return self.made[-1]

    @property
    def heard(self) -> list[list[int]]:
        """By each that was made."""
        return [speech.heard for speech in self.made]


def dictated(make: Callable[[], Speech]) -> str | None:
    dictating = Dictating(make, InlineWorker("dictation", failed=lambda name, error: None))
    dictating.begin(pcm(1))
    dictating.feed(pcm(2))
    dictating.feed(pcm(3))
    return dictating.text()


def test_it_hears_what_was_said_so_far_and_what_follows() -> None:
    assert dictated(Speech) == "1 2 3"


def test_its_words_are_waited_for() -> None:
    worker = ThreadWorker("dictation", capacity=8, failed=lambda name, error: None)
    dictating = Dictating(Speech, worker)
    worker.start()
    try:
        for _ in range(2):
            dictating.begin(pcm(1))
            dictating.feed(pcm(2))
            assert dictating.text() == "1 2"
            assert not dictating.goes_on
    finally:
        worker.close()


@pytest.mark.parametrize("fails_at", [1, 2, 3, 0])
def test_what_failed_in_part_has_no_words(fails_at: int) -> None:
    assert dictated(lambda: Speech(fails_at)) is None


def test_nothing_is_made_or_heard_unless_it_is_begun() -> None:
    scene = Scene()
    scene.dictating.feed(pcm(1))
    assert scene.dictating.text() is None
    assert (scene.made, len(scene.worker.jobs)) == ([], 0)


def test_what_was_made_ahead_dictates_the_next_utterance_and_no_other() -> None:
    scene = Scene()
    scene.dictating.prepare()
    scene.dictating.prepare()
    scene.worker.work()
    assert scene.heard == [[]]
    for number in (1, 2):
        scene.dictating.begin(pcm(number))
        scene.worker.work()
    assert scene.heard == [[1], [2]]


def test_its_words_are_ready_when_they_are_asked_for_after_its_end() -> None:
    scene = Scene()
    scene.dictating.begin(pcm(1))
    scene.dictating.end()
    scene.worker.work()
    assert scene.dictating.text() == "1"
    assert len(scene.worker.jobs) == 0


def test_an_utterance_that_is_not_needed_after_its_end_is_not_ended() -> None:
    scene = Scene()
    scene.dictating.begin(pcm(1))
    scene.dictating.end()
    scene.dictating.drop()
    scene.worker.work()
    assert scene.made == []
    assert scene.dictating.text() is None


def test_an_utterance_that_is_not_needed_costs_nothing_more() -> None:
    scene = Scene()
    scene.dictating.begin(pcm(1))
    scene.dictating.feed(pcm(2))
    scene.worker.work(1)
    scene.dictating.drop()
    scene.dictating.feed(pcm(3))
    scene.worker.work()
    assert scene.heard == [[1]]
    assert not scene.dictating.goes_on


@pytest.mark.parametrize("room", [1, 2])
def test_an_utterance_without_room_has_no_words(room: int) -> None:
    scene = Scene()
    scene.worker.room = room
    scene.dictating.begin(pcm(1))
    scene.dictating.feed(pcm(2))
    assert scene.dictating.goes_on is (room == 2)
    assert scene.dictating.text() is None, "and nobody waits"


def test_an_utterance_that_begins_anew_is_heard_from_there() -> None:
    scene = Scene()
    scene.dictating.begin(pcm(1))
    scene.worker.work()
    scene.dictating.begin(pcm(7))
    scene.dictating.feed(pcm(8))
    scene.worker.work()
    assert scene.heard == [[1], [7, 8]]
