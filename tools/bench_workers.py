"""What a cluster costs and gives: `python -m tools.bench_workers [--workers 1 2]`.

A small word is synthesized and its examples (alterations, features, the teacher's embeddings) are made by processes of
this machine, and by Dask: a scheduler and workers, each a process of its own. For each the time, the processor time of
those who work and of the scheduler; then what one empty task costs the scheduler, and how many bytes travel with one.
On a machine that others use, processor time is what can be compared.
"""

import argparse
import contextlib
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from appliance.errors import ApplianceError, StageError
from tools.quantize import synthesize, voices
from tools.quantize.__main__ import main as step
from tools.quantize.parallel import duration, map_all

WORD: Final = "computer"
CLIPS: Final = 60
EXAMPLES: Final = (120, 200)
"""With the word and without it."""
EMPTY_TASKS: Final = 500
_START_S: Final = 120.0
_TICK_S: Final = 1.0 / os.sysconf("SC_CLK_TCK")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2], metavar="N", help="(1 2)")
    args = parser.parse_args(arguments)
    try:
        for count in args.workers:
            print(f"{count} processes of a pool: {measured(['--jobs', str(count)], _own_s)}", flush=True)
        for count in args.workers:
            with tempfile.TemporaryDirectory() as folder, cluster(Path(folder), count) as (address, scheduler, workers):
                told = measured(["--scheduler", address], lambda: sum(spent_s(pid) for pid in workers))
                print(
                    f"{count} workers of Dask: {told}; scheduler {spent_s(scheduler):.1f} s with its start", flush=True
                )
                print(f"{count} workers of Dask: {empty_tasks(address, scheduler)}", flush=True)
        print(bytes_of_a_task())
    except ApplianceError as error:
        print(f"bench-workers: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def measured(how: Sequence[str], worked_s: Callable[[], float]) -> str:
    """Do it once. Raises StageError when a step fails."""
    told = []
    with tempfile.TemporaryDirectory() as folder:
        clips, examples = f"{folder}/clips", f"{folder}/examples"
        amounts = ["--count", str(CLIPS), "--confusables", "0", "--negatives", str(CLIPS)]
        numbers = ["--words", str(EXAMPLES[0]), "--others", str(EXAMPLES[1])]
        for name, command in {
            f"{2 * CLIPS} clips": ["synthesize", WORD, "--out", clips, *amounts],
            f"{sum(EXAMPLES)} examples": ["augment", WORD, "--clips", clips, "--out", examples, *numbers],
        }.items():
            began_s, before_s = time.monotonic(), worked_s()
            with contextlib.redirect_stdout(sys.stderr):
                failed = step([*command, *how])
            if failed:
                raise StageError(f"{command[0]} failed; see above")
            told.append(f"{name} in {time.monotonic() - began_s:.1f} s, worked {worked_s() - before_s:.1f} s")
    return ", ".join(told)


def empty_tasks(address: str, scheduler: int) -> str:
    """What tasks without work cost the scheduler."""
    before_s = spent_s(scheduler)
    done = list(map_all(duration, [float(number) for number in range(EMPTY_TASKS)], scheduler=address, what="nothing"))
    return f"an empty task costs the scheduler {1000 * (spent_s(scheduler) - before_s) / len(done):.2f} ms"


def bytes_of_a_task() -> str:
    """What travels to a worker and back; the sounds themselves lie in a folder that all see."""
    orders = synthesize.orders(WORD, voices.installed(), count=CLIPS, confusables=0, negatives=0, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        batch = next(synthesize.batches(Path(folder), orders))
        made = synthesize.make(batch)
    there, back = len(pickle.dumps(batch)), len(pickle.dumps(made))
    return f"a task of {len(batch.orders)} clips: {there} bytes to the worker, {back} back"


@contextlib.contextmanager
def cluster(folder: Path, workers: int) -> Iterator[tuple[str, int, list[int]]]:
    """Address of a scheduler, its process and the workers'. Raises StageError when they do not start."""
    file = folder / "scheduler.json"
    ports = ["--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    worker = ["dask_worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-dashboard", "--no-nanny"]
    commands = [["dask_scheduler", *ports], *[[*worker, "--local-directory", str(folder)]] * workers]
    processes = [
        subprocess.Popen([sys.executable, "-m", f"distributed.cli.{command}", *rest], stderr=subprocess.DEVNULL)
        for command, *rest in commands
    ]
    try:
        yield _address(file, workers), processes[0].pid, [process.pid for process in processes[1:]]
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


def spent_s(pid: int) -> float:
    """Processor time of a process and its ended children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) * _TICK_S


def _own_s() -> float:
    """Processor time of this process and its ended children."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _address(file: Path, workers: int) -> str:
    """Wait until all of them are there."""
    from distributed import Client  # type: ignore[import-not-found,unused-ignore]

    deadline_s = time.monotonic() + _START_S
    while not file.exists():
        if time.monotonic() > deadline_s:
            raise StageError("the Dask scheduler did not start; is `distributed` installed here?")
        time.sleep(0.1)
    with Client(scheduler_file=str(file), set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=_START_S)
        address: str = client.scheduler.address
    return address


if __name__ == "__main__":
    sys.exit(main())
