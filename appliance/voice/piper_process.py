# SPDX-License-Identifier: GPL-3.0-or-later
#
# This program is free software: you can redistribute it and/or modify it under the terms of the GNU General Public
# License as published by the Free Software Foundation, either version 3 of the License, or (at your option) any later
# version. It is distributed in the hope that it will be useful, but WITHOUT ANY WARRANTY; without even the implied
# warranty of MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE. See <https://www.gnu.org/licenses/> for the licence.
"""A program that says sentences with Piper: `python -P piper_process.py MODEL.onnx [--deterministic]`.

It stands alone: Piper is GPL-3.0-or-later, so it runs in a process of its own and the rest of the product talks to it
through pipes. (`-P` keeps the folder of this file, where another `piper` lives, out of Python's search path.)

Standard input, one line each:  {"id": 7, "text": "It is noon."}
Standard output, at first:      {"ready": true, "rate": 22050}
then for each request:          {"id": 7, "rate": 22050, "samples": 23040}, a newline, and as many int16, little-endian
or:                             {"id": 7, "error": "what went wrong"}
It ends when its input ends, or its parent dies. Standard error is for people.
"""

import argparse
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

NICE = 5
"""Hearing comes first: a sentence may wait for the frame loop, never the other way round."""

PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>: the signal that this process gets when its parent dies."""

WARM_UP = "Ready."
"""The first sentence after loading takes up to 40 % longer; this one is thrown away."""


def main() -> None:
    """Load the model, say that we are ready, and answer until the input ends."""
    parser = argparse.ArgumentParser(description="Says sentences with Piper.")
    parser.add_argument("model", help="MODEL.onnx, with MODEL.onnx.json beside it")
    parser.add_argument("--deterministic", action="store_true", help="the same sentence gives the same samples")
    args = parser.parse_args()
    answers = _own_standard_output()
    _be_a_good_child()
    say, rate_hz = _load(args.model, args.deterministic)
    say(WARM_UP)
    _answer(answers, {"ready": True, "rate": rate_hz})
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            pcm = say(request["text"])
        except Exception as error:  # whatever the library raises is an answer too
            _answer(answers, {"id": request["id"], "error": f"{type(error).__name__}: {error}"})
        else:
            _answer(answers, {"id": request["id"], "rate": rate_hz, "samples": len(pcm) // 2}, pcm)


def _own_standard_output() -> BinaryIO:
    """Keep the standard output for answers; what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def _be_a_good_child() -> None:
    """Die with the parent, leave the keyboard's interrupt to it, and do not press for processor time."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _load(model: str, deterministic: bool) -> tuple[Callable[[str], bytes], int]:
    """A function from text to little-endian int16 samples, and their rate in Hz."""
    import onnxruntime  # type: ignore[import-untyped]
    from piper import PiperConfig, PiperVoice, SynthesisConfig

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # The arena keeps the peak of the longest sentence for ever: 456 MB against 215 MB, for about 10 % of the time.
    options.enable_cpu_mem_arena = False
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    with open(f"{model}.json", encoding="utf-8") as file:
        fields: dict[str, Any] = json.load(file)
    voice = PiperVoice(session=session, config=PiperConfig.from_dict(fields))
    scale = 0.0 if deterministic else None  # None: the model's own
    synthesis = SynthesisConfig(noise_scale=scale, noise_w_scale=scale)

    def say(text: str) -> bytes:
        return b"".join(chunk.audio_int16_array.astype("<i2").tobytes() for chunk in voice.synthesize(text, synthesis))

    return say, voice.config.sample_rate


def _answer(answers: BinaryIO, header: dict[str, object], pcm: bytes = b"") -> None:
    answers.write(json.dumps(header).encode() + b"\n" + pcm)
    answers.flush()


if __name__ == "__main__":
    main()
