"""Near misses and false wakes whose sound is kept: which, from when to when, under which names, and on a full disk."""

import dataclasses
import stat
import wave
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest

from appliance import config_files
from appliance.assembly import Surroundings, Workers, build_loop, inline_workers
from appliance.audio.clip_folder import ClipFolder
from appliance.audio.format import FRAME_SAMPLES, Pcm
from appliance.audio.ring import Ring
from appliance.audio.speakers import SilentSpeaker
from appliance.bench.speech import frames_of, spoken
from appliance.brains import load_brains, load_voice
from appliance.clock import FrameClock
from appliance.config import Wake
from appliance.config_files import state_directory
from appliance.errors import AudioError
from appliance.events import Event, Failed, IntentRejected, WakeDetected, WakeNearMissed, event_type
from appliance.inbox import Inbox
from appliance.keeping import AFTER_FRAMES, BEFORE_FRAMES, CLIPS_INBOX, MOMENTS, Keeping, near_misses_folder
from appliance.models import ModelStore
from tests.fakes import NOON, Bench, Heard, HeldWorker, ScriptedSpotter, numbered, received

PCM = np.arange(-800, 800, dtype=np.int16)


def clips(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.wav"))


def sound(path: Path) -> Pcm:
    with wave.open(str(path), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


# The folder.


def test_a_recording_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "near-misses"
    ClipFolder(folder, limit=5, note="How to use them.\n").add("one", PCM)
    assert np.array_equal(sound(folder / "one.wav"), PCM)
    assert (folder / "README.txt").read_text() == "How to use them.\n"
    assert {path.name for path in folder.iterdir()} == {"one.wav", "README.txt"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_oldest_go_and_what_was_sorted_stays(tmp_path: Path) -> None:
    (tmp_path / "yes").mkdir()
    (tmp_path / "yes" / "0.wav").write_bytes(b"sorted by the owner")
    (tmp_path / "README.txt").write_text("notes of the owner's")
    folder = ClipFolder(tmp_path, limit=3, note="ours")
    for number in range(1, 8):
        folder.add(str(number), PCM)
    assert clips(tmp_path) == ["5.wav", "6.wav", "7.wav"]
    assert (tmp_path / "yes" / "0.wav").exists()
    assert (tmp_path / "README.txt").read_text() == "notes of the owner's"


def test_a_full_disk_is_told_and_leaves_no_half_of_a_recording(tmp_path: Path) -> None:
    folder = ClipFolder(tmp_path, limit=3, note="ours")
    folder.add("1", PCM)
    fill(tmp_path)
    with pytest.raises(AudioError, match="no sound can be kept there \\(No space left on device\\); free some space"):
        folder.add("2", PCM)
    assert {path.name for path in tmp_path.iterdir()} == {"1.wav", "README.txt"}
    folder.add("3", PCM)
    assert clips(tmp_path) == ["1.wav", "3.wav"]


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AudioError, match="no sound can be kept there"):
        ClipFolder(tmp_path / "file" / "near-misses", limit=3, note="").add("1", PCM)


def fill(folder: Path) -> None:
    """The next recording is written to where there is never room."""
    (folder / ".part").symlink_to("/dev/full")


# The moments.


class Kitchen:
    """A `Keeping` in the middle of a stream whose frames hold their index; its sounds are written when it is told."""

    def __init__(self, folder: Path, capacity: int = 750) -> None:
        self.ring = Ring(capacity)
        self.worker = HeldWorker()
        self.worker.room = CLIPS_INBOX
        self.inbox = Inbox()
        self.folder = folder / "near-misses"
        self.keeping = Keeping(
            ring=self.ring,
            folder=near_misses_folder(folder, 100),
            worker=self.worker,
            post=self.inbox.post,
            clock=FrameClock(datetime.fromisoformat("2026-01-01T14:00:00+02:00")),
        )
        self.next = 0

    def run(self, until: int) -> None:
        for index in range(self.next, until):
            self.ring.append(numbered(index))
            self.keeping.step(index)
        self.next = until

    def miss(self, word: str = "alexa") -> None:
        self.keeping.take(WakeNearMissed(frame=self.next - 1, word=word, engine="int8", score=0.714))


def test_the_sound_around_a_near_miss_is_kept(tmp_path: Path) -> None:
    kitchen = Kitchen(tmp_path)
    kitchen.run(200)
    kitchen.miss()
    kitchen.run(199 + AFTER_FRAMES)
    assert not kitchen.worker.jobs, "half a second is missing yet"
    kitchen.run(250)
    assert not kitchen.folder.exists(), "the frame loop does not write"
    kitchen.worker.work()
    assert clips(kitchen.folder) == ["20260101T120003.980Z_alexa_0.71.wav"]
    kept = sound(kitchen.folder / clips(kitchen.folder)[0])
    assert kept.size == 3 * 16_000
    assert (kept[0], kept[-1]) == (199 - BEFORE_FRAMES + 1, 199 + AFTER_FRAMES)
    assert "python -m tools.quantize run WORD --near-misses FOLDER" in (kitchen.folder / "README.txt").read_text()


def test_a_wake_that_no_speech_followed_is_kept(tmp_path: Path) -> None:
    kitchen = Kitchen(tmp_path)
    kitchen.run(300)
    kitchen.keeping.take(WakeDetected(frame=299, session=1, word="alexa", engine="int8", score=0.93))
    kitchen.run(550)
    kitchen.keeping.take(IntentRejected(frame=549, session=1, text=None, reason="no_speech"))
    kitchen.run(551)
    kitchen.worker.work()
    assert clips(kitchen.folder) == ["20260101T120005.980Z_alexa_0.93.wav"]
    kept = sound(kitchen.folder / clips(kitchen.folder)[0])
    assert (kept[0], kept[-1]) == (299 - BEFORE_FRAMES + 1, 299 + AFTER_FRAMES)


@pytest.mark.parametrize(
    "rejected",
    [
        IntentRejected(frame=400, session=1, text="no idea", reason="not_understood"),
        IntentRejected(frame=400, session=2, text=None, reason="no_speech"),  # it was asked to listen, not woken
    ],
)
def test_a_wake_with_another_end_is_not_kept(tmp_path: Path, rejected: IntentRejected) -> None:
    kitchen = Kitchen(tmp_path)
    kitchen.run(300)
    kitchen.keeping.take(WakeDetected(frame=299, session=1, word="alexa", engine="int8", score=0.93))
    kitchen.run(401)
    kitchen.keeping.take(rejected)
    kitchen.run(500)
    assert not kitchen.worker.jobs


def test_what_is_not_whole_is_left_out(tmp_path: Path) -> None:
    kitchen = Kitchen(tmp_path, capacity=160)
    kitchen.run(BEFORE_FRAMES - 1)
    kitchen.miss()
    kitchen.run(200)
    assert not kitchen.worker.jobs, "it began before the stream"
    kitchen.run(300)
    kitchen.keeping.take(WakeDetected(frame=260, session=1, word="alexa", engine="int8", score=0.93))
    kitchen.keeping.take(IntentRejected(frame=299, session=1, text=None, reason="no_speech"))
    kitchen.run(301)
    assert not kitchen.worker.jobs, "it began before the ring"


def test_words_of_any_kind_make_file_names(tmp_path: Path) -> None:
    kitchen = Kitchen(tmp_path)
    kitchen.run(200)
    for word in ("../../etc/passwd", "caf\u00e9", "a" * 300, "\0"):
        kitchen.miss(word)
    kitchen.run(300)
    kitchen.worker.work()
    assert [name.split("_", 1)[1] for name in clips(kitchen.folder)] == [
        "__0.71.wav",
        "_etc_passwd_0.71.wav",
        f"{'a' * 64}_0.71.wav",
        "caf\u00e9_0.71.wav",
    ]


def test_a_full_disk_is_told_once_and_again_after_it_was_over(tmp_path: Path) -> None:
    kitchen = Kitchen(tmp_path)
    kitchen.folder.mkdir()
    told = []
    for number, full in enumerate([True, True, True, False, True, False], start=1):
        kitchen.run(200 * number)
        kitchen.miss()
        kitchen.run(200 * number + 100)
        if full:
            fill(kitchen.folder)
        kitchen.worker.work()
        told += [(number, fact) for fact in received(kitchen.inbox, 200 * number + 100)]
    assert [number for number, _ in told] == [1, 5]
    assert "No space left on device" in told[0][1].error  # type: ignore[union-attr]
    assert len(clips(kitchen.folder)) == 2


def test_a_slow_disk_loses_the_newest_sounds_and_is_told_once(tmp_path: Path) -> None:
    kitchen = Kitchen(tmp_path)
    kitchen.run(200)
    for _ in range(CLIPS_INBOX + 3):
        kitchen.miss()
        kitchen.run(kitchen.next + 50)
    (fact,) = received(kitchen.inbox, 1000)
    assert "too many sounds wait to be written" in fact.error  # type: ignore[union-attr]
    kitchen.worker.work()
    assert len(clips(kitchen.folder)) == CLIPS_INBOX


def test_a_storm_of_near_misses_is_bounded(tmp_path: Path) -> None:
    kitchen = Kitchen(tmp_path)
    kitchen.run(200)
    for number in range(3 * MOMENTS):
        kitchen.miss(f"word {number}")
    kitchen.run(300)
    kitchen.worker.work()
    assert len(clips(kitchen.folder)) == MOMENTS
    assert clips(kitchen.folder)[-1].endswith(f"word_{3 * MOMENTS - 1}_0.71.wav")


# In the loop.


def test_the_loop_keeps_near_misses_and_false_wakes_and_tells_neither_unasked(tmp_path: Path) -> None:
    bench = Bench(
        spotter=ScriptedSpotter(300, near_misses=[200]),
        keep=ClipFolder(tmp_path, limit=9, note=""),
        report_near_misses=False,
    )
    bench.run(700, numbered)
    assert clips(tmp_path) == ["20260101T120004.000Z_alexa_0.50.wav", "20260101T120006.000Z_alexa_0.95.wav"]
    assert bench.of(WakeNearMissed) == []
    assert np.array_equal(sound(tmp_path / clips(tmp_path)[1])[::FRAME_SAMPLES], np.arange(176, 326))


def test_near_misses_can_be_told_and_kept(tmp_path: Path) -> None:
    bench = Bench(spotter=ScriptedSpotter(near_misses=[200]), keep=ClipFolder(tmp_path, limit=9, note=""))
    bench.run(300)
    assert len(bench.of(WakeNearMissed)) == len(clips(tmp_path)) == 1


def test_a_full_disk_costs_no_turn(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "README.txt").write_text("")
    bench = Bench(
        spotter=ScriptedSpotter(300, near_misses=[200]),
        speech=[range(350, 380)],
        heard=[Heard(texts=("what time is it",), partials={16: "what time is it"})],
        keep=ClipFolder(tmp_path, limit=9, note=""),
    )
    bench.run(600)
    (failed,) = bench.of(Failed)
    assert isinstance(failed, Failed)
    assert (failed.frame, failed.stage) == (225, "near misses")
    assert bench.voice.said == ["It's noon."]


def test_a_hanging_disk_does_not_keep_the_loop_waiting(tmp_path: Path) -> None:
    held = HeldWorker()

    def workers(inbox: Inbox) -> Workers:
        return dataclasses.replace(inline_workers(inbox), clips=held)

    bench = Bench(
        spotter=ScriptedSpotter(near_misses=[200]), keep=ClipFolder(tmp_path, limit=9, note=""), workers=workers
    )
    bench.run(400)
    assert (len(held.jobs), clips(tmp_path)) == (1, [])
    held.work()
    assert len(clips(tmp_path)) == 1


@pytest.mark.model
def test_as_configured_a_real_near_miss_is_kept(store: ModelStore, tmp_path: Path) -> None:
    loaded = config_files.load(None)
    wake = Wake(words=["alexa"], threshold=0.9999, keep_near_misses=5)  # it gives 0.9961 at most
    brains = load_brains(dataclasses.replace(loaded, config=msgspec.structs.replace(loaded.config, wake=wake)))
    voice = load_voice(loaded, deterministic=True)
    inbox, events = Inbox(), list[Event]()
    around = Surroundings(
        clock=FrameClock(NOON),
        voice=voice,
        speaker=SilentSpeaker(),
        workers=inline_workers(inbox),
        publish=events.append,
        publish_mqtt=lambda topic, payload, qos, retain: None,
        dry_run=True,
        inbox=inbox,
        state=tmp_path,
    )
    try:
        loop = build_loop(brains, around)
        for frame in frames_of(spoken(voice, "Alexa.", before_s=3.0, after_s=2.0)):
            loop.process(frame)
        loop.close()
    finally:
        voice.close()
    (kept,) = clips(tmp_path / "near-misses")
    assert kept.endswith("_alexa_1.00.wav")
    assert sound(tmp_path / "near-misses" / kept).any()
    assert [event_type(event) for event in events] == ["started"]


def test_without_the_service_it_remembers_in_the_users_own_folder(tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    environment = {"XDG_STATE_HOME": str(tmp_path / "mine")}
    assert state_directory(service=tmp_path / "service", environment=environment) == tmp_path / "service"
    assert state_directory(service=tmp_path / "gone", environment=environment) == tmp_path / "mine" / "appliance"
    assert state_directory(service=tmp_path / "gone", environment={}) == Path.home() / ".local/state/appliance"
