"""Timers, alarms and the shopping list outlive the process, the boot and the power."""

import logging
import os
import random
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.acting import LATE, REMEMBER_AGAIN_FRAMES, Acting, ActingRules
from appliance.assembly import inline_workers
from appliance.clock import FrameClock
from appliance.events import Event, TimerPaused, TimerSet
from appliance.facts import Act, AskedToSay, Fact, Rang
from appliance.home.actions import Actions, SetVolume
from appliance.home.phrases import Phrases
from appliance.home.remembered import Remembered
from appliance.home.timers import Timer, Timers
from appliance.inbox import Inbox
from appliance.memory import Memory, boot_id
from appliance.status import Waiting
from appliance.understanding.home_file import HomeConfig
from tests.fakes import Effects, language

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Life:
    """One life of the process: the loop's side of actions, with its memory."""

    def __init__(self, path: Path, *, now: datetime = NOON, steady_s: float = 100.0, boot: str = "first") -> None:
        self.clock = FrameClock(now)
        self._steady_s = steady_s
        self.clock.steady_s = lambda frame: steady_s + frame / 50  # type: ignore[method-assign]
        self._inbox = Inbox()
        workers = inline_workers(self._inbox)
        self.acting = Acting(
            actions=Actions(HomeConfig(), Effects(), language().answer, Phrases.of("en")),
            worker=workers.action,
            post=self._inbox.post,
            clock=self.clock,
            rules=ActingRules(ring_frames=100, area="", dry_run=True),
            memory=Memory(path, workers.memory),
            boot=boot,
        )
        self.told: list[Event | SetVolume] = []

    def say(self, sentence: str, frame: int = 0) -> str | None:
        intent = language().match(sentence)
        assert intent is not None, sentence
        order = Act(turn=1, session=None, intent=intent, last_reply=None)
        self.acting.act(order, frame, volume=70, changed=self.told.append)
        reply: str | None = None
        while (result := self._inbox.take()) is not None:
            fact = result(frame)
            reply = getattr(getattr(fact, "outcome", None), "reply", reply)
        return reply

    def facts(self, frames: range) -> list[Fact]:
        return [fact for frame in frames for fact in self.acting.due(frame)]

    def rings(self, frames: range) -> list[Rang]:
        return [fact for fact in self.facts(frames) if isinstance(fact, Rang)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "memory.json"


def test_a_killed_process_goes_on_where_it_was(path: Path) -> None:
    before = Life(path)
    before.say("set a pasta timer for ten seconds")
    before.say("set an alarm for seven")
    before.say("add milk to the shopping list")
    after = Life(path, now=NOON + timedelta(seconds=5), steady_s=105.0)
    assert after.say("what is on my shopping list") == "On the list: milk."
    assert [ring.timer for ring in after.rings(range(249))] == []
    (ring,) = after.rings(range(249, 260))
    assert (ring.frame, ring.timer, ring.label, ring.late) == (250, "timer-1", "pasta", False)
    assert after.say("what alarms do I have") is not None
    after.say("set a timer for one minute", 300)
    assert isinstance(after.told[-1], TimerSet)
    assert after.told[-1].timer == "timer-2", "an id is never given twice"


def test_what_waits_is_told_without_what_it_is_for(path: Path) -> None:
    life = Life(path)
    assert life.acting.waiting() == Waiting()
    life.say("set a pasta timer for ten minutes")
    life.say("set a timer for one hour")
    life.say("set an alarm for seven")
    told = life.acting.waiting()
    assert (told.timers, told.next_timer, told.alarms) == (2, "2026-03-02T12:10:00Z", 1)
    assert told.next_alarm is not None
    life.say("cancel the pasta timer")
    assert life.acting.waiting().next_timer == "2026-03-02T13:00:00Z"
    life.say("pause the timer")
    assert (life.acting.waiting().timers, life.acting.waiting().next_timer) == (1, None)


def test_within_one_boot_a_timer_does_not_mind_the_wall_clock(path: Path) -> None:
    Life(path).say("set a timer for ten seconds")
    after = Life(path, now=NOON + timedelta(days=400), steady_s=104.0)
    assert [ring.frame for ring in after.rings(range(400))] == [300]


def test_after_a_boot_it_goes_by_the_wall_clock(path: Path) -> None:
    Life(path).say("set a timer for ten minutes")
    after = Life(path, now=NOON + timedelta(minutes=9), steady_s=3.0, boot="second")
    assert [(ring.frame, ring.late) for ring in after.rings(range(3100))] == [(3000, False)]


def test_a_clock_that_is_put_right_after_the_boot_puts_it_right(path: Path) -> None:
    Life(path).say("set a timer for ten minutes")
    after = Life(path, now=NOON - timedelta(days=3), steady_s=3.0, boot="second")
    assert after.rings(range(100)) == []
    after.clock.now = lambda frame: NOON + timedelta(minutes=9, seconds=frame / 50)  # type: ignore[method-assign]
    assert [ring.frame for ring in after.rings(range(100, 3100))] == [3000]


def test_what_was_due_while_the_power_was_off_is_told_and_does_not_ring(path: Path) -> None:
    before = Life(path)
    before.say("set a pasta timer for ten minutes")
    before.say("remind me to take out the trash in twenty minutes")
    after = Life(path, now=NOON + timedelta(hours=2), steady_s=1.0, boot="second")
    facts = after.facts(range(3))
    assert [fact.text for fact in facts if isinstance(fact, AskedToSay)] == [
        "While I was off, the pasta timer ended at twelve ten PM today.",
        "While I was off, a reminder was due at twelve twenty PM today: take out the trash.",
    ]
    assert [(ring.timer, ring.late) for ring in facts if isinstance(ring, Rang)] == [
        ("timer-1", True),
        ("reminder-1", True),
    ]
    assert Life(path, now=NOON + timedelta(hours=3), boot="third").facts(range(3)) == [], "told once"


def test_what_was_due_a_moment_ago_rings(path: Path) -> None:
    Life(path).say("set a timer for ten seconds")
    after = Life(path, now=NOON + timedelta(seconds=9) + LATE, steady_s=109.0 + LATE.total_seconds())
    assert [(ring.frame, ring.late) for ring in after.rings(range(3))] == [(0, False)]


def test_a_held_timer_stays_held_and_a_changed_one_goes_by_the_steady_clock_again(path: Path) -> None:
    before = Life(path)
    before.say("set a timer for ten minutes")
    before.say("pause the timer", 50 * 60)
    assert isinstance(before.told[-1], TimerPaused)
    after = Life(path, now=NOON + timedelta(hours=1), steady_s=3.0, boot="second")
    assert after.rings(range(100)) == []
    after.say("resume the timer", 100)
    after.clock.now = lambda frame: NOON + timedelta(days=9)  # type: ignore[method-assign]
    assert [ring.frame for ring in after.rings(range(100, 27_200))] == [27_100]


def test_an_alarm_that_rang_every_day_goes_on_the_next(path: Path) -> None:
    Life(path).say("wake me up every day at seven")
    after = Life(path, now=NOON + timedelta(days=3), boot="second")
    (ring,) = after.rings(range(3))
    assert ring.late
    assert Memory(path, inline_workers(Inbox()).memory).load().alarms[0].due == datetime(2026, 3, 6, 7, 0)


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"version": 1, "unknown": 2}', b"\xff\xfe", b'{"timers": [{"id": 3}]}', b"[]"]
)
def test_a_damaged_file_is_put_aside_and_told(path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    life = Life(path)
    assert life.rings(range(3)) == []
    assert "timers and alarms are lost" in caplog.text
    assert path.with_suffix(".damaged").read_bytes() == content
    life.say("set a timer for ten seconds")
    assert len(Memory(path, inline_workers(Inbox()).memory).load().timers) == 1


def test_a_disk_that_refuses_is_told_and_tried_again(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    path.parent.write_text("a file where a folder should be")
    life = Life(path)
    life.say("set a timer for ten minutes")
    assert not path.exists()
    path.parent.unlink()
    life.facts(range(1, REMEMBER_AGAIN_FRAMES + 1))
    assert len(Memory(path, inline_workers(Inbox()).memory).load().timers) == 1


def test_only_its_owner_reads_it_and_nothing_is_written_when_nothing_changed(path: Path) -> None:
    life = Life(path)
    life.say("set a timer for ten minutes")
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.stat().st_mtime_ns
    life.say("what time is it")
    life.facts(range(1, REMEMBER_AGAIN_FRAMES + 1))
    life.acting.close()
    assert path.stat().st_mtime_ns == before


def test_what_waits_is_written_at_the_end(path: Path) -> None:
    class Busy:
        def start(self) -> None: ...
        def submit(self, job: Callable[[], None]) -> bool:
            return False

        def close(self) -> None: ...

    memory = Memory(path, Busy())
    memory.keep(Remembered(shopping=("milk",)))
    assert not path.exists()
    memory.write()
    assert Memory(path, Busy()).load().shopping == ("milk",)


def test_the_machine_names_its_boot(tmp_path: Path) -> None:
    assert boot_id() == boot_id()
    assert boot_id(tmp_path / "none") == ""


def test_timers_follow_the_wall_clock_only_after_a_boot() -> None:
    timers = Timers()
    kept = Timer(id="timer-4", label=None, duration_s=60, ends_s=9.0, due=NOON)
    timers.restore([kept], 4, same_boot=False)
    timers.follow_wall(NOON - timedelta(seconds=30), 1000.0)
    assert timers.active[0].left_s(1000.0) == 30
    assert timers.given == 4


SETTER = textwrap.dedent(
    """
    import sys
    from datetime import datetime, timedelta, UTC
    from pathlib import Path
    from appliance.home.remembered import Remembered
    from appliance.home.timers import Timers
    from appliance.inbox import Inbox
    from appliance.assembly import inline_workers
    from appliance.memory import Memory

    memory = Memory(Path(sys.argv[1]), inline_workers(Inbox()).memory)
    before = memory.load()
    timers = Timers()
    timers.restore(before.timers, before.timers_given, same_boot=True)
    while True:
        if len(timers) >= 30:
            timers.cancel(timers.active[0].id)
        timer = timers.set(datetime.now(UTC), 0.0, 600)
        memory.keep(Remembered(timers=timers.active, timers_given=timers.given))
        print(timer.id, flush=True)
    """
)


@pytest.mark.parametrize("kills", [5, pytest.param(1000, marks=pytest.mark.slow)])
def test_killed_at_any_moment_no_timer_is_lost(path: Path, kills: int) -> None:
    moments = random.Random(1)
    for _ in range(kills):
        command = [sys.executable, "-c", SETTER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as child:
            assert child.stdout is not None
            said = [child.stdout.readline() for _ in range(moments.randrange(1, 20))]
            child.send_signal(signal.SIGKILL)
            said += child.stdout.read().splitlines()
        found = Memory(path, inline_workers(Inbox()).memory).load()
        newest = int(said[-1].strip().removeprefix("timer-"))
        assert found.timers_given in (newest, newest + 1)
        assert [timer.id for timer in found.timers][-1] == f"timer-{found.timers_given}"
        assert len(found.timers) == min(30, found.timers_given)
