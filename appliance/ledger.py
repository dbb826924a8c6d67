"""Every buffer that sound or its results wait in: where, how long, why, and what happens when it is full.

A buffer that is not here is a defect: a test looks for the constructs that make one. `appliance bench` prints it.
"""

from dataclasses import dataclass

from appliance.assembly import ACTION_INBOX, DUCKING_INBOX, LEAD_FRAMES, LOADING_INBOX, VOICE_INBOX
from appliance.audio.capture import DEVICE_LATENCY_S
from appliance.audio.format import FRAME_MS, SAMPLE_RATE_HZ, ms_of_frames
from appliance.audio.microphone import QUEUE_FRAMES
from appliance.audio.ring import RING_MS
from appliance.audio.speakers import QUEUE_FRAMES as SPEAKER_FRAMES
from appliance.echo.canceller import HEARD_AGAIN_FRAMES, LINE_FRAMES
from appliance.home.effects import KEPT_BYTES
from appliance.keeping import AFTER_FRAMES, BEFORE_FRAMES, CLIPS_INBOX, MOMENTS
from appliance.learning import THINGS_MAX
from appliance.listening import CHUNK_FRAMES, RECOGNITION_INBOX
from appliance.loop import LEVELS_KEPT
from appliance.mqtt.hermes import REMEMBERED_SESSIONS, WAITING_MAX
from appliance.mqtt.journal import LIMIT_EVENTS
from appliance.mqtt.outbox import CAPACITY, READ_AHEAD
from appliance.mqtt.outgoing import AT_ONCE_LIMIT
from appliance.speech.detector import BLOCK_SAMPLES
from appliance.voice.answer_cache import BEFOREHAND_BYTES, SAID_BYTES
from appliance.wake.sleeper import PAST_FRAMES
from appliance.wake.verifier import PAST_FRAMES as PAST_HEARD


@dataclass(frozen=True, slots=True)
class Buffer:
    """One row of the ledger."""

    where: str
    """Module, and the names of what holds it there."""

    holds_ms: float | None
    """Most sound that it holds; None for what is not sound, or as long as a sentence of an answer."""

    adds_ms: float
    """Delay that it adds in ordinary running, on average, between a sound and the action that it leads to."""

    why: str
    when_full: str


_BLOCK_MS = BLOCK_SAMPLES * 1000 / SAMPLE_RATE_HZ
_INBOX_MS = ms_of_frames(RECOGNITION_INBOX * CHUNK_FRAMES)
_CLIP_MS = ms_of_frames(BEFORE_FRAMES + AFTER_FRAMES)
_LEAD_MS = ms_of_frames(LEAD_FRAMES)

LEDGER = (
    Buffer("audio.capture: device", DEVICE_LATENCY_S * 1000, 30, "a late capture thread", "AudioDropped"),
    Buffer("audio.recorder: the pipe", 2_048, 0, "a late capture thread; 64 KiB of the kernel's", "AudioDropped"),
    Buffer("audio.microphone: _queue", ms_of_frames(QUEUE_FRAMES), 0, "a late loop", "the oldest goes, AudioDropped"),
    Buffer("audio.recorder: _pending, _complaint", FRAME_MS, 0, "pieces of a pipe", "never: less than a frame"),
    Buffer("audio.convert: _rest", FRAME_MS, 0, "blocks that are no whole frames", "never: less than a frame"),
    Buffer("audio.convert: _resampler", 40, 20, "44.1 and 48 kHz microphones only: blocks of its filter", "never"),
    Buffer("audio.ring: _samples", RING_MS, 0, "commands without a pause", "the oldest frame goes"),
    Buffer("audio.noise_floor: _levels", 10_000, 0, "levels only, for the noise floor", "the oldest level goes"),
    Buffer("audio.noise_floor: _words", None, 0, "how loud the newest 20 wake words were", "the oldest goes"),
    Buffer(
        "echo.canceller: _line",
        ms_of_frames(LINE_FRAMES + HEARD_AGAIN_FRAMES),
        0,
        "what was played, by its delay",
        "the oldest goes",
    ),
    Buffer(
        "echo.canceller: _heard",
        ms_of_frames(HEARD_AGAIN_FRAMES),
        0,
        "heard again when its delay is known",
        "the oldest goes",
    ),
    Buffer("echo.filter: _spectra, _room, _unexplained, _last", 340, 0, "what was played, and the room", "never"),
    Buffer("echo.delay: _heard, _played, _likeness", 2_024, 0, "both sides, to find the delay", "the oldest goes"),
    Buffer("echo.watch: _played, _heard, _left", 4_000, 0, "levels only: does it work?", "the oldest level goes"),
    Buffer(
        "echo.remainder: _shares, _left, _outstanding", 3_000, 0, "powers only: is anybody there?", "the oldest goes"
    ),
    Buffer("loop: _levels", ms_of_frames(LEVELS_KEPT), 0, "where the wake word ended", "the oldest level goes"),
    Buffer("wake.int8: _block", 30, 10, "three feature rows make a step", "never: emptied by each step"),
    Buffer("wake.openwakeword: _samples, _rows, _past", 80, 40, "its models eat 80 ms", "never: emptied by each block"),
    Buffer("wake.trigger: _scores", None, 60, "the mean of the newest scores", "the oldest score goes"),
    Buffer("wake.sleeper: _past", ms_of_frames(PAST_FRAMES), 0, "the stop word's model, asleep", "the oldest goes"),
    Buffer("wake.verifier: _scores", None, 60, "the mean of the newest scores opens the gate", "the oldest score goes"),
    Buffer(
        "wake.verifier: _past", ms_of_frames(PAST_HEARD), 0, "what the verifier hears again", "the oldest frame goes"
    ),
    Buffer("wake.sweep: _recent", None, 0, "scores, in `appliance tune` only", "the oldest score goes"),
    Buffer("speech.detector: _pending, _input, _state", _BLOCK_MS, _BLOCK_MS / 2, "its model eats 32 ms", "never"),
    Buffer(
        "listening: chunk, in the ring", ms_of_frames(CHUNK_FRAMES), 50, "fewer, cheaper calls", "never: fed at once"
    ),
    Buffer("worker: _jobs of recognition", _INBOX_MS, 0, "a busy recognizer", "the newest chunk goes, LoadShed"),
    Buffer("worker: _jobs of dictation", _INBOX_MS, 0, "a busy dictation", "it is done again when it is needed"),
    Buffer(
        "understander: _heard", 14_500, 0, "all of it: to hear it anew, for dictation", "never: a command is bounded"
    ),
    Buffer("speech.pieces: rest", 200, 0, "dictation and filler eat 200 ms", "never: emptied by each piece"),
    Buffer("dictating: text", None, 0, "what was dictated, for the one who waits", "never: one text"),
    Buffer("worker: _jobs of actions", None, 0, f"{ACTION_INBOX} actions in a row", "refused, ActionDone tells"),
    Buffer("worker: _jobs of the voice", None, 0, f"{VOICE_INBOX} answers in a row", "refused, Failed tells"),
    Buffer("worker: _jobs of clips", CLIPS_INBOX * _CLIP_MS, 0, "a busy disk", "the newest sound goes, Failed tells"),
    Buffer("worker: _jobs of memory", None, 0, "a busy disk", "never: the one that waits writes the newest"),
    Buffer("worker: _jobs of ducking", None, 0, f"{DUCKING_INBOX} orders", "the newest is given again a frame later"),
    Buffer("worker: _jobs of loading", None, 0, f"{LOADING_INBOX} reload", "never: the next begins when it is done"),
    Buffer("keeping: _moments", None, 0, f"{MOMENTS} near misses, whose sound is in the ring", "the oldest goes"),
    Buffer("flight_recorder: _heard, _played", 60_000, 0, "off by default: for a bug report", "the oldest goes"),
    Buffer("flight_recorder: _scores, _events", None, 0, "what was scored and told meanwhile", "the oldest goes"),
    Buffer("inbox: _queue", None, FRAME_MS / 2, "results wait for the next frame", "bounded by those who fill it"),
    Buffer("home.effects: said, complained", None, 0, "what a program prints", f"{KEPT_BYTES} bytes are kept"),
    Buffer("voice.piper_process.__main__: _lines", None, 0, "a request ends the one before it", "the pipe is not read"),
    Buffer("voice.child: _read, _last_words", None, 0, "a sentence comes in pieces", "one sentence at a time"),
    Buffer("voice.utterance: _own, _reference", 60, 0, "parts that are no whole chunks", "never: less than two parts"),
    Buffer(
        "voice.answer_cache: _beforehand, _said",
        None,
        0,
        f"answers that sound at once: {BEFOREHAND_BYTES >> 20} and {SAID_BYTES >> 20} MB",
        "no more are made beforehand; of those said, the oldest goes",
    ),
    Buffer("audio.player: _waiting", None, 0, "a sentence is made faster than it is said", "one answer at a time"),
    Buffer("audio.player: _sounding", _LEAD_MS, 0, "what is heard now, not what was handed over", "never: the lead"),
    Buffer(
        "audio.speakers: _queue",
        ms_of_frames(SPEAKER_FRAMES),
        0,
        f"{_LEAD_MS} ms ahead, so that a late frame is not heard; dropped at once on barge-in",
        "refused, AudioError",
    ),
    Buffer(
        "mqtt.outbox: _new, _writing, _ready",
        None,
        0,
        f"the broker is away: {LIMIT_EVENTS} events on disk, {READ_AHEAD} of them in memory; {CAPACITY} without a disk",
        "oldest chatter goes, counted",
    ),
    Buffer("service_level: _times_ms", None, 0, "the newest 100 turns are judged", "the oldest goes"),
    Buffer("status: _turns", None, 0, "the newest 10 turns are shown", "the oldest goes"),
    Buffer("understanding.taught: parts, content", None, 0, "a kept file, whole", "never: of one language"),
    Buffer(
        "learning: _by_topic", None, 0, f"what the house announces: {THINGS_MAX} things", "the newest is passed over"
    ),
    Buffer("wyoming.wire: _held", None, 0, "an event comes in pieces", "refused: an event is bounded"),
    Buffer("wyoming.mouth: parts", None, 0, "a client takes more slowly than the voice speaks", "never: one sentence"),
    Buffer(
        "mqtt.hermes: _waiting, _sessions",
        None,
        0,
        f"{WAITING_MAX} texts that Hermes wants said, the newest {REMEMBERED_SESSIONS} sessions",
        "no more texts are taken; the oldest session is forgotten",
    ),
    Buffer("mqtt.outgoing: _at_once", None, 0, f"a slow broker: {AT_ONCE_LIMIT} messages", "BrokerError to the action"),
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
