"""A value that is made when there is time for it: what is not needed to listen need not be waited for at a start."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Later(Generic[T]):
    """Made once, by the thread that calls `make`; the others wait for it in `get`, or look whether it `is_there`."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: Future[T] = Future()

    @property
    def is_there(self) -> bool:
        """It was made, and `get` waits for nobody."""
        return self._made.done() and self._made.exception() is None

    def make(self) -> T:
        """Make it now, unless it was made. One thread alone may call this.

        Raises what making it raises, and so does `get` then.
        """
        if not self._made.done():
            try:
                self._made.set_result(self._make())
            except Exception as error:
                self._made.set_exception(error)
        return self.get()

    def get(self) -> T:
        """Wait until it was made."""
        return self._made.result()
