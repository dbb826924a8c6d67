"""Playback by frames: leads, gaps, interruptions, volume, rings, a loudspeaker that fails."""

import numpy as np
import pytest

from appliance.audio.format import Pcm
from appliance.audio.player import Played, Player
from appliance.errors import AudioError
from appliance.voice.utterance import Chunk, chunks_of

RATE_HZ = 22_050


class FakeSpeaker:
    """Remembers what it was told; fails while `broken` says so."""

    def __init__(self) -> None:
        self.opened: list[int] = []
        self.written: list[Pcm] = []
        self.aborted = 0
        self.broken: str | None = None

    def open(self, rate_hz: int) -> None:
        self.opened.append(rate_hz)
        self._check()

    def write(self, pcm: Pcm) -> None:
        self._check()
        self.written.append(pcm)

    def abort(self) -> None:
        self.aborted += 1

    def close(self) -> None:
        pass

    def _check(self) -> None:
        if self.broken:
            raise AudioError(self.broken)


def chunks(count: int, level: int = 1000) -> list[Chunk]:
    return [Chunk(np.full(441, level + n, np.int16), np.full(320, level + n, np.int16)) for n in range(count)]


def run(player: Player, first: int, count: int) -> list[Played]:
    return [player.advance(index) for index in range(first, first + count)]


def heard(played: list[Played]) -> list[int | None]:
    return [None if one.reference is None else int(one.reference[0]) for one in played]


def test_without_lead_each_frame_hands_over_exactly_one_chunk() -> None:
    speaker = FakeSpeaker()
    player = Player(speaker, lead_frames=0)
    player.begin(1)
    player.add(1, chunks(3), last=True)
    for index in range(3):
        played = player.advance(index)
        assert len(speaker.written) == index + 1
        assert heard([played]) == [1000 + index]
        assert played.started == (index == 0)
        assert not played.ended
    assert player.advance(3) == Played(ended=True)
    assert player.advance(4) == Played()
    assert not player.playing
    assert speaker.opened == [RATE_HZ]


def test_a_lead_is_handed_over_at_once_and_played_to_its_end() -> None:
    speaker = FakeSpeaker()
    player = Player(speaker, lead_frames=10)
    player.begin(1)
    player.add(1, chunks(15), last=True)
    counts, played = [], []
    for index in range(100, 117):
        played.append(player.advance(index))
        counts.append(len(speaker.written))
    assert counts == [10, 11, 12, 13, 14, *[15] * 12]
    assert heard(played) == [*range(1000, 1015), None, None]
    assert [one.ended for one in played].index(True) == 15


def test_a_gap_between_sentences_is_silence_that_still_counts_as_playing() -> None:
    speaker = FakeSpeaker()
    player = Player(speaker, lead_frames=0)
    player.begin(1)
    assert heard(run(player, 0, 2)) == [0, 0], "the first sentence is awaited"
    player.add(1, chunks(1), last=False)
    played = run(player, 2, 3)
    assert heard(played) == [1000, 0, 0]
    assert played[0].started
    player.add(1, chunks(1, 2000), last=True)
    played = run(player, 5, 2)
    assert heard(played) == [2000, None]
    assert not played[0].started
    assert played[1].ended
    assert speaker.opened == [RATE_HZ], "one utterance opens the loudspeaker once"


def test_an_utterance_without_sound_ends_without_having_started() -> None:
    player = Player(FakeSpeaker(), lead_frames=0)
    player.begin(1)
    player.add(1, [], last=True)
    assert player.advance(0) == Played(ended=True)


def test_an_interruption_drops_the_rest_and_what_comes_late() -> None:
    speaker = FakeSpeaker()
    player = Player(speaker, lead_frames=2)
    player.begin(7)
    player.add(7, chunks(10), last=False)
    run(player, 0, 2)
    assert player.interrupt() == 7
    assert speaker.aborted == 1
    player.add(7, chunks(10), last=True)
    written = len(speaker.written)
    assert heard(run(player, 2, 3)) == [None, None, None]
    assert len(speaker.written) == written
    assert player.interrupt() is None
    assert speaker.aborted == 1


def test_a_new_utterance_interrupts_the_old_one() -> None:
    speaker = FakeSpeaker()
    player = Player(speaker, lead_frames=0)
    player.begin(1)
    player.add(1, chunks(5), last=True)
    run(player, 0, 1)
    player.begin(2)
    player.add(1, chunks(5), last=True)
    player.add(2, chunks(1, 3000), last=True)
    assert heard(run(player, 1, 2)) == [3000, None]
    assert speaker.aborted == 1


def test_a_ring_repeats_until_it_is_interrupted() -> None:
    player = Player(FakeSpeaker(), lead_frames=3)
    player.begin(1, repeat=chunks(2))
    assert heard(run(player, 0, 7)) == [1000, 1001, 1000, 1001, 1000, 1001, 1000]
    player.interrupt()
    assert heard(run(player, 7, 1)) == [None]


@pytest.mark.parametrize(
    ("percent", "factor"), [(100, 1.0), (50, 0.1), (1, 10**-1.98), (0, 0.0), (400, 1.0), (-3, 0.0)]
)
def test_volume_is_perceptual_and_the_reference_follows(percent: int, factor: float) -> None:
    speaker = FakeSpeaker()
    player = Player(speaker, lead_frames=0)
    player.volume = percent
    player.begin(1)
    player.add(1, [Chunk(np.full(441, -32_768, np.int16), np.full(320, 32_767, np.int16))], last=True)
    played = player.advance(0)
    assert played.reference is not None
    assert speaker.written[0].dtype == played.reference.dtype == np.int16
    assert speaker.written[0][0] == pytest.approx(-32_768 * factor, abs=1)
    assert played.reference[0] == pytest.approx(32_767 * factor, abs=1)


def test_frames_that_the_microphone_lost_have_sounded_all_the_same() -> None:
    player = Player(FakeSpeaker(), lead_frames=4)
    player.begin(1)
    player.add(1, chunks(8), last=True)
    assert heard([player.advance(0), player.advance(1), player.advance(4)]) == [1000, 1001, 1004]


def test_a_failing_loudspeaker_is_told_once_and_time_goes_on() -> None:
    speaker = FakeSpeaker()
    player = Player(speaker, lead_frames=2)
    player.begin(1)
    player.add(1, chunks(4), last=True)
    run(player, 0, 1)
    speaker.broken = "gone"
    played = run(player, 1, 4)
    assert [one.failed for one in played] == ["gone", None, None, None]
    assert played[-1].ended

    player.begin(2)
    player.add(2, chunks(2), last=True)
    played = run(player, 5, 3)
    assert [one.failed for one in played] == [None, None, None], "still the same fault"
    assert played[-1].ended

    speaker.broken = None
    player.begin(3)
    player.add(3, chunks(2), last=True)
    written = len(speaker.written)
    assert run(player, 8, 3)[-1].ended
    assert len(speaker.written) == written + 2
    speaker.broken = "gone again"
    player.begin(4)
    player.add(4, chunks(1), last=True)
    assert player.advance(11).failed == "gone again"


def test_chunks_carry_both_rates() -> None:
    time_s = np.arange(10_000) / RATE_HZ
    tone = (8000 * np.sin(2 * np.pi * 440 * time_s)).astype(np.int16)
    cut = chunks_of(tone, RATE_HZ)
    assert len(cut) == 23
    assert {chunk.pcm.shape for chunk in cut} == {(441,)}
    assert {chunk.reference.shape for chunk in cut} == {(320,)}
    assert all(chunk.rate_hz == RATE_HZ for chunk in cut)
    assert np.array_equal(np.concatenate([chunk.pcm for chunk in cut])[: tone.size], tone)
    reference = np.concatenate([chunk.reference for chunk in cut])[:7000]
    expected = 8000 * np.sin(2 * np.pi * 440 * np.arange(7000) / 16_000)
    assert np.abs(reference - expected)[200:].max() < 80
    assert chunks_of(np.zeros(0, np.int16), RATE_HZ) == []
