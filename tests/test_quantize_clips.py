"""The clip store, what is wrong with clips, recordings of the owner, and negatives of which nobody is on both sides."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from appliance.errors import AudioError, UsageError
from appliance.runtimes.portaudio import PortAudio
from tools.quantize import split
from tools.quantize.__main__ import main
from tools.quantize.clip_checks import Fault, check, fault_of
from tools.quantize.clips import Clip, append, read_clips, read_pcm, sha256_of_pcm, write_clip, write_manifest
from tools.quantize.pack_split import Side, identity, negatives_of, side_of
from tools.quantize.record import MANNERS, TAKE_S, judge, record, take
from tools.quantize.speech_span import find_all_speech, find_speech


def tone(seconds: float, level: float = 8000.0) -> Pcm:
    time_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return np.clip(np.round(level * np.sin(2 * np.pi * 300 * time_s)), -32_768, 32_767).astype(np.int16)


def quiet(seconds: float, rms: float = 8.0) -> Pcm:
    return np.random.default_rng(0).normal(0, rms, round(seconds * SAMPLE_RATE_HZ)).astype(np.int16)


def spoken(before_s: float = 1.0, word_s: float = 0.6, after_s: float = 1.4, level: float = 8000.0) -> Pcm:
    return np.concatenate([quiet(before_s), tone(word_s, level), quiet(after_s)])


def add(folder: Path, name: str, pcm: Pcm, **fields: Any) -> Clip:
    clip = write_clip(folder, Clip(path=Path(name), **fields), pcm)
    append(folder, [clip])
    return clip


# ---- the store


def test_what_is_written_is_read(tmp_path: Path) -> None:
    word = add(
        tmp_path, "yes/a.flac", spoken(), label="yes", split="train", speaker="ann", source="s", licence="CC0-1.0",
        text="yes", speech=(16_000, 25_600),
    )  # fmt: skip
    add(tmp_path, "no/b.flac", tone(0.5), label="negative:text", split="dev")
    assert read_clips(tmp_path, label="yes", split="train") == [word]
    assert np.array_equal(read_pcm(word), spoken())
    assert (word.duration_s, word.pcm_sha256) == (3.0, sha256_of_pcm(spoken()))
    assert [clip.label for clip in read_clips(tmp_path / "manifest.jsonl")] == ["yes", "negative:text"]
    assert soundfile.info(str(word.path)).subtype == "PCM_16"


def test_a_clip_that_is_not_listed_is_not_there(tmp_path: Path) -> None:
    add(tmp_path, "a.flac", tone(0.5), label="yes")
    write_clip(tmp_path, Clip(path=Path("b.flac"), label="yes"), tone(0.5))
    assert [clip.path.name for clip in read_clips(tmp_path)] == ["a.flac"]


def test_a_torn_line_is_left_out_and_then_cut_off(tmp_path: Path) -> None:
    add(tmp_path, "a.flac", tone(0.5), label="yes")
    manifest = tmp_path / "manifest.jsonl"
    whole = manifest.read_bytes()
    manifest.write_bytes(whole + whole[: len(whole) // 2])
    assert len(read_clips(tmp_path)) == 1
    add(tmp_path, "b.flac", tone(0.5), label="yes")
    assert [clip.path.name for clip in read_clips(tmp_path)] == ["a.flac", "b.flac"]
    manifest.write_bytes(manifest.read_bytes().rstrip(b"\n"))  # as editors write it
    add(tmp_path, "c.flac", tone(0.5), label="yes")
    assert [clip.path.name for clip in read_clips(tmp_path)] == ["a.flac", "b.flac", "c.flac"]


def test_a_manifest_of_clips_elsewhere(tmp_path: Path) -> None:
    clip = add(tmp_path / "store", "a.flac", np.concatenate([tone(0.5), quiet(0.5)]), label="yes")
    part = Clip(path=clip.path, label="negative:speech", part=(8000, 12_000))
    write_manifest(tmp_path / "lists" / "train.jsonl", [clip, part])
    whole, piece = read_clips(tmp_path / "lists" / "train.jsonl")
    assert np.array_equal(read_pcm(whole), read_pcm(clip))
    assert np.array_equal(read_pcm(piece), quiet(0.5)[:4000])


def test_folders_files_rates_and_channels(tmp_path: Path) -> None:
    stereo = np.stack([tone(1.0), np.zeros(16_000, np.int16)], axis=1)
    soundfile.write(tmp_path / "b.wav", np.repeat(stereo, 3, axis=0), 48_000, subtype="PCM_24")
    soundfile.write(tmp_path / "a.flac", tone(1.0), SAMPLE_RATE_HZ)
    (tmp_path / ".c.flac.77.part").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("no sound")
    clips = read_clips(tmp_path, label="yes")
    assert [(clip.path.name, clip.label) for clip in clips] == [("a.flac", "yes"), ("b.wav", "yes")]
    pcm = read_pcm(clips[1])
    assert pcm.size == 16_000
    assert np.abs(pcm[4000:12_000]).max() == pytest.approx(4000, rel=0.1)
    assert [clip.path for clip in read_clips(tmp_path / "b.wav")] == [tmp_path / "b.wav"]


def test_a_playlist_knows_what_the_pack_knows(tmp_path: Path) -> None:
    add(tmp_path, "words/a.flac", tone(0.5), label="yes", speaker="ann")
    pieces = [{"path": "words/a.flac", "start_sample": 0, "end_sample": 8000, "label": "yes"}]
    playlist = tmp_path / "negatives" / "for_no.playlist.json"
    playlist.parent.mkdir()
    playlist.write_text(json.dumps({"gap_s": 0.3, "pieces": pieces, "name": "for_no"}))
    (clip,) = read_clips(playlist)
    assert (clip.speaker, clip.label, clip.gap_s) == ("ann", "yes", 0.3)
    assert read_pcm(clip).size == 8000


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        read_clips(tmp_path / "none")
    with pytest.raises(UsageError, match="holds no sound files"):
        read_clips(tmp_path)
    add(tmp_path, "a.flac", tone(0.5), label="yes", split="train")
    with pytest.raises(UsageError, match=r"holds no clips of no, dev; it holds: yes \(train\)"):
        read_clips(tmp_path, label="no", split="dev")
    (tmp_path / "manifest.jsonl").write_text('{"label": "x"}\n')
    with pytest.raises(AudioError, match=r"manifest\.jsonl:1: not as a clip store writes it .*path"):
        read_clips(tmp_path)


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    def write(name: str, data: bytes = b"", rate_hz: int = 16_000, pcm: Pcm | None = None) -> Clip:
        if pcm is None:
            (tmp_path / name).write_bytes(data)
        else:
            soundfile.write(tmp_path / name, pcm, rate_hz)
        return Clip(path=tmp_path / name)

    for clip, reason in {
        write("text.wav", b"this is no sound"): "cannot be read",
        write("empty.wav", pcm=np.zeros(0, np.int16)): "holds no samples",
        write("low.wav", pcm=tone(1.0), rate_hz=4000): "rate is 4000 Hz, below 8000",
        Clip(path=tmp_path / "none.wav"): "cannot be read",
        Clip(path=write("short.wav", pcm=tone(0.5)).path, part=(4000, 9000)): "ends before sample 9000",
    }.items():
        with pytest.raises(AudioError, match=reason):
            read_pcm(clip)


def test_findings_name_the_clip_and_the_reason(tmp_path: Path) -> None:
    add(tmp_path, "good.flac", spoken(), label="yes")
    add(tmp_path, "short.flac", tone(0.05), label="yes")
    add(tmp_path, "silent.flac", quiet(1.0, 1.0), label="yes")
    add(tmp_path, "loud.flac", tone(1.0, 60_000), label="yes")
    changed = add(tmp_path, "changed.flac", tone(0.6), label="yes")
    soundfile.write(changed.path, tone(0.7), SAMPLE_RATE_HZ)
    broken = add(tmp_path, "broken.flac", tone(0.6), label="yes")
    broken.path.write_bytes(broken.path.read_bytes()[:100])
    found = {finding.clip.path.stem: finding for finding in check(read_clips(tmp_path))}
    assert {name: finding.fault for name, finding in found.items()} == {
        "short": Fault.SHORT, "silent": Fault.SILENT, "loud": Fault.CLIPPED, "changed": Fault.CHANGED,
        "broken": Fault.UNREADABLE,
    }  # fmt: skip
    assert all(name in finding.reason and finding.reason.count("\n") == 0 for name, finding in found.items())
    assert fault_of(tone(1.0)) is None


# ---- where somebody speaks


def test_speech_is_found_to_ten_ms() -> None:
    assert find_speech(spoken(1.0, 0.6, 1.0)) == (16_000, 25_600)
    assert find_speech(np.zeros(16_000, np.int16)) is None
    click = spoken(1.0, 0.6, 1.0)
    click[1600:1760] = tone(0.01, 12_000)
    assert find_speech(click) == (16_000, 25_600)
    assert find_all_speech(click) == (1600, 25_600)


def test_speech_is_found_in_noise() -> None:
    start, end = find_speech(np.concatenate([quiet(1.0, 800), tone(0.6), quiet(1.0, 800)])) or (0, 0)
    assert abs(start - 16_000) <= 320
    assert abs(end - 25_600) <= 320


# ---- recordings of the owner


class Owner:
    """Says what the script has, take by take."""

    def __init__(self, *takes: Pcm) -> None:
        self.takes = list(takes)

    def listen(self, ready: Callable[[], None]) -> Pcm:
        ready()
        return self.takes.pop(0)


def test_bad_takes_are_asked_for_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    owner = Owner(spoken(), quiet(3.0, 1.0), spoken(word_s=0.7), spoken(level=60.0), spoken(word_s=0.5))
    record("yes", tmp_path, count=3, speaker="owner", listen=owner.listen)
    clips = read_clips(tmp_path, label="yes", split="train")
    assert [clip.duration_s for clip in clips] == [3.0, 3.1, 2.9]
    assert {(clip.speaker, clip.source) for clip in clips} == {("owner", "recorded")}
    assert clips[0].speech == (16_000, 25_600)
    told = capsys.readouterr()
    assert told.err.count("again, please") == 2
    assert "take 3 of 3, " + MANNERS[2] in told.err
    assert "3 takes" in told.out


def test_recording_goes_on_where_it_was(tmp_path: Path) -> None:
    record("yes", tmp_path, count=1, speaker="owner", listen=Owner(spoken()).listen)
    record("yes", tmp_path, count=2, speaker="owner", listen=Owner(spoken(word_s=0.7)).listen)
    record("yes", tmp_path, count=2, speaker="owner", listen=Owner().listen)
    assert len(read_clips(tmp_path)) == 2


def test_a_microphone_that_hears_nothing_ends_it(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="5 bad takes in a row, the last one is silent"):
        record("yes", tmp_path, count=3, speaker="owner", listen=Owner(*[quiet(3.0, 1.0)] * 5).listen)


@pytest.mark.parametrize(
    ("pcm", "reason"),
    [
        (quiet(3.0, 1.0), "is silent"),
        (spoken(level=150.0), "too quiet"),
        (np.concatenate([quiet(1.0, 2500), tone(0.6), quiet(1.0, 2500)]), "dB above the room"),
        (spoken(before_s=0.0), "cut off"),
        (spoken(after_s=0.0), "cut off"),
        (spoken(word_s=0.1), "lasts 0.1 s"),
        (spoken(word_s=2.9), "lasts 2.9 s"),
        (spoken(level=60_000), "overdriven"),
    ],
)
def test_what_is_wrong_with_a_take_is_said(pcm: Pcm, reason: str) -> None:
    found = judge(pcm)
    assert isinstance(found, str)
    assert reason in found


class Library:
    """`sounddevice` with one microphone of two channels that takes its own rate only."""

    PortAudioError = OSError

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}
        self.closed = False

    def query_devices(self, kind: str | None = None) -> Any:
        entry = {"name": "USB", "index": 0, "max_input_channels": 2, "default_samplerate": 48_000.0}
        return [entry] if kind is None else entry

    def check_input_settings(self, *, samplerate: int, **_: Any) -> None:
        if samplerate != 48_000:
            raise OSError("Invalid sample rate")

    def InputStream(self, **settings: Any) -> "Library":
        self.settings = settings
        return self

    def start(self) -> None:
        pass

    def read(self, samples: int) -> tuple[Any, bool]:
        return np.full((samples, self.settings["channels"]), [1000, 3000][: self.settings["channels"]], np.int16), False

    def close(self, ignore_errors: bool) -> None:
        self.closed = True


def test_a_take_through_a_microphone() -> None:
    library, ready = Library(), []
    pcm = take(PortAudio(library), lambda: ready.append(True), name="usb", channel=2)
    assert pcm.size == TAKE_S * SAMPLE_RATE_HZ
    assert np.median(pcm) == pytest.approx(3000, abs=2)
    assert (library.settings["channels"], library.closed, ready) == (2, True, [True])
    assert np.median(take(PortAudio(library), lambda: None)) == pytest.approx(1000, abs=2)
    assert library.settings["channels"] == 1


# ---- the split of the data pack


def made_pack(folder: Path) -> Path:
    """Twelve people who say three words and orders, and three long recordings of pieces."""
    people = [f"spk-{number}" for number in range(12)]
    for number, person in enumerate(people):
        add(folder, f"wakeword/yes/{person}.flac", tone(0.2), label="yes", split="dev" if number < 3 else "train",
            speaker=person, text="yes")  # fmt: skip
    for person in [*people, "only-no", "only-orders"]:
        add(folder, f"wakeword/no/{person}.flac", tone(0.2), label="no", split="train", speaker=person, text="no")
        add(folder, f"commands/dev/{person}.flac", tone(0.2), label="order", speaker=person, text="a big tea")
    add(folder, "commands/dev/holds.flac", tone(0.2), label="order", speaker="spk-3", text="oh yes a tea")
    add(folder, "wakeword/hey.flac", tone(0.2), label="hey yes", speaker="spk-4", text="hey yes")
    add(folder, "wakeword/many.flac", tone(0.2), label="multiple")
    add(folder, "scenarios/s1.flac", tone(0.2), label="s1")
    add(folder, "noise/kitchen.flac", tone(0.2), label="noise:kitchen")
    cues(folder, "speech", ["ann", "ann", "bob", "ann"], ["1.wav", "2.wav", "3.wav", "4.wav"])
    cues(folder, "noise", [None] * 4, ["dog/1-77-A.ogg", "dog/1-78-A.ogg", "dog/1-79-A.ogg", "dog/1-77-B.ogg"])
    cues(folder, "music", [None, None], ["one.g722", "two.g722"])
    return folder


def cues(folder: Path, kind: str, speakers: list[str | None], files: list[str]) -> None:
    add(folder, f"negatives/{kind}_01.flac", tone(0.4 * len(files)), label=f"negative:{kind}", source="stored")
    lines = [
        {"start_sample": 6400 * n, "end_sample": 6400 * n + 4800, "source": "web", "source_file": file, "kind": kind,
         "licence": f"L{n}", **({"speaker": speaker} if speaker else {})}
        for n, (speaker, file) in enumerate(zip(speakers, files, strict=True))
    ]  # fmt: skip
    (folder / "negatives" / f"{kind}_01.cues.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_nobody_is_on_both_sides_and_the_word_is_on_neither(tmp_path: Path) -> None:
    pack = made_pack(tmp_path)
    for word in ("yes", "no", "hey yes", "maybe"):
        negatives = negatives_of(pack, word)
        train = {identity(clip) for clip in negatives.train}
        dev = {identity(clip) for clip in negatives.dev}
        says = {split: {c.speaker for c in read_clips(pack) if c.label == word and c.split == split} for split in Side}
        assert not (train | says[Side.TRAIN]) & (dev | says[Side.DEV] - says[Side.TRAIN])
        assert {clip.split for clip in negatives.train} == {"train"}
        heard = [f" {clip.label} {clip.text} " for clip in (*negatives.train, *negatives.dev)]
        assert not any(f" {word} " in said for said in heard)
        files = {clip.path.relative_to(pack).as_posix() for clip in (*negatives.train, *negatives.dev)}
        assert not files & {"wakeword/many.flac", "scenarios/s1.flac", "noise/kitchen.flac"}


def test_whoever_says_the_word_stands_where_his_recordings_of_it_stand(tmp_path: Path) -> None:
    negatives = negatives_of(made_pack(tmp_path), "yes")
    assert {"spk-0", "spk-1", "spk-2"} <= {clip.speaker for clip in negatives.dev}
    assert {f"spk-{number}" for number in range(3, 12)} <= {clip.speaker for clip in negatives.train}


def test_the_others_stand_where_the_hash_puts_them() -> None:
    names = [f"spk-{number}" for number in range(400)]
    assert 160 < sum(side_of(name) is Side.DEV for name in names) < 240
    assert [side_of(name) for name in ("asterisk-es", "fsdd:theo", "fsdd:george")] == [Side.DEV, Side.DEV, Side.TRAIN]


def test_pieces_of_a_long_recording(tmp_path: Path) -> None:
    negatives = negatives_of(made_pack(tmp_path), "yes")
    found = [clip for clip in (*negatives.train, *negatives.dev) if clip.part]
    speech = sorted((clip for clip in found if clip.label == "negative:speech"), key=lambda clip: clip.part or (0, 0))
    assert [(clip.speaker, clip.part, clip.licence) for clip in speech] == [
        ("ann", (0, 11_200), "L0; L1"), ("bob", (12_800, 17_600), "L2"), ("ann", (19_200, 24_000), "L3"),
    ]  # fmt: skip
    assert [clip.duration_s for clip in speech] == [0.7, 0.3, 0.3]
    assert {identity(clip) for clip in found if clip.label == "negative:noise"} == {"web/77", "web/78", "web/79"}
    assert {identity(clip) for clip in found if clip.label == "negative:music"} == {"web/one", "web/two"}


def test_the_split_is_written_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack = made_pack(tmp_path / "pack")
    assert main(["split", str(pack), "yes", "--out", str(tmp_path / "out"), "--names"]) == 0
    negatives = negatives_of(pack, "yes")
    for side, clips, people in (("train", negatives.train, 9), ("dev", negatives.dev, 3)):
        listed = read_clips(tmp_path / "out" / f"{side}.jsonl")
        assert {clip.split for clip in listed} == {side}
        assert sum(clip.label == "yes" for clip in listed) == people
        assert len(listed) == people + len(clips)
        assert all(read_pcm(clip).size for clip in listed)
    assert "negative:speech: " in capsys.readouterr().out
    assert split.__doc__


@pytest.mark.data
def test_the_split_of_the_real_pack(data_pack: Path) -> None:
    for word in ("computer", "jarvis", "alexa", "view glass", "stop"):
        negatives = negatives_of(data_pack, word)
        clips = read_clips(data_pack)
        said = {side: {c.speaker for c in clips if c.label == word and c.split == side} for side in Side}
        train = {identity(clip) for clip in negatives.train} | said[Side.TRAIN]
        dev = {identity(clip) for clip in negatives.dev} | said[Side.DEV]
        assert not train & dev
        assert not any(word in clip.text.split() for clip in (*negatives.train, *negatives.dev))
    negatives = negatives_of(data_pack, "computer")
    minutes = [sum(clip.duration_s for clip in side) / 60 for side in (negatives.train, negatives.dev)]
    assert minutes == pytest.approx([67.7, 63.3], abs=0.2)


@pytest.mark.data
def test_the_real_pack_is_read_to_the_sample(data_pack: Path) -> None:
    clips = [clip for clip in read_clips(data_pack, label="computer")]
    assert not list(check(clips))
    (playlist,) = (data_pack / "negatives").glob("for_computer.playlist.json")
    pieces = read_clips(playlist)
    samples = sum(round(clip.duration_s * SAMPLE_RATE_HZ) + round(clip.gap_s * SAMPLE_RATE_HZ) for clip in pieces)
    assert samples == pytest.approx(json.loads(playlist.read_text())["n_samples"], abs=len(pieces))
    assert {clip.speaker for clip in pieces} > {"spk-7bf04379"}
