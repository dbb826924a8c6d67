"""Vosk: a speech model in memory, and recognizers made from it.

Traps that this file keeps from the others: the library writes to stderr unless told not to; changing the grammar of a
recognizer that was fed aborts the process, so there is no way to do that here: make a new one (1 ms for short lists,
20 ms for 3,000 sentences); words outside the vocabulary are dropped silently, so ask `knows` first.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, cast

from appliance.audio.format import SAMPLE_RATE_HZ
from appliance.errors import ModelError

UNKNOWN = "[unk]"
"""Sentence that stands for everything else; without it the recognizer must choose one of the sentences."""

_UNKNOWN_NAMES = (UNKNOWN, "<UNK>", "<unk>")
"""What models of different makers call it."""

_PARTS = ("am/final.mdl", "conf/model.conf", "conf/mfcc.conf")


QUIET = -1
"""Log level of the library: errors only."""


class Recognizer(Protocol):
    """What we use of Vosk's KaldiRecognizer. Results are JSON; audio is 16 kHz mono int16, as bytes."""

    def AcceptWaveform(self, data: bytes) -> int:
        """Feed any number of samples; 1 when the utterance ended, so that `Result` is due."""

    def Result(self) -> str:
        """The utterance that ended; the recognizer begins a new one."""

    def PartialResult(self) -> str:
        """What was understood so far."""

    def FinalResult(self) -> str:
        """End the utterance now."""

    def SetMaxAlternatives(self, max_alternatives: int) -> None:
        """Results list this many readings; 0: one, with word confidences."""

    def SetWords(self, enable: bool) -> None:
        """Results tell of each word when it was said."""


class VoskModel:
    """A speech model, loaded once (0.4 s, 125 MB) and shared by every recognizer made from it."""

    def __init__(self, path: Path, common_words: Sequence[str] = ()) -> None:
        """Load the model in this folder. `common_words`: of its language, for those that tell a phrase from speech.

        Raises:
            ModelError: the folder holds no Vosk model, or the library refuses it.
        """
        missing = [part for part in _PARTS if not (path / part).is_file()]
        if missing:
            raise ModelError(
                f"{path}: no Vosk model, {missing[0]} is missing; install it with appliance models install"
            )
        import vosk  # type: ignore[import-untyped]

        vosk.SetLogLevel(QUIET)
        self._recognizer_class: Any = vosk.KaldiRecognizer
        try:
            with _without_dither(path) as folder:
                self._model: Any = vosk.Model(str(folder))
        except Exception as error:  # the library raises nothing narrower
            raise ModelError(f"{path}: Vosk cannot load the model ({error}); install it again") from None
        self.common_words = tuple(common_words)
        self.unknown = next((name for name in _UNKNOWN_NAMES if self.knows(name)), UNKNOWN)
        """What this model calls UNKNOWN, in its results, too."""

    def knows(self, word: str) -> bool:
        """Whether a single word, in small letters, is in the vocabulary."""
        return bool(self._model.vosk_model_find_word(word) >= 0)

    def recognizer(self, sentences: Sequence[str] | None) -> Recognizer:
        """A fresh recognizer of these sentences (all their words must be known), or of free speech for None."""
        if sentences is None:
            return cast(Recognizer, self._recognizer_class(self._model, SAMPLE_RATE_HZ))
        said = [self.unknown if sentence == UNKNOWN else sentence for sentence in sentences]
        grammar = json.dumps(said, ensure_ascii=False)  # Vosk takes what is escaped for a word of its own
        return cast(Recognizer, self._recognizer_class(self._model, SAMPLE_RATE_HZ, grammar))


@contextmanager
def _without_dither(model: Path) -> Iterator[Path]:
    """The model's folder with one setting more, for as long as it takes to load it.

    By default noise of one bit is added to the sound, from a random generator that goes on from one utterance to the
    next: the same sound would not give the same text twice.
    """
    with tempfile.TemporaryDirectory(prefix="vosk-") as folder:
        for part in model.iterdir():
            if part.name != "conf":
                (Path(folder) / part.name).symlink_to(part.resolve())
        (Path(folder) / "conf").mkdir()
        for settings in (model / "conf").iterdir():
            (Path(folder) / "conf" / settings.name).write_bytes(settings.read_bytes())
        with (Path(folder) / "conf" / "mfcc.conf").open("a", encoding="utf-8") as mfcc:
            mfcc.write("\n--dither=0\n")
        yield Path(folder)
