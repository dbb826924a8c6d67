"""What a stretch of sound from a microphone says about the microphone and its room."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from appliance.audio.format import FRAMES_PER_S, INT16_FULL_SCALE, Frame, level_dbfs
from appliance.audio.health import CLIPPED_SHARE, DC_SHARE, SILENT_BELOW_DBFS

FLOOR_PERCENT: Final = 10
"""The floor is the level that this part of the frames stays below: speech has pauses, a room has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Levels are in dBFS, where a square wave of full scale is 0; silence is -120."""

    seconds: float
    level_dbfs: float
    """Of the mean power."""

    floor_dbfs: float
    """Level of the quiet frames: what the room or the device itself makes."""

    peak_dbfs: float
    """Level of the loudest sample."""

    clipped_share: float
    """Share of the samples at full scale, 0..1."""

    dc_share: float
    """Size of the mean, as a share of full scale, 0..1."""

    def problems(self) -> tuple[str, ...]:
        """What `AudioHealth` would name, of `silent`, `clipping` and `dc`; `HINTS` tells what to do."""
        if self.level_dbfs < SILENT_BELOW_DBFS:
            return ("silent",)
        found = {"clipping": self.clipped_share > CLIPPED_SHARE, "dc": self.dc_share > DC_SHARE}
        return tuple(kind for kind, is_so in found.items() if is_so)

    def __str__(self) -> str:
        return f"level {self.level_dbfs:.0f} dBFS, floor {self.floor_dbfs:.0f} dBFS, peak {self.peak_dbfs:.0f} dBFS"


def survey(frames: Sequence[Frame]) -> Survey:
    """Measure some frames, at least one."""
    pcm = np.concatenate([frame.pcm for frame in frames])
    sizes = np.abs(pcm.astype(np.int32))
    return Survey(
        seconds=len(frames) / FRAMES_PER_S,
        level_dbfs=level_dbfs(pcm),
        floor_dbfs=float(np.percentile([level_dbfs(frame.pcm) for frame in frames], FLOOR_PERCENT)),
        peak_dbfs=level_dbfs(pcm[sizes.argmax()].reshape(1)),
        clipped_share=float(np.mean(sizes >= INT16_FULL_SCALE - 1)),
        dc_share=float(abs(pcm.mean())) / INT16_FULL_SCALE,
    )
