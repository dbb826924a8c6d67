"""Answers that are there before they are given: which, where they are kept, when they are made, and what goes wrong."""

from pathlib import Path

import numpy as np
import pytest

from appliance.audio.format import Pcm
from appliance.audio.player import Player
from appliance.bench.answers import answer_figures
from appliance.errors import StageError
from appliance.facts import Fact, PlaybackEnded, PlaybackStarted, StageFailed
from appliance.home.actions import Actions
from appliance.home.frequent import frequent_answers
from appliance.home.phrases import Phrases
from appliance.inbox import Inbox
from appliance.preparing import PAUSE_AFTER_FAILURE_FRAMES, PAUSE_FRAMES, QUIET_FRAMES, Preparing
from appliance.speaking import Speaking
from appliance.understanding.home_file import Area, Device, HomeConfig, OwnIntent
from appliance.understanding.language import Language
from appliance.voice.answer_cache import AnswerCache
from appliance.voice.answer_folder import AnswerFolder
from appliance.voice.utterance import chunks_of
from appliance.worker import InlineWorker
from tests.fakes import Effects, HeldWorker, RecordingSpeaker, ToneVoice, received

# Which.

HOME = HomeConfig(
    areas=(Area(id="kitchen", name="kitchen"),),
    devices=(
        Device(id="lamp", name="kitchen light", kind="light", area="kitchen", topic="lamp"),
        Device(id="film", name="movie night", kind="scene", topic="scene"),
    ),
    sentences=(
        OwnIntent(name="backup", sentences=("make a backup",), reply="The backup is done."),
        OwnIntent(name="channel", sentences=("play {channel}",), reply="Playing {channel}."),
    ),
)


def test_frequent_answers_are_those_that_the_actions_give() -> None:
    language = Language.built_in("en", HomeConfig())
    actions = Actions(HOME, Effects(), language.answer, Phrases.of("en"))
    answers = frequent_answers(actions, language, HOME, "kitchen")
    assert answers[0] == "Sorry, I didn't understand that."
    assert {
        "Kitchen light on.",
        "Kitchen lights off.",
        "Starting movie night.",
        "Timer set for ten minutes.",
        "Timer set for one hour.",
        "Volume forty percent.",
        "The backup is done.",
        "No timer is running.",
        "You are welcome.",
        "Sorry, that did not work.",
    } <= set(answers)
    assert not [text for text in answers if text.startswith("Playing ")], "of what is not known yet"
    assert len(answers) == len(set(answers))
    assert not [text for text in answers if "{" in text or not text.endswith((".", "?", "!"))]


# In memory.


def sound(number: int, frames: int = 3) -> Pcm:
    return np.full(320 * frames, number, np.int16)


def test_the_memory_for_answers_has_a_bound_and_the_oldest_said_goes() -> None:
    chunks = chunks_of(sound(1), 16_000)
    size = sum(chunk.pcm.nbytes + chunk.reference.nbytes for chunk in chunks)
    cache = AnswerCache(beforehand_bytes=size, said_bytes=2 * size)
    assert cache.fix("one", chunks)
    assert cache.fix("one", chunks), "it is there already"
    assert not cache.fix("two", chunks)
    for sentence in ("three", "four", "one"):
        cache.said(sentence, chunks)
    assert cache.get("three")
    cache.said("five", chunks)
    assert [name for name in ("one", "two", "three", "four", "five") if cache.get(name)] == ["one", "three", "five"]


# On the disk.


def test_a_sound_is_kept_by_voice_and_text(tmp_path: Path) -> None:
    folder = AnswerFolder(tmp_path / "state" / "answers")
    assert folder.load("joe 1", "Hello.") is None
    folder.store("joe 1", "Hello.", sound(7))
    kept = AnswerFolder(tmp_path / "state" / "answers").load("joe 1", "Hello.")
    assert kept is not None
    assert np.array_equal(kept, sound(7))
    assert folder.load("joe 2", "Hello.") is None
    assert folder.load("joe 1", "Hello!") is None
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("damage", [b"", b"x" * 40, None])
def test_a_damaged_file_is_as_none(damage: bytes | None, tmp_path: Path) -> None:
    folder = AnswerFolder(tmp_path)
    folder.store("joe", "Hello.", sound(7))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-1] if damage is None else damage)
    assert folder.load("joe", "Hello.") is None
    folder.store("joe", "Hello.", sound(8))
    assert folder.load("joe", "Hello.") is not None


def test_what_is_not_needed_any_more_is_removed_and_nothing_else(tmp_path: Path) -> None:
    folder = AnswerFolder(tmp_path)
    for voice, text in (("joe", "Hello."), ("joe", "Goodbye."), ("old", "Hello.")):
        folder.store(voice, text, sound(1))
    (tmp_path / "cut off.part").touch()
    (tmp_path / "mine.txt").touch()
    folder.keep_only("joe", ["Hello."])
    assert folder.load("joe", "Hello.") is not None
    assert len(list(tmp_path.iterdir())) == 2


def test_a_disk_that_takes_nothing_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "answers").write_text("a file where the folder should be")
    folder = AnswerFolder(tmp_path / "answers")
    for text in ("One.", "Two."):
        folder.store("joe", text, sound(1))
    folder.keep_only("joe", [])
    assert folder.load("joe", "One.") is None
    assert len(caplog.records) == 1
    assert "in memory only" in caplog.text


# When.


class Scene:
    """What makes answers beforehand, and what speaks, around one voice and one cache; a room without a loop."""

    def __init__(self, folder: Path, *answers: str, voice: ToneVoice | None = None) -> None:
        self.inbox = Inbox()
        self.worker = HeldWorker()
        self.voice = voice or ToneVoice()
        self.speaker = RecordingSpeaker()
        self.cache = AnswerCache()
        self.preparing = Preparing(
            voice=self.voice,
            cache=self.cache,
            folder=AnswerFolder(folder),
            worker=self.worker,
            post=self.inbox.post,
        )
        self.preparing.renew(answers)
        self.speaking = Speaking(
            voice=self.voice,
            player=Player(self.speaker, lead_frames=0),
            worker=InlineWorker("voice", failed=self.inbox.failed),
            post=self.inbox.post,
            cache=self.cache,
        )
        self.frame = 0

    def rest(self, frames: int) -> "Scene":
        """Nothing goes on for so long, and the worker has time."""
        for _ in range(frames):
            self.preparing.step(self.frame, rests=True)
            self.worker.work()
            received(self.inbox, self.frame)
            self.frame += 1
        return self

    def heard(self, frames: int) -> list[Fact]:
        facts: list[Fact] = []
        for _ in range(frames):
            facts += self.speaking.advance(self.frame).facts
            facts += received(self.inbox, self.frame)
            self.frame += 1
        return facts


def test_answers_are_made_one_by_one_after_it_was_quiet_for_a_while(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "One. Two.", "One.", "Three.").rest(QUIET_FRAMES)
    assert scene.voice.said == []
    scene.rest(1)
    assert scene.voice.said == ["One."]
    scene.rest(PAUSE_FRAMES - 1)
    assert scene.voice.said == ["One."]
    scene.rest(2 * PAUSE_FRAMES)
    assert scene.voice.said == ["One.", "Two.", "Three."]
    scene.rest(1000)
    assert scene.voice.said == ["One.", "Two.", "Three."]


def test_at_the_next_start_they_are_on_the_disk(tmp_path: Path) -> None:
    Scene(tmp_path, "One.", "Two.").rest(1000)
    again = Scene(tmp_path, "One.", "Two.").rest(QUIET_FRAMES + 2)
    assert again.voice.said == []
    assert again.cache.get("One.")
    assert again.cache.get("Two.")


def test_another_voice_makes_them_anew(tmp_path: Path) -> None:
    Scene(tmp_path, "One.").rest(1000)
    other = ToneVoice()
    other.identity = "other"
    assert Scene(tmp_path, "One.", voice=other).rest(1000).voice.said == ["One."]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_turn_ends_the_work_and_it_begins_again_later(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "One.").rest(QUIET_FRAMES)
    scene.preparing.step(scene.frame, rests=True)
    scene.preparing.step(scene.frame + 1, rests=False)
    scene.worker.work()
    received(scene.inbox, scene.frame + 1)
    assert scene.voice.said == []
    scene.frame += 2
    scene.rest(QUIET_FRAMES - 1)
    assert scene.voice.said == []
    scene.rest(2)
    assert scene.voice.said == ["One."]


def test_a_voice_that_fails_is_left_alone_for_some_minutes(tmp_path: Path) -> None:
    voice = ToneVoice()
    voice.errors["One."] = StageError("no breath")
    scene = Scene(tmp_path, "One.", voice=voice).rest(QUIET_FRAMES + PAUSE_AFTER_FAILURE_FRAMES)
    assert voice.said == ["One."]
    voice.errors.clear()
    scene.rest(1)
    assert scene.cache.get("One.")


def test_nothing_of_the_voice_that_stands_in_is_kept(tmp_path: Path) -> None:
    voice = ToneVoice()
    voice.identity = None
    scene = Scene(tmp_path / "answers", "One.", voice=voice).rest(1000)
    scene.speaking.say("One.")
    scene.heard(9)
    assert scene.cache.get("One.") is None
    assert not (tmp_path / "answers").exists()


def test_another_home_has_other_answers(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "One.", "Two.").rest(1000)
    scene.preparing.renew(["Two.", "Three."])
    scene.rest(1000)
    assert scene.voice.said == ["One.", "Two.", "Three."]
    assert len(list(tmp_path.iterdir())) == 2


# How it sounds.


def test_an_answer_that_is_there_sounds_in_the_next_frame(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "One. Two.").rest(1000)
    scene.speaking.say("One. Two.")
    assert scene.heard(9) == [PlaybackStarted(frame=1000, cached=True), PlaybackEnded(frame=1006)]
    assert scene.speaker.heard == [1, 1, 1, 2, 2, 2]


def test_what_was_said_is_there_when_it_is_said_again_but_not_on_the_disk(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "answers")
    for cached in (False, True):
        scene.speaking.say("Your reminder: call mom.")
        assert [fact.cached for fact in scene.heard(9) if isinstance(fact, PlaybackStarted)] == [cached]
    assert scene.voice.said == ["Your reminder: call mom."]
    assert not (tmp_path / "answers").exists()


def test_the_rest_of_an_answer_is_made_while_its_beginning_sounds(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "One.", "Three.").rest(1000)
    scene.speaking.say("One. Two. Three.")
    assert scene.heard(12) == [PlaybackStarted(frame=1000, cached=True), PlaybackEnded(frame=1009)]
    assert scene.speaker.heard == [1, 1, 1, 3, 3, 3, 2, 2, 2], "the third was made as the second"


def test_an_answer_that_was_foreseen_sounds_at_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.speaking.prepare("One. Two.")
    scene.speaking.prepare("One. Two.")
    scene.heard(3)
    assert scene.voice.said == ["One.", "Two."]
    scene.speaking.say("One. Two.")
    assert scene.heard(9) == [PlaybackStarted(frame=3, cached=True), PlaybackEnded(frame=9)]


def test_what_was_foreseen_wrong_is_given_up(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    worker = HeldWorker()
    scene.speaking._worker = worker
    scene.speaking.prepare("One.")
    scene.speaking.prepare("Two.")
    scene.speaking.say("Three.")
    worker.work()
    assert scene.voice.said == ["Three."]


def test_an_answer_is_taken_over_while_it_is_being_made(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    worker = HeldWorker()
    scene.speaking._worker = worker
    scene.speaking.prepare("One.")
    scene.speaking.say("One.")
    assert scene.heard(2) == []
    worker.work()
    assert scene.heard(6) == [PlaybackStarted(frame=3), PlaybackEnded(frame=6)]
    assert scene.voice.said == ["One."]


def test_what_could_not_be_prepared_is_tried_again_when_it_is_said(tmp_path: Path) -> None:
    voice = ToneVoice()
    voice.errors["One."] = StageError("no breath")
    scene = Scene(tmp_path, voice=voice)
    scene.speaking.prepare("One.")
    assert scene.heard(2) == [], "nobody is told"
    voice.errors.clear()
    scene.speaking.say("One.")
    assert scene.heard(6) == [PlaybackStarted(frame=3), PlaybackEnded(frame=6)]


def test_an_answer_that_breaks_off_after_it_was_taken_over_is_told(tmp_path: Path) -> None:
    voice = ToneVoice()
    voice.errors["One."] = StageError("no breath")
    scene = Scene(tmp_path, voice=voice)
    worker = HeldWorker()
    scene.speaking._worker = worker
    scene.speaking.prepare("One.")
    scene.speaking.say("One.")
    worker.work()
    failure, end = scene.heard(3)
    assert isinstance(failure, StageFailed)
    assert failure.stage == "voice"
    assert end == PlaybackEnded(frame=1, failed=True)


def test_the_bench_tells_how_soon_answers_are_heard() -> None:
    there, short, long = answer_figures(ToneVoice())
    assert "an answer that is there" in there
    assert short.startswith("  new short answer, 0.1 s: first sound after")
    assert long.startswith("  new long answer")
