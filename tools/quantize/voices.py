"""The voices that can be had from package registries, and how one utterance is made to differ from the next.

Few of them sound like people, and of those that do there are few: so tempo, liveliness, pitch and the length of the
vocal tract vary from clip to clip, and Piper's one natural voice speaks in all the accents that espeak-ng knows.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from appliance.audio.convert import resample
from appliance.audio.format import SAMPLE_RATE_HZ, Pcm, int16_from_float
from appliance.config_files import MANIFEST
from appliance.errors import StageError
from appliance.models import ModelStore, Status
from tools.quantize import speakers
from tools.quantize.speakers import PIPER_MODEL, Recipe, Said, Sound
from tools.quantize.speech_span import Span, find_all_speech
from tools.quantize.warp import warp

ACCENTS: Final = (
    "en-us", "en-us-nyc", "en", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029",
)  # fmt: skip
"""Of English, as espeak-ng calls them; `en` is British."""

PIPER_ACCENTS: Final = ("en-us", "en-us-nyc", "en", "en-gb-x-rp", "en-gb-x-gbclan", "en-029")
"""Those in which the voice joe says what was meant: the recognizer gets 0.92 or more of three sentences' words right;
of the two others 0.85 and 0.74."""

FOREIGN: Final = ("cs", "de", "es", "fi", "fr", "hu", "id", "it", "nl", "pl", "pt", "ro", "sv", "sw", "tr", "vi")
"""Of other languages that are written in Latin letters. An English text read by their rules is no sentence any more,
but it has their sounds and their melody: whoever speaks them at home shall not wake the device."""

THROATS: Final = (
    "f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8",
    "Andrea", "Annie", "Denis", "Diogo", "Gene", "Hugo", "Lee", "Michael", "adam",
    "antonio", "belinda", "benjamin", "caleb", "david", "ed", "grandma", "grandpa", "john", "klatt2", "klatt4", "linda",
    "max", "norbert", "pablo", "paul", "quincy", "rob", "sandro", "steph", "victor",
)  # fmt: skip
"""Variants of espeak-ng that pass for people: no robots, whisperers and croakers, and none in which the recognizer
gets less than 0.75 of three sentences' words right; it gets 0.92 of them on average."""

FLITE: Final = ("awb", "kal16", "rms", "slt")
FESTIVAL: Final = ("cmu_us_slt_arctic_hts", "kal_diphone", "ked_diphone")
FESTIVAL_FOLDER: Final = Path("/usr/share/festival/voices")

PAD_S: Final = 0.1
"""Silence that is kept before and after what is said."""

HEADROOM: Final = 0.9
"""Of full scale: another rate has other peaks."""

SHORTEST_S: Final = 0.15
LEAST_CHANGED: Final = 0.03
"""Warps nearer to 1 than this are left out: they cost time and quality, and nobody hears them."""


Voices = dict[str, tuple[str, ...]]
"""Of each engine those that are installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A program, and the voices it has."""

    share: float
    """How many of the clips are its, next to the others' shares; the more natural, the more."""

    find: Callable[[], tuple[str, ...]]
    """Its voices that are installed."""

    say: Callable[[Sequence[Recipe], int], Said]
    """Recipes and a seed to sounds; see speakers.py."""

    licence: str
    """Of what it says."""

    remedy: str
    """How to install it."""

    spread: float
    """How far pitch and tract go from the voice's own, in either direction; more for one that has to play many."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What was said, ready for a clip store."""

    pcm: Pcm
    """int16, 16 kHz, with some silence at either end."""

    speech: Span
    """First sample of speech and the one after the last."""


def _piper() -> tuple[str, ...]:
    installed = ModelStore(MANIFEST, MANIFEST.parent).status(PIPER_MODEL) is Status.INSTALLED
    return PIPER_ACCENTS if installed and speakers.piper_python() else ()


def _espeak() -> tuple[str, ...]:
    voices = tuple(f"{accent}+{throat}" for accent in ACCENTS for throat in THROATS)
    return voices if shutil.which("espeak-ng") else ()


def _flite() -> tuple[str, ...]:
    return FLITE if shutil.which("flite") else ()


def _festival() -> tuple[str, ...]:
    installed = {folder.name for folder in FESTIVAL_FOLDER.glob("*/*")} if shutil.which("festival") else set()
    return tuple(voice for voice in FESTIVAL if voice in installed)


ENGINES: Final = {
    "piper": Engine(
        share=0.45,
        find=_piper,
        say=speakers.say_with_piper,
        licence="CC0-1.0 (the recordings of the voice joe)",
        remedy="make venv models",
        spread=1.0,
    ),
    "espeak-ng": Engine(
        share=0.3,
        find=_espeak,
        say=speakers.say_with_espeak,
        licence="output of a program under GPL-3.0-or-later",
        remedy="sudo apt-get install -y espeak-ng",
        spread=0.5,
    ),
    "flite": Engine(
        share=0.2,
        find=_flite,
        say=speakers.say_with_flite,
        licence="output of a program and voices under BSD-like licences",
        remedy="sudo apt-get install -y flite",
        spread=0.8,
    ),
    "festival": Engine(
        share=0.05,
        find=_festival,
        say=speakers.say_with_festival,
        licence="output of a program and voices under BSD-like licences",
        remedy="sudo apt-get install -y festival festvox-us-slt-hts festvox-kallpc16k festvox-kdlpc16k",
        spread=0.8,
    ),
}
"""Every program there is, in the order in which they are told."""

ALONE: Final = (-0.5, 0.15)
TALKING: Final = (-0.25, 0.3)
"""Logarithms of the slowest and the fastest tempo. Piper at its own says 'computer' in 0.5 s; of 302 recordings of
people 90 % take 0.44 to 1.0 s, half of them more than 0.66."""

MARKS: Final = (".", ".", "!", "?", ",")
"""What stands behind a text: it changes the melody."""


def installed(engines: Mapping[str, Engine] = ENGINES) -> Voices:
    """The voices of each engine that is installed. Raises StageError when there is none at all."""
    found = {name: engine.find() for name, engine in engines.items()}
    if not any(found.values()):
        remedies = "; ".join(f"{name}: {engine.remedy}" for name, engine in engines.items())
        raise StageError(f"no voice is installed; install at least one: {remedies}")
    return {name: voices for name, voices in found.items() if voices}


def missing(found: Voices) -> list[str]:
    """A sentence for each engine that is left out, with what to type."""
    return [
        f"{name} is not installed, its voices are left out; type: {engine.remedy}"
        for name, engine in ENGINES.items()
        if name not in found
    ]


def draw(text: str, found: Voices, random: np.random.Generator, *, alone: bool) -> Recipe:
    """Somebody to say it, and how. `alone`: as people say a single word, slower than a sentence."""
    names = list(found)
    shares = np.array([ENGINES[name].share for name in names])
    name = names[int(random.choice(len(names), p=shares / shares.sum()))]
    voice = found[name][int(random.integers(len(found[name])))]
    spread = ENGINES[name].spread
    smaller = random.uniform(-1.0, 1.0)  # smaller people have shorter tracts and higher voices
    return Recipe(
        text=text + MARKS[int(random.integers(len(MARKS)))],
        engine=name,
        voice=voice,
        tempo=round(float(np.exp(random.uniform(*(ALONE if alone else TALKING)))), 3),
        liveliness=round(float(random.uniform(0.4, 1.4)), 3),
        pitch=round(float(np.exp(spread * (0.35 * smaller + random.normal(0.0, 0.1)))), 3),
        tract=round(float(np.exp(spread * (0.14 * smaller + random.normal(0.0, 0.03)))), 3),
    )


def foreign(recipe: Recipe, random: np.random.Generator) -> Recipe:
    """The same, as somebody reads it who has another language; engines that know English only stay as they are."""
    language = FOREIGN[int(random.integers(len(FOREIGN)))]
    throat = recipe.voice.partition("+")[2]
    voices = {"piper": language, "espeak-ng": f"{language}+{throat}"}
    return msgspec.structs.replace(recipe, voice=voices.get(recipe.engine, recipe.voice))


def finish(sound: Sound, recipe: Recipe) -> Utterance:
    """The sound with the recipe's pitch and tract, at 16 kHz, trimmed.

    Raises:
        StageError: it holds no speech.
    """
    samples = sound.samples
    if max(abs(recipe.pitch - 1.0), abs(recipe.tract - 1.0)) >= LEAST_CHANGED and samples.size:
        samples = warp(samples, sound.rate_hz, pitch=recipe.pitch, tract=recipe.tract)
    loudest = float(np.abs(samples).max(initial=0.0))
    pcm = resample(int16_from_float(samples / max(1.0, loudest / HEADROOM)), sound.rate_hz, SAMPLE_RATE_HZ)
    speech = find_all_speech(pcm)
    if speech is None or speech[1] - speech[0] < SHORTEST_S * SAMPLE_RATE_HZ:
        raise StageError(f"{recipe.engine}, voice {recipe.voice}: says nothing for {recipe.text!r}")
    pad = round(PAD_S * SAMPLE_RATE_HZ)
    first = max(0, speech[0] - pad)
    return Utterance(pcm[first : speech[1] + pad], (speech[0] - first, speech[1] - first))
