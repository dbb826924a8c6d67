# SPDX-License-Identifier: GPL-3.0-or-later
#
# This program is free software: you can redistribute it and/or modify it under the terms of the GNU General Public
# License as published by the Free Software Foundation, either version 3 of the License, or (at your option) any later
# version. It is distributed in the hope that it will be useful, but WITHOUT ANY WARRANTY; without even the implied
# warranty of MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE. See <https://www.gnu.org/licenses/> for the licence.
"""A program that says sentences with Piper: `python -P piper_process MODEL.onnx [--deterministic]`.

It stands alone: Piper is GPL-3.0-or-later, so it runs in a process of its own and the rest of the product talks to it
through pipes.

Standard input, one line each:  {"id": 7, "text": "It is noon."}
Standard output, at first:      {"ready": true, "rate": 22050}
then for each request, its sound in parts as they are made:
                                {"id": 7, "rate": 22050, "samples": 3584}, a newline, and as many int16, little-endian
and at the end of it:           {"id": 7, "last": true}, with "error": "what went wrong" where something did

A line ends what the one before it asked for: what is not made by then is never made. The program ends when its input
ends, or its parent dies. Standard error is for people.
"""

import argparse
import ctypes
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

NICE = 5
"""Hearing comes first: a sentence may wait for the frame loop, never the other way round."""

PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>: the signal that this process gets when its parent dies."""


def main() -> None:
    """Load the model, say that we are ready, and answer until the input ends."""
    parser = argparse.ArgumentParser(description="Says sentences with Piper.")
    parser.add_argument("model", help="MODEL.onnx, with MODEL.onnx.json beside it")
    parser.add_argument("--deterministic", action="store_true", help="the same sentence gives the same samples")
    args = parser.parse_args()
    answers = _own_standard_output()
    _be_a_good_child()
    from streamed_voice import StreamedVoice, new_options  # type: ignore[import-not-found]  # it lies beside this file

    voice = StreamedVoice(args.model, deterministic=args.deterministic)
    _give_memory_back()
    _answer(answers, {"ready": True, "rate": voice.rate_hz})
    for request, options in Requests(sys.stdin.buffer, new_options):
        end: dict[str, object] = {"id": request["id"], "last": True}
        try:
            for pcm in voice.say(request["text"], options):
                _answer(answers, {"id": request["id"], "rate": voice.rate_hz, "samples": len(pcm) // 2}, pcm)
        except Exception as error:  # whatever the libraries raise is an answer, too, unless we made them
            if not options.terminate:
                end["error"] = f"{type(error).__name__}: {error}"
        _answer(answers, end)
        _give_memory_back()


class Requests:
    """What is asked, read by a thread beside the work, so that a new line ends the work for the one before it."""

    def __init__(self, stream: BinaryIO, new_options: Callable[[], Any]) -> None:
        """`new_options`: called for each request; its `terminate` is set when the request is over."""
        self._stream = stream
        self._new_options = new_options
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._options = new_options()
        threading.Thread(target=self._read, name="requests", daemon=True).start()

    def __iter__(self) -> Iterator[tuple[dict[str, Any], Any]]:
        """(request, options), until the input ends."""
        while line := self._lines.get():
            self._options = options = self._new_options()
            if not self._lines.empty():  # it came before the thread could see these options
                options.terminate = True
            yield json.loads(line), options

    def _read(self) -> None:
        line = b"at first"
        while line:
            line = self._stream.readline()  # empty at the end of the input
            self._lines.put(line)
            self._options.terminate = True


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


def _give_memory_back() -> None:
    """Else the allocator keeps some 40 MB that were needed once. It takes milliseconds, for which nobody waits."""
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def _answer(answers: BinaryIO, header: dict[str, object], pcm: bytes = b"") -> None:
    answers.write(json.dumps(header).encode() + b"\n" + pcm)
    answers.flush()


if __name__ == "__main__":
    main()
