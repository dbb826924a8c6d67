"""A conversation without end with the live appliance, and its figures."""

import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from appliance import config_files
from appliance.audio.format import FRAME_MS, SAMPLE_RATE_HZ, Pcm
from appliance.bench.lateness import busy_cores
from appliance.bench.speech import frames_of
from appliance.bench.turns import Frames
from appliance.brains import load_brains, load_voice
from appliance.config_files import SHIPPED_CONFIG
from appliance.demo.table import Turn
from appliance.errors import ApplianceError
from appliance.events import AudioDropped, Event, SpeakingStarted, TurnFinished
from appliance.replay import ReplaySettings, replay
from tools.conversation import QUIET, Ear, Person
from tools.frame_clock import FrameClock, bare_loop, bare_reader, delays_ms
from tools.live_appliance import LiveAppliance, Scene
from tools.live_figures import TurnFigures, lateness, p50_p95, stages
from tools.sound_server import SoundServer

HOME: Final = SHIPPED_CONFIG.parent / "home.yaml"

SCRIPT: Final = {
    "Alexa, set the volume to sixty percent.": "volume_set",
    "Alexa, turn on the kitchen light.": "turn_on",
    "Alexa, help.": "help",
    "Alexa, turn off the bedroom light.": "turn_off",
}
"""Said in turn; their answers are always the same, so that they can be recognized again."""

REST_S: Final = 10
"""How long the appliance is watched at rest, without load, before the conversation."""

HEARD_SHARE: Final = 0.6
"""An answer was heard when so many of its words were; the recognizer writes some of them in another way."""

SPEECH_LEVEL: Final = 400
"""Samples above it are speech: the noise of the quiet room stays below 100."""

Tell = Callable[[str], None]
"""Gets the progress, in words."""


class _Said(msgspec.Struct, frozen=True):
    """One thing that was said, and what came of it; None where nothing did."""

    text: str
    turn: Turn | None
    heard: Pcm
    first_sound_ms: int | None

    @property
    def is_right(self) -> bool:
        return self.turn is not None and self.turn.intent == SCRIPT[self.text] and self.turn.done == "yes"

    def is_heard(self, ear: Ear) -> bool:
        return self.turn is not None and ear.heard_share(self.turn.answered, self.heard) >= HEARD_SHARE


def converse(scene: Scene, person: Person, ear: Ear, seconds: int, tell: Tell) -> TurnFigures:
    """Talk with an appliance for so long. Raises ApplianceError where it does not start, or dies."""
    with FrameClock(scene.folder) as clock:
        environment = scene.server.environment | clock.environment
        with LiveAppliance(scene.folder, scene.port, environment, home=HOME) as appliance:
            tell(f"watching it rest for {REST_S} s")
            first_s = time.monotonic()
            scene.server.speak(np.zeros(REST_S * SAMPLE_RATE_HZ, np.int16))
            rested_s = time.monotonic()
            with busy_cores() as busy, bare_loop() as loop, bare_reader(environment) as reader:
                began_s, began_cpu_s = time.monotonic(), appliance.cpu_s
                said = _talk(scene.server, appliance, person, began_s + seconds, tell)
                ended_s, ended_cpu_s = time.monotonic(), appliance.cpu_s
            events = [event for _, event in appliance.events]
        times = clock.stop()
    tell("transcribing what was heard")
    resting = [moment for moment in times if first_s < moment < rested_s]
    talking = [moment for moment in times if began_s < moment < ended_s]
    limit_ms = round(max(delays_ms(resting))) + FRAME_MS
    first_sounds = [one.first_sound_ms for one in said if one.first_sound_ms is not None]
    return TurnFigures(
        seconds=round(ended_s - began_s),
        busy_processes=busy,
        turns=len(said),
        right=sum(one.is_right for one in said),
        heard=sum(one.is_heard(ear) for one in said),
        dropped_frames=sum(event.frames for event in events if isinstance(event, AudioDropped)),
        cpu_share=(ended_cpu_s - began_cpu_s) / (ended_s - began_s),
        bare_loop=lateness(loop, FRAME_MS),
        resting=lateness(resting, limit_ms),
        bare_reader=lateness(reader, limit_ms),
        talking=lateness(talking, limit_ms),
        live_ms=stages([event for event in events if isinstance(event, TurnFinished)]),
        replay_ms=stages(_replayed(scene.folder / "appliance.toml", [person.says(text) for text in SCRIPT])),
        by_clock_ms=p50_p95(first_sounds),
    )


def _talk(server: SoundServer, appliance: LiveAppliance, person: Person, until_s: float, tell: Tell) -> list[_Said]:
    said: list[_Said] = []
    for text in itertools.takewhile(lambda _: time.monotonic() < until_s, itertools.cycle(SCRIPT)):
        said.append(_say(server, appliance, text, person.says(text)))
        right = sum(one.is_right for one in said)
        tell(f"{len(said)} turns, {right} right, {max(0.0, until_s - time.monotonic()):.0f} s to go")
    return said


def _say(server: SoundServer, appliance: LiveAppliance, text: str, speech: Pcm) -> _Said:
    known, turn = len(appliance.events), None
    quiet_s = (speech.size - np.flatnonzero(np.abs(speech) > SPEECH_LEVEL)[-1]) / SAMPLE_RATE_HZ
    with server.record() as recording:
        server.speak(speech)
        spoken_s = time.monotonic() - quiet_s
        try:
            turn = appliance.turn()
        except ApplianceError:
            if not appliance.alive:
                raise
        appliance.rest()
        server.speak(QUIET)
    started = [at for at, event in appliance.events[known:] if isinstance(event, SpeakingStarted)]
    return _Said(text, turn, recording.samples, round((started[0] - spoken_s) * 1000) if started else None)


def _replayed(config: Path, recordings: Sequence[Pcm]) -> list[TurnFinished]:
    loaded = config_files.load(config)
    brains, voice = load_brains(loaded), load_voice(loaded, deterministic=True)
    events: list[Event] = []
    try:
        for pcm in recordings:
            replay(brains, Frames(frames_of(pcm)), ReplaySettings(), voice=voice, publish=events.append)
    finally:
        voice.close()
    return [event for event in events if isinstance(event, TurnFinished)]
