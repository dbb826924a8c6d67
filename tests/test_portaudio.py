"""PortAudio: devices by part of a name, and a device list that is made anew only while no stream is open."""

from typing import Any

import pytest

from appliance.errors import AudioError
from appliance.runtimes.portaudio import Direction, PortAudio, Stream, load


class Native:
    """A stream of the library."""

    def __init__(self, library: "Library", **settings: Any) -> None:
        self.library = library
        self.settings = settings
        self.closed = False

    def start(self) -> None:
        self.library.fail_if("start")

    def write(self, samples: bytes) -> None:
        self.library.fail_if("write")

    def read(self, samples: int) -> tuple[list[list[int]], bool]:
        self.library.fail_if("read")
        return [[7]] * samples, False

    def close(self, ignore_errors: bool) -> None:
        self.closed = True


def _entry(index: int, name: str, *, inputs: int = 0, outputs: int = 0) -> dict[str, Any]:
    return {
        "index": index,
        "name": name,
        "max_input_channels": inputs,
        "max_output_channels": outputs,
        "default_samplerate": 44_100.0,
    }


class Library:
    """`sounddevice`, whose list of devices is made when it is initialised."""

    class PortAudioError(Exception):
        """As PortAudio's."""

    def __init__(self) -> None:
        self.plugged = [_entry(0, "HDMI 0", outputs=8), _entry(1, "USB Audio", inputs=1, outputs=2)]
        self.fails: tuple[type[Exception], str] | None = None
        self.natives: list[Native] = []
        self.initialised = False
        self._initialize()

    def fail_if(self, call: str) -> None:
        if self.fails is not None and self.fails[1] == call:
            raise self.fails[0]("Unanticipated host error")

    def _initialize(self) -> None:
        self.fail_if("initialize")
        self.initialised = True
        self._listed = list(self.plugged)

    def _terminate(self) -> None:
        if not self.initialised:
            raise self.PortAudioError("PortAudio not initialized")
        assert all(native.closed for native in self.natives)
        self.initialised = False

    def query_devices(self, kind: str | None = None) -> Any:
        self.fail_if("query")
        return self._listed if kind is None else self._listed[1]

    def InputStream(self, **settings: Any) -> Native:
        self.fail_if("open")
        self.natives.append(Native(self, **settings))
        return self.natives[-1]

    RawOutputStream = InputStream


def _open(audio: PortAudio, part: str = "usb", direction: Direction = Direction.OUTPUT) -> Stream:
    return audio.open(audio.find(part, direction), rate_hz=16_000, channels=1, latency_s=0.1)


@pytest.mark.parametrize(
    ("part", "direction", "index", "channels"),
    [
        ("", Direction.INPUT, 1, 1),
        ("", Direction.OUTPUT, 1, 2),
        ("hdmi", Direction.OUTPUT, 0, 8),
        ("AUDIO", Direction.INPUT, 1, 1),
    ],
)
def test_a_device_is_found_by_a_part_of_its_name(part: str, direction: Direction, index: int, channels: int) -> None:
    device = PortAudio(Library()).find(part, direction)
    assert (device.index, device.channels, device.rate_hz) == (index, channels, 44_100)


def test_a_name_of_no_device_is_told_with_those_that_are() -> None:
    audio = PortAudio(Library())
    with pytest.raises(AudioError, match=r"microphone 'hdmi': no such device; there is: 'USB Audio'; set audio\.mic"):
        audio.find("hdmi", Direction.INPUT)
    with pytest.raises(AudioError, match=r"speaker 'x': no .* there is: 'HDMI 0', 'USB Audio'; set audio\.speaker"):
        audio.find("x", Direction.OUTPUT)


def test_a_device_plugged_in_later_is_there_after_a_refresh_only() -> None:
    library = Library()
    audio = PortAudio(library)
    library.plugged.insert(1, _entry(1, "Kitchen", outputs=2))
    with pytest.raises(AudioError, match="'kitchen'"):
        audio.find("kitchen", Direction.OUTPUT)
    assert audio.refresh()
    assert audio.find("kitchen", Direction.OUTPUT).index == 1


def test_nothing_is_refreshed_while_a_stream_is_open() -> None:
    library = Library()
    audio = PortAudio(library)
    stream = _open(audio)
    library.plugged.append(_entry(2, "Kitchen", outputs=2))
    assert not audio.refresh()
    assert audio.wanted
    with pytest.raises(AudioError):
        audio.find("kitchen", Direction.OUTPUT)
    stream.close()
    stream.close()
    assert audio.refresh()
    assert not audio.wanted
    assert audio.find("kitchen", Direction.OUTPUT).index == 2


def test_nothing_is_refreshed_between_finding_a_device_and_opening_it() -> None:
    audio = PortAudio(Library())
    with audio.opening():
        assert not audio.refresh()
    assert audio.refresh()


def test_who_opens_a_device_wants_no_refresh_any_more() -> None:
    audio = PortAudio(Library())
    _open(audio)
    assert not audio.refresh()
    _open(audio)
    assert not audio.wanted


@pytest.mark.parametrize("call", ["open", "start"])
@pytest.mark.parametrize("error", [Library.PortAudioError, ValueError])
def test_a_device_that_does_not_open_is_told_and_not_counted(call: str, error: type[Exception]) -> None:
    library = Library()
    audio = PortAudio(library)
    library.fails = error, call
    with pytest.raises(AudioError, match=r"speaker 'USB Audio': cannot be .* \(Unanticipated host error\); plug it in"):
        _open(audio)
    assert all(native.closed for native in library.natives)
    assert audio.refresh()


def test_a_stream_that_breaks_and_a_broken_list_are_told() -> None:
    library = Library()
    audio = PortAudio(library)
    stream = _open(audio, direction=Direction.INPUT)
    assert stream.read(320)[0].shape == (320, 1)
    library.fails = Library.PortAudioError, "read"
    with pytest.raises(AudioError, match="microphone 'USB Audio': stopped"):
        stream.read(320)
    library.fails = Library.PortAudioError, "query"
    for part in ("", "usb"):
        with pytest.raises(AudioError, match=r"speaker: there is none .* set audio\.speaker"):
            audio.find(part, Direction.OUTPUT)


def test_a_refresh_that_fails_is_told_and_may_succeed_later() -> None:
    library = Library()
    audio = PortAudio(library)
    library.fails = Library.PortAudioError, "initialize"
    for _ in range(2):
        with pytest.raises(AudioError, match="does not start again"):
            audio.refresh()
    library.fails = None
    assert audio.refresh()


@pytest.mark.parametrize("error", [ImportError, OSError, Library.PortAudioError])
def test_a_library_that_cannot_be_imported_is_told(error: type[Exception]) -> None:
    def import_library() -> Any:
        raise error("PortAudio library not found")

    with pytest.raises(AudioError, match=r"\(PortAudio library not found\); install libportaudio2"):
        load(import_library)
