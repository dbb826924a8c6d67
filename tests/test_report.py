"""Events as lines for people."""

import pytest

from appliance.events import (
    ActionDone,
    AudioProblem,
    Event,
    IntentRecognized,
    IntentRejected,
    ReplyGiven,
    SpeakingStarted,
    SpeechStarted,
    Started,
    State,
    StateChanged,
    TurnFinished,
    WakeDetected,
)
from appliance.report import describe

LINES: list[tuple[Event, str]] = [
    (SpeechStarted(frame=49, session=1), "    1.00 s  speech_started"),
    (
        WakeDetected(frame=0, session=1, word="alexa", engine="int8", score=0.98),
        "    0.02 s  wake_detected      word=alexa  engine=int8  score=0.98",
    ),
    (
        Started(frame=0, version="1.2.3", wake_words=("alexa", "okay nabu")),
        'version=1.2.3  wake_words=alexa,"okay nabu"',
    ),
    (StateChanged(frame=75, session=1, from_=State.IDLE, to=State.LISTENING), "from=idle  to=listening"),
    (ReplyGiven(frame=1, text="It is noon."), 'text="It is noon."'),
    (ReplyGiven(frame=1, text="Done"), "text=Done"),
    (ReplyGiven(frame=1, text=""), 'text=""'),
    (ReplyGiven(frame=1, text="5 ms"), 'text="5 ms"'),
    (ReplyGiven(frame=1, text=None), "    0.04 s  reply"),
    (ReplyGiven(frame=1, text="Grüße aus der Küche"), 'text="Grüße aus der Küche"'),
    (ActionDone(frame=1, intent="timer_set", ok=True), "intent=timer_set  ok=True"),
    (
        ActionDone(frame=1, intent="timer_set", ok=False, detail="too many", dry_run=True),
        'intent=timer_set  ok=False  detail="too many"  dry_run=True',
    ),
    (SpeakingStarted(frame=1), "    0.04 s  speaking_started"),
    (SpeakingStarted(frame=1, cached=True), "cached=True"),
    (
        IntentRejected(frame=1, text="no idea", reason="not_understood", nearest="stop", score=0.0),
        'text="no idea"  reason=not_understood  nearest=stop  score=0.0',
    ),
    (
        IntentRecognized(
            frame=1,
            intent="timer_set",
            slots={},
            values={"duration": 300, "label": "green tea"},
            text="t",
            decision="act",
        ),
        'intent=timer_set  values={duration: 300, label: "green tea"}  text=t  decision=act',
    ),
    (
        TurnFinished(frame=1, endpoint_ms=0, action_ms=520, total_ms=3500),
        "endpoint_ms=0 ms  action_ms=520 ms  total_ms=3500 ms",
    ),
    (
        AudioProblem(frame=1, kind="clipping", level_dbfs=0.0, hint="lower it"),
        'kind=clipping  level_dbfs=0.0  hint="lower it"',
    ),
]


@pytest.mark.parametrize(("event", "line"), LINES)
def test_a_line_tells_what_is_not_as_usual(event: Event, line: str) -> None:
    told = describe(event)
    assert told.endswith(line)
    if line.startswith(" "):
        assert told == line


@pytest.mark.parametrize("text", ["one\ntwo", "red \x1b[31m alert", "back\rspace", "c1 \x9b31m", "line\u2028separator"])
def test_a_text_makes_no_lines_and_no_terminal_commands_of_its_own(text: str) -> None:
    for event in (
        ReplyGiven(frame=1, text=text),
        IntentRecognized(frame=1, intent="i", slots={"item": text}, values={}, text=None, decision="act"),
    ):
        assert describe(event).isprintable()
