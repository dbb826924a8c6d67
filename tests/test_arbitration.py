"""Which of several appliances answers: the decision, with messages lost, late and twice, and clocks that differ."""

from collections import defaultdict
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.arbitration import DEADLINE_FRAMES, PEERS_MAX, ROUND_TRIP_FRAMES, SAME_WORD_FRAMES, Arbiter, Bid
from appliance.audio.format import FRAME_MS, Frame
from appliance.events import ActionDone, Event, WakeYielded, event_type
from appliance.facts import Yielded
from tests.fakes import Bench, Heard, ScriptedSpotter, loud, quiet

WORD = "computer"


@dataclass(frozen=True)
class Hears:
    """One appliance of a house."""

    at: int
    """Frame of the house in which it detects the word."""

    snr_db: float
    engaged: bool = False
    clock: int = 0
    """Its own frame index in frame 0 of the house."""


class House:
    """Appliances and a broker. `delay(sender, receiver)`: frames that a bid is under way; none: it is lost."""

    def __init__(self, hears: dict[str, Hears], ways: dict[tuple[str, str], tuple[int, ...]]) -> None:
        self.hears = hears
        self.answers: set[str] = set()
        self.yields: dict[str, Yielded] = {}
        self.yielded_at: dict[str, int] = {}
        self.now = 0
        self._ways = ways
        self._under_way: dict[int, list[tuple[str, str, Bid]]] = defaultdict(list)
        self._all = {name: Arbiter(name, lambda bid, name=name: self._send(name, bid)) for name in hears}  # type: ignore[misc]
        for one in self._all.values():
            for name in hears:
                one.present(name, online=True)

    def run(self, frames: int = 100) -> "House":
        for self.now in range(frames):
            for name, one in self.hears.items():
                if one.at == self.now:
                    self.answers.add(name)
                    self._all[name].woken(WORD, one.snr_db, one.clock + self.now, engaged=one.engaged, turn=1)
            for receiver, sender, bid in self._under_way.pop(self.now, []):
                self._all[receiver].heard(sender, bid, self.hears[receiver].clock + self.now)
            for name, arbiter in self._all.items():
                for yielded in arbiter.step(self.hears[name].clock + self.now):
                    self.answers.discard(name)
                    self.yields[name], self.yielded_at[name] = yielded, self.now
        return self

    def _send(self, sender: str, bid: Bid) -> bool:
        for receiver in self.hears:
            for delay in self._ways.get((sender, receiver), (1,)):
                self._under_way[self.now + delay].append((receiver, sender, bid))
        return True


def house(**hears: Hears) -> House:
    return House(hears, {}).run()


def test_the_one_that_heard_best_answers_and_in_time() -> None:
    told = house(kitchen=Hears(10, 12.0), bath=Hears(12, 25.0, clock=9000), hall=Hears(14, 18.0, clock=77))
    assert told.answers == {"bath"}
    assert told.yielded_at == {"kitchen": 10 + DEADLINE_FRAMES, "hall": 14 + DEADLINE_FRAMES}
    assert told.yields["kitchen"] == Yielded(
        frame=10 + DEADLINE_FRAMES, turn=1, word=WORD, to="bath", snr_db=12.0, other_snr_db=25.0
    )
    assert DEADLINE_FRAMES * FRAME_MS == 200


def test_who_is_being_talked_with_is_meant() -> None:
    assert house(kitchen=Hears(10, 3.0, engaged=True), bath=Hears(10, 25.0)).answers == {"kitchen"}


def test_of_two_the_same_one_answers() -> None:
    assert house(kitchen=Hears(10, 20.0), bath=Hears(10, 20.0)).answers == {"kitchen"}


def test_who_comes_too_late_to_be_heard_yields_at_once() -> None:
    told = house(kitchen=Hears(10, 3.0), bath=Hears(20, 25.0))
    assert told.answers == {"kitchen"}
    assert told.yielded_at == {"bath": 20}


def test_another_time_is_another_contest() -> None:
    assert house(kitchen=Hears(10, 3.0), bath=Hears(12 + SAME_WORD_FRAMES, 2.0)).answers == {"kitchen", "bath"}


def test_alone_nothing_is_sent_and_nothing_awaited() -> None:
    sent: list[Bid] = []
    alone = Arbiter("kitchen", lambda bid: not sent.append(bid))  # type: ignore[func-returns-value]
    alone.present("kitchen", online=True)
    alone.present("bath", online=True)
    alone.present("bath", online=False)
    alone.woken(WORD, 1.0, 5, engaged=False, turn=1)
    assert sent == []
    assert [alone.step(frame) for frame in range(5, 30)] == [[]] * 25


@pytest.mark.parametrize("reaches", [False, True])
def test_without_its_own_bid_back_it_answers_for_itself(reaches: bool) -> None:
    one = Arbiter("kitchen", lambda bid: reaches)
    one.present("bath", online=True)
    one.woken(WORD, 1.0, 100, engaged=False, turn=1)
    one.heard("bath", Bid(number=1, word=WORD, engaged=False, snr_db=90.0), 101)
    assert [one.step(frame) for frame in range(100, 130)] == [[]] * 30


def test_bids_for_other_words_and_of_strangers_count_for_nothing() -> None:
    told = house(kitchen=Hears(10, 3.0), bath=Hears(90, 0.0))
    kitchen = told._all["kitchen"]
    kitchen.woken(WORD, 3.0, 200, engaged=False, turn=1)
    kitchen.heard("kitchen", Bid(number=2, word=WORD, engaged=False, snr_db=3.0), 201)
    kitchen.heard("bath", Bid(number=5, word="jarvis", engaged=False, snr_db=90.0), 201)
    kitchen.heard("nobody", Bid(number=5, word=WORD, engaged=False, snr_db=90.0), 201)
    assert [kitchen.step(frame) for frame in range(200, 230)] == [[]] * 30


def test_a_crowd_is_bounded() -> None:
    one = Arbiter("kitchen", lambda bid: True)
    for number in range(3 * PEERS_MAX):
        one.present(f"a{number}", online=True)
        one.heard(f"a{number}", Bid(number=1, word=WORD, engaged=False, snr_db=0.0), 0)
    assert len(one._peers) == len(one._heard) == PEERS_MAX


NAMES = ("attic", "bath", "cellar", "den")
HEARS = st.builds(
    Hears,
    at=st.integers(30, 45),
    snr_db=st.sampled_from([3.0, 10.0, 20.0]),
    engaged=st.booleans(),
    clock=st.sampled_from([0, 7, 10**6]),
)
HOUSES = st.lists(HEARS, min_size=2, max_size=4).map(lambda some: dict(zip(NAMES, some, strict=False)))
PAIRS = [(one, other) for one in NAMES for other in NAMES]
IN_TIME = st.integers(0, ROUND_TRIP_FRAMES // 2).map(lambda delay: (delay,))
examined = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@examined
@given(
    HOUSES, st.fixed_dictionaries({pair: st.integers(0, ROUND_TRIP_FRAMES // 2).map(lambda d: (d,)) for pair in PAIRS})
)
def test_within_the_stated_round_trip_exactly_one_answers(
    hears: dict[str, Hears], ways: dict[tuple[str, str], tuple[int, ...]]
) -> None:
    told = House(hears, ways).run()
    assert len(told.answers) == 1
    first = min(one.at for one in hears.values())
    if all(one.at - first <= DEADLINE_FRAMES - ROUND_TRIP_FRAMES for one in hears.values()):
        ranked = max(hears, key=lambda name: (hears[name].engaged, hears[name].snr_db, name))
        assert told.answers == {ranked}, "all of them bid, so the best is chosen"


ANY_WAY = st.lists(st.integers(0, 60), max_size=3).map(tuple)


@examined
@given(HOUSES, st.fixed_dictionaries({pair: ANY_WAY for pair in PAIRS}))
def test_whatever_is_lost_late_or_twice_somebody_answers(
    hears: dict[str, Hears], ways: dict[tuple[str, str], tuple[int, ...]]
) -> None:
    told = House(hears, ways).run(200)
    assert told.answers
    assert all(at <= hears[name].at + DEADLINE_FRAMES for name, at in told.yielded_at.items()), "by its deadline"


def types(events: list[Event]) -> list[str]:
    return [event_type(event) for event in events]


def test_the_loop_bids_by_what_it_heard_and_loses_nothing_while_it_waits() -> None:
    bids: list[Bid] = []
    arbiter = Arbiter("kitchen", lambda bid: not bids.append(bid))  # type: ignore[func-returns-value]
    arbiter.present("bath", online=True)
    bench = Bench(
        spotter=ScriptedSpotter(100),
        speech=[range(103, 130)],
        heard=[Heard(texts=("what time is it",))],
        arbiter=arbiter,
    )

    def room(index: int) -> Frame:
        return loud(index) if 70 <= index < 130 else quiet(index)

    bench.run(101, room)
    assert bids == [Bid(number=1, word="alexa", engaged=False, snr_db=bids[0].snr_db)]
    assert 50 < bids[0].snr_db < 90
    arbiter.heard("kitchen", bids[0], 101)
    bench.run(400, room)
    assert "intent_recognized" in types(bench.events), "what was said before the decision belongs to the command"


def test_the_loop_yields_in_silence() -> None:
    bids: list[Bid] = []
    arbiter = Arbiter("kitchen", lambda bid: not bids.append(bid))  # type: ignore[func-returns-value]
    arbiter.present("bath", online=True)
    bench = Bench(spotter=ScriptedSpotter(100), speech=[range(103, 130)], arbiter=arbiter)
    bench.run(101)
    arbiter.heard("kitchen", bids[0], 101)
    arbiter.heard("bath", Bid(number=1, word="alexa", engaged=True, snr_db=0.0), 102)
    bench.run(400)
    assert types(bench.events) == [
        *("started", "wake_detected", "state_changed", "speech_started", "speech_ended"),
        *("wake_yielded", "state_changed"),
    ]
    [yielded] = bench.of(WakeYielded)
    assert yielded.frame == 100 + DEADLINE_FRAMES


def test_of_two_that_hear_a_command_the_one_that_answers_carries_it_out_and_the_other_does_not() -> None:
    heard = Heard(texts=("set a timer for ten seconds",), partials={16: "set a timer"})
    arbiters, benches = dict[str, Arbiter](), dict[str, Bench]()

    def send(sender: str, bid: Bid) -> bool:
        for name, arbiter in arbiters.items():
            benches[name].ask(lambda frame, arbiter=arbiter: arbiter.heard(sender, bid, frame))  # type: ignore[misc]
        return True

    for name in ("bath", "kitchen"):
        arbiters[name] = Arbiter(name, lambda bid, name=name: send(name, bid))  # type: ignore[misc]
        benches[name] = Bench(
            spotter=ScriptedSpotter(100), speech=[range(150, 180)], heard=[heard], arbiter=arbiters[name]
        )
    for name, other in (("bath", "kitchen"), ("kitchen", "bath")):
        arbiters[name].present(other, online=True)
    levels = {"bath": 800, "kitchen": 16_000}
    for index in range(400):
        for name, bench in benches.items():
            bench.run(index + 1, lambda at, name=name: loud(at, levels[name]) if 70 <= at < 100 else quiet(at))  # type: ignore[misc]
    assert [len(benches[name].of(ActionDone)) for name in ("bath", "kitchen")] == [0, 1]
    assert [benches[name].loop.timers for name in ("bath", "kitchen")] == [0, 1]
    assert [bool(benches[name].speaker.heard) for name in ("bath", "kitchen")] == [False, True]
