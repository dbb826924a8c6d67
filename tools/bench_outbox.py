"""What the outbox costs the card: bytes written in a day of turns and in an hour at rest, and the time of a commit."""

import argparse
import tempfile
import time
from pathlib import Path

from appliance.events import IntentRecognized, State, StateChanged, event_type, to_json
from appliance.mqtt.journal import Journal
from appliance.mqtt.message import Message, rank_of
from appliance.mqtt.outbox import Outbox

EVENTS_PER_TURN = 13
STEPS_PER_TURN = 6
"""Moments of a turn at which events come: woken, heard, understood, done, answered, at rest."""


def written_bytes() -> int:
    """Bytes that this process has sent to the storage so far, by the kernel's count."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def turn(outbox: Outbox, number: int) -> None:
    """One turn's events, as they come in time, each confirmed by a broker that is there."""
    recognized = IntentRecognized(
        frame=number, session=number, intent="light_on", slots={"name": "kitchen"}, values={}, text=None, decision="act"
    )
    changed = StateChanged(frame=number, session=number, from_=State.IDLE, to=State.LISTENING)
    for place in range(EVENTS_PER_TURN):
        event = recognized if place == 5 else changed
        payload = to_json(event, at="2026-01-01T12:00:00.000Z", event_id=f"{number:026x}{place:06x}")
        kind = event_type(event)
        outbox.put(Message(topic=f"voice/kitchen/event/{kind}", payload=payload, qos=1, rank=rank_of(kind)))
        if place % (EVENTS_PER_TURN // STEPS_PER_TURN) == 0:
            outbox.step(0.0)
            while (taken := outbox.take()) is not None:
                outbox.acknowledge(taken[0])
    outbox.step(0.0)
    while (taken := outbox.take()) is not None:
        outbox.acknowledge(taken[0])
    outbox.step(0.0)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=100, help="turns of a day (default: 100)")
    parser.add_argument("--folder", type=Path, help="a folder on the storage to measure (default: beside this file)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder or Path(__file__).parent) as folder:
        outbox = Outbox(Journal(Path(folder) / "outbox.sqlite"))
        turn(outbox, 0)
        before, began_s, cpu_s = written_bytes(), time.perf_counter(), time.process_time()
        for number in range(1, chosen.turns + 1):
            turn(outbox, number)
        commits = chosen.turns * (STEPS_PER_TURN + 2)
        took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
        print(f"a day of {chosen.turns} turns: {(written_bytes() - before) / 1e6:.1f} MB written")
        print(f"a commit: {took_s / commits * 1000:.1f} ms, {cpu_s / commits * 1000:.2f} ms of them processor time")
        before = written_bytes()
        for second in range(3600):
            outbox.step(float(second))
        print(f"an hour at rest: {written_bytes() - before} bytes written")
        outbox.close()


if __name__ == "__main__":
    main()
