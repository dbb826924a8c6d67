"""One command for a word: what it skips, does again, refuses and parts; and all of it in miniature."""

import dataclasses
import errno
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]

from appliance.errors import ApplianceError, StageError, UsageError
from appliance.models import ModelStore
from tools.quantize import evaluation, install, making, run, runs, voices
from tools.quantize.__main__ import main
from tools.quantize.clips import Clip
from tools.quantize.gather import Gathered, Given, described, gather, person_of, voices_apart
from tools.quantize.hearing import Work
from tools.quantize.making import Job, Said, Setting
from tools.quantize.needs import Machine, Size
from tools.quantize.runs import Step

RATE_HZ = 16_000
VOICES = {
    "piper": ("en-us", "en"),
    "espeak-ng": tuple(f"{accent}+{throat}" for accent in ("en", "en-us") for throat in ("f1", "f2", "m1", "m2", "m3")),
    "flite": ("awb", "kal16", "rms", "slt"),
    "festival": ("cmu_us_slt_arctic_hts", "kal_diphone", "ked_diphone"),
}
NOTHING_GIVEN = Gathered(clips=(), left_out=(), noise=None)
PLENTY = Machine(free_bytes=10**12, available_bytes=10**12)


def sound(seed: int, seconds: float = 1.0, rate_hz: int = RATE_HZ) -> np.ndarray:  # type: ignore[type-arg]
    """A burst in silence, another for each seed."""
    samples = np.random.default_rng(seed).normal(0.0, 0.1, int(seconds * rate_hz))
    samples[: samples.size // 4] *= 0.001
    samples[-samples.size // 4 :] *= 0.001
    return samples


def record(folder: Path, count: int, *, first: int = 0, rate_hz: int = RATE_HZ) -> Path:
    """So many recordings in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        soundfile.write(str(folder / f"{number:03}.wav"), sound(number, rate_hz=rate_hz), rate_hz)
    return folder


class Steps:
    """A run of three steps that only note that they were called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: list[str] = []
        self.told: list[str] = []
        self.trouble: Callable[[], None] = lambda: None

    def work(self, name: str) -> None:
        if name == "second":
            self.trouble()
        (self.folder / name / f"{len(self.done)}.txt").write_text(name)
        self.done.append(name)

    def go(self, **settings: object) -> list[str]:
        """What was done; `settings` are those of the second step."""
        self.done = []
        given: dict[str, dict[str, object]] = {
            "first": {"seed": 1},
            "second": {"seeds": (1, 2), **settings},
            "third": {},
        }
        steps = [
            Step(name=name, folder=self.folder / name, settings=told, work=partial(self.work, name))
            for name, told in given.items()
        ]
        runs.go(steps, self.told.append)
        return self.done


def test_what_is_done_is_skipped_with_a_line(tmp_path: Path) -> None:
    steps = Steps(tmp_path)
    assert steps.go() == ["first", "second", "third"]
    steps.told.clear()
    assert steps.go() == []
    assert [line.endswith("skipped") for line in steps.told] == [True] * 3


def test_a_step_tells_how_long_it_took_and_how_much_processor_time(tmp_path: Path) -> None:
    steps = Steps(tmp_path)

    def work() -> None:
        until_s = time.process_time() + 0.05
        while time.process_time() < until_s:
            pass

    steps.trouble = work
    steps.go()
    assert any(line.startswith("second: took ") and "of processor time" in line for line in steps.told)
    record = msgspec.json.decode((tmp_path / "second" / runs.STEP).read_bytes(), type=runs.Record)
    assert record.processor_seconds is not None
    assert record.processor_seconds >= 0.05


def test_other_settings_do_that_step_and_those_behind_it_again(tmp_path: Path) -> None:
    steps = Steps(tmp_path)
    steps.go()
    assert steps.go(epochs=2) == ["second", "third"]
    assert [file.name for file in (tmp_path / "second").glob("*.txt")] == ["0.txt"], "it was emptied first"
    assert (tmp_path / "first" / "0.txt").is_file()
    assert steps.go(epochs=2) == []


def test_a_full_disk_loses_nothing_and_the_next_run_goes_on(tmp_path: Path) -> None:
    steps = Steps(tmp_path)

    def write_to_a_full_disk() -> None:
        (tmp_path / "second" / "shard").write_text("half of the work")
        with Path("/dev/full").open("wb", buffering=0) as file:
            file.write(b"the other half")

    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    steps.trouble = write_to_a_full_disk
    with pytest.raises(OSError, match="No space") as caught:
        steps.go()
    assert caught.value.errno == errno.ENOSPC
    assert not runs.is_done(tmp_path / "second")
    steps.trouble = lambda: None
    assert steps.go() == ["second", "third"]
    assert (tmp_path / "second" / "shard").is_file(), "what was done was kept"
    assert any("goes on" in line for line in steps.told)


def test_an_interrupted_step_with_other_settings_begins_anew(tmp_path: Path) -> None:
    steps = Steps(tmp_path)

    def interrupt() -> None:
        (tmp_path / "second" / "shard").write_text("half")
        raise KeyboardInterrupt

    steps.trouble = interrupt
    with pytest.raises(KeyboardInterrupt):
        steps.go()
    steps.trouble = lambda: None
    assert steps.go(epochs=2) == ["second", "third"]
    assert not (tmp_path / "second" / "shard").exists()


def test_a_folder_that_no_run_made_is_left_alone(tmp_path: Path) -> None:
    mine = record(tmp_path / "second", 1)
    with pytest.raises(UsageError, match="`run` did not make"):
        Steps(tmp_path).go()
    assert (mine / "000.wav").is_file()


def test_a_torn_record_counts_as_none(tmp_path: Path) -> None:
    steps = Steps(tmp_path)
    steps.go()
    (tmp_path / "second" / runs.STEP).write_text('{"step": "sec')
    assert steps.go() == ["second"], "the third came after the same second"


def test_recordings_are_parted_by_clip_and_stay_where_they_are(tmp_path: Path) -> None:
    first = gather("computer", Given(recordings=(record(tmp_path / "mine", 40),)))
    sides = {clip.path.name: clip.split for clip in first.clips}
    assert 3 <= list(sides.values()).count("dev") <= 14
    assert {clip.label for clip in first.clips} == {"computer"}
    record(tmp_path / "mine", 20, first=40)
    second = gather("computer", Given(recordings=(tmp_path / "mine",)))
    assert {name: side for name, side in ((c.path.name, c.split) for c in second.clips) if name in sides} == sides
    assert second.hash != first.hash
    assert second.hash == gather("computer", Given(recordings=(tmp_path / "mine",))).hash


def test_sorted_near_misses_are_the_word_or_not(tmp_path: Path) -> None:
    record(tmp_path / "yes", 3)
    record(tmp_path / "no", 4, first=10)
    found = gather("computer", Given(near_misses=(tmp_path,))).clips
    assert sorted(clip.label for clip in found) == ["computer"] * 3 + ["negative:confusable"] * 4
    assert {clip.source for clip in found} == {"near-misses"}


def test_near_misses_that_nobody_sorted_are_listed(tmp_path: Path) -> None:
    record(tmp_path, 12)
    record(tmp_path / "yes", 1, first=50)
    with pytest.raises(UsageError, match=r"000\.wav.* and 2 more; move each to yes/ .* no/"):
        gather("computer", Given(near_misses=(tmp_path,)))


@pytest.mark.parametrize("given", ["recordings", "near-misses", "negatives"])
def test_an_empty_folder_is_refused(given: str, tmp_path: Path) -> None:
    empty = (tmp_path,)
    with pytest.raises(UsageError, match="holds no sound files"):
        gather(
            "computer",
            Given(
                recordings=empty if given == "recordings" else (),
                near_misses=empty if given == "near-misses" else (),
                negatives=empty if given == "negatives" else (),
            ),
        )


def test_corrupt_clips_and_wrong_rates_are_named_and_left_out(tmp_path: Path) -> None:
    record(tmp_path, 2)
    record(tmp_path, 1, first=2, rate_hz=44_100)
    record(tmp_path, 1, first=3, rate_hz=4_000)
    (tmp_path / "broken.flac").write_bytes(b"no sound")
    found = gather("computer", Given(recordings=(tmp_path,)))
    assert {clip.path.name for clip in found.clips} == {"000.wav", "001.wav", "002.wav"}
    assert [Path(reason.split(":")[0]).name for reason in found.left_out] == ["003.wav", "broken.flac"]
    assert "4000 Hz" in found.left_out[0]


def test_nothing_but_corrupt_clips_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    with pytest.raises(UsageError, match=r"none of 1 recordings can be used.*broken\.wav"):
        gather("computer", Given(recordings=(tmp_path,)))


def test_negatives_may_be_silent_and_have_a_side_by_their_name(tmp_path: Path) -> None:
    soundfile.write(str(tmp_path / "night.wav"), np.zeros(RATE_HZ), RATE_HZ)
    record(tmp_path, 20)
    found = gather("computer", Given(negatives=(tmp_path,)))
    assert not found.left_out
    assert {clip.split for clip in found.clips} == {"train", "dev"}
    assert {clip.label for clip in found.clips} == {"negative:speech"}


def test_nobody_trains_and_measures() -> None:
    training, held = voices_apart(VOICES)
    persons = [{person_of(name) for names in side.values() for name in names} for side in (training, held)]
    assert not persons[0] & persons[1]
    assert "piper" not in held
    assert held["espeak-ng"]
    assert set(held) & {"flite", "festival"}


def test_too_few_voices_to_keep_one_back() -> None:
    with pytest.raises(UsageError, match="espeak-ng"):
        voices_apart({"piper": ("en-us", "en")})


def test_it_says_what_it_was_measured_on() -> None:
    synthetic = Clip(path=Path("a"), label="computer", source="synthetic:flite", speaker="flite:slt")
    assert described([synthetic] * 3).startswith("Measured on synthetic speech only: 3 clips of 1 voices")
    person = Clip(path=Path("b"), label="computer", source="recorded")
    told = described([person])
    assert told.startswith("Measured on 1 recordings of people that the training has not heard; seed, gate and")
    assert "and 1 clips of 1 synthetic voices" in described([person, synthetic])


SIZE = Size(clips=1000, examples=10_000, at_once=2)


def test_too_little_room_or_memory_is_told_with_what_is_needed(tmp_path: Path) -> None:
    PLENTY.check(tmp_path, SIZE)
    with pytest.raises(StageError, match=rf"{tmp_path}: its disk has 0\.1 GB free, and 0\.2 GB are needed"):
        dataclasses.replace(PLENTY, free_bytes=10**8).check(tmp_path, SIZE)
    with pytest.raises(StageError, match=r"1\.0 GB of memory .* needs 3\.9 GB; .*--setting quick"):
        dataclasses.replace(PLENTY, available_bytes=10**9).check(tmp_path, SIZE)


def test_the_machine_is_read(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:       4000 kB\nMemAvailable:   2000 kB\n")
    found = Machine.of(tmp_path / "not" / "there", tmp_path / "meminfo")
    assert found.available_bytes == 2_048_000
    assert found.free_bytes > 0


def test_too_little_memory_is_told_before_anything_is_made(tmp_path: Path) -> None:
    job = Job(word="computer", out=tmp_path / "run", setting=run.SETTINGS["quick"])
    with pytest.raises(StageError, match="of memory"):
        run.make(job, VOICES, dataclasses.replace(PLENTY, available_bytes=1))
    assert not job.out.exists()


@pytest.mark.parametrize(("name", "minutes"), [("quick", 20), ("good", 60)])
def test_each_setting_keeps_its_time_by_the_costs(name: str, minutes: int, tmp_path: Path) -> None:
    job = Job(word="computer", out=tmp_path, setting=run.SETTINGS[name], work=Work(jobs=2))
    assert sum(step.about_s for step in run.plan(job, NOTHING_GIVEN, VOICES)) < 60 * minutes


def test_recordings_leave_the_synthesis_as_it_is(tmp_path: Path) -> None:
    job = Job(word="computer", out=tmp_path / "run", setting=run.SETTINGS["quick"])
    steps = [dataclasses.replace(step, work=lambda: None) for step in run.plan(job, NOTHING_GIVEN, VOICES)]
    runs.go(steps, lambda line: None)
    assert runs.pending(run.plan(job, NOTHING_GIVEN, VOICES)) == []
    given = gather("computer", Given(recordings=(record(tmp_path / "mine", 5),)))
    waiting = [step.name for step in runs.pending(run.plan(job, given, VOICES))]
    assert waiting == ["sort", "augment", "train", "quantize", "evaluate", "card", "report"]


def test_the_model_before_is_put_aside_when_another_follows(tmp_path: Path) -> None:
    job = Job(word="view glass", out=tmp_path, setting=run.SETTINGS["quick"])
    job.quantized.parent.mkdir()
    job.quantized.write_bytes(b"new")
    assert making.kept_before(job) is None
    step = Step(name="card", folder=job.model.parent, settings={}, work=lambda: job.model.write_bytes(b"old"))
    runs.go([step], lambda line: None)
    job.model.with_suffix(".json").write_bytes(b"{}")
    kept = making.kept_before(job)
    assert kept is not None
    assert kept.read_bytes() == b"old"
    assert kept.with_suffix(".json").read_bytes() == b"{}"
    job.quantized.write_bytes(b"old")
    assert making.kept_before(job) == kept, "the same model made again replaces nothing"


def measured(path: Path, missed: int) -> None:
    """Figures of a model that misses so many of ten words."""
    points = evaluation.make_points([0.5], [missed], 10, [0], 1.0)
    clean = evaluation.Condition(name="clean", noise=None, snr_db=None, positives=10, negative_hours=1.0, points=points)
    trigger = evaluation.TriggerSettings(threshold=0.5, window=3, refractory_s=1.0)
    found = evaluation.Evaluation(
        model="m", word="w", runtime="", trigger=trigger, us_per_frame=1.0, bytes=1, conditions=(clean,)
    )
    evaluation.write(found, path)


@pytest.mark.parametrize(
    ("before", "after", "refused"), [(None, 1, ""), (None, 6, "60%"), (1, 2, "10.0 points"), (2, 2, "")]
)
def test_what_hears_less_is_not_installed(before: int | None, after: int, refused: str, tmp_path: Path) -> None:
    job = Job(word="computer", out=tmp_path, setting=MINIATURE)
    measured(making.figures(job, "int8"), after)
    if before is not None:
        measured(making.figures(job, "before"), before)
    with pytest.raises(StageError, match=refused) if refused else nullcontext():
        making.refuse_worse(job)


@pytest.mark.parametrize("word", ["", "brr", "c3po", "x" * 100])
def test_a_word_without_pronunciation_is_refused_at_once(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", word]) == 2
    assert "wake word" in capsys.readouterr().err


def test_what_could_only_fail_later_is_refused_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "computer", "--jobs", "0"]) == 2
    assert "--jobs 0" in capsys.readouterr().err
    assert main(["run", "computer", "--out", str(tmp_path), "--before", str(tmp_path / "old.tflite")]) != 0
    assert "old.tflite" in capsys.readouterr().err
    assert not any(tmp_path.iterdir()), "no work was begun"


@pytest.mark.model
def test_a_short_word_is_warned_of(store: ModelStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It goes on, to what is wrong with the recordings."""
    try:
        voices.installed()
    except ApplianceError as error:
        pytest.skip(str(error))
    assert main(["run", "tea", "--out", str(tmp_path / "run"), "--recordings", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "2 sounds" in told
    assert "times in an hour" in told
    assert "holds no sound files" in told


MOST_MISSED = {"clean": 0.25, "10 dB": 0.5}
"""Measured 0 and 0.1 of 30; after a quarter of its training it is 0.77 and 0.97."""

MOST_APART = 0.01
"""Between probabilities; measured 0. Threads may add up in another order."""

MINIATURE = Setting(
    said=Said(words=60, confusables=40, sentences=100),
    held=Said(words=30, confusables=0, sentences=60),
    words=500,
    others=700,
    epochs=32.0,
    rounds=1,
    seeds=(1,),
)


@pytest.fixture(scope="module")
def miniature(store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """All of it for `computer`, 160 clips of simple voices, one training."""
    pytest.importorskip("tensorflow", reason="TensorFlow is only in the tools' environment (make venv-tools)")
    found = {name: those for name, those in voices.installed().items() if name in ("espeak-ng", "flite")}
    if len(found) < 2:
        pytest.skip("espeak-ng and flite are not both installed")
    job = Job(word="computer", out=tmp_path_factory.mktemp("run"), setting=MINIATURE)
    run.make(job, found)
    return job


@pytest.mark.slow
def test_a_miniature_hears_voices_that_it_never_heard(miniature: Job) -> None:
    """Without a false accept in sentences that it never heard; what has learned nothing misses nearly all."""
    found = evaluation.read(making.figures(miniature, "int8"))
    assert found.clean.positives == MINIATURE.held.words
    threshold = found.clean.allowing(0.0).threshold
    missed = {one.name: one.at(threshold).miss_rate for one in found.conditions}
    assert all(missed[name] <= most for name, most in MOST_MISSED.items()), missed
    assert "synthetic speech only" in miniature.report.read_text(encoding="utf-8")
    assert "INT8 against float" in miniature.report.read_text(encoding="utf-8")
    assert "synthetic speech only" in miniature.model.with_name("README.md").read_text(encoding="utf-8")
    install.check(miniature.model)


@pytest.mark.slow
def test_one_seed_gives_one_model(miniature: Job, tmp_path: Path) -> None:
    """Two short trainings on the same examples: their scores of sentences and words lie within MOST_APART."""
    from tools.quantize.examples import STEPS, read_examples
    from tools.quantize.net import Weights, scores

    rows = read_examples(miniature.out / "examples").features[::40].astype(np.float32) / STEPS
    found = []
    for name in ("first", "second"):
        learned = ("--examples", miniature.out / "examples", "--clips", miniature.out / "data" / "train.jsonl")
        told = ("--seeds", 7, "--epochs", 3, "--rounds", 0, "--out", tmp_path / name)
        assert making.call("train", miniature.word, *learned, *miniature.measuring, *told) == 0
        weights = Weights.load(str(tmp_path / name / "weights.npz"))
        found.append(np.array([1.0 / (1.0 + np.exp(-scores(weights, one))) for one in rows]))
    assert np.abs(found[0] - found[1]).max() <= MOST_APART
    assert np.ptp(found[0]) > 0.05, "they say something"
