"""Processor time of each stage for one 20 ms frame, real-time factors, and memory."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from appliance.audio.format import FRAME_MS, FRAMES_PER_S, SAMPLE_RATE_HZ, Frame, Pcm, ms_of_frames
from appliance.audio.health import AudioHealth
from appliance.audio.ring import Ring
from appliance.brains import Brains, load_language, load_taught
from appliance.config_files import LoadedConfig
from appliance.errors import ModelError
from appliance.listening import CHUNK_FRAMES
from appliance.wake import load

BLOCK_FRAMES = FRAMES_PER_S
ROUNDS = 5

PEERS = (
    ("microWakeWord in its own runtime (pymicro-wakeword 2.5)", 47),
    ("Porcupine 1.9.5", 100),
    ("openWakeWord in its own runtime (pyopen-wakeword 1.1)", 1130),
)
"""us of CPU for 20 ms, measured once on another x86-64 machine with two shared cores."""


def cpu_us_per_frame(work: Callable[[Frame], object], frames: Sequence[Frame]) -> float:
    """The least processor time per frame over blocks of a second: other work on the machine only ever adds to it."""
    best = float("inf")
    for _ in range(ROUNDS):
        for begin in range(0, len(frames) - BLOCK_FRAMES + 1, BLOCK_FRAMES):
            started = time.process_time()
            for frame in frames[begin : begin + BLOCK_FRAMES]:
                work(frame)
            best = min(best, (time.process_time() - started) / BLOCK_FRAMES)
    return best * 1e6


def frame_costs(brains: Brains, frames: Sequence[Frame]) -> list[str]:
    """Lines: stage and us per frame; every installed wake engine is measured beside the configured words."""
    ring, health = Ring(), AudioHealth()

    def keep_and_check(frame: Frame) -> None:
        ring.append(frame)
        health.update(frame)

    rows = [("ring and audio health", cpu_us_per_frame(keep_and_check, frames))]
    for name in ("alexa", "okay_nabu", "oww_alexa"):
        try:
            engine = load(name, store=brains.store)
        except ModelError:
            continue  # not installed: the non-commercial ones are not by default
        rows.append((f"wake word {name}", cpu_us_per_frame(engine.process, frames)))
        engine.close()
    rows.append(("speech detector (only while listening)", cpu_us_per_frame(brains.detector.process, frames)))
    brains.detector.reset()
    lines = [f"  {name:<58} {cost:8.1f} us   {cost / FRAME_MS / 10:6.2f} % of a core" for name, cost in rows]
    lines.append("  for comparison, measured elsewhere, for the order of magnitude:")
    lines += [f"  {name:<58} {cost:8.1f} us" for name, cost in PEERS]
    return lines


def real_time_factors(brains: Brains, pcm: Pcm) -> list[str]:
    """Lines: processor time of the recognizer for a second of sound."""
    recognizer, step = brains.recognizer, CHUNK_FRAMES * 320
    recognizer.begin(after_wake=True)
    started = time.process_time()
    for chunk in np.split(pcm, range(step, pcm.size, step)):
        recognizer.accept(chunk)
    listening = time.process_time() - started
    started = time.process_time()
    recognizer.finish()
    finishing = time.process_time() - started
    recognizer.begin(after_wake=True)
    seconds = pcm.size / 16_000
    chunks = f"recognizer, in chunks of {ms_of_frames(CHUNK_FRAMES)} ms with partial results"
    return [
        f"  {chunks:<58}  {listening / seconds:6.3f} CPU s per s",
        f"  {'recognizer, final result':<58}  {finishing * 1000:6.1f} ms CPU",
    ]


def learning_costs(loaded: LoadedConfig, brains: Brains, pcm: Pcm) -> list[str]:
    """Lines: what it takes to make the language and all that is learned from it, beside free dictation."""
    rows = []

    def measured(name: str, work: Callable[[], object]) -> object:
        memory, started = resident_mb(), time.process_time()
        made = work()
        cost = time.process_time() - started
        rows.append(f"  {name:<58} {cost:6.2f} CPU s  {resident_mb() - memory:+6.1f} MB")
        return made

    with tempfile.TemporaryDirectory() as folder:
        apart = replace(loaded, cache=Path(folder))
        language = load_language(loaded, brains.home)
        measured("templates of the language, read", lambda: load_language(loaded, brains.home))
        known = load_taught(replace(loaded, cache=None), language)
        measured("words, training text and graph of sounds, made", lambda: load_taught(apart, language))
        measured("the same, from the file that is kept", lambda: load_taught(apart, language))
        sayable = [text for text in known.sentences if all(map(brains.vosk.knows, text.split()))]
        hears = measured(f"language model of {len(sayable)} sentences", lambda: brains.vosk.of_sentences(sayable))
        measured("recognizer of these sentences", hears.recognizer)  # type: ignore[attr-defined]
        measured("10,000 sentences drawn", lambda: language.sentences(10_000))
        measured("first match of each intent, nearest sentence", language.warm_up)
    free = measured("recognizer of free dictation", lambda: brains.vosk.recognizer(None))
    measured(f"free dictation of {pcm.size / SAMPLE_RATE_HZ:.1f} s", lambda: free.AcceptWaveform(pcm.tobytes()))  # type: ignore[attr-defined]
    return rows


def resident_mb(process: str = "self") -> float:
    """Resident memory of a process, MB."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")
