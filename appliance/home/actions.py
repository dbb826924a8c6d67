"""Actions: what an intent does, what changes, and what is answered.

`ACTIONS` is the whole list of the built-in language's intents, one function each; the owner's own sentences publish a
message or run a program. An action looks at an immutable `Situation`, reaches the world only through `Effects`, and
returns what the frame loop is to change. It reads no clock and keeps nothing, so it runs on a worker thread.

Answers stand in the language's folder (`answers.yaml`), times and numbers for them are made by `phrases.py`.
"""

import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from appliance.errors import StageError
from appliance.home import (
    alarm_actions,
    comfort_actions,
    device_actions,
    shopping_actions,
    sums,
    talk_actions,
    timer_actions,
)
from appliance.home.own_actions import own_sentence
from appliance.home.phrases import Phrases
from appliance.home.timers import Timer
from appliance.home.turn import (
    Answer,
    CancelAlarm,
    CancelTimer,
    Change,
    ChangeTimer,
    Done,
    Effects,
    KeepShopping,
    PauseTimer,
    RestartTimer,
    ResumeTimer,
    SetAlarm,
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
__all__ += ["CancelAlarm", "ChangeTimer", "KeepShopping", "PauseTimer", "RestartTimer", "ResumeTimer", "SetAlarm"]

VOLUME_STEP_PERCENT: Final = 10
UNMUTED_PERCENT: Final = 50
"""What was silent before is heard so loud: nobody knows any more how loud it was."""


class Actions:
    """Carries out intents. Used from one worker thread."""

    def __init__(self, home: HomeConfig, effects: Effects, answer: Answer, phrases: Phrases) -> None:
        """`home`: devices and own sentences; `effects`: the way out; `answer`, `phrases`: the language."""
        self._home = home
        self._effects = effects
        self._answer = answer
        self._phrases = phrases
        self._own = {own.name: own for own in home.sentences}

    def perform(self, intent: Intent, situation: Situation) -> Done:
        """Do what is wanted. What cannot be done is answered honestly, with the reason in `detail`.

        Raises:
            StageError: the intent has no action, or not the values that its action needs: language, home and actions
                do not fit together.
        """
        done = self._one(intent, situation)
        if intent.then is None:
            return done
        other = self._one(intent.then, situation)
        outcome = dataclasses.replace(
            done.outcome,
            reply=" ".join(filter(None, (done.outcome.reply, other.outcome.reply))) or None,
            ends=done.outcome.ends or other.outcome.ends,
            disowns_wake=done.outcome.disowns_wake or other.outcome.disowns_wake,
            then=other.outcome,
        )
        return Done(outcome, (*done.changes, *other.changes))

    def late(self, kind: str, label: str | None, due: datetime, now: datetime) -> str:
        """What is said of a timer, alarm or reminder that was due while it was off; moments of the wall clock."""
        day = self._phrases.day_from(due.date(), now.date())
        when = self._answer("time_and_day", time=self._phrases.time_of_day(due.time()), day=day)
        if label is None:
            return self._answer(f"{kind}_late", when=when)
        return self._answer(f"{kind}_late_named", when=when, label=label)

    def _one(self, intent: Intent, situation: Situation) -> Done:
        turn = Turn(
            home=self._home,
            effects=_NoEffects() if situation.dry_run else self._effects,
            answer=self._answer,
            intent=intent,
            situation=situation,
            phrases=self._phrases,
        )
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


def _volume_set(turn: Turn) -> Done:
    percent = turn.whole("percent")
    if not 0 <= percent <= 100:
        return turn.regrets("percent_range", f"{percent} percent")
    return turn.says("volume", SetVolume(percent), percent=turn.phrases.number(percent))


def _volume_up(turn: Turn) -> Done:
    if turn.situation.volume >= 100:
        return turn.says("volume_highest")
    percent = min(100, turn.situation.volume + VOLUME_STEP_PERCENT)
    return turn.says("volume", SetVolume(percent), percent=turn.phrases.number(percent))


def _volume_down(turn: Turn) -> Done:
    if turn.situation.volume <= 0:
        return turn.says("volume_lowest")
    percent = max(0, turn.situation.volume - VOLUME_STEP_PERCENT)
    return turn.says("volume", SetVolume(percent), percent=turn.phrases.number(percent))


def _stop(turn: Turn) -> Done:
    return Done(Outcome(ok=True, ends=True), (StopRinging(),))


def _false_wake(turn: Turn) -> Done:
    """Nobody was talking to the appliance: it is told to those who count, and nothing more is said."""
    return Done(Outcome(ok=True, disowns_wake=True))


def _never_mind(turn: Turn) -> Done:
    return Done(Outcome(ok=True, ends=True))


OPPOSITES: Final = {
    "turn_on": "turn_off",
    "turn_off": "turn_on",
    "cover_open": "cover_close",
    "cover_close": "cover_open",
    "climate_on": "climate_off",
    "climate_off": "climate_on",
    "temperature_up": "temperature_down",
    "temperature_down": "temperature_up",
    "media_play": "media_pause",
    "media_pause": "media_play",
    "media_next": "media_previous",
    "media_previous": "media_next",
    "volume_up": "volume_down",
    "volume_down": "volume_up",
    "timer_set": "timer_cancel",
    "timer_pause": "timer_resume",
    "timer_resume": "timer_pause",
    "alarm_set": "alarm_cancel",
    "reminder_set": "reminder_cancel",
    "shopping_add": "shopping_remove",
    "shopping_remove": "shopping_add",
}
"""Intent -> the one that takes it back, with the same slots."""


def _undo(turn: Turn) -> Done:
    """Takes back what was done last, if that can be: a single command that has an opposite."""
    last = turn.situation.last
    opposite = OPPOSITES.get(last.name) if last is not None and last.then is None else None
    if last is None or opposite is None:
        return turn.regrets("nothing_to_undo", "the last command has no opposite" if last else "nothing was done")
    return ACTIONS[opposite](dataclasses.replace(turn, intent=dataclasses.replace(last, name=opposite)))


def _volume_mute(turn: Turn) -> Done:
    return Done(Outcome(ok=True), (SetVolume(0),))


def _volume_unmute(turn: Turn) -> Done:
    percent = turn.situation.volume or UNMUTED_PERCENT
    return turn.says("volume", SetVolume(percent), percent=turn.phrases.number(percent))


def _volume_ask(turn: Turn) -> Done:
    return turn.says("volume", percent=turn.phrases.number(turn.situation.volume))


ACTIONS: Final[dict[str, Callable[[Turn], Done]]] = {
    "time_ask": talk_actions.time_ask,
    "date_ask": talk_actions.date_ask,
    "month_ask": talk_actions.month_ask,
    "year_ask": talk_actions.year_ask,
    "timer_set": timer_actions.timer_set,
    "timer_ask": timer_actions.timer_ask,
    "timer_add": timer_actions.timer_add,
    "timer_shorten": timer_actions.timer_shorten,
    "timer_pause": timer_actions.timer_pause,
    "timer_resume": timer_actions.timer_resume,
    "timer_restart": timer_actions.timer_restart,
    "timer_cancel": timer_actions.timer_cancel,
    "alarm_set": alarm_actions.alarm_set,
    "alarm_ask": alarm_actions.alarm_ask,
    "alarm_cancel": alarm_actions.alarm_cancel,
    "alarm_snooze": alarm_actions.alarm_snooze,
    "reminder_set": alarm_actions.reminder_set,
    "reminder_ask": alarm_actions.reminder_ask,
    "reminder_cancel": alarm_actions.reminder_cancel,
    "turn_on": device_actions.turn_on,
    "turn_off": device_actions.turn_off,
    "brightness_set": device_actions.brightness_set,
    "brightness_up": device_actions.brightness_up,
    "brightness_down": device_actions.brightness_down,
    "color_set": device_actions.color_set,
    "scene_activate": device_actions.scene_activate,
    "cover_open": comfort_actions.cover_open,
    "cover_close": comfort_actions.cover_close,
    "cover_stop": comfort_actions.cover_stop,
    "cover_set": comfort_actions.cover_set,
    "temperature_set": comfort_actions.temperature_set,
    "temperature_up": comfort_actions.temperature_up,
    "temperature_down": comfort_actions.temperature_down,
    "climate_on": comfort_actions.climate_on,
    "climate_off": comfort_actions.climate_off,
    "media_play": comfort_actions.media_play,
    "media_pause": comfort_actions.media_pause,
    "media_next": comfort_actions.media_next,
    "media_previous": comfort_actions.media_previous,
    "shopping_add": shopping_actions.shopping_add,
    "shopping_remove": shopping_actions.shopping_remove,
    "shopping_has": shopping_actions.shopping_has,
    "shopping_read": shopping_actions.shopping_read,
    "shopping_clear": shopping_actions.shopping_clear,
    "calculate": sums.calculate,
    "convert": sums.convert,
    "volume_set": _volume_set,
    "volume_up": _volume_up,
    "volume_down": _volume_down,
    "volume_mute": _volume_mute,
    "volume_unmute": _volume_unmute,
    "volume_ask": _volume_ask,
    "stop": _stop,
    "never_mind": _never_mind,
    "false_wake": _false_wake,
    "undo": _undo,
    "repeat": talk_actions.repeat,
    "help": talk_actions.help_,
    "who_are_you": talk_actions.who_are_you,
    "hello": talk_actions.hello,
    "how_are_you": talk_actions.how_are_you,
    "thanks": talk_actions.thanks,
    "goodbye": talk_actions.goodbye,
}
"""Intent of the built-in language -> what it does."""
