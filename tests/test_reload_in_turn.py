"""The home file changes while somebody speaks: the turn goes on as it began, and the next one knows the new home."""

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from appliance import config_files
from appliance.audio.format import FRAME_MS, FRAMES_PER_S, Frame, silent_pcm
from appliance.audio.speakers import SilentSpeaker
from appliance.bench.speech import frames_of, spoken
from appliance.brains import load_brains, load_voice
from appliance.daemon import Daemon
from appliance.events import ActionDone, Event, IntentRecognized, LoadShed, SpeechEnded, SpeechStarted
from appliance.models import ModelStore
from appliance.notify import Notifier
from appliance.priority import SWITCH_INTERVAL_S
from tests.test_daemon import Paced

pytestmark = pytest.mark.model

LATE_MS_USUALLY = 500
"""A loop that waits for the loading is late in every frame of it; a crowded machine makes some late by seconds."""

ACTION_FRAMES_MOST = 25

SILENT_FRAMES_MOST = 120 * FRAMES_PER_S


class Noted(Paced):
    """Two sentences, with silence between until something is so. Notes how late each frame was done, in ms."""

    def __init__(self, first: list[Frame], second: list[Frame], ready: Callable[[], bool]) -> None:
        super().__init__(first)
        self._second, self._ready = second, ready
        self.late_ms: list[float] = []

    def frames(self) -> Iterator[Frame]:
        waiting = itertools.takewhile(
            lambda number: number < SILENT_FRAMES_MOST and not self._ready(), itertools.count()
        )
        silence = (silent_pcm() for _ in waiting)
        sound = itertools.chain((f.pcm for f in self._frames), silence, (f.pcm for f in self._second))
        started = time.monotonic()
        for index, pcm in enumerate(sound):
            time.sleep(max(0.0, started + index * FRAME_MS / 1000 - time.monotonic()))
            yield Frame(index, pcm)
            self.late_ms.append((time.monotonic() - started) * 1000 - (index + 1) * FRAME_MS)


@pytest.fixture
def switching() -> Iterator[None]:
    """Threads take turns as they do in the service."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("switching")
def test_a_new_home_in_the_middle_of_a_turn_neither_holds_it_up_nor_loses_it(store: ModelStore, tmp_path: Path) -> None:
    def write(*rooms: str) -> None:
        lights = (f"  - {{id: {room}_light, name: {room} light, kind: light, topic: l/{room}}}\n" for room in rooms)
        (tmp_path / "home.yaml").write_text("devices:\n" + "".join(lights))

    def listen(event: Event) -> None:
        heard.append(event)
        if event.session == 1 and isinstance(event, SpeechStarted | SpeechEnded):
            write("kitchen", "garden", *["cellar"] * isinstance(event, SpeechEnded))
            daemon.reload()
        if isinstance(event, ActionDone):
            loading.append(daemon._renewing._loading)

    file = tmp_path / "appliance.toml"
    file.write_text(f"[home]\nfile = 'home.yaml'\n[wake]\nwords = ['alexa']\n[device]\nid = '{tmp_path.name[-30:]}'\n")
    write("kitchen")
    brains = load_brains(config_files.load(file))
    voice = load_voice(brains.loaded, deterministic=True)
    try:
        said = [spoken(voice, f"Alexa, turn on the {room} light.", after_s=4.0) for room in ("kitchen", "cellar")]
    finally:
        voice.close()
    first, second = map(frames_of, said)
    source = Noted(first, second, lambda: len(daemon._renewing.brains.home.devices) == 3)
    heard, loading = list[Event](), list[bool]()
    daemon = Daemon(brains, source, SilentSpeaker(), notifier=Notifier({}), listeners=[listen])
    daemon.run()

    understood = [event for event in heard if isinstance(event, IntentRecognized)]
    done = [event for event in heard if isinstance(event, ActionDone)]
    assert [event.values["device"] for event in understood] == ["kitchen_light", "cellar_light"]
    assert loading == [True, False], "the first was done while the new home was being loaded"
    assert all(did.frame - was.frame <= ACTION_FRAMES_MOST for was, did in zip(understood, done, strict=True))
    assert not any(event.what == "recognition" for event in heard if isinstance(event, LoadShed))
    assert np.median(source.late_ms) < LATE_MS_USUALLY
