"""How well the voice is understood: answers of a home, and written numbers, through the real recognizer.

    python -m tools.bench_voice [--folder FOLDER] [--show]

Each text is read out as the appliance does it, spoken without the voice's own variation, and dictated freely. What is
counted is words: those that were heard otherwise, left out or put in. Homophones (two, to) count as wrong.
"""

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from appliance.audio.convert import resample
from appliance.audio.format import SAMPLE_RATE_HZ
from appliance.brains import load_home, load_language, load_sentences, model_folder
from appliance.config_files import MANIFEST, PROJECT, LoadedConfig, load
from appliance.errors import BrokerError
from appliance.home.actions import Actions
from appliance.home.frequent import frequent_answers
from appliance.home.phrases import Phrases
from appliance.models import Kind, ModelStore
from appliance.runtimes.vosk import VoskModel
from appliance.understanding.language_folder import chosen_models
from appliance.voice.piper import PiperVoice
from appliance.voice.voice import Voice

PATIENCE_S: Final = 300.0
"""Figures may be made on a busy machine."""

PAUSE: Final = np.zeros(SAMPLE_RATE_HZ * 2 // 5, np.int16)

WRITTEN: Final = (
    *(
        f"It is {hour}:{minute:02}."
        for hour, minute in ((7, 30), (3, 5), (9, 0), (11, 45), (12, 15), (6, 59), (10, 10))
    ),
    *(f"The bus leaves at {time}." for time in ("19:30", "3:05 PM", "7 am", "12:00 p.m.", "21:07", "8:15 am")),
    *(f"The kitchen has {degrees} °C." for degrees in ("21", "19.5", "-3", "0", "22.25", "100")),
    *(f"The battery is at {percent}%." for percent in (5, 17, 50, 88, 100)),
    *(f"It will be the {day} of November." for day in ("1st", "2nd", "3rd", "12th", "21st", "30th")),
    *(f"The day is {day}." for day in ("2026-11-21", "2027-01-02", "1999-12-31")),
    *(f"That is {number}." for number in ("3.5", "1,250", "0.25", "42", "365", "12,345", "99.9")),
    *(f"It takes {amount}." for amount in ("5 min", "2 h", "90 s", "3 km", "500 g", "2.5 l", "10 km/h")),
)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="of a Piper voice, instead of the configured one")
    parser.add_argument("--show", action="store_true", help="name each text that was not heard as it is")
    arguments = parser.parse_args()
    loaded = load(PROJECT / "firmware_config" / "appliance.toml")
    store, chosen = ModelStore(MANIFEST, loaded.models_directory), chosen_models(loaded)
    folder = arguments.folder or model_folder(store, chosen.voice, Kind.VOICE)
    voice = PiperVoice(folder, deterministic=True, start_timeout_s=PATIENCE_S, part_timeout_s=PATIENCE_S)
    vosk = VoskModel(model_folder(store, chosen.recognizer, Kind.RECOGNIZER))
    try:
        for title, texts in (("frequent answers", _answers(loaded)), ("written numbers, times, dates, units", WRITTEN)):
            _count(title, texts, voice, vosk, loaded, show=arguments.show)
    finally:
        voice.close()


def _answers(loaded: LoadedConfig) -> tuple[str, ...]:
    home = load_home(loaded)
    language = load_language(loaded, home)
    actions = Actions(home, _NoEffects(), language.answer, Phrases.of(loaded.language))
    return frequent_answers(actions, language, home, loaded.config.device.area)


def _count(
    title: str, texts: Sequence[str], voice: Voice, vosk: VoskModel, loaded: LoadedConfig, *, show: bool
) -> None:
    sentences = load_sentences(loaded)
    wrong = words = right = 0
    for text in texts:
        said = [_words(sentence) for sentence in sentences(text)]
        heard = [_heard(sentence, voice, vosk) for sentence in sentences(text)]
        errors = sum(map(_errors, said, heard))
        wrong, words, right = wrong + errors, words + sum(map(len, said)), right + (errors == 0)
        if show and errors:
            print(f"  {text}  ->  {' / '.join(map(' '.join, heard))}")
    print(f"{title}: {right} of {len(texts)} texts as they are, {100 * wrong / words:.1f} % of {words} words wrong")


def _heard(sentence: str, voice: Voice, vosk: VoskModel) -> list[str]:
    recognizer = vosk.recognizer(None)
    pcm = resample(voice.synthesize(sentence), voice.rate_hz, SAMPLE_RATE_HZ)
    recognizer.AcceptWaveform(np.concatenate([PAUSE, pcm, PAUSE]).tobytes())
    return _words(json.loads(recognizer.FinalResult())["text"])


def _words(text: str) -> list[str]:
    """In small letters; `a m` and `p m` as one word."""
    joined = re.sub(r"\b([ap]) m\b", r"\1m", " ".join(re.findall(r"[a-z']+", text.lower())))
    return joined.split()


def _errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Words to be put in, left out or changed to make the one of the other."""
    costs = list(range(len(heard) + 1))
    for row, word in enumerate(said, start=1):
        diagonal, costs[0] = costs[0], row
        for column, other in enumerate(heard, start=1):
            cost = min(costs[column] + 1, costs[column - 1] + 1, diagonal + (word != other))
            diagonal, costs[column] = costs[column], cost
    return costs[-1]


class _NoEffects:
    """Nobody is there; only dry runs are wanted."""

    def publish(self, topic: str, payload: str, qos: int, retain: bool) -> None:
        raise BrokerError(f"{topic}: nobody is there")

    def run_program(self, command: Sequence[str], timeout_s: float) -> str:
        raise BrokerError("no programs here")


if __name__ == "__main__":
    main()
