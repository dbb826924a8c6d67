"""Work on all cores: results in order, failures told and survived, and the steps that are started from the shell."""

import errno
import importlib.util
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from appliance.config_files import PROJECT
from appliance.errors import StageError, UsageError
from tools.quantize.__main__ import STEPS, main
from tools.quantize.parallel import Progress, duration, map_all


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_order_and_a_failure_loses_nothing_else(jobs: int, capsys: pytest.CaptureFixture[str]) -> None:
    items = [float(number) for number in range(12)]
    items[5] = -1.0
    found = list(map_all(math.sqrt, items, jobs=jobs, what="roots"))
    assert found == [math.sqrt(item) for item in items if item >= 0]
    told = capsys.readouterr().err
    assert "roots: one of 12 failed: ValueError: math domain error" in told
    assert "roots: 12 of 12 in" in told


def test_nothing_to_do_is_done_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(map_all(math.sqrt, [])) == []
    assert capsys.readouterr().err == ""


def test_when_all_fail_it_fails() -> None:
    with pytest.raises(StageError, match="roots: all 2 failed; the first one: ValueError"):
        list(map_all(math.sqrt, [-1.0, -2.0], jobs=1, what="roots"))


def test_a_full_disk_stops_at_once() -> None:
    asked = []

    def write(number: int) -> int:
        asked.append(number)
        raise OSError(errno.ENOSPC, "No space left on device", "clip.flac")

    with pytest.raises(StageError, match=r"disk is full .*clip\.flac.*make room"):
        list(map_all(write, [1, 2, 3], jobs=1))
    assert asked == [1]


def test_a_process_that_dies_is_told() -> None:
    with pytest.raises(StageError, match="ended by itself, perhaps for want of memory; use fewer --jobs"):
        list(map_all(os._exit, [3] * 20, jobs=2))


def test_workers_end_with_the_process_that_started_them() -> None:
    program = "import os, time; from tools.quantize.parallel import map_all\n"
    program += "if __name__ == '__main__':\n    results = map_all(time.sleep, [0.0] * 2 + [60.0] * 9, jobs=2)\n"
    program += "    next(results); print('working', flush=True); os.kill(os.getpid(), 9)\n"
    # The workers hold the same pipe open: it ends when the last of them has ended.
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=PROJECT, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (-9, b"working\n")


def test_no_more_items_are_under_way_than_the_workers_need() -> None:
    taken = []

    class Items(list[float]):
        def __iter__(self):  # type: ignore[no-untyped-def]
            for item in range(1000):
                taken.append(item)
                yield float(item)

    results = map_all(math.sqrt, Items([0.0] * 1000), jobs=2)
    next(results)
    assert len(taken) < 20
    results.close()  # type: ignore[attr-defined]


def test_a_scheduler_that_is_not_there_is_told() -> None:
    with pytest.raises(UsageError, match="--scheduler"):
        list(map_all(math.sqrt, [1.0], scheduler="no address"))


def test_progress_tells_the_time_left() -> None:
    now_s = 100.0
    progress = Progress("clips", 40, clock=lambda: now_s)
    assert str(progress) == "clips: 0 of 40"
    progress.step(10)
    now_s += 20.0
    assert str(progress) == "clips: 10 of 40, 60 s left"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89.0, "89 s"), (125.0, "2 min"), (3600.0, "1 h 0 min"), (4900.0, "1 h 22 min")]
)
def test_durations_in_words(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_every_step_is_a_module_with_the_two_functions() -> None:
    for step in STEPS:
        assert (PROJECT / "tools" / "quantize" / f"{step}.py").is_file(), step


def test_help_imports_no_step(capsys: pytest.CaptureFixture[str]) -> None:
    program = "import sys; from tools.quantize.__main__ import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    program += "print([name for name in sys.modules if name.startswith('tools.quantize.') and name[15:] != '__main__'])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(step in done.stdout for step in STEPS)


def test_an_error_is_one_sentence_and_a_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["split", str(tmp_path / "nothing"), "computer"]) == 2
    assert capsys.readouterr().err.startswith("quantize: ")
    with pytest.raises(SystemExit) as unknown:
        main(["juggle"])
    assert unknown.value.code == 2


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="dask.distributed is not installed")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_cluster_of_separate_processes(workers: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "scheduler.json"
    scheduler = ["dask_scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    worker = ["dask_worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-dashboard"]
    worker += ["--local-directory", str(tmp_path)]
    commands = [scheduler, *[worker] * workers]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    started = [
        subprocess.Popen([sys.executable, "-m", f"distributed.cli.{name}", *rest], env=environment, cwd=tmp_path)
        for name, *rest in commands
    ]
    try:
        deadline_s = time.monotonic() + 30
        while not file.exists() and time.monotonic() < deadline_s:
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        found = list(map_all(duration, [float(n) for n in range(50)], scheduler=address, what="words"))
        assert found == [f"{n} s" for n in range(50)]
        kept = list(map_all(math.sqrt, [4.0, -1.0, 9.0], scheduler=address))
        assert kept == [2.0, 3.0]
        assert "one of 3 failed" in capsys.readouterr().err
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(timeout=20)
