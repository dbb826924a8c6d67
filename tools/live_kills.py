"""The sound server of a live appliance is killed and started again, over and over; and its figures."""

import itertools
from collections.abc import Callable
from typing import Final

import msgspec

from appliance.events import SpeakingStarted, State, StateChanged
from tools.conversation import Person
from tools.live_appliance import LiveAppliance, Scene, outlive
from tools.sound_server import SoundServer

COMMAND: Final = "Alexa, help."
"""Its answer is the longest, so that there is time to kill."""

INTENT: Final = "help"

DOING: Final = ("idle", "listening", "idle", "speaking")
OUTAGES_S: Final = (0.0, 0.5, 3.0)
"""A sound server is started again at once as a rule, and later where it fails at first."""

TURN_EVERY: Final = 10
"""After so many kills a whole turn must work."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How big the process is."""

    threads: int
    descriptors: int
    memory_mb: int


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    """One kill."""

    doing: str
    """What the appliance was doing: idle, listening, speaking."""

    outage_s: float
    """How long there was no sound server, after the loss was told."""

    back_s: float
    """From the server's return to the microphone's."""


class KillFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the kills."""

    kills: list[Kill]
    turns: int
    right: int
    """Of the turns in between."""

    before: Size
    after: Size

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"sound server killed {len(self.kills)} times; from its return to the microphone's:"]
        for key in sorted({(kill.doing, kill.outage_s) for kill in self.kills}):
            times = sorted(kill.back_s for kill in self.kills if (kill.doing, kill.outage_s) == key)
            name = f"while {key[0]}, gone for {key[1]:g} s"
            lines.append(
                f"  {name:<30} {len(times):3} times   median {times[len(times) // 2]:.2f}   longest {times[-1]:.2f} s"
            )
        lines.append(f"  turns in between: {self.right} of {self.turns} right")
        for name, size in (("before", self.before), ("after", self.after)):
            lines.append(f"  {name}: {size.threads} threads, {size.descriptors} descriptors, {size.memory_mb} MB")
        return lines


def kill_often(scene: Scene, person: Person, kills: int, tell: Callable[[str], None]) -> KillFigures:
    """Kill it so often: at rest, while the appliance listens, at rest, while it speaks, and again.

    Raises ApplianceError where the appliance does not start, dies, or gets no microphone again.
    """
    done: list[Kill] = []
    rights: list[bool] = []
    server = scene.server
    with LiveAppliance(scene.folder, scene.port, server.environment) as appliance:
        rights.append(_turn(server, appliance, person))
        before = _size(appliance)
        for doing, outage_s in itertools.islice(zip(itertools.cycle(DOING), itertools.cycle(OUTAGES_S)), kills):
            _bring_to(doing, server, appliance, person)
            back_s = round(outlive(server, appliance, outage_s), 3)
            done.append(Kill(doing=doing, outage_s=outage_s, back_s=back_s))
            appliance.rest()
            if len(done) % TURN_EVERY == 0 or len(done) == kills:
                rights.append(_turn(server, appliance, person))
                longest_s = max(kill.back_s for kill in done)
                tell(f"{len(done)} kills, longest {longest_s:.2f} s; {sum(rights)} of {len(rights)} turns right")
        after = _size(appliance)
    return KillFigures(kills=done, turns=len(rights), right=sum(rights), before=before, after=after)


def _bring_to(doing: str, server: SoundServer, appliance: LiveAppliance, person: Person) -> None:
    if doing != "idle":
        server.speak(person.says(COMMAND))
        if doing == "listening":
            appliance.wait_for(StateChanged, to=State.LISTENING)
        else:
            appliance.wait_for(SpeakingStarted)


def _turn(server: SoundServer, appliance: LiveAppliance, person: Person) -> bool:
    server.speak(person.says(COMMAND))
    turn = appliance.turn()
    appliance.rest()
    return turn.intent == INTENT and turn.done == "yes"


def _size(appliance: LiveAppliance) -> Size:
    return Size(
        threads=len(appliance.threads), descriptors=len(appliance.descriptors), memory_mb=round(appliance.memory_mb)
    )
