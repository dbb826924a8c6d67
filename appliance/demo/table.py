"""The table that closes the demo: what was heard, done and answered, and how long each stage took."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from appliance.events import (
    ActionDone,
    Event,
    IntentRecognized,
    IntentRejected,
    ReplyGiven,
    TranscriptReady,
    TurnFinished,
)
from appliance.service_level import percentile

STAGES = {
    "wake_ms": "wake word's end to detection",
    "endpoint_ms": "last speech to end of command",
    "recognition_ms": "end of command to text",
    "action_ms": "last speech to action done",
    "first_audio_ms": "last speech to first sound",
    "total_ms": "whole turn, answer included",
}


@dataclass(slots=True)
class Turn:
    """What the events of one session say."""

    heard: str = ""
    intent: str = ""
    done: str = ""
    answered: str = ""
    times: TurnFinished | None = None


@dataclass(slots=True)
class Turns:
    """Collects turns from events, as any subscriber could."""

    by_session: dict[int, Turn] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Note what an event adds to its turn."""
        if event.session is None:
            return
        turn = self.by_session.setdefault(event.session, Turn())
        match event:
            case TranscriptReady():
                turn.heard = event.text or ""
            case IntentRecognized():
                turn.intent = event.intent
            case IntentRejected():
                turn.intent = f"refused: {event.reason}"
            case ActionDone():
                turn.done = "yes" if event.ok else f"no: {event.detail}"
            case ReplyGiven():
                turn.answered = event.text or ""
            case TurnFinished():
                turn.times = event

    def lines(self) -> list[str]:
        """Both tables."""
        rows = [("heard", "intent", "done", "answered")]
        rows += [(turn.heard, turn.intent, turn.done, turn.answered) for turn in self.by_session.values()]
        stages = [("stage", "turns", "p50", "p95")]
        for name, meaning in STAGES.items():
            values = [getattr(turn.times, name) for turn in self.by_session.values() if turn.times is not None]
            known = [value for value in values if value is not None]
            if known:
                stages.append((meaning, str(len(known)), f"{percentile(known, 50)} ms", f"{percentile(known, 95)} ms"))
        return [*_table(rows), "", *_table(stages)]


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]
