"""`appliance bench lateness`: turn after turn at the pace of a microphone, with the other cores busy."""

import re
import subprocess
import sys

import pytest

from appliance.bench.speech import WITHOUT_TIMERS


def test_what_is_said_over_and_over_sets_no_timer() -> None:
    assert not [text for text in WITHOUT_TIMERS if "timer" in text or "wake me" in text]


@pytest.mark.model
def test_it_counts_the_frames_that_were_late() -> None:
    """In a process of its own, for it asks for real-time priority."""
    command = [sys.executable, "-m", "appliance", "bench", "lateness", "--seconds", "6"]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout
    assert "frames later than 20 ms, 6 s each, other cores fully loaded" in told
    assert re.findall(r"(bare loop|frame loop).* \d+ of 300 later than 20 ms", told) == ["bare loop", "frame loop"]
    assert "ledger" not in told, "nothing else is measured"
