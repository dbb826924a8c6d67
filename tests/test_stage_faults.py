"""Every stage may fail by any kind of exception, or hang: it is told, the turn ends, and the next is as good as any."""

import threading
from collections.abc import Callable
from itertools import pairwise

import pytest

from appliance.arbitration import Arbiter
from appliance.assembly import thread_workers
from appliance.audio.format import FRAMES_PER_S, Frame, Pcm
from appliance.beside import DISK_HUNG_FRAMES, HUNG_FRAMES, Beside, Hangs, Hung
from appliance.echo.canceller import Cancelled, HalfDuplex
from appliance.events import ActionDone, Failed, IntentRecognized, SpeakingEnded, TurnFinished, WakeDetected
from appliance.facts import Fact
from appliance.home.actions import Actions, Done, Situation
from appliance.home.phrases import Phrases
from appliance.inbox import Inbox
from appliance.intent import Intent
from appliance.understanding.home_file import HomeConfig
from tests.fakes import TURN_FRAMES, Bench, Effects, Heard, ScriptedSpotter, language

NOON = Heard(texts=("what time is it",), partials={16: "what time is it"})

FIRST, SECOND = 100, 600
"""Wake words; each is followed by a command 50 frames later. The fault is over 100 frames before the second."""

LATER = FIRST + TURN_FRAMES + 200
"""The second one where nothing tells the end of the command: such a turn is given up."""


class Fault:
    """Raises while it lasts."""

    def __init__(self, error: Exception) -> None:
        self.error: Exception | None = error
        self.raised = 0

    def strike(self) -> None:
        if self.error is not None:
            self.raised += 1
            raise self.error


class FaultyCanceller(HalfDuplex):
    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self._fault = fault

    def process(self, frame: Frame, played: Pcm | None) -> Cancelled:
        self._fault.strike()
        return super().process(frame, played)


class FaultyActions(Actions):
    def __init__(self, fault: Fault) -> None:
        super().__init__(HomeConfig(), Effects(), language().answer, Phrases.of("en"))
        self._fault = fault

    def perform(self, intent: Intent, situation: Situation) -> Done:
        self._fault.strike()
        return super().perform(intent, situation)


class FaultyArbiter(Arbiter):
    """In every frame, and when it is woken."""

    def __init__(self, fault: Fault) -> None:
        super().__init__("kitchen", lambda bid: True)
        self._fault = fault

    def step(self, frame: int) -> list[Fact]:
        self._fault.strike()
        return super().step(frame)

    def woken(self, word: str, snr_db: float, frame: int, *, engaged: bool, turn: int) -> None:
        self._fault.strike()
        super().woken(word, snr_db, frame, engaged=engaged, turn=turn)


def struck(fault: Fault, work: Callable[..., object]) -> Callable[..., object]:
    """The same, but that it fails first."""

    def faulty(*args: object, **settings: object) -> object:
        fault.strike()
        return work(*args, **settings)

    return faulty


def home(stage: str, fault: Fault, second: int) -> Bench:
    """A bench of which one stage is struck; `second`: when it is woken again."""
    settings: dict[str, object] = {}
    if stage == "echo":
        settings["canceller"] = FaultyCanceller(fault)
    if stage == "action":
        settings["actions"] = FaultyActions(fault)
    if stage == "arbitration":
        settings["arbiter"] = FaultyArbiter(fault)
    bench = Bench(
        spotter=ScriptedSpotter(FIRST, second),
        speech=[range(wake + 50, wake + 80) for wake in (FIRST, second)],
        heard=[NOON, NOON, NOON],
        **settings,  # type: ignore[arg-type]
    )
    place = {
        "wake": (bench.spotter, "process"),
        "listening": (bench.detector, "process"),
        "recognition begins": (bench.recognizer, "begin"),
        "recognition hears": (bench.recognizer, "accept"),
        "recognition ends": (bench.recognizer, "finish"),
        "voice": (bench.voice, "synthesize"),
        "speaker": (bench.speaker, "write"),
    }.get(stage)
    if place is not None:
        owner, name = place
        setattr(owner, name, struck(fault, getattr(owner, name)))
    return bench


STAGES = (
    *("wake", "listening", "recognition begins", "recognition hears", "recognition ends"),
    *("echo", "action", "voice", "speaker", "arbitration"),
)
ERRORS = (RuntimeError("defect"), MemoryError())


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_fails_costs_no_more_than_the_turn(stage: str, error: Exception) -> None:
    fault, second = Fault(error), LATER if stage == "listening" else SECOND
    bench = home(stage, fault, second).run(second - 100)
    told = [event for event in bench.events if isinstance(event, Failed)]
    assert fault.raised > 0
    own = [event.frame for event in told if event.stage == stage.split()[0]]
    refused = [event for event in bench.of(ActionDone) if isinstance(event, ActionDone) and not event.ok]
    assert own or refused, "it is told"
    assert all(later - earlier >= FRAMES_PER_S for earlier, later in pairwise(own)), "once a second at most"
    assert bench.loop.state == "idle"
    assert len(bench.of(TurnFinished)) == len(bench.of(WakeDetected)) == (0 if stage == "wake" else 1)
    fault.error = None
    bench.events.clear()
    bench.run(second + 250)
    assert bench.of(Failed) == []
    assert len(bench.of(IntentRecognized)) == len(bench.of(TurnFinished)) == 1
    assert bench.of(SpeakingEnded)[-1].reason == "done"  # type: ignore[attr-defined]
    assert bench.loop.state == "idle"


# What stands beside the loop.


def test_what_stands_beside_the_loop_is_told_once_a_second_and_goes_on() -> None:
    told, fault = list[tuple[str, str]](), Fault(OSError("no lamp"))
    beside = Beside(lambda stage, error: told.append((stage, str(error))))
    done = [beside.run("listener", frame, fault.strike) for frame in range(120)]
    assert (told, any(done), fault.raised) == ([("listener", "no lamp")] * 3, False, 120)
    beside.run("household", 119, fault.strike)
    assert told[-1] == ("household", "no lamp")
    fault.error = None
    assert beside.run("listener", 120, fault.strike)


# What hangs.


def test_a_worker_that_does_not_come_back_is_told_once() -> None:
    running = {"recognition": 7, "memory": 3}
    hangs, told = Hangs(lambda: running), list[tuple[int, Hung]]()
    for frame in range(0, HUNG_FRAMES["recognition"] + 500, 5):
        told += [(frame, hung) for hung in hangs.step(frame)]
    assert [(frame, hung.stage, hung.fatal) for frame, hung in told] == [
        (DISK_HUNG_FRAMES, "memory", False),
        (HUNG_FRAMES["recognition"], "recognition", True),
    ]
    assert [str(hung) for _, hung in told] == [
        "it has not come back for 60 s; what is kept is not written; look at the disk",
        "it has not come back for 300 s; the appliance starts again",
    ]


def test_a_worker_that_does_one_job_after_the_other_does_not_hang() -> None:
    frame, told = 0, list[Hung]()
    hangs = Hangs(lambda: {"recognition": frame // 400})
    for frame in range(0, 40_000, 10):
        told += hangs.step(frame)
    assert told == []


def test_workers_name_the_job_that_they_do() -> None:
    go_on, begun = threading.Event(), threading.Event()
    workers = thread_workers(Inbox())
    workers.start()

    def job() -> None:
        begun.set()
        go_on.wait(10.0)

    workers.recognition.submit(job)
    begun.wait(10.0)
    assert workers.running() == {"recognition": 1}
    go_on.set()
    workers.close()
    assert workers.running() == {}
