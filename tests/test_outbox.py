"""Events on disk: nothing that was committed is lost, whatever happens to the process, the file or the disk."""

import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.events import IntentRecognized, ReplyGiven, blank_text, from_json, to_json
from appliance.mqtt.journal import LIMIT_AGE_S, Journal
from appliance.mqtt.message import Message, Rank, rank_of
from appliance.mqtt.outbox import READ_AHEAD, RETRY_S, Outbox

NOW_S = 1_800_000_000.0


def message(number: int, rank: Rank = Rank.ORDINARY) -> Message:
    return Message(topic="t", payload=b"%d" % number, qos=1, rank=rank)


def numbers(outbox: Outbox) -> list[int]:
    """Everything that can be taken, confirmed as it comes, with the outbox's own work between."""
    taken = []
    while (one := outbox.take() or (outbox.step(0.0), outbox.take())[1]) is not None:
        taken.append(int(one[1].payload))
        outbox.acknowledge(one[0])
    return taken


def outbox_at(path: Path) -> Outbox:
    return Outbox(Journal(path))


class TestJournal:
    def write(self, journal: Journal, *messages: Message, now_s: float = NOW_S, confirmed: tuple[int, ...] = ()) -> int:
        return journal.write(messages, confirmed, now_s=now_s, loaded=0)

    def held(self, journal: Journal) -> list[int]:
        return [int(stored.message.payload) for stored in journal.read(0, 1000)]

    def opened(self, path: Path, **limits: int) -> Journal:
        journal = Journal(path, **limits)
        journal.open()
        return journal

    def test_what_was_written_is_there_without_a_farewell(self, tmp_path: Path) -> None:
        journal = self.opened(tmp_path / "new" / "folder" / "outbox.sqlite")
        self.write(journal, message(1, Rank.LASTING), message(2))
        self.write(journal, message(3), confirmed=(1,))
        for file in journal.path.parent.iterdir():  # as the power left it
            shutil.copy(file, tmp_path)
        again = self.opened(tmp_path / journal.path.name)
        assert self.held(again) == [2, 3]
        assert len(again) == 2
        self.write(again, message(4))
        assert [stored.row for stored in again.read(0, 9)] == [2, 3, 4]

    def test_only_its_owner_reads_it(self, tmp_path: Path) -> None:
        journal = self.opened(tmp_path / "outbox.sqlite")
        self.write(journal, message(1))
        assert (journal.path.stat().st_mode & 0o777) == 0o600

    def test_without_room_chatter_goes_first_and_what_was_done_last(self, tmp_path: Path) -> None:
        journal = self.opened(tmp_path / "outbox.sqlite", limit_events=4)
        ranks = [Rank.LASTING, Rank.CHATTER, Rank.ORDINARY, Rank.CHATTER, Rank.LASTING, Rank.LASTING, Rank.LASTING]
        gone = sum(self.write(journal, message(number, rank)) for number, rank in enumerate(ranks))
        assert gone == 3
        assert self.held(journal) == [0, 4, 5, 6]
        assert self.write(journal, message(7, Rank.LASTING)) == 1
        assert self.held(journal) == [4, 5, 6, 7]

    def test_what_is_on_its_way_does_not_go(self, tmp_path: Path) -> None:
        journal = self.opened(tmp_path / "outbox.sqlite", limit_events=2)
        self.write(journal, message(0, Rank.CHATTER), message(1))
        assert journal.write([message(2, Rank.LASTING)], [], now_s=NOW_S, loaded=1) == 1
        assert self.held(journal) == [0, 2]

    def test_its_size_is_bounded(self, tmp_path: Path) -> None:
        journal = self.opened(tmp_path / "outbox.sqlite", limit_bytes=50_000)
        for _ in range(200):
            self.write(journal, *(Message(topic="t", payload=bytes(1000), qos=1) for _ in range(10)))
        assert 30 <= len(journal) <= 50
        assert journal.path.stat().st_size < 200_000

    def test_old_ones_go_unless_nobody_knew_the_time(self, tmp_path: Path) -> None:
        journal = self.opened(tmp_path / "outbox.sqlite")
        self.write(journal, message(0), now_s=100.0)
        self.write(journal, message(1), now_s=NOW_S)
        self.write(journal, message(2), now_s=NOW_S + 60)
        assert self.write(journal, message(3), now_s=NOW_S + LIMIT_AGE_S + 30) == 1
        assert self.held(journal) == [0, 2, 3]

    @pytest.mark.parametrize("damage", [b"not a database at all, not even a little" * 200, b"SQLite format 3\0garbage"])
    def test_a_damaged_file_is_put_aside(self, tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
        path = tmp_path / "outbox.sqlite"
        path.write_bytes(damage)
        journal = self.opened(path)
        self.write(journal, message(5))
        assert self.held(journal) == [5]
        assert path.with_suffix(".damaged").read_bytes() == damage
        assert "put aside" not in caplog.text
        assert "damaged" in caplog.text

    def test_two_daemons_do_not_share_one(self, tmp_path: Path) -> None:
        first, second = outbox_at(tmp_path / "outbox.sqlite"), outbox_at(tmp_path / "outbox.sqlite")
        first.put(message(1))
        first.step(0.0)
        second.put(message(2))
        second.step(0.0)
        assert first.is_durable
        assert "locked" in str(second.problem)
        assert numbers(second) == [2]
        assert numbers(first) == [1]


class TestOutbox:
    def test_nothing_leaves_before_it_is_on_disk(self, tmp_path: Path) -> None:
        outbox = outbox_at(tmp_path / "outbox.sqlite")
        outbox.put(message(1))
        assert outbox.take() is None
        assert (outbox.in_memory, len(outbox)) == (1, 1)
        outbox.step(0.0)
        assert (outbox.in_memory, len(outbox)) == (0, 1)
        assert outbox.take() is not None

    def test_an_hour_of_outage_leaves_in_order_and_then_nothing_is_left(self, tmp_path: Path) -> None:
        path = tmp_path / "outbox.sqlite"
        before = outbox_at(path)
        for number in range(3 * READ_AHEAD):
            before.put(message(number))
            if number % 100 == 0:
                before.step(0.0)
        before.close()
        after = outbox_at(path)
        after.put(message(3 * READ_AHEAD))
        assert numbers(after) == list(range(3 * READ_AHEAD + 1))
        after.step(0.0)
        assert len(after) == after.dropped == 0
        after.close()
        assert numbers(outbox_at(path)) == []

    @settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.sampled_from(["put", "chat", "take", "acknowledge", "rewind", "step", "crash"]), max_size=60))
    def test_nothing_committed_is_lost_and_all_in_order(self, tmp_path: Path, steps: list[str]) -> None:
        path = tmp_path / f"{random.getrandbits(60):x}.sqlite"
        journal = Journal(path)
        outbox, under_way = Outbox(journal, window=2), list[tuple[int, int]]()
        put, committed, confirmed = 0, set[int](), set[int]()
        for step in steps:
            if step in ("put", "chat"):
                outbox.put(message(put, Rank.CHATTER if step == "chat" else Rank.ORDINARY))
                put += 1
            elif step == "take" and (taken := outbox.take()) is not None:
                number = int(taken[1].payload)
                assert number in committed
                under_way.append((taken[0], number))
            elif step == "acknowledge" and under_way:
                ticket, number = under_way.pop(0)
                outbox.acknowledge(ticket)
                confirmed.add(number)
            elif step == "rewind":
                outbox.rewind()
                under_way.clear()
            elif step == "step":
                outbox.step(0.0)
                assert outbox.in_memory == 0
                committed = set(range(put))
            elif step == "crash":
                journal.close()  # the lock alone: whatever it had not written is gone
                journal = Journal(path)
                outbox, under_way = Outbox(journal, window=2), []
                put = max(committed, default=-1) + 1
        outbox.rewind()
        left = numbers(outbox)
        assert left == sorted(left)
        assert set(left) >= committed - confirmed
        assert set(left) <= set(range(put))
        journal.close()

    def test_a_disk_that_refuses_stops_nothing_and_is_tried_again(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, logger="appliance.mqtt")
        (tmp_path / "state").write_text("a file where a folder should be")
        outbox = outbox_at(tmp_path / "state" / "outbox.sqlite")
        for number in range(3):
            outbox.put(message(number))
        outbox.step(0.0)
        assert "in memory only" in str(outbox.problem)
        assert numbers(outbox) == [0, 1, 2]
        outbox.put(message(3))
        (tmp_path / "state").unlink()
        outbox.step(RETRY_S - 1.0)
        assert not outbox.is_durable
        outbox.step(RETRY_S)
        assert outbox.is_durable
        assert (outbox.problem, outbox.in_memory) == (None, 0)
        assert numbers(outbox) == [3]
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]

    def test_what_may_not_be_published_now_is_taken_out_of_what_was_stored(self, tmp_path: Path) -> None:
        said = to_json(ReplyGiven(frame=1, session=1, text="secret gin"), at="2026-01-01T00:00:00.000Z", event_id="a")
        wanted = to_json(
            IntentRecognized(
                frame=2,
                session=1,
                intent="list_add",
                slots={"item": "secret gin", "list": "shopping"},
                values={"item": "secret gin"},
                text="add secret gin",
                decision="act",
            ),
            at="2026-01-01T00:00:00.000Z",
            event_id="b",
        )
        before = outbox_at(tmp_path / "outbox.sqlite")
        for payload in (said, wanted):
            before.put(Message(topic="t", payload=payload, qos=1))
        before.close()
        free = frozenset({"item"})
        after = Outbox(Journal(tmp_path / "outbox.sqlite"), clean=lambda line: blank_text(line, free_slots=free))
        after.step(0.0)
        lines = [taken[1].payload for taken in iter(after.take, None)]
        assert [b'"id":"a"' in lines[0], b'"id":"b"' in lines[1]] == [True, True]
        assert b"gin" not in b"".join(lines)
        assert b"gin" not in (tmp_path / "outbox.sqlite").read_bytes()
        recognized = from_json(lines[1])
        assert isinstance(recognized, IntentRecognized)
        assert recognized.slots == {"list": "shopping"}

    def test_ranks(self) -> None:
        kinds = ("speech_started", "wake_detected", "timer_fired")
        assert [rank_of(kind) for kind in kinds] == [Rank.CHATTER, Rank.ORDINARY, Rank.LASTING]


WRITER = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from appliance.mqtt.journal import Journal
    from appliance.mqtt.message import Message
    from appliance.mqtt.outbox import Outbox

    outbox = Outbox(Journal(Path(sys.argv[1])))
    outbox.start()
    number = int(sys.argv[2])
    while True:
        outbox.put(Message(topic="t", payload=b"%d" % number, qos=1))
        while outbox.in_memory:
            time.sleep(0.0005)
        print(number, flush=True)
        if number % 3 == 0 and (taken := outbox.take()) is not None:
            print("confirmed", taken[1].payload.decode(), flush=True)
            outbox.acknowledge(taken[0])
        number += 1
    """
)


@pytest.mark.parametrize("kills", [5, pytest.param(200, marks=pytest.mark.slow)])
def test_killed_at_any_moment_nothing_committed_is_lost(tmp_path: Path, kills: int) -> None:
    path, committed, confirmed = tmp_path / "outbox.sqlite", list[int](), set[int]()
    moments = random.Random(1)
    for _ in range(kills):
        begin = committed[-1] + 2 if committed else 0  # one more may be on disk, unannounced
        command = [sys.executable, "-c", WRITER, str(path), str(begin)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(moments.randrange(1, 30))]
            child.send_signal(signal.SIGKILL)
            lines += child.stdout.read().splitlines()
        for line in (line.strip() for line in lines):
            if line.startswith("confirmed"):
                confirmed.add(int(line.split()[1]))
            elif line:
                committed.append(int(line))
    left = numbers(outbox_at(path))
    assert left == sorted(left)
    assert set(committed) - confirmed <= set(left)
    assert len(left) == len(set(left))


FULL_DISK = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from appliance.mqtt.journal import Journal
    from appliance.mqtt.message import Message
    from appliance.mqtt.outbox import RETRY_S, Outbox

    disk = Path(sys.argv[1])
    outbox = Outbox(Journal(disk / "outbox.sqlite"))
    payload = lambda number: Message(topic="t", payload=b"%06d" % number + bytes(500), qos=1)
    def drain():
        taken = []
        while True:
            outbox.step(now)
            if (one := outbox.take()) is None:
                return taken
            taken.append(int(one[1].payload[:6]))
            outbox.acknowledge(one[0])
    now = 0.0
    for number in range(100):
        outbox.put(payload(number))
    outbox.step(now)
    assert outbox.is_durable
    with (disk / "hog").open("wb", buffering=0) as hog:
        try:
            while True:
                hog.write(bytes(4096))
        except OSError:
            pass
    number = 100
    while outbox.is_durable:
        outbox.put(payload(number)); number += 1
        outbox.step(now)
    print("refused after", number, flush=True)
    for _ in range(50):
        outbox.put(payload(number)); number += 1
    assert drain() == list(range(number)), "all leave, in order, on a full disk"
    (disk / "hog").unlink()
    outbox.put(payload(number))
    now = RETRY_S
    outbox.step(now)
    assert outbox.is_durable, outbox.problem
    assert drain() == [number]
    now += RETRY_S
    outbox.step(now)
    assert len(outbox) == 0 and outbox.dropped == 0
    print("recovered")
    """
)


def test_a_full_disk_keeps_voice_and_events_going(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    mount = f"mount -t tmpfs -o size=1m none {tmp_path} && exec {sys.executable} -c '{FULL_DISK}' {tmp_path}"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount], capture_output=True, text=True, timeout=60, check=False
    )
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"no file system of its own for this test: {done.stderr.strip()[:100]}")
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["recovered"]), done.stderr
