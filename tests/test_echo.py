"""The own voice taken out of what the microphone hears, in simulated rooms with sound made here."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.audio.format import FRAME_SAMPLES, SAMPLE_RATE_HZ, Frame, Pcm, level_dbfs
from appliance.echo.canceller import OWN_VOICE_FRAMES, AdaptiveCanceller, HalfDuplex
from appliance.echo.filter import EchoFilter
from appliance.echo.saturation import Saturation
from appliance.events import EchoCancellationLost, EchoCancellationRestored, Event

Samples = NDArray[np.float64]
ROOM_NOISE = 10.0


@cache
def speech(seed: int, seconds: float, level: float = 2000.0) -> Samples:
    """Syllables of coloured noise with pauses, a little like speech."""
    random = np.random.default_rng(seed)
    count = round(seconds * SAMPLE_RATE_HZ)
    noise = np.convolve(random.normal(size=count), 0.8 ** np.arange(40), "same")
    loud = np.repeat(random.random(-(-count // 3200)) > 0.3, 3200)[:count]
    return level * noise * loud / noise.std()


@cache
def room(seed: int, t60_s: float = 0.3) -> Samples:
    random = np.random.default_rng(seed)
    time_s = np.arange(round(t60_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    way = random.normal(size=time_s.size) * 10 ** (-3 * time_s / t60_s)
    way /= np.linalg.norm(way)
    way[0] = 1.0
    return way


def echo_of(played: Samples, seed: int = 1, delay_ms: float = 60) -> Samples:
    """As the microphone hears it."""
    size = 2 * played.size
    heard = np.fft.irfft(np.fft.rfft(played, size) * np.fft.rfft(room(seed), size))[: played.size]
    late = round(delay_ms * 16)
    return np.concatenate([np.zeros(late), heard])[: played.size]


def pcm_of(samples: Samples) -> Pcm:
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)


class Talk:
    """A canceller, fed with stretches of sound one after the other."""

    def __init__(self) -> None:
        self.canceller = AdaptiveCanceller()
        self.told: list[Event] = []
        self.index = 0

    def hear(self, heard: Samples, played: Samples | None) -> Samples:
        """What is left; room noise is added to what is heard."""
        noise = np.random.default_rng(self.index).normal(0.0, ROOM_NOISE, heard.size)
        microphone = pcm_of(heard + noise).reshape(-1, FRAME_SAMPLES)
        sounding = None if played is None else pcm_of(played).reshape(-1, FRAME_SAMPLES)
        left = []
        for number, pcm in enumerate(microphone):
            cancelled = self.canceller.process(Frame(self.index, pcm), None if sounding is None else sounding[number])
            self.told += cancelled.told
            left.append(cancelled.frame.pcm)
            self.index += 1
        return np.concatenate(left).astype(np.float64)


def loss_db(heard: Samples, left: Samples, from_s: float = 0.0, until_s: float = 1e6) -> float:
    """How much of the power is gone."""
    part = slice(round(from_s * SAMPLE_RATE_HZ), round(until_s * SAMPLE_RATE_HZ))
    return float(10 * np.log10(np.sum(heard[part] ** 2) / np.sum(left[part] ** 2)))


def test_the_own_voice_is_taken_out_and_that_soon() -> None:
    played = speech(1, 6)
    heard = echo_of(played)
    left = Talk().hear(heard, played)
    assert loss_db(heard, left, 1, 2) > 12
    assert loss_db(heard, left, 3) > 22


def filtered(filter_: EchoFilter, heard: Samples, played: Samples) -> Samples:
    """What is left, frame by frame."""
    pairs = zip(heard.reshape(-1, FRAME_SAMPLES), played.reshape(-1, FRAME_SAMPLES), strict=True)
    return np.concatenate([filter_.process(one, other) for one, other in pairs])


def bending(seconds: float) -> tuple[Samples, Samples]:
    """A sound, and what a loudspeaker makes of it that bends the peaks."""
    played = np.random.default_rng(1).laplace(scale=1500.0, size=round(seconds * SAMPLE_RATE_HZ))
    return played, 12_000 * np.tanh(played / 12_000)


@pytest.mark.parametrize("volume", [1.0, 0.25])
def test_of_what_a_loudspeaker_bends_more_is_taken_out_than_a_linear_filter_can(volume: float) -> None:
    played, bent = bending(8)
    linear = bent - (bent @ played) / (played @ played) * played
    left = filtered(EchoFilter(), volume * bent, volume * played)
    assert loss_db(volume * bent, left, 6) > loss_db(bent, linear, 6) + 6


def test_both_ways_are_shifted_with_the_delay() -> None:
    """The sound comes two frames later than until now, and so do its bent peaks."""
    played, bent = bending(8)
    late = np.concatenate([np.zeros(2 * FRAME_SAMPLES), bent])[: bent.size]
    filter_, six = EchoFilter(), 6 * SAMPLE_RATE_HZ
    filtered(filter_, late[:six], played[:six])
    filter_.shift(2)
    left = filtered(filter_, late[six:], np.roll(played, 2 * FRAME_SAMPLES)[six:])
    assert loss_db(late[six:], left, 0.0, 0.2) > 26, "at once"


def test_the_bent_part_has_nothing_in_common_with_the_sound_and_is_as_large_at_any_volume() -> None:
    played = speech(1, 6)
    parts = {}
    for volume in (1.0, 0.1):
        saturation = Saturation()
        frames = (volume * played).reshape(-1, FRAME_SAMPLES)
        parts[volume] = np.concatenate([saturation.of(frame) for frame in frames]) / volume
        bent = parts[volume][3 * SAMPLE_RATE_HZ :]
        sound = played[3 * SAMPLE_RATE_HZ :]
        assert abs(bent @ sound) < 0.03 * np.linalg.norm(bent) * np.linalg.norm(sound)
    late = slice(3 * SAMPLE_RATE_HZ, None)
    assert np.linalg.norm(parts[1.0][late] - parts[0.1][late]) < 0.05 * np.linalg.norm(parts[1.0][late])
    assert not np.any(Saturation().of(np.zeros(FRAME_SAMPLES)))


def test_a_person_over_it_is_left_whole_though_half_as_loud() -> None:
    played = speech(1, 8)
    person = np.concatenate([np.zeros(5 * SAMPLE_RATE_HZ), speech(2, 3, 1000.0)])
    heard = echo_of(played)
    left = Talk().hear(heard + person, played)
    assert loss_db(heard, left - person, 5) > 18, "what is left beside the person is faint"


def test_while_nothing_is_played_frames_pass_untouched() -> None:
    canceller = AdaptiveCanceller()
    for index in range(5):
        frame = Frame(index, pcm_of(speech(1, 1))[:FRAME_SAMPLES])
        cancelled = canceller.process(frame, None)
        assert cancelled.frame is frame
        assert cancelled.told == []


def test_the_room_is_remembered_between_answers() -> None:
    talk, played = Talk(), speech(1, 6)
    talk.hear(echo_of(played), played)
    talk.hear(np.zeros(3 * SAMPLE_RATE_HZ), None)
    again = speech(3, 1)
    assert loss_db(echo_of(again), talk.hear(echo_of(again), again), 0.1) > 18


def test_the_tail_after_the_end_is_taken_out_too() -> None:
    talk, played = Talk(), np.concatenate([speech(1, 6), speech(1, 6)[:3200]])
    both = np.concatenate([played, np.zeros(SAMPLE_RATE_HZ)])
    heard = echo_of(both, delay_ms=200)
    talk.hear(heard[: played.size], played)
    tail = heard[played.size :]
    assert level_dbfs(pcm_of(tail[:3200])) > -40
    assert loss_db(tail[:6400], talk.hear(tail, None)[:6400]) > 15


@pytest.mark.parametrize("delay_ms", [0, 90, 330, 700])
def test_the_delay_is_found(delay_ms: int) -> None:
    talk, played = Talk(), speech(1, 6)
    heard = echo_of(played, delay_ms=delay_ms)
    assert talk.canceller.own_word_frames == OWN_VOICE_FRAMES
    left = talk.hear(heard, played)
    assert talk.canceller.delay_ms == pytest.approx(delay_ms, abs=5)
    assert loss_db(heard, left, 4) > 20
    assert talk.canceller.own_word_frames == delay_ms // 20 + 30


def test_when_the_delay_is_found_the_room_is_learnt_from_what_was_heard_before() -> None:
    """Else the filter, which cannot reach so far before, begins then: 16 dB less."""
    played = speech(1, 4)
    heard = echo_of(played, delay_ms=200)
    assert loss_db(heard, Talk().hear(heard, played), 1.4, 1.8) > 28


def test_while_it_hears_again_frames_pass_as_they_are_and_nobody_is_there() -> None:
    played = speech(1, 4)
    heard = echo_of(played, delay_ms=200)
    talk, passed = Talk(), 0
    for start in range(0, played.size, FRAME_SAMPLES):
        part = slice(start, start + FRAME_SAMPLES)
        left = talk.hear(heard[part], played[part])
        if talk.canceller.delay_ms is not None:
            if (loss := loss_db(heard[part], left)) > 3:
                assert loss > 12, "then it knows the room, and not little by little"
                break
            assert talk.canceller.hears_nobody
            passed += FRAME_SAMPLES
    assert 0.1 < passed / SAMPLE_RATE_HZ < 0.35, "six frames in the time of one"


def test_where_no_echo_was_heard_a_delay_that_is_found_makes_nobody_unheard() -> None:
    """A person who speaks to a ringing timer may sound a little like the ring."""
    talk, played = Talk(), speech(1, 6)
    silent_s, second = 3, SAMPLE_RATE_HZ
    talk.hear(np.zeros(silent_s * second), played[: silent_s * second])
    heard, found = echo_of(played, delay_ms=200), 0
    for start in range(silent_s * second, played.size, FRAME_SAMPLES):
        part = slice(start, start + FRAME_SAMPLES)
        talk.hear(heard[part], played[part])
        found += talk.canceller.delay_ms is not None
        if found < 20:
            assert not talk.canceller.hears_nobody
    assert found > 20


def test_a_delay_that_changes_is_followed() -> None:
    talk, played = Talk(), speech(1, 5)
    talk.hear(echo_of(played, delay_ms=60), played)
    heard = echo_of(played, delay_ms=460)
    left = talk.hear(heard, played)
    assert talk.canceller.delay_ms == pytest.approx(460, abs=5)
    assert loss_db(heard, left, 3) > 18


def test_another_room_is_learnt_anew() -> None:
    talk, played = Talk(), speech(1, 5)
    talk.hear(echo_of(played, 1), played)
    heard = echo_of(played, 2)
    assert loss_db(heard, talk.hear(heard, played), 3) > 12


def test_it_tells_a_person_from_what_is_left_of_the_echo() -> None:
    talk, played = Talk(), speech(1, 12)
    assert not talk.canceller.hears_nobody, "nothing is played"
    second = SAMPLE_RATE_HZ
    heard = echo_of(played)
    talk.hear(heard[: 8 * second], played[: 8 * second])
    assert talk.canceller.hears_nobody
    word = np.zeros(second)
    word[second * 7 // 10 : second * 9 // 10] = np.random.default_rng(3).normal(0.0, 500.0, second // 5)
    talk.hear(heard[8 * second : 9 * second] + word, played[8 * second : 9 * second])
    assert not talk.canceller.hears_nobody, "a person 12 dB below the echo, for a fifth of a second"
    talk.hear(heard[9 * second : 11 * second], played[9 * second : 11 * second])
    assert talk.canceller.hears_nobody, "and is silent again"
    talk.hear(np.zeros(3 * second), None)
    assert not talk.canceller.hears_nobody, "nothing is played: any word may be a person's"


def test_in_the_first_seconds_nobody_is_supposed_to_be_there_unless_the_echo_is_faint() -> None:
    loud, faint, played = Talk(), Talk(), speech(1, 5)
    for talk, gain in ((loud, 1.0), (faint, 0.0)):
        talk.hear(gain * echo_of(played)[:SAMPLE_RATE_HZ], played[:SAMPLE_RATE_HZ])
        assert talk.canceller.hears_nobody
    faint.hear(np.zeros(4 * SAMPLE_RATE_HZ), played[SAMPLE_RATE_HZ:])
    assert not faint.canceller.hears_nobody


@pytest.mark.parametrize("delay_ms", [60, 130, 200])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_echo_alone_is_never_taken_for_a_person_while_the_filter_learns(seed: int, delay_ms: int) -> None:
    talk, played = Talk(), speech(seed, 4)
    heard = echo_of(played, seed, delay_ms)
    for start in range(0, played.size, FRAME_SAMPLES):
        talk.hear(heard[start : start + FRAME_SAMPLES], played[start : start + FRAME_SAMPLES])
        assert talk.canceller.hears_nobody, f"at {start / SAMPLE_RATE_HZ:.2f} s"


def test_a_person_is_heard_while_the_filter_still_learns() -> None:
    talk, played = Talk(), speech(1, 3)
    heard = echo_of(played)
    word = slice(SAMPLE_RATE_HZ * 15 // 10, SAMPLE_RATE_HZ * 17 // 10)
    heard[word] += np.random.default_rng(3).normal(0.0, 1000.0, SAMPLE_RATE_HZ // 5)
    talk.hear(heard[: word.stop], played[: word.stop])
    assert not talk.canceller.hears_nobody


def test_steady_noise_that_stays_behind_does_not_count_as_echo() -> None:
    talk, played = Talk(), speech(1, 15, 1000.0)
    heard = echo_of(played) + np.random.default_rng(7).normal(0.0, 1200.0, played.size)
    left = talk.hear(heard, played)
    assert loss_db(heard, left, 5) < 6
    assert talk.told == []
    assert talk.canceller.works


def test_it_tells_nothing_of_persons_where_it_does_not_work() -> None:
    talk, played = Talk(), speech(1, 12)
    talk.hear(jittering(played), played)
    assert not talk.canceller.works
    assert not talk.canceller.hears_nobody


def test_it_never_makes_a_frame_louder() -> None:
    played, heard = speech(1, 3), speech(9, 3)
    filter_ = EchoFilter()
    for start in range(0, played.size, FRAME_SAMPLES):
        part = slice(start, start + FRAME_SAMPLES)
        left = filter_.process(heard[part], played[part])
        assert left @ left <= heard[part] @ heard[part]


def jittering(played: Samples) -> Samples:
    """An echo that no filter can learn: each frame's sign is drawn anew."""
    signs = np.random.default_rng(1).choice([-1.0, 1.0], played.size // FRAME_SAMPLES)
    return played * np.repeat(signs, FRAME_SAMPLES)


def test_it_says_when_it_does_not_work_and_is_half_duplex_until_it_does() -> None:
    talk, played = Talk(), speech(1, 12)
    left = talk.hear(jittering(played), played)
    (lost,) = talk.told
    assert isinstance(lost, EchoCancellationLost)
    assert lost.loss_db < 6
    assert not talk.canceller.works
    assert talk.canceller.own_word_frames == OWN_VOICE_FRAMES
    assert loss_db(jittering(played), left, 8) == pytest.approx(0.0, abs=0.1), "the microphone as it is"
    heard = echo_of(played)
    left = talk.hear(heard, played)
    assert [type(event) for event in talk.told] == [EchoCancellationLost, EchoCancellationRestored]
    assert loss_db(heard, left, 8) > 20


@pytest.mark.parametrize(
    "heard",
    [
        lambda played: np.zeros_like(played),
        lambda played: echo_of(played) + speech(2, 12, 4000.0),
        lambda played: 0.001 * echo_of(played),
    ],
    ids=["no echo at all", "somebody louder all the time", "headphones"],
)
def test_what_is_no_failure_is_not_told(heard: Callable[[Samples], Samples]) -> None:
    talk, played = Talk(), speech(1, 12)
    talk.hear(heard(played), played)
    assert talk.told == []


def test_frames_that_were_lost_do_not_confuse_it() -> None:
    talk, played = Talk(), speech(1, 5)
    talk.hear(echo_of(played), played)
    talk.index += 7
    heard = echo_of(played)
    assert loss_db(heard, talk.hear(heard, played), 1) > 18


def test_same_sound_same_result() -> None:
    played = speech(1, 2)
    first, second = (Talk().hear(echo_of(played), played) for _ in range(2))
    assert np.array_equal(first, second)


def test_half_duplex_leaves_everything_as_it_is() -> None:
    frame = Frame(0, pcm_of(speech(1, 1))[:FRAME_SAMPLES])
    assert HalfDuplex().process(frame, frame.pcm).frame is frame
