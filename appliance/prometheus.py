"""The status of the appliance as figures in Prometheus' text format, version 0.0.4. Pure.

Counters count from the start of the process. Nothing here tells what was said: no label holds a word of it.
"""

from collections.abc import Iterator
from typing import Final, Literal

from appliance.events import State
from appliance.status import TIMES_MS, Metrics, Now, Status

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Labels = dict[str, str]
"""Of one sample, as the format has them."""

_COUNTED: Final = {
    "frames": "Frames of 20 ms that went through the frame loop.",
    "wakes": "Wake words detected.",
    "false_wakes": "Those of them that somebody told not to have been meant.",
    "rejected": "Commands not understood, or not said.",
    "turns": "Turns finished.",
    "frames_dropped": "Frames lost between the microphone and the frame loop.",
    "xruns": "Times at which frames were lost there.",
    "microphone_lost": "Times at which the microphone went away.",
    "load_shed": "Times at which work was left out because the processor was short.",
    "failures": "Failures of a stage.",
    "events_dropped": "Events that the broker will never get.",
    "commands_accepted": "Commands from the broker that were carried out.",
    "commands_refused": "Commands from the broker that were refused.",
}
"""Field of Metrics: what it counts."""


def page(status: Status, *, processor_s: float) -> bytes:
    """Everything, as text. `processor_s`: processor time that the daemon has used, in seconds."""
    return "".join(f"{line}\n" for line in _lines(status, processor_s)).encode()


def _lines(status: Status, processor_s: float) -> Iterator[str]:
    about = {"version": status.version, "device": status.device_id}
    yield from _one("info", "gauge", "The appliance that tells this.", 1, about)
    yield from _one("uptime_seconds", "gauge", "Since the start.", status.uptime_s)
    yield from _one("processor_seconds_total", "counter", "Processor time used, without the voice.", processor_s)
    help_ = "What keeps it from hearing or answering; 0: it is well."
    yield from _one("problems", "gauge", help_, len(status.problems))
    if (found := status.self_test) is not None:
        help_ = "1: the newest self-test woke by its wake word."
        yield from _one("self_test_passed", "gauge", help_, int(found.passed), {"version": found.version})
    if status.now is not None:
        yield from _now(status.now)
        yield from _counted(status.now.metrics)
        yield from _times(status.now)


def _now(now: Now) -> Iterator[str]:
    yield from _head("state", "gauge", "1 for what it is doing.")
    yield from (_sample("state", int(state is now.state), {"state": state}) for state in State)
    microphone = now.microphone
    yield from _one("microphone_present", "gauge", "1: sound comes from it.", int(microphone.present))
    yield from _one("microphone_muted", "gauge", "1: it is closed on purpose.", int(microphone.muted))
    yield from _one("memory_bytes", "gauge", "Resident, without the voice.", now.metrics.memory_mb * 1_000_000)
    if now.room.noise_floor_dbfs is not None:
        yield from _one("noise_floor_dbfs", "gauge", "Of the room.", now.room.noise_floor_dbfs)
    if (level := now.metrics.service_level) is not None:
        yield from _one("service_level_met", "gauge", "0: too many of the newest turns were slow.", int(level.met))
    yield from _head("buffer_waiting", "gauge", "What waits in a buffer.")
    for buffer in now.buffers:
        if buffer.waiting is not None:
            yield _sample("buffer_waiting", buffer.waiting, {"buffer": buffer.where})


def _counted(metrics: Metrics) -> Iterator[str]:
    for field, help_ in _COUNTED.items():
        yield from _one(f"{field}_total", "counter", help_, getattr(metrics, field))


def _times(now: Now) -> Iterator[str]:
    yield from _head("turn_seconds", "histogram", "How long each part of a turn took.")
    for times in now.times:
        labels = {"part": times.part}
        bounds = [f"{most_ms / 1000:g}" for most_ms in TIMES_MS]
        for bound, count in zip([*bounds, "+Inf"], [*times.within, times.turns], strict=True):
            yield _sample("turn_seconds_bucket", count, labels | {"le": bound})
        yield _sample("turn_seconds_sum", times.sum_ms / 1000, labels)
        yield _sample("turn_seconds_count", times.turns, labels)


def _one(
    name: str, kind: Literal["gauge", "counter"], help_: str, value: float, labels: Labels | None = None
) -> Iterator[str]:
    yield from _head(name, kind, help_)
    yield _sample(name, value, labels or {})


def _head(name: str, kind: str, help_: str) -> Iterator[str]:
    yield f"# HELP appliance_{name} {help_}"
    yield f"# TYPE appliance_{name} {kind}"


def _sample(name: str, value: float, labels: Labels) -> str:
    told = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"appliance_{name}{{{told}}} {value}" if told else f"appliance_{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
