"""Lights, short sounds, the button and the mute switch: what they show and mean, and faults of pins."""

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from appliance import config as configuration
from appliance.audio.format import FRAMES_PER_S
from appliance.audio.hardware import Hardware, Profile
from appliance.audio.tones import BLIP_PEAK_DBFS, EARCONS, Earcon, earcon_tone
from appliance.commands import Command, Listen, Mute, Stop
from appliance.config import Signals
from appliance.earcons import earcon_of
from appliance.errors import ConfigError
from appliance.events import (
    Event,
    Failed,
    IntentRejected,
    MicrophoneLost,
    MicrophoneRestored,
    SpeakingEnded,
    Started,
    State,
    StateChanged,
)
from appliance.lights import DARK, LIGHTS, LOST, Light, Lights
from appliance.presses import HOLD_FRAMES, Presses
from appliance.runtimes.gpio import Panel, Pins
from tests.fakes import Bench, ScriptedSpotter

STARTED = Started(frame=0, version="1", wake_words=("alexa",))


def moved(from_: State, to: State) -> StateChanged:
    return StateChanged(frame=1, from_=from_, to=to)


# Lights.


def shown(*events: Event) -> list[Light]:
    found: list[Light] = []
    lights = Lights(found.append)
    for event in events:
        lights.take(event)
    return found


def test_every_state_has_a_light_of_its_own() -> None:
    colours = [(light.red, light.green, light.blue) for light in (*LIGHTS.values(), LOST)]
    assert LIGHTS.keys() == set(State)
    assert len(set(colours)) == len(colours)
    assert {state for state, light in LIGHTS.items() if light.single} == set(State) - {State.IDLE, State.MUTED}


def test_the_light_follows_the_states_and_nothing_else() -> None:
    events = (STARTED, moved(State.IDLE, State.LISTENING), Failed(frame=1, stage="x", error="y"))
    assert shown(*events) == [DARK, LIGHTS[State.LISTENING]]


def test_a_lost_microphone_is_shown_at_rest() -> None:
    lost, back = MicrophoneLost(frame=1, device="USB"), MicrophoneRestored(frame=9, device="USB")
    rings = (moved(State.IDLE, State.RINGING), moved(State.RINGING, State.IDLE))
    assert shown(lost, *rings, back) == [LOST, LIGHTS[State.RINGING], LOST, DARK]


# Short sounds.


@pytest.mark.parametrize(
    ("event", "earcon"),
    [
        (moved(State.IDLE, State.LISTENING), Earcon.LISTENS),
        (moved(State.SPEAKING, State.FOLLOWING_UP), Earcon.LISTENS_ON),
        (moved(State.IDLE, State.MUTED), Earcon.ENDS),
        (moved(State.MUTED, State.IDLE), Earcon.LISTENS_ON),
        (moved(State.THINKING, State.SPEAKING), None),
        (IntentRejected(frame=1, text=None, reason="no_speech"), Earcon.ENDS),
        (IntentRejected(frame=1, text=None, reason="not_understood"), None),
        (SpeakingEnded(frame=1, reason="failed"), Earcon.TROUBLE),
        (SpeakingEnded(frame=1, reason="done"), None),
        (MicrophoneLost(frame=1, device="USB"), Earcon.TROUBLE),
        (STARTED, None),
    ],
)
def test_which_event_makes_which_sound(event: Event, earcon: Earcon | None) -> None:
    assert earcon_of(event) is earcon


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 44_100])
@pytest.mark.parametrize("earcon", list(Earcon))
def test_a_short_sound_is_soft_and_made_of_whole_frames(earcon: Earcon, rate_hz: int) -> None:
    pcm = earcon_tone(earcon, rate_hz)
    assert pcm.size == 0.08 * rate_hz * len(EARCONS[earcon]) <= 0.24 * rate_hz
    assert pcm.size % (rate_hz // FRAMES_PER_S) == 0
    assert 20 * np.log10(np.abs(pcm).max() / 32_768) == pytest.approx(BLIP_PEAK_DBFS, abs=0.1)
    assert abs(int(pcm[0])) + abs(int(pcm[-1])) < 10, "it does not click"


def test_a_turn_makes_its_sounds_and_they_are_no_answers() -> None:
    silent, bench = (Bench(spotter=ScriptedSpotter(20), earcons=earcons).run(300) for earcons in (False, True))
    assert (len(silent.speaker.heard), len(bench.speaker.heard)) == (0, 16), "two of 160 ms: it listens, it gives up"
    assert bench.told() == silent.told()
    assert [frame for frame, pcm in bench.spotter.played.items() if pcm is not None][:8] == list(range(21, 29)), (
        "what the appliance plays is known, and can be taken out of what it hears"
    )


# The button and the mute switch.


def commands(*runs: tuple[int, str], rests: bool = True, muted: bool = False) -> list[tuple[int, Command]]:
    """Frame and command. `runs`: so many frames, in which `b` (button) and `s` (switch) are closed where named."""
    presses, found, frame = Presses(), list[tuple[int, Command]](), 0
    for frames, closed in runs:
        for _ in range(frames):
            command = presses.update(frame, button="b" in closed, switch="s" in closed, rests=rests, muted=muted)
            if command is not None:
                found.append((frame, command))
            frame += 1
    return found


def test_a_press_listens_at_rest_and_ends_what_goes_on() -> None:
    press = ((10, ""), (5, "b"), (10, ""))
    assert commands(*press) == [(16, Listen())]
    assert commands(*press, rests=False) == [(16, Stop())]


def test_a_long_press_mutes_once_or_hears_again() -> None:
    hold = ((10, ""), (2 * HOLD_FRAMES, "b"), (10, ""))
    assert commands(*hold) == [(11 + HOLD_FRAMES, Mute(on=True))]
    assert commands(*hold, muted=True) == [(11 + HOLD_FRAMES, Mute(on=False))]


def test_bouncing_is_no_press() -> None:
    assert commands((5, ""), (1, "b"), (5, ""), (1, "b"), (5, "")) == []
    assert commands((5, ""), (1, "b"), (1, ""), (4, "b"), (1, ""), (1, "b"), (5, "")) == [(14, Listen())]


def test_the_switch_mutes_as_long_as_it_is_closed_also_from_the_start() -> None:
    assert commands((20, "s"), (20, "")) == [(1, Mute(on=True)), (21, Mute(on=False))]


# The pins.


@pytest.fixture
def factory() -> Iterator[Any]:
    mock = pytest.importorskip("gpiozero.pins.mock", reason="gpiozero is not installed; make gpio")
    made = mock.MockFactory()
    yield made
    made.close()


def test_three_leds_show_the_colour_and_one_whether_something_goes_on(factory: Any) -> None:
    colour, single = (Panel(Pins(led=led), factory=lambda: factory) for led in ((5, 6, 13), (25,)))
    for light in (*LIGHTS.values(), LOST):
        colour.show(light)
        single.show(light)
        assert [bool(factory.pin(pin).state) for pin in (5, 6, 13)] == [light.red, light.green, light.blue]
        assert bool(factory.pin(25).state) is light.single


def test_contacts_to_ground_are_closed_when_low(factory: Any) -> None:
    panel = Panel(Pins(button=23, mute=17), factory=lambda: factory)
    assert (panel.button, panel.switch) == (False, False)
    factory.pin(23).drive_low()
    assert (panel.button, panel.switch) == (True, False)
    factory.pin(17).drive_low()
    assert panel.switch
    panel.close()
    assert (panel.button, panel.switch) == (False, False)


def test_a_pin_that_is_taken_is_told_and_done_without(factory: Any, caplog: pytest.LogCaptureFixture) -> None:
    first = Panel(Pins(button=23), factory=lambda: factory)
    with caplog.at_level(logging.WARNING):
        second = Panel(Pins(led=(25,), button=23), factory=lambda: factory)
        second.show(LIGHTS[State.LISTENING])
    assert not second.button
    assert "GPIOPinInUse" in caplog.text
    assert len(caplog.messages) == 1
    first.close()


def test_a_machine_without_pins_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    def none() -> Any:
        raise OSError("no /dev/gpiochip0")

    with caplog.at_level(logging.WARNING):
        panel = Panel(Pins(led=(25,), button=23), factory=none)
        panel.show(DARK)
        panel.close()
    assert not panel.button
    [message] = caplog.messages
    assert message.startswith("LED and button: ")


# Configuration.


def test_pins_are_those_of_the_configuration_else_of_the_chosen_profile() -> None:
    profile = Profile(name="x", title="X", device="xyz", led_pins=(25,), button_pin=23)
    chosen = Hardware(chosen=profile)
    assert chosen.pins(Signals()) == Pins(led=(25,), button=23)
    assert chosen.pins(Signals(led_pins=[5, 6, 13], mute_pin=17)) == Pins(led=(5, 6, 13), button=23, mute=17)
    assert Hardware(profiles=(profile,)).pins(Signals()) is None, "recognized by itself is not enough to drive pins"


@pytest.mark.parametrize("pins", ["[5, 6]", "[5, 6, 7, 8]", "[28]"])
def test_pins_that_cannot_be_are_refused(pins: str) -> None:
    with pytest.raises(ConfigError, match=r"led_pins"):
        configuration.parse(f"[signals]\nled_pins = {pins}\n", "a.toml")
