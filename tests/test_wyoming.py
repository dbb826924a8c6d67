"""Wyoming: what is served, to the library's own client with the real models, and what strangers may send."""

import asyncio
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.audio.convert import resample
from appliance.audio.format import SAMPLE_RATE_HZ, Frame, Pcm, silent_pcm
from appliance.cli import main
from appliance.config import Config
from appliance.config_files import LoadedConfig
from appliance.models import ModelStore
from appliance.voice.piper import PiperVoice
from appliance.voice.voice import Cancelled, never, split_sentences
from appliance.wyoming.conversation import Conversation, Services
from appliance.wyoming.ears import SpeechEar
from appliance.wyoming.mouth import Mouth
from appliance.wyoming.server import CONNECTIONS, ListenError, Server
from appliance.wyoming.wire import (
    LARGEST_DATA_BYTES,
    LARGEST_LINE_BYTES,
    LARGEST_PAYLOAD_BYTES,
    AudioChunk,
    AudioStart,
    Describe,
    Ping,
    Synthesize,
    Wire,
    WireError,
)
from tests.broker import WAIT_S, wait_until

pytestmark = pytest.mark.filterwarnings("ignore:'audioop' is deprecated:DeprecationWarning")  # which the library wants

RATE_HZ = 22_050


# Bytes in, without the library.


@contextmanager
def reading(*sent: bytes, ends: bool = True, event_s: float = WAIT_S) -> Iterator[Wire]:
    """What reads these bytes, from a connection that ends after them or stays open."""
    near, far = socket.socketpair()

    def send() -> None:
        for part in sent:
            far.sendall(part)
        if ends:
            far.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        with near, far:
            yield Wire(near, event_s=event_s)
            sender.join()
    finally:
        sender.join()


def event(kind: str, data: dict[str, Any] | None = None, payload: bytes = b"") -> bytes:
    """An event as the library writes it."""
    rest = json.dumps(data).encode() if data else b""
    head = {"type": kind, "version": "1.10.2", "data_length": len(rest), "payload_length": len(payload)}
    return json.dumps(head).encode() + b"\n" + rest + payload


START = event("audio-start", {"rate": 16_000, "width": 2, "channels": 1})


def test_what_the_library_writes_is_read_however_it_is_cut() -> None:
    whole = event("describe") + START + event("audio-chunk", {"rate": 16_000, "timestamp": 40}, b"ab\ncd\n")
    whole += b'{"type": "synthesize", "data": {"text": "inline"}}\n'
    for parts in ([whole], [whole[n : n + 1] for n in range(len(whole))]):
        with reading(*parts) as wire:
            assert wire.read() == Describe()
            assert wire.read() == AudioStart(rate=16_000, width=2, channels=1)
            assert wire.read() == AudioChunk(audio=b"ab\ncd\n", timestamp=40)
            assert wire.read() == Synthesize(text="inline")
            assert wire.read() is None


def test_what_a_newer_protocol_knows_is_passed_over() -> None:
    with reading(event("run-pipeline", {"a": 1}, b"xyz"), event("ping", {"text": "a", "new": [1]})) as wire:
        assert wire.read() == Ping(text="a")


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "malformed"),
        (b"\x16\x03\x01\x02\x00\x01\n", "malformed|invalid"),
        (b"\xff\xfe\n", "malformed|invalid|decode"),
        (b"\n", "truncated"),
        (b"[]\n", "object"),
        (b"{}\n", "type"),
        (b'{"type": 1}\n', "`type`"),
        (b'{"type": "' + b"x" * 65 + b'"}\n', "`type`"),
        (b'{"type":"ping","data":{"a":' + b"[" * 9000 + b"\n", "nested too deep"),
        (b'{"type":"ping","data":' + b'{"a":' * 3000 + b"1" + b"}" * 3001 + b"\n", "nested too deep"),
        (b"x" * (LARGEST_LINE_BYTES + 1), "more than"),
        (b'{"type": "describe"', "within an event"),
        (b'{"type": "ping", "data_length": -1}\n', "data_length"),
        (b'{"type": "ping", "data_length": 1e400}\n', "data_length|out of range"),
        (b'{"type": "ping", "data_length": %d}\n' % (LARGEST_DATA_BYTES + 1), "data_length"),
        (b'{"type": "ping", "data_length": 9}\n{}', "within an event"),
        (b'{"type": "ping", "data_length": 2}\n[]', "object"),
        (b'{"type": "ping", "data_length": 3}\nNaN', "malformed"),
        (b'{"type": "audio-chunk", "payload_length": %d}\n' % (LARGEST_PAYLOAD_BYTES + 1), "payload_length"),
        (b'{"type": "audio-chunk", "payload_length": 99999999999999999999}\n', "payload_length"),
        (b'{"type": "audio-chunk", "payload_length": 8}\nshort', "within an event"),
        (b'{"type": "unheard-of", "payload_length": 999999999}\n', "payload_length"),
        (event("audio-start", {"rate": "16000", "width": 2, "channels": 1}), "audio-start: .*`rate`"),
        (event("audio-start", {"rate": 16000, "width": 2}), "audio-start: .*`channels`"),
        (event("audio-start", {"rate": 10**30, "width": 2, "channels": 1}), "`rate`"),
        (event("audio-chunk", {"timestamp": 1e300}), "`timestamp`"),
        (event("synthesize", {"text": None}), "synthesize: .*`text`"),
        (event("synthesize", {"text": "secret" * 1000}), "synthesize: .*`text`"),
        (event("synthesize", {"text": "\ud800 secret"}), "truncated|surrogate"),
        (event("synthesize-chunk", {}), "synthesize-chunk: .*`text`"),
        (event("detect", {"names": "secret"}), "detect: .*`names`"),
        (event("detect", {"names": [1]}), "detect: .*`names"),
    ],
)
def test_what_is_not_wyoming_is_refused_in_a_sentence(sent: bytes, reason: str) -> None:
    with reading(sent) as wire, pytest.raises(WireError, match=reason) as refused:
        wire.read()
    assert "secret" not in str(refused.value)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 200


def test_a_huge_length_is_refused_before_a_byte_of_it_is_awaited() -> None:
    head = b'{"type": "audio-chunk", "payload_length": 4000000000}\n'
    with reading(head, ends=False) as wire, pytest.raises(WireError, match="payload_length"):
        wire.read()


def test_who_does_not_go_on_is_not_waited_for() -> None:
    with (
        reading(b'{"type": ', ends=False, event_s=0.05) as wire,
        pytest.raises(WireError, match=r"event within 0.05 s"),
    ):
        wire.read()


# Conversations, with an ear and a voice of our own; the library writes the answers.


class FakeVoice:
    """Says each sentence as one part, as long as it has characters."""

    rate_hz = RATE_HZ
    identity = None
    samples = 1
    """Of a character."""

    def __init__(self) -> None:
        self.threads = set[str]()
        self.gate = threading.Event()
        self.gate.set()

    def start(self) -> None:
        self.threads.add(threading.current_thread().name)

    def stream(self, sentence: str, cancelled: Cancelled = never) -> Iterator[Pcm]:
        self.threads.add(threading.current_thread().name)
        assert self.gate.wait(WAIT_S)
        yield np.full(len(sentence) * self.samples, 7, np.int16)

    def synthesize(self, sentence: str) -> Pcm:
        raise NotImplementedError

    def close(self) -> None:
        self.threads.add(threading.current_thread().name)


class FakeEar:
    """Answers nothing; keeps how many frames it got."""

    def __init__(self) -> None:
        self.frames = 0
        self.ended: list[str] = []

    def hear(self, frames: Sequence[Frame], timestamp: int | None) -> list[Any]:
        self.frames += len(frames)
        return []

    def finish(self) -> list[Any]:
        self.ended.append("finish")
        return []

    def close(self) -> None:
        self.ended.append("close")


class Served:
    """A server on a port of its own."""

    def __init__(self, services: Services, *, send_s: float = WAIT_S) -> None:
        self._server = Server(
            "127.0.0.1",
            0,
            lambda wire, ending: Conversation(wire, services, ending).run(),
            open_wire=lambda connection: Wire(connection, send_s=send_s),
        )
        self.port = self._server.port
        self._thread = threading.Thread(target=self._server.serve)
        self._thread.start()

    @property
    def refused(self) -> int:
        return self._server.refused

    def close(self) -> None:
        self._server.close()
        self._thread.join()
        assert not clients()


def clients() -> list[threading.Thread]:
    """Threads of connections."""
    return [thread for thread in threading.enumerate() if thread.name == "wyoming client"]


class Client:
    """Bytes to a server, and its answers, as they are on the wire."""

    def __init__(self, served: Served) -> None:
        self._socket = socket.create_connection(("127.0.0.1", served.port), WAIT_S)
        self._answers = self._socket.makefile("rb")

    def send(self, *events: bytes) -> None:
        self._socket.sendall(b"".join(events))

    def answer(self) -> tuple[str, dict[str, Any], int] | None:
        """Type, data and size of the sound; None at the end."""
        if not (line := self._answers.readline()):
            return None
        head = json.loads(line)
        data = json.loads(self._answers.read(head["data_length"])) if head.get("data_length") else {}
        return head["type"], data, len(self._answers.read(head.get("payload_length", 0)))

    def kinds(self, last: str) -> list[str]:
        """Types of the answers up to this one."""
        kinds = []
        while not kinds or kinds[-1] != last:
            answer = self.answer()
            assert answer is not None, kinds
            kinds.append(answer[0])
        return kinds

    def close(self) -> None:
        self._answers.close()
        self._socket.close()


@pytest.fixture(autouse=True)
def priority(monkeypatch: pytest.MonkeyPatch) -> None:
    """What gives up priority here would do so for all tests after this one: nothing gives it back."""
    monkeypatch.setattr("appliance.cli.wyoming.step_back", lambda: None)


@pytest.fixture
def voice() -> FakeVoice:
    return FakeVoice()


@pytest.fixture
def ears() -> "queue.Queue[FakeEar]":
    return queue.Queue()


@pytest.fixture
def services(voice: FakeVoice, ears: "queue.Queue[FakeEar]") -> Iterator[Services]:
    info = pytest.importorskip("wyoming.info", reason="the package wyoming is not installed (make wyoming)").Info()

    def ear(names: Sequence[str] | None = None) -> FakeEar:
        ears.put(made := FakeEar())
        return made

    with closing(Mouth(voice, split_sentences, ())) as mouth:
        mouth.start()
        yield Services(info=info, detector=ear, transcriber=ear, mouth=mouth)


@pytest.fixture
def served(services: Services) -> Iterator[Served]:
    with closing(Served(services)) as served:
        yield served


def test_a_text_that_comes_in_pieces_is_said_sentence_by_sentence(served: Served, voice: FakeVoice) -> None:
    with closing(Client(served)) as client:
        client.send(event("synthesize-start"))
        client.send(*(event("synthesize-chunk", {"text": text}) for text in ("It is ", "half past 7.", "30 now. Good")))
        assert client.kinds("audio-chunk") == ["audio-start", "audio-chunk"]
        assert voice.threads == {"voice_0"}
        client.send(
            event("synthesize-chunk", {"text": " night."}), event("synthesize", {"text": "It is half past ..."})
        )
        client.send(event("synthesize-stop"))
        assert client.answer() == ("audio-chunk", {"rate": 22_050, "width": 2, "channels": 1, "timestamp": None}, 22)
        assert client.kinds("synthesize-stopped") == ["audio-stop", "synthesize-stopped"]
        client.send(event("synthesize", {"text": "Again. And again."}))
        assert client.kinds("audio-stop") == ["audio-start", "audio-chunk", "audio-chunk", "audio-stop"]
        client.send(event("synthesize", {"text": "..."}), event("ping", {"text": "here"}))
        assert client.kinds("pong") == ["audio-start", "audio-stop", "pong"]


@pytest.mark.parametrize(
    ("form", "chunk", "frames"),
    [
        ({"rate": 16_000, "width": 2, "channels": 1}, bytes(2 * 3200), 10),
        ({"rate": 48_000, "width": 4, "channels": 2}, bytes(8 * 9600), 10),
        ({"rate": 8_000, "width": 1, "channels": 1}, b"\x80" * 1600, 10),
    ],
)
def test_sound_of_any_form_reaches_the_ear_as_frames(
    served: Served, ears: "queue.Queue[FakeEar]", form: dict[str, int], chunk: bytes, frames: int
) -> None:
    with closing(Client(served)) as client:
        client.send(event("transcribe", {"language": "en"}), event("audio-start", form))
        client.send(event("audio-chunk", form, chunk), event("audio-stop"), event("ping"))
        assert client.kinds("pong") == ["pong"]
        ear = ears.get(timeout=WAIT_S)
        assert ear.frames == frames
        assert ear.ended == ["finish", "close"]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (START, "say first what it is for"),
        (event("audio-chunk", {}, bytes(2)), "audio without audio-start"),
        (event("audio-stop"), "audio without audio-start"),
        (event("synthesize-chunk", {"text": "a"}), "synthesize-start comes first"),
        (event("synthesize-stop"), "synthesize-start comes first"),
        (event("detect") + event("audio-start", {"rate": 1, "width": 2, "channels": 1}), "sample rate 1 Hz"),
        (event("detect") + event("audio-start", {"rate": 16_000, "width": 3, "channels": 1}), "samples of 3 bytes"),
        (event("detect") + event("audio-start", {"rate": 16_000, "width": 2, "channels": 0}), "0 channels"),
        (event("detect") + START + event("audio-chunk", {}, bytes(3)), "no whole samples"),
        (b"hello?\n", "malformed"),
    ],
)
def test_what_makes_no_sense_is_answered_counted_and_ends_the_connection(
    served: Served, ears: "queue.Queue[FakeEar]", sent: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Client(served)) as client:
        client.send(sent)
        answer = client.answer()
        assert answer is not None
        assert answer[0] == "error"
        assert reason in answer[1]["text"]
        assert client.answer() is None
    with closing(Client(served)) as client:
        client.send(sent)
        assert client.kinds("error") == ["error"]
    assert served.refused == 2
    assert len([record for record in caplog.records if "client refused" in record.getMessage()]) == 1
    while not ears.empty():
        assert ears.get().ended == ["close"]


def test_more_connections_than_there_are_places_are_turned_away_and_taken_later(served: Served) -> None:
    waiting = [Client(served) for _ in range(CONNECTIONS)]
    for client in waiting:
        client.send(event("ping"))
        assert client.kinds("pong") == ["pong"]
    with closing(Client(served)) as one_too_many:
        answer = one_too_many.answer()
        assert answer is not None
        assert "more than 8 connections" in answer[1]["text"]
    for client in waiting:
        client.close()

    def is_taken_again() -> bool:
        with closing(Client(served)) as client:
            client.send(event("describe"))
            answer = client.answer()
            return answer is not None and answer[0] == "info"

    wait_until(is_taken_again, "a place is free")


def test_a_client_that_goes_or_takes_nothing_holds_up_nobody(services: Services, voice: FakeVoice) -> None:
    voice.samples = 50_000
    with closing(Served(services, send_s=0.05)) as served, closing(Client(served)) as deaf:
        voice.gate.clear()
        gone = Client(served)
        gone.send(event("synthesize", {"text": "A. B."}))
        gone.close()
        deaf.send(event("synthesize", {"text": "a" * 150}))  # 15 MB, more than any socket takes
        voice.gate.set()
        wait_until(lambda: not clients(), "both are given up")
        voice.samples = 1
        with closing(Client(served)) as client:
            client.send(event("synthesize", {"text": "Here."}))
            assert client.kinds("audio-stop") == ["audio-start", "audio-chunk", "audio-stop"]


def test_the_end_ends_conversations_that_are_under_way(served: Served) -> None:
    client = Client(served)
    client.send(event("detect"), START, event("ping"))
    assert client.kinds("pong") == ["pong"]
    served.close()
    assert client.answer() is None
    client.close()


def test_an_address_that_cannot_be_used_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=r"cannot listen there .*name another --host or --port"):
            Server("127.0.0.1", port, lambda wire, ending: None)
    with pytest.raises(ListenError):
        Server("127.0.0.1", 70_000, lambda wire, ending: None)


def test_a_taken_port_is_told_before_anything_is_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("wyoming", reason="the package wyoming is not installed (make wyoming)")
    config = tmp_path / "appliance.toml"
    config.write_text(f'[models]\ndirectory = "{tmp_path}"\n')
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--config", str(config), "wyoming", "--port", str(port)]) == 1
        assert "cannot listen there" in capsys.readouterr().err
    assert main(["--config", str(config), "wyoming", "--port", str(port)]) == 1
    assert "is not installed" in capsys.readouterr().err
    socket.create_server(("127.0.0.1", port)).close()  # free again


class FakeKaldi:
    """A recognizer that ends a segment with every call, until its words are over."""

    def __init__(self, *segments: str) -> None:
        self._segments = [*segments]

    def AcceptWaveform(self, data: bytes) -> int:
        return len(self._segments) > 1

    def Result(self) -> str:
        return json.dumps({"text": self._segments.pop(0)})

    FinalResult = Result


class FakeModel:
    unknown = "<UNK>"

    def __init__(self, *segments: str) -> None:
        self._segments = segments

    def recognizer(self, sentences: None) -> FakeKaldi:
        return FakeKaldi(*self._segments)


def told(events: Sequence[Any]) -> list[tuple[str, str | None]]:
    return [(one.type, one.data.get("text")) for one in (event.event() for event in events)]


def frames(start: int, end: int) -> list[Frame]:
    return [Frame(index, silent_pcm()) for index in range(start, end)]


def test_what_a_pause_has_ended_is_told_at_once_and_never_revised() -> None:
    pytest.importorskip("wyoming", reason="the package wyoming is not installed (make wyoming)")
    ear = SpeechEar(FakeModel("turn <UNK> on", "<UNK>", "the light"), "en")  # type: ignore[arg-type]
    assert told(ear.hear(frames(0, 2), None)) == [("transcript-start", None), ("transcript-chunk", "turn on")]
    assert told(ear.hear(frames(2, 4), None)) == told(ear.hear([], None)) == []
    assert told(ear.finish()) == [
        ("transcript-chunk", " the light"),
        ("transcript", "turn on the light"),
        ("transcript-stop", None),
    ]


def test_a_minute_is_written_down_and_no_more() -> None:
    ear = SpeechEar(FakeModel(""), "en")  # type: ignore[arg-type]
    assert ear.hear(frames(2950, 3000), None) == []
    with pytest.raises(WireError, match="more than 60 s of speech"):
        ear.hear(frames(3000, 3001), None)


# The library's client and the real models.


@pytest.fixture(scope="module")
def real(store: ModelStore) -> Iterator[Served]:
    pytest.importorskip("wyoming", reason="the package wyoming is not installed (make wyoming)")
    from appliance.wyoming.offer import Offer

    with (
        closing(Offer(LoadedConfig(config=Config(), folder=Path()))) as offer,
        closing(Served(offer.services)) as served,
    ):
        yield served


class Asked:
    """Questions to a server through the library's own client."""

    def __init__(self, served: Served) -> None:
        self._uri = f"tcp://127.0.0.1:{served.port}"

    def of(self, *questions: Any, last: Callable[[str], bool]) -> list[Any]:
        """Events up to the one whose type is the last."""
        return asyncio.run(self._of(questions, last))

    async def _of(self, questions: Sequence[Any], last: Callable[[str], bool]) -> list[Any]:
        from wyoming.client import AsyncClient

        heard: list[Any] = []
        async with AsyncClient.from_uri(self._uri, read_timeout=60.0) as client:
            for question in questions:
                await client.write_event(question.event())
            while not heard or not last(heard[-1].type):
                heard.append(await client.read_event())
                assert heard[-1] is not None
        return heard


@pytest.fixture(scope="module")
def say(store: ModelStore) -> Iterator[Callable[[str], Pcm]]:
    """A sentence as sound at 16 kHz, with 0.8 s of silence before and after it; the same each time."""
    with closing(PiperVoice(store.folder("piper-en-us-joe"), deterministic=True, start_timeout_s=120)) as voice:
        silence = np.zeros(12_800, np.int16)
        yield lambda text: np.concatenate(
            [silence, resample(voice.synthesize(text), voice.rate_hz, SAMPLE_RATE_HZ), silence]
        )


def sound(pcm: Pcm) -> list[Any]:
    """As Home Assistant sends it: 64 ms at a time, each with its time."""
    from wyoming.audio import AudioChunk, AudioStart, AudioStop

    chunks = [
        AudioChunk(16_000, 2, 1, pcm[start : start + 1024].tobytes(), timestamp=1_000_000 + start // 16)
        for start in range(0, pcm.size, 1024)
    ]
    return [AudioStart(16_000, 2, 1), *chunks, AudioStop()]


@pytest.mark.model
class TestReal:
    def test_it_says_what_it_is(self, real: Served) -> None:
        from wyoming.info import Describe, Info

        info = Info.from_event(Asked(real).of(Describe(), last=Info.is_type)[-1])
        assert [program.models[0].name for program in info.asr] == ["vosk-small-en-us"]
        assert [program.voices[0].name for program in info.tts] == ["piper-en-us-joe"]
        assert [model.name for model in info.wake[0].models] == ["computer"]
        assert (info.asr[0].supports_transcript_streaming, info.tts[0].supports_synthesize_streaming) == (True, True)
        assert info.wake[0].models[0].attribution.url

    def test_it_hears_its_wake_word_and_nothing_else(self, real: Served, say: Callable[[str], Pcm]) -> None:
        from wyoming.wake import Detect, Detection, NotDetected

        pcm = say("Computer.")
        for names in (None, ["Computer", "secret"]):
            (heard,) = Asked(real).of(Detect(names=names), *sound(pcm), last=Detection.is_type)
            detection = Detection.from_event(heard)
            assert detection.name == "computer"
            assert detection.timestamp is not None
            assert 800 <= detection.timestamp - 1_000_000 <= pcm.size / 16
        assert Asked(real).of(Detect(), *sound(say("What time is it?")), last=NotDetected.is_type)

    def test_a_word_that_is_not_served_is_told(self, real: Served) -> None:
        from wyoming.audio import AudioStart
        from wyoming.wake import Detect

        (answer,) = Asked(real).of(
            Detect(names=["secret"]), AudioStart(16_000, 2, 1), last=lambda kind: kind == "error"
        )
        assert answer.data["text"] == "detect: none of these wake words is served; there is computer"

    def test_it_writes_down_what_is_said_and_tells_each_part_after_its_pause(
        self, real: Served, say: Callable[[str], Pcm]
    ) -> None:
        from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStop

        pcm = np.concatenate([say("Set a timer for ten minutes."), say("What time is it?")])
        heard = Asked(real).of(Transcribe(language="en"), *sound(pcm), last=TranscriptStop.is_type)
        assert [one.type for one in heard[-2:]] == ["transcript", "transcript-stop"]
        chunks = [TranscriptChunk.from_event(one).text for one in heard if TranscriptChunk.is_type(one.type)]
        whole = Transcript.from_event(heard[-2])
        assert whole.text == "".join(chunks) == "set a timer for ten minutes what time is it"
        assert (len(chunks), whole.language) == (2, "en")
        assert heard[0].type == "transcript-start"

    def test_it_says_a_text_while_it_comes(self, real: Served) -> None:
        from wyoming.audio import AudioChunk
        from wyoming.tts import SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeStopped

        pieces = (SynthesizeChunk(text=text) for text in ("It is ", "noon. The tim", "er is set for 7 p.m. today."))
        heard = Asked(real).of(SynthesizeStart(), *pieces, SynthesizeStop(), last=SynthesizeStopped.is_type)
        chunks = [AudioChunk.from_event(one) for one in heard[1:-2]]
        assert [one.type for one in (heard[0], *heard[-2:])] == ["audio-start", "audio-stop", "synthesize-stopped"]
        assert {(chunk.rate, chunk.width, chunk.channels) for chunk in chunks} == {(22_050, 2, 1)}
        assert 2.0 < sum(chunk.seconds for chunk in chunks) < 6.0

    def test_silence_is_an_empty_transcript(self, real: Served) -> None:
        from wyoming.asr import Transcribe, Transcript, TranscriptStop

        heard = Asked(real).of(Transcribe(), *sound(np.zeros(16_000, np.int16)), last=TranscriptStop.is_type)
        assert [one.type for one in heard] == ["transcript-start", "transcript", "transcript-stop"]
        assert Transcript.from_event(heard[1]).text == ""

    def test_two_at_once(self, real: Served, say: Callable[[str], Pcm]) -> None:
        from wyoming.asr import Transcribe, Transcript, TranscriptStop

        texts: dict[str, str] = {}

        def ask(text: str, pcm: Pcm) -> None:
            heard = Asked(real).of(Transcribe(), *sound(pcm), last=TranscriptStop.is_type)
            texts[text] = Transcript.from_event(heard[-2]).text

        spoken = ("cancel the timer", "what time is it")
        threads = [threading.Thread(target=ask, args=(text, say(f"{text}."))) for text in spoken]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert texts == {text: text for text in spoken}


@pytest.mark.model
def test_the_command_serves_until_it_is_told_to_end(store: ModelStore, capfd: pytest.CaptureFixture[str]) -> None:
    """In a process of its own, as the owner starts it."""
    pytest.importorskip("wyoming", reason="the package wyoming is not installed (make wyoming)")
    command = [sys.executable, "-m", "appliance", "wyoming", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        port = next(int(found[1]) for line in lines if (found := re.search(r"tcp://127\.0\.0\.1:(\d+)", line)))
        niceness = int((Path("/proc") / str(process.pid) / "stat").read_text().split()[18])
        with socket.create_connection(("127.0.0.1", port), WAIT_S) as client:
            client.sendall(event("describe"))
            assert client.recv(65_536).startswith(b'{"type": "info"')
            process.send_signal(signal.SIGTERM)
            try:
                assert process.wait(WAIT_S) == 0
            finally:
                process.kill()
    assert niceness == min(19, os.nice(0) + 10)


def test_without_the_library_it_says_what_to_type(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "wyoming", None)
    assert main(["wyoming", "--port", "0"]) == 2
    assert "make wyoming" in capsys.readouterr().err
