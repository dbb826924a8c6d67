"""Vosk: a speech model in memory, and recognizers made from it.

Traps that this file keeps from the others: the library writes to stderr unless told not to; changing the grammar of a
recognizer that was fed aborts the process, so there is no way to do that here: make a new one (1 ms); words outside the
vocabulary are dropped silently, so ask `knows` first.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from appliance.audio.format import SAMPLE_RATE_HZ
from appliance.errors import ModelError
from appliance.speech.language_model import language_model

UNKNOWN = "[unk]"
"""Sentence that stands for everything else; without it the recognizer must choose one of the sentences."""

_UNKNOWN_NAMES = (UNKNOWN, "<UNK>", "<unk>")
"""What models of different makers call it."""

_LANGUAGE_MODEL, _WORDS = Path("graph/Gr.fst"), Path("graph/HCLr.fst")
_PARTS = ("am/final.mdl", "conf/model.conf", "conf/mfcc.conf")

SENTENCE_CHUNK = 12
"""Frames of 10 ms that recognizers of sentences decode at a time. What was said is known 80 ms sooner than with Vosk's
20, for a fifth more processor time; of 56 orders one was understood in other words."""

WORDS_MOST_BYTES = 64_000_000
"""A speech model with more of it is not loaded twice. English has 22 MB; Korean, with 182, would need 345 MB more."""


QUIET = -2
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
        if not ((path / _WORDS).is_file() and (path / _LANGUAGE_MODEL).is_file()):
            raise ModelError(
                f"{path}: its language model cannot be exchanged for that of our sentences, {_WORDS} or "
                f"{_LANGUAGE_MODEL} is missing; take one of Vosk's small models"
            )
        self._path = path
        self._model = _loaded(path)
        self.common_words = tuple(common_words)
        self.unknown = next((name for name in _UNKNOWN_NAMES if self.knows(name)), UNKNOWN)
        """What this model calls UNKNOWN, in its results, too."""

    def knows(self, word: str) -> bool:
        """Whether a single word, in small letters, is in the vocabulary."""
        return bool(self._model.vosk_model_find_word(word) >= 0)

    def recognizer(self, sentences: Sequence[str] | None) -> Recognizer:
        """A fresh recognizer of a few sentences (all their words must be known), or of free speech for None.

        Vosk makes a model of word pairs of them, each time: 20 ms for 3,000 sentences.
        """
        return _recognizer(self._model, *([] if sentences is None else [self._grammar(sentences)]))

    def of_sentences(self, sentences: Sequence[str]) -> "SentenceModel":
        """For recognizers of these sentences (all their words must be known).

        An empty one says how likely nothing is said. Raises ModelError.
        """
        if (self._path / _WORDS).stat().st_size > WORDS_MOST_BYTES:
            return SentenceModel(self._model, self._grammar(sentences))
        own = self._own(sentences)
        number = self._model.vosk_model_find_word
        words = sorted({word for sentence in own for word in sentence.split()})
        numbers = [f"{word} {number(word)}\n" for word in words]
        language = _Language(language_model(own, number), "".join(["<eps> 0\n", *numbers]))
        return SentenceModel(_loaded(self._path, language))

    def _grammar(self, sentences: Sequence[str]) -> str:
        # Vosk takes what is escaped for a word of its own
        return json.dumps([sentence for sentence in self._own(sentences) if sentence], ensure_ascii=False)

    def _own(self, sentences: Sequence[str]) -> list[str]:
        return [self.unknown if sentence == UNKNOWN else sentence for sentence in sentences]


class SentenceModel:
    """Makes recognizers of given sentences.

    The library keeps one language model a speech model, and makes word pairs of the sentences for each recognizer
    itself. For a better one the speech model is loaded once more (0.4 s, 65 MB), where it is small enough.
    """

    def __init__(self, model: Any, *grammar: str) -> None:
        """`model`: the library's; `grammar`: instead of its language model."""
        self._model = model
        self._grammar = grammar

    def recognizer(self) -> Recognizer:
        """A fresh one: in 1 ms, or 20 with a grammar of 3,000 sentences."""
        return _recognizer(self._model, *self._grammar)


@dataclass(frozen=True, slots=True)
class _Language:
    """Instead of the language model that came with a speech model."""

    content: bytes
    words: str
    """With their numbers; the model that came has them in it."""


def _recognizer(model: Any, *grammar: str) -> Recognizer:
    import vosk  # type: ignore[import-untyped]

    return cast(Recognizer, vosk.KaldiRecognizer(model, SAMPLE_RATE_HZ, *grammar))


def _loaded(path: Path, language: _Language | None = None) -> Any:
    import vosk

    vosk.SetLogLevel(QUIET)
    try:
        with _changed(path, language) as folder:
            return vosk.Model(str(folder))
    except OSError as error:
        raise ModelError(
            f"{path}: no place for its settings in the temporary folder ({error}); is the disk full?"
        ) from None
    except Exception as error:  # the library raises nothing narrower
        raise ModelError(f"{path}: Vosk cannot load the model ({error}); install it again") from None


@contextmanager
def _changed(model: Path, language: _Language | None) -> Iterator[Path]:
    """The model's folder with other settings and perhaps another language, for as long as it takes to load it.

    By default noise of one bit is added to the sound, from a random generator that goes on from one utterance to the
    next: the same sound would not give the same text twice.
    """
    with tempfile.TemporaryDirectory(prefix="vosk-") as folder:
        for part in model.iterdir():
            if part.name not in ("conf", "graph"):
                (Path(folder) / part.name).symlink_to(part.resolve())
        (Path(folder) / "conf").mkdir()
        for file in (model / "conf").iterdir():
            (Path(folder) / "conf" / file.name).write_bytes(file.read_bytes())
        with (Path(folder) / "conf" / "mfcc.conf").open("a", encoding="utf-8") as mfcc:
            mfcc.write("\n--dither=0\n")
        if language is not None:
            with (Path(folder) / "conf" / "model.conf").open("a", encoding="utf-8") as settings:
                settings.write(f"\n--frames-per-chunk={SENTENCE_CHUNK}\n")
        graph = Path(folder) / _LANGUAGE_MODEL.parent
        graph.mkdir()
        for part in (model / _LANGUAGE_MODEL.parent).iterdir():
            if language is None or part.name != _LANGUAGE_MODEL.name:
                (graph / part.name).symlink_to(part.resolve())
        if language is not None:
            (Path(folder) / _LANGUAGE_MODEL).write_bytes(language.content)
            (graph / "words.txt").write_text(language.words, encoding="utf-8")
        yield Path(folder)
