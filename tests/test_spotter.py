"""Several words at once, the own voice, and resets, with engines whose scores are written into the samples."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from appliance.audio.format import FRAME_SAMPLES, Frame, Pcm
from appliance.echo.canceller import OWN_VOICE_FRAMES
from appliance.events import StopDetected, WakeDetected, WakeNearMissed
from appliance.wake.engine import FrontEnd, Parts, WakeModel, WakeWord
from appliance.wake.features import Samples
from appliance.wake.sleeper import PAST_FRAMES, Sleeper
from appliance.wake.spotter import LISTEN_ON_FRAMES, Spotter


class ScriptedModel:
    """Its score stands in the sound: sample number `channel`, in percent."""

    def __init__(self, channel: int, log: list[str]) -> None:
        self._channel = channel
        self._log = log

    def process(self, features: Pcm) -> float | None:
        return float(features[self._channel]) / 100

    def reset(self) -> None:
        self._log.append("reset")

    def close(self) -> None:
        self._log.append("close")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedWord(WakeWord):
    channel: int
    log: list[str] = field(default_factory=list)

    def open_front_end(self) -> FrontEnd:
        self.log.append("front end")
        return Samples()

    def open_model(self) -> WakeModel:
        self.log.append("model")
        return ScriptedModel(self.channel, self.log)


def word(name: str, channel: int, *, threshold: float = 0.8, window: int = 1, engine: str = "int8") -> ScriptedWord:
    return ScriptedWord(name=name, engine=engine, threshold=threshold, window=window, channel=channel, parts=Parts())


def sound(**percent: int) -> Pcm:
    """One frame that scores these percentages on the channels c0, c1, ..."""
    pcm = np.zeros(FRAME_SAMPLES, np.int16)
    for channel, value in percent.items():
        pcm[int(channel[1:])] = value
    return pcm


QUIET = sound()


def hear(
    spotter: Spotter,
    microphone: dict[int, Pcm],
    played: dict[int, Pcm] | None = None,
    frames: range = range(300),
    stoppable: range = range(0),
    own_for_frames: int = OWN_VOICE_FRAMES,
    nobody: range = range(0),
) -> list[WakeDetected | StopDetected | WakeNearMissed]:
    """Everything it tells; `microphone` and `played` give the frames that are not quiet, and not silent."""
    told: list[WakeDetected | StopDetected | WakeNearMissed] = []
    for index in frames:
        heard = Frame(index, microphone.get(index, QUIET))
        played_now = (played or {}).get(index)
        told += spotter.process(
            heard,
            played_now,
            stoppable=index in stoppable,
            own_for_frames=own_for_frames,
            nobody=index in nobody,
        )
    return told


def test_detection_names_word_engine_score_and_frame() -> None:
    told = hear(Spotter([word("alexa", 0)]), {10: sound(c0=90)})
    assert told == [WakeDetected(frame=10, word="alexa", engine="int8", score=0.9)]


def test_the_stop_word_counts_only_where_it_can_stop_something() -> None:
    spotter = Spotter([word("alexa", 0)], stop_word=word("stop", 1), near_misses=True)
    spoken = {10: sound(c1=90), 40: sound(c1=70), 95: sound(c1=90), 100: sound(c1=90), 250: sound(c1=90)}
    told = hear(spotter, spoken, stoppable=range(98, 150))
    assert told == [StopDetected(frame=100, word="stop", score=0.9)], "what was said before does not bar it either"


def test_wake_words_are_heard_beside_the_stop_word() -> None:
    spotter = Spotter([word("alexa", 0)], stop_word=word("stop", 1, threshold=0.5))
    told = hear(spotter, {100: sound(c0=90, c1=60), 200: sound(c0=60)}, stoppable=range(300))
    assert [(type(event), event.word, event.frame) for event in told] == [
        (WakeDetected, "alexa", 100),
        (StopDetected, "stop", 100),
    ]


def test_a_stop_word_that_goes_on_is_detected_once() -> None:
    spotter = Spotter([word("alexa", 0)], stop_word=word("stop", 1))
    spoken = {index: sound(c1=90) for index in range(100, 200)}
    assert len(hear(spotter, spoken, frames=range(104), stoppable=range(105))) == 1
    assert hear(spotter, spoken, frames=range(104, 200), stoppable=range(150, 300)) == []
    assert len(hear(spotter, {250: sound(c1=90)}, frames=range(200, 300), stoppable=range(150, 300))) == 1


def test_the_stop_word_in_the_own_answer_stops_nothing() -> None:
    spotter = Spotter([word("alexa", 0)], stop_word=word("stop", 1))
    played = {index: QUIET for index in range(20, 290)} | {40: sound(c1=90)}
    spoken = {44: sound(c1=90), 200: sound(c1=90)}
    assert [event.frame for event in hear(spotter, spoken, played, stoppable=range(300))] == [202]


def test_the_stop_word_shares_the_front_end() -> None:
    wake, stop = word("alexa", 0), word("stop", 1)
    spotter = Spotter([wake], stop_word=stop)
    assert (wake.log, stop.log) == (["front end", "model"], ["model"])
    spotter.reset()
    spotter.close()
    assert stop.log == ["model", "reset", "close"]


class Counter:
    """A model that remembers how many rows it has heard since it was new; its score is their sum."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    def process(self, features: Pcm) -> float | None:
        self.heard.append(int(features[0]))
        return float(sum(self.heard))

    def reset(self) -> None:
        self.heard = []

    def close(self) -> None:
        pass


def test_a_sleeper_rests_until_it_is_woken_and_then_has_heard_the_newest_seconds() -> None:
    model = Counter()
    sleeper = Sleeper(model)
    assert [sleeper.process(np.array([index])) for index in range(300)] == [None] * 300
    assert model.heard == []
    for _ in range(2):  # to be woken again changes nothing
        sleeper.wake(True)
        assert model.heard == list(range(300 - PAST_FRAMES, 300))
    assert sleeper.process(np.array([300])) == sum(range(200, 301))
    sleeper.wake(False)
    assert sleeper.process(np.array([301])) is None
    sleeper.wake(True)
    assert model.heard == list(range(202, 302)), "what it heard awake is its past, too"
    sleeper.reset()
    sleeper.wake(False)
    sleeper.wake(True)
    assert model.heard == []


def test_several_words_are_heard_apart_and_together() -> None:
    spotter = Spotter([word("alexa", 0), word("computer", 1, engine="phrase"), word("jarvis", 2)])
    told = hear(spotter, {10: sound(c1=100), 100: sound(c0=80, c2=99)})
    assert [(event.frame, event.word) for event in told] == [(10, "computer"), (100, "alexa"), (100, "jarvis")]


def test_a_detection_bars_no_other_word() -> None:
    told = hear(Spotter([word("alexa", 0), word("jarvis", 1)]), {10: sound(c0=90), 12: sound(c1=90), 14: sound(c0=90)})
    assert [(event.frame, event.word) for event in told] == [(10, "alexa"), (12, "jarvis")]


def test_words_of_one_engine_share_a_front_end() -> None:
    first, second, other = word("alexa", 0), word("jarvis", 1), word("computer", 2, engine="phrase")
    Spotter([first, second, other])
    assert (first.log, second.log, other.log) == (["front end", "model"], ["model"], ["front end", "model"])


def test_each_word_has_its_own_threshold_and_window() -> None:
    spotter = Spotter([word("strict", 0, threshold=0.95), word("slow", 1, window=3), word("plain", 2)])
    told = hear(spotter, {10: sound(c0=90, c1=90, c2=90)})
    assert [event.word for event in told] == ["plain"]


def test_near_misses_are_told_only_on_demand() -> None:
    almost = {10: sound(c0=70)}
    assert hear(Spotter([word("alexa", 0)]), almost) == []
    told = hear(Spotter([word("alexa", 0)], near_misses=True), almost)
    assert told == [WakeNearMissed(frame=11, word="alexa", engine="int8", score=0.7)]


def test_long_word_is_detected_once_and_again_after_the_refractory_time() -> None:
    spoken = {index: sound(c0=90) for index in [*range(10, 16), *range(30, 36), *range(90, 96)]}
    assert [event.frame for event in hear(Spotter([word("alexa", 0)]), spoken)] == [10, 90]


def test_reset_forgets_the_sound_but_not_that_the_word_was_detected() -> None:
    spotter = Spotter([alexa := word("alexa", 0)])
    spoken = {index: sound(c0=90) for index in range(10, 200)}
    assert len(hear(spotter, spoken, frames=range(20))) == 1
    spotter.reset()
    assert "reset" in alexa.log
    assert hear(spotter, spoken, frames=range(20, 200)) == []
    assert len(hear(spotter, {250: sound(c0=90)}, frames=range(200, 300))) == 1


@pytest.mark.parametrize("engine", ["int8", "openwakeword", "phrase"])
@pytest.mark.parametrize("echo_frames", [0, 5, OWN_VOICE_FRAMES - 12])
def test_word_that_the_device_says_does_not_wake_it(engine: str, echo_frames: int) -> None:
    played = {index: QUIET for index in range(5, 60)} | {40: sound(c0=90)}
    told = hear(Spotter([word("alexa", 0, engine=engine)]), {40 + echo_frames: sound(c0=100)}, played)
    assert told == []


def test_a_twentieth_of_the_threshold_in_the_playback_is_enough() -> None:
    assert hear(Spotter([word("alexa", 0)]), {41: sound(c0=90)}, {40: sound(c0=5)}) == []
    assert hear(Spotter([word("alexa", 0)]), {41: sound(c0=90)}, {40: sound(c0=3)}) != []


def test_playback_that_is_scored_a_little_later_than_the_microphone_bars_the_word_too() -> None:
    played = {index: QUIET for index in range(5, 60)} | {50: sound(c0=90)}
    assert hear(Spotter([word("computer", 0, engine="phrase")]), {42: sound(c0=100)}, played) == []


def test_user_is_heard_over_playback_of_something_else() -> None:
    spotter = Spotter([word("alexa", 0), word("jarvis", 1)])
    played = {index: sound(c1=90) for index in range(5, 60)}
    told = hear(spotter, {40: sound(c0=90, c1=90)}, played)
    assert [(event.word, event.frame) for event in told] == [("alexa", 42)]


def test_over_playback_less_is_enough_to_wake_but_not_to_stop() -> None:
    spotter = Spotter([word("alexa", 0)], stop_word=word("stop", 1))
    played = {index: QUIET for index in range(5, 60)}
    spoken = {40: sound(c0=65, c1=65), 60 + LISTEN_ON_FRAMES + 10: sound(c0=65, c1=65)}
    told = hear(spotter, spoken, played, stoppable=range(300))
    assert [(event.word, event.frame) for event in told] == [("alexa", 42)]


def test_user_is_heard_when_the_own_word_is_long_over() -> None:
    played = {index: QUIET for index in range(5, 290)} | {20: sound(c0=90)}
    told = hear(Spotter([word("alexa", 0)]), {20 + OWN_VOICE_FRAMES + 1: sound(c0=90)}, played)
    assert len(told) == 1


def test_where_the_delay_is_known_a_person_is_heard_sooner_after_the_own_word() -> None:
    played = {index: QUIET for index in range(5, 290)} | {20: sound(c0=90)}
    told = hear(Spotter([word("alexa", 0)]), {40: sound(c0=90), 120: sound(c0=90)}, played, own_for_frames=30)
    assert [event.frame for event in told] == [122], "the echo of the own word after 20 frames does not count"


def test_a_word_in_the_remains_of_the_echo_is_nobodys() -> None:
    played = {index: QUIET for index in range(5, 290)}
    words = {40: sound(c0=90), 200: sound(c0=90)}
    assert [event.frame for event in hear(Spotter([word("alexa", 0)]), words, played)] == [42, 202]
    alone = hear(Spotter([word("alexa", 0)]), words, played, nobody=range(30, 60))
    assert [event.frame for event in alone] == [202]


def test_word_at_the_end_of_the_playback_is_scored_in_the_silence_after_it() -> None:
    spotter = Spotter([word("alexa", 0, window=3, threshold=0.9)])
    played = {20: sound(c0=90), 21: sound(c0=90)}
    assert hear(spotter, {24: sound(c0=100), 25: sound(c0=100), 26: sound(c0=100)}, played) == []


def test_playback_is_listened_to_only_while_there_is_some() -> None:
    spotter = Spotter([alexa := word("alexa", 0)])
    hear(spotter, {}, frames=range(10))
    assert alexa.log.count("model") == 1
    hear(spotter, {}, {10: QUIET}, frames=range(10, 10 + LISTEN_ON_FRAMES))
    assert (alexa.log.count("model"), alexa.log.count("close")) == (2, 0)
    hear(spotter, {}, frames=range(10 + LISTEN_ON_FRAMES, 12 + LISTEN_ON_FRAMES))
    assert (alexa.log.count("model"), alexa.log.count("close")) == (2, 1)
    spotter.close()
    assert alexa.log.count("close") == 2
