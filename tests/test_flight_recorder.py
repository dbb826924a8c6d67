"""The flight recorder: what it keeps, when it writes it, what it costs a disk, and that a record replays exactly."""

import json
import stat
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance import config_files
from appliance.assembly import Surroundings, build_loop, inline_workers
from appliance.audio.speakers import SilentSpeaker
from appliance.bench.speech import frames_of, spoken
from appliance.brains import load_brains, load_voice
from appliance.cli import main
from appliance.clock import FrameClock
from appliance.errors import BrokerError
from appliance.events import Event, Failed, TranscriptReady, event_type, to_json, without_text
from appliance.flight_recorder import KEPT_RECORDS, PAUSE_FRAMES, FlightRecorder, records_folder
from appliance.inbox import Inbox
from appliance.models import ModelStore
from tests.fakes import NOON, numbered, received
from tests.test_keeping import sound

FAULT = "out of memory"


def failed(frame: int, stage: str = "wake") -> Failed:
    return Failed(frame=frame, stage=stage, error=FAULT)


class Cockpit:
    """A recorder of 2 s with numbered frames."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inbox = Inbox()
        self.recorder = FlightRecorder(
            2,
            folder,
            worker=inline_workers(self.inbox).clips,
            post=self.inbox.post,
            clock=FrameClock(NOON),
            shown=lambda event: without_text(event, free_slots=frozenset()),
        )
        self.next = 0

    def fly(self, until: int, *events: Event, played: bool = False) -> None:
        """Up to, but without, this frame; the events come in the last one."""
        for index in range(self.next, until):
            for event in events if index == until - 1 else ():
                self.recorder.hear(event)
            frame = numbered(index)
            self.recorder.take(frame, frame.pcm if played else None, (None, index / 1000))
        self.next = until

    @property
    def records(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []


def told(record: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (record / "told.jsonl").read_text().splitlines()]


def test_the_last_seconds_before_a_fault_are_written(tmp_path: Path) -> None:
    cockpit = Cockpit(tmp_path / "records")
    cockpit.fly(150, TranscriptReady(frame=149, text="secret gin"), failed(149))
    cockpit.fly(300)
    assert cockpit.records == ["20260101T120002Z_wake"]
    record = cockpit.folder / cockpit.records[0]
    assert list(sound(record / "heard.wav")[::320]) == list(range(50, 150)), "2 s, to the frame of the fault"
    lines = told(record)
    assert lines[0] == {"frame": 50, "scores": [None, 0.05]}
    assert [line["type"] for line in lines if "type" in line] == ["transcript", "failed"]
    assert "secret" not in (record / "told.jsonl").read_text()
    assert not (record / "played.wav").exists(), "nothing was played"
    assert {stat.S_IMODE(path.stat().st_mode) for path in record.iterdir()} == {0o600}
    assert stat.S_IMODE(record.stat().st_mode) == 0o700


def test_it_is_written_on_request_with_what_was_played(tmp_path: Path) -> None:
    cockpit = Cockpit(tmp_path)
    cockpit.fly(60, played=True)
    cockpit.recorder.save()
    cockpit.fly(61, played=True)
    assert cockpit.records == ["20260101T120001Z_asked"]
    assert np.array_equal(sound(tmp_path / cockpit.records[0] / "played.wav")[::320], np.arange(61))


def test_a_lasting_fault_is_written_once_a_minute_and_the_newest_are_kept(tmp_path: Path) -> None:
    cockpit = Cockpit(tmp_path)
    for frame in range(10, 8 * PAUSE_FRAMES, PAUSE_FRAMES // 2):
        cockpit.next = frame
        cockpit.fly(frame + 1, failed(frame))
    assert cockpit.records == [f"20260101T12{minute:02}00Z_wake" for minute in range(8 - KEPT_RECORDS, 8)]


def test_without_a_fault_nothing_is_written(tmp_path: Path) -> None:
    cockpit = Cockpit(tmp_path / "records")
    cockpit.fly(400)
    assert cockpit.records == []


def test_a_disk_that_cannot_be_written_is_told_and_its_own_fault_records_nothing(tmp_path: Path) -> None:
    in_the_way = tmp_path / "records"
    in_the_way.write_text("a file")
    cockpit = Cockpit(in_the_way)
    cockpit.fly(20, failed(19))
    [problem] = received(cockpit.inbox, 20)
    assert problem.stage == "flight recorder"
    assert "no record can be written there" in problem.error
    cockpit.fly(9000, failed(8999, stage="flight recorder"))
    assert received(cockpit.inbox, 9000) == []


def test_records_go_into_memory_unless_a_folder_is_named(tmp_path: Path) -> None:
    runtime, state = tmp_path / "run", tmp_path / "state"
    assert records_folder("", state, runtime=runtime) == state / "flight-records"
    runtime.mkdir()
    assert records_folder("", state, runtime=runtime) == runtime / "flight-records"
    assert records_folder("/srv/records", state, runtime=runtime) == Path("/srv/records")


@pytest.mark.model
def test_a_record_replays_exactly(store: ModelStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    brains = load_brains(config_files.load(None), wake_words=["alexa"])
    voice = load_voice(brains.loaded, deterministic=True)
    inbox, events = Inbox(), list[Event]()
    around = Surroundings(
        clock=FrameClock(datetime.fromisoformat("2026-01-01T12:00:00+00:00")),
        voice=voice,
        speaker=SilentSpeaker(),
        workers=inline_workers(inbox),
        publish=events.append,
        publish_mqtt=_no_broker,
        dry_run=True,
        inbox=inbox,
    )
    recorder = FlightRecorder(
        60, tmp_path, worker=around.workers.clips, post=inbox.post, clock=around.clock, shown=lambda event: event
    )
    try:
        loop = build_loop(brains, around)
        frames = frames_of(spoken(voice, "Alexa, what time is it?", after_s=8.0))
        for frame in frames:
            loop.process(frame)
            if frame is frames[-1]:
                recorder.save()
            recorder.take(frame, loop.played, loop.scores)
        loop.close()
    finally:
        voice.close()
    assert "speaking_ended" in [event_type(event) for event in events]
    [record] = tmp_path.iterdir()
    assert (record / "played.wav").exists()
    assert main(["replay", str(record), "--wake-word", "alexa", "--events", "-"]) == 0
    replayed = [line for line in capsys.readouterr().out.splitlines() if line]
    assert replayed == [to_json(event).decode() for event in events]


def _no_broker(topic: str, payload: str, qos: int, retain: bool) -> None:
    raise BrokerError(topic)
