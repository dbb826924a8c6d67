"""Show what a recording, a text or a spoken sentence would be understood as.

Each recording is one utterance without a wake word. Nothing is acted on.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from appliance.audio.files import read_pcm
from appliance.audio.format import FRAME_SAMPLES, Pcm
from appliance.brains import load_detector, load_home, load_language, load_reader, load_recognizer
from appliance.config_files import LoadedConfig
from appliance.errors import AudioError, UsageError
from appliance.intent import Intent
from appliance.recording import record_utterance
from appliance.understander import Heard, Understander
from appliance.understanding.confidence import Decision
from appliance.understanding.language import Language

Record = Callable[[LoadedConfig], Pcm]
"""One utterance from the microphone. Raises AudioError."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """The second command of one sentence."""

    intent: str
    slots: dict[str, str] = {}
    values: dict[str, str | int | float | bool] = {}


class Understanding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the result."""

    source: str
    type: str
    text: str
    intent: str | None = None
    slots: dict[str, str] = {}
    values: dict[str, str | int | float | bool] = {}
    confidence: float | None = None
    decision: str
    reason: str | None = None
    nearest: str | None = None
    score: float | None = None
    then: Command | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Recordings, a text, or the microphone."""
    parser.epilog = 'Example: appliance understand --text "turn on the kitchen light"'
    parser.add_argument("audio", nargs="*", type=Path, metavar="AUDIO", help="sound files, one utterance each")
    parser.add_argument("--text", action="append", default=[], metavar="T", help="a typed sentence; repeatable")
    parser.add_argument("--record", action="store_true", help="say one sentence into the microphone")
    parser.add_argument("--sentences", type=Path, metavar="FILE", help="hassil sentences instead of the built-in ones")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace, config: LoadedConfig, *, record: Record = record_utterance) -> int:
    """One line for each source, in the order of the arguments; a refusal is a good result. `record`: `--record`."""
    if not (args.audio or args.text or args.record):
        raise UsageError("understand: nothing to understand; give sound files, --text or --record")
    language = load_language(config, load_home(config), args.sentences)
    failed = False
    for result in _results(args, config, language, record):
        if isinstance(result, AudioError):  # the other recordings are not to blame
            print(f"appliance: {result}", file=sys.stderr)
            failed = True
        else:
            print(json.dumps(msgspec.to_builtins(result)) if args.json else _line(result), flush=True)
    return int(failed)


def _results(
    args: argparse.Namespace, config: LoadedConfig, language: Language, record: Record
) -> Iterator[Understanding | AudioError]:
    for text in args.text:
        yield _result(text, _typed(text, language))
    if not (args.audio or args.record):
        return
    recognizer, reader = load_recognizer(config, language), load_reader(config, language)
    understander = Understander(
        recognizer, language, lambda result: None, reader=reader, detector=load_detector(config)
    )
    for path in args.audio:
        try:
            pcm = read_pcm(path)
        except AudioError as error:
            yield error
            continue
        yield _result(str(path), understand_pcm(understander, pcm))
    if args.record:
        try:
            yield _result("microphone", understand_pcm(understander, record(config), called=True))
        except AudioError as error:
            yield error


CHUNK_SAMPLES = 5 * FRAME_SAMPLES
"""100 ms at a time."""


def understand_pcm(understander: Understander, pcm: Pcm, *, called: bool = False) -> Heard:
    """One utterance, without a wake word before it. `called`: said to the appliance, also where it is a greeting."""
    understander.begin(False, called=called)
    for start in range(0, pcm.size, CHUNK_SAMPLES):
        understander.hear(pcm[start : start + CHUNK_SAMPLES])
    return understander.understand()


def _typed(text: str, language: Language) -> Heard:
    """A typed text is what it is: a sentence of the language, or not."""
    intent = language.match_any([text])
    if intent is not None:
        return Heard.literally(intent)
    nearest, score = language.nearest(text) or (None, None)
    reason: Literal["not_understood", "no_speech"] = "not_understood" if text.strip() else "no_speech"
    return Heard(text=text.strip(), reason=reason, nearest=nearest, score=score)


def _result(source: str, heard: Heard) -> Understanding:
    intent = heard.intent
    return Understanding(
        source=source,
        type="intent_recognized" if intent else "intent_rejected",
        text=heard.text,
        intent=intent.name if intent else None,
        slots=intent.slots if intent else {},
        values=intent.values if intent else {},
        confidence=heard.confidence,
        decision=heard.decision,
        reason=heard.reason,
        nearest=heard.nearest,
        score=heard.score,
        then=_second(intent.then) if intent and intent.then else None,
    )


def _second(intent: Intent) -> Command:
    return Command(intent=intent.name, slots=intent.slots, values=intent.values)


def _line(result: Understanding) -> str:
    heard = f'"{result.text}"' if result.text else "nothing"
    if result.intent is None:
        near = f', nearest "{result.nearest}" ({result.score})' if result.nearest else ""
        return f"{result.source}: {heard}: refused, {result.reason}{near}"
    values: dict[str, Any] = result.values
    asked = "" if result.decision == Decision.ACT else f", {result.decision} first"
    sure = "" if result.confidence is None else f" ({result.confidence})"
    then = f", then {result.then.intent} {json.dumps(result.then.values)}" if result.then else ""
    return f"{result.source}: {heard}: {result.intent} {json.dumps(values)}{then}{asked}{sure}"
