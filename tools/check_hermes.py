"""Holds the appliance's Hermes messages against the payload classes of rhasspy-hermes, which run in their own Python.

What the appliance sends in whole conversations is read there, class by class, topic by topic; what those classes write
is obeyed here. Exit code 0: all of that.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from appliance.events import IntentRejected
from appliance.facts import AskedToListen, AskedToMute, AskedToSay, AskedToStop
from tests.test_hermes import IDLE, LISTENING, TURN, WAKE, Site, said, went

READER: Final = """
import json, sys
from rhasspyhermes.asr import AsrTextCaptured
from rhasspyhermes.dialogue import *
from rhasspyhermes.intent import *
from rhasspyhermes.nlu import NluIntent, NluIntentNotRecognized
from rhasspyhermes.tts import TtsSay, TtsSayFinished
from rhasspyhermes.wake import HotwordDetected, HotwordToggleOff, HotwordToggleOn

sent, asked = [HotwordDetected, NluIntent, AsrTextCaptured, DialogueSessionStarted, DialogueSessionEnded,
               DialogueIntentNotRecognized, NluIntentNotRecognized, TtsSayFinished], []
read = set()
for topic, payload in json.load(sys.stdin):
    (form,) = [form for form in sent if form.is_topic(topic)]
    message = form.from_dict(json.loads(payload))
    again = json.loads(message.payload())
    for key, value in json.loads(payload).items():
        if again[key] != value and key != "slots":
            raise SystemExit(f"{topic}: {key} was {value!r} and is read as {again[key]!r}")
    read.add(form)
missing = [form.__name__ for form in sent if form not in read]
if missing:
    raise SystemExit(f"nothing was sent for {missing}")
text = {"site_id": "study"}
asked = [
    TtsSay(text="Dinner is ready", id="1", **text),
    DialogueStartSession(init=DialogueNotification(text="Hello"), custom_data="mine", **text),
    DialogueStartSession(init=DialogueAction(can_be_enqueued=True, text="Which?"), **text),
    DialogueStartSession(init=DialogueAction(can_be_enqueued=False), **text),
    DialogueContinueSession(session_id="study-run-1", text="And?"),
    DialogueEndSession(session_id="study-run-1"),
    HotwordToggleOff(**text),
    HotwordToggleOn(**text),
]
print(json.dumps([[message.topic(), message.payload()] for message in asked]))
"""
"""What the other Python does: read ours, and write theirs."""


def sent() -> list[list[str]]:
    """What the appliance sends in some conversations: topics and payloads."""
    site = Site().take(*TURN).ask("tts/say", text="Dinner", siteId="study", id="7").take(*said("Dinner"))
    refused = IntentRejected(frame=9, session=2, text="what", reason="not_understood")
    second = went(IDLE, LISTENING, session=2), refused, went(LISTENING, IDLE, session=2)
    site.take(*second)
    return [[f"hermes/{topic}", json.dumps(payload)] for topic, payload in site.sent]


def obeyed(asked: list[list[str]]) -> list[Any]:
    """What the appliance does about messages, listening in its first session."""
    site = Site().take(WAKE, went(IDLE, LISTENING))
    for topic, payload in asked:
        site.hermes.ear.hear(topic, payload.encode(), False)
    return site.facts


EXPECTED: Final = [
    AskedToSay(frame=7, text="Dinner is ready"),
    AskedToSay(frame=7, text="Hello"),
    AskedToSay(frame=7, text="Which?"),
    AskedToListen(frame=7),
    AskedToSay(frame=7, text="And?"),
    AskedToStop(frame=7),
    AskedToMute(frame=7, on=True),
    AskedToMute(frame=7, on=False),
]


def main() -> int:
    """Ask. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("python", type=Path, help="an interpreter that has rhasspy-hermes")
    program = parser.parse_args().python
    ours = sent()
    done = subprocess.run(
        [program, "-W", "ignore", "-c", READER],
        input=json.dumps(ours),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        print(f"check-hermes: ours are not read: {done.stderr.strip()}", file=sys.stderr)
        return 1
    found = obeyed(json.loads(done.stdout))
    if found != EXPECTED:
        print(f"check-hermes: theirs are not obeyed: {found}", file=sys.stderr)
        return 1
    print(f"check-hermes: {len(ours)} messages are read by rhasspy-hermes, {len(EXPECTED)} of its own are obeyed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
