# SPDX-License-Identifier: GPL-3.0-or-later
#
# This program is free software: you can redistribute it and/or modify it under the terms of the GNU General Public
# License as published by the Free Software Foundation, either version 3 of the License, or (at your option) any later
# version. It is distributed in the hope that it will be useful, but WITHOUT ANY WARRANTY; without even the implied
# warranty of MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE. See <https://www.gnu.org/licenses/> for the licence.
"""A program that says many things with Piper: `python -P piper_speaker.py MODEL.onnx --seed N`.

It stands alone: Piper is GPL-3.0-or-later, so it runs in a process of its own, and the tools talk to it through pipes.

Standard input, one line each:  {"text": "computer.", "accent": "en-gb", "length": 1.1, "noise": 0.7, "width": 0.8}
Standard output, for each:      {"rate": 22050, "samples": 23040}, a newline, and as many int16, little-endian
or:                             {"error": "what went wrong"}
`accent` is a voice of espeak-ng: how the words are pronounced. Same lines and seed, same samples.
"""

import argparse
import json
import os
import sys
from typing import Any


def main() -> None:
    """Load the model, and answer until the input ends."""
    parser = argparse.ArgumentParser(description="Says many things with Piper.")
    parser.add_argument("model", help="MODEL.onnx, with MODEL.onnx.json beside it")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    voice = _load(args.model, args.seed)
    for line in sys.stdin.buffer:
        try:
            pcm = _say(voice, json.loads(line))
        except Exception as error:  # whatever the library raises is an answer too
            answers.write(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode() + b"\n")
        else:
            head = {"rate": voice.config.sample_rate, "samples": len(pcm) // 2}
            answers.write(json.dumps(head).encode() + b"\n" + pcm)
    answers.flush()


def _load(model: str, seed: int) -> Any:
    import onnxruntime  # type: ignore[import-untyped]
    from piper import PiperConfig, PiperVoice

    onnxruntime.set_seed(seed)  # before the session is made
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    with open(f"{model}.json", encoding="utf-8") as file:
        fields: dict[str, Any] = json.load(file)
    return PiperVoice(session=session, config=PiperConfig.from_dict(fields))


def _say(voice: Any, request: dict[str, Any]) -> bytes:
    from piper import SynthesisConfig

    voice.config.espeak_voice = request["accent"]
    manner = SynthesisConfig(
        length_scale=request["length"], noise_scale=request["noise"], noise_w_scale=request["width"]
    )
    return b"".join(
        chunk.audio_int16_array.astype("<i2").tobytes() for chunk in voice.synthesize(request["text"], manner)
    )


if __name__ == "__main__":
    main()
