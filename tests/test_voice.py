"""Voices: sentences, the pipe to the process and its failures, the simple voice that stands in, the real one."""

import json
import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.audio.convert import resample
from appliance.audio.format import Pcm, level_dbfs
from appliance.errors import ModelError, StageError
from appliance.models import ModelStore
from appliance.understanding.language_folder import LanguageFolder
from appliance.voice.fallback import FallbackVoice
from appliance.voice.hurried import HURRIED_S, HurriedVoice
from appliance.voice.piper import PROGRAM, PiperVoice, Rests
from appliance.voice.piper_process import onnx_parts, streamed_voice
from appliance.voice.simple import SimpleVoice
from appliance.voice.utterance import NOTHING, Cutter, chunks_of
from appliance.voice.voice import LONGEST_SENTENCE_CHARACTERS, Cancelled, cleaned, never, split_sentences
from tests.broker import wait_until
from tools.soak import own_mb, settle

ENGLISH = LanguageFolder.of("en").settings

RATE_HZ = 22_050

# Sentences.


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("It is noon.", ["It is noon."]),
        ("Hello! How are you? Fine; thanks.", ["Hello!", "How are you?", "Fine;", "thanks."]),
        ("It is 21.5 degrees. Version 1.0.2 runs.", ["It is 21.5 degrees.", "Version 1.0.2 runs."]),
        ("The alarm is at 7.30 a.m. on Monday. Good night.", ["The alarm is at 7.30 a.m. on Monday.", "Good night."]),
        ("Dr. Who called Mr. Smith at 5 p.m. today.", ["Dr. Who called Mr. Smith at 5 p.m. today."]),
        ("In the U.S. it is late, e.g. ten o'clock.", ["In the U.S. it is late, e.g. ten o'clock."]),
        ('She said "Stop." Then she left.', ['She said "Stop."', "Then she left."]),
        ("Wait... what?", ["Wait...", "what?"]),
        ("  one\n\ttwo  ", ["one two"]),
        ("... ! ?", []),
        ("", []),
    ],
)
def test_sentences_end_where_people_end_them(text: str, parts: list[str]) -> None:
    assert split_sentences(text, ENGLISH.abbreviations) == parts


def test_long_sentences_begin_with_a_short_clause() -> None:
    text = "Tomorrow in the morning, it will be mostly sunny, with some clouds in the afternoon, and rain at night."
    assert split_sentences(text) == [
        "Tomorrow in the morning,",
        "it will be mostly sunny,",
        "with some clouds in the afternoon,",
        "and rain at night.",
    ]
    assert len(split_sentences("Yes, no, and 1,000 more.")) == 1


@given(st.text(max_size=1500))
def test_no_letter_is_lost_and_no_part_is_too_long(text: str) -> None:
    parts = split_sentences(text)
    assert all(0 < len(part) <= LONGEST_SENTENCE_CHARACTERS and part == cleaned(part) for part in parts)
    assert [c for part in parts for c in part if c.isalnum()] == [c for c in cleaned(text) if c.isalnum()]


def test_words_longer_than_a_sentence_are_cut() -> None:
    assert [len(part) for part in split_sentences("a" * 700)] == [160, 160, 160, 160, 60]


def test_control_characters_and_phoneme_brackets_go() -> None:
    assert cleaned("a\x00b\x1b[31m\u200bc [[h@'loU]]\ud800") == "a b [31mc h@'loU"


# The process, played by small scripts.

READY = '{"ready": true, "rate": 22050}'
ANSWERS = """
    n = len(request["text"])
    answer({"id": request["id"], "rate": 22050, "samples": n}, bytes([n % 256, 0]) * n)
    answer({"id": request["id"], "last": True})
"""


def fake(folder: Path, on_request: str = ANSWERS, *, at_start: str = "", hangs: bool = False) -> PiperVoice:
    """A voice whose process runs `at_start`, says that it is ready, and `on_request` for each request.

    It is waited for only briefly where it `hangs`; else long enough for a machine with much else to do.
    """
    (folder / "voice.onnx").touch()
    (folder / "voice.onnx.json").write_text('{"audio": {"sample_rate": 22050}}')
    program = folder / "child.py"
    body = textwrap.indent(textwrap.dedent(on_request), "    ")
    program.write_text(
        "import json, os, signal, sys\n"
        f"open({str(folder / 'starts')!r}, 'a').write('x')\n"
        "def answer(header, pcm=b''):\n"
        "    os.write(1, json.dumps(header).encode() + b'\\n' + pcm)\n"
        f"{textwrap.dedent(at_start)}\n"
        f"print('{READY}', flush=True)\n"
        f"for line in sys.stdin:\n    request = json.loads(line)\n{body}\n"
    )
    return PiperVoice(
        folder, deterministic=True, start_timeout_s=30.0, part_timeout_s=0.5 if hangs else 30.0, program=program
    )


def starts(folder: Path) -> int:
    """How often the process was started."""
    return len((folder / "starts").read_text())


def test_a_sentence_comes_back_as_samples(tmp_path: Path) -> None:
    voice = fake(tmp_path)
    assert voice.rate_hz == RATE_HZ
    voice.start()
    assert np.array_equal(voice.synthesize("hello"), np.full(5, 5, np.int16))
    assert voice.synthesize("hello").dtype == np.int16
    assert voice.synthesize(" \x07 ").size == 0
    assert voice.synthesize("...").size == 0
    assert voice.synthesize("a " * 200).size == 399 - 2, "longer texts are asked for in parts"
    voice.close()
    assert starts(tmp_path) == 1


def test_a_closed_voice_starts_again(tmp_path: Path) -> None:
    voice = fake(tmp_path)
    voice.synthesize("one")
    voice.close()
    voice.synthesize("two")
    voice.close()
    voice.close()
    assert starts(tmp_path) == 2


BROKEN = {
    "hang": ("import time; time.sleep(60)", "did not answer in time"),
    "half an answer": ('answer({"id": 1, "rate": 22050, "samples": 9}, b"12")', "did not answer in time"),
    "crash": ("sys.exit('no memory left')", "ended with code 1: no memory left"),
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", "ended with code -9"),
    "noise": ("os.write(1, b'hello\\n')", "talks nonsense"),
    "no text": ('os.write(1, b\'{"error": "\\xff"}\\n\')', "talks nonsense"),
    "endless line": ("os.write(1, b'x' * 9000)", "talks nonsense"),
    "other id": ('answer({"id": 99, "rate": 22050, "samples": 0})', "talks nonsense"),
    "other rate": ('answer({"id": 1, "rate": 16000, "samples": 1})', "talks nonsense"),
    "too much": ('answer({"id": 1, "rate": 22050, "samples": 10**12})', "talks nonsense"),
    "negative": ('answer({"id": 1, "rate": 22050, "samples": -1})', "talks nonsense"),
    "ready again": ('print(\'{"ready": true, "rate": 22050}\', flush=True)', "talks nonsense"),
    "a list": ("os.write(1, b'[]\\n')", "talks nonsense"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_process_is_one_error_and_a_new_one_is_started(case: str, tmp_path: Path) -> None:
    on_request, message = BROKEN[case]
    hangs = "in time" in message
    voice = fake(tmp_path, f"if request['text'] == 'bad':\n    {on_request}\nelse:\n{ANSWERS}", hangs=hangs)
    began = time.monotonic()
    with pytest.raises(StageError, match=message):
        voice.synthesize("bad")
    assert time.monotonic() - began < 25
    assert voice.synthesize("good").size == 4
    assert starts(tmp_path) == 2
    voice.close()


IN_PARTS = """
    id = request["id"]
    def part(number):
        answer({"id": id, "rate": 22050, "samples": 3}, bytes([number, 0]) * 3)
    if request["text"] == "long":
        part(1)
        following = json.loads(sys.stdin.readline())  # the next request ends this one
        part(2)
        answer({"id": id, "last": True})
        id = following["id"]
    else:
        part(3)
        part(4)
    answer({"id": id, "last": True})
"""


def test_a_sentence_comes_in_parts(tmp_path: Path) -> None:
    voice = fake(tmp_path, IN_PARTS)
    assert [part.tolist() for part in voice.stream("good")] == [[3, 3, 3], [4, 4, 4]]
    voice.close()


def test_the_rest_of_a_sentence_that_is_not_wanted_is_not_waited_for(tmp_path: Path) -> None:
    voice, cancelled = fake(tmp_path, IN_PARTS), threading.Event()
    parts = voice.stream("long", cancelled.is_set)
    assert next(parts).tolist() == [1, 1, 1]
    cancelled.set()
    assert list(parts) == []
    assert [part.tolist() for part in voice.stream("good")] == [[3, 3, 3], [4, 4, 4]], "late parts are passed over"
    assert list(voice.stream("long", cancelled.is_set)) == [], "nor is it begun"
    assert starts(tmp_path) == 1
    voice.close()


def test_a_sentence_is_cancelled_while_its_first_part_is_awaited(tmp_path: Path) -> None:
    voice = fake(tmp_path, "sys.stdin.readline()")
    voice.start()
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 4

    began = time.monotonic()
    assert list(voice.stream("long", cancelled)) == []
    assert time.monotonic() - began < 20, "sooner than the process is given up"
    voice.close()


def test_a_sentence_that_cannot_be_said_does_not_end_the_process(tmp_path: Path) -> None:
    voice = fake(
        tmp_path,
        f"if request['text'] == 'bad':\n    answer({{'id': 1, 'last': True, 'error': 'Oh!'}})\nelse:\n{ANSWERS}",
    )
    with pytest.raises(StageError, match="cannot say a sentence: Oh!"):
        voice.synthesize("bad")
    assert voice.synthesize("good").size == 4
    assert starts(tmp_path) == 1
    voice.close()


def test_a_slow_start_is_waited_for_and_noise_on_standard_error_is_kept_out(tmp_path: Path) -> None:
    voice = fake(tmp_path, at_start="import select\nsys.stderr.write('x' * 200_000)\nselect.select([], [], [], 0.3)")
    assert voice.synthesize("good").size == 4
    voice.close()


def test_a_start_that_never_ends_is_ended(tmp_path: Path) -> None:
    fake(tmp_path, at_start="signal.pause()")
    voice = PiperVoice(tmp_path, deterministic=True, start_timeout_s=0.3, program=tmp_path / "child.py")
    with pytest.raises(StageError, match="did not answer in time"):
        voice.start()


def test_a_crash_loop_does_not_spin(tmp_path: Path) -> None:
    voice = fake(tmp_path, at_start="sys.exit('broken model')")
    for _ in range(2):
        with pytest.raises(StageError, match="broken model"):
            voice.synthesize("hello")
    with pytest.raises(StageError, match="failed 2 times and rests"):
        voice.synthesize("hello")
    assert starts(tmp_path) == 2


def test_rests_grow_while_nothing_works() -> None:
    now = 0.0
    rests = Rests(lambda: now)
    left = []
    for _ in range(9):
        rests.failed()
        left.append(max(rests.left_s(), 0.0))
    assert left == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    now = 60.0
    assert rests.left_s() <= 0
    rests.worked()
    rests.failed()
    assert rests.left_s() <= 0


def test_what_the_process_started_ends_with_it(tmp_path: Path) -> None:
    voice = fake(
        tmp_path,
        "sys.stdin.readline()",
        at_start=f"""
        import subprocess
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        open({str(tmp_path / "grandchild")!r}, "w").write(str(child.pid))
        """,
    )
    with pytest.raises(StageError):
        voice.synthesize("hello")
    grandchild = int((tmp_path / "grandchild").read_text())
    wait_until(lambda: ended(grandchild), "a killed process is gone at once, but not before kill returns")


def ended(pid: int) -> bool:
    """No such process, or one whose end nobody took note of."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds 0 files"),
        ({"a.onnx": "", "b.onnx": ""}, "holds 2 files"),
        ({"a.onnx": ""}, "does not describe a voice"),
        ({"a.onnx": "", "a.onnx.json": "{}"}, "does not describe a voice"),
        ({"a.onnx": "", "a.onnx.json": '{"audio": {"sample_rate": 11025}}'}, "11025 Hz is not a multiple of 50"),
    ],
)
def test_a_folder_without_a_voice_is_refused(files: dict[str, str], message: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ModelError, match=message):
        PiperVoice(tmp_path, deterministic=True)


# The voice that stands in.


class FakeVoice:
    """Says as many samples as the text has characters; fails while told to."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.identity = f"fake at {rate_hz} Hz"
        self.broken = self.breaks_within = False
        self.said: list[str] = []

    def start(self) -> None:
        self.synthesize("")

    def stream(self, sentence: str, cancelled: Cancelled = never) -> Iterator[Pcm]:
        yield self.synthesize(sentence)
        if self.breaks_within:
            raise StageError("broken")

    def synthesize(self, sentence: str) -> Pcm:
        if self.broken:
            raise StageError("broken")
        self.said.append(sentence)
        return np.zeros(1000, np.int16)

    def close(self) -> None:
        self.broken = True


def test_the_second_voice_stands_in_at_the_rate_of_the_first(caplog: pytest.LogCaptureFixture) -> None:
    first, second, lost = FakeVoice(RATE_HZ), FakeVoice(16_000), list[str]()
    voice = FallbackVoice(first, second, lost=lost.append)
    caplog.set_level("INFO")
    voice.start()
    assert voice.synthesize("one").size == 1000
    assert not lost
    first.broken = True
    assert voice.synthesize("two").size == pytest.approx(1378, abs=1)
    voice.synthesize("three")
    first.broken = False
    voice.synthesize("four")
    voice.synthesize("five")
    assert lost == ["broken"]
    assert [record.message for record in caplog.records] == [
        "a simpler voice stands in: broken",
        "the voice is back",
    ]
    assert second.said == ["two", "three"]
    assert voice.rate_hz == RATE_HZ


def test_a_sentence_that_broke_off_is_said_again_by_the_second_voice() -> None:
    first, second = FakeVoice(RATE_HZ), FakeVoice(RATE_HZ)
    first.breaks_within = True
    assert [part.size for part in FallbackVoice(first, second).stream("one")] == [1000, 1000]
    assert second.said == ["one"]


def test_without_a_second_voice_the_error_passes_through() -> None:
    first = FakeVoice(RATE_HZ)
    first.broken = True
    voice = FallbackVoice(first, None)
    with pytest.raises(StageError, match="broken"):
        voice.start()
    with pytest.raises(StageError, match="broken"):
        voice.synthesize("one")
    voice.close()


def test_both_voices_broken_is_one_error() -> None:
    first, second = FakeVoice(RATE_HZ), FakeVoice(RATE_HZ)
    first.broken = second.broken = True
    with pytest.raises(StageError, match="broken"):
        FallbackVoice(first, second).synthesize("one")


class Busy:
    """A usual voice on a busy machine, with a simple one beside it, and the clock of the test."""

    def __init__(self, *, first_s: float = 0.1, whole_s: float = 0.1) -> None:
        self.now_s, self.first_s, self.whole_s, self.slow = 0.0, first_s, whole_s, 0
        self.usual, self.simple = SlowVoice(self), FakeVoice(16_000)
        self.voice = HurriedVoice(self.usual, self.simple, slow=self.tell, clock=lambda: self.now_s)

    def tell(self) -> None:
        self.slow += 1


class SlowVoice(FakeVoice):
    """Two parts, 0.09 s of sound in all."""

    def __init__(self, machine: Busy) -> None:
        super().__init__(RATE_HZ)
        self._machine = machine

    def stream(self, sentence: str, cancelled: Cancelled = never) -> Iterator[Pcm]:
        self._machine.now_s += self._machine.first_s
        yield self.synthesize(sentence)
        self._machine.now_s += self._machine.whole_s - self._machine.first_s
        yield np.zeros(1000, np.int16)


def test_a_voice_that_keeps_up_speaks_on() -> None:
    machine = Busy()
    assert [machine.voice.synthesize(text).size for text in ("one", "two")] == [2000, 2000]
    assert (machine.slow, machine.simple.said, machine.voice.identity) == (0, [], machine.usual.identity)


@pytest.mark.parametrize(("first_s", "whole_s"), [(1.1, 1.1), (0.1, 0.12)])
def test_while_the_machine_is_busy_the_simple_voice_speaks(first_s: float, whole_s: float) -> None:
    machine = Busy(first_s=first_s, whole_s=whole_s)
    machine.voice.synthesize("one")
    assert (machine.slow, machine.voice.identity) == (1, machine.usual.identity), "said well, if late: it may be kept"
    machine.now_s += HURRIED_S - 1
    assert machine.voice.synthesize("two").size == pytest.approx(1378, abs=1)
    assert (machine.simple.said, machine.voice.identity) == (["two"], None)
    machine.first_s = machine.whole_s = 0.1
    machine.now_s += 1
    assert machine.voice.synthesize("three").size == 2000
    assert (machine.slow, machine.usual.said, machine.voice.identity) == (1, ["one", "three"], machine.usual.identity)


def test_a_slow_voice_is_better_than_none() -> None:
    machine = Busy(first_s=2.0, whole_s=2.0)
    machine.voice.synthesize("one")
    machine.simple.broken = True
    assert machine.voice.synthesize("two").size == 2000
    assert machine.voice.identity == machine.usual.identity


def test_what_is_interrupted_says_nothing_of_the_machine() -> None:
    machine = Busy(first_s=2.0, whole_s=2.0)
    list(machine.voice.stream("one", lambda: True))
    assert machine.slow == 0


def test_a_program_that_does_not_speak_is_refused() -> None:
    for program in ("/bin/true", "/bin/false", "/no/such/program"):
        with pytest.raises(StageError, match="did not say a sentence"):
            SimpleVoice("espeak-ng", program)


def test_the_simple_voice_speaks() -> None:
    voice = SimpleVoice.find(ENGLISH.simple_voice)
    if voice is None:
        pytest.skip("neither flite nor espeak-ng is installed")
    voice.start()
    said = voice.synthesize("-v the café's timer is over")
    assert said.dtype == np.int16
    assert 1.0 < said.size / voice.rate_hz < 4.0
    assert level_dbfs(said) > -40
    assert chunks_of(said, voice.rate_hz)
    assert voice.synthesize(" ").size == 0


# Cut while it is made.


@settings(max_examples=30)
@given(st.lists(st.integers(0, 3000), max_size=8))
def test_a_sound_in_parts_is_cut_like_the_whole(sizes: list[int]) -> None:
    pcm = (np.sin(np.arange(sum(sizes)) / 9) * 9000).astype(np.int16)
    cutter, chunks = Cutter(RATE_HZ), []
    for part in np.split(pcm, np.cumsum(sizes)):
        chunks += cutter.feed(part)
    chunks += cutter.feed(NOTHING, last=True)
    whole = chunks_of(pcm, RATE_HZ)
    assert len(chunks) == len(whole) == -(-pcm.size // 441)
    for one, other in zip(chunks, whole, strict=True):
        assert np.array_equal(one.pcm, other.pcm)
        assert np.array_equal(one.reference, other.reference)


def test_most_of_a_part_can_be_played_before_the_next_is_made() -> None:
    assert len(Cutter(RATE_HZ).feed(np.zeros(14 * 256, np.int16))) >= 6, "of 8.1 chunks"


# The program of the real voice.


def test_parts_begin_short_and_end_where_the_sentence_ends() -> None:
    assert streamed_voice.spans(1) == [1]
    assert streamed_voice.spans(14 + 7) == [21], "a rest of 7 is made with what is before it"
    assert streamed_voice.spans(14 + 8) == [14, 22]
    assert streamed_voice.spans(200) == [14, 42, 98, 154, 200]
    for frames in range(1, 400):
        ends = streamed_voice.spans(frames)
        assert ends[-1] == frames
        assert ends == sorted(set(ends))


@pytest.mark.parametrize("pace", [0.05, 0.2, 0.5, 0.9, 1.0, 1.3, 3.0])
@pytest.mark.parametrize("frames", [10, 60, 145, 600])
def test_what_is_played_lasts_until_the_next_part_is_there(pace: float, frames: int) -> None:
    """A person hears no gap in a word, however slow the machine is."""
    ends = streamed_voice.spans(frames)
    began = next(
        i for i, end in enumerate(ends) if streamed_voice.gapless(end, ([*ends, end][i + 1]) - end, frames - end, pace)
    )
    made_at = 0.0
    for made, end in zip(ends[began:], ends[began + 1 :], strict=False):
        made_at += (end - made) * pace
        assert made_at <= made, f"part up to {end} comes after {made} frames were played"
    if pace <= 0.2:
        assert began == 0


def test_only_high_peaks_are_rounded_off() -> None:
    sound = np.array([0.0, 0.5, -0.8, 0.81, 1.0, -1.5, 9.0], np.float32)
    limited = streamed_voice.rounded_off(sound)
    assert np.array_equal(limited[:3], sound[:3])
    assert np.all(np.diff(np.abs(limited[[2, 3, 4, 5]])) > 0)
    assert np.abs(limited).max() <= 1.0


def _proto(number: int, *content: bytes) -> bytes:
    """A field of a protocol buffer."""
    joined = b"".join(content)
    return bytes([number << 3 | 2, len(joined)]) + joined


def _toy(*, asks_for_input: bool = False) -> bytes:
    """x -> Abs -> t -> Add(t, t or x) -> Neg -> y"""
    value = b"\x12\x04\x0a\x02\x08\x01"
    nodes = [
        (b"x", b"t", b"first", b"Abs"),
        (b"t", b"u", b"reader", b"Add"),
        (b"u", b"y", b"last", b"Neg"),
    ]
    fields = []
    for source, target, name, operation in nodes:
        second = _proto(1, b"x" if asks_for_input else b"t") if operation == b"Add" else b""
        fields.append(_proto(1, _proto(1, source), second, _proto(2, target), _proto(3, name), _proto(4, operation)))
    graph = [*fields, _proto(2, b"toy"), _proto(11, _proto(1, b"x"), value), _proto(12, _proto(1, b"y"), value)]
    return b"\x08\x08" + _proto(7, *graph) + _proto(8, b"\x10\x0f")


def test_a_model_is_cut_in_two_that_do_the_same_together() -> None:
    import onnxruntime  # type: ignore[import-untyped]

    first, second, tensor = onnx_parts.cut(memoryview(_toy()), "reader")
    assert tensor == "t"
    x = np.array([1.0, -2.0], np.float32)
    t = onnxruntime.InferenceSession(b"".join(first)).run(None, {"x": x})[0]
    assert t.tolist() == [1, 2]
    assert onnxruntime.InferenceSession(b"".join(second)).run(None, {"t": t})[0].tolist() == [-2, -4]


@pytest.mark.parametrize(
    ("model", "reader", "message"),
    [
        (_toy(), "somebody", "no node is called somebody"),
        (_toy(asks_for_input=True), "reader", "needs more than it"),
        (_toy()[:-9], "reader", "cut off"),
        (b"\x7f\x7f", "reader", "no ONNX model"),
        (b"", "reader", "no node"),
    ],
)
def test_a_model_that_cannot_be_cut_is_named(model: bytes, reader: str, message: str) -> None:
    with pytest.raises(onnx_parts.NoSuchCutError, match=message):
        onnx_parts.cut(memoryview(model), reader)


# The real voice.


def test_the_program_has_its_own_licence_and_nothing_of_ours() -> None:
    files = [path.read_text() for path in PROGRAM.glob("*.py")]
    assert len(files) >= 3
    for source in files:
        assert source.startswith("# SPDX-License-Identifier: GPL-3.0-or-later\n")
        assert "import appliance" not in source
        assert "from appliance" not in source


@pytest.fixture(scope="module")
def model_folder(store: ModelStore) -> Path:
    return store.folder("piper-en-us-joe")


@pytest.mark.model
def test_piper_says_the_same_twice_and_survives_being_killed(model_folder: Path) -> None:
    voice = PiperVoice(model_folder, deterministic=True)
    voice.start()
    first = voice.synthesize("Timer set for five minutes.")
    assert 1.0 < first.size / voice.rate_hz < 3.0
    assert -35 < level_dbfs(first) < -10
    assert np.array_equal(first, voice.synthesize("Timer set for five minutes."))
    assert voice.synthesize("...").size == 0
    pid = child_of_this_process(str(PROGRAM))
    kill = threading.Timer(0.1, os.kill, (pid, signal.SIGKILL))
    kill.start()
    with pytest.raises(StageError, match="ended with code -9"):
        voice.synthesize("This sentence goes on for so long that the process is killed in the middle of it. " * 10)
    kill.join()
    assert np.array_equal(first, voice.synthesize("Timer set for five minutes."))
    voice.close()


@pytest.mark.model
def test_sentences_leave_nothing_behind(model_folder: Path) -> None:
    """Each is of a length that was never said before: 85 kB were kept of each."""
    voice = PiperVoice(model_folder, deterministic=True)
    voice.start()
    pid = child_of_this_process(str(PROGRAM))
    voice.synthesize("On and on.")
    settle(pid)
    before_mb = own_mb(pid)
    for words in range(1, 25):
        voice.synthesize(f"{'on ' * words}and on.")
    settle(pid)
    assert own_mb(pid) - before_mb < 1.0
    voice.close()


def child_of_this_process(program: str) -> int:
    """Process number of the child that runs a program."""
    for children in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        for pid in children.read_text().split():
            if program in Path(f"/proc/{pid}/cmdline").read_text():
                return int(pid)
    raise AssertionError(f"no child runs {program}")


AS_A_WHOLE_AND_IN_PARTS = """
import json, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import streamed_voice
voice = streamed_voice.StreamedVoice(sys.argv[2], deterministic=True)
def say(text):
    parts = voice.say(text, streamed_voice.new_options())
    return np.concatenate([np.frombuffer(part, "<i2").astype(float) for part in parts])
for text in json.load(sys.stdin):
    parts = say(text)
    usual, streamed_voice.PART_FRAMES = streamed_voice.PART_FRAMES, (10**6,)
    whole = say(text)
    streamed_voice.PART_FRAMES = usual
    joints = [256 * end for end in streamed_voice.spans(whole.size // 256)[:-1]]
    sound, error = (np.array([np.sum(x[at - 220 : at + 220] ** 2) for at in joints]) for x in (whole, whole - parts))
    print(len(joints), np.abs(whole - parts).max(), 10 * np.log10(sound.sum() / max(error.sum(), 1e-9)))
"""


@pytest.mark.model
def test_the_joints_of_the_parts_cannot_be_heard(model_folder: Path) -> None:
    """They differ from the sentence made at once by no more than the rounding of the last bit, here and there."""
    texts = ["Timer set for five minutes.", "You can say for example set a timer for ten minutes.", "It is noon."]
    done = subprocess.run(
        [sys.executable, "-c", AS_A_WHOLE_AND_IN_PARTS, str(PROGRAM), str(next(model_folder.glob("*.onnx")))],
        input=json.dumps(texts),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures = [tuple(map(float, line.split())) for line in done.stdout.splitlines()]
    assert len(figures) == len(texts)
    for joints, largest_difference, within_10_ms_of_joints_db in figures:
        assert joints >= 2
        assert largest_difference <= 1
        assert within_10_ms_of_joints_db > 60


@pytest.mark.model
def test_a_cancelled_sentence_is_not_made(model_folder: Path) -> None:
    text = "Tomorrow in the morning it will be mostly sunny with clouds in the afternoon and rain at night"
    voice, cancelled = PiperVoice(model_folder, deterministic=True), threading.Event()
    voice.start()
    pid = child_of_this_process(str(PROGRAM))
    before = cpu_ticks(pid)
    voice.synthesize(text)
    whole = cpu_ticks(pid) - before
    parts = voice.stream(text, cancelled.is_set)
    next(parts)
    cancelled.set()
    assert list(parts) == []
    voice.synthesize("Yes.")
    assert cpu_ticks(pid) - before - whole < 0.7 * whole
    voice.close()


def cpu_ticks(pid: int) -> int:
    """Processor time of a process, in hundredths of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@pytest.mark.model
def test_the_voice_varies_unless_it_is_told_not_to(model_folder: Path) -> None:
    voice = PiperVoice(model_folder, deterministic=False)
    one, two = voice.synthesize("Good morning."), voice.synthesize("Good morning.")
    voice.close()
    assert one.size != two.size or not np.array_equal(one, two)


@pytest.mark.model
def test_the_process_ends_with_its_parent(model_folder: Path) -> None:
    program = textwrap.dedent("""
        import os, sys
        from pathlib import Path
        from appliance.voice.piper import PiperVoice
        voice = PiperVoice(Path(sys.argv[1]), deterministic=True)
        voice.start()
        print(Path(f"/proc/self/task/{os.getpid()}/children").read_text(), flush=True)
        sys.stdin.read()
    """)
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(model_folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        descriptor = os.pidfd_open(pid)
        assert not ended(pid)
        parent.kill()
    assert select.select([descriptor], [], [], 5.0)[0], "the voice outlived its parent"
    os.close(descriptor)


@pytest.mark.model
def test_a_recognizer_understands_what_piper_says(model_folder: Path, store: ModelStore) -> None:
    import vosk  # type: ignore[import-untyped]

    vosk.SetLogLevel(-1)
    voice = PiperVoice(model_folder, deterministic=True)
    said = voice.synthesize("The timer is set for five minutes.")
    voice.close()
    recognizer = vosk.KaldiRecognizer(vosk.Model(str(store.folder("vosk-small-en-us"))), 16_000)
    recognizer.AcceptWaveform(np.pad(resample(said, RATE_HZ, 16_000), 4800).tobytes())
    heard = set(json.loads(recognizer.FinalResult())["text"].split())
    assert {"timer", "set", "five", "minutes"} <= heard
