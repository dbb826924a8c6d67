"""When a turn got where: frames in, the durations of `turn_finished` out."""

from dataclasses import dataclass

from appliance.audio.format import ms_of_frames
from appliance.events import TurnFinished


@dataclass(slots=True)
class Marks:
    """Frames at which the current turn got somewhere; None: not yet."""

    woken: int = 0
    word_end: int | None = None
    began: int | None = None
    last_speech: int | None = None
    ended: int | None = None
    understood: int | None = None
    acted: int | None = None
    first_audio: int | None = None

    def times(self, frame: int) -> TurnFinished:
        """The event of a turn that ends with this frame."""
        return TurnFinished(
            frame=frame,
            wake_ms=_between(self.word_end, self.woken),
            endpoint_ms=_between(self.last_speech, self.ended),
            recognition_ms=_between(self.ended, self.understood),
            action_ms=_between(self.last_speech, self.acted),
            first_audio_ms=_between(self.last_speech, self.first_audio),
            total_ms=ms_of_frames(frame - self.woken),
        )


def _between(first: int | None, last: int | None) -> int | None:
    return None if first is None or last is None else ms_of_frames(max(0, last - first))
