"""Tell how the running appliance is: state, devices, latest turns, service level, buffers.

The daemon is asked through a socket of this machine; exit code 1 when none runs, or when it cannot hear or answer.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

import msgspec

from appliance.config_files import LoadedConfig
from appliance.status import (
    BufferStatus,
    MicrophoneStatus,
    Now,
    Priorities,
    Room,
    SpeakerStatus,
    Status,
    Turn,
    WakeWordStatus,
)
from appliance.status_socket import StatusError, ask_daemon, candidates

REDRAW_S = 1.0
CLEAR = "\x1b[H\x1b[J"
"""Cursor to the top left, and empty from there on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--json or --watch."""
    parser.epilog = "Examples:\n  appliance status\n  appliance status --watch"
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object on standard output")
    form.add_argument("--watch", action="store_true", help="draw it anew every second, until Ctrl-C")


def run(args: argparse.Namespace, config: LoadedConfig) -> int:
    """Ask and print. Raises StatusError where no daemon answers."""
    places = candidates(config.config.device.id)
    if args.watch:
        watch(lambda: read(ask_daemon(places)), lambda: time.sleep(REDRAW_S))
    document = ask_daemon(places)
    status = read(document)
    print(msgspec.json.format(document, indent=2).decode() if args.json else page(status))
    return 1 if status.problems else 0


def watch(ask: Callable[[], Status], pause: Callable[[], None]) -> NoReturn:
    """Draw page after page, until interrupted; a daemon that is not there now may be there soon."""
    while True:
        try:
            shown = page(ask())
        except StatusError as error:
            shown = f"appliance: {error}"
        print(f"{CLEAR if sys.stdout.isatty() else ''}{shown}", flush=True)
        pause()


def read(document: bytes) -> Status:
    """The document as this version knows it. Raises StatusError for that of an older or newer daemon."""
    try:
        return msgspec.json.decode(document, type=Status)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StatusError(
            f"the daemon's answer is not of this version ({error}); start it again: systemctl restart appliance"
        ) from None


def page(status: Status) -> str:
    """What a person wants to know, on one screen."""
    lines = [
        f"appliance {status.version}, device.id {status.device_id}, process {status.pid}, up {_span(status.uptime_s)}",
        *(f"problem      {problem}" for problem in status.problems),
    ]
    if (found := status.self_test) is not None:
        lines.append(f"self-test    {'passed' if found.passed else found.problem}, version {found.version}, {found.at}")
    if status.now is not None:
        lines += [*_facts(status.now), "", *_turns(status.now.turns), "", *_buffers(status.now.buffers)]
    return "\n".join("".join(sign if sign.isprintable() else "?" for sign in line).rstrip() for line in lines)


def _facts(now: Now) -> list[str]:
    metrics, models = now.metrics, now.models
    told = {
        "state": f"{now.state}, frame {now.frame}",
        "microphone": _microphone(now.microphone),
        "speaker": _speaker(now.speaker),
        "room": _room(now.room),
        "wake words": ", ".join(map(_word, now.wake_words)),
        "stop word": _word(now.stop_word) if now.stop_word else "none",
        "models": f"{models.recognizer}, {models.speech_detector}, {models.voice}",
        "broker": now.broker,
        "priorities": _priorities(now.priorities),
        "counted": (
            f"wakes {metrics.wakes} (false {metrics.false_wakes}), turns {metrics.turns}, rejected {metrics.rejected}, "
            f"frames dropped {metrics.frames_dropped}, events dropped {metrics.events_dropped}"
        ),
        "commands": f"accepted {metrics.commands_accepted}, refused {metrics.commands_refused}",
        "service": _service(now),
    }
    return [f"{name:<12} {text}" for name, text in told.items()]


def _word(word: WakeWordStatus) -> str:
    return f"{word.name} ({word.engine}, {word.threshold:.2f})"


def _microphone(microphone: MicrophoneStatus) -> str:
    lost = f"; lost so far: {microphone.lost}" if microphone.lost else ""
    if microphone.muted:
        return f"{_name(microphone.name)}, closed: muted{lost}"
    if not microphone.present:
        return f"{_name(microphone.name)}, not there{lost}"
    form = f"{microphone.rate_hz} Hz, channels {microphone.channels}"
    return f"{microphone.device} through {microphone.way}, {form}{lost}"


def _speaker(speaker: SpeakerStatus) -> str:
    words = {True: "works", False: "does not play", None: "not used yet"}
    return f"{_name(speaker.name)}, {words[speaker.works]}"


def _room(room: Room) -> str:
    if room.noise_floor_dbfs is None:
        return "not known yet"
    too_loud = "; too loud to hear a command" if room.too_loud else ""
    return f"noise floor {room.noise_floor_dbfs:.0f} dBFS{too_loud}"


def _priorities(priorities: Priorities) -> str:
    ordinary = [thread.name for thread in priorities.threads if thread.realtime_priority is None]
    raised = [f"{thread.name} {thread.realtime_priority}" for thread in priorities.threads if thread.realtime_priority]
    parts = [f"real-time {', '.join(raised) or 'none'}", f"ordinary {', '.join(ordinary) or 'none'}"]
    parts.append(f"switch interval {priorities.switch_interval_ms:g} ms")
    return "; ".join([*parts, f"model threads {priorities.model_threads or 'one a core'}"])


def _service(now: Now) -> str:
    level = now.metrics.service_level
    if level is None:
        return "not known yet"
    return str(level) if level.met else f"MISSED: {level}"


def _turns(turns: Sequence[Turn]) -> list[str]:
    """The newest first; times in ms."""
    rows: list[tuple[str, ...]] = [
        ("turn", "ended UTC", "intent", "wake", "endpoint", "text", "action", "first sound", "whole ms")
    ]
    for turn in reversed(turns):
        meant = turn.intent or (f"refused: {turn.rejected}" if turn.rejected else "given up")
        times = (turn.wake_ms, turn.endpoint_ms, turn.recognition_ms, turn.action_ms, turn.first_audio_ms)
        rows.append((_or_dash(turn.session), turn.at[11:19], meant, *map(_or_dash, times), str(turn.total_ms)))
    return _table(rows, left=3) if turns else ["no turns yet"]


def _buffers(buffers: Sequence[BufferStatus]) -> list[str]:
    """Those that are counted."""
    rows = [("buffer", "waiting", "of")]
    rows += [(row.where, str(row.waiting), _or_dash(row.capacity)) for row in buffers if row.waiting is not None]
    return _table(rows, left=1)


def _table(rows: Sequence[tuple[str, ...]], *, left: int) -> list[str]:
    """Columns two spaces apart; the first `left` begin at their left, the rest, numbers, end at their right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _name(configured: str) -> str:
    return repr(configured) if configured else "the default one"


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)


def _span(seconds: int) -> str:
    """`3 d 4 h`, `4 h 12 min`, `12 min 5 s`: the two largest units."""
    days, hours, minutes = seconds // 86_400, seconds // 3600 % 24, seconds // 60 % 60
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds % 60, "s")]
    first = next((place for place, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2])
