"""How long a turn takes: synthesized commands replayed at the pace of a microphone, with threads as in the daemon."""

from collections.abc import Iterator, Sequence

from appliance.audio.format import Frame
from appliance.brains import Brains
from appliance.demo.table import STAGES
from appliance.events import Event, TurnFinished
from appliance.replay import ReplaySettings, replay
from appliance.service_level import percentile
from appliance.voice.voice import Voice


class Frames:
    """A source of frames that are there already."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        """`frames`: with indices from 0."""
        self._frames = frames

    def frames(self) -> Iterator[Frame]:
        """Yield them."""
        yield from self._frames

    def events(self) -> list[Event]:
        """Nothing happens to them."""
        return []

    def close(self) -> None:
        """Nothing to close."""


def turn_times(brains: Brains, voice: Voice, recordings: Sequence[Sequence[Frame]]) -> list[str]:
    """Lines: p50 and p95 of each stage over all recordings."""
    heard: list[Event] = []
    for frames in recordings:
        replay(brains, Frames(frames), ReplaySettings(realtime=True), voice=voice, publish=heard.append)
    turns = [event for event in heard if isinstance(event, TurnFinished)]
    lines = [f"  {len(turns)} turns; a frame is 20 ms, finer is not measured"]
    for name, meaning in STAGES.items():
        values = [value for turn in turns if (value := getattr(turn, name)) is not None]
        if values:
            lines.append(f"  {meaning:<32} p50 {percentile(values, 50):5} ms   p95 {percentile(values, 95):5} ms")
    return lines
