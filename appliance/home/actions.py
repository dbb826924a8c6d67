"""Actions: what an intent does, what changes, and what is answered.

`ACTIONS` is the whole list of the built-in language's intents, one function each; the owner's own sentences publish a
message or run a program. An action looks at an immutable `Situation`, reaches the world only through `Effects`, and
returns what the frame loop is to change. It reads no clock and keeps nothing, so it runs on a worker thread.

Answers stand in `appliance/languages/en/answers.yaml`, times and numbers for them in `phrases.py`.
"""

from collections.abc import Callable, Sequence
from typing import Final

from appliance.errors import StageError
from appliance.home import phrases
from appliance.home.device_actions import brightness_set, scene_activate, turn_off, turn_on
from appliance.home.own_actions import own_sentence
from appliance.home.timer_actions import timer_ask, timer_cancel, timer_set
from appliance.home.timers import Timer
from appliance.home.turn import (
    Answer,
    CancelTimer,
    Change,
    Done,
    Effects,
    SetTimer,
    SetVolume,
    Situation,
    StopRinging,
    Turn,
)
from appliance.intent import Intent, Outcome
from appliance.understanding.home_file import HomeConfig

__all__ = ["ACTIONS", "Actions", "Answer", "CancelTimer", "Change", "Done", "Effects"]
__all__ += ["SetTimer", "SetVolume", "Situation", "StopRinging", "Timer"]

VOLUME_STEP_PERCENT: Final = 10


class Actions:
    """Carries out intents. Used from one worker thread."""

    def __init__(self, home: HomeConfig, effects: Effects, answer: Answer) -> None:
        """`home`: devices and own sentences; `effects`: the way out; `answer`: the language."""
        self._home = home
        self._effects = effects
        self._answer = answer
        self._own = {own.name: own for own in home.sentences}

    def perform(self, intent: Intent, situation: Situation) -> Done:
        """Do what is wanted. What cannot be done is answered honestly, with the reason in `detail`.

        Raises:
            StageError: the intent has no action, or not the values that its action needs: language, home and actions
                do not fit together.
        """
        effects = _NoEffects() if situation.dry_run else self._effects
        turn = Turn(home=self._home, effects=effects, answer=self._answer, intent=intent, situation=situation)
        if intent.name in ACTIONS:
            return ACTIONS[intent.name](turn)
        if intent.name in self._own:
            return own_sentence(turn, self._own[intent.name])
        raise StageError(
            f"intent {intent.name}: no action belongs to it; add it to ACTIONS in appliance/home/actions.py"
        )


class _NoEffects:
    """A dry run: as if everything worked."""

    def publish(self, topic: str, payload: str, qos: int, retain: bool) -> None:
        pass

    def run_program(self, command: Sequence[str], timeout_s: float) -> str:
        return ""


def _time_ask(turn: Turn) -> Done:
    return turn.says("time", time=phrases.time_of_day(turn.situation.now.time()))


def _date_ask(turn: Turn) -> Done:
    return turn.says("date", date=phrases.calendar_day(turn.situation.now.date()))


def _volume_set(turn: Turn) -> Done:
    percent = turn.whole("percent")
    if not 0 <= percent <= 100:
        return turn.regrets("percent_range", f"{percent} percent")
    return turn.says("volume", SetVolume(percent), percent=phrases.number(percent))


def _volume_up(turn: Turn) -> Done:
    if turn.situation.volume >= 100:
        return turn.says("volume_highest")
    percent = min(100, turn.situation.volume + VOLUME_STEP_PERCENT)
    return turn.says("volume", SetVolume(percent), percent=phrases.number(percent))


def _volume_down(turn: Turn) -> Done:
    if turn.situation.volume <= 0:
        return turn.says("volume_lowest")
    percent = max(0, turn.situation.volume - VOLUME_STEP_PERCENT)
    return turn.says("volume", SetVolume(percent), percent=phrases.number(percent))


def _stop(turn: Turn) -> Done:
    return Done(Outcome(ok=True, ends=True), (StopRinging(),))


def _never_mind(turn: Turn) -> Done:
    return Done(Outcome(ok=True, ends=True))


def _repeat(turn: Turn) -> Done:
    if turn.situation.last_reply is None:
        return turn.says("nothing_to_repeat")
    return Done(Outcome(ok=True, reply=turn.situation.last_reply))


def _help(turn: Turn) -> Done:
    return turn.says("help")


ACTIONS: Final[dict[str, Callable[[Turn], Done]]] = {
    "time_ask": _time_ask,
    "date_ask": _date_ask,
    "timer_set": timer_set,
    "timer_ask": timer_ask,
    "timer_cancel": timer_cancel,
    "turn_on": turn_on,
    "turn_off": turn_off,
    "brightness_set": brightness_set,
    "scene_activate": scene_activate,
    "volume_set": _volume_set,
    "volume_up": _volume_up,
    "volume_down": _volume_down,
    "stop": _stop,
    "never_mind": _never_mind,
    "repeat": _repeat,
    "help": _help,
}
"""Intent of the built-in language -> what it does."""
