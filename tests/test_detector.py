"""The speech detector with its model: silence and noise are none, speech is, and nothing depends on the past."""

from pathlib import Path

import numpy as np
import pytest

from appliance.audio.convert import resample
from appliance.audio.format import FRAME_SAMPLES, SAMPLE_RATE_HZ, Frame, Pcm, float_from_int16
from appliance.errors import ModelError
from appliance.models import ModelStore
from appliance.speech.detector import SileroDetector, surely_speech
from appliance.voice.piper import PiperVoice


@pytest.fixture(scope="module")
def detector(store: ModelStore) -> SileroDetector:
    return SileroDetector(store.folder("silero-vad"))


@pytest.fixture(scope="module")
def speech(store: ModelStore) -> Pcm:
    """A second of silence, a sentence, a second of silence."""
    voice = PiperVoice(store.folder("piper-en-us-joe"), deterministic=True)
    try:
        said = resample(voice.synthesize("Please turn on the light in the kitchen."), voice.rate_hz, SAMPLE_RATE_HZ)
    finally:
        voice.close()
    silence = np.zeros(SAMPLE_RATE_HZ, np.int16)
    return np.concatenate([silence, said, silence])


def frames(pcm: Pcm) -> list[Frame]:
    count = pcm.size // FRAME_SAMPLES
    return [Frame(index, pcm[index * FRAME_SAMPLES : (index + 1) * FRAME_SAMPLES]) for index in range(count)]


def probabilities(detector: SileroDetector, pcm: Pcm) -> list[float]:
    detector.reset()
    return [detector.process(frame) for frame in frames(pcm)]


@pytest.mark.model
def test_silence_is_no_speech(detector: SileroDetector) -> None:
    assert max(probabilities(detector, np.zeros(5 * SAMPLE_RATE_HZ, np.int16))) < 0.1


@pytest.mark.model
@pytest.mark.parametrize("amplitude", [30, 1000, 8000])
def test_noise_is_no_speech(detector: SileroDetector, amplitude: int) -> None:
    noise = np.random.default_rng(0).normal(0.0, amplitude, 3 * SAMPLE_RATE_HZ)
    assert max(probabilities(detector, np.clip(noise, -32_768, 32_767).astype(np.int16))) < 0.5


@pytest.mark.model
def test_speech_is_speech_and_the_silence_around_it_is_not(detector: SileroDetector, speech: Pcm) -> None:
    found = probabilities(detector, speech)
    assert all(0.0 <= probability <= 1.0 for probability in found)
    assert max(found[:45]) < 0.2
    spoken = [index for index, probability in enumerate(found) if probability >= 0.5]
    assert 48 <= spoken[0] <= 60, "it begins within 0.2 s"
    assert len(spoken) > 0.7 * (spoken[-1] - spoken[0])
    assert max(found[-25:]) < 0.35, "and is over half a second after its end"


@pytest.mark.model
def test_the_first_block_is_waited_for(detector: SileroDetector) -> None:
    """512 samples are more than a frame of 320."""
    detector.reset()
    loud = Frame(0, np.full(FRAME_SAMPLES, 5000, np.int16))
    assert detector.process(loud) == 0.0
    assert detector.process(loud) > 0.0


@pytest.mark.model
def test_only_what_is_surely_speech_is_counted(detector: SileroDetector, speech: Pcm) -> None:
    sure = surely_speech(detector, speech)
    assert len(sure) == speech.size // FRAME_SAMPLES
    assert 50 < sum(sure) < len(sure) - 100
    assert surely_speech(detector, speech) == sure
    assert surely_speech(detector, np.zeros(SAMPLE_RATE_HZ + 7, np.int16)) == [False] * 50
    assert surely_speech(detector, speech[:0]) == []


@pytest.mark.model
def test_speech_is_found_the_same_bit_by_bit(detector: SileroDetector, speech: Pcm) -> None:
    whole = surely_speech(detector, speech)
    known: list[bool] = []
    for end in (0, 320 * 60, 320 * 61, 320 * 100 + 7, speech.size, speech.size):
        known = surely_speech(detector, speech[:end], known)
    assert known == whole


@pytest.mark.model
def test_another_of_the_same_model_hears_for_itself(detector: SileroDetector, speech: Pcm) -> None:
    first, other = probabilities(detector, speech), detector.another()
    detector.reset()
    found = []
    for frame in frames(speech):
        detector.process(Frame(0, np.zeros(320, np.int16)))
        found.append(other.process(frame))
    assert found == first


@pytest.mark.model
def test_after_a_reset_it_is_as_new(detector: SileroDetector, store: ModelStore, speech: Pcm) -> None:
    first = probabilities(detector, speech)
    for frame in frames(speech)[:77]:
        detector.process(frame)
    assert probabilities(detector, speech) == first
    assert probabilities(SileroDetector(store.folder("silero-vad")), speech) == first


@pytest.mark.model
def test_frames_give_what_whole_blocks_give(detector: SileroDetector, store: ModelStore, speech: Pcm) -> None:
    """The model is called with each 512 samples, the 64 before them, and the state that it returned."""
    import onnxruntime  # type: ignore[import-untyped]

    session = onnxruntime.InferenceSession(
        str(store.folder("silero-vad") / "silero_vad.onnx"), providers=["CPUExecutionProvider"]
    )
    state, expected, floats = np.zeros((2, 1, 128), np.float32), [], float_from_int16(speech)
    padded = np.concatenate([np.zeros(64, np.float32), floats])
    for start in range(0, speech.size - 511, 512):
        block = padded[start : start + 64 + 512][np.newaxis]
        output, state = session.run(None, {"input": block, "state": state, "sr": np.array(16_000, np.int64)})
        expected.append(float(output[0, 0]))
    found = probabilities(detector, speech)
    assert max(expected) > 0.9
    for index, probability in enumerate(found):
        blocks = (index + 1) * 320 // 512
        assert probability == pytest.approx(expected[blocks - 1] if blocks else 0.0, abs=1e-5)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(ModelError, match=r"silero_vad\.onnx: not a model that can be loaded"):
        SileroDetector(tmp_path)
    (tmp_path / "silero_vad.onnx").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="install silero-vad again"):
        SileroDetector(tmp_path)
