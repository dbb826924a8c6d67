"""Other makers' echo cancellers, for comparison only: each takes a recording, what was played, and the delay."""

import ctypes
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from appliance.audio.format import FRAME_SAMPLES, Pcm
from appliance.errors import ApplianceError

Canceller = Callable[[Pcm, Pcm, int], Pcm]
"""Recording, what was played, and its delay in frames; the recording without the echo."""

SPEEX_FILTER: Final = 3200
"""200 ms."""


def speex() -> Canceller:
    """Speex's MDF filter without its post-filter. Raises ApplianceError where pyaec is not installed."""
    library = _needs("pyaec").lib

    def pointer(pcm: Pcm) -> Any:
        return pcm.ctypes.data_as(ctypes.POINTER(ctypes.c_int16))

    def cancel(heard: Pcm, played: Pcm, delay_frames: int) -> Pcm:
        state = library.AecNew(FRAME_SAMPLES, SPEEX_FILTER, 16_000, False)
        left = np.zeros(heard.size - heard.size % FRAME_SAMPLES, np.int16)
        late = _later(played, delay_frames)
        for begin in range(0, left.size, FRAME_SAMPLES):
            block = slice(begin, begin + FRAME_SAMPLES)
            library.AecCancelEcho(
                state, pointer(heard[block].copy()), pointer(late[block].copy()), pointer(left[block]), FRAME_SAMPLES
            )
        library.AecDestroy(state)
        return left

    return cancel


def aec3() -> Canceller:
    """WebRTC's AEC3. Raises ApplianceError where pywebrtc-audio is not installed."""
    package = _needs("pywebrtc_audio")

    def cancel(heard: Pcm, played: Pcm, delay_frames: int) -> Pcm:
        state, late = package.EchoCanceller(16_000), _later(played, delay_frames)
        count = heard.size - heard.size % FRAME_SAMPLES
        blocks = (slice(begin, begin + FRAME_SAMPLES // 2) for begin in range(0, count, FRAME_SAMPLES // 2))
        return np.concatenate([state.process(heard[block].copy(), late[block].copy()) for block in blocks])

    return cancel


def nothing() -> Canceller:
    """The microphone as it is."""
    return lambda heard, played, delay_frames: heard


CANCELLERS: Final[dict[str, Callable[[], Canceller | None]]] = {
    "own": lambda: None,
    "none": nothing,
    "speex": speex,
    "aec3": aec3,
}


def _needs(package: str) -> Any:
    try:
        return __import__(package)
    except ImportError:
        raise ApplianceError(f"{package}: not installed; install it with pip into an environment of its own") from None


def _later(played: Pcm, frames: int) -> Pcm:
    return np.concatenate([np.zeros(max(0, frames) * FRAME_SAMPLES, np.int16), played])
