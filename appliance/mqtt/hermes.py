"""The appliance as one site of the Hermes protocol (Snips, Rhasspy): hotword, dialogue, recognition, intents and voice.

What happens here is told in its messages, beside our own; what it asks is obeyed like our commands. What was said
leaves the appliance by it, and audio never does. Owned by the frame loop; `ear` is called in the MQTT thread.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from appliance import commands
from appliance.commands import PAYLOAD_LIMIT_BYTES
from appliance.events import (
    Event,
    Failed,
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
from appliance.inbox import Post
from appliance.mqtt import hermes_messages as told
from appliance.mqtt.ear import Ear
from appliance.mqtt.hermes_messages import (
    REQUESTS,
    ContinueSession,
    EndSession,
    Message,
    Request,
    SayRequest,
    StartSession,
    ToggleOff,
    ToggleOn,
    topic_of,
)
from appliance.mqtt.hermes_slots import slots_of
from appliance.mqtt.inbound import RATE_PER_S, TokenBucket

WAITING_MAX: Final = 8
"""Texts asked for and not said yet; the dialog takes as many."""

REMEMBERED_SESSIONS: Final = 8
"""A skill may answer when its conversation is over already: we act, and do not wait for it."""

Clock = Callable[[], float]
"""Seconds that only grow."""

_REST: Final = (State.IDLE, State.MUTED, State.RINGING)

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Saying:
    """A text that was asked for."""

    text: str
    id: str | None = None
    session_id: str | None = None
    ends_session: bool = False
    """It was a conversation of its own, in which nobody listens."""

    then_listen: bool = False
    custom_data: str | None = None


class Hermes:
    """`take` every event; what is asked comes by `ear`, and goes to the dialog by `post`."""

    def __init__(
        self,
        site: tuple[str, str],
        run: str,
        send: Callable[[str, bytes], object],
        post: Post,
        clock: Callable[[], float],
    ) -> None:
        """`site`: its id, and the language. `run` tells the sessions of this start from those of others.

        `send`: topic and payload, to the broker; does not wait.
        """
        self._site, self._lang = site
        self._run = run
        self._send = send
        self._post = post
        self._bucket = TokenBucket(RATE_PER_S, clock)
        self._session: int | None = None
        self._sessions: deque[str] = deque(maxlen=REMEMBERED_SESSIONS)
        self._asked = 0
        self._word: str | None = None
        self._began: int | None = None
        self._spoke_s = 0.0
        self._sure = 1.0
        self._reason: str = "nominal"
        self._listens = False
        self._data: str | None = None
        self._next_data: str | None = None
        self._waiting: deque[_Saying] = deque(maxlen=WAITING_MAX)
        self._saying: _Saying | None = None
        self.ear = Ear(filters=tuple(REQUESTS), concerns=lambda topic: topic in REQUESTS, hear=self._hear)

    # What happens.

    def take(self, event: Event) -> None:
        """Tell what an event means in Hermes, if anything."""
        self._follow(event)
        match event:
            case SpeechStarted():
                self._began = event.frame
            case SpeechEnded(reason="cancelled") | SpeakingEnded(reason="interrupted") | WakeYielded():
                self._reason = "abortedByUser"
            case SpeechEnded() if self._began is not None:
                self._spoke_s = round((event.frame - self._began) * 0.02, 2)
            case TranscriptReady():
                self._captured(event)
            case IntentRecognized(decision="act"):
                self._recognized(event)
            case IntentRejected():
                self._rejected(event)
            case Failed() if event.session is not None:
                self._reason = "error"
        self._follow_speech(event)
        if isinstance(event, StateChanged):
            self._listens = event.to in (State.LISTENING, State.FOLLOWING_UP)
            if event.session is not None and event.to in _REST:
                self._end_session()

    def _follow(self, event: Event) -> None:
        """Begin a session with its first event; the one before ends with it."""
        if event.session in (None, self._session):
            return
        if self._session is not None:
            self._reason = "abortedByUser"
            self._end_session()
        self._session, self._word, self._began, self._spoke_s = event.session, None, None, 0.0
        self._reason, self._data, self._next_data = "nominal", self._next_data, None
        if isinstance(event, WakeDetected):
            self._word = event.word
            self._tell(
                told.HotwordDetected(
                    model_id=event.word, current_sensitivity=event.score, site_id=self._site, session_id=self._id
                )
            )
        self._sessions.append(self._id)
        self._tell(
            told.SessionStarted(session_id=self._id, site_id=self._site, custom_data=self._data, lang=self._lang)
        )

    def _follow_speech(self, event: Event) -> None:
        """Know which of the texts that were asked for is being said, and what comes after it."""
        if isinstance(event, ReplyGiven) and event.session is None:
            while self._waiting and self._saying is None:
                said = self._waiting.popleft()
                self._saying = said if said.text == event.text else None
        if not isinstance(event, SpeakingEnded) or self._saying is None:
            return
        said, self._saying = self._saying, None
        self._tell(told.SayFinished(site_id=self._site, id=said.id, session_id=said.session_id))
        if said.ends_session and said.session_id is not None:
            self._ended(said.session_id, "nominal", said.custom_data)
        if said.then_listen:
            self._listen(said.custom_data)

    def _captured(self, event: TranscriptReady) -> None:
        self._sure = 1.0 if event.confidence is None else event.confidence
        self._tell(
            told.TextCaptured(
                text=event.text or "",
                likelihood=self._sure,
                seconds=self._spoke_s,
                site_id=self._site,
                session_id=self._id,
                wakeword_id=self._word,
                lang=self._lang,
            )
        )

    def _recognized(self, event: IntentRecognized) -> None:
        text, sure = event.text or "", 1.0 if event.confidence is None else event.confidence
        self._tell(
            told.Intent(
                input=text,
                intent=told.IntentName(intent_name=event.intent, confidence_score=sure),
                slots=slots_of(event, text, sure),
                site_id=self._site,
                id=self._id,
                session_id=self._id,
                custom_data=self._data,
                asr_confidence=self._sure,
                raw_input=text,
                wakeword_id=self._word,
                lang=self._lang,
            )
        )

    def _rejected(self, event: IntentRejected) -> None:
        if event.reason == "no_speech":
            self._reason = "timeout"
            return
        self._reason, text = "intentNotRecognized", event.text or ""
        self._tell(told.NotRecognized(input=text, site_id=self._site, session_id=self._id))
        self._tell(
            told.IntentNotRecognized(input=text, session_id=self._id, site_id=self._site, custom_data=self._data)
        )

    def _end_session(self) -> None:
        self._ended(self._id, self._reason, self._data)
        self._session = None

    def _ended(self, session_id: str, reason: str, data: str | None) -> None:
        termination = told.Termination(reason=reason)  # type: ignore[arg-type]
        self._tell(
            told.SessionEnded(termination=termination, session_id=session_id, site_id=self._site, custom_data=data)
        )

    @property
    def _id(self) -> str:
        """Of the current session."""
        return f"{self._site}-{self._run}-{self._session}"

    def _tell(self, message: Message) -> None:
        self._send(topic_of(message), msgspec.json.encode(message))

    # What is asked.

    def _hear(self, topic: str, payload: bytes, retained: bool) -> None:
        """In the MQTT thread."""
        if retained or len(payload) > PAYLOAD_LIMIT_BYTES or not self._bucket.take():
            return
        try:
            request = told.read(topic, payload)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            _LOGGER.debug("%s: not of the known form", topic)
            return
        self._post(lambda frame: self.asked(request, frame))

    def asked(self, request: Request, frame: int) -> Fact | None:
        """What the dialog is to do about a request; None: nothing, or nothing yet."""
        if isinstance(request, ContinueSession | EndSession):
            return self._go_on(request, frame) if request.session_id in self._sessions else None
        if request.site_id != self._site:
            return None
        match request:
            case SayRequest():
                return self._say(_Saying(text=request.text, id=request.id, session_id=request.session_id), frame)
            case StartSession():
                return self._start(request, frame)
            case ToggleOn() | ToggleOff():
                return AskedToMute(frame=frame, on=isinstance(request, ToggleOff))

    def _start(self, request: StartSession, frame: int) -> Fact | None:
        text, data = request.init.text, request.custom_data
        if request.init.type == "action":
            if text:
                return self._say(_Saying(text=text, then_listen=True, custom_data=data), frame)
            self._next_data = data
            return AskedToListen(frame=frame)
        if not text:
            return None
        self._asked += 1
        session_id = f"{self._site}-{self._run}-n{self._asked}"
        fact = self._say(_Saying(text=text, session_id=session_id, ends_session=True, custom_data=data), frame)
        if fact is not None:
            self._tell(
                told.SessionStarted(session_id=session_id, site_id=self._site, custom_data=data, lang=self._lang)
            )
        return fact

    def _go_on(self, request: ContinueSession | EndSession, frame: int) -> Fact | None:
        if isinstance(request, EndSession):
            if request.text:
                return self._say(_Saying(text=request.text, session_id=request.session_id), frame)
            # What is being done or said by now is not cut off: skills end every conversation so.
            return AskedToStop(frame=frame) if self._listens and request.session_id == self._id else None
        data = self._data if request.custom_data is None else request.custom_data
        if request.text:
            saying = _Saying(text=request.text, session_id=request.session_id, then_listen=True, custom_data=data)
            return self._say(saying, frame)
        self._next_data = data
        return AskedToListen(frame=frame)

    def _say(self, saying: _Saying, frame: int) -> Fact | None:
        try:
            commands.Say(text=saying.text)
        except ValueError:  # nothing that can be said
            return None
        if len(self._waiting) == WAITING_MAX:
            return None
        self._waiting.append(saying)
        return AskedToSay(frame=frame, text=saying.text)

    def _listen(self, data: str | None) -> None:
        self._next_data = data
        self._post(lambda frame: AskedToListen(frame=frame))
