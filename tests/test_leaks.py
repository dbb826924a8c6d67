"""What leaves a live appliance, byte by byte: no sound in any form, and no word of what was said unless that is on."""

import base64
import json
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from appliance.audio.format import Pcm
from appliance.config_files import PROJECT
from appliance.models import ModelStore
from tools.overhear import KNOCKED, METRICS_PORT, PORT, SAID, Overheard
from tools.wiretap import TCP, UDP, mqtt_packets, sounds_in, texts_in

LIMIT_S = 240.0

INSIDE = (
    ("unshare", "--net") if os.getuid() == 0 else ("unshare", "--user", "--map-current-user", "--keep-caps", "--net")
)
"""A network of its own."""


def speech() -> Pcm:
    """20 ms of something loud, as a microphone gives it."""
    return (np.random.default_rng(1).normal(0.0, 3000.0, 320)).astype(np.int16)


@pytest.mark.parametrize(
    "coded",
    [
        lambda pcm: pcm.tobytes(),
        lambda pcm: pcm.astype(">i2").tobytes(),
        lambda pcm: (pcm / 32768).astype(np.float32).tobytes(),
        lambda pcm: (pcm >> 8).astype(np.int8).tobytes(),
        lambda pcm: np.zeros_like(pcm).tobytes(),
        lambda pcm: zlib.compress(pcm.tobytes(), 9),
        lambda pcm: base64.b64encode(pcm.tobytes()),
        lambda pcm: pcm.tobytes().hex().encode(),
        lambda pcm: json.dumps(pcm.tolist()).encode(),
        lambda pcm: json.dumps((pcm / 32768).tolist()).encode(),
    ],
    ids=["int16", "big-endian", "float32", "int8", "silence", "compressed", "base64", "hex", "JSON", "JSON of floats"],
)
def test_a_frame_of_sound_is_recognized_in_any_form(coded: Callable[[Pcm], bytes]) -> None:
    assert sounds_in(b'{"type":"wake_detected","payload":"' + coded(speech()) + b'"}')


def test_text_is_no_sound() -> None:
    event = (
        b'{"type":"wake_detected","frame":513,"audio_s":10.26,"id":"fe03a31aa3584d71b9a3d2a8c0f7a9b1","score":0.9609}'
    )
    assert sounds_in(event * 100) == []


def test_pieces_of_a_text_are_found_whatever_the_case() -> None:
    said = b'{"text":"Set the volume to sixty percent"}'
    assert texts_in(said, ["please set the volume"]) == ["set the volume"]
    assert texts_in(said, ["the volume is low", "sixty"]) == ["sixty"]
    assert texts_in(b'{"slots":{"percent":"sixty"}}', ["set the volume to sixty percent"]) == []


def test_packets_are_told_apart() -> None:
    publish = b"\x30\x85\x01" + b"x" * 133
    assert list(mqtt_packets(b"\x40\x02\x00\x01" * 40 + publish)) == [b"\x00\x01"] * 40 + [b"x" * 133]
    assert list(mqtt_packets(b"")) == []
    assert sum(map(len, mqtt_packets(speech().tobytes()))) > 0


def overhear(folders: dict[bool, Path]) -> dict[bool, Overheard]:
    """A run for each: whether texts are published."""
    if shutil.which("unshare") is None or subprocess.run([*INSIDE, "true"], capture_output=True).returncode:
        pytest.skip("no network namespace can be made here (util-linux; kernel.unprivileged_userns_clone)")
    command = [*INSIDE, sys.executable, "-m", "tools.overhear"]
    runs = {}
    for text, folder in folders.items():
        options = [str(folder), *(["--text"] if text else [])]
        runs[text] = subprocess.Popen([*command, *options], cwd=PROJECT, stderr=subprocess.PIPE, text=True)
    for run in runs.values():
        complained = run.communicate(timeout=LIMIT_S)[1]
        assert run.returncode == 0, complained
    read = {text: (folder / "overheard.json").read_bytes() for text, folder in folders.items()}
    return {text: msgspec.json.decode(document, type=Overheard) for text, document in read.items()}


@pytest.mark.live
@pytest.mark.model
@pytest.mark.broker
def test_no_sound_leaves_and_no_text_unless_it_may(store: ModelStore, tmp_path: Path) -> None:
    folders = {text: tmp_path / str(text) for text in (True, False)}
    for folder in folders.values():
        folder.mkdir()
    heard = overhear(folders)
    texts = [*SAID, *heard[True].texts]
    assert len(heard[True].texts) >= 4, "two commands, two answers"
    for text, run in heard.items():
        assert run.intents == ["volume_set", "refused: not_understood"]
        assert run.missed == 0, "nothing was overlooked"
        at_all = b"".join(said for _, said in run.flows)
        assert b"wake_detected" in at_all
        assert b"appliance_wakes_total" in at_all
        assert {flow.target: said for flow, said in run.flows if flow.protocol == UDP} == dict.fromkeys(
            KNOCKED, b"knock"
        )
        peers = {(flow.protocol, flow.source, flow.target) for flow, _ in run.flows if flow.target not in KNOCKED}
        assert peers == {(TCP, "127.0.0.1", "127.0.0.1")}, "it reaches for nobody else, not even for a name"
        assert run.listening == [("tcp", "0100007F", PORT), ("tcp", "0100007F", METRICS_PORT)]
        for flow, said in run.flows:
            packets = mqtt_packets(said) if PORT in (flow.source_port, flow.target_port) else [said]
            assert [sounds_in(packet) for packet in packets if sounds_in(packet)] == [], flow
        beside = "\n".join([run.status, run.log, *run.notified]).encode()
        assert sounds_in(beside) == []
        assert bool(texts_in(at_all, texts)) is text
        assert text or texts_in(beside, texts) == []
