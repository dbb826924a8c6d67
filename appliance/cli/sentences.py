"""Look the sentences and names of your home over, before you rely on them.

Named are: words that the recognizer cannot hear, sentences with two meanings, sentences that others say already, what
sounds almost the same, and what is heard wrong when the installed voice says it. Exit code 1 when there is an error.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from appliance.brains import load_detector, load_reader, load_taught, load_voice, load_vosk
from appliance.cli import sentence_checks as checks
from appliance.cli.sentence_checks import Finding, Subject
from appliance.config_files import MANIFEST, LoadedConfig
from appliance.models import ModelStore
from appliance.speech.recognizer import VoskRecognizer
from appliance.understander import Understander
from appliance.voice.voice import Voice

SPOKEN = 30
"""Sentences said aloud to the recognizer where nothing else is asked for: half a minute on two x86 cores."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`check`, with a file or the configured home."""
    parser.epilog = "Examples:\n  appliance sentences check\n  appliance sentences check my-home.yaml --speak 100"
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check", help="name what is wrong, and what to do", epilog="Example: appliance sentences check --no-speak"
    )
    check.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="a home file, or sentences of hassil's form; else your home"
    )
    check.add_argument(
        "--speak", type=_count, default=SPOKEN, metavar="N", help=f"let the voice say so many sentences ({SPOKEN})"
    )
    check.add_argument("--no-speak", dest="speak", action="store_const", const=0, help="say none")
    check.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace, config: LoadedConfig) -> int:
    """Print each finding as it is found."""
    about = checks.subject(config, args.file)
    levels = []
    for finding in _findings(config, about, args.speak):
        levels.append(finding.level)
        print(msgspec.json.encode(finding).decode() if args.json else finding, flush=True)
    errors, warnings = levels.count("error"), levels.count("warning")
    print(f"{errors} errors, {warnings} warnings", file=sys.stderr)
    return int(errors > 0)


def _findings(config: LoadedConfig, about: Subject, speak: int) -> Iterator[Finding]:
    vosk = load_vosk(config, ModelStore(MANIFEST, config.models_directory))
    unknown = list(checks.unpronounceable(config, about, vosk))
    words = {str(finding.sentence) for finding in unknown}
    if not speak:
        yield from unknown
    yield from checks.overlapping(about)
    yield from checks.short(about)
    yield from checks.confusable(config, about)
    if not speak:
        return
    sayable = [text for text in load_taught(config, about.language).sentences if words.isdisjoint(text.split())]
    recognizer = VoskRecognizer(vosk, sayable)
    reader = load_reader(config, about.language)
    understander = Understander(
        recognizer, about.language, lambda result: None, reader=reader, detector=load_detector(config)
    )
    sentences = [one for one in checks.samples(about) if words.isdisjoint(one[1].split())][:speak]
    with speaking(config) as voice:
        for finding in unknown:
            yield checks.with_sound(finding, recognizer, voice)
        for sentence in _with_progress(sentences):
            misheard = checks.misheard(about, sentence, understander, voice)
            if misheard:
                yield misheard


@contextmanager
def speaking(config: LoadedConfig) -> Iterator[Voice]:
    """The installed voice, the same each time."""
    voice = load_voice(config, deterministic=True)
    try:
        yield voice
    finally:
        voice.close()


def _with_progress(sentences: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The sentences; on standard error, how far it is and how long it will take."""
    began_s = time.monotonic()
    for number, sentence in enumerate(sentences):
        if number and sys.stderr.isatty():
            left_s = (time.monotonic() - began_s) / number * (len(sentences) - number)
            print(f"\rsaid {number} of {len(sentences)}, {left_s:.0f} s left ", end="", file=sys.stderr, flush=True)
        yield sentence
    if sys.stderr.isatty():
        print(f"\rsaid {len(sentences)} of {len(sentences)}           ", file=sys.stderr)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number, 0 or more")
    return int(text)
