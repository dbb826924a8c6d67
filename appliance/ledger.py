"""Every buffer that sound or its results wait in: where, how long, why, and what happens when it is full.

A buffer that is not here is a defect: a test looks for the constructs that make one. `appliance bench` prints it.
"""

from dataclasses import dataclass

from appliance.assembly import ACTION_INBOX, LEAD_FRAMES, VOICE_INBOX
from appliance.audio.format import FRAME_MS, SAMPLE_RATE_HZ, ms_of_frames
from appliance.audio.microphone import DEVICE_LATENCY_S, QUEUE_FRAMES
from appliance.audio.ring import RING_MS
from appliance.audio.speakers import QUEUE_FRAMES as SPEAKER_FRAMES
from appliance.dialog import PRE_ROLL_FRAMES
from appliance.listening import CHUNK_FRAMES, RECOGNITION_INBOX
from appliance.speech.detector import BLOCK_SAMPLES


@dataclass(frozen=True, slots=True)
class Buffer:
    """One row of the ledger."""

    where: str
    """Module and object."""

    holds_ms: float | None
    """Most sound that it holds; None for what is not sound."""

    adds_ms: float
    """Delay that it adds in ordinary running, between a sound and the action that it leads to."""

    why: str
    when_full: str


LEDGER = (
    Buffer("audio.microphone: device", DEVICE_LATENCY_S * 1000, FRAME_MS, "a late capture thread", "AudioDropped"),
    Buffer(
        "audio.microphone: _queue", ms_of_frames(QUEUE_FRAMES), 0, "a late frame loop", "oldest frame, AudioDropped"
    ),
    Buffer("audio.convert: _rest", FRAME_MS, 0, "blocks that are no whole frames", "never: less than a frame"),
    Buffer("audio.convert: resampler", 20, 10, "the filter's length, other rates than 16 kHz only", "never"),
    Buffer("audio.ring: Ring", RING_MS, 0, "commands spoken without a pause, second looks", "the oldest frame"),
    Buffer("loop: _levels", ms_of_frames(PRE_ROLL_FRAMES), 0, "where the wake word ended", "the oldest level"),
    Buffer("wake.int8: _rows", 30, 20, "three feature rows make a step", "never: emptied by each step"),
    Buffer("wake.openwakeword: gathered blocks", 80, 40, "its models eat 80 ms", "never: emptied by each block"),
    Buffer("wake.trigger: _scores", None, 60, "the mean of the newest scores", "the oldest score"),
    Buffer(
        "speech.detector: _pending",
        BLOCK_SAMPLES * 1000 / SAMPLE_RATE_HZ,
        16,
        "the model eats 32 ms",
        "never: emptied by each block",
    ),
    Buffer("listening: chunk", ms_of_frames(CHUNK_FRAMES), 50, "fewer, cheaper calls", "never: fed when full"),
    Buffer(
        "worker recognition: inbox",
        ms_of_frames(RECOGNITION_INBOX * CHUNK_FRAMES),
        0,
        "a busy recognizer",
        "the newest chunk, LoadShed",
    ),
    Buffer("worker action: inbox", None, 0, f"{ACTION_INBOX} actions in a row", "refused, told by ActionDone"),
    Buffer("worker voice: inbox", None, 0, f"{VOICE_INBOX} answers in a row", "refused, SpeakingEnded(failed)"),
    Buffer("loop: Inbox", None, FRAME_MS / 2, "results wait for the next frame", "bounded by those who fill it"),
    Buffer("audio.player: chunks", None, 0, "a sentence is made faster than it is said", "one answer at a time"),
    Buffer(
        "audio.speakers: _queue",
        ms_of_frames(SPEAKER_FRAMES),
        0,
        f"{ms_of_frames(LEAD_FRAMES)} ms ahead, so that a late frame is not heard; dropped at once on barge-in",
        "newest chunk, AudioError",
    ),
    Buffer("mqtt: EventQueue", None, 0, "the broker is away", "oldest chatter first, counted"),
    Buffer("mqtt: Outgoing", None, 0, "hand-over to the MQTT thread", "BrokerError to the action"),
)


def render() -> str:
    """The ledger as text, with the sum of the delays."""
    rows = [("where", "holds", "adds", "why", "when full")]
    for buffer in LEDGER:
        holds = f"{buffer.holds_ms:.0f} ms" if buffer.holds_ms is not None else "-"
        rows.append((buffer.where, holds, f"{buffer.adds_ms:.0f} ms", buffer.why, buffer.when_full))
    held = sum(buffer.holds_ms or 0 for buffer in LEDGER)
    added = sum(buffer.adds_ms for buffer in LEDGER)
    rows.append(("sum", f"{held:.0f} ms", f"{added:.0f} ms", "", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]).rstrip()
        for row in rows
    )
