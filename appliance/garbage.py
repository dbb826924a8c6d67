"""Python's search for reference cycles, kept away from the frame loop, and from where much is made.

A full search holds the interpreter, and so every thread, for as long as it takes: up to 0.5 s with all models and the
language in memory, on a busy x86 core; and it comes by itself while much is being made.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def settle() -> None:
    """All is loaded: search once, and never again in what is there now."""
    gc.collect()
    gc.freeze()


@contextmanager
def put_off() -> Iterator[None]:
    """Meanwhile nothing is searched, in any thread: something large is being made, a third faster so."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
