"""Events of the Wyoming protocol on a socket, with the bounds that the protocol does not have.

An event is a line of JSON, which may be followed by more JSON and by sound, and names the length of both. The library
believes any length and waits for ever; so what comes in is read here, strictly, and what goes out is the library's.
"""

import io
import socket
import time
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from appliance.errors import ApplianceError

EVENT_S: Final = 60.0
"""Longest wait for an event, to its last byte: a language model may think for long between two sentences."""

SEND_S: Final = 10.0
"""Longest time in which somebody who asked takes what he asked for."""

LARGEST_LINE_BYTES: Final = 16_384
LARGEST_DATA_BYTES: Final = 16_384
"""Of JSON; a text of LONGEST_TEXT characters fits."""

LARGEST_PAYLOAD_BYTES: Final = 262_144
"""Of sound: 8 s of 16 kHz. Home Assistant sends 64 ms or less at a time."""

LONGEST_TEXT: Final = 4_000

RECEIVE_BYTES: Final = 65_536

Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Text = Annotated[str, Meta(max_length=LONGEST_TEXT)]
Moment = Annotated[int, Meta(ge=-(2**53), le=2**53)]


class WireError(ApplianceError):
    """What came is not Wyoming, or more than is taken."""


class Describe(Struct, frozen=True, tag="describe"):
    """What is there?"""


class Ping(Struct, frozen=True, tag="ping"):
    """Is anybody there?"""

    text: Text | None = None


class Detect(Struct, frozen=True, tag="detect"):
    """Hear these wake words, or any, in the sound that follows."""

    names: list[Text] | None = None


class Transcribe(Struct, frozen=True, tag="transcribe"):
    """Write down what is said in the sound that follows."""


class AudioStart(Struct, frozen=True, tag="audio-start"):
    """Sound follows."""

    rate: Count
    """Hz."""

    width: Count
    """Bytes of a sample."""

    channels: Count


class AudioChunk(Struct, frozen=True, tag="audio-chunk"):
    """Some of it, in the form that `AudioStart` told."""

    audio: bytes = b""
    timestamp: Moment | None = None
    """ms, by the clock of whoever sends."""


class AudioStop(Struct, frozen=True, tag="audio-stop"):
    """The sound is over."""


class Synthesize(Struct, frozen=True, tag="synthesize"):
    """Say this."""

    text: Text


class SynthesizeStart(Struct, frozen=True, tag="synthesize-start"):
    """A text follows, piece by piece, to be said meanwhile."""


class SynthesizeChunk(Struct, frozen=True, tag="synthesize-chunk"):
    """A piece of it."""

    text: Text


class SynthesizeStop(Struct, frozen=True, tag="synthesize-stop"):
    """The text is over."""


Request = (
    *(Describe, Ping, Detect, Transcribe, AudioStart, AudioChunk, AudioStop),
    *(Synthesize, SynthesizeStart, SynthesizeChunk, SynthesizeStop),
)
"""All that is answered; what else there is, the protocol says, is passed over."""

_FORMS: Final[dict[str, type[Struct]]] = {str(form.__struct_config__.tag): form for form in Request}


class _Head(Struct, frozen=True):
    """The line of an event."""

    type: Annotated[str, Meta(max_length=64)]
    data: dict[str, Any] | None = None
    data_length: Annotated[int, Meta(ge=0, le=LARGEST_DATA_BYTES)] | None = None
    payload_length: Annotated[int, Meta(ge=0, le=LARGEST_PAYLOAD_BYTES)] | None = None


class Wire:
    """One connection, seen from its thread."""

    def __init__(self, connection: socket.socket, *, event_s: float = EVENT_S, send_s: float = SEND_S) -> None:
        self._connection = connection
        self._event_s, self._send_s = event_s, send_s
        self._held = bytearray()

    def read(self) -> Struct | None:
        """The next request; None at the end of the connection.

        Raises:
            WireError: it is malformed or too large, or did not come in time. There is no going on after that.
            OSError: the connection broke.
        """
        deadline_s = time.monotonic() + self._event_s
        while (line := self._line(deadline_s)) is not None:
            head = _decoded(line, _Head)
            data = head.data or {}
            if head.data_length:
                data = data | _decoded(self._block(head.data_length, deadline_s), dict[str, Any])
            payload = self._block(head.payload_length or 0, deadline_s)
            if form := _FORMS.get(head.type):
                try:
                    return msgspec.convert({**data, "type": head.type, "audio": payload}, form)
                except (msgspec.ValidationError, RecursionError) as error:
                    raise WireError(f"{head.type}: {_plain(error)}") from None
        return None

    def send(self, event: Any) -> None:
        """Send one of the library's events. Raises OSError when it cannot be sent in time."""
        from wyoming.event import write_event

        with io.BytesIO() as whole:
            write_event(event.event(), whole)
            self._connection.settimeout(self._send_s)
            self._connection.sendall(whole.getvalue())

    def _line(self, deadline_s: float) -> bytes | None:
        """Without its end; None when the connection ended before it began."""
        while (end := self._held.find(b"\n")) < 0:
            if len(self._held) > LARGEST_LINE_BYTES:
                raise WireError(f"a line of more than {LARGEST_LINE_BYTES} bytes; is that Wyoming?")
            if not self._receive(deadline_s):
                if self._held:
                    raise WireError("the connection ended within an event")
                return None
        return self._take(end + 1)[:-1]

    def _block(self, size_bytes: int, deadline_s: float) -> bytes:
        while len(self._held) < size_bytes:
            if not self._receive(deadline_s):
                raise WireError("the connection ended within an event")
        return self._take(size_bytes)

    def _receive(self, deadline_s: float) -> bool:
        """Wait for some bytes; False at the end."""
        left_s = deadline_s - time.monotonic()
        try:
            self._connection.settimeout(max(0.001, left_s))
            data = self._connection.recv(RECEIVE_BYTES)
        except TimeoutError:
            raise WireError(f"no whole event within {self._event_s:g} s") from None
        self._held += data
        return bool(data)

    def _take(self, size_bytes: int) -> bytes:
        taken = bytes(self._held[:size_bytes])
        del self._held[:size_bytes]
        return taken


def _decoded(data: bytes, form: Any) -> Any:
    """Raises WireError."""
    try:
        return msgspec.json.decode(data, type=form)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise WireError(_plain(error)) from None


def _plain(error: Exception) -> str:
    """What is wrong, without what the sender wrote."""
    return "nested too deep" if isinstance(error, RecursionError) else str(error).replace("`$.", "`")
