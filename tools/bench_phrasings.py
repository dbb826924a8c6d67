"""How much of everyday speech the built-in language understands: the list of phrasings, as text and spoken.

    python -m tools.bench_phrasings [--all] [--show] [--language ko] [--noise FILE --snr DB] [--observe FILE]

Spoken means: by each synthetic voice that is installed, through the real recognizer. Right means that intent and all
values are as the list says; asked, that they would be after a question back; refused, that nothing would be done;
wrong, that something else would. A phrasing that the list says to refuse is right when it is refused. `--observe` also
adds each reading to a file, for tools/fit_confidence.py.
"""

import argparse
import dataclasses
import json
import random
import subprocess
import tempfile
import wave
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import process_time
from typing import Final

import msgspec
import numpy as np

from appliance.audio.convert import resample
from appliance.audio.files import read_pcm
from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from appliance.brains import load_voice
from appliance.config_files import PROJECT, LoadedConfig, load
from appliance.understander import Heard
from appliance.understanding.confidence import Decision
from appliance.understanding.language import Language
from appliance.understanding.language_folder import chosen_models
from tools.bench_commands import Bench, Clip
from tools.mixing import mix
from tools.phrasings import Meaning, Phrasing, language, meant, read, spelled

SAMPLE: Final = 100
PAUSE: Final = np.zeros(SAMPLE_RATE_HZ * 2 // 5, np.int16)
"""Before and after what is said."""

Say = Callable[[str], Pcm]

PROGRAMS: Final = {
    "flite slt": ("flite", "-voice", "slt", "-t", "{text}", "-o", "{sound}"),
    "flite rms": ("flite", "-voice", "rms", "-t", "{text}", "-o", "{sound}"),
    "flite awb": ("flite", "-voice", "awb", "-t", "{text}", "-o", "{sound}"),
    "flite kal16": ("flite", "-voice", "kal16", "-t", "{text}", "-o", "{sound}"),
    "espeak-ng en-us": ("espeak-ng", "-v", "en-us", "-w", "{sound}", "{text}"),
    "espeak-ng en-gb": ("espeak-ng", "-v", "en-gb", "-w", "{sound}", "{text}"),
}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help=f"speak all phrasings, not {SAMPLE} of them")
    parser.add_argument("--show", action="store_true", help="name each spoken phrasing that is not right")
    parser.add_argument("--language", default="en", metavar="CODE", help="a built-in language that has a list")
    parser.add_argument("--noise", type=Path, metavar="FILE", help="a recording of noise to mix in")
    parser.add_argument("--snr", type=float, default=10.0, metavar="DB", help="how far the voice is above it")
    parser.add_argument("--observe", type=Path, metavar="FILE", help="add the readings to it")
    arguments = parser.parse_args()
    code = arguments.language
    phrasings = read(code)
    _as_text(phrasings, language(code))
    chosen = phrasings if arguments.all else random.Random(0).sample(phrasings, SAMPLE)
    loaded = _in_language(code)
    bench = Bench(loaded, language(code))
    noise = read_pcm(arguments.noise) if arguments.noise else None
    condition = f"phrasings, {arguments.snr:g} dB" if arguments.noise else "phrasings"
    print(f"\nspoken, {len(chosen)} of {len(phrasings)}")
    for name, say in voices(loaded):
        heard = []
        for phrasing in chosen:
            pcm = np.concatenate([PAUSE, say(phrasing.text), PAUSE])
            if noise is not None:
                pcm = mix(pcm, noise, arguments.snr, phrasing.text)
            heard.append((phrasing, bench.heard(pcm, called=True)))
            if arguments.observe:
                _observe(arguments.observe, bench, Clip(condition, phrasing.text, name, pcm), phrasing)
        _print(name, heard, show=arguments.show)


def _observe(to: Path, bench: Bench, clip: Clip, phrasing: Phrasing) -> None:
    observed = bench.observed(clip.kind, clip, lambda intent: meant(intent) == phrasing.meaning)
    if observed:
        with to.open("a", encoding="utf-8") as file:
            file.write(json.dumps(observed) + "\n")


def _in_language(code: str) -> LoadedConfig:
    loaded = load(PROJECT / "firmware_config" / "appliance.toml")
    home = msgspec.structs.replace(loaded.config.home, language=code)
    return dataclasses.replace(loaded, config=msgspec.structs.replace(loaded.config, home=home))


def _as_text(phrasings: list[Phrasing], known: Language) -> None:
    known.warm_up()
    begun_s = process_time()
    found = [meant(known.match(phrasing.text)) for phrasing in phrasings]
    each_ms = (process_time() - begun_s) * 1000 / len(phrasings)
    counts = Counter(_judged(phrasing.meaning, got) for phrasing, got in zip(phrasings, found, strict=True))
    print(f"as text, {len(phrasings)}: {_shares(counts)}; {each_ms:.1f} ms of processor time each")
    print("refused because the appliance cannot do that, or cannot tell what is meant:")
    for phrasing, got in zip(phrasings, found, strict=True):
        if not got:
            print(f"  {phrasing.text}" + ("" if not phrasing.meaning else f"   should be {spelled(phrasing.meaning)}"))


def _print(name: str, spoken: Sequence[tuple[Phrasing, Heard]], *, show: bool) -> None:
    counts: Counter[str] = Counter()
    for phrasing, heard in spoken:
        judged = _judged(phrasing.meaning, meant(heard.intent))
        if judged != "refused" and heard.decision is Decision.CONFIRM:
            judged = "asked" if judged == "right" else "asked wrongly"
        counts[judged] += 1
        if show and judged != "right":
            print(f'  {judged}: "{phrasing.text}" heard as "{heard.text}": {spelled(meant(heard.intent))}')
    print(f"{name:24}{_shares(counts)}", flush=True)


def _judged(meaning: Meaning, got: Meaning) -> str:
    return "right" if got == meaning else "wrong" if got else "refused"


def _shares(counts: Counter[str]) -> str:
    keys = ("right", "asked", "refused", "asked wrongly", "wrong")
    return "  ".join(f"{key} {100 * counts[key] / counts.total():.1f} %" for key in keys)


def voices(loaded: LoadedConfig) -> Iterator[tuple[str, Say]]:
    """Synthetic voices with their names, the configured one last. Raises ConfigError, ModelError."""
    for name, command in PROGRAMS.items() if loaded.language == "en" else ():
        try:
            _by_program(command, "ready")
        except (OSError, subprocess.SubprocessError) as error:
            print(f"{name:24}skipped: {error}")
            continue
        yield name, lambda text, command=command: _by_program(command, text)  # type: ignore[misc]
    voice = load_voice(loaded, deterministic=True)
    voice.start()
    try:
        yield (
            chosen_models(loaded).voice or "simple voice",
            lambda text: resample(voice.synthesize(text), voice.rate_hz, SAMPLE_RATE_HZ),
        )
    finally:
        voice.close()


def _by_program(command: tuple[str, ...], text: str) -> Pcm:
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder, "sound.wav")
        subprocess.run([part.format(text=text, sound=sound) for part in command], check=True, capture_output=True)
        with wave.open(str(sound), "rb") as file:
            pcm = np.frombuffer(file.readframes(file.getnframes()), np.dtype("<i2"))
            return resample(pcm, file.getframerate(), SAMPLE_RATE_HZ)


if __name__ == "__main__":
    main()
