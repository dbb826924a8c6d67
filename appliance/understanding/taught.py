"""What is learned from the sentences of a language: its words, the recognizer's training text, the graph of its sounds.

It takes a second of pure Python for the built-in language, so it is kept in a file whose name is a hash of all that it
is made from: the templates, the dictionary, and this program. Nothing else can make it wrong; a file that cannot be
read, or is damaged, is made anew.
"""

import hashlib
import io
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance import garbage
from appliance.understanding.automaton import TooLargeError, WordGraph
from appliance.understanding.language import Language
from appliance.understanding.pronunciations import Pronunciations
from appliance.understanding.soundalike import PhoneGraph, phone_graph

Numbers = NDArray[np.integer[Any]]

_LOGGER = logging.getLogger(__name__)

FILES_MAX = 8
"""Files kept, of about 2 MB each for the built-in language: the newest used; homes and languages change rarely."""

_CODE = Path(__file__).parent
_DIGEST_BYTES = hashlib.sha256().digest_size
"""Before the content, of which it is the SHA-256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """What a language teaches."""

    words: tuple[str, ...]
    """Every word that it can say."""

    sentences: tuple[str, ...]
    """Training text for the recognizer."""

    graph: WordGraph | None
    """Of the single commands; None where they branch too much for a graph."""

    sounds: PhoneGraph | None
    """Of all sentences; None without a dictionary of pronunciations, and without a graph."""


def taught(language: Language, pronunciations: Pronunciations | None, folder: Path | None) -> Taught:
    """From the folder, or made now and put there.

    Args:
        language: what can be said.
        pronunciations: how its words sound; None: nothing is learned of that.
        folder: where it is kept; None: nowhere. One that cannot be written to is as good as none.
    """
    file = folder / f"{_key(language, pronunciations)}.taught" if folder else None
    found = _read(file) if file else None
    if found is None:
        found = _made(language, pronunciations)
        if file:
            _write(found, file)
    language.know_graph(found.graph)
    return found


@garbage.put_off()
def _made(language: Language, pronunciations: Pronunciations | None) -> Taught:
    words, sentences = tuple(sorted(language.words())), tuple(language.sentences())
    try:
        graph = language.single_graph()
    except TooLargeError:
        return Taught(words=words, sentences=sentences, graph=None, sounds=None)
    language.know_graph(graph)
    sounds = phone_graph(language.graph(), pronunciations) if pronunciations else None
    return Taught(words=words, sentences=sentences, graph=graph, sounds=sounds)


def _key(language: Language, pronunciations: Pronunciations | None) -> str:
    """Of everything that has a say in it."""
    hashed = hashlib.sha256(language.digest)
    hashed.update(pronunciations.digest if pronunciations else b"none")
    for module in sorted(_CODE.glob("*.py")):
        hashed.update(module.read_bytes())
    return hashed.hexdigest()


def _read(file: Path) -> Taught | None:
    """None where there is none, or a damaged one."""
    try:
        content = file.read_bytes()
        os.utime(file)  # in use: others go before it
    except FileNotFoundError:
        return None
    except OSError as error:
        _LOGGER.debug("%s: made anew: %s", file, error)
        return None
    digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        _LOGGER.debug("%s: made anew: it is damaged", file)
        return None
    parts = np.load(io.BytesIO(content), allow_pickle=False)
    sounds = None
    if "arcs" in parts:
        sounds = PhoneGraph(
            words=_texts(parts["sound_words"]),
            own=_texts(parts["own"]),
            arcs=parts["arcs"].astype(np.int64),
            ends=parts["ends"].astype(np.int64),
            states=int(parts["states"]),
            start=int(parts["start"]),
        )
    graph = _word_graph(parts) if "graph_words" in parts else None
    return Taught(words=_texts(parts["words"]), sentences=_texts(parts["sentences"]), graph=graph, sounds=sounds)


def _word_graph(parts: Mapping[str, Numbers]) -> WordGraph:
    words = _texts(parts["graph_words"])
    arcs: list[list[tuple[str, int]]] = [[] for _ in range(int(parts["graph_states"]))]
    for state, word, target in parts["graph_arcs"].tolist():
        arcs[state].append((words[word], target))
    return WordGraph(tuple(map(tuple, arcs)), frozenset(parts["graph_ends"].tolist()), int(parts["graph_start"]))


def _parts_of(graph: WordGraph) -> dict[str, Numbers]:
    words = sorted({word for arcs in graph.arcs for word, _ in arcs})
    numbers = {word: number for number, word in enumerate(words)}
    arcs = [(state, numbers[word], target) for state, leaving in enumerate(graph.arcs) for word, target in leaving]
    return {
        "graph_words": _lines(words),
        "graph_arcs": np.array(arcs, np.int32).reshape(-1, 3),
        "graph_ends": np.array(sorted(graph.ends), np.int32),
        "graph_states": np.array(len(graph.arcs)),
        "graph_start": np.array(graph.start),
    }


def _write(found: Taught, file: Path) -> None:
    """Whole or not at all; a full or read-only disk is no reason not to go on."""
    parts = {"words": _lines(found.words), "sentences": _lines(found.sentences)}
    if found.graph is not None:
        parts |= _parts_of(found.graph)
    if found.sounds is not None:
        sounds = found.sounds
        parts |= {"sound_words": _lines(sounds.words), "own": _lines(sounds.own)}
        parts |= {"arcs": sounds.arcs.astype(np.int32), "ends": sounds.ends.astype(np.int32)}
        parts |= {"states": np.array(sounds.states), "start": np.array(sounds.start)}
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **parts)
    unfinished = file.with_name(f"{file.stem}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(hashlib.sha256(content.getbuffer()).digest() + content.getbuffer())
        unfinished.replace(file)
        kept = sorted(file.parent.glob("*.taught"), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in (*kept[FILES_MAX:], *file.parent.glob("*.part")):
            old.unlink(missing_ok=True)
    except OSError as error:
        _LOGGER.debug("%s: not kept: %s", file, error)


def _lines(texts: Iterable[str]) -> Numbers:
    return np.frombuffer("\n".join(texts).encode(), np.uint8)


def _texts(lines: Numbers) -> tuple[str, ...]:
    text = lines.tobytes().decode()
    return tuple(text.split("\n")) if text else ()
