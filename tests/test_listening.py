"""One utterance: what the recognizer is fed, when its result is asked for, and what is made of it."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from appliance.audio.format import Frame, Pcm
from appliance.audio.ring import Ring
from appliance.facts import CommandBegan, CommandEnded, Fact, Foreseen, Listen, PartlyHeard, StageFailed, Understood
from appliance.inbox import Inbox
from appliance.intent import Completion
from appliance.listening import Listening, word_end
from appliance.speech.endpoint import Endpointer, Limits
from appliance.understander import Understander
from appliance.understanding.automaton import word_graph
from appliance.understanding.phones import PhoneTable
from appliance.understanding.pronunciations import Pronunciations
from appliance.understanding.reading import Reader
from appliance.understanding.soundalike import SoundMatcher
from appliance.understanding.templates import Templates
from appliance.worker import InlineWorker, Worker
from tests.fakes import (
    CHUNK_FRAMES,
    LIMITS,
    Heard,
    HeldWorker,
    ScriptedDetector,
    ScriptedRecognizer,
    language,
    loud,
    numbered,
    received,
)


class Scene:
    """Frames whose samples are their index, and everything that listening needs."""

    def __init__(
        self,
        *heard: Heard,
        speech: tuple[range, ...] = (),
        worker: Worker | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        self.inbox = Inbox()
        self.ring = Ring()
        self.detector = ScriptedDetector(*speech)
        self.recognizer = ScriptedRecognizer(*heard)
        self.listening = Listening(
            ring=self.ring,
            detector=self.detector,
            endpointer=Endpointer(limits),
            understander=cache(lambda: Understander(self.recognizer, language(), self.inbox.post)),
            post=self.inbox.post,
            worker=worker or InlineWorker("recognition", failed=self.inbox.failed),
            tracer=None,
            chunk_frames=CHUNK_FRAMES,
        )
        self.next = 0

    def run(self, until: int, sound: Callable[[int], Frame] = numbered) -> list[Fact]:
        """Feed frames; the facts of listening itself."""
        facts = []
        for index in range(self.next, until):
            self.ring.append(sound(index))
            facts += self.listening.process(sound(index))
        self.next = until
        return facts

    def hear(self) -> list[Fact]:
        """Take what the worker posted as the loop does, one after the other; what listening tells of it."""
        facts: list[Fact] = []
        while (result := self.inbox.take()) is not None:
            fact = result(self.next - 1)
            assert fact is None or isinstance(fact, PartlyHeard)
            facts += self.listening.heard(fact) if fact else []
        return facts

    def posted(self) -> list[Fact]:
        """What the worker posted, as of the newest frame; of what was partly heard, what is new."""
        facts: list[Fact] = []
        for fact in received(self.inbox, self.next - 1):
            if isinstance(fact, PartlyHeard) and any(
                isinstance(other, PartlyHeard) and other.text == fact.text for other in facts
            ):
                continue
            facts.append(fact)
        return facts


def frames_in(pcm: list[Pcm]) -> list[int]:
    """The indices of the frames that these samples come from."""
    whole = np.concatenate(pcm)
    assert whole.size % 320 == 0
    return [int(value) for value in whole[::320]]


def woken(turn: int = 1, at: int = 99) -> Listen:
    return Listen(turn=turn, from_frame=max(0, at - 75), at_frame=at, after_wake=True)


# What the recognizer is fed.


def test_the_recognizer_hears_every_frame_once_from_before_the_wake_word_to_the_end() -> None:
    scene = Scene(Heard(texts=("what time is it",)))
    scene.run(100)
    scene.listening.begin(woken(), command_from=98)
    scene.run(163)
    fed = scene.recognizer.fed
    scene.listening.finish(162)
    assert frames_in(fed) == list(range(24, 163))
    assert [pcm.size // 320 for pcm in fed] == [77, *[5] * 12, 2]


def test_near_the_start_there_is_less_to_hear() -> None:
    scene = Scene()
    scene.run(10)
    scene.listening.begin(woken(at=9), command_from=8)
    scene.run(20)
    assert frames_in(scene.recognizer.fed) == list(range(16))


def test_in_a_stream_that_began_a_moment_ago_only_its_own_frames_are_heard() -> None:
    scene = Scene()
    scene.run(50)
    scene.next = 5000
    scene.run(5020)
    scene.listening.begin(woken(at=5019), command_from=5018)
    scene.run(5025)
    assert frames_in(scene.recognizer.fed) == list(range(5000, 5021))


def test_without_a_wake_word_it_hears_what_follows() -> None:
    scene = Scene(Heard(texts=("stop",)))
    scene.run(100)
    scene.listening.begin(Listen(turn=1, from_frame=99, at_frame=99, after_wake=False), command_from=99)
    scene.run(120)
    assert frames_in(scene.recognizer.fed)[0] == 99
    assert scene.recognizer.log == ["begin alone"]


def test_the_detector_hears_the_half_second_before_and_then_every_frame() -> None:
    scene = Scene()
    scene.run(100)
    scene.listening.begin(woken(), command_from=98)
    assert scene.detector.seen == list(range(75, 100))
    scene.run(110)
    assert scene.detector.seen == list(range(75, 110))


def test_nothing_is_heard_unless_it_listens() -> None:
    scene = Scene(speech=(range(0, 300),))
    assert scene.run(100) == []
    scene.listening.begin(woken(), command_from=98)
    scene.run(130)
    scene.listening.cancel()
    count = len(scene.detector.seen)
    assert scene.run(300) == []
    assert len(scene.detector.seen) == count
    scene.listening.finish(299)
    assert scene.recognizer.log == ["begin after wake", "begin after wake"], "nothing is left to finish"


# Begin and end.


def test_begin_and_end_of_the_command_are_told() -> None:
    scene = Scene(Heard(partials={15: "stop"}), speech=(range(150, 180),))
    scene.run(100)
    scene.listening.begin(woken(), command_from=98)
    assert scene.run(176) == [CommandBegan(frame=153)]
    (partly,) = scene.posted()
    assert isinstance(partly, PartlyHeard)
    assert (partly.frame, partly.turn, partly.text, partly.heard_to) == (175, 1, "stop", 170)
    assert scene.listening.heard(partly) == [partly], "it had begun"
    told = scene.run(300)
    assert [type(fact) for fact in told[:2]] == [Foreseen, CommandEnded]
    assert told[1] == CommandEnded(frame=204, reason="silence", last_speech=179), "the recognizer told no more"


def test_words_begin_a_command_that_the_detector_is_deaf_to() -> None:
    scene = Scene(Heard(partials={3: "stop"}))
    scene.run(100)
    scene.listening.begin(woken(), command_from=98)
    assert scene.run(120) == []
    (partly,) = scene.posted()
    assert isinstance(partly, PartlyHeard)
    assert scene.listening.heard(partly) == [CommandBegan(frame=119), partly]
    assert scene.listening.heard(partly) == []


def test_words_of_another_turn_or_none_begin_nothing() -> None:
    scene = Scene()
    stale = PartlyHeard(frame=120, turn=1, text="stop", heard_to=120)
    assert scene.listening.heard(stale) == []
    scene.run(100)
    scene.listening.begin(woken(turn=2), command_from=98)
    assert scene.listening.heard(stale) == []
    words = replace(stale, turn=2)
    assert scene.listening.heard(words) == [CommandBegan(frame=120), words]


def test_partial_text_is_told_when_it_changes() -> None:
    scene = Scene(Heard(partials={2: "stop", 6: "stop it"}))
    scene.run(100)
    scene.listening.begin(woken(), command_from=98)
    scene.run(160)
    assert [(fact.turn, fact.text) for fact in scene.posted() if isinstance(fact, PartlyHeard)] == [
        (1, "stop"),
        (1, "stop it"),
    ]


@pytest.mark.parametrize(
    ("text", "completion"),
    [
        ("stop", Completion.OPEN),
        ("set a timer for", Completion.INCOMPLETE),
        ("set a time for", Completion.NONE),
        ("set a timer for [unk]", Completion.INCOMPLETE),
    ],
)
def test_how_far_the_words_have_come_is_told_and_an_unknown_sound_is_a_hesitation(
    text: str, completion: Completion
) -> None:
    scene = Scene(Heard(partials={2: text}))
    scene.run(100)
    scene.listening.begin(woken(), command_from=98)
    scene.run(120)
    partly = scene.posted()[0]
    assert isinstance(partly, PartlyHeard)
    assert partly.completion is completion


# Another voice in the background.


def voices(person: range, *, background: int = 300, word: range = range(360, 395)) -> Callable[[int], Frame]:
    """Somebody talks all the time; the person says the wake word, detected at 399, and then the command."""
    return lambda index: loud(index, 3000 if index in word or index in person else background)


def woken_amid(sound: Callable[[int], Frame], *, before: int = 400, background_from: int = 0) -> list[Fact]:
    """What becomes of a command at 450 to 499, in sound that the detector takes for speech throughout."""
    scene = Scene(Heard(partials={20: "stop"}), speech=(range(0, 1000),))
    scene.next = 400 - before
    scene.run(400, sound)
    scene.listening.begin(woken(at=399), command_from=398, background_from=background_from)
    facts = []
    for until in range(401, 1000):
        facts += scene.run(until, sound)
        for fact in scene.posted():
            assert isinstance(fact, PartlyHeard)
            scene.listening.heard(fact)
        if any(isinstance(fact, CommandEnded) for fact in facts):
            break
    return facts[1:]


def test_a_voice_in_the_background_does_not_hold_the_turn_open() -> None:
    (ended,) = woken_amid(voices(range(450, 500)))
    assert ended == CommandEnded(frame=554, reason="silence", last_speech=499)


def test_a_voice_as_loud_as_the_person_does() -> None:
    (ended,) = woken_amid(voices(range(450, 500), background=2500))
    assert ended == CommandEnded(frame=814, reason="too_long", last_speech=814)


def test_a_wake_word_in_the_first_second_tells_nothing_of_the_background() -> None:
    (ended,) = woken_amid(voices(range(450, 500)), before=75 + 49)
    assert isinstance(ended, CommandEnded)
    assert ended.reason == "too_long"
    (ended,) = woken_amid(voices(range(450, 500)), before=75 + 50)
    assert isinstance(ended, CommandEnded)
    assert ended.reason == "silence"


def test_what_was_loud_more_than_five_seconds_before_the_wake_word_is_forgotten() -> None:
    def sound(last: int) -> Callable[[int], Frame]:
        return lambda index: loud(index, 3000) if index <= last else voices(range(450, 500))(index)

    assert [fact.frame for fact in woken_amid(sound(74))] == [554]
    assert [fact.frame for fact in woken_amid(sound(124))] == [814]


def test_the_turn_before_is_no_background() -> None:
    assert [fact.frame for fact in woken_amid(voices(range(450, 500)), background_from=275)] == [554]
    assert [fact.frame for fact in woken_amid(voices(range(450, 500)), background_from=276)] == [814]


@pytest.mark.parametrize(("level", "begins"), [(3000, True), (1600, True), (1400, False), (300, False)])
def test_who_goes_on_after_an_answer_is_as_loud_as_before(level: int, begins: bool) -> None:
    """6 dB less than the wake word: half the amplitude."""
    scene = Scene(Heard(partials={20: "stop"}), speech=(range(0, 1000),))
    scene.run(400, voices(range(0), background=200))
    scene.listening.begin(woken(at=399), command_from=398)
    scene.run(500, voices(range(450, 480), background=200))
    going_on = Listen(turn=2, from_frame=499, at_frame=499, after_wake=False, patience_frames=150, goes_on=True)
    scene.listening.begin(going_on, command_from=499)
    facts = scene.run(560, lambda index: loud(index, level))
    for fact in scene.posted():
        assert isinstance(fact, PartlyHeard)
        facts += [one for one in scene.listening.heard(fact) if isinstance(one, CommandBegan)]
    assert [type(fact) for fact in facts] == [CommandBegan] * begins


# What it means.


def understood(*heard: Heard, command_from: int = 98) -> tuple[Understood, list[str]]:
    """The result of an utterance from frame 24 to 149, and what the recognizer was told to do."""
    scene = Scene(*heard)
    scene.run(100)
    scene.listening.begin(woken(turn=7), command_from=command_from)
    scene.run(150)
    scene.listening.finish(149)
    (fact,) = scene.posted()
    assert isinstance(fact, Understood)
    return fact, scene.recognizer.log


def test_the_first_text_that_the_language_says_is_the_intent() -> None:
    fact, log = understood(Heard(texts=("what time is it at", "what time is it", "stop")))
    assert (fact.frame, fact.turn, fact.text) == (149, 7, "what time is it")
    assert fact.intent is not None
    assert fact.intent.name == "time_ask"
    assert (fact.nearest, fact.score) == ("what time is it", 1.0)
    assert log == ["begin after wake", f"finish {126 * 320}", "begin after wake"]


def test_what_is_not_understood_is_dictated_and_compared() -> None:
    fact, log = understood(Heard(texts=("what time is at",), dictated="what time was it"))
    assert (fact.text, fact.intent, fact.nearest) == ("what time was it", None, "what time is it")
    assert fact.score is not None
    assert 0.7 < fact.score < 1.0
    assert log[2] == f"dictate {52 * 320}", "the command alone, frames 98 to 149"


def test_no_words_are_nothing() -> None:
    fact, log = understood(Heard(texts=()))
    assert (fact.text, fact.intent, fact.nearest, fact.score) == ("", None, None, None)
    assert "dictate" not in " ".join(log)


def test_a_misheard_wake_word_is_left_out_in_a_second_look() -> None:
    fact, log = understood(Heard(texts=("a lexus stop",), wake_heard=False), Heard(texts=("stop",)))
    assert fact.intent is not None
    assert fact.intent.name == "stop"
    assert log == [
        "begin after wake",
        f"finish {126 * 320}",
        "begin alone",
        f"finish {52 * 320}",
        "begin after wake",
    ]


def test_a_command_that_is_understood_needs_no_second_look() -> None:
    _, log = understood(Heard(texts=("stop",), wake_heard=False))
    assert "begin alone" not in log


def test_dictation_of_nothing_is_nothing() -> None:
    fact, _ = understood(Heard(texts=("hm",), dictated=""))
    assert (fact.text, fact.nearest) == ("", None)


# A busy recognizer.


def test_a_chunk_that_does_not_fit_spoils_the_utterance() -> None:
    worker = HeldWorker()
    scene = Scene(Heard(texts=("stop",)), worker=worker)
    scene.run(100)
    worker.room = 3
    scene.listening.begin(woken(), command_from=98)
    scene.run(127)
    assert (len(worker.jobs), scene.listening.shed_since) == (3, 110)


@pytest.mark.parametrize(("room_at_begin", "room_at_end"), [(0, 1000), (1000, 0)])
def test_an_utterance_without_room_fails_rather_than_being_waited_for(room_at_begin: int, room_at_end: int) -> None:
    worker = HeldWorker()
    scene = Scene(Heard(texts=("stop",)), worker=worker)
    scene.run(100)
    worker.room = room_at_begin
    scene.listening.begin(woken(), command_from=98)
    worker.room = 1000
    scene.run(150)
    worker.room = room_at_end
    scene.listening.finish(149)
    worker.work()
    (fact,) = scene.posted()
    assert isinstance(fact, StageFailed)
    assert (fact.frame, fact.stage) == (149, "recognition")
    assert "busy" in fact.error


def test_the_audio_of_a_held_job_is_not_overwritten_by_later_frames() -> None:
    worker = HeldWorker()
    scene = Scene(Heard(), worker=worker)
    scene.run(100)
    scene.listening.begin(woken(), command_from=98)
    scene.run(105)
    scene.run(1200)
    worker.work(2)
    assert frames_in(scene.recognizer.fed) == list(range(24, 101))


# Where the wake word ended.


@pytest.mark.parametrize(
    ("levels", "end"),
    [
        ([-60.0] * 40 + [-20.0] * 25 + [-60.0] * 10, 189),
        ([-60.0] * 40 + [-20.0] * 25 + [-39.9] * 2 + [-60.0] * 8, 191),
        ([-60.0] * 40 + [-20.0] * 35, 199),
        ([-60.0], 199),
        ([-120.0] * 75, 199),
    ],
)
def test_the_wake_word_ended_with_its_last_loud_frame(levels: list[float], end: int) -> None:
    assert word_end(levels, 199) == end


# What is made ready while the person may be done.


def foresight(partials: dict[int, str], *speech: range, until: int = 300) -> tuple[list[Fact], Scene]:
    """What listening itself tells while somebody speaks; partials by number of chunks, of which one is 5 frames."""
    scene = Scene(Heard(partials=partials, texts=(partials[max(partials)],)), speech=speech)
    scene.run(100)
    scene.listening.begin(woken(), command_from=98)
    facts: list[Fact] = []
    while scene.next < until and not any(isinstance(fact, CommandEnded) for fact in facts):
        facts += scene.run(scene.next + 1)
        scene.hear()
    return facts, scene


def test_a_whole_command_is_foreseen_when_the_person_falls_silent() -> None:
    facts, _ = foresight({10: "what time", 13: "what time is it"}, range(120, 170))
    assert [(fact.frame, type(fact)) for fact in facts] == [
        (123, CommandBegan),
        (170, Foreseen),
        (194, CommandEnded),
    ]
    foreseen = facts[1]
    assert isinstance(foreseen, Foreseen)
    assert (foreseen.turn, foreseen.intent.name) == (1, "time_ask")


def test_what_is_no_whole_command_is_not_foreseen() -> None:
    facts, _ = foresight({10: "what time"}, range(120, 170))
    assert not any(isinstance(fact, Foreseen) for fact in facts)


def test_a_command_that_goes_on_is_foreseen_anew() -> None:
    said = {10: "set a timer for ten minutes", 25: "set a timer for ten minutes and thirty seconds"}
    facts, _ = foresight(said, range(120, 170), range(180, 230))
    assert [(fact.frame, fact.intent.values) for fact in facts if isinstance(fact, Foreseen)] == [
        (170, {"duration": 600}),
        (230, {"duration": 630}),
    ]


# What is concluded before the silence is long enough.


def concluding(
    *heard: Heard, speech: tuple[range, ...] = (range(120, 170),), limits: Limits = LIMITS
) -> tuple[Scene, HeldWorker]:
    """Listening after a wake word, with a worker that does a job when it is told to."""
    worker = HeldWorker()
    scene = Scene(*heard, speech=speech, worker=worker, limits=limits)
    scene.run(100)
    scene.listening.begin(woken(), command_from=98)
    return scene, worker


def listen(scene: Scene, worker: HeldWorker, until: int) -> list[Fact]:
    """Let the worker do everything at once, until the command ends or until this frame."""
    facts: list[Fact] = []
    while scene.next < until and not any(isinstance(fact, CommandEnded) for fact in facts):
        facts += scene.run(scene.next + 1)
        worker.work()
        facts += scene.hear()
    return facts


TIME = Heard(partials={10: "what time is it"}, texts=("what time is it",))


def test_what_was_said_is_known_in_the_frame_that_ends_it() -> None:
    scene, worker = concluding(TIME)
    ended = listen(scene, worker, 300)[-1]
    assert (ended.frame, scene.recognizer.log[1:]) == (194, [f"finish {(189 - 24 + 1) * 320}"])
    scene.listening.finish(194)
    (fact,) = scene.posted()
    assert isinstance(fact, Understood)
    assert (fact.frame, fact.turn, fact.text) == (194, 1, "what time is it")
    worker.work()
    assert scene.posted() == []
    assert scene.recognizer.log[2:] == ["begin after wake"], "ready for the next one"


def test_who_goes_on_is_heard_as_a_whole_and_concluded_again() -> None:
    whole = Heard(partials={1: "set a timer for ten minutes"}, texts=("set a timer for ten minutes",))
    scene, worker = concluding(TIME, whole, speech=(range(120, 170), range(192, 230)))
    listen(scene, worker, 300)
    assert scene.recognizer.log == [
        "begin after wake",
        f"finish {(189 - 24 + 1) * 320}",
        "begin after wake",
        f"finish {(249 - 24 + 1) * 320}",
    ]
    assert frames_in(scene.recognizer.fed) == list(range(24, 250))
    scene.listening.finish(254)
    (fact,) = scene.posted()
    assert isinstance(fact, Understood)
    assert fact.text == "set a timer for ten minutes"


def test_what_is_concluded_of_the_silence_before_is_not_taken_for_the_whole() -> None:
    """The worker is slow: it has concluded when the person has gone on and fallen silent again."""
    whole = Heard(partials={1: "stop"}, texts=("stop",))
    limits = replace(LIMITS, closed_frames=9, open_frames=9)
    scene, worker = concluding(TIME, whole, speech=(range(120, 170), range(176, 177)), limits=limits)
    listen(scene, worker, 173)
    scene.run(181)
    assert len(worker.jobs) == 5, "fed and concluded, fed, and both again"
    worker.work(2)
    scene.hear()
    scene.listening.finish(180)
    assert scene.posted() == [], "it is not ready"
    worker.work()
    assert [fact.text for fact in scene.posted() if isinstance(fact, Understood)] == ["stop"]


def test_while_a_command_is_heard_anew_the_recognizer_may_be_behind_for_a_second() -> None:
    scene, worker = concluding(TIME, TIME, speech=(range(120, 170), range(192, 400)))
    listen(scene, worker, 192)
    worker.room = 6  # it takes long, and others come
    scene.run(242)
    assert scene.listening.slow_since is None
    scene.run(243)
    assert scene.listening.slow_since == 242


def test_what_could_not_be_concluded_is_heard_anew_at_the_end() -> None:
    scene, worker = concluding(replace(TIME, error=RuntimeError("no room")), TIME)
    listen(scene, worker, 300)
    scene.listening.finish(194)
    worker.work()
    (fact,) = scene.posted()
    assert isinstance(fact, Understood)
    assert fact.text == "what time is it"
    assert scene.recognizer.log[-2] == f"finish {(189 - 24 + 1) * 320}", "all of it"


def test_what_is_being_concluded_when_the_command_ends_is_told_by_the_worker() -> None:
    scene, worker = concluding(TIME)
    listen(scene, worker, 189)
    scene.run(195)
    scene.listening.finish(194)
    assert len(worker.jobs) == 3, "fed, concluded and told"
    worker.work()
    understood = [fact for fact in scene.posted() if isinstance(fact, Understood)]
    assert [fact.text for fact in understood] == ["what time is it"]
    assert [line.split()[0] for line in scene.recognizer.log] == ["begin", "finish", "begin"], "it ended once"


@pytest.mark.parametrize(
    ("texts", "frames"),
    [(("what time is it",), 11), (("set a timer for ten minutes",), 20), (("what time is at",), 30), ((), 30)],
)
def test_a_misheard_text_that_turns_out_to_be_a_command_ends_like_one(texts: tuple[str, ...], frames: int) -> None:
    """Its partial text is no beginning of a sentence, and another of those that it may have been is one."""
    heard = Heard(partials={10: "what thyme is it"}, texts=texts, dictated="what time is at")
    limits = replace(LIMITS, closed_frames=8, open_frames=20, wide_open_frames=30, silence_frames=40)
    scene, worker = concluding(heard, limits=limits)
    ended = listen(scene, worker, 300)[-1]
    assert isinstance(ended, CommandEnded)
    assert ended.frame - ended.last_speech == frames


def test_nothing_is_concluded_while_the_recognizer_lags_behind() -> None:
    scene, worker = concluding(TIME)
    listen(scene, worker, 180)
    worker.jobs.extend([lambda: None] * 10)
    scene.run(195)
    worker.work()
    assert scene.recognizer.log == ["begin after wake"]


# What is dictated beside.


class Dictated:
    """Hears a text with its second chunk, and knows `stop` and a longer sentence."""

    def __init__(
        self, text: str = "stop", dictation: Worker | None = None, detector: ScriptedDetector | None = None
    ) -> None:
        self.recognizer = ScriptedRecognizer(Heard(texts=(text,), partials={2: text}, dictated=text))
        self.posted: list[Fact | None] = []
        small = Templates({"language": "en", "intents": {"stop": {"data": [{"sentences": ["stop", LONG]}]}}}, "test")
        sounds = SoundMatcher(word_graph(small.trees), Pronunciations(DICTIONARY, PhoneTable()))
        known = language()
        self.understander = Understander(
            self.recognizer,
            known,
            lambda result: self.posted.append(result(0)),
            reader=Reader(known.match, known.bare, sounds),
            detector=detector,
            dictation=dictation,
        )
        self.understander.begin(True, before=1000)

    def ends(self) -> list[str]:
        """What the recognizer was told for it."""
        before = len(self.recognizer.log)
        self.understander.finish(1)
        return self.recognizer.log[before:-1]


LONG = "set the volume to fifty percent"
DICTIONARY = b"""fifty F IH1 F T IY0
percent P ER0 S EH1 N T
set S EH1 T
stop S T AA1 P
the DH AH0
to T UW1
volume V AA1 L Y UW0 M
"""

CHUNK = np.zeros(640, np.int16)


def test_from_the_first_words_on_all_that_follows_the_wake_word_is_dictated_once() -> None:
    """It may be held against free dictation in the end, and its time passes while the command is said."""
    worker = HeldWorker()
    scene = Dictated(dictation=worker)
    jobs = []
    for _ in range(4):
        scene.understander.hear(CHUNK)
        jobs.append(len(worker.jobs))
    assert jobs == [0, 1, 2, 3]
    scene.understander._dictating._worker = InlineWorker("dictation", failed=lambda name, error: None)
    worker.work()
    assert scene.ends() == ["dictate 1560", "finish 2560"], "1000 samples are the wake word's"
    (heard,) = scene.posted
    assert isinstance(heard, Understood)
    assert heard.text == "stop"


def test_where_nobody_dictates_beside_it_is_done_at_the_end() -> None:
    scene = Dictated()
    for _ in range(4):
        scene.understander.hear(CHUNK)
    assert scene.recognizer.log == ["begin after wake"]
    assert scene.ends() == ["finish 2560", "dictate 1560"]


def test_while_there_is_no_time_for_it_no_dictation_begins_but_one_that_did_goes_on() -> None:
    worker = HeldWorker()
    understander = Dictated(dictation=worker).understander
    for ahead, jobs in ((False, 0), (False, 0), (True, 1), (False, 2)):
        understander.hear(CHUNK, ahead=ahead)
        assert len(worker.jobs) == jobs


def test_the_dictation_of_what_is_clear_is_given_up() -> None:
    worker = HeldWorker()
    scene = Dictated(LONG, worker, ScriptedDetector(range(100)))
    for _ in range(4):
        scene.understander.hear(np.zeros(5 * 640, np.int16))
    assert len(worker.jobs) == 3
    assert scene.ends() == ["finish 12800"]
    worker.work()
    assert "dictate" not in " ".join(scene.recognizer.log)


def test_the_detector_hears_each_frame_of_the_command_once() -> None:
    """For what tells whether words were missed: the rest of it is heard at the end."""
    scene = Dictated(detector=(detector := ScriptedDetector()))
    for _ in range(4):
        scene.understander.hear(CHUNK)
    assert detector.seen == [0, 1, 2, 3]
    scene.understander.hear(CHUNK, ahead=False)
    assert detector.seen == [0, 1, 2, 3]
    scene.ends()
    assert detector.seen == [0, 1, 2, 3, 4, 5]


# A processor that is short.


def test_a_recognizer_that_lags_behind_gets_longer_chunks_and_recovers() -> None:
    worker = HeldWorker()
    scene = Scene(Heard(), worker=worker)
    scene.run(100)
    scene.listening.begin(woken(), command_from=98)
    scene.run(150)
    assert scene.listening.slow_since == 111, "the begin and three chunks wait by then, one of them with the wake word"
    worker.work()
    before = len(scene.recognizer.fed)
    worker.jobs.append(lambda: None)
    scene.run(175)
    worker.work()
    sizes = [pcm.size // 320 for pcm in scene.recognizer.fed[before:]]
    assert set(sizes) == {10}, "200 ms at a time, until nothing waits any more"
    scene.run(178)
    assert scene.listening.slow_since is None


def test_nothing_is_made_ahead_while_the_recognizer_lags_behind() -> None:
    scene = Scene(Heard(partials={1: "what time is it"}), speech=(range(120, 140),))
    scene.run(100)
    scene.listening.begin(woken(), command_from=98)
    scene.run(130)
    for fact in received(scene.inbox, 129):
        assert isinstance(fact, PartlyHeard)
        scene.listening.heard(fact)
    held = HeldWorker()
    held.jobs.extend([lambda: None] * 10)
    scene.listening._worker = held
    assert not any(isinstance(fact, Foreseen) for fact in scene.run(145))


def test_dictation_is_made_ready_while_nothing_goes_on_and_a_failure_is_not_told() -> None:
    worker = HeldWorker()
    scene = Scene()
    understander = Dictated(dictation=worker).understander
    scene.listening._understander = lambda: understander
    scene.listening.get_ready()
    scene.listening.get_ready()
    worker.work()
    assert understander._dictating._ready is not None

    def fails() -> Understander:
        raise RuntimeError("no model")

    scene.listening._understander = fails
    scene.listening.get_ready()
    assert scene.posted() == []
