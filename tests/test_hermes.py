"""The appliance as a site of the Hermes protocol. Its reference classes are asked by `make check-hermes`."""

import json
from typing import Any

import msgspec
import pytest

from appliance.config import parse
from appliance.errors import ConfigError
from appliance.events import (
    Event,
    IntentRecognized,
    IntentRejected,
    ReplyGiven,
    SpeakingEnded,
    SpeechEnded,
    SpeechStarted,
    State,
    StateChanged,
    TranscriptReady,
    WakeDetected,
    WakeYielded,
)
from appliance.facts import AskedToListen, AskedToMute, AskedToSay, AskedToStop, Fact
from appliance.inbox import Result
from appliance.mqtt.hermes import WAITING_MAX, Hermes
from appliance.mqtt.hermes_messages import REQUESTS, read

IDLE, LISTENING, SPEAKING = State.IDLE, State.LISTENING, State.SPEAKING


class Site:
    """One site, what it sent, and what it asked of the dialog."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.facts: list[Fact | None] = []
        self.hermes = Hermes(
            ("study", "en"), "run", self._send, lambda result: self.facts.append(result(7)), lambda: 0.0
        )

    def _post(self, result: Result) -> None:
        self.facts.append(result(7))

    def _send(self, topic: str, payload: bytes) -> None:
        self.sent.append((topic.removeprefix("hermes/"), json.loads(payload)))

    def take(self, *events: Event) -> "Site":
        for event in events:
            self.hermes.take(event)
        return self

    def ask(self, topic: str, *, retained: bool = False, **fields: Any) -> "Site":
        self.hermes.ear.hear(f"hermes/{topic}", json.dumps(fields).encode(), retained)
        return self

    @property
    def topics(self) -> list[str]:
        return [topic for topic, _ in self.sent]

    def of(self, topic: str) -> dict[str, Any]:
        return next(payload for sent, payload in self.sent if sent == topic)


WAKE = WakeDetected(frame=100, session=1, word="computer", engine="int8", score=0.9)
BEGAN = SpeechStarted(frame=110, session=1)
ENDED = SpeechEnded(frame=160, session=1, reason="complete")
TRANSCRIPT = TranscriptReady(frame=161, session=1, text="set the lamp to thirty percent", confidence=0.8)
RECOGNIZED = IntentRecognized(
    frame=161,
    session=1,
    intent="brightness_set",
    slots={"device": "lamp", "percent": "thirty"},
    values={"device": "desk_lamp", "percent": 30, "area": "study"},
    text="set the lamp to thirty percent",
    confidence=0.9,
    decision="act",
)


def went(frm: State, to: State, session: int | None = 1) -> StateChanged:
    return StateChanged(frame=200, session=session, from_=frm, to=to)


TURN: tuple[Event, ...] = (
    *(WAKE, went(IDLE, LISTENING), BEGAN, ENDED, TRANSCRIPT, RECOGNIZED),
    ReplyGiven(frame=170, session=1, text="The lamp is at thirty percent."),
    went(LISTENING, SPEAKING),
    SpeakingEnded(frame=190, session=1, reason="done"),
    went(SPEAKING, IDLE),
)


def test_a_turn() -> None:
    site = Site().take(*TURN)
    assert site.topics == [
        "hotword/computer/detected",
        "dialogueManager/sessionStarted",
        "asr/textCaptured",
        "intent/brightness_set",
        "dialogueManager/sessionEnded",
    ]
    assert {payload["siteId"] for _, payload in site.sent} == {"study"}
    assert {payload["sessionId"] for _, payload in site.sent} == {"study-run-1"}
    captured = site.of("asr/textCaptured")
    assert (captured["text"], captured["likelihood"], captured["seconds"]) == (TRANSCRIPT.text, 0.8, 1.0)
    intent = site.of("intent/brightness_set")
    assert intent["intent"] == {"intentName": "brightness_set", "confidenceScore": 0.9}
    assert intent["slots"][0] == {
        "entity": "device",
        "slotName": "device",
        "value": {"kind": "Custom", "value": "desk_lamp"},
        "rawValue": "lamp",
        "confidence": 0.9,
        "range": {"start": 8, "end": 12, "rawStart": 8, "rawEnd": 12},
    }
    assert [(slot["slotName"], slot["range"] is None) for slot in intent["slots"][1:]] == [
        ("percent", False),
        ("area", True),
    ]
    assert site.of("dialogueManager/sessionEnded")["termination"] == {"reason": "nominal"}


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ((IntentRejected(frame=9, session=1, text=None, reason="no_speech"),), "timeout"),
        ((IntentRejected(frame=9, session=1, text="what", reason="not_understood"),), "intentNotRecognized"),
        ((SpeechEnded(frame=9, session=1, reason="cancelled"),), "abortedByUser"),
        ((WakeYielded(frame=9, session=1, word="x", to="bath", snr_db=1.0, other_snr_db=2.0),), "abortedByUser"),
    ],
)
def test_why_a_session_ends(events: tuple[Event, ...], reason: str) -> None:
    site = Site().take(WAKE, went(IDLE, LISTENING), *events, went(LISTENING, IDLE))
    assert site.of("dialogueManager/sessionEnded")["termination"] == {"reason": reason}
    not_recognized = [payload for topic, payload in site.sent if topic.endswith("ntNotRecognized")]
    assert len(not_recognized) == 2 * (reason == "intentNotRecognized")


def test_a_second_wake_word_ends_the_first_session() -> None:
    again = msgspec.structs.replace(WAKE, session=2)
    site = Site().take(*TURN[:7], went(LISTENING, SPEAKING), again)
    assert site.topics[-3:] == [
        "dialogueManager/sessionEnded",
        "hotword/computer/detected",
        "dialogueManager/sessionStarted",
    ]
    assert [payload["sessionId"] for _, payload in site.sent[-3:]] == ["study-run-1", "study-run-2", "study-run-2"]


def said(text: str) -> tuple[Event, ...]:
    return (
        ReplyGiven(frame=9, text=text),
        went(IDLE, SPEAKING, session=None),
        SpeakingEnded(frame=20, reason="done"),
        went(SPEAKING, IDLE, session=None),
    )


def test_a_text_is_said_and_its_end_told() -> None:
    site = Site().ask("tts/say", text="Dinner is ready", siteId="study", id="7", sessionId="s", lang="en", volume=1.0)
    assert site.facts == [AskedToSay(frame=7, text="Dinner is ready")]
    site.take(*said("something else"), *said("Dinner is ready"))
    assert site.sent == [], "its turn was passed over: another text came first"
    site.ask("tts/say", text="Dinner is ready", siteId="study", id="8").take(*said("Dinner is ready"))
    assert site.sent == [("tts/sayFinished", {"siteId": "study", "id": "8", "sessionId": None})]


def test_a_notification_is_a_session_of_its_own() -> None:
    init = {"type": "notification", "text": "Hello"}
    site = Site().ask("dialogueManager/startSession", init=init, siteId="study", customData="mine")
    site.take(*said("Hello"))
    assert site.topics == ["dialogueManager/sessionStarted", "tts/sayFinished", "dialogueManager/sessionEnded"]
    assert {payload["sessionId"] for _, payload in site.sent} == {"study-run-n1"}
    assert site.of("dialogueManager/sessionEnded")["customData"] == "mine"


def test_a_session_can_be_started_continued_and_ended() -> None:
    init = {"type": "action", "text": "Which room?", "canBeEnqueued": True, "intentFilter": ["x"]}
    site = Site().ask("dialogueManager/startSession", init=init, siteId="study", customData="mine")
    assert site.facts == [AskedToSay(frame=7, text="Which room?")]
    site.take(*said("Which room?"))
    assert site.facts[1:] == [AskedToListen(frame=7)]
    site.take(went(IDLE, LISTENING))
    assert site.of("dialogueManager/sessionStarted")["customData"] == "mine"
    site.ask("dialogueManager/endSession", sessionId="study-run-1")
    assert site.facts[2:] == [AskedToStop(frame=7)]
    site.ask("dialogueManager/continueSession", sessionId="study-run-1", text="And now?")
    site.ask("dialogueManager/endSession", sessionId="study-run-1", text="Goodbye")
    assert site.facts[3:] == [AskedToSay(frame=7, text="And now?"), AskedToSay(frame=7, text="Goodbye")]
    site.ask("dialogueManager/continueSession", sessionId="study-run-1").ask("dialogueManager/startSession", init={})
    assert site.facts[5:] == [AskedToListen(frame=7), None], "and another site is not ours"


def test_what_is_being_said_is_not_cut_off_by_the_end_of_a_session() -> None:
    site = Site().take(*TURN[:8]).ask("dialogueManager/endSession", sessionId="study-run-1")
    assert site.facts == [None]


def test_hotwords_are_turned_off_and_on() -> None:
    site = Site().ask("hotword/toggleOff", siteId="study", reason="").ask("hotword/toggleOn", siteId="study")
    assert site.facts == [AskedToMute(frame=7, on=True), AskedToMute(frame=7, on=False)]


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "x", "siteId": "other"},
        {"text": "x"},
        {"text": "", "siteId": "study"},
        {"text": "\x1b[2J", "siteId": "study"},
        {"text": 7, "siteId": "study"},
        {"text": "x" * 1001, "siteId": "study"},
        {"siteId": "study"},
        {"text": "x" * 900, "siteId": "study", "more": "x" * 4000},
        {"text": "x", "siteId": "study", "retained": True},
    ],
)
def test_what_is_not_for_us_or_not_of_the_form_does_nothing(fields: dict[str, Any]) -> None:
    site = Site().ask("tts/say", **fields)
    assert [fact for fact in site.facts if fact is not None] == []
    for topic in REQUESTS:
        for payload in (b"", b"7", b"[" * 4000, b"\xff"):
            site.hermes.ear.hear(topic, payload, False)
    assert [fact for fact in site.facts if fact is not None] == []


def test_a_flood_is_cut() -> None:
    site = Site()
    for _ in range(100):
        site.ask("hotword/toggleOff", siteId="study")
    assert len(site.facts) == 20
    site = Site()
    for number in range(3 * WAITING_MAX):
        site.hermes.asked(read("hermes/tts/say", b'{"text": "%d", "siteId": "study"}' % number), 0)
    assert len(site.hermes._waiting) == WAITING_MAX


def test_no_audio_and_no_wildcard() -> None:
    site = Site().take(msgspec.structs.replace(WAKE, word="a/+#"), went(IDLE, LISTENING))
    assert site.topics[0] == "hotword/a___/detected"
    assert not any("audio" in topic for topic in REQUESTS)


def test_it_needs_texts_to_be_published() -> None:
    with pytest.raises(ConfigError, match=r"x.toml:2: hermes.enabled: .*set privacy.publish_text = true"):
        parse("[hermes]\nenabled = true\n", "x.toml")
    assert parse("[hermes]\nenabled = true\n[privacy]\npublish_text = true\n", "x.toml").hermes.site_id == "default"
