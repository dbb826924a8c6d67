"""The doctor, on a machine with each fault planted: it names the fault and its remedy; and nothing stops its round."""

import argparse
import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from appliance.audio.capture import Way
from appliance.audio.hardware import Hardware
from appliance.cli import doctor
from appliance.config import Config, Home, Models, Wake
from appliance.config_files import MANIFEST, PROJECT, LoadedConfig
from appliance.doctor import owned, software, sound, system
from appliance.doctor.apart import CrashError, HangError, apart
from appliance.doctor.daemon import daemon
from appliance.doctor.findings import Finding, Level, ok, problem, warning, warnings_of
from appliance.doctor.rounds import Check, checks_of, configuration, examine
from appliance.errors import AudioError, StageError
from appliance.models import ModelStore
from appliance.runtimes.portaudio import Direction, PortAudio

# pytest-xdist runs tests beside a thread of its own; Python 3.12 and newer warn of a fork there.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

TODAY = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
PINS = """numpy==1.26.4 ; python_full_version < '3.99' \\
    --hash=sha256:0
vosk==0.3.45
colorama==1 ; sys_platform == 'win32'
"""
INSTALLED = {"numpy": "1.26.4", "vosk": "0.3.45", "tflite-runtime": "2.14.0", "onnxruntime": "1.27.0"}
BUSY = (sound.Holder(71, ("/usr/bin/arecord", "-q")),)
RUNNING = (sound.Holder(72, ("/opt/appliance/.venv/bin/python", "/opt/appliance/.venv/bin/appliance", "run")),)
NO_DEVICE = "microphone: there is none; plug one in, or set audio.microphone"


class Stream:
    """A microphone that sends the same 20 ms again and again."""

    device, rate_hz, channels, channel = "USB Audio", 16_000, 1, None

    def __init__(self, *samples: int) -> None:
        self._block = np.resize(np.array(samples, np.int16), 320).reshape(-1, 1)

    def read(self) -> tuple[npt.NDArray[Any], bool]:
        return self._block, False

    def close(self) -> None:
        pass


def way(found: Stream | str, name: str = "PortAudio") -> Way:
    """A way to a microphone, or to what it says instead."""

    def opened() -> Stream:
        if isinstance(found, str):
            raise AudioError(found)
        return found

    return Way(name, opened)


class Speakers:
    """`sounddevice` with these speakers; a busy one cannot be opened."""

    class PortAudioError(Exception):
        """As PortAudio's."""

    def __init__(self, *names: str, busy: bool = False) -> None:
        self._names = names
        self._busy = busy
        self.played = b""

    def query_devices(self, kind: str | None = None) -> Any:
        found = [
            {"name": name, "index": index, "max_output_channels": 2, "default_samplerate": 48_000.0}
            for index, name in enumerate(self._names)
        ]
        if not found:
            raise self.PortAudioError("Error querying device -1")
        return found if kind is None else found[0]

    def RawOutputStream(self, **settings: Any) -> "Speakers":
        if self._busy:
            raise self.PortAudioError("Device unavailable")
        return self

    def start(self) -> None:
        pass

    def write(self, samples: bytes) -> None:
        self.played += samples

    def close(self, ignore_errors: bool) -> None:
        pass


def speaker(library: Speakers, name: str = "", held_by: tuple[sound.Holder, ...] = ()) -> list[Finding]:
    return sound.speaker(Hardware(speaker=name), PortAudio(library), aloud=False, held_by=held_by)


def config_text(folder: Path, text: str) -> list[Finding]:
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    return [configuration(folder / "mine.toml")[1]]


def home_text(folder: Path, text: str | None) -> list[Finding]:
    if text is not None:
        (folder / "home.yaml").write_text(text, encoding="utf-8")
    loaded = LoadedConfig(config=Config(home=Home(file="home.yaml")), folder=folder)
    return list(examine([Check(name="home", look=lambda: owned.home(loaded))]))


def models(folder: Path, config: Config | None = None) -> list[Finding]:
    loaded = LoadedConfig(config=config or Config(), folder=folder)
    return owned.models(loaded, ModelStore(MANIFEST, folder))


def damaged(folder: Path) -> list[Finding]:
    for file in ModelStore(MANIFEST, folder).entry("silero-vad").files:
        (folder / "silero-vad" / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / "silero-vad" / file).write_bytes(b"half of it")
    return models(folder)


def permissions(folder: Path, *, mode: int = 0o644, open_to_us: bool = True) -> list[Finding]:
    file = folder / "appliance.toml"
    file.touch()
    file.chmod(mode)
    for name in ("pcmC0D0c", "pcmC0D0p", "timer"):
        (folder / name).touch()
    return system.permissions([file, folder / "absent.yaml"], folder, is_ours=lambda device: open_to_us)


def clock(now: datetime, *, synchronized: bool | None) -> list[Finding]:
    return system.clock(now, TODAY - timedelta(days=1), synchronized=synchronized)


def disk(free_mb: int) -> list[Finding]:
    folders = {"models": Path("/models")}
    return system.disk(folders, needed_bytes=200_000_000, free=lambda folder: free_mb * 1_000_000)


def left_over_socket(folder: Path) -> list[Finding]:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / "appliance.sock"))
    return daemon([folder / "appliance.sock"])


def stubborn_socket(folder: Path, answer: bytes) -> list[Finding]:
    with answering(folder / "appliance.sock", answer):
        return daemon([folder / "appliance.sock"])


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    """A daemon that gives this answer, once."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(answer)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


OK, WARNING, PROBLEM = Level.OK, Level.WARNING, Level.PROBLEM

PLANTED: dict[str, tuple[Callable[[Path], list[Finding]], Level, str, str]] = {
    "old Python": (
        lambda _: software.python((3, 9, 2), is_64_bit=True),
        *(PROBLEM, "3.9.2, 64 bit", "64-bit Python 3.11 or newer: make venv"),
    ),
    "32-bit Python": (lambda _: software.python((3, 11, 4), is_64_bit=False), PROBLEM, "32 bit", "a 64-bit Python"),
    "a package is missing": (
        lambda _: software.packages(PINS, _without("vosk")),
        *(PROBLEM, "not installed: vosk", "run make venv"),
    ),
    "another version": (
        lambda _: software.packages(PINS, INSTALLED | {"vosk": "0.3.50"}),
        *(WARNING, "not as they were tested: vosk 0.3.50 instead of 0.3.45", "run make venv"),
    ),
    "numpy 2 with tflite-runtime": (
        lambda _: software.packages("", INSTALLED | {"numpy": "2.1.0"}),
        *(PROBLEM, "tflite-runtime 2.14 fails with numpy 2.1.0", "install numpy 1.26"),
    ),
    "no TFLite runtime": (
        lambda _: software.packages("", _without("tflite-runtime")),
        *(PROBLEM, "no TensorFlow Lite runtime", "run make venv"),
    ),
    "telemetry": (
        lambda _: software.packages("", INSTALLED | {"onnxruntime": "1.29.1"}),
        *(PROBLEM, "onnxruntime 1.29.1 collects telemetry", "run make venv: it takes one before 1.28"),
    ),
    "32-bit system": (
        lambda _: software.machine("armv7l", ("glibc", "2.36")),
        *(PROBLEM, "armv7l, glibc 2.36", "take a 64-bit system"),
    ),
    "musl": (lambda _: software.machine("x86_64", ("", "")), PROBLEM, "not glibc", "glibc 2.28 or newer: Debian 12"),
    "old system": (
        lambda _: software.machine("aarch64", ("glibc", "2.4")),
        *(PROBLEM, "aarch64, glibc 2.4", "glibc 2.28 or newer"),
    ),
    "many threads": (
        lambda _: software.threads({"OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "1"}, 4),
        *(WARNING, "OMP_NUM_THREADS=4: small products", "take it out of the environment"),
    ),
    "unknown key": (
        lambda folder: config_text(folder, "[wake]\nwords = ['alexa']\nvolume = 3\n"),
        *(PROBLEM, "mine.toml:3: wake.volume: unknown key", "looked at with the defaults instead"),
    ),
    "not TOML": (
        lambda folder: config_text(folder, "[wake\n"),
        *(PROBLEM, "mine.toml: not valid TOML", "see firmware_config/appliance.toml"),
    ),
    "no configuration": (
        lambda folder: [configuration(folder / "absent.toml")[1]],
        *(PROBLEM, "absent.toml: no such file", "copy firmware_config/appliance.toml there"),
    ),
    "no home file": (lambda folder: home_text(folder, None), PROBLEM, "home.yaml: no such file", "create it"),
    "wrong home file": (
        lambda folder: home_text(folder, "devices:\n- id: lamp\n  name: lamp\n  kind: lamp\n  topic: x\n"),
        *(PROBLEM, "home.yaml:4: devices[0].kind", "see firmware_config/home.yaml"),
    ),
    "model not installed": (
        models,
        *(PROBLEM, 'model "vosk-small-en-us" is not installed', "run `appliance models install vosk-small-en-us`"),
    ),
    "model damaged": (
        damaged,
        *(PROBLEM, 'model "silero-vad" is damaged: file', "run `appliance models install silero-vad`"),
    ),
    "model of another kind": (
        lambda folder: models(folder, Config(models=Models(voice="silero-vad"))),
        *(PROBLEM, 'model "silero-vad" is a speech_detector, not a voice', "there is piper-en-us-joe"),
    ),
    "no wake word": (
        lambda folder: models(folder, Config(wake=Wake(words=["hey_jarvis"]))),
        *(PROBLEM, 'model "hey_jarvis" is not installed', "run `appliance models install hey_jarvis`"),
    ),
    "no wake word file": (
        lambda folder: models(folder, Config(wake=Wake(words=["/absent.tflite"]))),
        *(PROBLEM, "/absent.tflite: cannot be read", "check the path of the model"),
    ),
    "no stop word": (
        lambda folder: models(folder, Config(wake=Wake(stop_word="hey_jarvis")))[-1:],
        *(PROBLEM, 'model "hey_jarvis" is not installed', "run `appliance models install hey_jarvis`"),
    ),
    "stop word of no model": (
        lambda folder: models(folder, Config(wake=Wake(stop_word="enough")))[-1:],
        *(PROBLEM, 'wake.stop_word: no wake model "enough"', "there is alexa, hey_jarvis"),
    ),
    "no microphone": (
        lambda _: sound.microphone(way(NO_DEVICE), 0.1, ()),
        *(PROBLEM, "there is none", "plug one in, or set audio.microphone"),
    ),
    "busy microphone": (
        lambda _: sound.microphone(way("it cannot be opened; end what else uses it"), 0.1, BUSY),
        *(PROBLEM, "it cannot be opened, in use by process 71 (arecord)", "end what else uses it"),
    ),
    "microphone of the appliance that runs": (
        lambda _: sound.microphone(way("it cannot be opened; end what else uses it"), 0.1, RUNNING),
        *(OK, "used by the appliance that runs (process 72), so it was not looked at", ""),
    ),
    "dead microphone": (
        lambda _: sound.microphone(way(Stream(0, 1)), 0.1, ()),
        *(PROBLEM, "floor -93 dBFS, peak -90 dBFS: the microphone sends digital silence", "check its mute switch"),
    ),
    "overdriven microphone": (
        lambda _: sound.microphone(way(Stream(32_767, -32_768)), 0.1, ()),
        *(PROBLEM, "the microphone is overdriven", "lower its capture level"),
    ),
    "offset": (
        lambda _: sound.microphone(way(Stream(3000, 3100)), 0.1, ()),
        *(PROBLEM, "a constant offset", "missing bias voltage"),
    ),
    "no second way": (
        lambda _: sound.other_ways([], ()),
        *(WARNING, "neither arecord nor, for the default microphone, pw-record", "apt-get install -y alsa-utils"),
    ),
    "second way fails": (
        lambda _: sound.other_ways([way("arecord ended (no such device)", "arecord")], ()),
        *(WARNING, "none works: arecord ended (no such device)", "set audio.microphone"),
    ),
    "no speaker": (lambda _: speaker(Speakers()), PROBLEM, "there is none", "plug one in, or set audio.speaker"),
    "speaker of another name": (
        lambda _: speaker(Speakers("HDMI"), "usb"),
        *(PROBLEM, "'usb': no such device", "there is: 'HDMI'; set audio.speaker"),
    ),
    "busy speaker": (
        lambda _: speaker(Speakers("HDMI", busy=True), held_by=BUSY),
        *(PROBLEM, "(Device unavailable), in use by process 71", "end what else uses it"),
    ),
    "left-over socket": (left_over_socket, PROBLEM, "no daemon runs", "systemctl status appliance"),
    "a daemon that talks nonsense": (
        lambda folder: stubborn_socket(folder, b"hello"),
        *(PROBLEM, "it talks nonsense", "systemctl restart appliance"),
    ),
    "a daemon whose answer is no text": (
        lambda folder: stubborn_socket(folder, b'{"device_id": "\xff"}'),
        *(PROBLEM, "it talks nonsense", "systemctl restart appliance"),
    ),
    "a clock that woke up in the past": (
        lambda _: clock(TODAY - timedelta(days=300), synchronized=False),
        *(PROBLEM, "before the program came here (2026-04-30)", "timedatectl set-ntp true"),
    ),
    "a clock that nobody sets": (
        lambda _: clock(TODAY, synchronized=False),
        *(WARNING, "2026-05-01 12:00 UTC, not synchronized", "timedatectl set-ntp true"),
    ),
    "a clock of which nothing is known": (
        lambda _: clock(TODAY, synchronized=None),
        *(WARNING, "the system does not tell", "see timedatectl"),
    ),
    "full disk": (lambda _: disk(20), WARNING, "/models (models): 20 MB free of 200 needed", "free some space"),
    "no temporary files": (
        lambda folder: system.temporary_files(folder / "absent"),
        *(PROBLEM, "no temporary file can be made (No such file or directory)", "sudo chmod 1777"),
    ),
    "files not for the service": (
        lambda folder: permissions(folder, mode=0o600),
        *(WARNING, "appliance.toml: not readable by everyone", "sudo chmod a+r"),
    ),
    "not in the group audio": (
        lambda folder: permissions(folder, open_to_us=False),
        *(WARNING, "2 of 2 sound devices", "sudo usermod -aG audio $USER"),
    ),
    "no real-time priority": (
        lambda _: system.priority("ordinary priority (Operation not permitted); more", is_real_time=False),
        *(WARNING, "ordinary priority (Operation not permitted): under load", "rtprio 20"),
    ),
}
"""What is wrong -> what looks at it (given an empty folder), and the level, the fault and the remedy it must name."""


def _without(name: str) -> dict[str, str]:
    return {other: version for other, version in INSTALLED.items() if other != name}


@pytest.mark.parametrize("fault", PLANTED)
def test_each_fault_is_named_with_its_remedy(fault: str, tmp_path: Path) -> None:
    look, level, found, remedy = PLANTED[fault]
    fitting = [finding for finding in look(tmp_path) if finding.level is level and found in finding.found]
    assert fitting, [str(finding) for finding in look(tmp_path)]
    assert remedy in fitting[0].remedy


SOUND = {
    "python": lambda _: software.python((3, 13, 0), is_64_bit=True),
    "packages": lambda _: software.packages(PINS, INSTALLED),
    "machine": lambda _: software.machine("aarch64", ("glibc", "2.28")),
    "threads": lambda _: software.threads({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}, 4),
    "configuration": lambda folder: config_text(folder, ""),
    "home": lambda folder: home_text(folder, "areas:\n- id: kitchen\n  name: kitchen\n"),
    "microphone": lambda _: sound.microphone(way(Stream(30, -30)), 0.1, BUSY),
    "second way": lambda _: sound.other_ways([way("absent"), way(Stream(1))], ()),
    "speaker": lambda _: speaker(Speakers("HDMI"), held_by=BUSY),
    "no speaker wanted": lambda _: speaker(Speakers(), "none"),
    "no daemon": lambda folder: daemon([folder / "absent.sock"]),
    "clock": lambda _: clock(TODAY, synchronized=True),
    "disk": lambda _: disk(201),
    "temporary files": lambda folder: [*system.temporary_files(folder), ok("disk", "")],
    "permissions": permissions,
    "priority": lambda _: system.priority("real-time priority 10", is_real_time=True),
}


@pytest.mark.parametrize("what", SOUND)
def test_what_is_well_is_ok_and_nothing_else(what: str, tmp_path: Path) -> None:
    assert [finding.level for finding in SOUND[what](tmp_path)] == [Level.OK]


def test_the_microphone_is_told_with_figures() -> None:
    (finding,) = sound.microphone(way(Stream(33, -33)), 0.1, ())
    assert finding == ok(
        "microphone", "'USB Audio' through PortAudio, 16000 Hz, level -60 dBFS, floor -60 dBFS, peak -60 dBFS"
    )


def test_what_a_device_sends_first_is_not_heard() -> None:
    class Clicking(Stream):
        reads = 0

        def read(self) -> tuple[npt.NDArray[Any], bool]:
            self.reads += 1
            return (Stream(32_767) if self.reads <= 25 else Stream(33, -33)).read()

    (finding,) = sound.microphone(way(Clicking()), 0.1, ())
    assert finding.level is Level.OK
    assert "peak -60 dBFS" in finding.found


@pytest.mark.parametrize(("aloud", "seconds"), [(False, 0.2), (True, 1.8)])
def test_the_speaker_is_silent_unless_asked(aloud: bool, seconds: float) -> None:
    library = Speakers("HDMI")
    sound.speaker(Hardware(), PortAudio(library), aloud=aloud, held_by=())
    played = np.frombuffer(library.played, np.int16)
    assert played.size == round(seconds * 48_000)
    assert np.abs(played).max() == pytest.approx(3277 if aloud else 0, abs=1)


def test_who_holds_a_device_is_seen_in_proc(tmp_path: Path) -> None:
    for part, pid in (("pcm0c", 71), ("pcm0p", 73), ("pcm1c", 72)):
        folder = tmp_path / "asound" / "card1" / part / "sub0"
        folder.mkdir(parents=True)
        (folder / "status").write_text(f"state: RUNNING\nowner_pid   : {pid}\n", encoding="utf-8")
    (tmp_path / "asound" / "card1" / "pcm1c" / "sub1").mkdir()
    (tmp_path / "asound" / "card1" / "pcm1c" / "sub1" / "status").write_text("closed\n", encoding="utf-8")
    (tmp_path / "72").mkdir()
    (tmp_path / "72" / "cmdline").write_bytes(b"python3\0-m\0appliance\0run\0")
    first, second = sound.holders(Direction.INPUT, tmp_path)
    assert str(first) == "process 71 (gone)"
    assert str(second) == "the appliance that runs (process 72)"
    assert [holder.pid for holder in sound.holders(Direction.OUTPUT, tmp_path)] == [73]


def test_the_kernel_is_asked_about_the_clock() -> None:
    assert system.clock_is_synchronized() in (True, False, None)


def test_room_is_found_where_a_folder_will_be(tmp_path: Path) -> None:
    assert system.free_bytes(tmp_path / "not" / "yet") == pytest.approx(system.free_bytes(tmp_path), rel=0.1)


def test_a_wrong_configuration_leaves_the_defaults_and_an_empty_home(tmp_path: Path) -> None:
    loaded, finding = configuration(tmp_path / "absent.toml")
    assert finding.level is Level.PROBLEM
    assert (loaded.config.audio, loaded.home_file) == (Config().audio, None)
    assert owned.home(loaded)[-1] == ok("home", "no file: 0 areas, 0 devices, 0 own commands")


def test_a_daemon_that_runs_says_how_it_is(tmp_path: Path) -> None:
    status = {"device_id": "appliance", "pid": 7, "uptime_s": 90, "problems": [], "now": None, "version": "1.2.3"}
    with answering(tmp_path / "a.sock", msgspec.json.encode(status)):
        assert daemon([tmp_path / "a.sock"]) == [ok("daemon", "process 7, version 1.2.3, up for 90 s, busy")]
    told = status | {"problems": ["microphone 'usb': it sends nothing; plug it in again"]}
    with answering(tmp_path / "b.sock", msgspec.json.encode(told)):
        (finding,) = daemon([tmp_path / "b.sock"])
    assert (finding.level, finding.remedy) == (Level.PROBLEM, "plug it in again")
    assert "it sends nothing" in finding.found


def test_what_our_code_warns_of_is_a_finding() -> None:
    with warnings_of("home") as findings:
        logging.getLogger("appliance.assembly").warning("nobody hears: %s; use other words", "frob")
        logging.getLogger("appliance.assembly").info("nothing")
    logging.getLogger("appliance.assembly").warning("too late")
    assert findings == [warning("home", "nobody hears: frob", "use other words")]


# The round.


def _fail() -> list[Finding]:
    raise ZeroDivisionError("division by zero")


def _refuse() -> list[Finding]:
    raise StageError("voice: it does not start; install it again")


def test_no_check_stops_the_round() -> None:
    checks = [
        Check(name="first", look=lambda: [ok("first", "good"), ok("first", "better")]),
        Check(name="fails", look=_fail),
        Check(name="refuses", look=_refuse),
        Check(name="crashes", look=lambda: os.kill(os.getpid(), signal.SIGKILL)),  # type: ignore[arg-type, return-value]
        Check(name="hangs", look=lambda: time.sleep(60), limit_s=0.1, when_it_hangs="plug it in"),  # type: ignore[arg-type, return-value]
        Check(name="last", look=lambda: [ok("last", "good")]),
    ]
    began_s = time.monotonic()
    help_us = "run make venv; else tell its makers"
    assert list(examine(checks)) == [
        ok("first", "good"),
        ok("first", "better"),
        problem("fails", "cannot be looked at: ZeroDivisionError: division by zero", help_us),
        problem("refuses", "voice: it does not start", "install it again"),
        problem("crashes", "cannot be looked at: it died of SIGKILL", help_us),
        problem("hangs", "no answer within 0.1 s", "plug it in"),
        ok("last", "good"),
    ]
    assert time.monotonic() - began_s < 5


def test_work_apart_gives_its_result_however_large_and_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> str:
        os.write(1, b"ALSA lib confmisc.c\n")
        os.write(2, b"ALSA lib confmisc.c\n")
        return "x" * 1_000_000

    assert apart(work, limit_s=10) == "x" * 1_000_000
    assert capfd.readouterr() == ("", "")


def test_work_apart_leaves_neither_processes_nor_descriptors() -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(CrashError, match="no result"):
        apart(lambda: os._exit(3), limit_s=10)
    with pytest.raises(HangError, match=r"no answer within 0\.05 s"):
        apart(lambda: time.sleep(60), limit_s=0.05)
    with pytest.raises(CrashError, match="no result"):
        apart(lambda: threading.Lock(), limit_s=10)
    assert os.listdir("/proc/self/fd") == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


# The command.


def test_the_report_is_a_line_each_and_its_code_tells_of_problems(capsys: pytest.CaptureFixture[str]) -> None:
    well, doubtful, ill = ok("clock", "right"), warning("disk", "20 MB", "free some"), problem("broker", "gone", "wait")
    assert doctor.report([well, doubtful], as_json=False) == 0
    assert doctor.report(iter([ill, well]), as_json=False) == 1
    assert capsys.readouterr().out.splitlines() == [
        "ok       clock          right",
        "warning  disk           20 MB; free some",
        "problem  broker         gone; wait",
        "ok       clock          right",
    ]


def test_the_report_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.report([problem("broker", "gone", "wait"), ok("clock", "right")], as_json=True) == 1
    assert json.loads(capsys.readouterr().out) == [
        {"level": "problem", "name": "broker", "found": "gone", "remedy": "wait"},
        {"level": "ok", "name": "clock", "found": "right", "remedy": ""},
    ]


def test_quick_neither_listens_nor_loads() -> None:
    loaded = LoadedConfig(config=Config(), folder=PROJECT)
    names = [[check.name for check in checks_of(loaded, None, quick=quick, aloud=False)] for quick in (True, False)]
    assert [name for name in names[1] if name not in names[0]] == ["start"]


@pytest.mark.model
def test_the_round_on_this_machine(store: ModelStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "appliance.toml"
    path.write_text(
        f'[models]\ndirectory = "{MANIFEST.parent}"\n[home]\nfile = ""\n[wake]\nwords = ["alexa", "hello"]\n'
    )
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)
    values = parser.parse_args(["--json"], argparse.Namespace(config=path))
    began_s = time.monotonic()
    doctor.run(values, None)
    assert time.monotonic() - began_s < 60
    told = json.loads(capsys.readouterr().out)
    well = {finding["name"] for finding in told if finding["level"] == "ok"}
    assert {"configuration", "python", "packages", "machine", "home", "models", "wake word", "start"} <= well
    looked_at = {finding["name"] for finding in told}
    assert {"microphone", "second way", "speaker", "broker", "daemon", "clock", "disk", "priority"} <= looked_at
    assert all(finding["remedy"] for finding in told if finding["level"] != "ok")
    assert not [finding["found"] for finding in told if "cannot be looked at" in finding["found"]]
