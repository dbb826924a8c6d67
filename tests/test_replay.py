"""A recording through the whole appliance, with real models: the events, to the byte."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance import config_files
from appliance.bench.speech import spoken
from appliance.brains import load_voice
from appliance.models import ModelStore

pytestmark = pytest.mark.model

KITCHEN = "Alexa, turn on the kitchen light."


@pytest.fixture(scope="module")
def turns(store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Sound files of somebody speaking to the appliance."""
    folder = tmp_path_factory.mktemp("turns")
    voice = load_voice(config_files.load(None), deterministic=True)
    texts = {
        "kitchen": KITCHEN,
        "refused": "Alexa, the weather was lovely in Norway last summer.",
        "unasked": "Turn on the kitchen light.",
        "refused_alone": "The weather was lovely in Norway last summer, and the winter was not bad at all.",
        "timer": "Alexa, set a timer for ten minutes.",
    }
    try:
        for name, text in texts.items():
            soundfile.write(folder / f"{name}.wav", spoken(voice, text, after_s=1.0), 16_000)
    finally:
        voice.close()
    return {name: folder / f"{name}.wav" for name in texts}


def run(*arguments: str | Path, stdin: bytes | None = None) -> "subprocess.CompletedProcess[bytes]":
    """`appliance replay`, as a user starts it."""
    command = [sys.executable, "-m", "appliance", "replay", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=120)


def events_of(*arguments: str | Path, stdin: bytes | None = None) -> list[dict[str, object]]:
    done = run(*arguments, "--wake-word", "alexa", "--events", "-", stdin=stdin)
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def types_of(events: list[dict[str, object]]) -> list[object]:
    return [event["type"] for event in events if event["type"] != "partial_transcript"]


WHOLE_TURN = [
    "started",
    "wake_detected",
    "state_changed",
    "speech_started",
    "speech_ended",
    "state_changed",
    "transcript",
    "intent_recognized",
    "action_done",
    "reply",
    "state_changed",
    "speaking_started",
    "speaking_ended",
    "turn_finished",
    "state_changed",
    "state_changed",
]


def test_a_turn_from_wake_word_to_idle(turns: dict[str, Path]) -> None:
    events = events_of(turns["kitchen"])
    assert types_of(events) == WHOLE_TURN
    by_type = {event["type"]: event for event in events}
    assert by_type["wake_detected"]["word"] == "alexa"
    assert by_type["intent_recognized"]["intent"] == "turn_on"
    assert by_type["intent_recognized"]["values"] == {"device": "kitchen_light"}
    assert by_type["intent_recognized"]["decision"] == "act"
    assert by_type["action_done"]["dry_run"] is True
    assert by_type["reply"]["text"] == "Kitchen light on."
    assert {event["session"] for event in events[1:]} == {1}
    assert all("id" not in event and "at" not in event for event in events)
    times = by_type["turn_finished"]
    assert by_type["speech_ended"]["reason"] == "complete"
    assert times["endpoint_ms"] == 400, "the kitchen light may be turned on at some brightness"
    assert all(isinstance(times[name], int) and times[name] % 20 == 0 for name in times if str(name).endswith("_ms"))


def test_same_input_same_bytes_and_the_state_is_new_for_each_file(turns: dict[str, Path]) -> None:
    once = run(turns["kitchen"], turns["timer"], "--wake-word", "alexa", "--events", "-").stdout
    again = run(turns["kitchen"], turns["timer"], "--wake-word", "alexa", "--events", "-").stdout
    alone = run(turns["timer"], "--wake-word", "alexa", "--events", "-").stdout
    assert once == again
    assert once.endswith(alone)


def test_speech_without_the_wake_word_does_nothing(turns: dict[str, Path]) -> None:
    assert types_of(events_of(turns["unasked"])) == ["started"]


def test_what_is_no_command_is_refused_and_told(turns: dict[str, Path]) -> None:
    events = {event["type"]: event for event in events_of(turns["refused"])}
    assert events["intent_rejected"]["reason"] == "not_understood"
    assert "norway" in str(events["intent_rejected"]["text"])
    assert 0.0 < float(str(events["intent_rejected"]["score"])) < 1.0
    assert "action_done" not in events


def test_the_clock_decides_when_a_timer_is_due(turns: dict[str, Path]) -> None:
    events = events_of(turns["timer"], "--clock", "2030-05-01T08:00:00+02:00")
    (timer,) = (event for event in events if event["type"] == "timer_set")
    assert str(timer["due"]).startswith("2030-05-01T06:10:0")


def test_other_sentences_replace_the_language(turns: dict[str, Path], tmp_path: Path) -> None:
    sentences = tmp_path / "own.yaml"
    sentences.write_text(
        "language: en\nintents:\n  lamp:\n    data:\n      - sentences: ['turn on the {where} light']\n"
        "lists:\n  where:\n    values: [kitchen, garden]\n"
    )
    events = {event["type"]: event for event in events_of(turns["kitchen"], "--sentences", sentences)}
    assert events["intent_recognized"]["intent"] == "lamp"
    assert events["intent_recognized"]["slots"] == {"where": "kitchen"}


def test_raw_samples_of_another_layout_give_the_same_turn(turns: dict[str, Path]) -> None:
    pcm, _ = soundfile.read(turns["kitchen"], dtype="int16")
    stereo = np.stack([pcm, pcm], axis=1).astype(">f4") / 32_768
    events = events_of(
        "-", "--channels", "2", "--sample-type", "f32", "--big-endian", stdin=stereo.astype(">f4").tobytes()
    )
    assert types_of(events) == WHOLE_TURN


def test_answers_are_written_and_intelligible(turns: dict[str, Path], tmp_path: Path, store: ModelStore) -> None:
    out = tmp_path / "answers.wav"
    events_of(turns["kitchen"], "--speech-out", out)
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "understand", "--json", str(out)], capture_output=True, timeout=60
    )
    assert "light on" in json.loads(done.stdout)["text"]


def test_the_trace_holds_every_hand_off(turns: dict[str, Path], tmp_path: Path) -> None:
    events_of(turns["kitchen"], "--trace", tmp_path / "trace")
    lines = [json.loads(line) for line in (tmp_path / "trace" / "handoffs.jsonl").read_text().splitlines()]
    arrows = {(line["from"], line["to"]) for line in lines}
    assert arrows == {
        ("source", "wake"),
        ("wake", "dialog"),
        ("detector", "endpointing"),
        ("canceller", "ring"),
        ("ring", "recognizer"),
        ("recognizer", "language"),
        ("language", "dialog"),
        ("voice", "player"),
        ("player", "speaker"),
    }
    assert all(line["dtype"] == "int16" and line["nan"] == 0 for line in lines if line["from"] == "source")


def test_what_the_loudspeaker_says_does_not_wake(turns: dict[str, Path]) -> None:
    events = events_of(turns["kitchen"], "--playback", turns["kitchen"])
    assert types_of(events) == ["started", "speaking_started", "state_changed", "speaking_ended", "state_changed"]


def test_the_stop_word_ends_what_is_heard_and_nothing_else(turns: dict[str, Path], tmp_path: Path) -> None:
    config = tmp_path / "appliance.toml"
    config.write_text("[wake]\nwords = ['hey_mycroft']\nstop_word = 'alexa'\n[home]\nfile = ''\n")
    listening = [turns["kitchen"], "--wake-word", "hey_jarvis", "--events", "-", "--config", config]
    silent = [json.loads(line) for line in run(*listening).stdout.splitlines()]
    assert types_of(silent) == ["started"]
    assert silent[0]["wake_words"] == ["hey_jarvis"]
    talking = run(*listening, "--playback", turns["refused_alone"])
    events = [json.loads(line) for line in talking.stdout.splitlines()]
    assert types_of(events) == [
        *("started", "speaking_started", "state_changed", "stop_detected", "speaking_ended", "state_changed"),
    ]
    assert (events[3]["word"], events[4]["reason"], events[5]["to"]) == ("alexa", "interrupted", "idle")
    own = run(*listening, "--playback", turns["kitchen"])
    assert b"stop_detected" not in own.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["missing.wav"], 1, "no such file"),
        (["{text}"], 1, "not a sound file"),
        (["{wav}", "--wake-word", "xyzzyq plugh"], 2, "xyzzyq"),
        (["{wav}", "--sentences", "{text}"], 2, "sentence templates"),
        (["{wav}", "--events", "/nowhere/x.jsonl"], 2, "cannot be written"),
        (["{wav}", "--wake-word", "alexa", "--events", "/dev/full"], 1, "No space left"),
        (["{wav}", "--trace", "{text}"], 2, "cannot be written"),
        (["{wav}", "--speech-out", "/nowhere/x.wav"], 1, "cannot be written"),
        (["{wav}", "--clock", "noon"], 2, "--clock"),
    ],
)
def test_bad_input_is_named_in_one_sentence(
    turns: dict[str, Path], tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("this is not sound")
    done = run(*(a.format(wav=turns["unasked"], text=text) for a in arguments))
    message = done.stderr.decode()
    assert done.returncode == code, message
    assert words in message
    assert "Traceback" not in message
