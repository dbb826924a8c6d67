"""What the house announces, gathered until it falls silent, and then taken over at once.

Owned by the frame loop; time is the frame index. A broker hands over all that is retained at each connection, and a
gateway that restarts announces all its devices again: what changes nothing costs nothing, and what changes something is
made ready beside the loop (see `renewing.py`), at most once a minute.
"""

from collections.abc import Callable
from typing import Final

from appliance.audio.format import FRAMES_PER_S
from appliance.facts import Fact
from appliance.home.announced import Thing

QUIET_FRAMES: Final = 3 * FRAMES_PER_S
"""After so long without a new announcement, the house is taken to have said all."""

AT_MOST_EVERY_FRAMES: Final = 60 * FRAMES_PER_S

GONE_AFTER_FRAMES: Final = 600 * FRAMES_PER_S
"""Who has not announced himself again so long after others have is there no more."""

THINGS_MAX: Final = 1000
"""Kept, and what does not fit is told in the log: some 600 kB."""

Learn = Callable[[tuple[Thing, ...], int], Fact | None]
"""Takes over all things there are; returns why it cannot be."""


class Learning:
    """Feed it what is announced, and `step` it once a frame."""

    def __init__(self, known: tuple[Thing, ...], learn: Learn) -> None:
        """`known`: from an earlier run, in use already."""
        self._learn = learn
        self._taken = known
        self._by_topic: dict[str, tuple[Thing, ...]] = {}
        for thing in known:
            topic = _topic_of(thing)
            self._by_topic[topic] = (*self._by_topic.get(topic, ()), thing)
        self._silent = set(self._by_topic)
        """Topics from an earlier run, not heard again yet."""

        self._silent_until: int | None = None
        """Those that have stayed silent by then are gone; None: nobody has announced anything yet."""

        self._due: int | None = None
        self._not_before = 0

    def heard(self, topic: str, things: tuple[Thing, ...], frame: int) -> None:
        """A topic announces these things now, and nothing else any more."""
        self._silent.discard(topic)
        if self._silent_until is None:
            self._silent_until = frame + GONE_AFTER_FRAMES
        others = sum(len(found) for other, found in self._by_topic.items() if other != topic)
        fits = things[: THINGS_MAX - others]
        if self._by_topic.get(topic, ()) == fits:
            return
        if fits:
            self._by_topic[topic] = fits
        else:
            del self._by_topic[topic]
        self._due = frame + QUIET_FRAMES

    def step(self, frame: int) -> Fact | None:
        """Take over what has changed, when it is time. Returns why it cannot be."""
        if self._silent and self._silent_until is not None and frame >= self._silent_until:
            for topic in self._silent:
                del self._by_topic[topic]
            self._silent.clear()
            self._due = frame
        if self._due is None or frame < max(self._due, self._not_before):
            return None
        self._due = None
        things = tuple(thing for topic in sorted(self._by_topic) for thing in self._by_topic[topic])
        if things == self._taken:
            return None
        self._taken, self._not_before = things, frame + AT_MOST_EVERY_FRAMES
        return self._learn(things, frame)


def _topic_of(thing: Thing) -> str:
    """Of the message that announced it: what stands before the key of its component."""
    return thing.key.partition("#")[0]
