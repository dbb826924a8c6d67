"""Does this version wake? A synthesized wake word goes through the whole appliance, as a recording does in a replay.

It needs no microphone and no loudspeaker, and disturbs nobody: an update is tested with it before it is used.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from appliance.audio.convert import resample
from appliance.audio.format import FRAME_SAMPLES, SAMPLE_RATE_HZ, Frame, Pcm, freeze
from appliance.brains import Brains, load_brains, load_voice, spoken
from appliance.config_files import LoadedConfig
from appliance.errors import StageError
from appliance.events import Event, Failed, WakeDetected
from appliance.replay import ReplaySettings, replay
from appliance.understanding.language_folder import language_of

ROOM_NOISE_RMS: Final = 20.0
"""About -64 dBFS: a quiet room through an ordinary microphone."""

TRIES: Final = 3
"""Times the words are said, each time a little differently, as the voice does."""

PAUSE_S: Final = 1.5


def self_test(loaded: LoadedConfig) -> None:
    """Wake by one of the configured words, as the configured voice says it.

    Raises:
        ConfigError, ModelError: this version cannot be loaded.
        StageError: it did not wake, or a stage failed.
    """
    loaded = dataclasses.replace(loaded, state=None, cache=None)  # whoever calls this may not be who owns them
    brains = load_brains(loaded)
    voice = load_voice(loaded, deterministic=False)
    events: list[Event] = []
    try:
        voice.start()
        phrases = _phrases(brains)
        said = [voice.synthesize(phrase) for _ in range(TRIES) for phrase in phrases]
        sounds = [resample(sound, voice.rate_hz, SAMPLE_RATE_HZ) for sound in said]
        replay(brains, Sounds(sounds), ReplaySettings(), voice=voice, publish=events.append)
    finally:
        voice.close()
    failed = [f"{event.stage}: {event.error}" for event in events if isinstance(event, Failed)]
    if failed:
        raise StageError(f"self-test: {failed[0]}")
    if not any(isinstance(event, WakeDetected) for event in events):
        raise StageError(f"self-test: no wake by {' or '.join(phrases)}, said {TRIES} times by the voice")


def _phrases(brains: Brains) -> list[str]:
    in_language = language_of(brains.loaded).settings.wake_words
    return [spoken(word, brains.store, in_language) for word in brains.words]


@dataclass(frozen=True, slots=True)
class Sounds:
    """A source of frames: these sounds in a quiet room, with a pause before each; int16, 16 kHz."""

    sounds: list[Pcm]

    def frames(self) -> Iterator[Frame]:
        """As a recording, faster than real time."""
        pause = np.zeros(round(PAUSE_S * SAMPLE_RATE_HZ), np.int16)
        said = np.concatenate([part for sound in self.sounds for part in (pause, sound)])
        noise = np.random.default_rng(1).normal(0.0, ROOM_NOISE_RMS, said.size)
        room = np.clip(said + noise, -32768, 32767).astype(np.int16)
        for index in range(room.size // FRAME_SAMPLES):
            yield Frame(index, freeze(room[index * FRAME_SAMPLES : (index + 1) * FRAME_SAMPLES]))

    def events(self) -> list[Event]:
        """Nothing goes wrong."""
        return []

    def close(self) -> None:
        """Nothing to close."""
