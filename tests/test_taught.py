"""What a language teaches: the same from what is kept as made now, and made now where that is damaged."""

import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from appliance.understanding import taught as kept
from appliance.understanding.language import Language
from appliance.understanding.phones import PhoneTable
from appliance.understanding.pronunciations import Pronunciations
from appliance.understanding.soundalike import SoundMatcher
from appliance.understanding.taught import FILES_MAX, Taught, taught

DICTIONARY = Pronunciations(b"fan F AE N\nlamp L AE M P\non AA N\nthe DH AH\nthe(2) DH IY\nturn T ER N\n", PhoneTable())


def language(folder: Path, *things: str) -> Language:
    path = folder / "own.yaml"
    path.write_text(
        "language: en\nskip_words: [please]\n"
        "intents: {switch: {data: [{sentences: ['turn on [the] {thing}']}]}}\n"
        f"lists: {{thing: {{values: [{', '.join(things)}]}}}}\n"
    )
    return Language.from_sentences_file(path, "en")


def same(one: Taught, other: Taught) -> bool:
    first, second = one.sounds, other.sounds
    assert first is not None
    assert second is not None
    return (
        one.graph == other.graph
        and (one.words, one.sentences, first.words, first.own, first.states, first.start)
        == (other.words, other.sentences, second.words, second.own, second.states, second.start)
        and np.array_equal(first.arcs, second.arcs)
        and np.array_equal(first.ends, second.ends)
    )


def the_file(folder: Path) -> Path:
    (file,) = folder.glob("*.taught")
    return file


def test_what_is_kept_is_what_was_made(tmp_path: Path) -> None:
    known = language(tmp_path, "fan", "lamp", "loggia")
    made = taught(known, DICTIONARY, None)
    assert {"turn", "on", "the", "fan", "lamp", "loggia", "please"} <= set(made.words)
    assert same(made, taught(known, DICTIONARY, tmp_path / "cache"))
    assert same(made, taught(known, DICTIONARY, tmp_path / "cache"))
    assert made.sounds is not None
    assert "loggia" in made.sounds.own, "a word without a pronunciation is a phone of its own"
    matcher = SoundMatcher(made.sounds, DICTIONARY)
    assert matcher.near("turn on lamp", 0)[0] == SoundMatcher(known.graph(), DICTIONARY).near("turn on lamp", 0)[0]
    assert matcher.near("turn on the loggia", 0)[0].distance == 0


def test_what_is_kept_is_used(tmp_path: Path) -> None:
    known = language(tmp_path, "fan")
    taught(known, DICTIONARY, tmp_path / "cache")
    marked = Taught(words=("marked",), sentences=("of the file",), graph=None, sounds=None)
    kept._write(marked, the_file(tmp_path / "cache"))
    assert taught(known, DICTIONARY, tmp_path / "cache") == marked


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"not a file of ours" * 100])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    known, folder = language(tmp_path, "fan"), tmp_path / "cache"
    made = taught(known, DICTIONARY, folder)
    file = the_file(folder)
    whole = file.read_bytes()
    file.write_bytes(damage)
    assert same(made, taught(known, DICTIONARY, folder))
    assert same(made, taught(known, DICTIONARY, folder)), "it was kept again"
    for position in range(0, len(whole), 97):  # one bit is another, anywhere
        changed = bytearray(whole)
        changed[position] ^= 16
        file.write_bytes(changed)
        assert same(made, taught(known, DICTIONARY, folder)), position
    file.write_bytes(whole[: len(whole) // 2])
    assert same(made, taught(known, DICTIONARY, folder))


def test_anything_that_counts_makes_another_file(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    taught(language(tmp_path, "fan"), DICTIONARY, folder)
    taught(language(tmp_path, "fan", "lamp"), DICTIONARY, folder)
    taught(language(tmp_path, "fan"), Pronunciations(b"fan F AE N\n", PhoneTable()), folder)
    taught(language(tmp_path, "fan"), None, folder)
    assert len(list(folder.glob("*.taught"))) == 4
    assert taught(language(tmp_path, "fan"), None, folder).sounds is None


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    first = language(tmp_path, "fan")
    taught(first, None, folder)
    of_first = the_file(folder)
    (folder / "unfinished.part").write_bytes(b"of a process that was killed")
    for number in range(FILES_MAX + 2):
        known = language(tmp_path, "lamp" + "s" * number)
        taught(known, None, folder)
        for at, file in enumerate(sorted(folder.glob("*.taught"), key=lambda path: path.stat().st_mtime_ns)):
            os.utime(file, (at, at))
        taught(first, None, folder)  # it is in use: others go before it
    files = list(folder.iterdir())
    assert len(files) == FILES_MAX
    assert of_first in files


def test_a_folder_that_cannot_be_written_to_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in its way")
    known = language(tmp_path, "fan")
    assert same(taught(known, DICTIONARY, tmp_path / "file"), taught(known, DICTIONARY, None))


def test_ten_thousand_sentences_are_learned(tmp_path: Path) -> None:
    things = ["window", "damper", "pump", "curtain", "blind", "lamp", "fan", "oven", "heater", "door"]
    path = tmp_path / "own.yaml"
    ways = itertools.product(["open", "close", "move", "dim", "set"], things, ["by", "at"], things, "abcd")
    lines = "".join(f"      - {' '.join(text)} (one|two|six|ten|to)\n" for text in itertools.islice(ways, 2_000))
    path.write_text(f"language: en\nintents:\n  a:\n    data:\n    - sentences:\n{lines}")
    known = Language.from_sentences_file(path, "en")
    found = taught(known, DICTIONARY, tmp_path)
    assert known.match("close pump at fan c two") is not None
    assert found.sounds is not None
