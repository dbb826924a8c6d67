"""What is wrong with a microphone is named soon, once, and never without reason."""

from collections.abc import Iterable
from typing import get_args, get_type_hints

import numpy as np
import numpy.typing as npt
import pytest

from appliance.audio.format import Frame, Pcm
from appliance.audio.health import HINTS, AudioHealth, problem
from appliance.events import AudioProblem

SECONDS = 50 * 320


def _listen(samples: npt.NDArray[np.generic], health: AudioHealth | None = None) -> list[AudioProblem]:
    """All problems of a recording of whole frames."""
    health = health or AudioHealth()
    pcm = np.clip(samples.astype(np.float64), -32_768, 32_767).astype(np.int16).reshape(-1, 320)
    return [found for index, frame in enumerate(pcm) for found in health.update(Frame(index, frame))]


def _kinds(problems: Iterable[AudioProblem]) -> list[str]:
    return [found.kind for found in problems]


def _hum(rms: float, seconds: float) -> npt.NDArray[np.float64]:
    return np.random.default_rng(7).normal(0.0, rms, round(seconds * SECONDS))


def _speech_like(peak: float, seconds: int) -> npt.NDArray[np.float64]:
    """Harmonics of 140 Hz in syllables, four a second, with room noise between them."""
    time_s = np.arange(seconds * SECONDS) / 16_000
    voice = sum(np.sin(2 * np.pi * 140 * n * time_s) / n for n in range(1, 12))
    syllables = np.clip(np.sin(2 * np.pi * 4 * time_s), 0, None)
    return peak * voice / np.max(np.abs(voice)) * syllables + _hum(5, seconds)


@pytest.mark.parametrize("level", [0, 1, -1])
def test_a_dead_microphone_is_named_within_five_seconds_and_once(level: int) -> None:
    found = _listen(np.full(60 * SECONDS, level))
    assert _kinds(found) == ["silent"]
    assert found[0].frame < 250
    assert found[0].hint == HINTS["silent"]


def test_a_microphone_that_dies_later_is_named_as_soon() -> None:
    found = _listen(np.concatenate([_hum(30, 7), np.zeros(5 * SECONDS)]))
    assert _kinds(found) == ["silent"]
    assert 350 <= found[0].frame < 350 + 250


def test_it_is_named_again_after_it_was_good() -> None:
    dead, good = np.zeros(5 * SECONDS), _hum(30, 2)
    assert _kinds(_listen(np.concatenate([dead, good, dead, good, dead]))) == ["silent"] * 3


def test_a_crackling_cable_is_named_once() -> None:
    dead = np.zeros(5 * SECONDS)
    dead[:320] = 3000
    assert _kinds(_listen(np.tile(dead, 6))) == ["silent"]


def test_a_pause_of_three_seconds_is_no_dead_microphone() -> None:
    assert _listen(np.concatenate([_hum(30, 1), np.zeros(3 * SECONDS), _hum(30, 1)])) == []


def test_overdriven_speech_is_clipping_and_named_once() -> None:
    found = _listen(_speech_like(150_000, 4))
    assert _kinds(found) == ["clipping"]
    assert found[0].frame < 100


def test_clipping_is_named_again_after_a_good_second() -> None:
    loud, good = _speech_like(150_000, 2), _speech_like(8000, 2)
    assert _kinds(_listen(np.concatenate([loud, good, loud]))) == ["clipping"] * 2


def test_a_constant_offset_is_named() -> None:
    found = _listen(_hum(30, 3) + 3000)
    assert _kinds(found) == ["dc"]
    assert _kinds(_listen(_hum(30, 3) - 3000)) == ["dc"]
    assert found[0].hint == HINTS["dc"]


@pytest.mark.parametrize(
    "sound",
    [
        _speech_like(3000, 10),
        _speech_like(30_000, 10),
        _hum(3, 10),
        _hum(300, 10),
        _hum(30, 10) + 500,
        32_000 * np.sin(2 * np.pi * 440 * np.arange(5 * SECONDS) / 16_000),
    ],
    ids=["speech", "loud speech", "quiet room", "fan", "small offset", "loud tone"],
)
def test_no_false_alarm(sound: npt.NDArray[np.float64]) -> None:
    assert _listen(sound) == []


def test_one_click_is_no_clipping() -> None:
    sound = _hum(30, 4)
    sound[20_000:20_040] = 40_000
    assert _listen(sound) == []


def test_every_kind_has_a_hint() -> None:
    for kind in get_args(get_type_hints(AudioProblem)["kind"]):
        found = problem(kind, 7, -3.14159)
        assert (found.kind, found.frame, found.level_dbfs) == (kind, 7, -3.1)
        assert found.hint


def test_a_frame_is_only_looked_at() -> None:
    pcm: Pcm = np.zeros(320, np.int16)
    pcm.flags.writeable = False
    assert AudioHealth().update(Frame(0, pcm)) == []
