"""An unclear command through the whole appliance, with real models: the question, and what each answer to it does."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance import config_files
from appliance.audio.files import FileSource
from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from appliance.bench.speech import spoken
from appliance.brains import Brains, load_brains, load_voice
from appliance.events import ActionDone, Event, IntentRecognized, ReplyGiven, State, StateChanged
from appliance.models import ModelStore
from appliance.replay import ReplaySettings, replay
from appliance.voice.voice import Voice

pytestmark = pytest.mark.model

UNCLEAR = (
    "Alexa, set a timer for ate ten minutes.",
    "Alexa, set the volume to a fifty bent.",
    "Alexa, turn on the lid.",
    "Alexa, what dime is it?",
    "Alexa, set the thyme for ten minutes.",
)
"""Near to a sentence, and none: what somebody says who mumbles. One of them at least is asked about."""

ANSWER_AFTER_S = 0.4


@pytest.fixture(scope="module")
def brains(store: ModelStore) -> Brains:
    return load_brains(config_files.load(None), wake_words=["alexa"])


@pytest.fixture(scope="module")
def voice(brains: Brains) -> Iterator[Voice]:
    voice = load_voice(brains.loaded, deterministic=True)
    yield voice
    voice.close()


class Room:
    """Plays a sound to a fresh appliance."""

    def __init__(self, brains: Brains, voice: Voice, folder: Path) -> None:
        self._brains, self._voice, self._file = brains, voice, folder / "said.wav"

    def events(self, pcm: Pcm) -> list[Event]:
        soundfile.write(self._file, pcm, SAMPLE_RATE_HZ)
        events: list[Event] = []
        source = FileSource(self._file)
        replay(self._brains, source, ReplaySettings(), voice=self._voice, publish=events.append)
        return events

    def say(self, text: str) -> Pcm:
        return spoken(self._voice, text, before_s=ANSWER_AFTER_S, after_s=1.0)

    def answered(self, unclear: Pcm, answer: Pcm) -> list[Event]:
        """What follows an answer that is given as soon as the appliance listens for it."""
        asked = self.events(unclear)
        (listens,) = (e.frame for e in asked if isinstance(e, StateChanged) and e.to is State.FOLLOWING_UP)
        silence = np.zeros(max(0, (listens or 0) * SAMPLE_RATE_HZ // 50 - unclear.size), np.int16)
        return self.events(np.concatenate([unclear, silence, answer]))


@pytest.fixture(scope="module")
def room(brains: Brains, voice: Voice, tmp_path_factory: pytest.TempPathFactory) -> Room:
    return Room(brains, voice, tmp_path_factory.mktemp("room"))


@pytest.fixture(scope="module")
def unclear(room: Room) -> Pcm:
    """A command that is asked about."""
    for text in UNCLEAR:
        pcm = room.say(text)
        if [event.decision for event in room.events(pcm) if isinstance(event, IntentRecognized)] == ["confirm"]:
            return pcm
    pytest.fail("nothing that is unclear is asked about")


def test_an_unclear_command_is_asked_about_and_silence_lets_it_go(room: Room, unclear: Pcm) -> None:
    events = room.events(unclear)
    (recognized,) = (event for event in events if isinstance(event, IntentRecognized))
    assert recognized.confidence is not None
    assert 0.0 < recognized.confidence < 1.0
    (question,) = (event.text for event in events if isinstance(event, ReplyGiven))
    assert question is not None
    assert question.startswith("Did you mean: ")
    states = [event.to for event in events if isinstance(event, StateChanged)]
    assert states[-3:] == [State.SPEAKING, State.FOLLOWING_UP, State.IDLE]
    assert not [event for event in events if isinstance(event, ActionDone)]


def test_yes_does_what_was_asked_about(room: Room, unclear: Pcm) -> None:
    events = room.answered(unclear, room.say("Yes."))
    asked, done = (event for event in events if isinstance(event, IntentRecognized))
    assert (asked.decision, done.decision) == ("confirm", "act")
    assert (done.intent, done.values) == (asked.intent, asked.values)
    assert [event.intent for event in events if isinstance(event, ActionDone)] == [asked.intent]


@pytest.mark.parametrize("answer", ["No.", "My grandmother likes to eat fish."])
def test_no_and_what_is_no_answer_do_nothing(room: Room, unclear: Pcm, answer: str) -> None:
    events = room.answered(unclear, room.say(answer))
    assert {event.intent for event in events if isinstance(event, ActionDone)} <= {"never_mind"}
    assert [event.to for event in events if isinstance(event, StateChanged)][-1] is State.IDLE


def test_the_same_conversation_is_the_same(room: Room, unclear: Pcm) -> None:
    assert room.events(unclear) == room.events(unclear)
