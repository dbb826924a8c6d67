"""One utterance from the microphone, without wake word: from its first to its last sound."""

import sys

from appliance.audio.format import FRAMES_PER_S, Pcm, frames_of_ms
from appliance.audio.microphone import Microphone
from appliance.audio.ring import Ring
from appliance.audio.ways import ways_to_microphone
from appliance.brains import load_hardware
from appliance.config_files import MANIFEST, LoadedConfig
from appliance.errors import AudioError
from appliance.models import ModelStore
from appliance.speech.detector import SileroDetector
from appliance.speech.endpoint import Began, Ended, Endpointer, limits_of

NOBODY_HEARS_FRAMES = frames_of_ms(12_000)
"""Without a microphone for so long there is none: every way to it has been tried by then."""


def record_utterance(loaded: LoadedConfig) -> Pcm:
    """Record until the person stops speaking; int16, 16 kHz, shape (n,).

    Raises:
        AudioError: no microphone, or nothing was said.
    """
    config = loaded.config
    store = ModelStore(MANIFEST, loaded.models_directory)
    detector = SileroDetector(store.folder(config.models.speech_detector))
    limits = limits_of(config.listening)
    endpointer = Endpointer(limits)
    ring = Ring(limits.no_speech_frames + limits.longest_frames + limits.silence_frames)
    hardware = load_hardware(loaded)
    microphone = Microphone(hardware.microphone, ways_to_microphone(hardware)).start()
    try:
        for frame in microphone.frames():
            if microphone.fault is not None:
                if frame.index >= NOBODY_HEARS_FRAMES or ring.newest >= 0:
                    raise AudioError(microphone.fault)
                continue
            if ring.newest < 0:
                print("speak now ...", file=sys.stderr, flush=True)
                endpointer.begin(frame.index)
            ring.append(frame)
            result = endpointer.update(frame.index, detector.process(frame))
            if isinstance(result, Began):
                endpointer.hear_words(frame.index)  # nobody recognizes words meanwhile: all speech counts
            if isinstance(result, Ended):
                if result.reason == "no_speech":
                    raise AudioError("microphone: nothing was said; check its level and mute switch")
                return ring.pcm(ring.oldest, min(frame.index, result.last_speech + FRAMES_PER_S))
    finally:
        microphone.close()
    raise AudioError("microphone: it ended")
