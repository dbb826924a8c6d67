"""The ledger of buffers says what the code has: every construct that makes a buffer stands in it."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from appliance.assembly import LEAD_FRAMES
from appliance.audio import capture, microphone, speakers
from appliance.audio.format import FRAME_MS, Frame
from appliance.audio.ring import Ring
from appliance.config_files import PROJECT
from appliance.keeping import CLIPS_INBOX
from appliance.ledger import LEDGER, Buffer, render
from appliance.listening import CHUNK_FRAMES, RECOGNITION_INBOX
from appliance.loop import LEVELS_KEPT
from appliance.worker import ThreadWorker

QUEUES = {"deque", "Queue", "SimpleQueue", "LifoQueue", "PriorityQueue", "bytearray", "BytesIO"}
ARRAYS = {"zeros", "empty", "full"}
"""Arrays count where they are kept in an object: those are written again and again."""

OUTSIDE = ("bench", "demo")
"""What measures the appliance, and the person and subscriber of the demo, are not on the way of a sound."""


@dataclass(frozen=True, slots=True)
class Found:
    """One name that a buffer is kept under."""

    module: str
    name: str
    line: int

    def __str__(self) -> str:
        return f"{self.module}: {self.name} (line {self.line})"


def _buffers_of(module: str, tree: ast.Module) -> Iterator[Found]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        calls = {_called(call) for call in ast.walk(node.value) if isinstance(call, ast.Call)}
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            for part in target.elts if isinstance(target, ast.Tuple) else [target]:
                is_kept = isinstance(part, ast.Attribute)
                if calls & QUEUES or (is_kept and calls & ARRAYS):
                    yield Found(
                        module, part.attr if isinstance(part, ast.Attribute) else ast.unparse(part), node.lineno
                    )


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)


@cache
def _all_buffers() -> list[Found]:
    found = []
    for path in sorted((PROJECT / "appliance").rglob("*.py")):
        module = ".".join(path.relative_to(PROJECT / "appliance").with_suffix("").parts).removesuffix(".__init__")
        if module.split(".")[0] not in OUTSIDE:
            found += _buffers_of(module, ast.parse(path.read_text(encoding="utf-8"), str(path)))
    return found


def _place(row: Buffer) -> tuple[str, set[str]]:
    module, _, names = row.where.partition(": ")
    return module, set(re.findall(r"\w+", names))


def _row(where: str) -> Buffer:
    (row,) = [row for row in LEDGER if row.where.startswith(where)]
    return row


def test_every_buffer_stands_in_the_ledger() -> None:
    written = {(module, name) for row in LEDGER for module, names in [_place(row)] for name in names}
    missing = [str(found) for found in _all_buffers() if (found.module, found.name) not in written]
    assert not missing, "add a row to appliance/ledger.py for:\n" + "\n".join(missing)


@pytest.mark.parametrize("where", [row.where for row in LEDGER])
def test_every_row_names_a_module_and_something_in_it(where: str) -> None:
    module, names = _place(_row(where))
    path = PROJECT / "appliance" / (module.replace(".", "/") + ".py")
    text = path.read_text(encoding="utf-8")
    private = {name for name in names if name.startswith("_")}
    assert names
    assert all(name in text for name in private)


def test_the_scan_sees_what_makes_a_buffer() -> None:
    source = (
        "from collections import deque\n"
        "self._a: deque[int] = deque(maxlen=3)\n"
        "self._b = queue.Queue(maxsize=4)\n"
        "self._c = np.zeros(5)\n"
        "d, e = bytearray(), bytearray()\n"
        "passing = np.zeros(5)\n"
        "self._count = 3\n"
    )
    assert [found.name for found in _buffers_of("m", ast.parse(source))] == ["_a", "_b", "_c", "d", "e"]
    assert len(_all_buffers()) > 15


def test_the_numbers_are_those_of_the_code() -> None:
    assert _row("audio.capture: device").holds_ms == capture.DEVICE_LATENCY_S * 1000 == 200
    assert _row("audio.microphone: _queue").holds_ms == microphone.QUEUE_FRAMES * FRAME_MS
    assert _row("audio.speakers: _queue").holds_ms == speakers.QUEUE_FRAMES * FRAME_MS
    assert _row("audio.player: _sounding").holds_ms == LEAD_FRAMES * FRAME_MS
    assert _row("loop: _levels").holds_ms == LEVELS_KEPT * FRAME_MS
    assert _row("worker: _jobs of recognition").holds_ms == RECOGNITION_INBOX * CHUNK_FRAMES * FRAME_MS
    assert _row("worker: _jobs of clips").holds_ms == CLIPS_INBOX * 3000
    assert _row("speech.detector: _pending").holds_ms == 32


def test_the_ring_holds_what_its_row_says() -> None:
    ring = Ring()
    for index in range(2000):
        ring.append(Frame(index, np.zeros(320, np.int16)))
    assert len(ring.frames(0, 2000)) * FRAME_MS == _row("audio.ring").holds_ms


def test_a_workers_inbox_holds_what_its_row_says() -> None:
    worker = ThreadWorker("recognition", capacity=RECOGNITION_INBOX, failed=lambda stage, error: None)
    taken = 0
    while worker.submit(lambda: None):
        taken += 1
    worker.close()
    assert taken * CHUNK_FRAMES * FRAME_MS == _row("worker: _jobs of recognition").holds_ms


def test_no_place_stands_twice() -> None:
    places = [row.where for row in LEDGER]
    assert len(places) == len(set(places))


def test_the_printed_ledger_has_every_row_and_the_sum() -> None:
    lines = render().splitlines()
    assert lines[0].split() == ["where", "holds", "adds", "why", "when", "full"]
    assert [line.startswith(row.where) for line, row in zip(lines[1:-1], LEDGER, strict=True)] == [True] * len(LEDGER)
    assert lines[-1].split() == [
        "sum",
        f"{sum(row.holds_ms or 0 for row in LEDGER):.0f}",
        "ms",
        f"{sum(row.adds_ms for row in LEDGER):.0f}",
        "ms",
    ]
