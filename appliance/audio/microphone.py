"""Frames from the microphone, for ever: a lost device becomes silence and an event, not an end.

A capture thread fills a bounded queue; the frame loop empties it. While no audio comes, or the device is closed because
the appliance is muted, silent frames keep the time, so timers and answers go on. A call into the sound system that does
not return is left behind, and the next way to the device is taken; only where there is none does the stream end, with
an error: then nothing but a new process helps.
"""

import contextlib
import logging
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from appliance.audio.capture import STEADY_FRAMES, Capture, Opened, Told, Way
from appliance.audio.format import FRAME_MS, FRAMES_PER_S, Frame, Pcm, frames_of_ms, silent_pcm
from appliance.errors import AudioError
from appliance.events import AudioDropped, Event, MicrophoneLost, MicrophoneRestored
from appliance.status import MicrophoneStatus

_LOGGER = logging.getLogger(__name__)

QUEUE_FRAMES: Final = frames_of_ms(2000)
"""Frames that may wait for a late loop; when full the oldest is dropped and counted."""

LOST_AFTER_S: Final = 1.0
"""Without a frame for so long the microphone counts as lost."""

FIRST_AFTER_S: Final = 3.0
"""After the start and after a pause it takes longer until the first one: PulseAudio sends nothing for up to 2 s."""

HUNG_AFTER_S: Final = 5.0
"""Without any sign of the capture thread for so long it hangs: PortAudio is known to stop sending, and to loop for
ever when a device is unplugged (its issues 930, 1074, 1037). Opening a device and the longest pause take below 3 s."""

PAUSES_S: Final = (0.25, 0.5, 1.0)
"""Pauses before the device is opened again; the last is repeated. It is back within 2 s: a pause, and the opening."""

GIVE_UP_S: Final = 30.0
"""A sound library that hangs may hold the device: where no other way has found it for so long, only a new process
does."""

DROPS_TOLD_EVERY_FRAMES: Final = FRAMES_PER_S
"""What is lost again and again, as in a storm of overruns, is told once a second, added up."""

_FRAME_S = FRAME_MS / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for the device."""

    lost_after_s: float = LOST_AFTER_S
    first_after_s: float = FIRST_AFTER_S
    give_up_s: float = GIVE_UP_S
    hung_after_s: float = HUNG_AFTER_S
    pauses_s: tuple[float, ...] = PAUSES_S
    steady_frames: int = STEADY_FRAMES


USUAL_PATIENCE = Patience()


class Microphone:
    """A live source. `start` begins to capture; `frames` never ends until `close`. One thread uses it."""

    def __init__(
        self,
        name: str,
        ways: Sequence[Way],
        *,
        prepare: Callable[[], object] = lambda: None,
        patience: Patience = USUAL_PATIENCE,
    ) -> None:
        """`name`: as configured, for messages. `ways`: the best first. `prepare` is called first in capture threads."""
        self._name = name or "default"
        self._ways = list(ways)
        self._prepare = prepare
        self._patience = patience
        self._queue: queue.Queue[tuple[Capture, Told]] = queue.Queue(maxsize=QUEUE_FRAMES)
        self._capture = self._new_capture()
        self._closed = False
        self._left_behind = False
        self._paused = False
        self._awaited = True
        """No frame has come since the start or a pause."""
        self._opened: Opened | None = None
        self._untold = False
        self._expected: int | None = 0
        """Number of the next captured frame; None: any, for the device was opened anew."""
        self._index = 0
        self._dropped = 0
        """Frames that are to be told."""
        self._told_to = 0
        """Before this frame no more is told of what was dropped."""
        self._stood_in = 0
        self._next_item: Told | None = None
        """Taken from the queue already."""
        self._fault: str | None = None
        self._losses = 0
        self._events: list[Event] = []

    @property
    def fault(self) -> str | None:
        """Why the device is lost, in one sentence; None while it is there."""
        return self._fault

    @property
    def opened(self) -> Opened | None:
        """What is captured from; None while nothing is."""
        return None if self._paused or self._fault is not None else self._opened

    @property
    def waiting(self) -> tuple[int, int]:
        """Frames in the queue, and how many it holds."""
        return self._queue.qsize(), QUEUE_FRAMES

    def status(self) -> MicrophoneStatus:
        """How things stand with the device."""
        opened = self.opened
        return MicrophoneStatus(
            name=self._name,
            device=opened.device if opened else None,
            way=opened.way if opened else None,
            rate_hz=opened.rate_hz if opened else None,
            channels=opened.channels if opened else None,
            present=opened is not None,
            muted=self._paused,
            fault=None if self._paused else self._fault,
            lost=self._losses,
        )

    def start(self) -> "Microphone":
        """Begin to capture; a device that is missing is looked for again and again."""
        self._capture.start()
        return self

    def pause(self, on: bool) -> None:
        """Close the device and yield silence, or open it again. What it had captured is forgotten."""
        if on != self._paused:
            self._paused, self._awaited = on, True
            self._expected, self._stood_in = None, 0
            self._capture.pause(on)
            _LOGGER.info("microphone %s: %s", self._name, "closed, muted" if on else "opened again")

    def frames(self) -> Iterator[Frame]:
        """Yield frames as they come, or silence every 20 ms while the device is lost or closed.

        The index begins with 0; where frames were dropped it jumps by as many.

        Raises:
            AudioError: the sound system hangs, and there is no other way to the device.
        """
        sign_s = hung_s = time.monotonic()
        due_s = sign_s + _FRAME_S
        while not self._closed:
            item = self._take(max(0.0, due_s - time.monotonic()) if self._keeps_time else _FRAME_S)
            now_s = time.monotonic()
            if item is not None or self._paused:
                sign_s = now_s
            if isinstance(item, Frame) and not self._paused and not self._is_stale(item):
                due_s, hung_s = now_s + _FRAME_S, now_s
                yield self._placed(item)
                continue
            if isinstance(item, str) and not self._paused:
                self._lose(item)
            elif now_s - sign_s > self._lost_after_s:
                self._lose(self._fault or f"microphone {self._name}: it sends nothing; plug it in again")
            if now_s - sign_s > self._patience.hung_after_s:
                self._leave_behind()
                sign_s = hung_s = now_s
            if self._left_behind and self._fault is not None and now_s - hung_s > self._patience.give_up_s:
                raise AudioError(f"microphone {self._name}: {self._fault}; the sound system hangs, start again")
            if self._keeps_time and now_s >= due_s:
                due_s += _FRAME_S
                self._stood_in += 1
                yield self._next(silent_pcm())

    def events(self) -> list[Event]:
        """Dropped frames, and the device lost or restored."""
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Stop capturing. A read that never returns is left behind."""
        self._closed = True
        self._capture.stop()
        self._capture.join(self._patience.lost_after_s)

    @property
    def _keeps_time(self) -> bool:
        """Silence stands in for the device. At the very start nothing does: the stream has not begun."""
        return self._paused or self._fault is not None or (self._awaited and self._index > 0)

    @property
    def _lost_after_s(self) -> float:
        return self._patience.first_after_s if self._awaited else self._patience.lost_after_s

    def _take(self, timeout_s: float) -> Told | None:
        """The next that was handed over; None when nothing comes in time."""
        item, self._next_item = self._next_item, None
        item = self._get(timeout_s) if item is None else item
        if isinstance(item, Opened):
            self._opened, self._untold = item, True
            self._stood_in = 0  # it was opened anew: nothing had piled up
        return item

    def _get(self, timeout_s: float) -> Told | None:
        try:
            capture, item = self._queue.get(timeout=timeout_s) if timeout_s > 0.0 else self._queue.get_nowait()
        except queue.Empty:
            return None
        return item if capture is self._capture else None

    def _is_stale(self, captured: Frame) -> bool:
        """Whether silence has stood in for this frame: it had piled up with others while the device stalled."""
        if self._stood_in == 0:
            return False
        self._next_item = self._get(0.0)
        if not isinstance(self._next_item, Frame):
            self._stood_in = 0
            return False
        self._stood_in -= 1
        self._expected = captured.index + 1
        return True

    def _placed(self, captured: Frame) -> Frame:
        """A captured frame at its place in the stream, behind those that were dropped before it."""
        self._awaited = False
        if self._untold:  # a way that opens and then fails is not worth a word, again and again
            self._untold = False
            _LOGGER.info("microphone: %s", self._opened)
        if self._fault is not None:
            self._fault = None
            self._expected = None
            self._events.append(MicrophoneRestored(frame=self._index, device=self._name))
        dropped = 0 if self._expected is None else captured.index - self._expected
        self._expected = captured.index + 1
        self._dropped += dropped
        if self._index > 0:
            self._index += dropped
        if self._dropped and self._index >= self._told_to:
            self._events.append(AudioDropped(frame=self._index, frames=self._dropped))
            self._dropped, self._told_to = 0, self._index + DROPS_TOLD_EVERY_FRAMES
        return self._next(captured.pcm)

    def _next(self, pcm: Pcm) -> Frame:
        frame = Frame(self._index, pcm)
        self._index += 1
        return frame

    def _lose(self, why: str) -> None:
        if self._fault is None:
            self._losses += 1
            _LOGGER.warning("microphone %s is lost: %s", self._name, why)
            self._events.append(MicrophoneLost(frame=self._index, device=self._name))
        self._fault = why

    def _leave_behind(self) -> None:
        """The capture thread hangs: take another way. Raises AudioError where there is none."""
        self._capture.leave_behind()
        self._left_behind = True
        hung = self._capture.way
        self._ways.remove(hung)
        if not self._ways:
            raise AudioError(f"microphone {self._name}: the sound system hangs; start the appliance again")
        _LOGGER.warning("microphone %s: %s hangs; %s takes over", self._name, hung.name, self._ways[0].name)
        self._capture = self._new_capture()
        self._capture.start()

    def _new_capture(self) -> Capture:
        return Capture(
            tuple(self._ways),
            self._put,
            pauses_s=self._patience.pauses_s,
            steady_frames=self._patience.steady_frames,
            prepare=self._prepare,
        )

    def _put(self, capture: Capture, told: Told) -> None:
        """In the capture thread; never waits: the oldest gives way."""
        while True:
            try:
                return self._queue.put_nowait((capture, told))
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._queue.get_nowait()
