"""The file of a verifier computes what the heads compute."""

from pathlib import Path

import numpy as np
import pytest

from appliance.runtimes.tflite import TfliteFile, TfliteModel
from appliance.wake.embedding import SIZE
from appliance.wake.verifier import HEARD

pytest.importorskip("tensorflow", reason="TensorFlow is only in the tools' environment (make venv-tools)")


def test_the_file_scores_as_the_heads_do(tmp_path: Path) -> None:
    from tools.quantize.teacher import Head
    from tools.quantize.verifier import to_tflite

    rng = np.random.default_rng(3)
    heads = []
    for _ in range(2):
        head = Head.new(rng.normal(0, 5, SIZE).astype(np.float32), rng.uniform(5, 9, SIZE).astype(np.float32))
        head.model.set_weights([rng.normal(0, 0.15, array.shape) for array in head.model.get_weights()])
        heads.append(head)
    heads[0].save(tmp_path / "head.npz")
    file = TfliteModel(TfliteFile(tmp_path / "x.tflite", to_tflite([Head.load(tmp_path / "head.npz"), heads[1]])))
    for _ in range(20):  # weights of 8 bits; random ones are the worst there are
        heard = rng.normal(0, 12, (1, HEARD, SIZE)).astype(np.float32)
        logit = float(np.mean([head.logits(heard) for head in heads]))
        assert file.invoke(heard)[0, 0] == pytest.approx(1 / (1 + np.exp(-logit)), abs=0.1)
