"""`python -m tools.quantize STEP ...`: one module a step, loaded only when it is called.

Exit codes: 0 good, 1 failed, 2 wrong usage, 130 interrupted. Errors are one sentence on stderr.
"""

import argparse
import importlib
import os
import sys

from appliance.errors import ApplianceError

STEPS = {
    "run": "all of it: from the text of a word to its model, with card and report",
    "synthesize": "say a word, words like it, and other sentences with every voice there is",
    "record": "record yourself saying the word",
    "split": "split the data pack for a word: what to train with, what to measure with",
    "augment": "make examples for training from clips",
    "train": "train the network, with a teacher and several seeds",
    "prune": "make a network narrower",
    "quantize": "make the INT8 file and check it",
    "evaluate": "measure a model on recordings: misses, false accepts, cost",
    "report": "a report of an evaluation, with pictures",
    "card": "the card of a model: figures, data, licence",
    "voice": "make a voice smaller: its first network in INT8",
    "install": "put a model in its place and name it in the manifest",
}
"""Each step is the module of this folder that has its name, with `add_arguments(parser)` and `run(args) -> int`."""


def main(arguments: list[str] | None = None) -> int:
    """Run one step; returns its exit code."""
    # One thread for linear algebra in each process: more only get into each other's way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow tells every start what processor it found, and
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # warns of these, which are no faster here
    words = sys.argv[1:] if arguments is None else arguments
    try:
        return _run(words)
    except ApplianceError as error:
        print(f"quantize: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:  # above all a full disk
        print(f"quantize: {error.strerror or error}{f': {error.filename}' if error.filename else ''}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("quantize: interrupted; start it again to go on, what is done is kept", file=sys.stderr)
        return 130


def _run(words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.quantize",
        description="From the text of a word to its wake model.",
        epilog="Example: python -m tools.quantize run computer",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    steps = parser.add_subparsers(dest="step", metavar="STEP", title="steps", required=True)
    chosen = next((word for word in words if word in STEPS), None)
    for step, help_text in STEPS.items():
        child = steps.add_parser(step, help=help_text, formatter_class=argparse.RawDescriptionHelpFormatter)
        if step == chosen:
            module = importlib.import_module(f"tools.quantize.{step}")
            child.description = (module.__doc__ or "").strip()
            module.add_arguments(child)
    args = parser.parse_args(words)
    code: int = importlib.import_module(f"tools.quantize.{args.step}").run(args)
    return code


if __name__ == "__main__":
    sys.exit(main())
