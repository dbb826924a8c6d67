"""Lowers other sound on this machine while the appliance listens and speaks, and always restores it.

What was lowered is on disk before it is lowered, so the next start restores what a crash left quiet. Nothing here is
done in the frame loop: a worker asks the sound server. What somebody made louder or quieter meanwhile stays so; and a
program that stopped while it was quiet, whose low volume the server would remember for the next time it plays, gets its
own back when it is seen again.
"""

import contextlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from appliance.audio.format import FRAMES_PER_S
from appliance.audio.others import MixerControl, Others, ServerStreams, Stream
from appliance.config import Audio
from appliance.errors import AudioError
from appliance.worker import Worker

_LOGGER = logging.getLogger(__name__)

UNDUCKED_PERCENT: Final = 100
AGAIN_FRAMES: Final = 60 * FRAMES_PER_S
"""So often it is looked for programs that stopped while they were quiet."""

DEBTS: Final = 16
"""So many streams are lowered, and remembered, at most."""


class Debt(msgspec.Struct, frozen=True, kw_only=True):
    """A stream that was lowered."""

    key: str
    name: str
    before: tuple[int, ...]
    lowered: tuple[int, ...] = ()
    """What became of it; empty: not known, for the process ended just then."""

    def is_of(self, stream: Stream) -> bool:
        """The very stream."""
        return (self.key, self.name) == (stream.key, stream.name)

    def may_be_of(self, stream: Stream) -> bool:
        """The very stream, or the same program's, and as quiet as it was made."""
        return self.is_of(stream) or (self.name == stream.name and self.lowered == stream.volumes)


class Ducking:
    """Owned by the frame loop; `step` is called once for each frame, `close` when the worker has ended."""

    def __init__(self, percent: int, ways: Sequence[Others], path: Path, worker: Worker) -> None:
        """Have other sound lowered.

        Args:
            percent: what is left of its volume, as a slider counts, 0..100; 100: nothing is lowered.
            ways: to other sound; the first that leads anywhere is taken.
            path: file of what was lowered.
            worker: does it.
        """
        self._percent = percent
        self._ways = tuple(ways)
        self._path = path
        self._worker = worker
        self._asked = False
        self._again_at = 0
        self._debts: tuple[Debt, ...] | None = None
        """The worker's: None until the file was read."""

        self._told = False

    def step(self, index: int, *, lower: bool) -> None:
        """Have it lowered, or restored, where that is not so; in the first frame, what an earlier run left lowered."""
        lower = lower and self._percent < UNDUCKED_PERCENT
        due = lower is not self._asked or index >= self._again_at
        if due and self._worker.submit(lambda: self._settle(lower=lower)):
            self._asked, self._again_at = lower, index + AGAIN_FRAMES

    def close(self) -> None:
        """Restore what is lowered."""
        self._settle(lower=False)

    # The worker's part.

    def _settle(self, *, lower: bool) -> None:
        if self._debts is None:
            self._debts = self._read()
        if not (lower or self._debts):
            return
        try:
            others, streams = self._others()
            if lower:
                self._lower(others, streams, self._debts)
            else:
                self._restore(others, streams, self._debts)
        except AudioError as error:
            if not self._told:
                _LOGGER.info("other sound is not %s: %s", "lowered" if lower else "restored yet", error)
            self._told = True
        else:
            self._told = False

    def _others(self) -> tuple[Others, list[Stream]]:
        """The first way that leads to other sound, and what plays there. Raises AudioError."""
        failure: AudioError | None = None
        for way in self._ways:
            try:
                return way, way.streams()
            except AudioError as error:
                failure = failure or error
        raise failure or AudioError("there is no way to it")

    def _lower(self, others: Others, streams: Sequence[Stream], debts: tuple[Debt, ...]) -> None:
        chosen = [one for one in streams if one.sounds and not any(debt.may_be_of(one) for debt in debts)]
        chosen = chosen[: max(0, DEBTS - len(debts))]
        if not chosen:
            return
        fresh = [Debt(key=one.key, name=one.name, before=one.volumes) for one in chosen]
        self._keep((*debts, *fresh))
        for stream in chosen:
            with contextlib.suppress(AudioError):  # it may have ended just now; how it is, is read next
                others.lower(stream, self._percent)
        now = {stream.key: stream.volumes for stream in others.streams()}
        lowered = [msgspec.structs.replace(debt, lowered=now.get(debt.key, debt.before)) for debt in fresh]
        self._keep((*debts, *(debt for debt in lowered if debt.lowered != debt.before)))

    def _restore(self, others: Others, streams: Sequence[Stream], debts: tuple[Debt, ...]) -> None:
        owed, left, names = list[Debt](), list(streams), {one.name for one in streams}
        for debt in sorted(debts, key=lambda debt: not any(debt.is_of(one) for one in streams)):
            stream = next((one for one in left if debt.is_of(one)), None)
            stream = stream or next((one for one in left if debt.may_be_of(one)), None)
            if stream is None:
                owed += [debt] if debt.lowered and debt.name not in names else []
                continue
            left.remove(stream)
            if stream.volumes == debt.lowered or not debt.lowered:
                try:
                    others.restore(stream, debt.before)
                except AudioError:
                    owed.append(debt)
        self._keep(tuple(owed))

    def _read(self) -> tuple[Debt, ...]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=tuple[Debt, ...])
        except FileNotFoundError:
            return ()
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            _LOGGER.error("%s cannot be used (%s): sound that was lowered before stays so", self._path, error)
            return ()

    def _keep(self, debts: tuple[Debt, ...]) -> None:
        """On disk, then in memory. Raises AudioError; then nothing is to be lowered."""
        if debts == self._debts:
            return
        fresh = self._path.with_suffix(".new")
        try:
            if debts:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                    file.write(msgspec.json.encode(debts))
                fresh.replace(self._path)
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            raise AudioError(f"{self._path} cannot be written ({error.strerror}); make room there") from None
        self._debts = debts


def ducking_of(audio: Audio, state: Path | None, worker: Worker) -> Ducking | None:
    """As configured. `state`: folder of what is remembered; without it nothing is lowered, and this is None."""
    if state is None:
        return None
    ways: list[Others] = [ServerStreams()]
    if audio.ducking_mixer:
        ways.append(MixerControl(audio.ducking_mixer))
    return Ducking(audio.ducking_percent, ways, state / "lowered.json", worker)
