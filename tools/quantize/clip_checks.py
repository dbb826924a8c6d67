"""What is wrong with clips: found before they spoil a training, and listed with the reason."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from appliance.audio.format import INT16_FULL_SCALE, SAMPLE_RATE_HZ, Pcm
from appliance.audio.health import CLIPPED_SHARE
from appliance.errors import AudioError
from tools.quantize.clips import Clip, read_pcm, sha256_of_pcm
from tools.quantize.speech_span import levels_dbfs

SHORTEST_S: Final = 0.1
"""Shorter than any word."""

SILENT_BELOW_DBFS: Final = -60.0
"""Of the loudest 10 ms. The quietest of 985 recordings of people has -35."""


class Fault(StrEnum):
    """What can be wrong with a clip."""

    UNREADABLE = "unreadable"
    CHANGED = "changed"
    SHORT = "short"
    SILENT = "silent"
    CLIPPED = "clipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """A clip that is not fit for use."""

    clip: Clip
    fault: Fault
    reason: str
    """One sentence with the clip's name."""


def check(clips: Iterable[Clip]) -> Iterator[Finding]:
    """Those that are not fit for use, one finding each; 2 ms a clip."""
    for clip in clips:
        try:
            pcm = read_pcm(clip)
        except AudioError as error:
            yield Finding(clip, Fault.UNREADABLE, str(error))
            continue
        found = fault_of(pcm)
        if found is not None:
            yield Finding(clip, found[0], f"{clip.path}: {found[1]}")
        elif clip.pcm_sha256 and clip.pcm_sha256 != sha256_of_pcm(pcm):
            yield Finding(clip, Fault.CHANGED, f"{clip.path}: is not what the manifest lists; take another copy")


def fault_of(pcm: Pcm) -> tuple[Fault, str] | None:
    """What is wrong with a recording of int16 samples at 16 kHz, and a few words on it; None when nothing is."""
    if pcm.size < SHORTEST_S * SAMPLE_RATE_HZ:
        return Fault.SHORT, f"lasts {pcm.size / SAMPLE_RATE_HZ:.2f} s, too short for a word; record it again"
    loudest = levels_dbfs(pcm).max()
    if loudest < SILENT_BELOW_DBFS:
        return Fault.SILENT, f"is silent, {loudest:.0f} dBFS at its loudest; check the microphone and record it again"
    clipped = float(np.mean(np.abs(pcm.astype(np.int32)) >= INT16_FULL_SCALE - 1))
    if clipped > CLIPPED_SHARE:
        return Fault.CLIPPED, f"is overdriven, {clipped:.1%} of it at full scale; record it again at a lower level"
    return None
