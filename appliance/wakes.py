"""Which wake somebody means who says that he was not talking to the appliance. Pure."""

from typing import Final

from appliance.audio.format import FRAMES_PER_S
from appliance.events import FalseWakeReported, WakeDetected

SOON_FRAMES: Final = 60 * FRAMES_PER_S
"""Who wakes it on purpose, to say that the wake before was none, does so within a minute."""


class Wakes:
    """Remembers the newest wake, and the one before it where nothing came of that."""

    def __init__(self) -> None:
        self._newest: WakeDetected | None = None
        self._before: WakeDetected | None = None
        self._answered: int | None = None

    def woke(self, event: WakeDetected) -> None:
        """It woke."""
        self._before = self._newest if self._newest and self._newest.session != self._answered else None
        self._newest = event

    def answered(self, session: int | None) -> None:
        """Something was done in this session: it was meant, unless somebody says otherwise within it."""
        self._answered = session

    def disowned(self, frame: int, *, aloud: bool) -> FalseWakeReported | None:
        """The event for the wake that is meant, once for each; None: there is none.

        `aloud`: said to the appliance, which may have been woken for that; else the newest wake is meant.
        """
        meant = self._before if aloud else None
        if meant is not None and frame - meant.frame <= SOON_FRAMES:
            self._before = None
        else:
            meant, self._newest = self._newest, None
        if meant is None:
            return None
        return FalseWakeReported(
            frame=frame,
            session=meant.session,
            word=meant.word,
            engine=meant.engine,
            score=meant.score,
            woken=meant.frame,
        )
