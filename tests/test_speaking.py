"""Answers sentence by sentence, interruptions, voices that fail, rings, and what another loudspeaker plays."""

from collections.abc import Callable

import numpy as np
import pytest

from appliance.audio.format import Frame, Pcm
from appliance.audio.player import Player
from appliance.errors import AudioError, StageError
from appliance.facts import Fact, PlaybackEnded, PlaybackStarted, StageFailed
from appliance.inbox import Inbox
from appliance.speaking import Now, Reference, Speaking
from appliance.voice.voice import Voice
from appliance.worker import InlineWorker, Worker
from tests.fakes import HeldWorker, RecordingSpeaker, ToneVoice, loud, quiet, received


class Scene:
    """Speaking without lead: what is handed over in a frame sounds in that frame."""

    def __init__(
        self, *, voice: Voice | None = None, worker: Worker | None = None, reference: Reference | None = None
    ) -> None:
        self.inbox = Inbox()
        self.speaker = RecordingSpeaker()
        self.speaking = Speaking(
            voice=voice or ToneVoice(),
            player=Player(self.speaker, lead_frames=0),
            worker=worker or InlineWorker("voice", failed=self.inbox.failed),
            post=self.inbox.post,
            reference=reference,
        )
        self.failures: list[Fact] = []

    def frame(self, index: int) -> Now:
        """As the loop does it: first the playback, then the inbox."""
        now = self.speaking.advance(index)
        self.failures += received(self.inbox, index)
        return now

    def run(self, first: int, until: int) -> tuple[list[Fact], list[int | None]]:
        """The facts, and the first sample of what sounds in each frame."""
        nows = [self.frame(index) for index in range(first, until)]
        return [fact for now in nows for fact in now.facts], [sample(now.reference) for now in nows]


def sample(pcm: Pcm | None) -> int | None:
    return None if pcm is None else int(pcm[0])


def test_an_answer_is_played_sentence_by_sentence() -> None:
    scene = Scene(voice=(voice := ToneVoice()))
    scene.speaking.say("It's noon. Lunch is ready.")
    facts, heard = scene.run(0, 10)
    assert voice.said == ["It's noon.", "Lunch is ready."]
    assert facts == [PlaybackStarted(frame=1), PlaybackEnded(frame=7)]
    assert heard == [0, 1, 1, 1, 2, 2, 2, None, None, None]
    assert scene.speaker.log == ["open 16000", 1, 1, 1, 2, 2, 2]


def test_the_first_sentence_sounds_while_the_second_is_made() -> None:
    heard: list[int | None] = []
    worker = HeldWorker()
    scene = Scene(worker=worker, voice=SlowVoice(lambda: heard.extend(scene.run(3, 9)[1])))
    scene.speaking.say("One. Two.")
    assert scene.run(0, 3) == ([], [0, 0, 0])
    worker.work()
    assert heard == [0, 1, 1, 1, 0, 0]
    assert scene.run(9, 15) == ([PlaybackEnded(frame=13)], [0, 2, 2, 2, None, None])


class SlowVoice(ToneVoice):
    """Lets time pass before its second sentence."""

    def __init__(self, pass_time: Callable[[], None]) -> None:
        super().__init__()
        self._pass_time = pass_time

    def synthesize(self, sentence: str) -> Pcm:
        if self.said:
            self._pass_time()
        return super().synthesize(sentence)


@pytest.mark.parametrize("text", ["", "...", " \n "])
def test_a_text_without_words_ends_at_once(text: str) -> None:
    scene = Scene()
    scene.speaking.say(text)
    assert scene.run(0, 5)[0] == [PlaybackEnded(frame=0)]
    assert scene.speaker.log == []


def test_hush_is_immediate_and_tells_no_end() -> None:
    scene = Scene()
    scene.speaking.say("One. Two.")
    scene.run(0, 3)
    scene.speaking.hush()
    assert scene.run(3, 20) == ([], [None] * 17)
    assert scene.speaker.log == ["open 16000", 1, 1, "abort"]


def test_what_is_hushed_before_it_is_made_is_never_made() -> None:
    worker = HeldWorker()
    scene = Scene(worker=worker, voice=(voice := ToneVoice()))
    scene.speaking.say("One. Two.")
    scene.run(0, 2)
    scene.speaking.hush()
    worker.work()
    assert scene.run(2, 10) == ([], [None] * 8)
    assert (voice.said, scene.speaker.heard) == ([], [])


def test_late_sentences_of_an_interrupted_answer_are_dropped() -> None:
    """They were made, and wait in the inbox when the next answer begins."""
    worker = HeldWorker()
    scene = Scene(worker=worker)
    scene.speaking.say("One. Two.")
    worker.work()
    scene.speaking.say("Three.")
    assert scene.run(0, 3) == ([], [0, 0, 0])
    worker.work()
    facts, heard = scene.run(3, 8)
    assert facts == [PlaybackStarted(frame=4), PlaybackEnded(frame=7)]
    assert heard == [0, 3, 3, 3, None]


def test_a_new_answer_cancels_the_sentences_that_are_not_made_yet() -> None:
    worker = HeldWorker()
    scene = Scene(worker=worker, voice=(voice := ToneVoice()))
    scene.speaking.say("One. Two.")
    scene.speaking.say("Three.")
    worker.work()
    scene.run(0, 10)
    assert voice.said == ["Three."]


# A voice that fails.


@pytest.mark.parametrize("error", [StageError("the voice has no breath"), RuntimeError("native code")])
def test_an_answer_that_cannot_be_made_ends_as_failed(error: Exception) -> None:
    voice = ToneVoice()
    voice.errors["One."] = error
    scene = Scene(voice=voice)
    scene.speaking.say("One. Two.")
    assert scene.run(0, 5)[0] == [PlaybackEnded(frame=1, failed=True)]
    (failure,) = scene.failures
    assert isinstance(failure, StageFailed)
    assert failure.stage == "voice"
    assert str(error) in failure.error


def test_what_there_is_of_an_answer_is_heard_before_it_ends_as_failed() -> None:
    voice = ToneVoice()
    voice.errors["Two."] = StageError("the voice has no breath")
    scene = Scene(voice=voice)
    scene.speaking.say("One. Two. Three.")
    facts, heard = scene.run(0, 8)
    assert facts == [PlaybackStarted(frame=1), PlaybackEnded(frame=4, failed=True)]
    assert heard == [0, 1, 1, 1, None, None, None, None]
    assert scene.failures == [StageFailed(frame=0, stage="voice", error="the voice has no breath")]


def test_the_answer_after_a_failed_one_is_as_good_as_any() -> None:
    voice = ToneVoice()
    voice.errors["One."] = StageError("the voice has no breath")
    scene = Scene(voice=voice)
    scene.speaking.say("One.")
    scene.run(0, 5)
    scene.speaking.say("Two.")
    assert scene.run(5, 12)[0] == [PlaybackStarted(frame=6), PlaybackEnded(frame=9)]


def test_a_late_failure_of_an_interrupted_answer_does_not_end_the_next() -> None:
    voice, worker = ToneVoice(), HeldWorker()
    voice.errors["One."] = StageError("the voice has no breath")
    scene = Scene(voice=voice, worker=worker)
    worker.failed = scene.inbox.failed
    scene.speaking.say("One.")
    worker.work()
    scene.speaking.say("Two.")
    worker.work()
    assert scene.run(0, 8)[0] == [PlaybackStarted(frame=1), PlaybackEnded(frame=4)]


def test_an_answer_for_which_the_voice_has_no_room_ends_as_failed() -> None:
    worker = HeldWorker()
    worker.room = 0
    scene = Scene(worker=worker)
    scene.speaking.say("One.")
    assert scene.run(0, 3)[0] == [PlaybackEnded(frame=0, failed=True)]
    (failure,) = scene.failures
    assert isinstance(failure, StageFailed)
    assert (failure.frame, failure.stage) == (0, "voice")
    assert "too many" in failure.error


class UnpluggedSpeaker(RecordingSpeaker):
    def open(self, rate_hz: int) -> None:
        raise AudioError("unplugged")


def test_a_lost_loudspeaker_is_told_and_the_answer_takes_its_time() -> None:
    inbox = Inbox()
    speaking = Speaking(
        voice=ToneVoice(),
        player=Player(UnpluggedSpeaker(), lead_frames=0),
        worker=InlineWorker("voice", failed=inbox.failed),
        post=inbox.post,
    )
    speaking.say("One.")
    facts = []
    for index in range(8):
        facts += speaking.advance(index).facts
        received(inbox, index)
    assert facts == [
        StageFailed(frame=1, stage="speaker", error="unplugged"),
        PlaybackEnded(frame=4, failed=True),
    ]


# Rings.


def test_a_ring_repeats_until_it_is_hushed_and_is_no_answer() -> None:
    scene = Scene()
    scene.speaking.ring()
    facts, _ = scene.run(0, 200)
    assert facts == []
    first, second = scene.speaker.heard[:80], scene.speaker.heard[80:160]
    assert first == second, "it lasts 1.6 s"
    assert np.any(first)
    scene.speaking.hush()
    assert scene.run(200, 300) == ([], [None] * 100)
    assert len(scene.speaker.heard) == 200
    assert scene.speaker.log[-1] == "abort"


def test_an_answer_after_a_ring_tells_its_begin_and_end() -> None:
    scene = Scene()
    scene.speaking.ring()
    scene.run(0, 10)
    scene.speaking.hush()
    scene.speaking.say("One.")
    assert scene.run(10, 20)[0] == [PlaybackStarted(frame=11), PlaybackEnded(frame=14)]


def test_the_volume_holds_for_answers() -> None:
    scene = Scene(voice=LoudVoice())
    scene.speaking.set_volume(0)
    scene.speaking.say("One.")
    facts, heard = scene.run(0, 5)
    assert heard == [0, 0, 0, 0, None]
    assert facts == [PlaybackStarted(frame=1), PlaybackEnded(frame=4)]
    scene.speaking.set_volume(50)
    scene.speaking.say("One.")
    assert scene.run(5, 8)[1] == [0, 1000, 1000], "half way down is -20 dB"


class LoudVoice(ToneVoice):
    def synthesize(self, sentence: str) -> Pcm:
        return np.full(960, 10_000, np.int16)


# Another loudspeaker.


def track(*sounding: int, length: int = 40) -> Reference:
    """A recording that sounds in these frames."""
    silence = np.zeros(320, np.int16)
    return Reference([loud(index) if index in sounding else Frame(index, silence) for index in range(length)])


def test_a_second_track_speaks_from_its_first_sound_to_its_last() -> None:
    facts, heard = Scene(reference=track(10, 11, 20)).run(0, 60)
    assert facts == [PlaybackStarted(frame=10), PlaybackEnded(frame=21)]
    assert heard == [None] * 10 + [8000, 8000] + [0] * 8 + [8000] + [None] * 39


@pytest.mark.parametrize("reference", [track(), Reference([])])
def test_a_silent_track_says_nothing(reference: Reference) -> None:
    assert Scene(reference=reference).run(0, 60) == ([], [None] * 60)


def test_a_track_may_sound_to_its_very_end() -> None:
    facts, heard = Scene(reference=track(38, 39)).run(0, 42)
    assert facts == [PlaybackStarted(frame=38), PlaybackEnded(frame=40)]
    assert heard[37:] == [None, 8000, 8000, None, None]


def test_both_sound_together_without_overflow() -> None:
    scene = Scene(reference=Reference([loud(index, 32_000) for index in range(10)]), voice=LoudVoice())
    scene.speaking.say("One.")
    assert scene.run(0, 12)[1] == [32_000, 32_767, 32_767, 32_767, *[32_000] * 6, None, None]


def test_the_end_of_a_track_is_not_the_end_of_the_answer_that_sounds() -> None:
    """The person interrupted the track, and is answered before the track is over."""
    scene = Scene(reference=track(*range(5, 20)))
    assert scene.run(0, 17)[0] == [PlaybackStarted(frame=5)]
    scene.speaking.hush()
    scene.speaking.say("One. Two.")
    facts, _ = scene.run(17, 30)
    assert facts == [PlaybackStarted(frame=18), PlaybackEnded(frame=24)]


def test_a_track_that_begins_within_an_answer_is_part_of_it() -> None:
    scene = Scene(reference=track(*range(3, 30)))
    scene.speaking.say("One. Two.")
    assert scene.run(0, 20)[0] == [PlaybackStarted(frame=1), PlaybackEnded(frame=7)]


def test_a_quiet_room_is_sound_too() -> None:
    assert Reference([quiet(0)]).first == 0
