"""Hears recordings with a model, in as many processes as there are; each stream with the engine as new."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from appliance.audio.format import FRAME_SAMPLES, Frame, Pcm
from appliance.errors import AudioError
from appliance.wake.engine import WakeEngine
from tools.quantize import contestant, streams
from tools.quantize.clips import Clip, read_pcm
from tools.quantize.contestant import Reference
from tools.quantize.parallel import map_all
from tools.quantize.streams import Stream
from tools.quantize.sweeping import Heard

Judged = list[tuple[Stream, Heard]]
"""Streams, and what was heard in them."""

_STREAMS_PER_JOB = 40
"""At most: some minutes of clips, so that the work is spread evenly and the time left is told well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What is put on the positives."""

    path: Path
    snr_db: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How much of the machine is used."""

    scheduler: str | None = None
    """Address of a Dask scheduler; None: this machine."""

    jobs: int | None = None
    """Processes; None: one a core."""


def hear_all(reference: Reference, groups: Sequence[tuple[Noise | None, Sequence[Stream]]], work: Work) -> list[Judged]:
    """Every stream of every group, in order; what cannot be heard has a problem."""
    jobs = []
    for group, (noise, found) in enumerate(groups):
        step = max(1, min(_STREAMS_PER_JOB, len(found) // 8))
        for first in range(0, len(found), step):
            some = tuple(found[first : first + step])
            jobs.append(_Job(reference=reference, group=group, first=first, streams=some, noise=noise))
    failed = Heard(problem="what heard it failed; see the messages above")
    heard = [[(stream, failed) for stream in found] for _, found in groups]
    for job, results in map_all(_hear, jobs, scheduler=work.scheduler, jobs=work.jobs, what="hearing"):
        heard[job.group][job.first : job.first + len(results)] = zip(job.streams, results, strict=True)
    return heard


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """Some streams to hear, one after the other, each with the engine as new."""

    reference: Reference
    group: int
    first: int
    """Number of the first stream in its group."""

    streams: tuple[Stream, ...]
    noise: Noise | None


def _hear(job: _Job) -> tuple[_Job, list[Heard]]:
    """Score streams, in whatever process."""
    engine = _engine(job.reference)
    return job, [_hear_one(engine, stream, job.noise) for stream in job.streams]


def _hear_one(engine: WakeEngine, stream: Stream, noise: Noise | None) -> Heard:
    try:
        sound = streams.render(stream, read_noise(noise.path) if noise else None, noise.snr_db if noise else 0.0)
    except AudioError as error:
        return Heard(problem=str(error))
    engine.reset()
    blocks = sound.pcm.reshape(-1, FRAME_SAMPLES)
    scores = np.array([engine.process(Frame(index, block)) for index, block in enumerate(blocks)], np.float64)
    return Heard(scores=scores, samples=sound.samples, starts=sound.starts)


@lru_cache(maxsize=1)
def _engine(reference: Reference) -> WakeEngine:
    return contestant.find(reference).open()


@lru_cache(maxsize=4)
def read_noise(path: Path) -> Pcm:
    """Raises AudioError."""
    pcm = read_pcm(Clip(path=path))
    if not pcm.any():
        raise AudioError(f"{path}: is silent; name a noise")
    return pcm
