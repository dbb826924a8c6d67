"""Which of several appliances answers when more than one hears the same wake word: the one that heard it best.

Each tells the others how well it heard (its *bid*) in the frame of its detection, and goes on listening. Then, after
`DEADLINE_FRAMES`, each decides for itself, from the same bids by the same rule: nobody has to be asked. Who hears a bid
that is too old to be answered in time yields at once, and bids nothing. Every doubt is decided for answering: a lost
message makes two answer, not none. Pure: no clock but the frame index, which is each one's own and never compared.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

from msgspec import Meta, Struct

from appliance.audio.format import frames_of_ms
from appliance.facts import Yielded

DEADLINE_FRAMES: Final = frames_of_ms(200)
"""From the detection to the decision."""

ROUND_TRIP_FRAMES: Final = frames_of_ms(80)
"""Through the broker to another appliance and back: some ms each in a house, and a frame at each end."""

SAME_WORD_FRAMES: Final = frames_of_ms(600)
"""Detections of one spoken word lie closer together than this; an older bid was for another one."""

PEERS_MAX: Final = 64


class Bid(Struct, frozen=True, forbid_unknown_fields=True):
    """How well an appliance heard the wake word."""

    number: Annotated[int, Meta(ge=0, le=2**31)]
    """Tells the bids of one appliance apart."""

    word: Annotated[str, Meta(max_length=128)]
    engaged: bool
    """It was talking with somebody already, or rang: it is meant."""

    snr_db: Annotated[float, Meta(ge=-200.0, le=200.0)]
    """Level of the word above the noise of the room, which does not depend on the microphone's gain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """A bid of another one."""

    bid: Bid
    frame: int
    """When it arrived, by our own frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contest:
    """Our own bid, until it is decided."""

    bid: Bid
    frame: int
    turn: int


class Arbiter:
    """Owned by the frame loop. `step` it once a frame, after what arrived was handed over."""

    def __init__(self, device_id: str, send: Callable[[Bid], bool]) -> None:
        """`send` publishes a bid to all appliances, this one too; False: it cannot be sent now."""
        self._id = device_id
        self._send = send
        self._peers: set[str] = set()
        self._heard: dict[str, _Heard] = {}
        self._number = 0
        self._contest: _Contest | None = None
        self._returned = False
        self._yields: list[Yielded] = []

    def present(self, device_id: str, online: bool) -> None:
        """An appliance came, or went."""
        if not online or device_id == self._id:
            self._peers.discard(device_id)
            self._heard.pop(device_id, None)
        elif len(self._peers) < PEERS_MAX:
            self._peers.add(device_id)

    def heard(self, device_id: str, bid: Bid, frame: int) -> None:
        """A bid arrived, our own among them: that tells that the broker is there and quick enough."""
        if device_id == self._id:
            self._returned = self._returned or (self._contest is not None and bid == self._contest.bid)
            return
        known = self._heard.get(device_id)
        is_repeated = known is not None and known.bid.number == bid.number
        if device_id in self._peers and not is_repeated:
            self._heard[device_id] = _Heard(bid=bid, frame=frame)

    def woken(self, word: str, snr_db: float, frame: int, *, engaged: bool, turn: int) -> None:
        """We heard the wake word ourselves; `turn`: the one that begins with it. Alone, we answer."""
        self._contest, self._returned = None, False
        if not self._peers:
            return
        self._number += 1
        bid = Bid(number=self._number, word=word, engaged=engaged, snr_db=round(snr_db, 1))
        contest = _Contest(bid=bid, frame=frame, turn=turn)
        oldest = min(self._rivals(contest), key=lambda rival: rival[1].frame, default=None)
        if oldest is not None and frame - oldest[1].frame > DEADLINE_FRAMES - ROUND_TRIP_FRAMES:
            self._yields.append(_yielded(contest, *oldest, frame))
        elif self._send(bid):
            self._contest = contest

    def step(self, frame: int) -> list[Yielded]:
        """What is decided in this frame: nothing, as a rule, or that another one answers."""
        contest, yields = self._contest, self._yields
        self._yields = []
        if contest is None or frame < contest.frame + DEADLINE_FRAMES:
            return yields
        self._contest = None
        best = max(self._rivals(contest), key=lambda rival: _rank(rival[0], rival[1].bid), default=None)
        if self._returned and best is not None and _rank(best[0], best[1].bid) > _rank(self._id, contest.bid):
            yields.append(_yielded(contest, *best, frame))
        return yields

    def _rivals(self, contest: _Contest) -> list[tuple[str, _Heard]]:
        """Bids of others for the word that was said just now."""
        return [
            (device_id, heard)
            for device_id, heard in self._heard.items()
            if heard.bid.word == contest.bid.word and heard.frame > contest.frame - SAME_WORD_FRAMES
        ]


def _rank(device_id: str, bid: Bid) -> tuple[bool, float, str]:
    """Who is being talked with, then who heard best; of two the same, one of them."""
    return bid.engaged, bid.snr_db, device_id


def _yielded(contest: _Contest, device_id: str, other: _Heard, frame: int) -> Yielded:
    return Yielded(
        frame=frame,
        turn=contest.turn,
        word=contest.bid.word,
        to=device_id,
        snr_db=contest.bid.snr_db,
        other_snr_db=other.bid.snr_db,
    )
