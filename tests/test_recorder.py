"""The second way to the microphone: a program of its own, whose end and whose silence are told."""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from appliance.audio import recorder
from appliance.audio.recorder import RecorderStream
from appliance.errors import AudioError

CARDS = """\
 0 [vc4hdmi        ]: vc4-hdmi - vc4-hdmi
                      vc4-hdmi
 3 [Array          ]: USB-Audio - ReSpeaker 4 Mic Array (UAC1.0)
                      SEEED ReSpeaker 4 Mic Array (UAC1.0) at usb-0000:01:00.0-1.2, high speed
"""


def _program(text: str, *, first_sound_s: float = 5.0) -> RecorderStream:
    command = [sys.executable, "-c", f"import sys, time\nout = sys.stdout.buffer\n{text}"]
    return RecorderStream(command, "kitchen", first_sound_s=first_sound_s)


def test_pieces_of_a_pipe_become_blocks() -> None:
    stream = _program(
        "sent = bytes(range(256)) * 5\n"
        "for at in range(0, len(sent), 100):\n"
        "    out.write(sent[at:at + 100]); out.flush(); time.sleep(0.001)\n"
        "time.sleep(60)"
    )
    blocks = [stream.read() for _ in range(2)]
    stream.close()
    assert [(block.shape, block.dtype, overrun) for block, overrun in blocks] == [((320, 1), np.int16, False)] * 2
    assert b"".join(block.tobytes() for block, _ in blocks) == bytes(range(256)) * 5


def test_an_overrun_is_told_with_the_block_after_it() -> None:
    stream = _program(
        "sys.stderr.write('overrun!!! (at least 12.3 ms long)'); sys.stderr.flush(); time.sleep(0.1)\n"
        "out.write(bytes(1280)); out.flush(); time.sleep(60)"
    )
    told = [stream.read()[1] for _ in range(2)]
    stream.close()
    assert told == [True, False]


def test_the_end_of_the_program_is_told_with_its_last_words() -> None:
    stream = _program("out.write(bytes(640)); out.flush(); sys.exit('arecord: audio open error: No such device')")
    stream.read()
    with pytest.raises(AudioError, match=r"'kitchen': python\S* ended \(arecord: audio open error: No such device\)"):
        stream.read()
    stream.close()


def test_a_program_that_sends_nothing_is_told_and_killed() -> None:
    stream = _program("time.sleep(60)", first_sound_s=0.05)
    with pytest.raises(AudioError, match=r"'kitchen': python.* sends nothing"):
        stream.read()
    stream.close()
    assert stream._process.returncode == -9


def test_a_program_that_closed_its_errors_is_not_asked_for_more() -> None:
    stream = _program("import os; os.close(2); time.sleep(0.1); out.write(bytes(640)); out.flush(); time.sleep(60)")
    began_s = time.process_time()
    assert not stream.read()[1]
    assert time.process_time() - began_s < 0.05
    stream.close()


def test_nothing_is_left_open() -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    for _ in range(5):
        stream = _program("out.write(bytes(640)); out.flush(); time.sleep(60)")
        stream.read()
        stream.close()
    assert descriptors() == before


def test_a_program_that_is_missing_or_no_program_is_told(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="nothing-like-it does not start"):
        RecorderStream([str(tmp_path / "nothing-like-it")], "kitchen")
    assert not recorder.is_installed("nothing-like-it")


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("respeaker", "plughw:CARD=Array"),
        ("ARRAY", "plughw:CARD=Array"),
        ("vc4", "plughw:CARD=vc4hdmi"),
        ("hw:7", "hw:7"),
    ],
)
def test_a_card_is_found_by_a_part_of_its_description(part: str, name: str) -> None:
    assert recorder._alsa_name(part, CARDS) == name


@pytest.mark.skipif(not recorder.is_installed("arecord"), reason="arecord is not installed")
def test_arecord_understands_what_it_is_told(tmp_path: Path) -> None:
    """ALSA's `null` device exists everywhere and sends silence at once."""
    stream = recorder.arecord("null")
    block, _ = stream.read()
    stream.close()
    assert block.shape == (320, 1)
    missing = recorder.arecord("no-such-card", cards=lambda: CARDS)
    with pytest.raises(AudioError, match=r"'no-such-card': arecord ended \(.*(No such file|Unknown PCM).*\)"):
        missing.read()
    missing.close()
