"""When a command begins and when it is over, frame by frame of 20 ms. The wake word is detected at frame 100."""

from dataclasses import replace

import pytest

from appliance.audio.format import SILENT_DBFS
from appliance.config import Listening
from appliance.intent import Completion
from appliance.speech.endpoint import Began, Ended, Endpointer, Limits, background_dbfs, limits_of, person_dbfs
from tests.fakes import LIMITS

WOKEN = 100

Told = list[tuple[int, str]]


def told(
    speech: list[range],
    *,
    words: tuple[int, ...] = (),
    until: int = 900,
    limits: Limits = LIMITS,
    level: float = 0.9,
    background: tuple[range, ...] = (),
    loud_only: bool = False,
) -> Told:
    """What it tells, and when, until the end; `speech`: frames with probability `level`, all others have 0.01.

    `words`: frames at which the recognizer has understood something (told after its probability, as in the loop).
    `background`: frames that are no louder than the background.
    """
    endpointer = Endpointer(limits)
    endpointer.begin(WOKEN, loud_only=loud_only)
    found: Told = []
    for index in range(WOKEN + 1, until):
        probability = level if any(index in frames for frames in speech) else 0.01
        loud = not any(index in frames for frames in background)
        result = endpointer.update(index, probability, loud=loud)
        if isinstance(result, Began):
            found.append((index, "began"))
        if isinstance(result, Ended):
            return [*found, (index, f"{result.reason} {result.last_speech}")]
        if index in words and endpointer.hear_words(index):
            found.append((index, "began by words"))
    return found


def test_nothing_is_said() -> None:
    assert told([]) == [(350, "no_speech 100")]


def test_a_command_begins_after_80_ms_of_speech_and_ends_after_500_ms_of_silence() -> None:
    assert told([range(150, 200)], words=(180,)) == [(153, "began"), (224, "silence 199")]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_less_than_80_ms_is_no_command(length: int) -> None:
    assert told([range(150, 150 + length)]) == [(350, "no_speech 100")]


def test_the_end_of_the_wake_word_is_no_command() -> None:
    """It is spoken on for 280 ms after its detection; the command comes after a pause."""
    assert told([range(101, 115)]) == [(350, "no_speech 100")]
    assert told([range(101, 115), range(160, 200)], words=(180,)) == [(163, "began"), (224, "silence 199")]


def test_a_pause_of_one_frame_ends_the_wake_word() -> None:
    assert told([range(101, 105), range(106, 150)], words=(130,)) == [(109, "began"), (174, "silence 149")]


def test_a_command_without_a_pause_begins_when_the_wake_word_must_be_over() -> None:
    """Speech that goes on for 300 ms after the detection is more than the end of the wake word."""
    assert told([range(101, 180)], words=(150,)) == [(115, "began"), (204, "silence 179")]
    assert told([range(101, 116)], words=(115,)) == [(115, "began"), (140, "silence 115")]


def test_a_short_word_right_after_the_wake_word_is_known_by_the_recognizer_only() -> None:
    assert told([range(101, 112)]) == [(350, "no_speech 100")]
    assert told([range(101, 112)], words=(125,)) == [(125, "began by words"), (150, "silence 125")]


def test_words_are_told_once_and_never_shorten_the_command() -> None:
    assert told([range(150, 200)], words=(170, 180, 190)) == [(153, "began"), (224, "silence 199")]
    assert told([range(150, 200)], words=(151, 180)) == [(151, "began by words"), (224, "silence 199")]


def test_clatter_without_words_does_not_end_the_turn() -> None:
    """The command comes later; that it began is told once."""
    clatter = range(130, 150)
    assert told([clatter]) == [(133, "began"), (350, "silence 149")]
    assert told([clatter, range(250, 300)], words=(280,)) == [(133, "began"), (324, "silence 299")]


def test_pauses_shorter_than_the_hang_over_belong_to_the_command() -> None:
    assert told([range(150, 170), range(194, 210)], words=(160,)) == [(153, "began"), (234, "silence 209")]
    assert told([range(150, 170), range(195, 210)], words=(160,)) == [(153, "began"), (194, "silence 169")]


def test_one_frame_of_speech_within_a_command_keeps_it_going() -> None:
    assert told([range(150, 170), range(190, 191)], words=(160,)) == [(153, "began"), (215, "silence 190")]


def test_the_longest_command_is_8_s_from_its_begin() -> None:
    assert told([range(150, 900)], words=(160,)) == [(153, "began"), (553, "too_long 553")]
    assert told([range(150, 900)]) == [(153, "began"), (553, "too_long 553")], "talk in the background ends, too"


def test_a_command_may_begin_at_the_last_moment() -> None:
    assert told([range(345, 400)], words=(380,)) == [(348, "began"), (424, "silence 399")]


def test_speech_goes_on_down_to_0_7_of_the_threshold_but_begins_at_it_only() -> None:
    assert told([range(150, 200)], level=0.5, words=(160,)) == [(153, "began"), (224, "silence 199")]
    assert told([range(150, 200)], level=0.49) == [(350, "no_speech 100")]
    endpointer = Endpointer(LIMITS)
    endpointer.begin(WOKEN)
    for index in range(101, 150):
        assert endpointer.update(index, 0.0) is None
    loud, soft = [endpointer.update(index, 0.6) for index in range(150, 154)], range(154, 200)
    assert loud == [None, None, None, Began()]
    endpointer.hear_words(154)
    assert [endpointer.update(index, 0.36) for index in soft] == [None] * 46
    silence = [endpointer.update(index, 0.34) for index in range(200, 225)]
    assert silence == [*[None] * 24, Ended("silence", 199)]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (replace(LIMITS, no_speech_frames=60), [(160, "no_speech 100")]),
        (replace(LIMITS, threshold=0.95), [(350, "no_speech 100")]),
    ],
)
def test_limits_of_the_begin_are_settings(limits: Limits, expected: Told) -> None:
    assert told([range(200, 250)], limits=limits) == expected


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (replace(LIMITS, silence_frames=5), (254, "silence 249")),
        (replace(LIMITS, longest_frames=30), (233, "too_long 233")),
    ],
)
def test_limits_of_the_end_are_settings(limits: Limits, expected: tuple[int, str]) -> None:
    assert told([range(200, 250)], words=(210,), limits=limits) == [(203, "began"), expected]


# Another voice in the background, from frame 101 to the end; the person says the command from 150 to 199.

ALWAYS = [range(101, 900)]


def test_a_television_does_not_hold_the_turn_open() -> None:
    behind = (range(101, 150), range(200, 900))
    assert told(ALWAYS, words=(180,), background=behind) == [(115, "began"), (254, "silence 199")]


def test_as_loud_as_the_person_it_does() -> None:
    assert told(ALWAYS, words=(180,)) == [(115, "began"), (515, "too_long 515")]


def test_without_words_it_is_not_a_command_that_is_over() -> None:
    assert told(ALWAYS, background=(range(200, 900),)) == [(115, "began"), (515, "too_long 515")]


def test_words_of_the_television_end_nothing_before_the_person_has_spoken() -> None:
    assert told(ALWAYS, words=(130,), background=(range(101, 900),)) == [(115, "began"), (515, "too_long 515")]
    click = (range(101, 150), range(153, 900))
    assert told(ALWAYS, words=(130,), background=click) == [(115, "began"), (515, "too_long 515")], "60 ms"
    assert told(ALWAYS, words=(130,), background=(range(101, 150), range(154, 900)))[-1] == (208, "silence 153")


def test_soft_words_within_the_command_do_not_end_it() -> None:
    """A second of soft speech is borne, and the 500 ms of real silence still end the command."""
    assert told([range(150, 260)], words=(180,), background=(range(170, 224),))[-1] == (284, "silence 259")
    assert told([range(150, 260)], words=(180,), background=(range(170, 225),))[-1] == (224, "silence 169")
    assert told([range(150, 200)], words=(180,), background=(range(190, 900),))[-1] == (224, "silence 199")


def test_clatter_is_not_the_person() -> None:
    clatter, television = range(120, 130), range(160, 900)
    assert told([clatter, television], words=(200,), background=(television,))[-1] == (563, "too_long 563")


def test_words_that_only_the_recognizer_hears_are_as_good_as_loud() -> None:
    clicks = [range(150, 153), range(155, 158)]
    assert told(clicks, words=(220,)) == [(220, "began by words"), (245, "silence 220")]


def test_after_an_answer_nothing_soft_begins_a_command() -> None:
    television = (range(101, 900),)
    assert told(ALWAYS, words=(130,), background=television)[0] == (115, "began"), "after the wake word it does"
    (closed,) = told(ALWAYS, words=(130,), background=television, loud_only=True)
    assert (closed[0], closed[1].split()[0]) == (350, "no_speech")
    click = (range(101, 150), range(153, 900))
    assert told(ALWAYS, words=(160,), background=click, loud_only=True)[0][0] == 350, "60 ms"


def test_after_an_answer_the_person_is_heard_amid_the_television() -> None:
    behind = (range(101, 150), range(200, 900))
    assert told(ALWAYS, words=(180,), background=behind, loud_only=True) == [(153, "began"), (254, "silence 199")]
    assert told([], words=(180,), background=behind, loud_only=True)[0] == (180, "began by words"), "detector or not"


def test_a_new_turn_has_heard_nobody() -> None:
    endpointer = Endpointer(LIMITS)
    endpointer.begin(100)
    for index in range(101, 140):
        endpointer.update(index, 0.9)
    endpointer.begin(200)
    for index in range(201, 270):
        endpointer.hear_words(index)
        assert not isinstance(endpointer.update(index, 0.9, loud=False), Ended)


# How loud the background is.


def test_the_background_is_what_was_loud_before_a_word_that_stands_out() -> None:
    talk = [-50.0] * 125 + [-40.0] * 125
    assert background_dbfs(talk, [-60.0] * 40 + [-20.0] * 35) == pytest.approx(-37)
    assert background_dbfs([*talk, *[-10.0] * 12], [-20.0] * 75) == pytest.approx(-37), "a slammed door is left out"


def test_who_goes_on_is_about_as_loud_as_the_wake_word_was() -> None:
    word = [-60.0] * 40 + [-20.0] * 35
    assert person_dbfs(SILENT_DBFS, word) == pytest.approx(-26)
    assert person_dbfs(-40.0, word) == pytest.approx(-26)
    assert person_dbfs(-23.0, word) == -23.0, "and louder than the background"


def test_a_word_no_louder_than_the_background_tells_nothing() -> None:
    assert background_dbfs([-40.0] * 250, [-36.9] * 75) == pytest.approx(-37)
    assert background_dbfs([-40.0] * 250, [-37.1] * 75) == SILENT_DBFS


def test_less_than_a_second_before_the_word_tells_nothing() -> None:
    assert background_dbfs([-40.0] * 50, [-20.0]) == pytest.approx(-37)
    assert background_dbfs([-40.0] * 49, [-20.0]) == SILENT_DBFS
    assert background_dbfs([], []) == SILENT_DBFS


def test_digital_silence_before_the_word_leaves_everything_to_the_detector() -> None:
    assert background_dbfs([SILENT_DBFS] * 250, [-20.0] * 75) < -100


# What was understood decides how long a silence ends it.

QUICK = replace(LIMITS, silence_frames=40, open_frames=20, wide_open_frames=30, closed_frames=8)
"""800, 400, 600 and 160 ms."""

CLOSED, OPEN, INCOMPLETE = Completion.CLOSED, Completion.OPEN, Completion.INCOMPLETE
WIDE_OPEN = Completion.WIDE_OPEN


def ended(understood: dict[int, Completion], *speech: range, late: int = 0, limits: Limits = QUICK) -> tuple[int, str]:
    """When and why a command ends; `understood`: from that frame on the words so far come to this.

    `late`: the recognizer lags so many frames behind.
    """
    endpointer = Endpointer(limits)
    endpointer.begin(WOKEN)
    for index in range(WOKEN + 1, 900):
        probability = 0.9 if any(index in frames for frames in speech) else 0.01
        result = endpointer.update(index, probability)
        if isinstance(result, Ended):
            return index - result.last_speech, result.reason
        known = [frame for frame in understood if frame <= index]
        if known:
            endpointer.hear_words(index, understood[max(known)], index - late)
    return 0, "never"


SPEECH = range(150, 200)


def test_after_a_closed_command_160_ms_are_enough_after_an_open_one_400_where_several_parts_may_follow_600() -> None:
    assert ended({190: CLOSED}, SPEECH) == (8, "complete")
    assert ended({190: OPEN}, SPEECH) == (20, "complete")
    assert ended({190: WIDE_OPEN}, SPEECH) == (30, "complete")
    assert ended({190: INCOMPLETE}, SPEECH) == (40, "silence")
    assert ended({190: Completion.NONE}, SPEECH) == (30, "silence"), "misheard: perhaps whole, perhaps not"


@pytest.mark.parametrize("pause", range(9, 40))
def test_hesitation_in_mid_command_is_tolerated(pause: int) -> None:
    """'Set a timer for ... ten minutes.'"""
    again = range(200 + pause, 250 + pause)
    assert ended({180: INCOMPLETE, 240 + pause: CLOSED}, SPEECH, again) == (8, "complete")


def test_a_command_that_may_go_on_is_waited_for_shorter_than_its_silence() -> None:
    again = range(218, 260)
    assert ended({190: OPEN, 240: CLOSED}, SPEECH, again) == (8, "complete")


def test_limits_of_the_silence_are_settings() -> None:
    for frames in (6, 12, 30):
        assert ended({190: CLOSED}, SPEECH, limits=replace(QUICK, closed_frames=frames))[0] == frames
        assert ended({190: OPEN}, SPEECH, limits=replace(QUICK, open_frames=frames))[0] == frames
        assert ended({190: WIDE_OPEN}, SPEECH, limits=replace(QUICK, wide_open_frames=frames))[0] == frames
        assert ended({190: INCOMPLETE}, SPEECH, limits=replace(QUICK, silence_frames=frames))[0] == frames


def test_what_comes_to_a_whole_command_late_ends_it_then() -> None:
    assert ended({212: CLOSED}, SPEECH) == (14, "complete"), "13 frames after the last speech, and seen with the next"
    assert ended({190: CLOSED, 203: OPEN}, SPEECH) == (20, "complete")
    assert ended({190: CLOSED, 203: INCOMPLETE}, SPEECH) == (40, "silence")


def test_a_recognizer_that_has_not_heard_the_silence_yet_decides_nothing() -> None:
    """It may lag behind where the processor is short: what it understood is not all that was said."""
    assert ended({190: CLOSED}, SPEECH, late=10) == (15, "complete")
    assert ended({190: CLOSED}, SPEECH, late=60) == (40, "silence")


@pytest.mark.parametrize(
    ("completion", "frames"),
    [(CLOSED, 4), (OPEN, 15), (Completion.NONE, 10), (WIDE_OPEN, 25), (INCOMPLETE, 35)],
)
def test_100_ms_before_the_end_it_is_near_but_not_before_80_ms_of_silence(completion: Completion, frames: int) -> None:
    """What was misheard may turn out to be a command, and to find out takes longer."""
    endpointer = Endpointer(QUICK)
    endpointer.begin(WOKEN)
    for index in range(WOKEN + 1, 200):
        endpointer.update(index, 0.9)
    assert not endpointer.nears_end(199), "nothing was understood"
    endpointer.hear_words(199, completion)
    near = []
    for index in range(200, 199 + frames + 2):
        endpointer.update(index, 0.01)
        near.append(endpointer.nears_end(index))
    assert near == [*[False] * (frames - 1), True, True]
    endpointer.update(300, 0.9)
    assert not endpointer.nears_end(300), "the person goes on"


def test_the_configuration_has_them_in_ms() -> None:
    waits = Listening(
        silence_ms=700,
        open_silence_ms=300,
        wide_open_silence_ms=500,
        closed_silence_ms=130,
        longest_ms=5000,
        no_speech_ms=2000,
    )
    assert limits_of(waits) == Limits(
        threshold=0.5,
        no_speech_frames=100,
        silence_frames=35,
        open_frames=15,
        wide_open_frames=25,
        closed_frames=7,
        longest_frames=250,
    )


def test_it_pauses_where_the_person_may_be_done() -> None:
    endpointer = Endpointer(QUICK)
    endpointer.begin(WOKEN)
    pauses = []
    for index in range(WOKEN + 1, 206):
        endpointer.update(index, 0.9 if 150 <= index < 170 or 173 <= index < 200 else 0.01)
        if index >= 160:
            endpointer.hear_words(index, INCOMPLETE if index < 180 else OPEN, index)
        if endpointer.pauses:
            pauses.append(index)
    assert pauses == [170, 171, 172, *range(200, 206)]


def test_begin_makes_it_as_new() -> None:
    endpointer = Endpointer(LIMITS)
    for first in (100, 1000):
        endpointer.begin(first)
        results = []
        for index in range(first + 1, first + 75):
            results.append(endpointer.update(index, 0.9 if first + 20 <= index < first + 50 else 0.0))
            if index == first + 30:
                endpointer.hear_words(index)
        assert [result for result in results if result] == [Began(), Ended("silence", first + 49)]
        assert (results[22], results[73]) == (Began(), Ended("silence", first + 49))
