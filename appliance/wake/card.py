"""The card of a wake model: the .json beside it, in the form of microWakeWord's makers. Ours tell more in theirs.

It is checked before its model is used: a model that hears through another front end, or whose threshold was chosen with
another window, would be loaded without a complaint and never wake, or wake all day.
"""

import hashlib
import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from appliance.errors import ModelError
from appliance.models import WakeSettings
from appliance.runtimes.tflite import TfliteFile

Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class Micro(Struct, frozen=True):
    """What an engine needs; the defaults are those of most of microWakeWord's models."""

    probability_cutoff: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.9
    sliding_window_size: Annotated[int, Meta(ge=1, le=100)] = 5
    feature_step_size: Literal[10] = 10
    """ms between two rows of features: our front end has no other."""


class OperatingPoint(Struct, frozen=True):
    """A threshold, and what it was chosen for."""

    chosen: str
    threshold: Share


class Miss(Struct, frozen=True):
    """What a threshold misses."""

    threshold: Share
    miss_rate: Share


class Curve(Struct, frozen=True):
    """Misses by threshold in one condition."""

    name: str
    points: tuple[Miss, ...]

    def at(self, threshold: float) -> float:
        """Share of the words that are missed, by the next lower threshold that was measured."""
        below = [point for point in self.points if point.threshold <= threshold]
        return max(below, key=lambda point: point.threshold).miss_rate if below else 0.0


class VerifierCard(Struct, frozen=True):
    """A second stage, which hears again what the model takes for the word."""

    model: str
    """File of its head, beside the model."""

    sha256: str
    features: str
    """Name of the model that makes what the head hears."""

    gate: Annotated[float, Meta(gt=0.0, lt=1.0)]
    """Mean score of the model from which it is heard again."""

    threshold: Annotated[float, Meta(gt=0.0, lt=1.0)]
    """The head's score that wakes."""


class Card(Struct, frozen=True):
    """What of a card the device reads; all but the first two is only in our own."""

    wake_word: str = ""
    micro: Micro = Micro()
    sha256: str = ""
    """Of the model file."""

    verifier: VerifierCard | None = None
    operating_points: tuple[OperatingPoint, ...] = ()
    det: tuple[Curve, ...] = ()


def normal(name: str) -> str:
    """A name or phrase in the one form in which they are compared: "Hey Jarvis" is hey_jarvis."""
    return re.sub(r"[\s_-]+", "_", name.strip().lower())


def card_of(file: TfliteFile) -> Card:
    """The card beside a model; an empty one where there is none.

    Raises:
        ModelError: it is not of the form, naming the field, or of another file.
    """
    path = file.path.with_suffix(".json")
    if not path.is_file():
        return Card()
    try:
        card = msgspec.json.decode(path.read_bytes(), type=Card)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OSError) as error:
        raise ModelError(f"{path}: not a description of a wake word ({error}); correct or remove it") from None
    if card.sha256 and card.sha256 != hashlib.sha256(file.contents).hexdigest():
        raise ModelError(f"{path}: its sha256 is that of another file than {file.path.name}; take the two together")
    return card


def compare(file: TfliteFile, wake: WakeSettings) -> None:
    """Whether the card beside a model says what the manifest says of it.

    The threshold may differ: it may have been chosen anew, for other ears than the maker's.

    Raises:
        ModelError: of `card_of`; or word or window differ, naming both.
    """
    path = file.path.with_suffix(".json")
    if not path.is_file():
        return
    card = card_of(file)
    rows = (
        ("wake_word", "phrase", normal(card.wake_word), normal(wake.phrase)),
        ("micro.sliding_window_size", "window", card.micro.sliding_window_size, wake.window),
    )
    for field, key, told, entered in rows:
        if told != entered:
            raise ModelError(
                f"{path}: {field} is {told!r}, but {key} in the manifest is {entered!r}; "
                "correct the manifest, or install the model again"
            )
